"""Audits: once a day, what a mailbox shows by date is compared with the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.database import Connection, connection, transaction
from models.ledger import Listed, record_listed


@dataclass(frozen=True, slots=True)
class ToAudit:
    """A connection that is to be compared with Gmail."""

    mailbox_id: int
    epoch: int
    started_at: datetime
    recovered_at: datetime | None  # where a gap ended that was closed within a day


async def claim_audits(claim: timedelta, limit: int, now: datetime) -> list[int]:
    """Mailboxes whose audit is due, longest first; not where run after run fails, nor where history told nothing of a time that is still to
    be listed (past mail of a new contact is no such). A claim whose job is lost runs out after `claim`."""
    async with connection() as held:
        rows = await held.fetch(
            """
            WITH chosen AS (SELECT id FROM mailbox WHERE state = 'connected'
            AND firm_id IN (SELECT id FROM firm WHERE provider = 'google') AND (audit_at IS NULL OR audit_at <= $1) AND failures < 3
            AND (cool_down_until IS NULL OR cool_down_until <= $1) AND NOT EXISTS (SELECT 1 FROM gap WHERE mailbox_id = mailbox.id
            AND closed_at IS NULL AND reason <> 'contact') AND NOT EXISTS (SELECT 1 FROM project_state WHERE bulk_after > $1)
            ORDER BY audit_at NULLS FIRST, id LIMIT $2 FOR UPDATE SKIP LOCKED)
            UPDATE mailbox m SET audit_at = $3 FROM chosen WHERE m.id = chosen.id RETURNING m.id
            """,
            now,
            limit,
            now + claim,
        )
    return [row["id"] for row in rows]


async def to_audit(mailbox_id: int, now: datetime) -> ToAudit | None:
    """The live connection of a mailbox, if Google may be asked for it now."""
    async with connection() as held:
        row = await held.fetchrow(
            """
            SELECT epoch, greatest(started_at, unwanted_until) AS started_at,
            (SELECT min(g.until) FROM gap g WHERE g.mailbox_id = m.id AND g.reason NOT IN ('backfill', 'contact')
            AND g.closed_at > $2::timestamptz - interval '1 day') AS recovered_at FROM mailbox m JOIN firm f ON f.id = m.firm_id
            WHERE m.id = $1 AND m.state = 'connected' AND f.provider = 'google' AND (cool_down_until IS NULL OR cool_down_until <= $2)
            AND NOT EXISTS (SELECT 1 FROM project_state WHERE bulk_after > $2)
            """,
            mailbox_id,
            now,
        )
    return None if row is None else ToAudit(mailbox_id, row["epoch"], row["started_at"], row["recovered_at"])


async def compare(
    mailbox_id: int, epoch: int, gmail_ids: Sequence[str], listed_at: datetime, next_at: datetime, now: datetime
) -> Listed | None:
    """Owes a look to what Gmail showed until `listed_at` and the ledger does not know: a loss, as history was read to its end since then.

    None, with nothing written, if it was not, if a gap is open that will show it, or if the connection is over.
    """

    async def work(held: Connection) -> Listed | None:
        proven = await held.fetchval(
            """
            UPDATE mailbox SET audit_at = $4 WHERE id = $1 AND epoch = $2 AND state = 'connected' AND last_checked_at >= $3
            AND NOT EXISTS (SELECT 1 FROM gap WHERE mailbox_id = $1 AND closed_at IS NULL AND reason <> 'contact') RETURNING id
            """,
            mailbox_id,
            epoch,
            listed_at,
            next_at,
        )
        if proven is None:
            return None
        found = await record_listed(held, mailbox_id, gmail_ids, "audit", now)
        if found.new or found.again:
            await held.execute("UPDATE mailbox SET next_attempt_at = least(next_attempt_at, $2) WHERE id = $1", mailbox_id, now)
        return found

    return await transaction(work)


async def put_off(mailbox_id: int, epoch: int, until: datetime, cool_down_until: datetime | None = None) -> None:
    """An audit that could not be made is due again then. If Google wants the whole mailbox left alone, a look is owed as soon as that is
    over."""
    async with connection() as held:
        await held.execute(
            """
            UPDATE mailbox SET audit_at = $3, cool_down_until = greatest(cool_down_until, $4), next_attempt_at = least(next_attempt_at, $4)
            WHERE id = $1 AND epoch = $2 AND state = 'connected'
            """,
            mailbox_id,
            epoch,
            until,
            cool_down_until,
        )
