"""The sweep's memory: which mailboxes are due, who owes a look, and what each interval found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tortoise import fields
from tortoise.models import Model

from models.database import connection


class Sweep(Model):
    """One interval. The open one has no end; closing it is a compare-and-set, so that several reconcile processes make one row."""

    id = fields.BigIntField(primary_key=True)
    opened_at = fields.DatetimeField()
    closed_at = fields.DatetimeField(null=True)
    queued = fields.IntField(default=0, db_default=0)  # mailboxes queued as stragglers
    pending = fields.IntField(default=0, db_default=0)  # mailboxes queued because something was owed
    found = fields.IntField(default=0, db_default=0)  # messages found by the sweep and not by a push

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
            await held.execute(
                """
                UPDATE sweep s SET closed_at = $1, found = (SELECT count(*) FROM ledger_entry WHERE found_by = 'sweep'
                AND found_at >= s.opened_at AND found_at < $1) WHERE closed_at IS NULL
                """,
                now,
            )
            await held.execute("INSERT INTO sweep (opened_at) VALUES ($1)", now)
            return True

    @classmethod
    async def last_closed(cls) -> "Sweep | None":
        return await cls.exclude(closed_at=None).order_by("-closed_at").first()


async def claim_stragglers(interval: timedelta, limit: int, now: datetime) -> list[int]:
    """Mailboxes that nobody looked at for an interval, longest first, fair across firms. Each is claimed by one process only.

    A claim whose job is lost runs out after one interval: that is what a lost job costs.
    """
    async with connection() as held:
        rows = await held.fetch(
            """
            WITH due AS (SELECT id, row_number() OVER (PARTITION BY firm_id ORDER BY last_checked_at NULLS FIRST, id) AS turn FROM
            mailbox
            WHERE state = 'connected' AND firm_id IN (SELECT id FROM firm WHERE provider = 'google')
            AND (last_checked_at IS NULL OR last_checked_at <= $1) AND (claimed_at IS NULL OR claimed_at <=
            $1)),
            chosen AS (SELECT m.id FROM mailbox m JOIN due USING (id) ORDER BY due.turn, m.id LIMIT $2 FOR UPDATE OF m SKIP LOCKED)
            UPDATE mailbox m SET claimed_at = $3 FROM chosen WHERE m.id = chosen.id AND (m.claimed_at IS NULL OR m.claimed_at <= $1)
            RETURNING m.id
            """,
            now - interval,
            limit,
            now,
        )
        ids = [row["id"] for row in rows]
        if ids:
            await held.execute("UPDATE sweep SET queued = queued + $1 WHERE closed_at IS NULL", len(ids))
    return ids


async def claim_pending(claim: timedelta, limit: int, now: datetime) -> list[int]:
    """Mailboxes where something is owed by now, or whose sync never ended (its worker died with the lease). Claimed for `claim`."""
    async with connection() as held:
        rows = await held.fetch(
            """
            WITH chosen AS (SELECT id FROM mailbox WHERE state = 'connected'
            AND firm_id IN (SELECT id FROM firm WHERE provider = 'google') AND (next_attempt_at <= $1 OR lease_until <= $1)
            AND (lease_until IS NULL OR lease_until <= $1) AND (cool_down_until IS NULL OR cool_down_until <= $1)
            ORDER BY coalesce(next_attempt_at, lease_until) LIMIT $2 FOR UPDATE SKIP LOCKED)
            UPDATE mailbox m SET next_attempt_at = $3, lease_owner = NULL, lease_until = NULL FROM chosen WHERE m.id = chosen.id
            RETURNING m.id
            """,
            now,
            limit,
            now + claim,
        )
        ids = [row["id"] for row in rows]
        if ids:
            await held.execute("UPDATE sweep SET pending = pending + $1 WHERE closed_at IS NULL", len(ids))
    return ids


async def give_back(mailbox_ids: Sequence[int], now: datetime) -> None:
    """Claims that could not be queued: due again at once."""
    async with connection() as held:
        await held.execute(
            "UPDATE mailbox SET claimed_at = NULL, next_attempt_at = $2 WHERE id = ANY($1::bigint[])", list(mailbox_ids), now
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts over all firms, for the operator."""

    pending: int
    parked: int
    gaps: int
    mailboxes: dict[str, int]  # by state


async def figures() -> Figures:
    async with connection() as held:
        row = await held.fetchrow(
            """
            SELECT (SELECT count(*) FROM ledger_entry WHERE owed_at IS NOT NULL) AS pending,
            (SELECT count(*) FROM ledger_entry WHERE outcome = 'parked') AS parked,
            (SELECT count(*) FROM gap WHERE closed_at IS NULL) AS gaps
            """
        )
        states = await held.fetch("SELECT state, count(*) AS n FROM mailbox GROUP BY state")
    return Figures(row["pending"], row["parked"], row["gaps"], {state["state"]: state["n"] for state in states})
