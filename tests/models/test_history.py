"""The cursor tells the truth: it moves only over what is rows, in their transaction, by compare-and-set, to heads that Google returned."""

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models import leases
from models.gaps import Gap, start_anew
from models.history import Waits, record_last_page, record_page
from models.leases import Held, LeaseLost
from models.ledger import Debt, LedgerEntry
from models.mailboxes import Mailbox
from tests.builders import a_firm, a_mailbox, a_user, held

SETTLE = timedelta(minutes=2)
WAITS = Waits(SETTLE, timedelta(minutes=10))
OVERLAP = timedelta(days=2)
START = 1000
A_MAIL = [Debt("m1", 1050, "look")]


@pytest.fixture
async def mailbox(now: datetime) -> Mailbox:
    return await a_mailbox(await a_user(await a_firm()), cursor=START, at=now)


async def where(mailbox: Mailbox) -> tuple[int, int | None]:
    row = await Mailbox.get(id=mailbox.id)
    return int(row.cursor), None if row.head is None else int(row.head)


async def a_run(mailbox: Mailbox, head: int, at: datetime, debts: list[Debt] | None = None) -> None:
    """One complete listing."""
    run = await held(mailbox, at)
    await record_last_page(run, debts or [], "push", head, at, WAITS, at)
    await leases.release(run, SETTLE)


async def test_a_late_sync_never_moves_the_cursor_back(mailbox, now):
    """Scenario 34. The database refuses, and nothing of the late run is kept."""
    late = await held(mailbox, now)
    await Mailbox.filter(id=mailbox.id).update(cursor=1100)
    with pytest.raises(LeaseLost):
        await record_last_page(late, A_MAIL, "push", 1050, now, WAITS, now)
    assert (await where(mailbox), await LedgerEntry.all().count()) == ((1100, None), 0)


async def test_if_the_debts_cannot_be_written_the_cursor_does_not_move(mailbox, now):
    """Scenario 22."""
    await a_run(mailbox, 1100, now)
    run = await held(mailbox, now + SETTLE)
    unwritable = [*A_MAIL, Debt("x" * 65, 1060, "look")]
    with pytest.raises(Exception, match="too long"):
        await record_last_page(run, unwritable, "push", 1200, now + SETTLE, WAITS, now + SETTLE)
    assert (await where(mailbox), await LedgerEntry.all().count()) == ((START, 1100), 0)


async def test_a_page_that_another_one_follows_never_moves_the_cursor(mailbox, now):
    """Scenario 23."""
    await a_run(mailbox, 1100, now)
    run = await held(mailbox, now + SETTLE)
    assert await record_page(run, A_MAIL, "push", WAITS, now + SETTLE) == 1
    assert await where(mailbox) == (START, 1100)


async def test_without_the_lease_nothing_is_recorded(mailbox, now):
    """Scenario 33."""
    zombie = await held(mailbox, now)
    later = now + timedelta(seconds=21)
    await held(mailbox, later, "successor")
    for write in (
        lambda: record_page(zombie, A_MAIL, "push", WAITS, later),
        lambda: record_last_page(zombie, A_MAIL, "push", 1100, now, WAITS, later),
        lambda: start_anew(zombie, 5000, later, OVERLAP, "history expired", later, distrust=False),
        lambda: leases.renew(zombie, later),
    ):
        with pytest.raises(LeaseLost):
            await write()
    assert (await where(mailbox), await LedgerEntry.all().count(), await Gap.all().count()) == ((START, None), 0, 0)
    assert (await Mailbox.get(id=mailbox.id)).lease_owner == "successor"


async def test_a_head_that_is_no_news_is_no_candidate(mailbox, now):
    await a_run(mailbox, START, now)
    assert await where(mailbox) == (START, None)


async def test_history_ids_beyond_63_bits_are_exact(now):
    """Scenario 9."""
    high = 2**64 - 3
    mailbox = await a_mailbox(await a_user(await a_firm()), cursor=high, at=now)
    await a_run(mailbox, high + 1, now)
    await a_run(mailbox, high + 2, now + SETTLE)
    assert await where(mailbox) == (high + 1, high + 2)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 3)), max_size=12))
async def test_the_cursor_trails_two_minutes_behind_the_heads_of_complete_runs(database, now, runs):
    """Scenarios 20, 113. Whatever the times of the runs and however the head moves."""
    mailbox = await a_mailbox(await a_user(await a_firm()), cursor=START, at=now)
    head, returned, cursor = START, [(START, now - SETTLE)], START
    for seconds, grown in [*runs, (120, 0), (120, 0)]:
        now, head = now + timedelta(seconds=seconds), head + grown
        await a_run(mailbox, head, now)
        after, candidate = await where(mailbox)
        assert cursor <= after
        assert any(told == after and now - asked_at >= SETTLE for told, asked_at in returned)
        returned.append((head, now))
        assert candidate is None or candidate in {told for told, _ in returned}
        assert candidate is not None or after == head
        cursor = after
    assert await where(mailbox) == (head, None)


async def test_expired_history_opens_a_gap_and_moves_the_cursor_in_one_transaction(mailbox, now):
    await a_run(mailbox, 1100, now)
    run: Held = await held(mailbox, now)
    since, until = run.history_at - timedelta(days=2), now + timedelta(minutes=5)
    await start_anew(run, 5000, until, OVERLAP, "history expired", now, distrust=False)
    gap = await Gap.get()
    assert (await where(mailbox), gap.since, gap.until, gap.closed_at) == ((5000, None), since, until, None)
    with pytest.raises(LeaseLost):  # it has given its lease back: a repetition changes nothing
        await start_anew(run, 6000, until, OVERLAP, "history expired", now, distrust=False)
    assert (await where(mailbox), await Gap.all().count()) == ((5000, None), 1)
    row = await Mailbox.get(id=mailbox.id)
    assert (row.lease_owner, row.next_attempt_at, row.recover_at, row.epoch) == (None, now, now, run.epoch)


async def test_ids_that_went_back_hide_nothing_that_comes(mailbox, now):
    """The baseline is lower than what was seen: the same message, changed under a lower id, is owed a look again."""
    await a_run(mailbox, 1100, now, A_MAIL)
    await LedgerEntry.all().update(owed_at=None, outcome="skipped", view_history_id=1050)
    await start_anew(await held(mailbox, now), 10, now, OVERLAP, "invalid cursor", now, distrust=True)
    assert await where(mailbox) == (10, None)
    later = now + timedelta(seconds=20)
    run = await held(mailbox, later, "next")
    assert await record_page(run, [Debt("m1", 11, "look")], "push", WAITS, later) == 1
