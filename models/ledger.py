"""The ledger: every Gmail message that a mailbox told us of, what became of it, and whether another look is owed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from tortoise import fields
from tortoise.fields.base import OnDelete
from tortoise.models import Model

from models.database import Connection, connection
from models.firms import User
from models.mailboxes import Mailbox

if TYPE_CHECKING:
    from models.directory import Client

Outcome = Literal["filed", "skipped", "gone", "parked", "withdrawn"]
Finder = Literal["push", "sweep", "audit", "gap", "return", "person"]
PUT_AWAY = ["spam", "trash", "draft", "scheduled", "old"]  # reasons that may have passed while history told nothing of it
NOBODYS = ["no client", "no address"]  # reasons that a new contact may end


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
    strikes = fields.SmallIntField(default=0, db_default=0)  # times that a worker began to read it and was never heard of again
    missing_at = fields.DatetimeField(null=True)  # when Gmail first answered that it has no such message, or an older view than it told of
    seen_history_id = fields.DecimalField(max_digits=20, decimal_places=0)  # changes up to here owe nothing more
    view_history_id = fields.DecimalField(max_digits=20, decimal_places=0, null=True)  # the state of the message that the outcome rests on
    settled_at = fields.DatetimeField(null=True)
    wanted_for: fields.ForeignKeyNullableRelation["Client"] = fields.ForeignKeyField(
        "models.Client", null=True, db_index=False, on_delete=OnDelete.SET_NULL
    )  # a person wants it filed here, whatever the rules say of it
    wanted_for_id: int | None
    wanted_by: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, db_index=False, on_delete=OnDelete.SET_NULL
    )
    wanted_by_id: int | None

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
class Wanted:
    """A person wants it filed under this client, whatever the rules say of it. `name`: theirs."""

    client_id: int
    user_id: int
    name: str


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
    owed_at: datetime | None = None  # when we learned of what is owed
    strikes: int = 0
    outcome: Outcome | None = None  # of the look before
    throttled: bool = False  # the last time that it was asked for: it comes after all others, by itself
    wanted_for: int | None = None  # the client that a person wants it filed under, while it is there and not archived
    wanted: Wanted | None = None  # the same, if it can be done


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


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a page brought: how many messages are newly owed a look, the highest record of a new one that the sweep found, and the filed
    ones that were deleted for good."""

    owed: int
    missed_id: int
    deleted: tuple[str, ...]


async def record(held: Connection, mailbox_id: int, debts: list[Debt], found_by: Finder, now: datetime, pushed_id: int = 0) -> Recorded:
    """Writes a page's debts. Safe to repeat: a record that was seen owes nothing. What a push told of (up to `pushed_id`), a push found."""
    if not debts:
        return Recorded(0, 0, ())
    looks = sorted((d for d in debts if d.kind == "look"), key=lambda d: d.history_id)
    gone = [d for d in debts if d.kind == "added and deleted"]
    deleted = [d for d in debts if d.kind in ("deleted", "added and deleted")]
    known = [d for d in debts if d.kind == "look if known"]
    owed = await held.fetch(
        """
        INSERT INTO ledger_entry AS l (mailbox_id, gmail_id, found_by, found_at, owed_at, seen_history_id)
        SELECT $1, d.gmail_id, CASE WHEN d.seen <= $6 THEN 'push' ELSE $2 END, $3, $3, d.seen
        FROM unnest($4::text[], $5::numeric[]) AS d(gmail_id, seen)
        ON CONFLICT (mailbox_id, gmail_id) DO UPDATE SET owed_at = excluded.owed_at,
        found_by = CASE WHEN l.found_by = 'gap' THEN excluded.found_by ELSE l.found_by END,
        seen_history_id = excluded.seen_history_id, next_attempt_at = NULL, missing_at = NULL, tries = 0, strikes = 0
        WHERE l.seen_history_id < excluded.seen_history_id RETURNING l.found_by, l.seen_history_id, l.xmax = 0 AS is_new
        """,
        mailbox_id,
        found_by,
        now,
        [d.gmail_id for d in looks],
        [d.history_id for d in looks],
        Decimal(pushed_id),
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
    deletions = await held.fetch(
        """
        UPDATE ledger_entry l SET owed_at = NULL, seen_history_id = d.seen, settled_at = $2,
        outcome = CASE WHEN l.outcome IS NULL OR l.outcome = 'parked' THEN 'gone' ELSE l.outcome END,
        reason = CASE WHEN l.outcome IS NULL OR l.outcome = 'parked' THEN 'deleted' ELSE l.reason END
        FROM unnest($3::text[], $4::numeric[]) AS d(gmail_id, seen) WHERE l.mailbox_id = $1 AND l.gmail_id = d.gmail_id AND
        l.seen_history_id < d.seen RETURNING l.gmail_id, l.outcome
        """,
        mailbox_id,
        now,
        [d.gmail_id for d in deleted],
        [d.history_id for d in deleted],
    )
    again = await held.fetch(
        """
        UPDATE ledger_entry l SET owed_at = $2, seen_history_id = d.seen, next_attempt_at = NULL, missing_at = NULL,
        tries = 0, strikes = 0, found_by = CASE WHEN l.found_by = 'gap' THEN $5 ELSE l.found_by END
        FROM unnest($3::text[], $4::numeric[]) AS d(gmail_id, seen)
        WHERE l.mailbox_id = $1 AND l.gmail_id = d.gmail_id AND l.seen_history_id < d.seen RETURNING l.id
        """,
        mailbox_id,
        now,
        [d.gmail_id for d in known],
        [d.history_id for d in known],
        found_by,
    )
    missed = [int(row["seen_history_id"]) for row in owed if row["is_new"] and row["found_by"] == "sweep"]
    lost = tuple(row["gmail_id"] for row in deletions if row["outcome"] == "filed")
    return Recorded(len(owed) + len(again), max(missed, default=0), lost)


async def settle_withdrawn(held: Connection, mailbox_id: int, gmail_ids: Sequence[str], reason: str) -> None:
    """Filed messages that are kept no more."""
    await held.execute(
        """
        UPDATE ledger_entry SET outcome = 'withdrawn', reason = $3, view_history_id = seen_history_id
        WHERE mailbox_id = $1 AND gmail_id = ANY($2::text[])
        """,
        mailbox_id,
        list(gmail_ids),
        reason,
    )


async def strike(entry_ids: Sequence[int]) -> None:
    """Noted before a message is read, and taken back once that has ended, however it ended: what is left was fatal to its worker.

    Not waited for on the disk: a crash of the database forgives it.
    """
    async with connection() as held:
        await held.execute(
            """
            WITH hint AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
            UPDATE ledger_entry SET strikes = strikes + 1 FROM hint WHERE id = ANY($1::bigint[])
            """,
            list(entry_ids),
        )


async def forgive(held: Connection, entry_ids: Sequence[int]) -> None:
    """Takes one strike back: its worker lives. Those that other workers died over stay until the message was read."""
    if entry_ids:
        await held.execute("UPDATE ledger_entry SET strikes = strikes - 1 WHERE id = ANY($1::bigint[]) AND strikes > 0", list(entry_ids))


@dataclass(frozen=True, slots=True)
class Listed:
    """What a listing by date brought: messages that the ledger did not know, and known ones that are judged again, of which so many are
    filed."""

    new: int
    again: int
    filed: int = 0


async def record_listed(
    held: Connection, mailbox_id: int, gmail_ids: Sequence[str], found_by: Finder, now: datetime, judged_until: datetime | None = None
) -> Listed:
    """Owes a look to what a listing by date shows and the ledger does not know, or knows as put away or gone: what is listed is neither in
    spam nor in trash. Where contacts are new, also to what was judged without them, until `judged_until`: it was no client's then, or
    is filed, and may be another client's, too. Safe to repeat."""
    found = await held.fetch(
        """
        INSERT INTO ledger_entry AS l (mailbox_id, gmail_id, found_by, found_at, owed_at, seen_history_id)
        SELECT $1, gmail_id, $2, $3, $3, 0 FROM unnest($4::text[]) AS d(gmail_id)
        ON CONFLICT (mailbox_id, gmail_id) DO UPDATE SET owed_at = $3, next_attempt_at = NULL, missing_at = NULL, tries = 0, strikes = 0,
        found_by = CASE WHEN 'gap' IN ($2, l.found_by) THEN $2 ELSE l.found_by END
        WHERE l.owed_at IS NULL AND (l.outcome IN ('gone', 'withdrawn') OR l.outcome = 'skipped' AND l.reason = ANY($5)
        OR coalesce(l.settled_at, '-infinity') <= $6 AND (l.outcome = 'filed' OR l.outcome = 'skipped' AND l.reason = ANY($7)))
        RETURNING l.xmax = 0 AS is_new, coalesce(l.outcome = 'filed', false) AS is_filed
        """,
        mailbox_id,
        found_by,
        now,
        sorted(set(gmail_ids)),
        PUT_AWAY,
        judged_until,
        NOBODYS,
    )
    new = sum(row["is_new"] for row in found)
    return Listed(new, len(found) - new, sum(row["is_filed"] for row in found))


async def owed(mailbox_id: int, now: datetime, limit: int, *, of_gaps: bool = False) -> list[Owed]:
    """The messages whose look is due, oldest debt first; those that a gap found apart from the rest, so that neither waits for the other.
    The more workers a message may have killed, the later it comes."""
    async with connection() as held:
        rows = await held.fetch(
            """
            SELECT l.id, gmail_id, seen_history_id, tries, missing_at, found_by, view_history_id, owed_at, strikes, outcome,
            coalesce(reason = 'throttled', false) AS throttled, wanted_for_id, u.id AS wanted_by, u.name AS by, k.id AS client_id
            FROM ledger_entry l LEFT JOIN client k ON k.id = l.wanted_for_id AND k.archived_at IS NULL
            LEFT JOIN app_user u ON u.id = l.wanted_by_id WHERE l.mailbox_id = $1 AND owed_at IS NOT NULL AND (found_by = 'gap') = $4
            AND (next_attempt_at IS NULL OR next_attempt_at <= $2) ORDER BY strikes, throttled, owed_at, l.id LIMIT $3
            """,
            mailbox_id,
            now,
            limit,
            of_gaps,
        )
    return [
        Owed(
            r["id"],
            r["gmail_id"],
            int(r["seen_history_id"]),
            r["tries"],
            r["missing_at"],
            r["found_by"],
            int(r["view_history_id"] or 0),
            r["owed_at"],
            r["strikes"],
            r["outcome"],
            r["throttled"],
            r["wanted_for_id"],
            Wanted(r["client_id"], r["wanted_by"], r["by"]) if r["client_id"] and r["wanted_by"] else None,
        )
        for r in rows
    ]


async def settle(held: Connection, settled: list[Settled], now: datetime) -> None:
    """Writes outcomes. An older view never overwrites a newer one, `filed` is only withdrawn, a debt that came meanwhile stays, and so does
    what a person has wanted since it was looked at. Whoever reads of a parked message shall see how many workers died over it."""
    await held.execute(
        """
        UPDATE ledger_entry l SET view_history_id = d.view, seen_history_id = greatest(l.seen_history_id, d.view), settled_at = $6,
        outcome = CASE WHEN l.outcome = 'filed' AND d.outcome <> 'withdrawn' THEN l.outcome ELSE d.outcome END,
        reason = CASE WHEN l.outcome = 'filed' AND d.outcome <> 'withdrawn' THEN l.reason ELSE d.reason END,
        owed_at = CASE WHEN l.seen_history_id <= greatest(d.seen, d.view) AND (l.wanted_for_id IS NULL OR l.wanted_for_id = d.wanted_for)
        THEN NULL ELSE l.owed_at END, next_attempt_at = NULL, missing_at = NULL, tries = 0,
        strikes = CASE WHEN d.outcome = 'parked' THEN l.strikes ELSE 0 END,
        wanted_for_id = CASE WHEN l.wanted_for_id = d.wanted_for THEN NULL ELSE l.wanted_for_id END,
        wanted_by_id = CASE WHEN l.wanted_for_id = d.wanted_for THEN NULL ELSE l.wanted_by_id END
        FROM unnest($1::bigint[], $2::numeric[], $3::numeric[], $4::text[], $5::text[], $7::bigint[])
        AS d(id, seen, view, outcome, reason, wanted_for)
        WHERE l.id = d.id AND (l.view_history_id IS NULL OR l.view_history_id <= d.view)
        """,
        [s.entry.entry_id for s in settled],
        [s.entry.seen for s in settled],
        [s.view for s in settled],
        [s.outcome for s in settled],
        [s.reason for s in settled],
        now,
        [s.entry.wanted_for for s in settled],
    )


async def postpone(held: Connection, postponed: list[Postponed], most_tries: int, now: datetime) -> None:
    """Puts looks off. What failed `most_tries` times is parked: a dead letter that a person can retry; but
    what is filed is asked for on and on, as it may have been put away at once."""
    await held.execute(
        """
        UPDATE ledger_entry l SET tries = least(l.tries + d.failed, 100),
        reason = CASE WHEN l.outcome = 'filed' THEN l.reason ELSE d.reason END,
        missing_at = CASE WHEN d.failed = 0 AND d.reason <> 'throttled' THEN coalesce(l.missing_at, $6) ELSE l.missing_at END,
        next_attempt_at = CASE WHEN l.tries + d.failed < $5 OR l.outcome = 'filed' THEN d.until END,
        owed_at = CASE WHEN l.tries + d.failed < $5 OR l.outcome = 'filed' THEN l.owed_at END,
        settled_at = CASE WHEN l.tries + d.failed < $5 OR l.outcome = 'filed' THEN l.settled_at ELSE $6 END,
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
