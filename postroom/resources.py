"""What a role stands on: the database, Redis, and an address for its metrics; and why it cannot start without them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import redis.asyncio

from models.database import DATABASE_TROUBLE, Behind, close_pool, connection, ensure_current, open_pool
from models.keys import key_ids
from pipeline import marks
from settings import Settings, bind_address
from telemetry.endpoint import Endpoint
from telemetry.logs import log

FAULTS = (*DATABASE_TROUBLE, redis.RedisError)


class CannotStart(Exception):
    """A role cannot run here; the text says why and what to do."""


@contextlib.asynccontextmanager
async def opened(settings: Settings, *, tokens: bool = True) -> AsyncIterator[redis.asyncio.Redis]:
    """The pool, checked against the schema that this version knows, and Redis; and, for a role that opens `tokens`, the keys for them.

    Raises `CannotStart`.
    """
    try:
        await open_pool(settings.database.url, settings.database.pool)
    except FAULTS as error:
        raise CannotStart(
            f"The database cannot be reached ({type(error).__name__}): check database.url, and that PostgreSQL runs."
        ) from error
    client = marks.connection(settings.redis.url)
    try:
        try:
            await ensure_current()
        except Behind as behind:
            raise CannotStart(str(behind)) from None
        if tokens:
            await ensure_keys(settings)
        try:
            await client.ping()
        except (redis.RedisError, OSError) as error:
            raise CannotStart(f"Redis cannot be reached ({type(error).__name__}): check redis.url, and that it runs.") from error
        yield client
    finally:
        await client.aclose()
        await close_pool()


async def ensure_keys(settings: Settings) -> None:
    """Raises `CannotStart` where tokens are sealed with a key that is not configured: all those mailboxes would fail, run after run.

    Single texts that nobody sealed stop nothing but their own mailbox, and are told.
    """
    from gmail.vault import Vault  # only here: a webhook on its own opens nothing

    found, known = await key_ids(), Vault(settings.keys).key_ids
    if missing := sorted(key_id for key_id in found if key_id and key_id not in known):
        sealed = ", ".join(f"{found[key_id]:,} with key {key_id}" for key_id in missing)
        raise CannotStart(
            f"Tokens in the database are sealed with a key that is not among app.secret_keys ({sealed}): put that key back, behind the new "
            "one, and start again. If it is lost: docs/keys.md."
        )
    if None in found:
        log.error("tokens unreadable", texts=found[None])


async def wrong_with(client: redis.asyncio.Redis) -> list[str]:
    """Readiness: what this process needs and does not reach at the moment."""
    wrong = []
    try:
        async with asyncio.timeout(2), connection() as held:
            await held.fetchval("SELECT 1")
    except (*FAULTS, TimeoutError) as error:
        wrong.append(f"The database does not answer ({type(error).__name__}).")
    try:
        await client.ping()
    except (redis.RedisError, OSError) as error:
        wrong.append(f"Redis does not answer ({type(error).__name__}).")
    return wrong


def metrics_endpoint(settings: Settings, checks: Callable[[], Awaitable[list[str]]], loop: asyncio.AbstractEventLoop) -> Endpoint:
    host, port = bind_address(settings.metrics.bind)
    try:
        return Endpoint(host, port, loop, checks)
    except OSError as error:
        raise CannotStart(f"{settings.metrics.bind} is taken: set metrics.bind to a free address for this process.") from error
