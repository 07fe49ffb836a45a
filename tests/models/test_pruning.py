"""Pruning: what is remembered only for a while goes; what is filed, parked or owed stays."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from models.attempts import OAuthAttempt, Wish
from models.database import connection
from models.gaps import Gap
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from models.pruning import AT_ONCE, KEPT, UNUSABLE_FOR, prune
from models.sessions import Session, SignInLink
from tests.builders import a_firm, a_mailbox, a_user

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
LEDGER = 30 * DAY


@pytest.fixture
async def eva(now: datetime) -> Mailbox:
    return await a_mailbox(await a_user(await a_firm()), at=now - 300 * DAY)


async def an_entry(mailbox: Mailbox, settled_at: datetime | None, **more: Any) -> LedgerEntry:
    number = await LedgerEntry.all().count()
    return await LedgerEntry.create(
        mailbox=mailbox, gmail_id=f"{number:x}", found_by="push", found_at=settled_at, seen_history_id=1, settled_at=settled_at, **more
    )


@pytest.mark.parametrize("outcome", ["skipped", "gone", "withdrawn"])
async def test_why_a_message_was_not_filed_is_forgotten_in_time_and_not_before(now: datetime, eva: Mailbox, outcome: str) -> None:
    await an_entry(eva, now - LEDGER - SECOND, outcome=outcome, reason="no client")
    kept = await an_entry(eva, now - LEDGER, outcome=outcome, reason="no client")
    assert await prune(LEDGER, now) == 1
    assert await LedgerEntry.all().values_list("id", flat=True) == [kept.id]


@pytest.mark.parametrize("outcome", ["filed", "parked", None])
async def test_what_is_filed_or_parked_or_has_no_outcome_yet_stays(now: datetime, eva: Mailbox, outcome: str | None) -> None:
    await an_entry(eva, now - 10 * LEDGER, outcome=outcome)
    assert await prune(LEDGER, now) == 0
    assert await LedgerEntry.all().count() == 1


@pytest.mark.parametrize("outcome", ["filed", "skipped", "gone", "parked", "withdrawn", None])
@pytest.mark.parametrize("found_by", ["push", "gap"])
async def test_nothing_that_is_owed_a_look_is_ever_pruned(now: datetime, eva: Mailbox, outcome: str | None, found_by: str) -> None:
    """However old, and put off for however long."""
    entry = await an_entry(eva, now - 10 * LEDGER, outcome=outcome, owed_at=now - 9 * LEDGER, next_attempt_at=now + DAY)
    await LedgerEntry.filter(id=entry.id).update(found_by=found_by)
    assert await prune(LEDGER, now) == 0
    assert await LedgerEntry.all().count() == 1


async def test_however_many_there_are_all_are_pruned(now: datetime, eva: Mailbox) -> None:
    """A batch at a time."""
    async with connection() as held:
        await held.execute(
            """
            INSERT INTO ledger_entry (mailbox_id, gmail_id, found_by, found_at, seen_history_id, outcome, settled_at)
            SELECT $1, 'old ' || n, 'push', $2, 1, 'skipped', $2 FROM generate_series(1, $3) AS n
            """,
            eva.id,
            now - 2 * LEDGER,
            2 * AT_ONCE + 1,
        )
    kept = await an_entry(eva, now, outcome="skipped")
    assert await prune(LEDGER, now) == 2 * AT_ONCE + 1
    assert await LedgerEntry.all().values_list("id", flat=True) == [kept.id]


async def test_closed_gaps_go_after_a_while_and_open_ones_never(now: datetime, eva: Mailbox) -> None:
    for closed_at in (now - KEPT - SECOND, now - KEPT, None):
        await Gap.create(mailbox=eva, since=now, until=now, reason="backfill", opened_at=now - 300 * DAY, closed_at=closed_at)
    await prune(LEDGER, now)
    assert await Gap.filter(id__in=[2, 3]).count() == await Gap.all().count() == 2


async def test_sign_in_links_sessions_and_attempts_go_once_they_have_been_useless_for_a_week(now: datetime) -> None:
    user, then = await a_user(await a_firm()), now - UNUSABLE_FOR
    tokens = {}
    for name, begun_at in (("over", then - SECOND - DAY), ("over of late", then - DAY), ("alive", now)):
        session = await Session.begin(user.id, DAY, begun_at)
        state = await OAuthAttempt.begin(session, user.id, Wish(), code_verifier="sealed", nonce="n", valid_for=DAY, now=begun_at)
        tokens[name] = session, await SignInLink.issue(user, DAY, begun_at, mailed=False), state
    await prune(LEDGER, now)
    assert [await model.all().count() for model in (Session, SignInLink, OAuthAttempt)] == [2, 2, 2]
    session, link, state = tokens["alive"]
    assert await Session.user_of(session, now) == user
    assert await SignInLink.redeem(link, now) == user.id
    assert await OAuthAttempt.redeem(state, session, user.id, now)
