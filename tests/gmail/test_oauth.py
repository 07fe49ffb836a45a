"""Consent, and what comes back from it, against a Google at the HTTP edge with keys of its own."""

import time
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from google.auth import crypt, jwt

from gmail.endpoints import GMAIL_READONLY, GoogleEndpoints
from gmail.errors import CertsUnavailable, CodeRefused, ConsentIncomplete, GmailTrouble, IdentityUnproven, OperatorFault, TryAgain
from gmail.oauth import SIGN_IN, Grant, OAuthClient
from tests.gmail.google import NOON, Google, Reply

BACK = "https://postroom.example.com/oauth/callback"
RFC_7636 = ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")  # its appendix B
SCOPES = f"openid https://www.googleapis.com/auth/userinfo.email {GMAIL_READONLY}"


@cache
def a_key(name: str) -> tuple[str, str]:
    """(private, public) PEM, one pair per name."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private.decode(), key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def an_id_token(key: str = "one", key_id: str = "", **claims: Any) -> str:
    now = int(time.time())
    usual = {"iss": "https://accounts.google.com", "aud": "client", "sub": "1077", "iat": now, "exp": now + 3600, "nonce": "n-1"}
    said = usual | {"email": "eva@example.com", "email_verified": True} | claims
    signer = crypt.RSASigner.from_string(a_key(key)[0], key_id or key)  # type: ignore[no-untyped-call]
    return bytes(jwt.encode(signer, {name: value for name, value in said.items() if value is not None})).decode()  # type: ignore[no-untyped-call]


def a_token_answer(**more: Any) -> dict[str, Any]:
    usual = {"access_token": "ya29.sample", "expires_in": 3920, "scope": SCOPES, "refresh_token": "1//sample"}
    return usual | {"id_token": an_id_token()} | more


CERTS = Reply(body={"one": a_key("one")[1]}, headers={"Cache-Control": "public, max-age=20000"})


@pytest.fixture
def client(google: Google, session: aiohttp.ClientSession) -> OAuthClient:
    endpoints = GoogleEndpoints(f"{google.url}/auth", f"{google.url}/token", f"{google.url}/revoke", f"{google.url}/certs")
    return OAuthClient(endpoints, "client", "secret", session, clock=lambda: NOON)


async def test_the_person_is_asked_for_what_is_needed_and_no_more(client: OAuthClient) -> None:
    url = urlsplit(client.authorization_url(BACK, "s-1", RFC_7636[0], "eva@example.com", "n-1"))
    asked = {key: value for key, (value,) in parse_qs(url.query).items()}
    assert asked == {
        "client_id": "client",
        "redirect_uri": BACK,
        "response_type": "code",
        "scope": "https://www.googleapis.com/auth/gmail.readonly openid email",
        "access_type": "offline",
        "include_granted_scopes": "false",
        "prompt": "consent select_account",
        "state": "s-1",
        "nonce": "n-1",
        "code_challenge": RFC_7636[1],
        "code_challenge_method": "S256",
        "login_hint": "eva@example.com",
    }
    sign_in = parse_qs(urlsplit(client.authorization_url(BACK, "s", "v", "", "n", prompt="select_account", scopes=SIGN_IN)).query)
    assert (sign_in["scope"], sign_in["access_type"], "login_hint" in sign_in) == (["openid email"], ["online"], False)


async def test_a_code_becomes_a_grant(google: Google, client: OAuthClient) -> None:
    google.answers(a_token_answer(), CERTS)
    grant = await client.exchange("4/code", "v" * 43, BACK, "n-1")
    expires_at = NOON + timedelta(seconds=3920)
    assert grant == Grant("1//sample", "ya29.sample", expires_at, frozenset(SCOPES.split()), "1077", "eva@example.com", email_verified=True)
    form = parse_qs(google.asked[0].body)
    assert (form["code"], form["code_verifier"], form["redirect_uri"]) == (["4/code"], ["v" * 43], [BACK])
    assert form["grant_type"] == ["authorization_code"]


async def test_a_reconnect_may_come_without_a_refresh_token(google: Google, client: OAuthClient) -> None:
    """Scenario 95."""
    google.answers(a_token_answer(refresh_token=None), CERTS)
    assert (await client.exchange("4/code", "v", BACK, "n-1")).refresh_token is None


async def test_an_unticked_box_is_named(google: Google, client: OAuthClient) -> None:
    """Scenario 93."""
    google.answers(a_token_answer(scope="openid https://www.googleapis.com/auth/userinfo.email"), CERTS)
    with pytest.raises(ConsentIncomplete) as incomplete:
        await client.exchange("4/code", "v", BACK, "n-1")
    assert incomplete.value.missing == {GMAIL_READONLY}
    google.answers(a_token_answer(scope="openid"), CERTS)
    assert (await client.exchange("4/code", "v", BACK, "n-1", needed=frozenset())).sub == "1077"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(400, {"error": "invalid_grant", "error_description": "Bad Request"}), CodeRefused),
        (Reply(401, {"error": "invalid_client"}), OperatorFault),
        (Reply(400, {"error": "redirect_uri_mismatch"}), OperatorFault),
        (Reply(500, {"error": "internal_failure"}), TryAgain),
        (Reply(502, b"<html>busy</html>"), TryAgain),
        (Reply(200, b"<html>welcome</html>"), TryAgain),
        (Reply(200, {"scope": SCOPES}), TryAgain),
        (Reply(hangs_up=True), TryAgain),
    ],
)
async def test_a_code_that_is_not_taken_says_why(google: Google, client: OAuthClient, reply: Reply, error: type[GmailTrouble]) -> None:
    google.answers(reply)
    with pytest.raises(error) as raised:
        await client.exchange("4/code", "v", BACK, "n-1")
    assert type(raised.value) is error


NOW = int(time.time())
WRONG_CLAIMS: list[dict[str, Any]] = [
    {"key": "two"},
    {"aud": "another"},
    {"iss": "https://accounts.example.com"},
    {"nonce": "n-2"},
    {"nonce": None},
    {"exp": NOW - 70},
    {"exp": None},
    {"exp": "soon"},
    {"iat": NOW + 3600},
    {"sub": None},
    {"sub": 5},
    {"email": None},
]
NO_TOKENS = ["", "e30.e30.", "a.b.c", "ü", an_id_token()[:-8] + "AAAAAAAA", an_id_token("two", "one")]


@pytest.mark.parametrize("id_token", [*NO_TOKENS, *(an_id_token(**claims) for claims in WRONG_CLAIMS)])
async def test_an_identity_that_is_not_proven_is_none(google: Google, client: OAuthClient, id_token: str) -> None:
    google.answers(a_token_answer(id_token=id_token), CERTS)
    with pytest.raises(IdentityUnproven):
        await client.exchange("4/code", "v", BACK, "n-1")


async def test_small_skews_and_unverified_addresses_are_told_as_they_are(google: Google, client: OAuthClient) -> None:
    """Scenario 6."""
    google.answers(CERTS)
    now = int(time.time())
    early = await client.identity(an_id_token(iat=now + 30, exp=now - 30, email_verified=False, iss="accounts.google.com"), "n-1")
    assert (early.sub, early.email_verified) == ("1077", False)


@pytest.mark.parametrize(
    ("claims", "googles"),
    [
        ({"hd": "example.com"}, True),
        ({"hd": "elsewhere.example"}, True),  # a second domain of the same organisation
        ({}, False),
        ({"hd": ""}, False),
        ({"hd": True}, False),
        ({"email": "Eva@GMail.com"}, True),
        ({"email": "eva@googlemail.com"}, True),
        ({"email": "eva@gmail.com.example"}, False),
    ],
)
async def test_whether_google_itself_gives_out_an_address(
    google: Google, client: OAuthClient, claims: dict[str, Any], googles: bool
) -> None:
    google.answers(a_token_answer(id_token=an_id_token(**claims)), CERTS)
    assert (await client.exchange("4/code", "v", BACK, "n-1")).is_googles_own is googles


async def test_without_any_keys_nothing_is_said_about_the_token(google: Google, client: OAuthClient) -> None:
    """Scenario 7."""
    google.answers(Reply(503, b""))
    with pytest.raises(CertsUnavailable):
        await client.identity(an_id_token(), "n-1")


@pytest.mark.parametrize(("status", "is_revoked"), [(200, True), (400, False)])
async def test_a_grant_is_revoked_or_was_dead(google: Google, client: OAuthClient, status: int, is_revoked: bool) -> None:
    """Scenario 100."""
    google.answers(Reply(status, {}))
    assert await client.revoke("1//sample") is is_revoked
    assert (google.asked[0].path, google.asked[0].body) == ("/revoke", "token=1%2F%2Fsample")


async def test_a_revocation_that_google_could_not_make_is_tried_again(google: Google, client: OAuthClient) -> None:
    google.answers(replace(CERTS, status=503))
    with pytest.raises(TryAgain):
        await client.revoke("1//sample")
