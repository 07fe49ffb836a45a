"""The ledger: every Gmail message that a mailbox told us of, what became of it, and whether another look is owed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from tortoise import fields
from tortoise.models import Model

from models.database import Connection, connection
from models.mailboxes import Mailbox

Outcome = Literal["filed", "skipped", "gone", "parked", "withdrawn"]
Finder = Literal["push", "sweep", "audit", "gap"]


class LedgerEntry(Model):
    """Outcome and debt are separate: a change in Gmail sets the debt (`owed_at`), never the outcome."""

    id = fields.BigIntField(primary_key=True)
    mailbox: fields.ForeignKeyRelation[Mailbox] = fields.ForeignKeyField("models.Mailbox", db_index=False)
    mailbox_id: int
    gmail_id = fields.CharField(64)
    outcome = fields.CharField(10, null=True)  # null: no look has ended yet
    reason = fields.CharField(60, null=True)  # a word, never content
    found_by = fields.CharField(10)
    found_at = fields.DatetimeField()
    owed_at = fields.DatetimeField(null=True)
    next_attempt_at = fields.DatetimeField(null=True)
    tries = fields.SmallIntField(default=0, db_default=0)
    missing_at = fields.DatetimeField(null=True)  # when Gmail first answered that it has no such message, or an older view than it told of
    seen_history_id = fields.DecimalField(max_digits=20, decimal_places=0)  # changes up to here owe nothing more
    view_history_id = fields.DecimalField(max_digits=20, decimal_places=0, null=True)  # the state of the message that the outcome rests on
    settled_at = fields.DatetimeField(null=True)

    class Meta:
        table = "ledger_entry"
        unique_together = (("mailbox", "gmail_id"),)


@dataclass(frozen=True, slots=True)
class Debt:
    """What a page of history says of one message: its highest record, and whether it still exists after it."""

    gmail_id: str
    history_id: int
    kind: Literal["look", "look if known", "deleted", "added and deleted"]


@dataclass(frozen=True, slots=True)
class Owed:
    """A message that a look is owed."""

    entry_id: int
    gmail_id: str
    seen: int
    tries: int
    missing_at: datetime | None
    found_by: str
    viewed: int  # the state that its outcome rests on; 0 while there is none


@dataclass(frozen=True, slots=True)
class Settled:
    """A look has ended with an outcome. `view` is the history id of the state that was seen."""

    entry: Owed
    outcome: Outcome
    reason: str
    view: int


@dataclass(frozen=True, slots=True)
class Postponed:
    """A look is still owed, at a later moment."""

    entry: Owed
    until: datetime
    reason: str
    failed: bool  # counts as a try; otherwise the message was merely not there yet


Verdict = Settled | Postponed


async def record(held: Connection, mailbox_id: int, debts: list[Debt], found_by: Finder, now: datetime) -> int:
    """Writes a page's debts; returns how many messages are newly owed a look. Safe to repeat: a record that was seen owes nothing."""
    looks = sorted((d for d in debts if d.kind == "look"), key=lambda d: d.history_id)
    gone = [d for d in debts if d.kind == "added and deleted"]
    deleted = [d for d in debts if d.kind in ("deleted", "added and deleted")]
    known = [d for d in debts if d.kind == "look if known"]
    owed = await held.fetch(
        """
        INSERT INTO ledger_entry AS l (mailbox_id, gmail_id, found_by, found_at, owed_at, seen_history_id)
        SELECT $1, d.gmail_id, $2, $3, $3, d.seen FROM unnest($4::text[], $5::numeric[]) AS d(gmail_id, seen)
        ON CONFLICT (mailbox_id, gmail_id) DO UPDATE SET owed_at = coalesce(l.owed_at, excluded.owed_at),
        seen_history_id = excluded.seen_history_id, next_attempt_at = NULL, missing_at = NULL, tries = 0
        WHERE l.seen_history_id < excluded.seen_history_id RETURNING l.id
        """,
        mailbox_id,
        found_by,
        now,
        [d.gmail_id for d in looks],
        [d.history_id for d in looks],
    )
    await held.execute(
        """
        INSERT INTO ledger_entry (mailbox_id, gmail_id, found_by, found_at, seen_history_id, outcome, reason, settled_at)
        SELECT $1, d.gmail_id, $2, $3, d.seen, 'gone', 'deleted', $3 FROM unnest($4::text[], $5::numeric[]) AS d(gmail_id, seen)
        ON CONFLICT DO NOTHING
        """,
        mailbox_id,
        found_by,
        now,
        [d.gmail_id for d in gone],
        [d.history_id for d in gone],
    )
    await held.execute(
        """
        UPDATE ledger_entry l SET owed_at = NULL, seen_history_id = d.seen, settled_at = $2,
        outcome = CASE WHEN l.outcome IS NULL OR l.outcome = 'parked' THEN 'gone' ELSE l.outcome END,
        reason = CASE WHEN l.outcome IS NULL OR l.outcome = 'parked' THEN 'deleted' ELSE l.reason END
        FROM unnest($3::text[], $4::numeric[]) AS d(gmail_id, seen) WHERE l.mailbox_id = $1 AND l.gmail_id = d.gmail_id AND
        l.seen_history_id < d.seen
        """,
        mailbox_id,
        now,
        [d.gmail_id for d in deleted],
        [d.history_id for d in deleted],
    )
    again = await held.fetch(
        """
        UPDATE ledger_entry l SET owed_at = coalesce(l.owed_at, $2), seen_history_id = d.seen, next_attempt_at = NULL, missing_at = NULL,
        tries = 0 FROM unnest($3::text[], $4::numeric[]) AS d(gmail_id, seen)
        WHERE l.mailbox_id = $1 AND l.gmail_id = d.gmail_id AND l.seen_history_id < d.seen RETURNING l.id
        """,
        mailbox_id,
        now,
        [d.gmail_id for d in known],
        [d.history_id for d in known],
    )
    return len(owed) + len(again)


async def owed(mailbox_id: int, now: datetime, limit: int) -> list[Owed]:
    """The messages whose look is due, oldest debt first."""
    async with connection() as held:
        rows = await held.fetch(
            """
            SELECT id, gmail_id, seen_history_id, tries, missing_at, found_by, view_history_id FROM ledger_entry
            WHERE mailbox_id = $1 AND owed_at IS NOT NULL
            AND (next_attempt_at IS NULL OR next_attempt_at <= $2) ORDER BY owed_at, id LIMIT $3
            """,
            mailbox_id,
            now,
            limit,
        )
    return [
        Owed(r["id"], r["gmail_id"], int(r["seen_history_id"]), r["tries"], r["missing_at"], r["found_by"], int(r["view_history_id"] or 0))
        for r in rows
    ]


async def settle(held: Connection, settled: list[Settled], now: datetime) -> None:
    """Writes outcomes. An older view never overwrites a newer one, `filed` is only withdrawn, a debt that came meanwhile stays."""
    await held.execute(
        """
        UPDATE ledger_entry l SET view_history_id = d.view, seen_history_id = greatest(l.seen_history_id, d.view), settled_at = $6,
        outcome = CASE WHEN l.outcome = 'filed' AND d.outcome <> 'withdrawn' THEN l.outcome ELSE d.outcome END,
        reason = CASE WHEN l.outcome = 'filed' AND d.outcome <> 'withdrawn' THEN l.reason ELSE d.reason END,
        owed_at = CASE WHEN l.seen_history_id <= greatest(d.seen, d.view) THEN NULL ELSE l.owed_at END,
        next_attempt_at = NULL, missing_at = NULL, tries = 0
        FROM unnest($1::bigint[], $2::numeric[], $3::numeric[], $4::text[], $5::text[]) AS d(id, seen, view, outcome, reason)
        WHERE l.id = d.id AND (l.view_history_id IS NULL OR l.view_history_id <= d.view)
        """,
        [s.entry.entry_id for s in settled],
        [s.entry.seen for s in settled],
        [s.view for s in settled],
        [s.outcome for s in settled],
        [s.reason for s in settled],
        now,
    )


async def postpone(held: Connection, postponed: list[Postponed], most_tries: int, now: datetime) -> None:
    """Puts looks off. What failed `most_tries` times is parked: a dead letter that a person can retry."""
    await held.execute(
        """
        UPDATE ledger_entry l SET tries = l.tries + d.failed,
        reason = CASE WHEN l.outcome = 'filed' THEN l.reason ELSE d.reason END,
        missing_at = CASE WHEN d.failed = 0 THEN coalesce(l.missing_at, $6) ELSE l.missing_at END,
        next_attempt_at = CASE WHEN l.tries + d.failed < $5 THEN d.until END,
        owed_at = CASE WHEN l.tries + d.failed < $5 THEN l.owed_at END,
        settled_at = CASE WHEN l.tries + d.failed < $5 THEN l.settled_at ELSE $6 END,
        outcome = CASE WHEN l.tries + d.failed < $5 OR l.outcome = 'filed' THEN l.outcome ELSE 'parked' END
        FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::int[]) AS d(id, until, reason, failed)
        WHERE l.id = d.id AND l.owed_at IS NOT NULL
        """,
        [p.entry.entry_id for p in postponed],
        [p.until for p in postponed],
        [p.reason for p in postponed],
        [int(p.failed) for p in postponed],
        most_tries,
        now,
    )


async def witness(mailbox_id: int) -> str | None:
    """A message that Gmail showed us before: if it still does, trouble with another one is that one's own."""
    async with connection() as held:
        return await held.fetchval(  # type: ignore[no-any-return]
            """
            SELECT gmail_id FROM ledger_entry WHERE mailbox_id = $1 AND owed_at IS NULL AND outcome IN ('filed', 'skipped')
            ORDER BY gmail_id DESC LIMIT 1
            """,
            mailbox_id,
        )


def retry_delay(tries: int, first: timedelta) -> timedelta:
    """How long the `tries + 1`th retry waits: doubling, an hour at most."""
    return min(first * (1 << min(tries, 20)), timedelta(hours=1))
