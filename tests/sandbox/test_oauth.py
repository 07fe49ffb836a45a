"""Consent, codes, tokens, refreshes, revocation and OpenID Connect, through google-auth where it has a say."""

import base64
import json
from typing import Any

import pytest
import requests
from bs4 import BeautifulSoup
from google.auth.exceptions import RefreshError
from googleapiclient.errors import HttpError

from tests.sandbox.person import READONLY, REDIRECT, VERIFIER, Person, challenge, exchange, question, refresh, told_back, verified, visit
from tests.sandbox_server import CLIENT_ID, SandboxServer

EMAIL = "https://www.googleapis.com/auth/userinfo.email"


def error_of(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


def press(google: SandboxServer, answer: requests.Response, decision: str, untick: tuple[str, ...] = ()) -> requests.Response:
    """Fills the consent form as a browser would."""
    form = BeautifulSoup(answer.text, "html.parser").form
    assert form is not None
    fields = [(str(i["name"]), str(i["value"])) for i in form.find_all("input") if i["type"] == "hidden" or i.has_attr("checked")]
    kept = [(name, value) for name, value in fields if value not in untick]
    return requests.post(f"{google.url}{form['action']}", [*kept, ("decision", decision)], allow_redirects=False, timeout=5)


def consented(google: SandboxServer, **changed: str) -> dict[str, Any]:
    google.consent("anna@firm.test")
    return dict(exchange(google, told_back(visit(google, **changed))["code"]).json())


@pytest.fixture(autouse=True)
def _accounts(google: SandboxServer) -> None:
    google.account("anna@firm.test", "Anna Sample")
    google.account("bert@firm.test", "Bert Sample")


def test_a_person_chooses_an_account_and_allows(google: SandboxServer) -> None:
    chooser = BeautifulSoup(visit(google).text, "html.parser")
    links = {link.get_text(" "): link["href"] for link in chooser.find_all("a")}
    assert list(links) == ["Anna Sample anna@firm.test", "Bert Sample bert@firm.test"]
    consent = requests.get(google.url + str(links["Bert Sample bert@firm.test"]), timeout=5)
    back = told_back(press(google, consent, "allow"))
    assert (back["state"], back["iss"]) == ("s1", "https://accounts.google.com")
    given = exchange(google, back["code"]).json()
    assert given["scope"].split() == ["openid", EMAIL, READONLY]
    assert google.state()["accounts"]["bert@firm.test"]["grant"]["refresh_tokens"] == 1


def test_a_box_that_is_unticked_is_not_granted(google: SandboxServer) -> None:
    consent = visit(google, login_hint="anna@firm.test")
    assert "View your email messages and settings" in consent.text
    given = exchange(google, told_back(press(google, consent, "allow", untick=(READONLY,)))["code"]).json()
    assert given["scope"].split() == ["openid", EMAIL]


def test_a_person_cancels(google: SandboxServer) -> None:
    back = told_back(press(google, visit(google, login_hint="anna@firm.test"), "cancel"))
    assert back == {"state": "s1", "iss": "https://accounts.google.com", "error": "access_denied"}


def test_a_prepared_consent_answers_by_itself_and_once(google: SandboxServer) -> None:
    google.consent("anna@firm.test")
    assert "code" in told_back(visit(google))
    assert visit(google).status_code == 200
    google.consent("anna@firm.test", scopes=["email"])
    back = told_back(visit(google, login_hint="anna@firm.test", prompt="consent"))
    assert exchange(google, back["code"]).json()["scope"].split() == ["openid", EMAIL]
    google.consent("anna@firm.test", deny=True)
    assert told_back(visit(google))["error"] == "access_denied"


def test_of_two_prepared_consents_the_hint_decides(google: SandboxServer) -> None:
    google.consent("anna@firm.test")
    google.consent("bert@firm.test")
    assert visit(google).status_code == 200
    told_back(visit(google, login_hint="bert@firm.test"))
    accounts = google.state()["accounts"]
    assert [bool(accounts[a]["grant"]) for a in ("anna@firm.test", "bert@firm.test")] == [False, True]


def test_the_only_prepared_consent_may_be_of_another_account_than_hinted(google: SandboxServer) -> None:
    google.consent("bert@firm.test")
    given = exchange(google, told_back(visit(google, login_hint="anna@firm.test"))["code"]).json()
    assert claims(given["id_token"])["email"] == "bert@firm.test"


def claims(token: str) -> dict[str, Any]:
    middle = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4))))


def test_a_refresh_token_comes_with_the_first_consent_or_when_it_is_forced(google: SandboxServer) -> None:
    assert "refresh_token" in consented(google)
    assert "refresh_token" not in consented(google)
    assert "refresh_token" in consented(google, prompt="consent")
    google.revoke("anna@firm.test")
    assert "refresh_token" in consented(google)
    assert "refresh_token" not in consented(google, access_type="online", prompt="consent")


def test_a_prepared_consent_may_come_without_a_refresh_token(google: SandboxServer) -> None:
    """As when Google thinks that it gave one: this one answer only."""
    google.consent("anna@firm.test", no_refresh_token=True)
    given = exchange(google, told_back(visit(google, prompt="consent"))["code"]).json()
    assert {"access_token", "id_token"} <= given.keys()
    assert "refresh_token" not in given
    assert "refresh_token" in consented(google, prompt="consent")


def test_a_sign_in_asks_for_an_identity_only(google: SandboxServer) -> None:
    asked = {"scope": "openid email", "access_type": "", "prompt": "select_account"}
    chooser = BeautifulSoup(visit(google, login_hint="anna@firm.test", **asked).text, "html.parser")
    links = {link.get_text(" "): str(link["href"]) for link in chooser.find_all("a")}
    consent = requests.get(google.url + links["Anna Sample anna@firm.test"], timeout=5)
    assert "It will see your name and address." in consent.text
    given = exchange(google, told_back(press(google, consent, "allow"))["code"]).json()
    assert given.keys() == {"access_token", "expires_in", "scope", "token_type", "id_token"}
    assert verified(google, given["id_token"], CLIENT_ID)["email"] == "anna@firm.test"
    again = requests.get(google.url + links["Anna Sample anna@firm.test"], allow_redirects=False, timeout=5)
    assert "code" in told_back(again)


def test_what_is_granted_is_not_asked_again_unless_it_is_forced(google: SandboxServer) -> None:
    consented(google)
    assert told_back(visit(google, login_hint="anna@firm.test"))["prompt"] == "none"
    assert visit(google, login_hint="anna@firm.test", prompt="consent").status_code == 200
    assert "Choose an account" in visit(google, login_hint="anna@firm.test", prompt="select_account").text


def test_prompt_none_never_shows_a_page(google: SandboxServer) -> None:
    assert told_back(visit(google, prompt="none"))["error"] == "interaction_required"
    assert told_back(visit(google, prompt="none", login_hint="anna@firm.test"))["error"] == "consent_required"


def test_scopes_that_were_granted_earlier_can_be_included(google: SandboxServer) -> None:
    consented(google)
    alone = consented(google, scope="openid")
    assert alone["scope"] == "openid"
    assert READONLY in consented(google, scope="openid", include_granted_scopes="true")["scope"].split()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"client_id": "other"}, "invalid_client"),
        ({"redirect_uri": "http://firm.example.com/callback"}, "redirect_uri_mismatch"),
        ({"redirect_uri": "https://firm.example.com/callback#part"}, "redirect_uri_mismatch"),
        ({"redirect_uri": "ftp://localhost/"}, "redirect_uri_mismatch"),
        ({"redirect_uri": "/callback"}, "redirect_uri_mismatch"),
    ],
)
def test_nobody_is_sent_back_to_a_stranger(google: SandboxServer, changed: dict[str, str], said: str) -> None:
    google.consent("anna@firm.test")
    answer = visit(google, **changed)
    assert answer.status_code == 400
    assert said in answer.text


@pytest.mark.parametrize("address", ["https://firm.example.com/callback?x=1", "http://localhost:8000/cb", "http://[::1]:8000/cb"])
def test_https_and_this_machine_are_good_places_to_be_sent_back_to(google: SandboxServer, address: str) -> None:
    google.consent("anna@firm.test")
    back = visit(google, redirect_uri=address)
    assert back.headers["location"].startswith(address)
    assert exchange(google, told_back(back)["code"], redirect_uri=address).status_code == 200


def test_a_code_is_good_once_for_its_client_address_and_verifier(google: SandboxServer) -> None:
    def code() -> str:
        google.consent("anna@firm.test")
        return told_back(visit(google))["code"]

    assert error_of(exchange(google, "4/never")) == (400, "invalid_grant")
    assert error_of(exchange(google, code(), client_secret="wrong")) == (401, "invalid_client")
    assert error_of(exchange(google, code(), redirect_uri=REDIRECT + "/")) == (400, "redirect_uri_mismatch")
    assert error_of(exchange(google, code(), code_verifier="w" * 50)) == (400, "invalid_grant")
    assert error_of(exchange(google, code(), code_verifier="")) == (400, "invalid_grant")
    assert error_of(exchange(google, code(), grant_type="password")) == (400, "unsupported_grant_type")
    good = code()
    assert exchange(google, good).status_code == 200
    assert error_of(exchange(google, good)) == (400, "invalid_grant")
    late = code()
    google.clock(601)
    assert error_of(exchange(google, late)) == (400, "invalid_grant")


def test_pkce_may_be_plain_or_left_out(google: SandboxServer) -> None:
    google.consent("anna@firm.test")
    plain = told_back(visit(google, code_challenge=VERIFIER, code_challenge_method="plain"))["code"]
    assert exchange(google, plain).status_code == 200
    google.consent("anna@firm.test")
    none = told_back(visit(google, code_challenge="", code_challenge_method=""))["code"]
    assert exchange(google, none, code_verifier="").status_code == 200
    assert challenge() != VERIFIER


def test_the_id_token_is_what_google_auth_verifies(google: SandboxServer) -> None:
    given = consented(google, nonce="n-1", scope="openid email profile")
    claimed = verified(google, given["id_token"], CLIENT_ID)
    assert claimed["iss"] == "https://accounts.google.com"
    assert (claimed["email"], claimed["email_verified"], claimed["hd"]) == ("anna@firm.test", True, "firm.test")
    assert (claimed["nonce"], claimed["name"]) == ("n-1", "Anna Sample")
    assert claimed["sub"] == google.state()["accounts"]["anna@firm.test"]["sub"]
    assert claimed["exp"] == claimed["iat"] + 3600


@pytest.mark.parametrize(
    ("address", "told", "hd", "sure"),
    [
        ("carl@client.test", {}, "client.test", True),
        ("carl@client.test", {"hosted": False}, None, True),
        ("carl@client.test", {"hosted": False, "verified": False}, None, False),
        ("carl@gmail.com", {}, None, True),
    ],
)
def test_an_account_has_a_workspace_or_not_and_its_address_is_verified_or_not(
    google: SandboxServer, address: str, told: dict[str, Any], hd: str | None, sure: bool
) -> None:
    google.account(address, **told)
    google.consent(address)
    token = exchange(google, told_back(visit(google))["code"]).json()["id_token"]
    claimed = verified(google, token, CLIENT_ID)
    assert (claimed["email"], claimed.get("hd"), claimed["email_verified"]) == (address, hd, sure)


def test_the_same_keys_are_served_as_certificates_and_as_a_jwk_set(google: SandboxServer) -> None:
    kid = json.loads(base64.urlsafe_b64decode(consented(google)["id_token"].split(".")[0] + "=="))["kid"]
    certificates = requests.get(f"{google.url}/oauth2/v1/certs", timeout=5)
    assert certificates.json()[kid].startswith("-----BEGIN CERTIFICATE-----")
    assert "max-age" in certificates.headers["cache-control"]
    keys = {key["kid"]: key for key in requests.get(f"{google.url}/oauth2/v3/certs", timeout=5).json()["keys"]}
    assert (keys[kid]["kty"], keys[kid]["alg"], keys[kid]["e"]) == ("RSA", "RS256", "AQAB")


def test_a_key_is_rotated_and_the_old_one_stays_published(google: SandboxServer) -> None:
    before = set(requests.get(f"{google.url}/oauth2/v1/certs", timeout=5).json())
    new = google.post("keys")["kid"]
    after = requests.get(f"{google.url}/oauth2/v1/certs", timeout=5).json()
    assert new in after
    assert new not in before
    assert set(after) & before


def test_discovery_names_addresses_that_work(google: SandboxServer) -> None:
    told = requests.get(f"{google.url}/.well-known/openid-configuration", timeout=5).json()
    assert told["issuer"] == "https://accounts.google.com"
    google.consent("anna@firm.test")
    back = told_back(requests.get(told["authorization_endpoint"], params=question(), allow_redirects=False, timeout=5))
    access = exchange(google, back["code"]).json()["access_token"]
    person = requests.get(told["userinfo_endpoint"], headers={"Authorization": f"Bearer {access}"}, timeout=5).json()
    assert person["email"] == "anna@firm.test"
    assert requests.get(told["jwks_uri"], timeout=5).json()["keys"]
    assert requests.post(told["revocation_endpoint"], {"token": access}, timeout=5).status_code == 200


def test_a_refresh_gives_an_access_token_and_no_refresh_token(google: SandboxServer) -> None:
    token = consented(google)["refresh_token"]
    given = refresh(google, token).json()
    assert given.keys() == {"access_token", "expires_in", "scope", "token_type", "id_token"}
    assert given["expires_in"] == 3599
    assert refresh(google, token, scope="openid").json()["scope"] == "openid"
    assert error_of(refresh(google, token, scope="https://mail.google.com/")) == (400, "invalid_scope")
    assert error_of(refresh(google, token, client_secret="wrong")) == (401, "invalid_client")
    assert error_of(refresh(google, "1//never")) == (400, "invalid_grant")


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_revoking_any_token_kills_the_whole_grant(google: SandboxServer, kind: str) -> None:
    with Person(google, "anna@firm.test") as anna:
        second = consented(google, prompt="consent")["refresh_token"]
        assert requests.post(f"{google.url}/revoke", {"token": anna.tokens[kind]}, timeout=5).status_code == 200
        with pytest.raises(RefreshError) as error:
            anna.head()
        assert error.value.args[1] == {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
        assert error_of(refresh(google, second)) == (400, "invalid_grant")
        again = requests.post(f"{google.url}/revoke", {"token": anna.tokens[kind]}, timeout=5)
        assert error_of(again) == (400, "invalid_token")


def test_the_owner_revokes_in_the_settings_of_the_account(google: SandboxServer) -> None:
    with Person(google, "anna@firm.test") as anna:
        assert google.revoke(anna.address) == {"revoked": True}
        assert google.revoke(anna.address) == {"revoked": False}
        with pytest.raises(RefreshError):
            anna.head()


def test_the_hundred_and_first_refresh_token_kills_the_oldest(google: SandboxServer) -> None:
    first = consented(google)["refresh_token"]
    for _ in range(99):
        consented(google, prompt="consent")
    assert refresh(google, first).status_code == 200
    consented(google, prompt="consent")
    assert error_of(refresh(google, first)) == (400, "invalid_grant")


def test_half_a_year_without_use_kills_a_grant(google: SandboxServer) -> None:
    token = consented(google)["refresh_token"]
    google.clock(100 * 86400)
    assert refresh(google, token).status_code == 200
    google.clock(183 * 86400)
    assert error_of(refresh(google, token)) == (400, "invalid_grant")


def test_a_renamed_account_keeps_its_sub_its_mail_and_its_tokens(google: SandboxServer) -> None:
    with Person(google, "anna@firm.test") as anna:
        id, sub = anna.mail()["id"], claims(anna.tokens["id_token"])["sub"]
        assert google.post("accounts/rename", mailbox="anna@firm.test", to="anna.new@firm.test")["sub"] == sub
        assert anna.ask(anna.users.getProfile(userId="me"))["emailAddress"] == "anna.new@firm.test"
        assert anna.found() == [id]


def test_an_address_that_comes_back_is_another_account(google: SandboxServer) -> None:
    with Person(google, "anna@firm.test") as anna:
        anna.mail()
        google.consent("anna@firm.test")
        google.remove("anna@firm.test")
        assert "Choose an account" in visit(google).text
        with pytest.raises((RefreshError, HttpError)):
            anna.head()
    with Person(google, "anna@firm.test") as back:
        assert claims(back.tokens["id_token"])["sub"] != claims(anna.tokens["id_token"])["sub"]
        assert back.found() == []
