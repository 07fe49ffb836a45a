"""The one database: its pool, its schema, and the one way to open a transaction."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import asyncpg
from tortoise import Tortoise
from tortoise.connection import get_connection
from tortoise.exceptions import BaseORMException
from tortoise.migrations.executor import MigrationExecutor

Work = TypeVar("Work")
Connection = Any  # asyncpg has no types; what we use of it: fetch, fetchrow, fetchval, execute

MIGRATION_LOCK = 7_767_678  # any number, the same for all: two deployments must not migrate at once
TRIES = 6
# The server ends what takes too long, in milliseconds: cancelling a task inside a transaction would leak its connection.
LIMITS = {"statement_timeout": "15000", "lock_timeout": "10000", "idle_in_transaction_session_timeout": "30000"}
MODULES = [
    f"models.{name}"
    for name in (
        *(
            "firms",
            "people",
            "mailboxes",
            "turns",
            "notices",
            "gaps",
            "ledger",
            "project",
            "directory",
            "emails",
            "activities",
            "never_file",
            "audit_log",
            "import_drafts",
        ),
        *("sessions", "attempts", "sweeps"),
    )
]
APPS = {"models": {"models": MODULES, "default_connection": "default", "migrations": "models.migrations"}}

# The database's own trouble, as whoever asks it may meet it (docs/dramatiq-tortoise.md: these rise as asyncpg's own, not as Tortoise's).
DATABASE_TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, BaseORMException, OSError)

# What a second attempt of the whole transaction may cure.
PASSING = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ConnectionError,
)


class Behind(Exception):
    """The database lacks migrations that this version needs."""


async def open_pool(url: str, pool: int, *, patient: bool = False) -> None:
    """Opens this process's pool on the running loop. `patient`: without time limits, for migrations.

    Raises one of DATABASE_TROUBLE at once if the database cannot be reached.
    """
    await Tortoise.init(tortoise_config(url, pool, patient=patient), _enable_global_fallback=True)
    await get_connection("default").execute_query("SELECT 1")  # the pool is lazy: fail here, not in the first job


async def close_pool() -> None:
    await Tortoise.close_connections()


def tortoise_config(url: str, pool: int = 5, *, patient: bool = False) -> dict[str, Any]:
    place = urlsplit(url)
    credentials = {
        "host": place.hostname,
        "port": place.port or 5432,
        "user": unquote(place.username or ""),
        "password": unquote(place.password or ""),
        "database": place.path.lstrip("/"),
        "minsize": 1,
        "maxsize": pool,
        "command_timeout": None if patient else 20,
        "server_settings": {"jit": "off"} | ({} if patient else LIMITS),
        "reset": _as_it_is,
    }
    return {
        "connections": {"default": {"engine": "tortoise.backends.asyncpg", "credentials": credentials}},
        "apps": APPS,
        "use_tz": True,
        "timezone": "UTC",
    }


async def _as_it_is(_: Connection) -> None:
    """A connection that comes back to the pool needs no round trip: we leave nothing in its session, and a transaction that was left open
    is rolled back by asyncpg before this is called."""


class Pool:
    """This process's pool. `given` rises with every connection that it gives: a crowded one gives, a leaked one does not."""

    given = 0


@asynccontextmanager
async def connection() -> AsyncIterator[Connection]:
    """One connection of the pool, for statements that stand alone."""
    async with get_connection("default").acquire_connection() as held:
        Pool.given += 1
        yield held


async def transaction(work: Callable[[Connection], Awaitable[Work]]) -> Work:
    """Runs `work` in one transaction, and the whole of it again after a deadlock or a lost connection.

    `work` must start with its write on the row that it belongs to, must be safe to repeat, and must not call anything outside the database.
    Tortoise's own `in_transaction` is not used: it leaks its connection when BEGIN fails.
    """
    for attempt in range(1, TRIES + 1):
        try:
            async with connection() as held, held.transaction():
                return await work(held)
        except PASSING:
            if attempt == TRIES:
                raise
            await asyncio.sleep(random.uniform(0.02, 0.1) * 2**attempt)  # noqa: S311  # spreads rivals, keeps no secret
    raise AssertionError("unreachable")


async def database_clock() -> datetime:
    """The moment, by the database's clock: one clock for all machines."""
    async with connection() as held:
        return (await held.fetchval("SELECT clock_timestamp()")).astimezone(UTC)  # type: ignore[no-any-return]


# For Tortoise's own command line, which writes migrations without asking the database.
SCHEMA = tortoise_config("postgres://nobody@127.0.0.1:1/none")


async def migrate(say: Callable[[str], object]) -> int:
    """Brings the schema up to date, one process at a time, on a patient pool. Returns how many migrations ran."""
    async with connection() as held:
        await held.fetchval("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        try:
            waiting = await _pending()
            await _executor().migrate(
                direction="forward", progress=lambda event, _app, name: event == "apply_done" and say(f"migrated {name}")
            )
            return len(waiting)
        finally:
            await held.execute("SELECT pg_advisory_unlock($1)", MIGRATION_LOCK)


async def ensure_current() -> None:
    """Raises `Behind` where migrations wait: no role starts on a schema that it does not know."""
    if waiting := await _pending():
        raise Behind(f"The database is {len(waiting)} migration(s) behind this version: run `postroom migrate`, then start again.")


async def _pending() -> list[str]:
    async with connection() as held:
        known = await held.fetchval("SELECT to_regclass('tortoise_migrations') IS NOT NULL")
        # Asked by ourselves: Tortoise's own question answers "none" to every error, a lost connection included.
        applied = {row["name"] for row in await held.fetch("SELECT name FROM tortoise_migrations")} if known else set()
    executor = _executor()
    await executor.loader.build_graph()
    return sorted(key.name for key in executor.loader.graph.nodes if key.name not in applied)


def _executor() -> MigrationExecutor:
    return MigrationExecutor(get_connection("default"), APPS)
