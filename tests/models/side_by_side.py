"""Two that work on the same rows at once: the first stops at a statement, and the second runs until it ends or waits."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from models.database import Connection, connection


class Stop:
    """The first statement of its kind waits; whatever comes later does not."""

    def __init__(self, keeper: Connection) -> None:
        self._keeper = keeper

    async def reached(self) -> None:
        await self._until("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")

    async def ends_or_waits(self, task: asyncio.Future[Any]) -> None:
        await self._until("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event <> 'advisory'", task)

    async def go(self) -> None:
        await self._keeper.execute("SELECT pg_advisory_unlock(44)")

    async def _until(self, question: str, task: asyncio.Future[Any] | None = None) -> None:
        async with asyncio.timeout(5):
            while not (task and task.done()) and not await self._keeper.fetchval(question):
                await asyncio.sleep(0.005)


@asynccontextmanager
async def stopped(when: str, table: str) -> AsyncIterator[Stop]:
    async with connection() as keeper:
        await keeper.execute(
            f"""
            SELECT pg_advisory_lock(44);
            CREATE SCHEMA stop;
            CREATE SEQUENCE stop.passed;
            CREATE FUNCTION stop.wait() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF nextval('stop.passed') = 1 THEN PERFORM pg_advisory_xact_lock_shared(44); END IF;
                RETURN NULL;
            END $$;
            CREATE TRIGGER stop {when} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION stop.wait();
            """
        )
        try:
            yield Stop(keeper)
        finally:
            await keeper.execute("SELECT pg_advisory_unlock_all(); DROP SCHEMA stop CASCADE")


async def side_by_side(when: str, table: str, first: Callable[[], Awaitable[Any]], second: Callable[[], Awaitable[Any]]) -> None:
    """The second runs as far as it can while the first has stopped there."""
    async with stopped(when, table) as stop:
        one = asyncio.ensure_future(first())
        await stop.reached()
        other = asyncio.ensure_future(second())
        await stop.ends_or_waits(other)
        await stop.go()
        await asyncio.gather(one, other)
