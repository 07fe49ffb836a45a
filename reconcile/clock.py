"""The reconcile process: every few seconds it looks at what is due. A chore that fails stops none of the others."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime

from reconcile import chores, gauges
from settings import Settings
from telemetry import metrics
from telemetry.logs import correlation, fault, log

Clock = Callable[[], Awaitable[datetime]]


async def run(settings: Settings, clock: Clock, stop: asyncio.Event) -> None:
    """Until `stop`. Ticks never pile up: the next one waits for the last, however long that took."""
    while not stop.is_set():
        began = time.perf_counter()
        await tick(settings, clock, chores.send_straggler_jobs)
        metrics.SWEEP_SECONDS.set(time.perf_counter() - began)
        try:
            await asyncio.wait_for(stop.wait(), settings.sweep.tick.total_seconds())
        except TimeoutError:
            continue


async def tick(settings: Settings, clock: Clock, send: chores.Send) -> None:
    """One look at everything."""
    correlation()
    queued = {
        name: await _try(name, chore, settings, send, clock)
        for name, chore in (("pending", chores.pending), ("stragglers", chores.stragglers))
    }
    if any(queued.values()):
        log.info("sweep queued", **queued)
    for name, look in (("turn", _turn), ("gauges", gauges.measure)):
        try:
            await look(settings, await clock())
        except Exception as error:
            fault("chore failed", error, chore=name)


async def _try(name: str, chore: Callable[..., Awaitable[int]], settings: Settings, send: chores.Send, clock: Clock) -> int:
    try:
        return await chore(settings, send, await clock())
    except Exception as error:  # the database or the broker is away: what was due stays due
        fault("chore failed", error, chore=name)
        return 0


async def _turn(settings: Settings, now: datetime) -> None:
    if await chores.turn(settings, now):
        closed = await gauges.last_sweep()
        if closed:
            log.info("sweep closed", queued=closed.queued, pending=closed.pending, found=closed.found)
