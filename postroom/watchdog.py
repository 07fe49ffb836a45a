"""A worker's watchdog: ends a process that looks well and works no more, so that its supervisor starts it anew.

It bites where a thread of Dramatiq's or the event loop's has ended, where the loop does not turn, and where the pool gives out no
connection although PostgreSQL takes new ones. What passes by itself it lets pass: an outage of Redis or PostgreSQL, a busy worker.
"""

import asyncio
import contextlib
import faulthandler
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
from dramatiq import Worker
from dramatiq.asyncio import get_event_loop_thread

from models.database import Pool, connection
from telemetry.logs import log


@dataclass(frozen=True, slots=True)
class Pace:
    """How often it looks, and how many looks in a row may be bad: a minute.

    Looks are counted and not seconds, so that a process which was suspended has missed none; only code that holds the interpreter, and a
    suspension, of three minutes are ended by the clock. What living jobs use comes back to the pool
    sooner (models/database.py): the server ends an idle transaction after 30 s; the driver gives up a dead connection after twice 20 s.
    """

    look: timedelta = timedelta(seconds=5)
    patience: int = 12
    chance: timedelta = timedelta(seconds=10)  # for running jobs to end, after the bite
    farewell: timedelta = timedelta(seconds=5)  # for everything else to be closed

    @property
    def longest(self) -> timedelta:
        return self.look * self.patience


PACE = Pace()


@dataclass(frozen=True, slots=True)
class Look:
    """What one look saw, of questions that the last one asked."""

    ended: tuple[str, ...] = ()  # threads, by name
    loop_turned: bool = True
    pool_gave: bool = True  # a connection, to us or to anybody; or an error, which is an answer too
    database_answers: bool = False  # on a connection of its own; only asked while the pool gives none


@dataclass(frozen=True, slots=True)
class Silence:
    """Bad looks in a row."""

    loop: int = 0
    pool: int = 0

    def after(self, look: Look) -> "Silence":
        """A pool that waits for a PostgreSQL which does not answer is not ill, and neither is one on a loop that does not turn."""
        leaked = look.loop_turned and look.database_answers and not look.pool_gave
        return Silence(0 if look.loop_turned else self.loop + 1, self.pool + 1 if leaked else 0)


def illness(look: Look, silence: Silence, patience: int) -> str | None:
    """What only a restart cures, in words for the log."""
    if look.ended:
        return f"ended: {', '.join(look.ended)}"
    if silence.loop >= patience:
        return "the event loop does not turn"
    if silence.pool >= patience:
        return "the pool gives out no connection although PostgreSQL takes new ones"
    return None


class Watchdog:
    """Watches a worker that has started, from a thread of its own, until `stop`. Calls `bite` at most once."""

    def __init__(self, worker: Worker, database_url: str, bite: Callable[[], object], pace: Pace = PACE) -> None:
        loop_thread = get_event_loop_thread()
        assert loop_thread is not None, "the worker has started"  # noqa: S101
        self._worker, self._loop_thread, self._loop = worker, loop_thread, loop_thread.loop
        self._database_url, self._bite, self._pace = database_url, bite, pace
        self._turned, self._given = True, 0
        self._pool: Future[None] | None = None
        self._database: Future[None] | None = None
        self._over, self._because = threading.Event(), ""
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        self._arm(3 * self._pace.longest)
        self._thread.start()

    def stop(self) -> str | None:
        """Looks no more. Returns what it bit for: then this process ends after `chance` and `farewell`, whatever may still hang in it."""
        self._over.set()
        self._thread.join()
        if self._loop.is_running():
            for asked in (self._pool, self._database):
                if asked:
                    asked.cancel()
        if not self._because:
            faulthandler.cancel_dump_traceback_later()
            return None
        self._arm(self._pace.chance + self._pace.farewell)
        return self._because

    def _watch(self) -> None:
        silence = Silence()
        while not self._over.wait(self._pace.look.total_seconds()):
            self._arm(3 * self._pace.longest)
            look = self._look()
            silence = silence.after(look)
            if because := illness(look, silence, self._pace.patience):
                log.error("worker ends itself", because=because)
                self._because = because
                self._bite()
                return

    def _arm(self, limit: timedelta) -> None:
        """The process ends after `limit` and says where its threads stood, even if code that keeps the interpreter stops this one too."""
        faulthandler.dump_traceback_later(limit.total_seconds(), exit=True)

    def _look(self) -> Look:
        """Waits for nothing: what has not been answered by the next look counts as silence."""
        if ended := tuple(name for name, thread in self._threads() if not thread.is_alive()):
            return Look(ended)
        pool_gave = self._pool is None or self._pool.done() or Pool.given > self._given
        self._given = Pool.given
        answers = self._database is not None and self._database.done() and not self._database.exception()
        look = Look((), self._turned, pool_gave, answers)
        self._turned = False
        with contextlib.suppress(RuntimeError):  # the loop ends just now: the next look sees that its thread has
            self._loop.call_soon_threadsafe(self._turn)
            if self._pool is None or self._pool.done():
                self._pool, self._database = self._ask(_pool_gives()), None
            elif self._database is None or self._database.done():
                self._database = self._ask(_answers(self._database_url, self._pace.look.total_seconds()))
        return look

    def _threads(self) -> Iterator[tuple[str, threading.Thread]]:
        yield "event loop", self._loop_thread
        for queue, consumer in self._worker.consumers.items():
            yield f"consumer of {queue}", consumer
        for number, thread in enumerate(self._worker.workers):
            yield f"worker thread {number}", thread

    def _turn(self) -> None:
        self._turned = True

    def _ask(self, question: Coroutine[Any, Any, None]) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(question, self._loop)


async def _pool_gives() -> None:
    async with connection():
        pass


async def _answers(database_url: str, patience: float) -> None:
    await (await asyncpg.connect(database_url, timeout=patience)).close(timeout=patience)
