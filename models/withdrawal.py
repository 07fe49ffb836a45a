"""Withdrawal: what its owner deleted, trashed or called spam right after it came is not kept. Later deletions in Gmail change nothing."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from models.database import Connection
from telemetry import metrics

CLOCKS_DIFFER = timedelta(seconds=30)  # Google's and ours


def arrived_since(seen_at: datetime, at_once: timedelta, last_checked_at: datetime | None, *, pushed: bool) -> datetime:
    """What arrived at this moment or later may have been put away `at_once`, if we see at `seen_at` that it was put away.

    A push tells of it within seconds. The sweep sees it up to half an interval late; but what an earlier look still saw in its place,
    later than that after its arrival, stays.
    """
    if pushed:
        return seen_at - at_once - CLOCKS_DIFFER
    earliest = seen_at - 1.5 * at_once
    return earliest if last_checked_at is None else max(earliest, last_checked_at - at_once)


async def withdraw(held: Connection, mailbox_id: int, gmail_ids: Sequence[str], since: datetime | None = None) -> set[str]:
    """Erases these messages' receipts, and the e-mails that no mailbox holds any more, with all that hangs on them; only those received at
    `since` or later. What a person has touched stays. Returns the Gmail ids that were withdrawn."""
    if not gmail_ids:
        return set()
    # Locked in the order in which filing locks them, so that a colleague's copy is either seen here or filed anew.
    rows = await held.fetch(
        """
        SELECT r.gmail_id, e.id AS email_id FROM email e JOIN receipt r ON r.email_id = e.id
        WHERE r.mailbox_id = $1 AND r.gmail_id = ANY($2::text[]) AND ($3::timestamptz IS NULL OR least(r.received_at, e.filed_at) >= $3)
        ORDER BY e.identity FOR UPDATE OF e
        """,
        mailbox_id,
        list(gmail_ids),
        since,
    )
    touched = await _touched(held, [row["email_id"] for row in rows])
    withdrawn = {row["gmail_id"]: row["email_id"] for row in rows if row["email_id"] not in touched}
    if withdrawn:
        await held.execute("DELETE FROM receipt WHERE mailbox_id = $1 AND gmail_id = ANY($2::text[])", mailbox_id, list(withdrawn))
        await held.execute(
            "DELETE FROM email e WHERE id = ANY($1::bigint[]) AND NOT EXISTS (SELECT 1 FROM receipt r WHERE r.email_id = e.id)",
            list(withdrawn.values()),
        )
    metrics.WITHDRAWN.inc(len(withdrawn))
    return set(withdrawn)


async def _touched(held: Connection, email_ids: Sequence[int]) -> set[int]:
    """The e-mails about which a person has said something: themselves, and not of another mail, which these followed. Who handed a question
    over did. Locked: one who is just saying it is waited for, and heard."""
    if not email_ids:
        return set()
    activities = await held.fetch(
        """
        SELECT email_id, decided_by_id IS NOT NULL OR decided_at IS NOT NULL OR title IS NOT NULL OR note IS NOT NULL OR text IS NOT NULL
        OR private AS touched FROM activity WHERE email_id = ANY($1::bigint[]) ORDER BY id FOR UPDATE
        """,
        email_ids,
    )
    questions = await held.fetch(
        """
        SELECT email_id, holder_id IS NOT NULL OR (decided_at IS NOT NULL AND coalesce(outcome NOT IN ('inherited', 'merged'), true))
        AS touched FROM review WHERE email_id = ANY($1::bigint[]) ORDER BY id FOR UPDATE
        """,
        email_ids,
    )
    # Where the client of a dismissed mail is gone, too, nothing else says that somebody dismissed it.
    dismissed = await held.fetch(
        "SELECT id AS email_id, dismissed_at IS NOT NULL AS touched FROM email WHERE id = ANY($1::bigint[])", email_ids
    )
    return {row["email_id"] for row in (*activities, *questions, *dismissed) if row["touched"]}
