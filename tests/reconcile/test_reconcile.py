"""The reconcile process: its chores queue what is due, its gauges tell what waits, and one that fails stops no other."""

import asyncio
import dataclasses
import time
from datetime import datetime, timedelta
from typing import Any

import pytest

import settings
from models.gaps import Gap
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from models.sweeps import Sweep
from reconcile import chores, clock, gauges
from reconcile.queue import BrokerQueue
from telemetry import metrics
from tests.reconcile.fleet import a_fleet

INTERVAL = timedelta(minutes=10)


@pytest.fixture
def deployment(postgres) -> settings.Settings:
    return settings.load()


class Sent:
    """What the chores queue, and how much waits already."""

    def __init__(self, waiting: int = 0) -> None:
        self.sent: list[tuple[str, list[int]]] = []
        self._waiting = waiting

    async def waiting(self, queue: str) -> int:
        return self._waiting

    async def send(self, job: str, *arguments: Any) -> None:
        mailboxes = arguments[0]
        self.sent.append((job, mailboxes if isinstance(mailboxes, list) else [mailboxes]))

    @property
    def jobs(self) -> list[list[int]]:
        """Those that sync."""
        return [mailboxes for job, mailboxes in self.sent if job.startswith("sync")]


class Refuses(Sent):
    async def send(self, job: str, *arguments: Any) -> None:
        raise ConnectionError


def at(moment: datetime):
    async def told() -> datetime:
        return moment

    return told


def gauge(metric, *labels: str) -> float:
    (sample,) = (metric.labels(*labels) if labels else metric).collect()[0].samples
    return float(sample.value)


async def test_due_mailboxes_are_queued_in_small_jobs(deployment, now):
    """Scenario 82."""
    (fleet,) = await a_fleet(now, 120)
    sent = Sent()
    assert await chores.stragglers(deployment, sent, now) == 120
    assert [len(job) for job in sent.jobs] == [50, 50, 20]
    assert sorted(id for job in sent.jobs for id in job) == sorted(fleet)


async def test_one_tick_looks_at_everything(deployment, now, valkey):
    ((due, owing),) = await a_fleet(now, 2)
    await Mailbox.filter(id=owing).update(last_checked_at=now, next_attempt_at=now)
    sent = Sent()
    await clock.tick(deployment, at(now), sent)
    assert sorted(sent.jobs) == [[due], [owing]]
    assert await Sweep.filter(closed_at=None).count() == 1
    assert gauge(metrics.MAILBOXES, "connected") == 2


async def test_a_chore_that_fails_stops_no_other(deployment, now, valkey):
    """Scenario 12. The broker takes nothing; the sweep still turns, the gauges still tell, and what was due is due again at once."""
    ((due, owing),) = await a_fleet(now, 2)
    await Mailbox.filter(id=owing).update(last_checked_at=now, next_attempt_at=now)
    metrics.MAILBOXES.labels("connected").set(0)
    await clock.tick(deployment, at(now), Refuses())
    assert await Sweep.filter(closed_at=None).count() == 1
    assert gauge(metrics.MAILBOXES, "connected") == 2

    sent = Sent()
    await clock.tick(deployment, at(now), sent)
    assert {id for job in sent.jobs for id in job} == {due, owing}


async def test_a_sweep_row_that_cannot_be_turned_stops_no_gauge(deployment, now, valkey):
    await a_fleet(now, 1)
    metrics.MAILBOXES.labels("connected").set(0)
    moments = iter([now] * len(chores.CHORES) + [None, now])  # for the claims, for the sweep's row, for the gauges

    async def breaks_once():
        moment = next(moments)
        if moment is None:
            raise ZeroDivisionError
        return moment

    await clock.tick(deployment, breaks_once, Sent())
    assert await Sweep.all().count() == 0
    assert gauge(metrics.MAILBOXES, "connected") == 1


async def test_the_gauges_tell_how_much_waits_and_since_when(deployment, now, valkey):
    """Queues in Valkey, debts and dead letters in PostgreSQL."""
    from pipeline.jobs import BROKER, sync_mailbox, sync_stragglers

    await gauges.measure(deployment, now)
    assert [gauge(metrics.QUEUE_DEPTH, queue) for queue in ("fresh", "sweep", "bulk")] == [0, 0, 0]
    assert gauge(metrics.OLDEST_JOB, "fresh") == 0

    a_minute_ago = int((time.time() - 60) * 1000)
    BROKER.enqueue(dataclasses.replace(sync_mailbox.message(1, "trace", 0.0), message_timestamp=a_minute_ago))
    sync_mailbox.send(2, "trace", 0.0)
    sync_stragglers.send([1, 2], "trace", 0.0)
    ((one, _, lapsed),) = await a_fleet(now, 3)
    await Mailbox.filter(id=lapsed).update(state="lapsed")
    entry = {"mailbox_id": one, "found_by": "sweep", "found_at": now, "seen_history_id": 1}
    await LedgerEntry.create(**entry, gmail_id="a", owed_at=now)
    await LedgerEntry.create(**entry, gmail_id="b", outcome="parked")
    await LedgerEntry.create(**entry, gmail_id="c", outcome="parked")
    await Gap.create(mailbox_id=one, since=now, until=now, reason="history expired", opened_at=now)
    await Sweep.turn(INTERVAL, now)
    await Sweep.turn(INTERVAL, now + INTERVAL)

    await gauges.measure(deployment, now + INTERVAL)
    assert [gauge(metrics.QUEUE_DEPTH, queue) for queue in ("fresh", "sweep", "bulk")] == [2, 1, 0]
    assert 60 <= gauge(metrics.OLDEST_JOB, "fresh") < 120
    assert 0 <= gauge(metrics.OLDEST_JOB, "sweep") < 60
    assert (gauge(metrics.PENDING), gauge(metrics.PARKED), gauge(metrics.GAPS)) == (1, 2, 1)
    assert [gauge(metrics.MAILBOXES, state) for state in ("connected", "paused", "lapsed", "disconnected")] == [2, 0, 1, 0]
    assert (gauge(metrics.LAST_SWEEP), gauge(metrics.SWEEP_FOUND)) == ((now + INTERVAL).timestamp(), 3)


async def test_the_jobs_that_it_queues_are_the_pipeline_s(deployment, now, valkey):
    """A sweep runs what a push runs, on a queue of its own."""
    from dramatiq import Message

    from pipeline.jobs import BROKER

    (fleet,) = await a_fleet(now, 2)
    await chores.stragglers(deployment, BrokerQueue(), now)
    (held,) = valkey.hvals(f"{BROKER.namespace}:sweep.msgs")
    message = Message.decode(held)
    assert (message.actor_name, sorted(message.args[0])) == ("sync_stragglers", sorted(fleet))


async def test_it_ticks_until_it_is_told_to_stop(deployment, now, valkey):
    stop, asked, a_tick = asyncio.Event(), 0, len(chores.CHORES) + 2  # a moment for each chore, the sweep's row, the gauges

    async def told():
        nonlocal asked
        asked += 1
        if asked >= 2 * a_tick:
            stop.set()
        return now

    quick = deployment.model_copy(update={"sweep": deployment.sweep.model_copy(update={"tick": timedelta(milliseconds=1)})})
    async with asyncio.timeout(5):
        await clock.run(quick, told, stop)
    assert 2 * a_tick <= asked < 4 * a_tick  # the letters, beside it, ask for a moment too; after the word to stop both end their turn
