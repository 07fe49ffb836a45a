"""Claims: who sweeps what. Each mailbox is claimed by one process, fairly across firms, and a claim that is lost comes back."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from models import leases
from models.firms import Firm
from models.mailboxes import Mailbox
from models.sweeps import Sweep, claim_pending, claim_stragglers
from tests.builders import held
from tests.reconcile.fleet import a_fleet

INTERVAL = timedelta(minutes=10)
CLAIM = timedelta(minutes=2)
SECOND = timedelta(seconds=1)


async def stragglers(now, limit=1000) -> list[int]:
    return [claimed.mailbox_id for claimed in await claim_stragglers(INTERVAL, 1, limit, now)]


async def pending(now, limit=1000) -> list[int]:
    return [claimed.mailbox_id for claimed in await claim_pending(CLAIM, limit, now)]


@pytest.mark.parametrize("claim", [stragglers, pending])
async def test_of_several_processes_that_claim_at_once_no_two_get_the_same_mailbox(now, claim):
    """Scenarios 81, 82."""
    fleet = [id for firm in await a_fleet(now, 60, 30, 10) for id in firm]
    await Mailbox.all().update(next_attempt_at=now)
    for _ in range(5):
        claims = await asyncio.gather(*(claim(now, limit) for limit in (100, 100, 40, 40, 7, 7)))
        rest = [await claim(now) for _ in range(2)]
        claimed = Counter(id for ids in [*claims, *rest] for id in ids)
        assert claimed == Counter(fleet)
        await Mailbox.all().update(next_attempt_at=now, claimed_at=now - INTERVAL)


async def test_a_mailbox_is_due_after_an_interval_without_a_look(now):
    """Scenario 82."""
    ((one,),) = await a_fleet(now, 1)
    assert await stragglers(now - SECOND) == []
    assert await stragglers(now) == [one]


async def test_a_mailbox_that_was_looked_at_meanwhile_is_not_due(now):
    """Scenario 81. A push did the work."""
    ((one,),) = await a_fleet(now, 1)
    await Mailbox.filter(id=one).update(last_checked_at=now - SECOND)
    assert await stragglers(now) == []
    assert await stragglers(now + INTERVAL) == [one]


async def test_a_mailbox_that_was_never_looked_at_comes_first(now):
    ((_, never, _),) = await a_fleet(now, 3)
    await Mailbox.filter(id=never).update(last_checked_at=None)
    assert await stragglers(now, limit=1) == [never]


async def test_a_claim_whose_job_was_lost_comes_back_after_one_interval(now):
    """Scenarios 82, 111."""
    ((one,),) = await a_fleet(now, 1)
    assert await stragglers(now) == [one]
    assert await stragglers(now + INTERVAL - SECOND) == []
    assert await stragglers(now + INTERVAL) == [one]


async def test_a_large_firm_does_not_keep_the_small_ones_waiting(now):
    """Scenario 128. The large one's mailboxes have waited longest."""
    large, small, smaller = await a_fleet(now, 50, 3, 2)
    await Mailbox.filter(id__in=large).update(last_checked_at=now - timedelta(days=1))
    claimed = set(await stragglers(now, limit=10))
    assert claimed >= {*small, *smaller}
    assert len(claimed & set(large)) == 5


@pytest.mark.parametrize("claim", [stragglers, pending])
async def test_what_is_not_connected_or_switched_off_is_left_alone(now, claim):
    ((lapsed, paused, connected), (off,)) = await a_fleet(now, 3, 1)
    await Mailbox.all().update(next_attempt_at=now)
    await Mailbox.filter(id=lapsed).update(state="lapsed")
    await Mailbox.filter(id=paused).update(state="paused")
    await Firm.choose_provider((await Mailbox.get(id=off)).firm_id, "none", now)
    assert await claim(now) == [connected]


# pending


async def test_what_is_owed_is_due_when_its_time_has_come(now):
    """Scenario 111."""
    ((one, other),) = await a_fleet(now, 2)
    await Mailbox.filter(id=one).update(next_attempt_at=now)
    await Mailbox.filter(id=other).update(next_attempt_at=now + SECOND)
    assert await pending(now) == [one]
    assert await pending(now + SECOND) == [other]


async def test_a_pending_claim_whose_job_was_lost_comes_back(now):
    """Scenario 111."""
    ((one,),) = await a_fleet(now, 1)
    await Mailbox.filter(id=one).update(next_attempt_at=now)
    assert [await pending(now), await pending(now + CLAIM - SECOND), await pending(now + CLAIM)] == [[one], [], [one]]


async def test_a_lease_that_ran_out_is_pending_and_its_holder_has_lost_it(now):
    """Scenarios 31, 33."""
    ((one,),) = await a_fleet(now, 1)
    dead = await held(await Mailbox.get(id=one), now)
    assert await pending(now + timedelta(seconds=19)) == []
    assert await pending(now + timedelta(seconds=20)) == [one]
    with pytest.raises(leases.LeaseLost):
        await leases.renew(dead, now + timedelta(seconds=20))


async def test_what_is_at_work_or_cooling_down_is_not_pending(now):
    """Scenario 81."""
    ((working, cooling),) = await a_fleet(now, 2)
    await Mailbox.all().update(next_attempt_at=now)
    await held(await Mailbox.get(id=working), now)
    await Mailbox.filter(id=cooling).update(cool_down_until=now + SECOND)
    assert await pending(now) == []
    assert await pending(now + SECOND) == [cooling]


# the sweep's own row


async def test_a_sweep_is_closed_by_one_process_and_tells_what_it_queued(now):
    """Scenario 82. However many reconcile processes turn at once."""
    turned = await asyncio.gather(*(Sweep.turn(INTERVAL, now) for _ in range(6)))
    assert (sum(turned), await Sweep.all().count(), await Sweep.last_closed()) == (1, 1, None)
    await a_fleet(now, 3)
    await stragglers(now)
    assert not await Sweep.turn(INTERVAL, now + INTERVAL - SECOND)
    turned = await asyncio.gather(*(Sweep.turn(INTERVAL, now + INTERVAL) for _ in range(6)))
    assert (sum(turned), await Sweep.all().count(), await Sweep.filter(closed_at=None).count()) == (1, 2, 1)
    closed = await Sweep.last_closed()
    assert closed is not None
    assert (closed.opened_at, closed.closed_at, closed.queued, closed.pending) == (now, now + INTERVAL, 3, 0)
