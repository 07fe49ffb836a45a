"""Dead letters: messages that failed so often that nobody looks at them any more, until the operator decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from models.database import Connection, connection, transaction

PARKED = "outcome = 'parked' AND owed_at IS NULL"  # one that a change in Gmail made owed again is none any more


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Ids and words, never content."""

    id: int
    mailbox_id: int
    firm_id: int
    gmail_id: str
    reason: str
    tries: int
    strikes: int  # workers that died over it
    since: datetime


async def dead_letters() -> list[DeadLetter]:
    """All of them, of every firm, longest first."""
    async with connection() as held:
        rows = await held.fetch(
            f"""
            SELECT l.id, l.mailbox_id, m.firm_id, l.gmail_id, coalesce(l.reason, '') AS reason, l.tries, l.strikes,
            coalesce(l.settled_at, l.found_at) AS since FROM ledger_entry l JOIN mailbox m ON m.id = l.mailbox_id
            WHERE {PARKED} ORDER BY since, l.id
            """  # noqa: S608  # a constant of ours
        )
    return [DeadLetter(**dict(row)) for row in rows]


async def retry(ids: Sequence[int] | None, now: datetime) -> list[int]:
    """Owes each another look at once, as if it had just come. None: all. Returns those that were dead letters; safe to repeat."""

    async def work(held: Connection) -> list[int]:
        await _lock_mailboxes(held, ids)
        revived = await held.fetch(
            f"""
            UPDATE ledger_entry SET outcome = NULL, settled_at = NULL, owed_at = $2, next_attempt_at = NULL, missing_at = NULL,
            tries = 0, strikes = 0 WHERE {PARKED} AND ($1::bigint[] IS NULL OR id = ANY($1)) RETURNING id, mailbox_id, found_by
            """,  # noqa: S608  # a constant of ours
            ids,
            now,
        )
        for column, of_gaps in (("next_attempt_at", False), ("recover_at", True)):
            await held.execute(
                f"UPDATE mailbox SET {column} = least({column}, $2) WHERE id = ANY($1::bigint[])",  # noqa: S608  # one of two names
                sorted({row["mailbox_id"] for row in revived if (row["found_by"] == "gap") == of_gaps}),
                now,
            )
        return sorted(row["id"] for row in revived)

    return await transaction(work)


async def discard(ids: Sequence[int], now: datetime) -> list[int]:
    """Gives them up: skipped, and why stays known. Only a later change in Gmail makes one owed again. Returns those that were dead letters;
    safe to repeat."""

    async def work(held: Connection) -> list[int]:
        await _lock_mailboxes(held, ids)
        given_up = await held.fetch(
            f"""
            UPDATE ledger_entry SET outcome = 'skipped', reason = 'discarded', settled_at = $2, tries = 0, strikes = 0
            WHERE {PARKED} AND id = ANY($1::bigint[]) RETURNING id
            """,  # noqa: S608  # a constant of ours
            ids,
            now,
        )
        return sorted(row["id"] for row in given_up)

    return await transaction(work)


async def _lock_mailboxes(held: Connection, ids: Sequence[int] | None) -> None:
    """Mailbox before ledger, as every run does it, and in the order of ids: so that nobody waits in a circle."""
    await held.execute(
        f"""
        SELECT FROM mailbox WHERE id IN (SELECT mailbox_id FROM ledger_entry WHERE {PARKED} AND ($1::bigint[] IS NULL OR id = ANY($1)))
        ORDER BY id FOR UPDATE
        """,  # noqa: S608  # a constant of ours
        ids,
    )
