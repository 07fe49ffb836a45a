"""A worker that jobs can make ill: `python -m tests.postroom.frail_worker`, a process of its own under the settings of its environment."""

import asyncio
import re
import sys
import threading
import time
from datetime import timedelta
from typing import Any

import dramatiq
from dramatiq.threading import raise_thread_exception
from tortoise.connection import get_connection
from tortoise.transactions import in_transaction

import settings
from models.database import connection
from pipeline.jobs import BROKER, FRESH
from postroom.processes import work
from postroom.watchdog import Pace
from telemetry import logs

DONE = "done"  # a list in Redis
PACE = Pace(look=timedelta(milliseconds=200), patience=12, chance=timedelta(seconds=1.5), farewell=timedelta(seconds=0.5))


class Keep(dramatiq.Middleware):
    worker: dramatiq.Worker

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        Keep.worker = worker


def end(thread: threading.Thread) -> None:
    """As an error does that nobody caught."""
    raise_thread_exception(thread.ident, SystemExit)  # type: ignore[no-untyped-call]


def consumer_ends() -> None:
    end(Keep.worker.consumers[f"{FRESH}.DQ"])


def worker_thread_ends() -> None:
    end(next(thread for thread in Keep.worker.workers if thread is not threading.current_thread()))


async def loop_ends() -> None:
    asyncio.get_running_loop().call_soon(sys.exit)


async def loop_hangs() -> None:
    time.sleep(3600)


def interpreter_is_kept() -> None:
    """A careless pattern over hostile text: one call of C, for longer than the universe is old."""
    re.match(r"(a+)+$", "a" * 99 + "b")


async def pool_leaks() -> None:
    """Transactions that are cancelled while they begin (docs/dramatiq-tortoise.md)."""
    pool: Any = get_connection("default")._pool
    while pool.get_idle_size() or pool.get_size() < pool.get_max_size():
        transaction: Any = in_transaction()
        beginning = asyncio.ensure_future(transaction.__aenter__())
        while not transaction.client._connection:
            await asyncio.sleep(0)
        beginning.cancel()
        await asyncio.wait([beginning])


async def is_busy(seconds: float) -> None:
    """Many more questions than the pool has connections, and a loop that is never idle."""
    until = time.monotonic() + seconds

    async def ask() -> None:
        while time.monotonic() < until:
            async with connection() as held:
                await held.fetchval("SELECT pg_sleep(0.01)")
            sum(range(50_000))

    await asyncio.gather(*(ask() for _ in range(100)))


async def works(number: int, seconds: float = 0) -> None:
    """As jobs do: it asks the database, takes its time, and tells when it is done."""
    async with connection() as held:
        await held.fetchval("SELECT 1")
    await asyncio.sleep(seconds)
    await asyncio.to_thread(BROKER.client.rpush, DONE, number)


JOBS = (consumer_ends, worker_thread_ends, loop_ends, loop_hangs, interpreter_is_kept, pool_leaks, is_busy, works)

if __name__ == "__main__":
    for job in JOBS:
        dramatiq.actor(queue_name=FRESH, broker=BROKER)(job)
    BROKER.add_middleware(Keep())
    logs.begin("frail worker", terminal=False)
    work(settings.load(), (FRESH,), 4, PACE)
