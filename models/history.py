"""How far a mailbox was read: a page's debts first, then the cursor, in one transaction."""

from datetime import datetime, timedelta
from decimal import Decimal

from models.database import Connection
from models.ledger import Debt, Finder, record
from models.mailboxes import Held, LeaseLost, writing


async def record_page(mailbox: Held, debts: list[Debt], found_by: Finder, now: datetime) -> int:
    """The debts of a page that another one follows. Returns how many messages are newly owed a look. Raises `LeaseLost`."""
    return await writing(mailbox, now, lambda held: record(held, mailbox.id, debts, found_by, now))


async def record_last_page(
    mailbox: Held, debts: list[Debt], found_by: Finder, head: int, asked_at: datetime, settle: timedelta, now: datetime
) -> int:
    """The last page's debts, and the cursor. Raises `LeaseLost`, also if the cursor is not where we found it.

    `head` is what the first page of this run returned, `asked_at` the moment before it was asked. The cursor trails, so that a change
    which Gmail indexes late is listed again: it moves to the candidate once that is `settle` old, and this run's head becomes the next one.
    """
    cursor, candidate, candidate_at, history_at = mailbox.cursor, mailbox.head, mailbox.head_at, mailbox.history_at
    if candidate is not None and candidate_at is not None and asked_at - candidate_at >= settle:
        cursor, history_at = candidate, candidate_at
        candidate = None
    if candidate is None:
        candidate, candidate_at = (head, asked_at) if head > cursor else (None, None)

    async def work(held: Connection) -> int:
        found = await record(held, mailbox.id, debts, found_by, now)
        moved = await held.fetchval(
            """
            UPDATE mailbox SET cursor = $3, head = $4, head_at = $5, history_at = $6, last_checked_at = $7
            WHERE id = $1 AND cursor = $2 RETURNING id
            """,
            mailbox.id,
            Decimal(mailbox.cursor),
            Decimal(cursor),
            None if candidate is None else Decimal(candidate),
            candidate_at,
            history_at,
            asked_at,
        )
        if moved is None:
            raise LeaseLost
        return found

    return await writing(mailbox, now, work)
