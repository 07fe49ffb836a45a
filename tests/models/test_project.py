"""The project's row: what all processes spend adds up in it, and it says which work leaves Google alone, and until when."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from models import leases
from models.audits import claim_audits
from models.gaps import claim_recoveries
from models.leases import NotTaken, Rank
from models.mailboxes import Mailbox
from models.project import BULK_FOLLOWS, SWEEP_FOLLOWS, Budget, ProjectState, Spent, Waits, cool_down, spend, waits
from models.sweeps import claim_pending, claim_stragglers, figures
from models.watches import claim_watches
from tests.reconcile.fleet import a_fleet

AMPLE = Budget(10**9, 10**9)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
NOON = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)
# Midnight in Los Angeles, and the next: in winter, in summer, and around the days on which its clocks change.
MIDNIGHTS = [
    (datetime(2026, 11, 24, 8, tzinfo=UTC), datetime(2026, 11, 25, 8, tzinfo=UTC)),
    (datetime(2026, 7, 1, 7, tzinfo=UTC), datetime(2026, 7, 2, 7, tzinfo=UTC)),
    (datetime(2026, 3, 8, 8, tzinfo=UTC), datetime(2026, 3, 9, 7, tzinfo=UTC)),
    (datetime(2026, 11, 1, 7, tzinfo=UTC), datetime(2026, 11, 2, 8, tzinfo=UTC)),
]


async def ends() -> tuple[datetime | None, datetime | None, datetime | None]:
    """Until when fresh mail, the sweep and bulk work leave Google alone."""
    row = await ProjectState.get()
    return row.fresh_after, row.sweep_after, row.bulk_after


# what is spent


async def test_what_many_processes_spend_at_once_adds_up(database: None) -> None:
    """Scenario 105."""
    told = await asyncio.gather(*(spend(units, AMPLE, NOON) for units in range(1, 41)))
    assert max(told, key=lambda spent: spent.day) == Spent(820, 820)
    assert len({spent.day for spent in told}) == 40
    assert await ProjectState.all().count() == 1


async def test_a_minute_begins_with_nothing_spent_and_the_day_goes_on(database: None) -> None:
    await spend(100, AMPLE, NOON)
    assert await spend(1, AMPLE, NOON + 29 * SECOND) == Spent(101, 101)
    assert await spend(1, AMPLE, NOON + 30 * SECOND) == Spent(1, 102)


async def test_what_is_told_late_counts_and_takes_nothing_of_what_was_told_before(database: None) -> None:
    """Scenario 105. A process read its clock before midnight, another one after it."""
    midnight, _ = MIDNIGHTS[0]
    await spend(1000, AMPLE, midnight - HOUR)
    await spend(10, AMPLE, midnight)
    assert await spend(5, AMPLE, midnight - SECOND) == Spent(15, 15)
    assert await spend(1, AMPLE, midnight + SECOND) == Spent(16, 16)


@pytest.mark.parametrize(("midnight", "next_midnight"), MIDNIGHTS)
async def test_a_day_is_google_s(database: None, midnight: datetime, next_midnight: datetime) -> None:
    """Scenario 105. It begins at midnight in Los Angeles, and has 23 or 25 hours where clocks change."""
    interval = timedelta(minutes=10)  # of the sweep: no matter here
    assert await spend(70, AMPLE, midnight - SECOND) == Spent(70, 70)
    assert (await spend(5, AMPLE, midnight)).day == 5
    assert (await spend(5, AMPLE, next_midnight - SECOND)).day == 10
    assert (await figures(interval, next_midnight - SECOND)).day_units == 10
    assert (await figures(interval, next_midnight)).day_units == 0
    assert (await spend(1, AMPLE, next_midnight)).day == 1


# budgets


@pytest.mark.parametrize(
    ("units", "sweep_waits", "bulk_waits"),
    [(499, False, False), (500, False, True), (799, False, True), (800, True, True), (5000, True, True)],
)
async def test_bulk_work_stops_at_half_of_a_minute_and_the_sweep_at_four_fifths(
    database: None, units: int, sweep_waits: bool, bulk_waits: bool
) -> None:
    """Scenario 105. Until the next minute; fresh mail is never held up by a budget."""
    await spend(100, Budget(1000, 10**9), NOON)
    await spend(units - 100, Budget(1000, 10**9), NOON + SECOND)
    next_minute = NOON + 30 * SECOND
    assert await ends() == (None, next_minute if sweep_waits else None, next_minute if bulk_waits else None)


@pytest.mark.parametrize(("midnight", "next_midnight"), MIDNIGHTS)
async def test_bulk_work_stops_at_four_fifths_of_a_day(database: None, midnight: datetime, next_midnight: datetime) -> None:
    """Scenario 105. Until Google's next day; the sweep and fresh mail go on, however much is spent."""
    budget = Budget(10**9, 1000)
    await spend(799, budget, midnight)
    assert await ends() == (None, None, None)
    await spend(1, budget, midnight + HOUR)
    assert await ends() == (None, None, next_midnight)
    await spend(5000, budget, midnight + HOUR)
    assert await ends() == (None, None, next_midnight)


async def test_a_budget_shortens_no_wait(database: None) -> None:
    await cool_down(NOON + HOUR)
    before = await ends()
    await spend(1000, Budget(1000, 10**9), NOON)
    assert await ends() == before


# refusals of the whole project


async def test_after_a_refusal_fresh_mail_goes_first_then_the_sweep_then_bulk_work(database: None) -> None:
    """Scenario 105. And a shorter refusal that comes later shortens nothing."""
    assert await waits(NOON) == Waits(timedelta(0), timedelta(0), timedelta(0))
    until = NOON + HOUR
    await cool_down(until)
    await cool_down(until - MINUTE)
    assert await waits(NOON) == Waits(HOUR, HOUR + SWEEP_FOLLOWS, HOUR + BULK_FOLLOWS)
    assert timedelta(0) < SWEEP_FOLLOWS < BULK_FOLLOWS
    assert await waits(until) == Waits(timedelta(0), SWEEP_FOLLOWS, BULK_FOLLOWS)
    assert (await figures(MINUTE, NOON)).cooling == 3600


async def taken(mailbox_id: int, now: datetime) -> set[str]:
    """Work of which ranks may take the mailbox."""
    ranks: tuple[Rank, ...] = get_args(Rank)
    may = set[str]()
    for rank in ranks:
        held = await leases.take(mailbox_id, rank, SECOND, now, rank=rank)
        if isinstance(held, NotTaken):
            assert held.because == "cooling"
        else:
            await leases.release(held, HOUR)
            may.add(rank)
    return may


async def claimed(now: datetime) -> set[str]:
    """The chores that find work."""
    found = {
        "pending": await claim_pending(MINUTE, 10, now),
        "stragglers": await claim_stragglers(MINUTE, 1.0, 10, now),
        "watches": await claim_watches(MINUTE, 10, now),
        "gaps": await claim_recoveries(MINUTE, 10, now),
        "audits": await claim_audits(MINUTE, 10, now),
    }
    return {chore for chore, mailboxes in found.items() if mailboxes}


@pytest.mark.parametrize(
    ("moment", "ranks", "chores"),
    [
        (-SECOND, set(), set()),
        (timedelta(0), {"fresh"}, {"pending"}),
        (SWEEP_FOLLOWS - SECOND, {"fresh"}, {"pending"}),
        (SWEEP_FOLLOWS, {"fresh", "sweep"}, {"pending", "stragglers", "watches"}),
        (BULK_FOLLOWS - SECOND, {"fresh", "sweep"}, {"pending", "stragglers", "watches"}),
        (BULK_FOLLOWS, {"fresh", "sweep", "bulk"}, {"pending", "stragglers", "watches", "gaps", "audits"}),
    ],
)
async def test_leases_and_chores_keep_the_order(now: datetime, moment: timedelta, ranks: set[str], chores: set[str]) -> None:
    """Scenario 105."""
    ((free, due),) = await a_fleet(now, 2)
    await Mailbox.filter(id=due).update(next_attempt_at=now, recover_at=now)
    until = now + HOUR
    await cool_down(until)
    assert await claimed(until + moment) == chores
    assert await taken(free, until + moment) == ranks


@pytest.mark.parametrize(("rank", "owed", "after"), [("fresh", "next_attempt_at", 0), ("bulk", "recover_at", 2)])
async def test_who_may_not_begin_is_owed_a_look_as_soon_as_it_may(now: datetime, rank: Rank, owed: str, after: int) -> None:
    """Scenario 105."""
    ((mailbox_id,),) = await a_fleet(now, 1)
    await cool_down(now + HOUR)
    assert await leases.take(mailbox_id, "owner", MINUTE, now, rank=rank) == NotTaken("cooling")
    assert getattr(await Mailbox.get(id=mailbox_id), owed) == (await ends())[after]


async def test_a_sweep_that_may_not_begin_gives_its_claim_back_and_does_not_return_as_fresh_work(now: datetime) -> None:
    """Scenario 105."""
    ((mailbox_id,),) = await a_fleet(now, 1)
    assert len(await claim_stragglers(MINUTE, 1.0, 10, now)) == 1
    await cool_down(now + SECOND)
    assert await leases.take(mailbox_id, "owner", MINUTE, now, rank="sweep") == NotTaken("cooling")
    assert (await Mailbox.get(id=mailbox_id)).next_attempt_at is None
    assert len(await claim_stragglers(MINUTE, 1.0, 10, now + SECOND + SWEEP_FOLLOWS)) == 1


async def test_there_is_one_row_whoever_writes_first(database: None) -> None:
    await asyncio.gather(cool_down(NOON), spend(5, AMPLE, NOON), cool_down(NOON + MINUTE), spend(5, AMPLE, NOON))
    row = await ProjectState.get()
    assert (row.id, row.fresh_after, row.day_units) == (1, NOON + MINUTE, 10)
