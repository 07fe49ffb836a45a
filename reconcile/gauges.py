"""Figures that only a look at queues and tables can tell: told once for all, by the reconcile process."""

import asyncio
import math
import time
from datetime import datetime

from dramatiq import Message

from models.sweeps import Figures, Sweep, figures
from settings import Settings
from telemetry import metrics

QUEUES = ("fresh", "sweep", "bulk")
STATES = ("connected", "paused", "lapsed", "disconnected")


async def measure(settings: Settings, now: datetime) -> None:
    """Sets the gauges."""
    _tables(await figures(settings.sweep.interval, now), settings)
    closed = await Sweep.last_closed()
    if closed and closed.closed_at:
        metrics.LAST_SWEEP.set(closed.closed_at.timestamp())
        metrics.SWEEP_FOUND.set(closed.found)
        metrics.PUSH_DEAD.set(closed.push_is_dead)
    await asyncio.to_thread(_queues)


def _queues() -> None:
    """Where Redis does not answer, the queues are not known, and no number pretends to be."""
    for queue in QUEUES:
        metrics.QUEUE_DEPTH.labels(queue).set(math.nan)
        metrics.OLDEST_JOB.labels(queue).set(math.nan)
    for queue in QUEUES:
        depth, oldest = waiting(queue)
        metrics.QUEUE_DEPTH.labels(queue).set(depth)
        metrics.OLDEST_JOB.labels(queue).set(oldest)


def waiting(queue: str) -> tuple[int, float]:
    """How many jobs wait, and for how many seconds the oldest has.

    Dramatiq keeps a queue as a list of ids, oldest first, beside a hash of messages (docs/dramatiq-tortoise.md#dramatiq).
    """
    from pipeline.jobs import BROKER

    key = f"{BROKER.namespace}:{queue}"
    oldest = BROKER.client.lindex(key, 0)
    held = BROKER.client.hget(f"{key}.msgs", oldest) if oldest else None
    age = max(0.0, time.time() - Message.decode(held).message_timestamp / 1000) if isinstance(held, bytes) else 0.0
    return int(BROKER.client.llen(key)), age


def _tables(counted: Figures, settings: Settings) -> None:
    metrics.PENDING.set(counted.pending)
    metrics.PARKED.set(counted.parked)
    metrics.GAPS.set(counted.gaps)
    metrics.SILENT.set(counted.silent)
    metrics.LATE.set(counted.late)
    metrics.UNWATCHED.set(counted.unwatched)
    metrics.SOONEST_EXPIRY.set(counted.soonest_expiry.timestamp() if counted.soonest_expiry else 0)
    metrics.LAPSE_SURGE.set(counted.lapsed >= settings.sweep.surge_limit)
    metrics.DAY_UNITS.set(counted.day_units)
    metrics.DAY_SHARE.set(counted.day_units / settings.quota.project_day)
    metrics.COOLING.set(counted.cooling)
    for state in STATES:
        metrics.MAILBOXES.labels(state).set(counted.mailboxes.get(state, 0))
