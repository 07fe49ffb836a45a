"""Builders: many connected mailboxes at once, of several firms."""

from datetime import datetime, timedelta

from models.database import connection
from tests.builders import a_firm, a_user


async def a_fleet(now: datetime, *sizes: int, unseen_for: timedelta = timedelta(minutes=10)) -> list[list[int]]:
    """One firm for each size, with so many mailboxes; each was last looked at, and claimed, that long ago."""
    return [await _mailboxes(size, now - unseen_for) for size in sizes]


async def _mailboxes(size: int, checked_at: datetime) -> list[int]:
    user = await a_user(await a_firm())
    async with connection() as held:
        rows = await held.fetch(
            """
            INSERT INTO mailbox (firm_id, user_id, google_sub, address, address_key, state, epoch, cursor, history_at, started_at,
            connected_at, last_checked_at, claimed_at) SELECT $1, $2, 'sub ' || n, $3, $3, 'connected', 1, 1000, $4, $4, $4, $4, $4
            FROM generate_series(1, $5) AS n RETURNING id
            """,
            user.firm_id,
            user.id,
            user.email,
            checked_at,
            size,
        )
    return [row["id"] for row in rows]
