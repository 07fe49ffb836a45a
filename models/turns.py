"""Turns: one Google account is connected or parted from by one process at a time, as revoking a grant ends the next one too."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta

from tortoise import fields
from tortoise.models import Model

from models.database import connection

LONGEST = timedelta(minutes=2)  # a process that died holds up nobody for longer; what is done in a turn takes seconds
LOOK_AGAIN = 0.1  # seconds
LOOKS = 200


class Busy(Exception):
    """Somebody else connects or disconnects this Google account at the moment."""


class Turn(Model):
    google_sub = fields.CharField(255, primary_key=True)
    owner = fields.CharField(32)
    until = fields.DatetimeField()

    class Meta:
        table = "turn"


@contextlib.asynccontextmanager
async def turn_of(
    google_sub: str,
    clock: Callable[[], Awaitable[datetime]],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    looks: int = LOOKS,
) -> AsyncIterator[None]:
    """Waits its turn; a row and no lock, because Google is called meanwhile. Raises `Busy` after some twenty seconds."""
    owner = secrets.token_hex(8)
    for _ in range(looks):
        if await _took(google_sub, owner, await clock()):
            break
        await sleep(LOOK_AGAIN)
    else:
        raise Busy
    try:
        yield
    finally:
        async with connection() as held:
            await held.execute("DELETE FROM turn WHERE google_sub = $1 AND owner = $2", google_sub, owner)


async def _took(google_sub: str, owner: str, now: datetime) -> bool:
    async with connection() as held:
        taken = await held.fetchval(
            """
            INSERT INTO turn AS t (google_sub, owner, until) VALUES ($1, $2, $3)
            ON CONFLICT (google_sub) DO UPDATE SET (owner, until) = (excluded.owner, excluded.until) WHERE t.until <= $4 RETURNING 1
            """,
            google_sub,
            owner,
            now + LONGEST,
            now,
        )
    return taken is not None
