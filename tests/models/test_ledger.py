"""The ledger: what is owed, what became of it, and that no order of events, no repetition and no older view spoils either."""

from datetime import datetime, timedelta

import pytest

from models.database import connection, transaction
from models.ledger import Debt, LedgerEntry, Owed, Postponed, Settled, owed, postpone, record, retry_delay, settle
from models.mailboxes import Mailbox
from tests.builders import a_firm, a_mailbox, a_user

TRIES = 5


@pytest.fixture
async def mailbox(database: None) -> Mailbox:
    return await a_mailbox(await a_user(await a_firm()))


async def told(mailbox: Mailbox, now: datetime, history_id: int, kind="look", gmail_id: str = "m1", found_by="push") -> int:
    async with connection() as held:
        return (await record(held, mailbox.id, [Debt(gmail_id, history_id, kind)], found_by, now)).owed


async def picked(mailbox: Mailbox, now: datetime) -> Owed:
    (entry,) = await owed(mailbox.id, now, 25)
    return entry


async def ends(now: datetime, *verdicts: Settled | Postponed) -> None:
    async with connection() as held:
        await settle(held, [v for v in verdicts if isinstance(v, Settled)], now)
        await postpone(held, [v for v in verdicts if isinstance(v, Postponed)], TRIES, now)


async def row(gmail_id: str = "m1") -> tuple[str | None, str | None, bool]:
    entry = await LedgerEntry.get(gmail_id=gmail_id)
    return entry.outcome, entry.reason, entry.owed_at is not None


def is_filed(entry: Owed, view: int) -> Settled:
    return Settled(entry, "filed", "client", view)


def in_spam(entry: Owed, view: int) -> Settled:
    return Settled(entry, "skipped", "spam", view)


async def test_what_is_told_is_owed_once_however_often_it_is_told(mailbox, now):
    """Scenarios 13, 114."""
    assert [await told(mailbox, now, 100) for _ in range(3)] == [1, 0, 0]
    entry = await picked(mailbox, now)
    await ends(now, is_filed(entry, 100))
    assert await told(mailbox, now, 100) == 0
    assert (await row(), await owed(mailbox.id, now, 25)) == (("filed", "client", False), [])


async def test_a_later_record_owes_another_look_and_leaves_the_outcome_alone(mailbox, now):
    """Scenario 43. Outcome and debt are separate."""
    await told(mailbox, now, 100)
    await ends(now, in_spam(await picked(mailbox, now), 100))
    assert await told(mailbox, now, 101) == 1
    assert await row() == ("skipped", "spam", True)
    await ends(now, is_filed(await picked(mailbox, now), 101))
    assert await row() == ("filed", "client", False)


async def test_a_record_that_the_look_has_seen_already_owes_nothing(mailbox, now):
    """Scenario 37. The message was fetched in a state newer than the record that made us look."""
    await told(mailbox, now, 100)
    await ends(now, is_filed(await picked(mailbox, now), 150))
    assert await told(mailbox, now, 150) == 0
    assert await told(mailbox, now, 151) == 1


async def test_a_debt_that_arrives_between_pick_up_and_settling_stays_owed(mailbox, now):
    """Scenario 119."""
    await told(mailbox, now, 100)
    entry = await picked(mailbox, now)
    await told(mailbox, now, 120)
    await ends(now, in_spam(entry, 110))
    assert await row() == ("skipped", "spam", True)
    assert (await picked(mailbox, now)).seen == 120


async def test_a_debt_that_arrives_between_pick_up_and_settling_is_paid_if_the_look_saw_it(mailbox, now):
    await told(mailbox, now, 100)
    entry = await picked(mailbox, now)
    await told(mailbox, now, 120)
    await ends(now, is_filed(entry, 120))
    assert await row() == ("filed", "client", False)


async def test_an_older_view_never_overwrites_a_newer_one(mailbox, now):
    """Scenario 119. In whichever order the two looks end."""
    await told(mailbox, now, 100)
    slow = await picked(mailbox, now)
    await told(mailbox, now, 120)
    await ends(now, is_filed(await picked(mailbox, now), 120))
    await ends(now, in_spam(slow, 100))
    assert await row() == ("filed", "client", False)

    await told(mailbox, now, 200, gmail_id="m2")
    slow = await picked(mailbox, now)
    await told(mailbox, now, 220, gmail_id="m2")
    await ends(now, in_spam(await picked(mailbox, now), 220))
    await ends(now, Settled(slow, "skipped", "no client", 200))
    assert await row("m2") == ("skipped", "spam", False)


@pytest.mark.parametrize("verdict", [in_spam, lambda entry, view: Settled(entry, "gone", "missing", view)])
async def test_filed_is_never_downgraded_but_withdrawn_by_its_rule(mailbox, now, verdict):
    """Scenario 119."""
    await told(mailbox, now, 100)
    await ends(now, is_filed(await picked(mailbox, now), 100))
    await told(mailbox, now, 200)
    await ends(now, verdict(await picked(mailbox, now), 200))
    assert await row() == ("filed", "client", False)
    await told(mailbox, now, 300)
    await ends(now, Settled(await picked(mailbox, now), "withdrawn", "trash", 300))
    assert await row() == ("withdrawn", "trash", False)


async def test_what_failed_is_parked_after_five_tries_while_others_go_on(mailbox, now):
    """Scenario 29."""
    await told(mailbox, now, 100, gmail_id="poison")
    for number in range(TRIES):
        await told(mailbox, now, 101, gmail_id=f"good {number}")
        due = {entry.gmail_id: entry for entry in await owed(mailbox.id, now, 25)}
        assert set(due) == {"poison", f"good {number}"}
        later = now + timedelta(seconds=30)
        await ends(now, Postponed(due["poison"], later, "backendError", failed=True), is_filed(due[f"good {number}"], 101))
        assert await owed(mailbox.id, later - timedelta(seconds=1), 25) == []
        now = later
    assert await row("poison") == ("parked", "backendError", False)
    assert await owed(mailbox.id, now + timedelta(days=1), 25) == []


async def test_a_new_change_gives_a_parked_message_new_tries(mailbox, now):
    """Scenario 29."""
    await told(mailbox, now, 100)
    for _ in range(TRIES):
        await ends(now, Postponed(await picked(mailbox, now), now, "backendError", failed=True))
    assert await told(mailbox, now, 101) == 1
    assert (await picked(mailbox, now)).tries == 0
    await ends(now, is_filed(await picked(mailbox, now), 101))
    assert await row() == ("filed", "client", False)


async def test_waiting_for_a_message_to_appear_costs_no_try(mailbox, now):
    """Scenario 118."""
    await told(mailbox, now, 100)
    for second in range(10):
        entry = await picked(mailbox, now)
        assert (entry.tries, entry.missing_at) == (0, now if second else None)
        await ends(now, Postponed(entry, now, "missing", failed=False))
    await ends(now, Settled(await picked(mailbox, now), "gone", "missing", 100))
    assert await row() == ("gone", "missing", False)


async def test_a_filed_message_that_fails_later_stays_filed_for_its_own_reason(mailbox, now):
    """Scenarios 44, 119. It is asked for on and on: it may have been put away at once, and then its text must go."""
    await told(mailbox, now, 100)
    await ends(now, is_filed(await picked(mailbox, now), 100))
    await told(mailbox, now, 101)
    for _ in range(2 * TRIES):
        await ends(now, Postponed(await picked(mailbox, now), now, "backendError", failed=True))
    assert await row() == ("filed", "client", True)


async def test_a_deletion_settles_what_was_owed_and_leaves_what_was_filed(mailbox, now):
    """Scenario 28."""
    await told(mailbox, now, 100)
    await told(mailbox, now, 110, "deleted")
    assert await row() == ("gone", "deleted", False)

    await told(mailbox, now, 200, gmail_id="m2")
    await ends(now, is_filed(await picked(mailbox, now), 200))
    await told(mailbox, now, 210, "deleted", "m2")
    assert await row("m2") == ("filed", "client", False)

    await told(mailbox, now, 300, "deleted", "unknown")
    assert await LedgerEntry.filter(gmail_id="unknown").count() == 0


async def test_added_and_deleted_in_one_page_is_never_owed(mailbox, now):
    """Scenario 36."""
    assert await told(mailbox, now, 100, "added and deleted") == 0
    assert await row() == ("gone", "deleted", False)
    assert await told(mailbox, now, 100) == 0


async def test_the_oldest_debt_comes_first_and_a_batch_has_its_limit(mailbox, now):
    for number in range(5):
        await told(mailbox, now - timedelta(minutes=number), 100 + number, gmail_id=f"m{number}")
    assert [entry.gmail_id for entry in await owed(mailbox.id, now, 3)] == ["m4", "m3", "m2"]


async def test_the_whole_page_is_recorded_or_none_of_it(mailbox, now):
    """Scenario 22."""
    page = [Debt("m1", 100, "look"), Debt("x" * 65, 101, "look")]
    with pytest.raises(Exception, match="too long"):
        await transaction(lambda held: record(held, mailbox.id, page, "push", now))
    assert await LedgerEntry.all().count() == 0


async def test_history_ids_are_exact_up_to_the_last_of_64_bits(mailbox, now):
    """Scenario 9."""
    highest = 2**64 - 1
    await told(mailbox, now, highest - 1)
    assert await told(mailbox, now, highest) == 1
    assert (await picked(mailbox, now)).seen == highest


def test_retries_wait_twice_as_long_each_time_and_an_hour_at_most():
    first = timedelta(seconds=30)
    assert [retry_delay(tries, first).total_seconds() for tries in (0, 1, 2, 6, 7, 1000)] == [30, 60, 120, 1920, 3600, 3600]
