"""Watches: Google pushes for about seven days after it was asked to; each mailbox is asked for again in time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from models.database import connection

EVERY_DAY_UP_TO = 20_000  # connected mailboxes; above, renewing daily would cost more quota than it is worth
RENEW_AFTER = timedelta(days=1)
RENEW_AFTER_MANY = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class ToWatch:
    """A connection whose watch is to be renewed."""

    mailbox_id: int
    epoch: int
    failures: int


async def claim_watches(claim: timedelta, limit: int, now: datetime) -> list[int]:
    """Mailboxes whose watch is due, those that expire first before the others; not where runs fail. A claim whose job is lost
    runs out after `claim`."""
    async with connection() as held:
        rows = await held.fetch(
            """
            WITH chosen AS (SELECT id FROM mailbox WHERE state = 'connected'
            AND firm_id IN (SELECT id FROM firm WHERE provider = 'google') AND (watch_due_at IS NULL OR watch_due_at <= $1)
            AND (cool_down_until IS NULL OR cool_down_until <= $1) AND failures = 0
            AND NOT EXISTS (SELECT 1 FROM project_state WHERE greatest(sweep_after, watch_after) > $1)
            ORDER BY watch_expires_at NULLS FIRST, id LIMIT $2 FOR UPDATE SKIP LOCKED),
            claimed AS (UPDATE mailbox m SET watch_due_at = $3 FROM chosen WHERE m.id = chosen.id RETURNING m.id, m.watch_expires_at)
            SELECT id FROM claimed ORDER BY watch_expires_at NULLS FIRST, id
            """,
            now,
            limit,
            now + claim,
        )
    return [row["id"] for row in rows]


async def to_watch(mailbox_id: int, now: datetime) -> ToWatch | None:
    """The live connection of a mailbox, if Google may be asked for it now."""
    async with connection() as held:
        row = await held.fetchrow(
            """
            SELECT epoch, watch_failures FROM mailbox m JOIN firm f ON f.id = m.firm_id
            WHERE m.id = $1 AND m.state = 'connected' AND f.provider = 'google' AND (cool_down_until IS NULL OR cool_down_until <= $2)
            AND NOT EXISTS (SELECT 1 FROM project_state WHERE greatest(sweep_after, watch_after) > $2)
            """,
            mailbox_id,
            now,
        )
    return None if row is None else ToWatch(mailbox_id, row["epoch"], row["watch_failures"])


async def renew_after() -> timedelta:
    """How long a renewal lasts before the next: a day, or three where there are very many mailboxes."""
    async with connection() as held:
        many = await held.fetchval(
            "SELECT count(*) FROM (SELECT 1 FROM mailbox WHERE state = 'connected' LIMIT $1) AS counted", EVERY_DAY_UP_TO + 1
        )
    return RENEW_AFTER_MANY if many > EVERY_DAY_UP_TO else RENEW_AFTER


async def watch_set(mailbox_id: int, epoch: int, expires_at: datetime, due_at: datetime) -> None:
    """Google pushes until `expires_at`. Of its answer nothing else is kept: its history id is the mailbox's head, no cursor."""
    async with connection() as held:
        await held.execute(
            """
            UPDATE mailbox SET watch_expires_at = $3, watch_due_at = $4, watch_failures = 0, watch_trouble = NULL
            WHERE id = $1 AND epoch = $2 AND state = 'connected'
            """,
            mailbox_id,
            epoch,
            expires_at,
            due_at,
        )


async def push_asked_for(mailbox_id: int, epoch: int, history_id: int, asked_at: datetime) -> None:
    """Google was asked at `asked_at` to push `history_id`: a push since then that tells of it, or of more, is that push."""
    async with connection() as held:
        await held.execute(
            "UPDATE mailbox SET test_push_at = $3, test_push_id = $4 WHERE id = $1 AND epoch = $2",
            mailbox_id,
            epoch,
            asked_at,
            Decimal(history_id),
        )


async def watch_stopped(mailbox_id: int, epoch: int) -> None:
    """Google pushes no more for this connection, until it is asked to again."""
    async with connection() as held:
        await held.execute(
            "UPDATE mailbox SET watch_expires_at = NULL WHERE id = $1 AND epoch = $2 AND state = 'connected'", mailbox_id, epoch
        )


async def watch_failed(mailbox_id: int, epoch: int, because: str, due_at: datetime, cool_down_until: datetime | None = None) -> None:
    """An older watch goes on until it expires; Google is asked again at `due_at`. If it wants the whole mailbox left alone, a look is owed
    as soon as that is over."""
    async with connection() as held:
        await held.execute(
            """
            UPDATE mailbox SET watch_due_at = $4, watch_failures = least(watch_failures + 1, 100), watch_trouble = $3,
            cool_down_until = greatest(cool_down_until, $5), next_attempt_at = least(next_attempt_at, $5)
            WHERE id = $1 AND epoch = $2 AND state = 'connected'
            """,
            mailbox_id,
            epoch,
            because[:40],
            due_at,
            cool_down_until,
        )
