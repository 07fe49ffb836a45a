"""The reconcile process: every few seconds it looks at what is due. A chore that fails stops none of the others."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

from letters.delivery import deliver
from models.erasing import erase_all_dismissed
from models.notices import owe_digests
from models.parting import end_kept_grants
from models.pruning import prune
from models.sweeps import Sweep
from reconcile import chores, gauges
from reconcile.queue import BrokerQueue, Queue
from settings import Settings
from telemetry import metrics
from telemetry.logs import correlation, fault, log

Clock = Callable[[], Awaitable[datetime]]


async def run(settings: Settings, clock: Clock, stop: asyncio.Event) -> None:
    """Until `stop`. Letters go out beside the chores: a mail server that hangs holds up no sweep."""
    queue = BrokerQueue()
    await asyncio.gather(
        _again_and_again(lambda: tick(settings, clock, queue), settings, stop),
        _again_and_again(lambda: post(settings, clock), settings, stop),
    )


async def _again_and_again(work: Callable[[], Awaitable[None]], settings: Settings, stop: asyncio.Event) -> None:
    """Turns never pile up: the next one waits for the last, however long that took."""
    while not stop.is_set():
        await work()
        try:
            await asyncio.wait_for(stop.wait(), settings.sweep.tick.total_seconds())
        except TimeoutError:
            continue


async def post(settings: Settings, clock: Clock) -> None:
    """The letters that are due by now."""
    correlation()
    try:
        await deliver(settings, clock)
    except Exception as error:  # what was due stays due
        fault("letters failed", error)


async def tick(settings: Settings, clock: Clock, queue: Queue) -> None:
    """One look at everything."""
    began = time.perf_counter()
    correlation()
    queued = {chore.__name__: await _try(chore, settings, queue, clock) for chore in chores.CHORES}
    if any(queued.values()):
        log.info("sweep queued", **queued)
    for name, look in (("turn", _turn), ("gauges", gauges.measure)):
        try:
            await look(settings, await clock())
        except Exception as error:
            fault("chore failed", error, chore=name)
    metrics.SWEEP_SECONDS.set(time.perf_counter() - began)


async def _try(chore: Callable[..., Awaitable[int]], settings: Settings, queue: Queue, clock: Clock) -> int:
    try:
        return await chore(settings, queue, await clock())
    except Exception as error:  # the database or the broker is away: what was due stays due
        fault("chore failed", error, chore=chore.__name__)
        return 0


async def _turn(settings: Settings, now: datetime) -> None:
    """Closes the interval's `Sweep` row once it is over, tells what it found, erases and prunes: in the one process that closed it."""
    if not await Sweep.turn(settings.sweep.interval, now):
        return
    if closed := await Sweep.last_closed():
        _tell(closed)
    erase, forget = partial(erase_all_dismissed, settings.privacy.undo), partial(prune, settings.privacy.ledger)
    for name, chore in (("kept grants", end_kept_grants), ("digests", owe_digests), ("erase", erase), ("prune", forget)):
        try:
            await chore(now)
        except Exception as error:
            fault("chore failed", error, chore=name)


def _tell(closed: Sweep) -> None:
    log.info(
        "sweep closed",
        queued=closed.queued,
        pending=closed.pending,
        found=closed.found,
        filed=closed.filed,
        silent=closed.silent,
        late=closed.late,
    )
    if closed.push_is_dead:
        log.error("push is dead", mailboxes=closed.silent, found_by_sweep=closed.found)
