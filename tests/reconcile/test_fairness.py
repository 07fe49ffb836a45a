"""Fairness: however many mailboxes there are, and however many of one firm fail, everybody has their turn, and nothing piles up."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import dramatiq
import pytest

import settings
from gmail.client import Gmail
from models.audits import claim_audits
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from models.sweeps import claim_pending, claim_stragglers
from pipeline.broker import WakingBroker
from pipeline.hanging import Hanging
from pipeline.jobs import BROKER, FRESH, SWEEP, sync_failing, sync_stragglers
from pipeline.sync import Trigger, sync
from pipeline.tools import Tools, open_tools
from reconcile import chores, clock
from reconcile.jobs import BROKER as EVERY_JOB
from reconcile.queue import BrokerQueue
from tests.builders import a_client, a_firm, a_mail
from tests.pipeline.stage import Stage, Stall
from tests.reconcile.fleet import a_fleet

INTERVAL, MINUTE, SECOND = timedelta(minutes=10), timedelta(minutes=1), timedelta(seconds=1)
SWEPT = Trigger("sweep", SWEEP, "trace")


@pytest.fixture
def deployment(postgres) -> settings.Settings:
    return settings.load()


def with_sweep(deployment: settings.Settings, **sweep: Any) -> settings.Settings:
    return deployment.model_copy(update={"sweep": deployment.sweep.model_copy(update=sweep)})


class Piling:
    """A queue whose workers are down, until somebody clears it."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, list[int]]] = []

    async def waiting(self, queue: str) -> int:
        return sum(EVERY_JOB.get_actor(job).queue_name == queue for job, _ in self.sent)

    async def send(self, job: str, *arguments: Any) -> None:
        if job.startswith("sync"):
            self.sent.append((job, arguments[0]))

    def mailboxes(self, job: str = "sync") -> list[int]:
        """Of the jobs whose name begins so, in the order in which they were queued."""
        return [mailbox_id for name, ids in self.sent if name.startswith(job) for mailbox_id in ids]


async def ticks(deployment: settings.Settings, queue: Piling, since: datetime, until: datetime) -> int:
    """Looks of the reconcile process in that time; the most jobs that ever waited."""
    moment, most = since, 0
    while moment < until:

        async def now(moment: datetime = moment) -> datetime:
            return moment

        await clock.tick(deployment, now, queue)
        moment, most = moment + deployment.sweep.tick, max(most, len(queue.sent))
    return most


async def fail(*mailboxes: int, next_attempt_at: datetime) -> None:
    await Mailbox.filter(id__in=mailboxes).update(failures=3, next_attempt_at=next_attempt_at)


# whose turn it is


@pytest.mark.parametrize("failing", [True, False])
async def test_a_firm_that_owes_much_does_not_keep_the_others_waiting(now, failing):
    """Scenario 128. Its mailboxes have been due for longest."""
    large, small, smaller = await a_fleet(now, 50, 3, 2)
    await Mailbox.all().update(next_attempt_at=now)
    await Mailbox.filter(id__in=large).update(next_attempt_at=now - timedelta(days=1), failures=9 * failing)
    claimed = {claimed.mailbox_id for claimed in await claim_pending(INTERVAL, 10, now)}
    assert claimed >= {*small, *smaller}
    assert len(claimed & set(large)) == 5


@pytest.mark.parametrize("chore", [chores.stragglers, chores.pending])
async def test_the_jobs_of_one_look_hold_the_firms_in_turn(now, deployment, chore):
    """Scenario 128."""
    large, small = await a_fleet(now, 40, 10)
    await Mailbox.all().update(next_attempt_at=now)
    queue = Piling()
    await chore(with_sweep(deployment, batch=20), queue, now)
    first = set(queue.sent[0][1])
    assert (len(first & set(large)), len(first & set(small))) == (10, 10)


async def test_a_herd_is_spread_over_a_third_of_the_interval_and_everybody_is_queued_once(now, deployment):
    """Scenario 82. All were due at once, say after an outage."""
    fleet = {id for firm in await a_fleet(now, 2400, 1600) for id in firm}
    queue, tick = Piling(), 20 * SECOND
    spread = with_sweep(deployment, tick=tick)
    assert await chores.stragglers(spread, queue, now) == len(fleet) / 10
    await ticks(spread, queue, now + tick, now + INTERVAL / 3)
    assert Counter(queue.mailboxes()) == Counter(fleet)


async def test_every_interval_has_its_look_at_each_mailbox(now, deployment):
    """Scenarios 80, 82. It is queued a little before its interval is over, so that it is looked at within that."""
    ((one,),) = await a_fleet(now, 1, unseen_for=timedelta(0))
    queue = Piling()
    await ticks(deployment, queue, now + INTERVAL * 0.9, now + INTERVAL * 0.95)
    assert queue.sent == []
    await ticks(deployment, queue, now + INTERVAL * 0.95, now + INTERVAL)
    assert queue.sent == [("sync_stragglers", [one])]


async def test_several_reconcile_processes_queue_each_mailbox_once(now, deployment):
    """Scenarios 81, 82. All at once, and again and again."""
    fleet = [id for firm in await a_fleet(now, 300, 100) for id in firm]
    owing = fleet[:50]
    await Mailbox.filter(id__in=owing).update(next_attempt_at=now)
    queue = Piling()

    async def told():
        return now

    for _ in range(3):
        await asyncio.gather(*(clock.tick(deployment, told, queue) for _ in range(4)))
    assert Counter(queue.mailboxes("sync_stragglers")) == Counter(fleet)
    assert Counter(queue.mailboxes("sync_pending")) == Counter(owing)


# nothing piles up, nothing is lost


async def test_while_no_worker_works_the_queues_stay_short_and_what_is_due_stays_due(now, deployment):
    """Scenario 82. An hour of looks; then workers are back, and every mailbox has its turn within an interval."""
    fleet = {id for firm in await a_fleet(now, 1400, 200) for id in firm}
    failing = sorted(fleet)[-100:]
    await fail(*failing, next_attempt_at=now)
    queue, slow = Piling(), with_sweep(deployment, tick=MINUTE, batch=1)
    most = await ticks(slow, queue, now, now + timedelta(hours=1))
    assert 1000 <= most <= 2000
    assert len(queue.mailboxes("sync_failing")) <= 300

    queue.sent.clear()
    back = now + timedelta(hours=1)
    done = set[int]()
    while back < now + timedelta(hours=1) + INTERVAL:
        await ticks(slow, queue, back, back + MINUTE)
        done |= set(queue.mailboxes())
        queue.sent.clear()
        back += MINUTE
    assert done == fleet


async def test_a_redis_that_was_emptied_costs_each_mailbox_one_interval(now, deployment, valkey):
    """Scenarios 82, 111. The jobs are gone; the rows are not."""
    (fleet,) = await a_fleet(now, 130)
    assert await chores.stragglers(deployment, BrokerQueue(), now) == len(fleet)
    valkey.flushall()
    assert await chores.stragglers(deployment, BrokerQueue(), now + INTERVAL / 2) == 0
    assert await chores.stragglers(deployment, BrokerQueue(), now + INTERVAL) == len(fleet)
    jobs = [dramatiq.Message.decode(job).args[0] for job in valkey.hvals(f"{BROKER.namespace}:sweep.msgs")]
    assert sorted(id for ids in jobs for id in ids) == sorted(fleet)


# who fails


async def test_who_fails_is_queued_apart_and_behind_the_others(now, deployment):
    """Scenario 128."""
    failing, healthy = await a_fleet(now, 60, 60)
    await Mailbox.all().update(next_attempt_at=now)
    await fail(*failing, next_attempt_at=now - timedelta(hours=1))
    queue = Piling()
    await chores.pending(deployment, queue, now)
    assert [name for name, _ in queue.sent] == ["sync_pending", "sync_pending", "sync_failing", "sync_failing"]
    assert (sorted(queue.mailboxes("sync_pending")), sorted(queue.mailboxes("sync_failing"))) == (healthy, failing)


async def test_while_enough_failing_ones_wait_the_others_are_queued_all_the_same(now, deployment):
    """Scenario 128."""
    failing, healthy = await a_fleet(now, 300, 3)
    await Mailbox.all().update(next_attempt_at=now)
    await fail(*failing, next_attempt_at=now)
    queue = Piling()
    queue.sent = [("sync_failing", [0])] * chores.MOST_WAITING["bulk"]
    await chores.pending(deployment, queue, now)
    assert queue.sent[chores.MOST_WAITING["bulk"] :] == [("sync_pending", healthy)]
    queue.sent.clear()
    await chores.pending(deployment, queue, now)
    assert sorted(queue.mailboxes()) == failing


async def test_who_fails_is_not_audited_until_it_works_again(now):
    """Scenario 128. Each audit is a job of its own, which would hang by itself."""
    ((failing, healthy),) = await a_fleet(now, 2)
    await fail(failing, next_attempt_at=now)
    assert await claim_audits(INTERVAL, 10, now) == [healthy]
    await Mailbox.filter(id=failing).update(failures=0)
    assert await claim_audits(INTERVAL, 10, now) == [failing]


async def test_who_fails_backs_off_and_no_sweep_and_no_push_hurries_it(stage):
    """Scenario 128. An hour, looked at every minute, with a push each time; then all is well, and within five minutes it is read."""
    client, eva = await a_client(stage.firm, "", "pat@client.example"), await stage.mailbox()
    await stage.sandbox.aio.fault("status", mailbox=eva.address, method="history.list", code=500)
    attempts = 0

    async def a_minute() -> None:
        nonlocal attempts
        stage.wait(minutes=1)
        due = {claimed.mailbox_id for claimed in await claim_stragglers(INTERVAL, 1, 10, stage.clock.moment)} | set(await stage.pending())
        before = await stage.listings(eva)
        if due:
            await stage.sweep(eva)
        await stage.push(eva)
        attempts += await stage.listings(eva) > before

    for _ in range(60):
        await a_minute()
    assert 12 <= attempts <= 15  # the waits double up to four minutes, then it is every five
    await stage.sandbox.aio.clear_faults()
    await stage.mail(eva, a_mail(subject="All is well"))
    for _ in range(5):
        await a_minute()
    assert await stage.filed(client) == ["All is well"]


@pytest.fixture
def small_worker(valkey_server, valkey) -> Iterator[tuple[dramatiq.Actor[Any, Any], dramatiq.Actor[Any, Any], list[str], threading.Event]]:
    """A real worker with one thread for both queues; what runs in it notes its name, the first one once it may."""
    broker, ran, go = WakingBroker(url=valkey_server.url, middleware=[], namespace="fairness"), list[str](), threading.Event()

    def note(name: str) -> None:
        go.wait(10)
        ran.append(name)

    failing, swept = (
        dramatiq.actor(broker=broker, actor_name=actor.actor_name, queue_name=actor.queue_name, priority=actor.priority)(note)
        for actor in (sync_failing, sync_stragglers)
    )
    worker = dramatiq.Worker(broker, worker_threads=1)
    worker.start()
    yield failing, swept, ran, go
    go.set()
    worker.stop()
    broker.close()
    broker.client.connection_pool.disconnect()


async def test_a_sweep_overtakes_failing_ones_that_wait(small_worker):
    """Scenario 128. All of them were queued before, and as many as the worker takes at once lie in its hands."""
    failing, swept, ran, go = small_worker
    for number in range(6):
        failing.send(f"failing {number}")
    await asyncio.sleep(0.1)
    swept.send("sweep")
    await asyncio.sleep(0.1)
    go.set()
    async with asyncio.timeout(5):
        while len(ran) < 7:
            await asyncio.sleep(0.01)
    assert ran.index("sweep") <= 1


# who hangs


@pytest.fixture
async def impatient(stage: Stage) -> Any:
    """Tools that wait a tenth of a second for Google, and take a twentieth for slow."""
    async with aiohttp.ClientSession() as session:
        gmail = Gmail(session, stage.sandbox.url, timeout=0.1)
        yield replace(stage.tools, gmail=gmail, hanging=Hanging(0.05, 3))


async def test_a_firm_whose_gmail_hangs_does_not_hold_the_workers_of_fresh_mail(stage: Stage, impatient: Tools):
    """Scenarios 124, 128. Its pushes are handed on, and not forgotten; the other firm's go on as ever."""
    other, theirs = await a_firm(), [await stage.mailbox(f"m{number}@sample.test") for number in range(5)]
    client, bob = await a_client(other, "", "pat@client.example"), await stage.mailbox("bob@other.test", firm=other)
    for mailbox in theirs:
        await stage.sandbox.aio.fault("timeout", mailbox=mailbox.address, method="*", s=1)

    async def push(mailbox: Mailbox) -> None:
        await stage.tell(mailbox)
        await sync(mailbox.id, Trigger("push", FRESH, "trace"), impatient)

    for mailbox in [*theirs, bob]:
        await stage.mail(mailbox, a_mail(subject=mailbox.address))
    await asyncio.gather(*map(push, theirs[:3]))
    asked = await stage.listings(theirs[3])
    await asyncio.gather(push(theirs[3]), push(bob))
    assert await stage.filed(client) == ["bob@other.test"]
    assert await stage.listings(theirs[3]) == asked == 0
    assert await stage.tools.marks.told(theirs[3].id) == await stage.head(theirs[3])
    assert theirs[3].id in await stage.pending()

    await stage.sandbox.aio.clear_faults()
    await sync(theirs[3].id, Trigger("pending", SWEEP, "trace"), impatient)
    assert (await LedgerEntry.get(mailbox=theirs[3])).outcome == "skipped"


async def test_a_firm_hangs_no_longer_once_a_minute_without_slow_runs_has_passed():
    """Scenario 128."""
    moment = 0.0
    hanging = Hanging(0.0, 2, lambda: moment)
    for _ in range(2):
        assert not hanging.hangs(1)
        with hanging.watching(1):
            await asyncio.sleep(0.01)
    assert (hanging.hangs(1), hanging.hangs(2)) == (True, False)
    moment = 60.0
    assert not hanging.hangs(1)


async def test_as_many_may_hang_as_a_worker_looks_at_side_by_side_without_holding_up_another(stage, deployment):
    """Scenario 124. Nobody waits for a connection."""
    google = deployment.google.model_copy(update={"gmail_api": stage.sandbox.url, "client_id": "sample", "client_secret": "sample"})
    opened = open_tools(deployment.model_copy(update={"google": google}))
    limit = opened.session.connector.limit if opened.session.connector else 0
    await opened.close()
    assert limit > deployment.limits.background_threads * deployment.sweep.batch


# a sweep and a push


async def test_a_sweep_job_whose_mailbox_was_looked_at_since_it_was_queued_asks_gmail_nothing(stage):
    """Scenarios 81, 82. However late it runs."""
    eva = await stage.mailbox()
    queued_at = stage.clock.moment
    late = Trigger("sweep", SWEEP, "trace", queued_at.timestamp())
    await sync(eva.id, late, stage.tools)
    assert await stage.listings(eva) == 1, "nobody has looked since"
    stage.wait(seconds=5)
    await stage.mail(eva, a_mail())
    await stage.push(eva)
    stage.wait(minutes=3)
    pages = await stage.listings(eva)
    await sync(eva.id, late, stage.tools)
    assert await stage.listings(eva) == pages


@pytest.mark.parametrize("first", ["push", "sweep"])
async def test_where_a_sweep_and_a_push_meet_one_does_the_work_and_neither_is_forgotten(stage, first):
    """Scenario 81. The second comes while the first has listed and not yet filed, with another mail in between."""
    client, eva = await a_client(stage.firm, "", "pat@client.example"), await stage.mailbox()
    await stage.mail(eva, a_mail(subject="Before"))
    stall = Stall()
    stage.wire.after("/history?", stall)
    running = asyncio.create_task(stage.push(eva) if first == "push" else stage.sweep(eva))
    await stall.reached.wait()
    between = await stage.mail(eva, a_mail(subject="Between"))
    pages = await stage.listings(eva)
    if first == "push":
        await stage.sweep(eva)
    else:
        await stage.push(eva)
    assert await stage.listings(eva) == pages, "the second left the mailbox to the first"
    stall.go.set()
    await running
    if first == "push":  # of the mail in between nobody was told: it is found when the cursor settles
        stage.wait_to_settle()
        assert await stage.pending() == [eva.id]
        await stage.sweep(eva)
    assert await stage.filed(client) == ["Before", "Between"]
    assert (await stage.looks(eva, "full")).count(between) == 1
    assert (await Mailbox.get(id=eva.id)).lease_owner is None


async def test_a_storm_of_sweeps_and_pushes_looks_at_each_mail_once(stage):
    """Scenario 81. Twenty of each at once, again and again."""
    client, eva = await a_client(stage.firm, "", "pat@client.example"), await stage.mailbox()
    for number in range(4):
        await stage.mail(eva, a_mail(subject=f"Mail {number}"))
        await asyncio.gather(*(stage.push(eva) if turn % 2 else stage.sweep(eva) for turn in range(40)))
        stage.wait(seconds=30)
    assert await stage.filed(client) == [f"Mail {number}" for number in range(4)]
    assert Counter(await stage.looks(eva, "full")).most_common(1)[0][1] == 1
