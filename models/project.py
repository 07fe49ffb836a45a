"""What concerns the whole Google project: the units that it spent, and until when which work leaves Google alone."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tortoise import fields
from tortoise.models import Model

from models.database import connection

# After a project-wide refusal fresh mail goes first, the sweep follows, and what can wait waits: else the herd would run into it again.
SWEEP_FOLLOWS = timedelta(seconds=30)
BULK_FOLLOWS = timedelta(minutes=2)
# What is left of a budget when these shares are spent is kept for what matters more. Fresh mail may take all of it.
SWEEP_OF_A_MINUTE = 0.8
BULK_OF_A_MINUTE = 0.5
BULK_OF_A_DAY = 0.8
NEXT_MINUTE = "date_trunc('minute', $1::timestamptz) + interval '1 minute'"
# By the wall clock there, so that a day in which clocks change has 23 or 25 hours.
NEXT_DAY = "(($1::timestamptz AT TIME ZONE 'America/Los_Angeles')::date + 1)::timestamp AT TIME ZONE 'America/Los_Angeles'"


class ProjectState(Model):
    """One row. Google counts days from midnight in Los Angeles."""

    id = fields.IntField(primary_key=True)
    day = fields.DateField(null=True)
    day_units = fields.BigIntField(default=0, db_default=0)
    minute_at = fields.DatetimeField(null=True)
    minute_units = fields.BigIntField(default=0, db_default=0)
    fresh_after = fields.DatetimeField(null=True)
    sweep_after = fields.DatetimeField(null=True)
    bulk_after = fields.DatetimeField(null=True)
    watch_after = fields.DatetimeField(null=True)  # the topic is set up wrongly: until then nobody's watch is asked for

    letters_held_at = fields.DatetimeField(null=True)  # since when letters about lapses wait for the operator
    surge_seen_at = fields.DatetimeField(null=True)  # until when an operator has looked at lapses: older ones are no new surge
    client_refused_at = fields.DatetimeField(null=True)  # when Google last refused our OAuth client itself

    class Meta:
        table = "project_state"


@dataclass(frozen=True, slots=True)
class Budget:
    """What a Google project may spend, in quota units."""

    minute: int
    day: int


@dataclass(frozen=True, slots=True)
class Spent:
    """Units of this minute and of Google's day."""

    minute: int
    day: int


@dataclass(frozen=True, slots=True)
class Waits:
    """For how long work of each rank must leave Google alone yet; zero where it need not."""

    fresh: timedelta
    sweep: timedelta
    bulk: timedelta


async def cool_down(until: datetime) -> None:
    """Google refused the whole project until then."""
    async with connection() as held:
        await held.execute(
            """
            INSERT INTO project_state AS p (id, fresh_after, sweep_after, bulk_after) VALUES (1, $1, $2, $3) ON CONFLICT (id) DO UPDATE SET
            fresh_after = greatest(p.fresh_after, $1), sweep_after = greatest(p.sweep_after, $2), bulk_after = greatest(p.bulk_after, $3)
            """,
            until,
            until + SWEEP_FOLLOWS,
            until + BULK_FOLLOWS,
        )


async def hold_watches(until: datetime) -> None:
    """The topic is at fault, which is the same for all: one mailbox asks again then, on behalf of the others."""
    async with connection() as held:
        await held.execute(
            "INSERT INTO project_state (id, watch_after) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET watch_after = $1", until
        )


async def spend(units: int, budget: Budget, now: datetime) -> Spent:
    """Adds what a process has spent; where a share is used up, the work that may take no more of it waits. What is told late, of a minute
    or a day that is over, counts in this one: the row never goes back."""
    async with connection() as held:
        row = await held.fetchrow(
            """
            INSERT INTO project_state AS p (id, day, day_units, minute_at, minute_units)
            VALUES (1, ($2::timestamptz AT TIME ZONE 'America/Los_Angeles')::date, $1, date_trunc('minute', $2::timestamptz), $1)
            ON CONFLICT (id) DO UPDATE SET
            day = greatest(p.day, excluded.day), minute_at = greatest(p.minute_at, excluded.minute_at),
            day_units = CASE WHEN p.day >= excluded.day THEN p.day_units ELSE 0 END + $1,
            minute_units = CASE WHEN p.minute_at >= excluded.minute_at THEN p.minute_units ELSE 0 END + $1 RETURNING minute_units, day_units
            """,
            units,
            now,
        )
        spent = Spent(row["minute_units"], row["day_units"])
        for used_up, column, until in (
            (spent.minute >= budget.minute * SWEEP_OF_A_MINUTE, "sweep_after", NEXT_MINUTE),
            (spent.minute >= budget.minute * BULK_OF_A_MINUTE, "bulk_after", NEXT_MINUTE),
            (spent.day >= budget.day * BULK_OF_A_DAY, "bulk_after", NEXT_DAY),
        ):
            if used_up:
                await held.execute(
                    f"UPDATE project_state SET {column} = greatest({column}, {until})",  # noqa: S608  # constants of ours
                    now,
                )
    return spent


async def waits(now: datetime) -> Waits:
    """What the operator sees of it."""
    async with connection() as held:
        row = await held.fetchrow("SELECT fresh_after, sweep_after, bulk_after FROM project_state")
    ends = (row["fresh_after"], row["sweep_after"], row["bulk_after"]) if row else (None, None, None)
    return Waits(*(max(end - now, timedelta(0)) if end else timedelta(0) for end in ends))
