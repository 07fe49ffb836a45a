"""Gaps: what history does not tell is owed a listing by date, worked off from its end, and claimed fairly."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from models import leases
from models.firms import Firm
from models.gaps import DAY, MARGIN, Gap, backfill, claim_recoveries, listed, narrow, next_stretch, start_anew
from models.leases import Held, LeaseLost, writing
from models.ledger import LedgerEntry
from models.mailboxes import AUDIT_AFTER, Mailbox
from models.project import cool_down
from models.sweeps import claim_pending
from tests.builders import a_firm, a_mailbox, a_user, held
from tests.reconcile.fleet import a_fleet

OVERLAP = timedelta(days=2)
INTERVAL = timedelta(minutes=10)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


@pytest.fixture
async def mailbox(now: datetime) -> Mailbox:
    """Connected thirty days ago."""
    return await a_mailbox(await a_user(await a_firm()), at=now - 30 * DAY)


async def a_gap(mailbox: Mailbox, since: datetime, until: datetime, reason: str = "history expired") -> Gap:
    return await Gap.create(mailbox=mailbox, since=since, until=until, reason=reason, opened_at=until)


async def row(mailbox: Mailbox) -> Mailbox:
    return await Mailbox.get(id=mailbox.id)


async def anew(mailbox: Mailbox, baseline: int, now: datetime) -> None:
    run = await held(mailbox, now)
    await start_anew(run, baseline, now + MARGIN, OVERLAP, "history expired", now, distrust=False)


# opened


async def test_a_cursor_that_somebody_moved_is_not_given_up(mailbox, now):
    run = await held(mailbox, now)
    await Mailbox.all().update(cursor=2000)
    with pytest.raises(LeaseLost):
        await start_anew(run, 5000, now, OVERLAP, "history expired", now, distrust=False)
    assert await Gap.all().count() == 0
    assert (await row(mailbox)).cursor == 2000


async def test_a_baseline_that_expires_too_makes_its_gap_longer(mailbox, now):
    """Scenario 26. One gap, however often; what it has listed already is listed again, so that nothing lies between."""
    await anew(mailbox, 2000, now)
    run = await held(mailbox, now)
    stretch = await next_stretch(run)
    assert stretch is not None
    await listed(run, stretch, ["m1"], now)
    await leases.release_recovery(run, now)
    later = now + HOUR
    await anew(mailbox, 3000, later)
    gap = await Gap.get()
    assert (gap.since, gap.until, gap.listed_to) == (mailbox.history_at - OVERLAP, later + MARGIN, None)
    assert (gap.opened_at, gap.found, gap.closed_at) == (now, 1, None)


async def test_a_gap_that_is_closed_opens_again_for_what_its_baseline_did_not_tell(mailbox, now):
    """Scenario 26. What lies before it is listed."""
    await anew(mailbox, 2000, now)
    await Gap.all().update(closed_at=now, listed_to=mailbox.history_at - OVERLAP)
    later = now + HOUR
    await anew(mailbox, 3000, later)
    gap = await Gap.get()
    assert (gap.since, gap.until, gap.listed_to, gap.closed_at) == (now - OVERLAP, later + MARGIN, None, None)


async def test_history_that_expires_after_a_good_look_makes_a_gap_of_its_own(mailbox, now):
    await anew(mailbox, 2000, now)
    await backfill(mailbox.id, mailbox.firm_id, mailbox.started_at - DAY, now)
    looked_at = now + HOUR
    await Mailbox.all().update(history_at=looked_at)
    await anew(mailbox, 3000, now + 9 * DAY)
    assert await Gap.filter(since=looked_at - OVERLAP, until=now + 9 * DAY + MARGIN).count() == 1
    assert await Gap.all().count() == 3


async def test_what_pushes_told_of_ids_that_went_back_is_forgotten(mailbox, now):
    """Scenario 27. Else the sweep would find what no push tells of, and it would look as if one had."""
    await Mailbox.all().update(pushed_id=9000, missed_id=Decimal(8000))
    await anew(mailbox, 500, now)
    assert await Mailbox.filter(pushed_id=500, missed_id=500).exists()
    await Mailbox.all().update(pushed_id=None, missed_id=Decimal(400))
    await anew(mailbox, 700, now + SECOND)
    assert await Mailbox.filter(pushed_id=None, missed_id=400).exists()


async def test_a_backfill_begins_before_the_connection_and_ends_behind_it(mailbox, now):
    """Scenario 40."""
    since = mailbox.started_at - 90 * DAY
    assert await backfill(mailbox.id, mailbox.firm_id, since, now)
    gap = await Gap.get()
    assert (gap.since, gap.until, gap.reason) == (since, mailbox.started_at + MARGIN, "backfill")
    after = await row(mailbox)
    assert (after.started_at, after.recover_at) == (since, now)
    assert (after.cursor, after.history_at) == (mailbox.cursor, mailbox.history_at)
    assert await backfill(mailbox.id, mailbox.firm_id, since + DAY, now)
    assert (await Gap.all().count(), (await row(mailbox)).started_at) == (1, since)


async def test_whoever_works_while_a_backfill_is_ordered_knows_the_old_start_and_writes_nothing_more(mailbox, now):
    """Scenario 115. It would find the new gap empty, and its mail too old."""
    run = await held(mailbox, now)
    await backfill(mailbox.id, mailbox.firm_id, mailbox.started_at - DAY, now)
    with pytest.raises(LeaseLost):
        await writing(run, now, lambda _: asyncio.sleep(0))
    assert await claim_pending(INTERVAL, 10, now)


# worked off


async def test_the_latest_time_that_is_not_listed_comes_first_a_day_at_once(mailbox, now):
    """Scenario 115. Each step is kept: whoever comes next goes on there."""
    old = await a_gap(mailbox, now - 9 * DAY, now - 7 * DAY)
    new = await a_gap(mailbox, now - 60 * HOUR, now)
    seen: list[tuple[int, float, float, bool]] = []
    while stretch := await next_stretch(run := await held(mailbox, now, f"run {len(seen)}")):
        seen.append((stretch.gap_id, (now - stretch.since) / HOUR, (now - stretch.until) / HOUR, stretch.is_last))
        await listed(run, stretch, [f"m{len(seen)}"], now)
        await leases.release_recovery(run, None)
    assert seen == [
        (new.id, 24, 0, False),
        (new.id, 48, 24, False),
        (new.id, 60, 48, True),
        (old.id, 192, 168, False),
        (old.id, 216, 192, True),
    ]
    assert [(gap.found, gap.closed_at, gap.listed_to) for gap in await Gap.all().order_by("since")] == [
        (2, now, old.since),
        (3, now, new.since),
    ]
    assert await LedgerEntry.filter(found_by="gap", owed_at=now).count() == 5


async def test_older_than_the_mailboxs_start_nothing_is_listed(mailbox, now):
    start = mailbox.started_at
    await a_gap(mailbox, start - 5 * DAY, start + HOUR)
    run = await held(mailbox, now)
    stretch = await next_stretch(run)
    assert stretch is not None
    assert (stretch.since, stretch.is_last) == (start, True)
    await Gap.all().update(until=start - DAY)
    stretch = await next_stretch(run)
    assert stretch is not None
    assert stretch.is_last
    await listed(run, stretch, [], now)
    assert await next_stretch(run) is None


async def test_where_a_page_overflows_the_next_stretch_is_shorter_and_grows_again(mailbox, now):
    """Scenario 115."""
    await a_gap(mailbox, now - 9 * DAY, now)
    run, widths = await held(mailbox, now), []
    for step in range(7):
        stretch = await next_stretch(run)
        assert stretch is not None
        widths.append((stretch.until - stretch.since) / HOUR)
        await (narrow(run, stretch, 3 * HOUR, now) if step == 0 else listed(run, stretch, [], now))
    assert widths == [24, 3, 6, 12, 24, 24, 24]


async def test_a_closed_gap_is_audited_soon(mailbox, now):
    """Scenario 83. Gmail's search shows a mail later than its history does."""
    await Mailbox.all().update(audit_at=now + DAY)
    await a_gap(mailbox, now - HOUR, now)
    run = await held(mailbox, now)
    stretch = await next_stretch(run)
    assert stretch is not None
    await listed(run, stretch, [], now)
    assert (await row(mailbox)).audit_at == now + AUDIT_AFTER


async def test_a_page_counts_only_what_the_ledger_did_not_know(mailbox, now):
    await a_gap(mailbox, now - HOUR, now)
    for gmail_id, outcome, reason in (("filed", "filed", "client"), ("nobody's", "skipped", "no client"), ("rescued", "skipped", "spam")):
        await LedgerEntry.create(
            mailbox=mailbox, gmail_id=gmail_id, outcome=outcome, reason=reason, found_by="push", found_at=now, seen_history_id=7
        )
    run = await held(mailbox, now)
    stretch = await next_stretch(run)
    assert stretch is not None
    assert await listed(run, stretch, ["filed", "nobody's", "rescued", "new", "new"], now) == 2
    assert (await Gap.get()).found == 1
    owed = await LedgerEntry.exclude(owed_at=None).order_by("gmail_id").values_list("gmail_id", "found_by")
    assert owed == [("new", "gap"), ("rescued", "gap")]


@pytest.mark.parametrize("step", ["listed", "narrow", "start_anew"])
async def test_who_lost_the_lease_writes_nothing(mailbox, now, step):
    """Scenarios 33, 115."""
    await a_gap(mailbox, now - HOUR, now)
    run: Held = await held(mailbox, now)
    stretch = await next_stretch(run)
    assert stretch is not None
    await held(mailbox, now + 21 * SECOND, "another")
    before = await Gap.all().values()
    steps: dict[str, Callable[[], Awaitable[object]]] = {
        "listed": lambda: listed(run, stretch, ["m1"], now),
        "narrow": lambda: narrow(run, stretch, HOUR, now),
        "start_anew": lambda: start_anew(run, 2000, now, OVERLAP, "history expired", now, distrust=False),
    }
    with pytest.raises(LeaseLost):
        await steps[step]()
    assert await Gap.all().values() == before
    assert await LedgerEntry.all().count() == 0


# claimed


async def test_of_several_processes_that_claim_at_once_no_two_get_the_same_mailbox(now):
    """Scenario 115."""
    fleet = [id for firm in await a_fleet(now, 30, 10) for id in firm]
    await Mailbox.all().update(recover_at=now)
    claims = await asyncio.gather(*(claim_recoveries(INTERVAL, limit, now) for limit in (40, 40, 7, 7)))
    rest = [await claim_recoveries(INTERVAL, 40, now) for _ in range(2)]
    assert Counter(id for ids in [*claims, *rest] for id in ids) == Counter(fleet)


async def test_recoveries_are_fair_across_firms(now):
    """Scenario 115."""
    many, few = await a_fleet(now, 30, 2)
    await Mailbox.filter(id__in=many).update(recover_at=now - HOUR)
    await Mailbox.filter(id__in=few).update(recover_at=now)
    claimed = await claim_recoveries(INTERVAL, 4, now)
    assert (len(claimed), set(few) <= set(claimed)) == (4, True)


async def test_a_recovery_whose_job_is_lost_is_claimed_again_after_an_interval(now):
    """Scenario 115."""
    ((one,),) = await a_fleet(now, 1)
    assert await claim_recoveries(INTERVAL, 10, now) == []
    await Mailbox.all().update(recover_at=now)
    assert await claim_recoveries(INTERVAL, 10, now - SECOND) == []
    assert await claim_recoveries(INTERVAL, 10, now) == [one]
    assert await claim_recoveries(INTERVAL, 10, now + INTERVAL - SECOND) == []
    assert await claim_recoveries(INTERVAL, 10, now + INTERVAL) == [one]


async def test_a_recovery_whose_worker_died_goes_on_when_its_lease_is_over(now):
    """Scenario 115."""
    ((one,),) = await a_fleet(now, 1)
    await Mailbox.all().update(recover_at=now)
    assert await claim_recoveries(INTERVAL, 10, now) == [one]
    await leases.take(one, "who dies", timedelta(seconds=20), now, rank="bulk")
    for seconds, due in ((19, []), (20, [one])):
        await claim_pending(INTERVAL, 10, now + seconds * SECOND)
        assert await claim_recoveries(INTERVAL, 10, now + seconds * SECOND) == due


async def test_nothing_is_recovered_while_google_is_to_be_left_alone_or_nobody_is_connected(now):
    """Scenarios 100, 103, 105."""
    ((cooling, lapsed, whole), (switched_off,)) = await a_fleet(now, 3, 1)
    await Mailbox.all().update(recover_at=now)
    await Mailbox.filter(id=cooling).update(cool_down_until=now + SECOND)
    await Mailbox.filter(id=lapsed).update(state="lapsed")
    await Firm.filter(id=(await Mailbox.get(id=switched_off)).firm_id).update(provider="none")
    await cool_down(now + SECOND)
    assert await claim_recoveries(INTERVAL, 10, now + 2 * SECOND) == []
    assert sorted(await claim_recoveries(INTERVAL, 10, now + HOUR)) == [cooling, whole]
