"""The sweep's memory: which mailboxes are due, who owes a look, and what each interval found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tortoise import fields
from tortoise.models import Model

from models.database import connection

AT_WORK = "state = 'connected' AND firm_id IN (SELECT id FROM firm WHERE provider = 'google')"
SILENT = "missed_id > coalesce(pushed_id, 0)"
LATE = (
    "greatest(coalesce(last_checked_at, connected_at), cool_down_until) < $1::timestamptz - 1.5 * $2::interval"  # $1: now, $2: the interval
)
FEW = 150  # mailboxes that need no spreading: what three jobs look at within a second
KEPT = timedelta(days=90)


class Sweep(Model):
    """One interval. The open one has no end; closing it is a compare-and-set, so that several reconcile processes make one row."""

    id = fields.BigIntField(primary_key=True)
    opened_at = fields.DatetimeField()
    closed_at = fields.DatetimeField(null=True)
    queued = fields.IntField(default=0, db_default=0)  # mailboxes queued as stragglers
    pending = fields.IntField(default=0, db_default=0)  # mailboxes queued because something was owed
    found = fields.IntField(default=0, db_default=0)  # messages found by the sweep and not by a push
    filed = fields.IntField(default=0, db_default=0)  # of these, filed
    audited = fields.IntField(default=0, db_default=0)  # messages that only an audit found: losses that were healed
    pushed = fields.IntField(default=0, db_default=0)  # mailboxes that a push told of
    silent = fields.IntField(default=0, db_default=0)  # mailboxes where the sweep found, since nobody is pushed, what no push has told of
    late = fields.IntField(default=0, db_default=0)  # mailboxes that nobody looked at for an interval and a half

    class Meta:
        table = "sweep"

    @classmethod
    async def turn(cls, interval: timedelta, now: datetime) -> bool:
        """Closes the sweep whose interval is over and opens the next. True in the one process that did it."""
        async with connection() as held, held.transaction():
            await held.execute("SELECT pg_advisory_xact_lock(hashtext('postroom sweep'))")
            open_since = await held.fetchval("SELECT opened_at FROM sweep WHERE closed_at IS NULL")
            if open_since is not None and open_since + interval > now:
                return False
            await held.execute("DELETE FROM sweep WHERE closed_at < $1", now - KEPT)
            await held.execute(
                f"""
                UPDATE sweep s SET (closed_at, found, filed, audited, pushed, silent, late) = (SELECT $1::timestamptz,
                (SELECT count(*) FROM ledger_entry WHERE found_by = 'sweep' AND found_at >= s.opened_at AND found_at < $1),
                (SELECT count(*) FROM ledger_entry WHERE found_by = 'sweep' AND found_at >= s.opened_at AND found_at < $1
                AND outcome = 'filed'),
                (SELECT count(*) FROM ledger_entry WHERE found_by = 'audit' AND found_at >= s.opened_at AND found_at < $1),
                count(*) FILTER (WHERE last_push_at >= s.opened_at),
                count(*) FILTER (WHERE {SILENT} AND missed_at >= coalesce((SELECT max(closed_at) FROM sweep WHERE pushed > 0), missed_at)),
                count(*) FILTER (WHERE {LATE}) FROM mailbox WHERE {AT_WORK}) WHERE closed_at IS NULL
                """,  # noqa: S608  # constants of ours
                now,
                interval,
            )
            await held.execute("INSERT INTO sweep (opened_at) VALUES ($1)", now)
            return True

    @property
    def push_is_dead(self) -> bool:
        """Nobody is pushed, and since then the sweep has found what a push should have told of."""
        return self.silent > 0 and self.pushed == 0

    @classmethod
    async def last_closed(cls) -> "Sweep | None":
        return await cls.exclude(closed_at=None).order_by("-closed_at").first()


@dataclass(frozen=True, slots=True)
class Claimed:
    """A mailbox to be queued. One whose runs fail goes behind the others: it may hold its worker for as long as Google is silent."""

    mailbox_id: int
    failing: bool


async def claim_stragglers(interval: timedelta, share: float, limit: int, now: datetime) -> list[Claimed]:
    """Mailboxes that nobody looked at for an interval, longest first, fair across firms. Each is claimed by one process only.

    At most `share` of all connected mailboxes at once, so that a herd which became due together is spread. A claim whose job is lost runs
    out after one interval: that is what a lost job costs. One whose runs fail comes when its next attempt does, not before.
    """
    async with connection() as held:
        rows = await held.fetch(
            f"""
            WITH due AS (SELECT id, row_number() OVER (PARTITION BY firm_id ORDER BY last_checked_at NULLS FIRST, id) AS turn FROM
            mailbox WHERE {AT_WORK} AND (last_checked_at IS NULL OR last_checked_at <= $1) AND (claimed_at IS NULL OR claimed_at <= $1)
            AND (cool_down_until IS NULL OR cool_down_until <= $3) AND (failures = 0 OR next_attempt_at IS NULL)
            AND NOT EXISTS (SELECT 1 FROM project_state WHERE sweep_after > $3)),
            chosen AS (SELECT m.id, due.turn FROM mailbox m JOIN due USING (id) ORDER BY due.turn, m.id
            LIMIT least($2, greatest({FEW}, $4::float8 * (SELECT count(*) FROM mailbox WHERE state = 'connected')))::int
            FOR UPDATE OF m SKIP LOCKED)
            UPDATE mailbox m SET claimed_at = $3 FROM chosen WHERE m.id = chosen.id AND (m.claimed_at IS NULL OR m.claimed_at <= $1)
            RETURNING m.id, m.failures, chosen.turn
            """,  # noqa: S608  # constants of ours
            now - interval,
            limit,
            now,
            share,
        )
        if rows:
            await held.execute("UPDATE sweep SET queued = queued + $1 WHERE closed_at IS NULL", len(rows))
    return _in_turn(rows)


async def claim_pending(claim: timedelta, limit: int, now: datetime, *, failing: bool = True) -> list[Claimed]:
    """Mailboxes where something is owed by now, or whose run never ended (its worker died with the lease), fair across firms. Claimed for
    `claim`. A dead run may have been one that worked off gaps: that goes on at once, too. `failing`: those too whose last runs failed."""
    async with connection() as held:
        rows = await held.fetch(
            f"""
            WITH due AS (SELECT id, row_number() OVER (PARTITION BY firm_id ORDER BY coalesce(next_attempt_at, lease_until), id) AS turn
            FROM mailbox WHERE {AT_WORK} AND (next_attempt_at <= $1 OR lease_until <= $1)
            AND (lease_until IS NULL OR lease_until <= $1) AND (cool_down_until IS NULL OR cool_down_until <= $1) AND ($4 OR failures = 0)
            AND NOT EXISTS (SELECT 1 FROM project_state WHERE fresh_after > $1)),
            chosen AS (SELECT m.id, due.turn FROM mailbox m JOIN due USING (id) ORDER BY due.turn, m.id
            LIMIT $2 FOR UPDATE OF m SKIP LOCKED)
            UPDATE mailbox m SET next_attempt_at = $3, lease_owner = NULL, lease_until = NULL,
            recover_at = CASE WHEN m.lease_until <= $1 THEN least(m.recover_at, $1) ELSE m.recover_at END
            FROM chosen WHERE m.id = chosen.id AND least(m.next_attempt_at, m.lease_until) <= $1 RETURNING m.id, m.failures, chosen.turn
            """,  # noqa: S608  # constants of ours
            now,
            limit,
            now + claim,
            failing,
        )
        if rows:
            await held.execute("UPDATE sweep SET pending = pending + $1 WHERE closed_at IS NULL", len(rows))
    return _in_turn(rows)


def _in_turn(rows: Iterable[Mapping[str, int]]) -> list[Claimed]:
    """One of each firm, then the next of each."""
    return [Claimed(row["id"], row["failures"] > 0) for row in sorted(rows, key=lambda row: (row["turn"], row["id"]))]


async def give_back(mailbox_ids: Sequence[int], now: datetime) -> None:
    """Claims of this moment that could not be queued: due again at once."""
    async with connection() as held:
        await held.execute(
            """
            UPDATE mailbox SET claimed_at = nullif(claimed_at, $2),
            next_attempt_at = CASE WHEN claimed_at = $2 THEN next_attempt_at ELSE $2 END WHERE id = ANY($1::bigint[])
            """,
            list(mailbox_ids),
            now,
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts over all firms, for the operator."""

    pending: int
    parked: int
    gaps: int
    silent: int  # mailboxes where the sweep found what no push has told of since
    late: int  # mailboxes that nobody looked at for an interval and a half
    unwatched: int  # mailboxes without a watch
    soonest_expiry: datetime | None  # of a watch
    lapsed: int  # mailboxes that lapsed within the last hour
    day_units: int  # quota units of Google's day
    cooling: float  # seconds for which Google wants no fresh calls of the whole project
    mailboxes: dict[str, int]  # by state


async def figures(interval: timedelta, now: datetime) -> Figures:
    async with connection() as held:
        row = await held.fetchrow(
            f"""
            SELECT (SELECT count(*) FROM ledger_entry WHERE owed_at IS NOT NULL) AS pending,
            (SELECT count(*) FROM ledger_entry WHERE outcome = 'parked' AND owed_at IS NULL) AS parked,
            (SELECT count(*) FROM gap WHERE closed_at IS NULL) AS gaps,
            (SELECT count(*) FROM mailbox WHERE lapsed_at > $1::timestamptz - interval '1 hour') AS lapsed,
            count(*) FILTER (WHERE {SILENT}) AS silent, count(*) FILTER (WHERE {LATE}) AS late,
            count(*) FILTER (WHERE watch_expires_at IS NULL OR watch_expires_at <= $1) AS unwatched,
            min(watch_expires_at) AS soonest_expiry FROM mailbox WHERE {AT_WORK}
            """,  # noqa: S608  # constants of ours
            now,
            interval,
        )
        project = await held.fetchrow(
            """
            SELECT CASE WHEN day = ($1 AT TIME ZONE 'America/Los_Angeles')::date THEN day_units ELSE 0 END AS units,
            greatest(extract(epoch FROM fresh_after - $1), 0)::float AS cooling FROM project_state
            """,
            now,
        )
        states = await held.fetch("SELECT state, count(*) AS n FROM mailbox GROUP BY state")
    by_state = {state["state"]: state["n"] for state in states}
    units, cooling = (project["units"] or 0, project["cooling"] or 0.0) if project else (0, 0.0)
    return Figures(**dict(row), day_units=units, cooling=cooling, mailboxes=by_state)
