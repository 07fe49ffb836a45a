"""The processes of Postroom, one function a role: each opens its own resources on its own loop, says when it is ready, and ends cleanly."""

import asyncio
import gc
import signal
import threading
from datetime import timedelta

from models.database import database_clock
from postroom.resources import CannotStart, metrics_endpoint, opened, wrong_with
from postroom.watchdog import PACE, Pace, Watchdog
from settings import Settings, bind_address
from telemetry import metrics
from telemetry.logs import log

BACKGROUND = ("sweep", "bulk")


def work(settings: Settings, queues: tuple[str, ...], threads: int, pace: Pace = PACE) -> None:
    """A worker: one Dramatiq worker, one loop, one pool. Runs until SIGTERM; running jobs end first.

    Raises `CannotStart`, and `SystemExit` where its watchdog found that only a new process helps.
    """
    from dramatiq import Worker
    from dramatiq.asyncio import get_event_loop_thread
    from dramatiq.middleware import AsyncIO

    from postroom.middleware import Resources, Telemetry
    from reconcile.jobs import BROKER  # declares every job, the pipeline's included

    resources = Resources(settings)
    for middleware in (AsyncIO(), resources, Telemetry()):
        BROKER.add_middleware(middleware)
    stop = threading.Event()
    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, lambda *_: stop.set())
    BROKER.emit_after("process_boot")
    worker = Worker(BROKER, queues=set(queues), worker_threads=threads)
    try:
        worker.start()
    except BaseException:
        if loop_thread := get_event_loop_thread():
            loop_thread.stop()  # type: ignore[no-untyped-call]  # no daemon: without this the process would never end
        raise resources.failure or CannotStart("The worker could not start: its log says why.") from None
    gc.freeze()
    watchdog = Watchdog(worker, settings.database.url, stop.set, pace)
    watchdog.start()
    log.info("ready", queues=list(queues), threads=threads)
    stop.wait()
    ill = watchdog.stop()
    worker.stop(timeout=int((pace.chance if ill else settings.limits.job_budget) / timedelta(milliseconds=1)))
    BROKER.close()
    log.info("stopped")
    if ill:
        raise SystemExit(1)


def reconcile(settings: Settings) -> None:
    """The reconcile process, until SIGTERM. Raises `CannotStart`."""
    asyncio.run(_reconcile(settings))


async def _reconcile(settings: Settings) -> None:
    from letters.samples import check
    from letters.words import Broken
    from reconcile.clock import run

    try:
        check(settings)
    except Broken as broken:
        raise CannotStart(f"A letter cannot be written. {broken}. Mend that file of mail.templates (docs/letters.md).") from None
    metrics.tell_sweep()
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, stop.set)
    async with opened(settings) as client:
        endpoint = metrics_endpoint(settings, lambda: wrong_with(client), loop)
        gc.freeze()
        log.info("ready")
        await run(settings, database_clock, stop)
        await asyncio.to_thread(endpoint.close)
    log.info("stopped")


def serve(settings: Settings, *, webhook: bool, portal: bool) -> None:
    """The webhook, the portal, or both from one process, until SIGTERM. Raises `CannotStart`."""
    import uvloop

    from postroom import web
    from postroom.embedded.ports import port_taken

    bind = settings.webhook.bind if webhook else settings.portal.bind
    host, port = bind_address(bind)
    if port_taken(bind):
        raise CannotStart(f"{bind} is taken by another program: stop that, or set webhook.bind and portal.bind to a free address.")
    for sig in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again once it has stopped, which would make a clean end look like a crash
        signal.signal(sig, lambda *_: None)
    uvloop.run(web.serve(settings, host, port, webhook=webhook, portal=portal))
