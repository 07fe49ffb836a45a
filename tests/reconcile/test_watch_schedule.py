"""When watches are renewed: most urgent first, spread over the day, and whatever fails keeps nobody else waiting."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from models.database import connection
from models.firms import Firm
from models.mailboxes import Mailbox
from models.project import cool_down
from models.watches import RENEW_AFTER, claim_watches, renew_after, to_watch
from pipeline.watch import next_renewal, next_try
from reconcile.watches import FIRST_RETRY
from tests.reconcile.fleet import a_fleet

DAY, HOUR, MINUTE, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
CLAIM, TICK, LIFE = timedelta(minutes=10), timedelta(minutes=30), timedelta(days=7)


async def due(now: datetime, limit: int = 1000) -> list[int]:
    return await claim_watches(CLAIM, limit, now)


async def set_to(expires_at: timedelta | None, now: datetime, plan: Sequence[tuple[int, datetime]], failures: int = 0) -> None:
    """What `watch_set` and `watch_failed` write, for many at once."""
    if not plan:
        return
    async with connection() as held:
        await held.execute(
            """
            UPDATE mailbox m SET watch_due_at = d.due_at, watch_expires_at = coalesce($3, watch_expires_at),
            watch_failures = least(m.watch_failures + $4, 100) FROM unnest($1::bigint[], $2::timestamptz[]) AS d(id, due_at)
            WHERE m.id = d.id
            """,
            [id for id, _ in plan],
            [due_at for _, due_at in plan],
            None if expires_at is None else now + expires_at,
            failures,
        )


# when to ask again


@pytest.mark.parametrize("after", [DAY, 3 * DAY])
@pytest.mark.parametrize("luck", [0.0, 0.4, 1.0])
def test_a_renewal_comes_when_it_should_or_up_to_a_sixth_sooner(after: timedelta, luck: float, now: datetime) -> None:
    """Scenario 77."""
    at = next_renewal(now, now + LIFE, after, luck)
    assert at - now == after * (1 - luck / 6)
    assert now + LIFE - at > DAY


def test_a_shorter_watch_is_renewed_a_day_before_it_ends_but_not_over_and_over(now: datetime) -> None:
    """Scenario 77."""
    assert next_renewal(now, now + 2 * DAY, 3 * DAY, 0.0) == now + DAY
    assert next_renewal(now, now + HOUR, DAY, 0.0) > now + MINUTE


@pytest.mark.parametrize(("failures", "minutes"), [(0, 1), (1, 2), (5, 32), (6, 60), (100, 60)])
def test_each_refusal_waits_twice_as_long_as_the_last_and_an_hour_at_most(failures: int, minutes: int, now: datetime) -> None:
    """Scenario 77."""
    assert next_try(now, failures, MINUTE, 0.0) == now + minutes * MINUTE
    assert next_try(now, failures, MINUTE, 1.0) == now + minutes * MINUTE * 1.2


async def test_above_twenty_thousand_mailboxes_a_watch_is_renewed_every_three_days(now: datetime) -> None:
    """Scenario 77."""
    ((one, *_),) = await a_fleet(now, 20_001)
    assert await renew_after() == 3 * DAY
    await Mailbox.filter(id=one).update(state="lapsed")
    assert await renew_after() == DAY


# whose turn it is


async def test_the_most_urgent_come_first(now: datetime) -> None:
    """Scenario 77. Who has no watch, then who loses it first."""
    ((later, late, none, soon),) = await a_fleet(now, 4)
    for mailbox, days in ((late, 2), (soon, 1), (later, 6)):
        await Mailbox.filter(id=mailbox).update(watch_expires_at=now + days * DAY)
    assert await due(now, limit=3) == [none, soon, late]
    assert await due(now) == [later]


async def test_of_several_processes_that_claim_at_once_no_two_renew_the_same_watch(now: datetime) -> None:
    """Scenario 77."""
    (fleet,) = await a_fleet(now, 100)
    for round_number in range(5):
        moment = now + round_number * CLAIM
        claims = await asyncio.gather(*(due(moment, limit) for limit in (100, 100, 40, 40, 7, 7)))
        claimed = Counter(id for ids in [*claims, await due(moment)] for id in ids)
        assert claimed == Counter(fleet)


async def test_only_who_is_connected_and_may_ask_is_renewed(now: datetime) -> None:
    (lapsed, paused, later, cooling, well), (off,) = await a_fleet(now, 5, 1)
    await Mailbox.filter(id=lapsed).update(state="lapsed")
    await Mailbox.filter(id=paused).update(state="paused")
    await Mailbox.filter(id=later).update(watch_due_at=now + HOUR)
    await Mailbox.filter(id=cooling).update(cool_down_until=now + HOUR)
    await Firm.choose_provider((await Mailbox.get(id=off)).firm_id, "none", now)
    assert await due(now) == [well]
    assert [mailbox for mailbox in (lapsed, paused, cooling, well, off) if await to_watch(mailbox, now)] == [well]
    assert sorted(await due(now + HOUR)) == sorted([later, cooling, well])


async def test_while_the_project_must_wait_nothing_is_renewed(now: datetime) -> None:
    """Scenario 105."""
    ((one,),) = await a_fleet(now, 1)
    await cool_down(now + MINUTE)
    assert await due(now + MINUTE) == []
    assert await to_watch(one, now + MINUTE) is None
    assert await due(now + 2 * MINUTE) == [one]


async def test_more_failing_watches_than_one_look_takes_keep_nobody_waiting_for_long(now: datetime) -> None:
    """Scenario 77. They have no watch, so they come first; each time that they fail they come later."""
    failing, healthy = await a_fleet(now, 300, 100)
    await Mailbox.filter(id__in=healthy).update(watch_expires_at=now + 2 * DAY)
    waiting, failures = set(healthy), Counter[int]()
    for minute in range(15):
        moment = now + minute * MINUTE
        claimed = await due(moment, limit=200)
        ill = [id for id in claimed if id in failing]
        await set_to(None, moment, [(id, next_try(moment, failures[id], FIRST_RETRY, 0.5)) for id in ill], failures=1)
        waiting, failures = waiting.difference(claimed), failures + Counter(ill)
    assert not waiting
    assert min(failures[id] for id in failing) >= 3


async def test_of_five_thousand_watches_none_comes_near_its_end_though_those_of_a_firm_fail(now: datetime) -> None:
    """Scenario 77. Ten days, a look every half hour; all connected at once; one firm's renewals fail throughout."""
    luck = random.Random(77)
    healthy, failing = (set(firm) for firm in await a_fleet(now, 4_900, 100))
    expires = dict.fromkeys(healthy, now + LIFE)
    await set_to(LIFE, now, [(id, next_renewal(now, now + LIFE, RENEW_AFTER, luck.random())) for id in [*healthy, *failing]])
    busiest, tries = 0, Counter[int]()
    for tick in range(10 * 48):
        moment = now + tick * TICK
        claimed = await due(moment, limit=1000)
        well, ill = [id for id in claimed if id in healthy], [id for id in claimed if id in failing]
        assert min((expires[id] for id in well), default=moment + LIFE) > moment + DAY
        expires |= dict.fromkeys(well, moment + LIFE)
        busiest, tries = max(busiest, len(well)), tries + Counter(ill)
        await set_to(LIFE, moment, [(id, next_renewal(moment, moment + LIFE, RENEW_AFTER, luck.random())) for id in well])
        by_failures = Counter({id: count - 1 for id, count in tries.items()})
        await set_to(None, moment, [(id, next_try(moment, by_failures[id], FIRST_RETRY, luck.random())) for id in ill], failures=1)
    end = now + 10 * DAY
    assert min(expires.values()) > end + LIFE - DAY - TICK
    assert busiest <= len(healthy) * 0.15
    assert 5 * 24 < min(tries.values()) <= max(tries.values()) < 10 * 24 + 10
    assert await Mailbox.filter(id__in=list(failing), watch_expires_at=now + LIFE).count() == len(failing)
