"""google-auth against a real token endpoint, and one refresh for many."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from gmail.errors import AccessRevoked, GmailTrouble, OperatorFault, TryAgain
from gmail.tokens import MailboxAccess, Refresher
from models.tokens import Tokens
from tests.gmail.google import NOON, Google, Reply

FRESH = {"access_token": "fresh", "expires_in": 3600, "token_type": "Bearer", "scope": "openid"}
SEEN: list[tuple[str, int | str]] = []


@pytest.fixture
def refresher(google: Google, monkeypatch: pytest.MonkeyPatch) -> Iterator[Refresher]:
    """Without google-auth's own pauses of seconds between its attempts."""
    monkeypatch.setattr("google.auth._exponential_backoff.time", SimpleNamespace(sleep=lambda seconds: None))
    SEEN.clear()
    made = Refresher(f"{google.url}/token", "client", "secret", lambda method, status, seconds: SEEN.append((method, status)), timeout=0.5)
    yield made
    made.close()


async def test_a_refresh_brings_a_token_and_its_end_in_utc_and_asks_for_no_scopes(google: Google, refresher: Refresher) -> None:
    google.answers(FRESH)
    before = datetime.now(UTC)
    token = await refresher.refresh("1//sample")
    assert token.token == "fresh"
    assert timedelta(minutes=59) < token.expires_at - before < timedelta(minutes=61)
    assert "refresh_token=1%2F%2Fsample" in google.asked[0].body
    assert "scope" not in google.asked[0].body
    assert SEEN == [("oauth.refresh", "ok")]


@pytest.mark.parametrize(
    ("reply", "error", "because"),
    [
        (Reply(400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}), AccessRevoked, "invalid_grant"),
        (Reply(400, {"error": "invalid_grant", "error_description": "Account has been deleted"}), AccessRevoked, "account_disabled"),
        (Reply(400, {"error": "invalid_grant", "error_subtype": "invalid_rapt"}), AccessRevoked, "invalid_rapt"),
        (Reply(400, {"error": "invalid_grant", "error_subtype": "rapt_required"}), AccessRevoked, "invalid_rapt"),
        (Reply(400, {"error": "admin_policy_enforced"}), AccessRevoked, "admin_policy"),
        (Reply(401, {"error": "invalid_client"}), OperatorFault, "invalid_client"),
        (Reply(401, {"error": "deleted_client"}), OperatorFault, "deleted_client"),
        (Reply(401, {"error": "unauthorized_client"}), OperatorFault, "unauthorized_client"),
        (Reply(400, {"error": "something_new"}), TryAgain, "token_endpoint"),
        (Reply(400, b"<html>bad request</html>"), TryAgain, "token_endpoint"),
        (Reply(500, {"error": "internal_failure"}), TryAgain, "token_endpoint"),
        (Reply(429, {"error": "rate_limited"}), TryAgain, "token_endpoint"),
        (Reply(503, b"<html>busy</html>"), TryAgain, "token_endpoint"),
        (Reply(502, {"error": "bad_gateway"}), TryAgain, "token_endpoint"),
        (Reply(502, b"<html>bad gateway</html>"), TryAgain, "token_endpoint"),
        (Reply(200, {"expires_in": 3600}), TryAgain, "token_endpoint"),
        (Reply(200, FRESH | {"access_token": 5}), TryAgain, "unreadable"),
        (Reply(200, {"access_token": "fresh"}), TryAgain, "unreadable"),
        (Reply(200, b"<html>welcome</html>"), TryAgain, "unreadable"),
        (Reply(200, []), TryAgain, "unreadable"),
        (Reply(hangs_up=True), TryAgain, "network"),
    ],
)  # fmt: skip
async def test_only_a_clear_word_of_googles_ends_a_grant(
    google: Google, refresher: Refresher, reply: Reply, error: type[GmailTrouble], because: str
) -> None:
    """Scenario 89."""
    google.answers(reply)
    with pytest.raises(error) as raised:
        await refresher.refresh("1//sample")
    assert raised.value.args == (because,)
    assert SEEN == [("oauth.refresh", "failed")]


async def test_no_answer_is_tried_again(google: Google) -> None:
    """Scenario 89."""
    google.answers(Reply(body=FRESH, seconds=0.06))
    for uri in (f"{google.url}/token", "http://127.0.0.1:1/token"):
        refresher = Refresher(uri, "client", "secret", timeout=0.03)
        with pytest.raises(TryAgain, match="network"):
            await refresher.refresh("1//sample")
        refresher.close()


async def test_refreshes_that_hang_keep_no_other_mailbox_waiting(google: Google) -> None:
    """Scenario 124."""
    many = 20
    google.answers(*[Reply(body=FRESH, seconds=1.5)] * many, FRESH)
    refresher = Refresher(f"{google.url}/token", "client", "secret")
    hanging = [asyncio.create_task(refresher.refresh("1//sample")) for _ in range(many)]
    async with asyncio.timeout(1.2):
        while len(google.asked) < many:
            await asyncio.sleep(0.01)
        await refresher.refresh("1//sample")
    assert not any(refresh.done() for refresh in hanging)
    await asyncio.gather(*hanging)
    refresher.close()


async def test_a_deployment_without_a_client_is_the_operators_fault(google: Google) -> None:
    refresher = Refresher(f"{google.url}/token", "client", "")
    with pytest.raises(OperatorFault):
        await refresher.refresh("1//sample")
    refresher.close()
    assert google.asked == []


class Store:
    """A mailbox's row."""

    def __init__(
        self, refresh_token: str | None = "1//sample", access_token: str | None = None, left: timedelta = timedelta(hours=1)
    ) -> None:
        self.tokens = Tokens(refresh_token, access_token, NOON + left if access_token else None)
        self.loads = 0

    async def load(self) -> Tokens:
        self.loads += 1
        return self.tokens

    async def save_access(self, token: str, expires_at: datetime) -> None:
        self.tokens = Tokens(self.tokens.refresh_token, token, expires_at)


def at_noon() -> datetime:
    return NOON


async def test_a_token_that_lasts_is_used_without_asking_google_and_loaded_once(google: Google, refresher: Refresher) -> None:
    store = Store(access_token="stored", left=timedelta(minutes=3))
    access = MailboxAccess(store, refresher, at_noon)
    assert [await access.token(), await access.token()] == ["stored", "stored"]
    assert (store.loads, google.asked) == (1, [])


async def test_a_token_in_its_last_two_minutes_is_refreshed_and_stored(google: Google, refresher: Refresher) -> None:
    google.answers(FRESH)
    store = Store(access_token="stored", left=timedelta(minutes=2))
    assert await MailboxAccess(store, refresher, at_noon).token() == "fresh"
    assert store.tokens.access_token == "fresh"
    assert store.tokens.access_expires_at is not None


async def test_many_tasks_refresh_once(google: Google, refresher: Refresher) -> None:
    """Scenario 89."""
    google.answers(FRESH)
    access = MailboxAccess(Store(), refresher, lambda: datetime.now(UTC))
    assert set(await asyncio.gather(*(access.token() for _ in range(10)))) == {"fresh"}
    assert len(google.asked) == 1


async def test_a_refused_token_is_refreshed_once_by_all_who_hold_it(google: Google, refresher: Refresher) -> None:
    """Scenario 91."""
    google.answers(FRESH)
    access = MailboxAccess(Store(access_token="stored"), refresher, at_noon)
    refused = await access.token()
    assert await asyncio.gather(*(access.renew(refused) for _ in range(10))) == ["fresh"] * 10
    assert len(google.asked) == 1
    assert await access.token() == await access.renew(refused) == "fresh"
    assert len(google.asked) == 1


async def test_a_token_that_another_process_has_renewed_is_not_renewed_again(google: Google, refresher: Refresher) -> None:
    """Scenario 91."""
    store = Store(access_token="stored")
    access = MailboxAccess(store, refresher, at_noon)
    refused = await access.token()
    store.tokens = Tokens("1//sample", "by another", NOON + timedelta(hours=1))
    assert await access.renew(refused) == "by another"
    assert google.asked == []


async def test_the_same_token_again_is_no_renewal(google: Google, refresher: Refresher) -> None:
    google.answers(FRESH | {"access_token": "stored"})
    with pytest.raises(TryAgain, match="same_token"):
        await MailboxAccess(Store(access_token="stored"), refresher, at_noon).renew("stored")


async def test_without_a_refresh_token_only_the_person_can_help(google: Google, refresher: Refresher) -> None:
    with pytest.raises(AccessRevoked, match="not_granted"):
        await MailboxAccess(Store(refresh_token=None), refresher, at_noon).token()
    assert google.asked == []


async def test_what_the_store_raises_rises(refresher: Refresher, google: Google) -> None:
    """Scenario 92: the store refuses a job whose connection is over."""

    class Over(Exception):
        pass

    class OverStore(Store):
        async def save_access(self, token: str, expires_at: datetime) -> None:
            raise Over

    google.answers(FRESH)
    with pytest.raises(Over):
        await MailboxAccess(OverStore(), refresher, at_noon).token()
