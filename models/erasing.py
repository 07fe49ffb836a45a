"""Erasing: what a person dismissed can be had back for a while. Then its content is gone; that it was there stays known."""

from datetime import datetime, timedelta

from models.database import Connection, transaction
from telemetry import metrics

AT_ONCE = 100  # e-mails to one transaction: their texts may be megabytes each


async def erase_dismissed(undo: timedelta, now: datetime, limit: int = AT_ONCE) -> int:
    """Erases the content of e-mails that were dismissed `undo` ago or earlier, the first ones first: text, HTML, subject, headers, who took
    part, attachments; why they were filed or guessed where they were, and what people wrote on them.

    Identity, receipts and dismissed activities stay, so that no further copy is filed, asked about or stored. Returns how many were erased;
    one that somebody is just deciding about is left for the next time. Safe to run twice, and in several processes.
    """

    async def work(held: Connection) -> int:
        due = await held.fetch(
            """
            SELECT id FROM email WHERE dismissed_at <= $1 AND erased_at IS NULL ORDER BY dismissed_at, id LIMIT $2
            FOR UPDATE SKIP LOCKED
            """,
            now - undo,
            limit,
        )
        emails = [row["id"] for row in due]
        if emails:
            await _erase(held, emails, now)
        return len(emails)

    erased = await transaction(work)
    metrics.ERASED.inc(erased)
    return erased


async def erase_all_dismissed(undo: timedelta, now: datetime) -> int:
    """Batch after batch, until there are no more. Returns how many."""
    erased = batch = await erase_dismissed(undo, now)
    while batch == AT_ONCE:
        batch = await erase_dismissed(undo, now)
        erased += batch
    return erased


async def _erase(held: Connection, emails: list[int], now: datetime) -> None:
    """They are locked; then activities and questions, as decisions lock them."""
    await held.execute(
        "UPDATE email SET subject = '', text = '', html = NULL, headers = '[]', names = '', erased_at = $2 WHERE id = ANY($1::bigint[])",
        emails,
        now,
    )
    await held.execute("SELECT 1 FROM activity WHERE email_id = ANY($1::bigint[]) ORDER BY id FOR UPDATE", emails)
    await held.execute("UPDATE activity SET reason = '', title = NULL, note = NULL, text = NULL WHERE email_id = ANY($1::bigint[])", emails)
    await held.execute("SELECT 1 FROM review WHERE email_id = ANY($1::bigint[]) ORDER BY id FOR UPDATE", emails)
    await held.execute(
        """
        UPDATE review SET candidates = coalesce((SELECT jsonb_agg(jsonb_build_object('client', c.one -> 'client', 'reasons', '[]'::jsonb)
        ORDER BY c.place) FROM jsonb_array_elements(candidates) WITH ORDINALITY AS c(one, place)), '[]')
        WHERE email_id = ANY($1::bigint[])
        """,
        emails,
    )
    for table in ("participant", "attachment"):
        await held.execute(f"DELETE FROM {table} WHERE email_id = ANY($1::bigint[])", emails)  # noqa: S608  # one of two names
