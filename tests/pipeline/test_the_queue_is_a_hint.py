"""The queue is a hint: whatever is owed is a row, and the sweep's chores find it when Redis, a job or a worker is lost."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from models.emails import Email
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from models.sweeps import Claimed, claim_stragglers
from pipeline.jobs import BROKER, BULK, FRESH, SWEEP, sync_backlog, sync_mailbox, sync_stragglers
from pipeline.sync import Trigger, sync, sync_many
from pipeline.tools import Opened, equip
from tests.builders import a_client, a_mail
from tests.pipeline.stage import Killed, Stage, Stall, killed


@pytest.fixture
def equipped(stage: Stage) -> Iterator[Callable[..., None]]:
    """This process's tools are the stage's, with other limits."""

    def with_limits(**limits: object) -> None:
        tools = replace(stage.tools, limits=stage.tools.limits.model_copy(update=limits))
        equip(Opened(tools, stage.logins, None))  # type: ignore[arg-type]

    yield with_limits
    equip(None)


SWEPT = Trigger("sweep", SWEEP, "trace")


async def eva_and_client(stage: Stage):
    return await stage.mailbox(), await a_client(stage.firm, "", "pat@client.example")


async def due_at(mailbox: Mailbox):
    return (await Mailbox.get(id=mailbox.id)).next_attempt_at


async def test_mail_whose_push_and_job_were_lost_with_redis_is_swept(stage, valkey):
    """Scenario 111. A flushed Redis costs one sweep."""
    eva, client = await eva_and_client(stage)
    await stage.sweep(eva)
    await stage.mail(eva, a_mail(subject="Lost push"))
    await stage.tell(eva)
    valkey.flushall()
    interval = timedelta(minutes=10)
    assert await claim_stragglers(interval, 1, 100, stage.clock.moment) == []
    stage.wait(minutes=10)
    assert await claim_stragglers(interval, 1, 100, stage.clock.moment) == [Claimed(eva.id, failing=False)]
    await stage.sweep(eva)
    assert await stage.filed(client) == ["Lost push"]
    assert (await LedgerEntry.get(mailbox=eva)).found_by == "sweep"


@pytest.mark.parametrize("where", ["/history?", "format=metadata", "format=full"])
async def test_what_a_killed_worker_left_is_claimed_when_its_lease_is_over(stage, where):
    """Scenarios 31, 111."""
    eva, client = await eva_and_client(stage)
    await stage.sweep(eva)
    assert await due_at(eva) is None
    await stage.mail(eva, a_mail(subject="Orphaned"))
    stall = Stall()
    stage.wire.after(where, stall)
    dead = asyncio.create_task(sync(eva.id, SWEPT, stage.tools))
    await stall.reached.wait()
    stage.wait(seconds=20)
    assert await stage.pending() == [eva.id]
    assert await stage.pending() == []  # claimed
    stage.wait(minutes=2)
    assert await stage.pending() == [eva.id]  # the job of that claim was lost too
    await stage.sweep(eva)
    assert await stage.filed(client) == ["Orphaned"]
    stall.go.set()
    await dead


async def test_a_run_notes_when_the_cursor_s_candidate_will_be_old_enough(stage):
    eva, _ = await eva_and_client(stage)
    await stage.sweep(eva)
    assert await due_at(eva) is None
    await stage.mail(eva, a_mail("stranger@elsewhere.example"))
    await stage.push(eva)
    assert await due_at(eva) == stage.clock.moment + timedelta(minutes=2)


async def test_a_run_notes_when_the_next_look_is_owed(stage):
    eva, _ = await eva_and_client(stage)
    await stage.sandbox.aio.fault("message_404_first", s=60)
    await stage.mail(eva, a_mail())
    await stage.push(eva)
    assert await due_at(eva) == stage.clock.moment + timedelta(seconds=30)


async def test_a_push_that_tells_nothing_new_settles_no_look_that_is_owed(stage):
    """Scenario 15. Gmail is not asked, so what was to be asked later still is."""
    eva, _ = await eva_and_client(stage)
    await stage.push(eva, await stage.head(eva) + 50)
    pages, due = await stage.listings(eva), await due_at(eva)
    assert due == stage.clock.moment + timedelta(seconds=30)
    await stage.push(eva, int(eva.cursor))
    assert (await stage.listings(eva), await due_at(eva)) == (pages, due)


async def test_each_failed_run_in_a_row_waits_longer_and_a_good_one_ends_that(stage):
    """Scenario 89."""
    eva, _ = await eva_and_client(stage)
    await stage.sandbox.aio.fault("status", method="history.list", code=503)
    waits = []
    for _ in range(4):
        await stage.sweep(eva)
        waits.append((await due_at(eva) - stage.clock.moment).total_seconds())
    assert waits == [30, 60, 120, 240]
    await stage.sandbox.aio.clear_faults()
    await stage.sweep(eva)
    assert (await due_at(eva), (await Mailbox.get(id=eva.id)).failures) == (None, 0)


async def test_a_surprise_gives_the_lease_back_and_is_tried_again(stage):
    """Scenario 112."""
    eva, client = await eva_and_client(stage)
    await stage.mail(eva, a_mail(subject="Second try"))

    async def surprise() -> None:
        await stage.tell(eva)
        raise ZeroDivisionError

    stage.wire.after("/history?", surprise)
    with pytest.raises(ZeroDivisionError):
        await stage.push(eva)
    assert (await Mailbox.get(id=eva.id)).lease_owner is None
    assert await stage.tools.marks.tell("next", {eva.id: 1}) == [eva.id]  # nobody came for it: the next push sends a job
    stage.wait(seconds=30)
    assert await stage.pending() == [eva.id]
    await stage.sweep(eva)
    assert await stage.filed(client) == ["Second try"]


async def seven(stage: Stage, mailbox: Mailbox) -> list[str]:
    for number in range(7):
        await stage.mail(mailbox, a_mail(subject=str(number)))
    return [str(number) for number in range(7)]


async def test_after_three_of_seven_a_killed_run_s_successor_makes_exactly_the_other_four(stage):
    """Scenario 31."""
    eva, client = await eva_and_client(stage)
    subjects = await seven(stage, eva)
    tools = replace(stage.tools, limits=stage.tools.limits.model_copy(update={"batch": 3}))
    stage.wire.after("format=full", killed, nth=4)
    with pytest.raises(Killed):
        await sync(eva.id, SWEPT, tools)
    assert len(await stage.filed(client)) == 3
    first = set(await Email.all().values_list("id", flat=True))
    stage.wait(seconds=30)
    await sync(eva.id, SWEPT, tools)
    assert await stage.filed(client) == subjects
    assert len(set(await Email.all().values_list("id", flat=True)) - first) == 4
    fetched = await stage.looks(eva, "full")
    assert len(fetched) - len(set(fetched)) <= 3  # at most what was under way


def job(actor: Any) -> Callable[..., Awaitable[None]]:
    """Its body, which Dramatiq would run on the worker's loop."""
    return actor.fn.__wrapped__  # type: ignore[no-any-return]


JOBS = {
    FRESH: lambda mailbox: job(sync_mailbox)(mailbox.id, "trace", 0.0),
    SWEEP: lambda mailbox: job(sync_stragglers)([mailbox.id], "trace", 0.0),
    BULK: lambda mailbox: job(sync_backlog)(mailbox.id, "trace"),
}


@pytest.mark.parametrize("queue", JOBS)
async def test_a_run_whose_time_is_up_leaves_the_rest_to_a_job_behind_fresh_mail(stage, valkey, equipped, queue):
    """Scenario 35. The next job goes on from there and fetches nothing twice; and if that job is lost, the row still says what is owed."""
    eva, client = await eva_and_client(stage)
    subjects = await seven(stage, eva)
    equipped(batch=3)

    async def half_a_minute() -> None:
        stage.wait(seconds=30)

    stage.wire.after("format=full", half_a_minute, nth=2)
    await JOBS[queue](eva)
    assert len(await stage.filed(client)) == 3
    assert {name: valkey.llen(f"{BROKER.namespace}:{name}") for name in JOBS} == {FRESH: 0, SWEEP: 0, BULK: 1}
    valkey.flushall()
    assert await stage.pending() == []
    stage.wait_to_settle()
    assert await stage.pending() == [eva.id]
    await JOBS[BULK](eva)
    assert await stage.filed(client) == subjects
    assert sorted(await stage.looks(eva)) == sorted(set(await stage.looks(eva)))
    assert valkey.llen(f"{BROKER.namespace}:{BULK}") == 0


async def test_one_mailbox_that_fails_stops_none_of_its_neighbours(stage):
    """Scenario 128."""
    client = await a_client(stage.firm, "", "pat@client.example")
    team = [await stage.mailbox(f"{name}@sample.test") for name in ("ann", "ben", "cem")]
    for mailbox in team:
        await stage.mail(mailbox, a_mail(subject=mailbox.address))

    async def surprise() -> None:
        raise ZeroDivisionError

    stage.wire.after("/history?", surprise)
    await sync_many([mailbox.id for mailbox in team], SWEPT, stage.tools)
    assert len(await stage.filed(client)) == 2
