"""How far a mailbox was read: a page's debts first, then the cursor, in one transaction."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from models.database import Connection
from models.leases import Held, LeaseLost, writing
from models.ledger import Debt, Finder, record, settle_withdrawn
from models.withdrawal import arrived_since, withdraw


@dataclass(frozen=True, slots=True)
class Waits:
    """`settle`: until what was listed is taken for whole; `withdraw`: what is deleted so soon after its arrival was not to stay."""

    settle: timedelta
    withdraw: timedelta


async def record_page(mailbox: Held, debts: list[Debt], found_by: Finder, waits: Waits, now: datetime) -> int:
    """The debts of a page that another one follows. Returns how many messages are newly owed a look. Raises `LeaseLost`."""
    return await writing(mailbox, now, lambda held: _record(held, mailbox, debts, found_by, waits, now))


async def record_last_page(
    mailbox: Held, debts: list[Debt], found_by: Finder, head: int, asked_at: datetime, waits: Waits, now: datetime
) -> int:
    """The last page's debts, and the cursor. Raises `LeaseLost`, also if the cursor is not where we found it.

    `head` is what the first page of this run returned, `asked_at` the moment before it was asked. The cursor trails, so that a change
    which Gmail indexes late is listed again: it moves to the candidate once that is `waits.settle` old, and this run's head becomes the
    next one.
    """
    cursor, candidate, candidate_at, history_at = mailbox.cursor, mailbox.head, mailbox.head_at, mailbox.history_at
    if candidate is not None and candidate_at is not None and asked_at - candidate_at >= waits.settle:
        cursor, history_at = candidate, candidate_at
        candidate = None
    if candidate is None:
        candidate, candidate_at = (head, asked_at) if head > cursor else (None, None)

    async def work(held: Connection) -> int:
        found = await _record(held, mailbox, debts, found_by, waits, now)
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


async def _record(held: Connection, mailbox: Held, debts: list[Debt], found_by: Finder, waits: Waits, now: datetime) -> int:
    recorded = await record(held, mailbox.id, debts, found_by, now, mailbox.pushed_id)
    if recorded.deleted:
        since = arrived_since(now, waits.withdraw, mailbox.last_checked_at, pushed=found_by == "push")
        await settle_withdrawn(held, mailbox.id, sorted(await withdraw(held, mailbox.id, recorded.deleted, since)), "deleted")
    # What no push told of is remembered, unless one came so lately that it hides behind that: Google tells of one change a second.
    if recorded.missed_id and (mailbox.last_push_at is None or mailbox.last_push_at < now - 2 * waits.settle):
        await held.execute(
            "UPDATE mailbox SET missed_id = greatest(missed_id, $2), missed_at = $3 WHERE id = $1",
            mailbox.id,
            Decimal(recorded.missed_id),
            now,
        )
    return recorded.owed
