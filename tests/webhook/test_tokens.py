"""Is a push ours? Over real HTTP, with real signatures."""

import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from gmail.errors import CertsUnavailable
from sandbox.keys import Keys
from tests.gmail.google import Google
from tests.webhook.hook import ACCOUNT, AUDIENCE, Hook, by_hand, claims
from tests.webhook.queue import jobs
from webhook.oidc import NotOurs, Refused, Verifier

OLD_AUDIENCE, OLD_ACCOUNT = "https://old.example/webhook/gmail", "old-push@sample-project.iam.example.com"


class Known:
    """Keys that count who asks for them."""

    def __init__(self, keys: Keys) -> None:
        self.served, self.asked = keys.certificates(), 0

    async def keys(self, key_id: str) -> Mapping[str, str]:
        self.asked += 1
        return self.served


@pytest.fixture(scope="module")
def stranger() -> Callable[[bytes], bytes]:
    """Signs as Google does, with a key that is not Google's."""
    key = rsa.generate_private_key(65537, 2048)
    return lambda signed: key.sign(signed, padding.PKCS1v15(), hashes.SHA256())


@pytest.fixture
def forged(keys: Keys, stranger: Callable[[bytes], bytes]) -> dict[str, str]:
    """Headers that prove nothing, by what is wrong with them."""
    head, ours = {"alg": "RS256", "typ": "JWT", "kid": keys.kid()}, claims()
    certificate = keys.certificates()[keys.kid()].encode()
    good, other = keys.sign(ours), keys.sign(ours | {"email": "somebody@else.example"})
    return {
        "a stranger's key under Google's name": by_hand(head, ours, stranger),
        "a key that nobody knows": by_hand(head | {"kid": "unknown"}, ours, stranger),
        "no key named": by_hand({"alg": "RS256"}, ours, stranger),
        "a key's name that is no text": by_hand(head | {"kid": {"a": 1}}, ours, stranger),
        "not signed at all": by_hand(head | {"alg": "none"}, ours, lambda _: b""),
        "signed with the public key as a secret": by_hand(
            head | {"alg": "HS256"}, ours, lambda signed: hmac.digest(certificate, signed, "sha256")
        ),
        "one token's signature under another's claims": f"Bearer {other.rpartition('.')[0]}.{good.rpartition('.')[2]}",
        "cut off": f"Bearer {good[:-1]}",
        "a header that is a list": by_hand([], ours, stranger),
        "claims that are a list": by_hand(head, [], stranger),
        "a header that is no JSON": by_hand(b"\xff\xfe", ours, stranger),
        "a header nested without end": by_hand(b"[" * 5000, ours, stranger),
        "too long": f"Bearer {good}{'a' * 8192}",
        "no token": "Bearer ",
        "only a word": "Bearer",
        "another scheme": "Basic c2FtOnNhbXBsZQ==",
        "nothing that has parts": "Bearer sample",
    }


async def test_without_a_token_nobody_is_looked_up_and_nothing_is_queued(hook: Hook, google: Google) -> None:
    """Scenario 1."""
    answer = await hook.push(authorization="")
    assert (answer.status, answer.counted) == (401, {"no token": 1})
    assert (hook.looked_up, jobs(), google.asked) == ([], [], [])


async def test_what_proves_nothing_is_refused_before_anything_is_looked_up(hook: Hook, forged: dict[str, str]) -> None:
    """Scenarios 1, 2."""
    answers = {wrong: await hook.push(authorization=header) for wrong, header in forged.items()}
    assert {wrong: answer.status for wrong, answer in answers.items()} == dict.fromkeys(forged, 401)
    assert all(set(answer.counted) <= {"malformed", "signature or time"} for answer in answers.values())
    assert (hook.looked_up, jobs()) == ([], [])
    assert (await hook.push()).status == 204


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"email": "another@their-project.iam.example.com"}, "service account"),
        ({"email": ACCOUNT.upper()}, "service account"),
        ({"email": None}, "service account"),
        ({"email": [ACCOUNT]}, "service account"),
        ({"email": "another@their-project.iam.example.com", "azp": ACCOUNT, "sub": ACCOUNT}, "service account"),
        ({"email_verified": False}, "unverified"),
        ({"email_verified": "true"}, "unverified"),
        ({"email_verified": None}, "unverified"),
        ({"iss": "https://accounts.google.com.example"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"iss": ["accounts.google.com"]}, "issuer"),
    ],
)
async def test_googles_token_made_for_somebody_else_is_refused(hook: Hook, changes: dict[str, Any], because: str) -> None:
    """Scenario 2."""
    answer = await hook.push(**changes)
    assert (answer.status, answer.counted) == (403, {f"wrong {because}": 1})
    assert (hook.looked_up, jobs()) == ([], [])


@pytest.mark.parametrize("audience", [
    "https://staging.example/webhook/gmail",
    AUDIENCE + "/",
    AUDIENCE.replace("postroom.example", "postroom.example:443"),
    AUDIENCE.replace("gmail", "Gmail"),
    AUDIENCE.replace("https", "http"),
    AUDIENCE + " ",
    [AUDIENCE],
    None,
])  # fmt: skip
async def test_another_audience_is_refused_and_only_the_log_says_which_was_expected(hook: Hook, audience: Any) -> None:
    """Scenario 3."""
    answer = await hook.push(aud=audience)
    assert (answer.status, answer.counted) == (403, {"wrong audience": 1})
    told = [line for line in answer.logs if line["event"] == "push is not ours"]
    assert [(line["because"], line["expected"]) for line in told] == [("audience", (AUDIENCE,))]
    assert AUDIENCE not in answer.text + str(answer.headers)
    assert (hook.looked_up, jobs()) == ([], [])


async def test_old_and_new_are_accepted_side_by_side_as_long_as_both_are_listed(hook: Hook) -> None:
    """Scenario 5."""
    hook.with_other(audiences=(AUDIENCE, OLD_AUDIENCE), accounts=(ACCOUNT, OLD_ACCOUNT))
    pairs = [(audience, account) for audience in (AUDIENCE, OLD_AUDIENCE) for account in (ACCOUNT, OLD_ACCOUNT)]
    assert [(await hook.push(aud=audience, email=account)).status for audience, account in pairs] == [204] * 4
    hook.with_other(audiences=(AUDIENCE,), accounts=(ACCOUNT,))
    assert [(await hook.push(aud=audience, email=account)).status for audience, account in pairs] == [204, 403, 403, 403]


@pytest.mark.parametrize(
    ("issued", "expires", "status"),
    [
        (-3600, -30, 204),
        (-3600, -90, 401),
        (30, 3600, 204),
        (90, 3600, 401),
        (None, 3600, 401),
        (0, None, 401),
        (0, "tomorrow", 401),
    ],
)
async def test_a_minute_between_the_clocks_is_tolerated_and_no_more(hook: Hook, issued: int | None, expires: Any, status: int) -> None:
    """Scenario 6. Seconds from now."""
    now = int(time.time())
    times: dict[str, Any] = {"iat": None if issued is None else now + issued, "exp": now + expires if isinstance(expires, int) else expires}
    answer = await hook.push(**times)
    assert (answer.status, len(jobs())) == (status, int(status == 204))


async def test_both_ways_in_which_google_writes_its_name_hold(hook: Hook) -> None:
    assert [(await hook.push(iss=issuer)).status for issuer in ("accounts.google.com", "https://accounts.google.com")] == [204, 204]


async def test_a_token_that_held_is_remembered_until_it_expires_and_no_longer(keys: Keys) -> None:
    """Scenario 6."""
    known, now = Known(keys), time.time()
    verifier = Verifier((AUDIENCE,), (ACCOUNT,), known, 60.0, lambda: now)
    token = keys.sign(claims(exp=int(now) + 100))
    for _ in range(3):
        await verifier.verify(f"bearer {token}")
    assert known.asked == 1
    now += 101
    known.served = {}
    with pytest.raises(Refused, match="signature or time"):
        await verifier.verify(f"Bearer {token}")


async def test_a_token_that_did_not_hold_is_not_remembered(keys: Keys) -> None:
    verifier = Verifier((AUDIENCE,), (ACCOUNT,), Known(keys), 60.0)
    for _ in range(2):
        with pytest.raises(NotOurs):
            await verifier.verify(f"Bearer {keys.sign(claims(email='somebody@else.example'))}")


CLAIMS = st.recursive(
    st.none() | st.text(max_size=5) | st.integers(),
    lambda parts: st.dictionaries(st.sampled_from(["alg", "kid", "iat", "exp"]), parts, max_size=4),
)
PARTS = st.binary(max_size=40) | CLAIMS


@settings(max_examples=150, deadline=None)
@given(header=st.text(max_size=60) | st.builds(by_hand, PARTS, PARTS, st.just(lambda signed: signed[:9])))
async def test_no_header_does_anything_but_be_refused(keys: Keys, header: str) -> None:
    """Scenario 1."""
    with pytest.raises((Refused, CertsUnavailable)):
        await Verifier((AUDIENCE,), (ACCOUNT,), Known(keys), 60.0).verify(header)
