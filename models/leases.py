"""Leases: who works on a mailbox now. Every write of a run proves that the mailbox still is its own."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, TypeVar

from models.database import Connection, connection, transaction

Work = TypeVar("Work")
Rank = Literal["fresh", "sweep", "bulk"]  # who goes first where Google allows little
Because = Literal["held", "cooling", "not connected", "unknown"]
MOST_THROTTLED = 3  # each step halves what is asked for at once
# $5 is the end of a cool-down that Google has just asked for: until such runs end without one, less is asked for at once.
THROTTLE = f"throttled = CASE WHEN $5 IS NULL THEN greatest(m.throttled - 1, 0) ELSE least(m.throttled + 1, {MOST_THROTTLED}) END"


class LeaseLost(Exception):
    """The mailbox is not ours any more: another worker has it, or it was disconnected or reconnected. Stop; nothing was written."""


@dataclass(frozen=True, slots=True)
class Held:
    """A mailbox under our lease, as it was when we took it. Every write through `writing` proves that it still is ours."""

    id: int
    firm_id: int
    user_id: int
    epoch: int
    owner: str
    lease: timedelta
    cursor: int
    head: int | None
    head_at: datetime | None
    history_at: datetime
    started_at: datetime
    last_checked_at: datetime | None
    failures: int
    throttled: int  # how often Google slowed the mailbox down lately: less is asked for at once
    pushed_id: int  # the highest history id that a push told of; 0 before the first
    last_push_at: datetime | None
    taken_at: datetime
    next_attempt_at: datetime | None = None  # when it was taken: what others write since then is theirs, and stays
    recover_at: datetime | None = None
    connected_at: datetime | None = None
    unwanted_from: datetime | None = None  # what came from here to `unwanted_until` is not filed
    unwanted_until: datetime | None = None

    @property
    def is_back(self) -> bool:
        """Connected again, and not looked at since: what is found now came while it was away, and no push was to tell of it."""
        return self.connected_at is not None and (self.last_checked_at is None or self.last_checked_at < self.connected_at)


@dataclass(frozen=True, slots=True)
class NotTaken:
    because: Because


async def take(
    mailbox_id: int, owner: str, lease: timedelta, now: datetime, *, backing_off: bool = False, rank: Rank = "fresh"
) -> Held | NotTaken:
    """Takes the lease if nobody has it: a compare-and-set on the row. `owner` is this run's own.

    `backing_off`: not while a mailbox whose runs failed waits for its next attempt. Nor is it taken while its mailbox, or the whole
    project for work of this `rank`, must leave Google alone ("cooling"); it is then owed a look as soon as that is over.
    """
    async with connection() as held:
        row = await held.fetchrow(
            """
            UPDATE mailbox m SET lease_owner = $2, lease_until = $3 WHERE id = $1 AND state = 'connected'
            AND (SELECT provider FROM firm f WHERE f.id = m.firm_id) = 'google'
            AND (lease_until IS NULL OR lease_until <= $4) AND (cool_down_until IS NULL OR cool_down_until <= $4)
            AND (NOT $5 OR failures = 0 OR next_attempt_at IS NULL OR next_attempt_at <= $4)
            AND NOT EXISTS (SELECT 1 FROM project_state WHERE
            CASE $6 WHEN 'fresh' THEN fresh_after WHEN 'sweep' THEN sweep_after ELSE bulk_after END > $4)
            RETURNING firm_id, user_id, epoch, cursor, head, head_at, history_at, started_at, last_checked_at, failures, throttled,
            pushed_id, last_push_at, next_attempt_at, recover_at, connected_at, unwanted_from, unwanted_until
            """,
            mailbox_id,
            owner,
            now + lease,
            now,
            backing_off,
            rank,
        )
        if row is None:
            return NotTaken(await _why_not(held, mailbox_id, now, backing_off, rank))
    return Held(
        mailbox_id,
        row["firm_id"],
        row["user_id"],
        row["epoch"],
        owner,
        lease,
        int(row["cursor"]),
        None if row["head"] is None else int(row["head"]),
        row["head_at"],
        row["history_at"],
        row["started_at"],
        row["last_checked_at"],
        row["failures"],
        row["throttled"],
        int(row["pushed_id"] or 0),
        row["last_push_at"],
        now,
        row["next_attempt_at"],
        row["recover_at"],
        row["connected_at"],
        row["unwanted_from"],
        row["unwanted_until"],
    )


async def writing(mailbox: Held, now: datetime, work: Callable[[Connection], Awaitable[Work]]) -> Work:
    """The transaction of a mailbox's own work. It starts with its write on the mailbox row, which proves and renews the lease.

    Raises `LeaseLost` if the mailbox is no longer ours, with nothing written.
    """

    async def fenced(held: Connection) -> Work:
        await _renew(held, mailbox, now)
        return await work(held)

    return await transaction(fenced)


async def renew(mailbox: Held, now: datetime) -> None:
    """Raises `LeaseLost`."""
    async with connection() as held:
        await _renew(held, mailbox, now)


async def _renew(held: Connection, mailbox: Held, now: datetime) -> None:
    mine = await held.fetchval(
        "UPDATE mailbox SET lease_until = greatest(lease_until, $4) WHERE id = $1 AND epoch = $2 AND lease_owner = $3 RETURNING id",
        mailbox.id,
        mailbox.epoch,
        mailbox.owner,
        now + mailbox.lease,
    )
    if mine is None:
        raise LeaseLost


async def release(
    mailbox: Held,
    settle: timedelta,
    again_at: datetime | None = None,
    cool_down_until: datetime | None = None,
    *,
    failed: bool = False,
    listed: bool = True,
    handed_on: bool = False,
) -> None:
    """Gives the lease back, if it is still ours, and notes when something is owed next: at `again_at`, when the ledger owes a look, or
    when the cursor's candidate is `settle` old, whichever comes first. A run that failed waits for `again_at`, so that nothing hammers;
    one that did not list settles no listing that is owed; what is handed on to another job is owed at `again_at`, should that be lost.
    What a gap found is owed to the recovery, not to the sync."""
    async with connection() as held:
        await held.execute(
            f"""
            UPDATE mailbox m SET lease_owner = NULL, lease_until = NULL, cool_down_until = coalesce($5, cool_down_until), {THROTTLE},
            failures = CASE WHEN $7 THEN least(m.failures + 1, 100) WHEN $8 THEN 0 ELSE m.failures END,
            next_attempt_at = CASE WHEN $7 OR $9 OR $5 IS NOT NULL THEN $4
            ELSE least($4, m.head_at + $6, CASE WHEN NOT $8 OR m.next_attempt_at IS DISTINCT FROM $10 THEN m.next_attempt_at END,
            (SELECT min(coalesce(l.next_attempt_at, l.owed_at)) FROM ledger_entry l
            WHERE l.mailbox_id = m.id AND l.owed_at IS NOT NULL AND l.found_by <> 'gap')) END
            WHERE id = $1 AND epoch = $2 AND lease_owner = $3
            """,  # noqa: S608  # a constant of ours
            mailbox.id,
            mailbox.epoch,
            mailbox.owner,
            again_at,
            cool_down_until,
            settle,
            failed,
            listed,
            handed_on,
            mailbox.next_attempt_at,
        )


async def release_recovery(mailbox: Held, again_at: datetime | None, cool_down_until: datetime | None = None) -> None:
    """The same for a run that worked off gaps: it goes on at `again_at`; without one when a gap is due or owes a look, if one does. Its
    failures are not the sync's: fresh mail does not wait for them."""
    async with connection() as held:
        await held.execute(
            f"""
            UPDATE mailbox m SET lease_owner = NULL, lease_until = NULL, cool_down_until = coalesce($5, cool_down_until), {THROTTLE},
            next_attempt_at = least(m.next_attempt_at, $5),
            recover_at = least(CASE WHEN m.recover_at IS DISTINCT FROM $6 THEN m.recover_at END,
            coalesce($4, least((SELECT min(coalesce(g.due_at, g.opened_at)) FROM gap g WHERE g.mailbox_id = m.id AND g.closed_at IS NULL),
            (SELECT min(coalesce(l.next_attempt_at, l.owed_at)) FROM ledger_entry l
            WHERE l.mailbox_id = m.id AND l.owed_at IS NOT NULL AND l.found_by = 'gap'))))
            WHERE id = $1 AND epoch = $2 AND lease_owner = $3
            """,  # noqa: S608  # a constant of ours
            mailbox.id,
            mailbox.epoch,
            mailbox.owner,
            again_at,
            cool_down_until,
            mailbox.recover_at,
        )


async def look_is_due(mailbox: Held, now: datetime) -> bool:
    """A sync is owed by now: one that works off gaps stands back for it."""
    async with connection() as held:
        return bool(await held.fetchval("SELECT next_attempt_at <= $2 FROM mailbox WHERE id = $1", mailbox.id, now))


async def recover_later(mailbox_id: int, at: datetime) -> None:
    """Somebody else works on the mailbox: its gaps are tried again then."""
    async with connection() as held:
        await held.execute("UPDATE mailbox SET recover_at = least(recover_at, $2) WHERE id = $1", mailbox_id, at)


async def pushed(mailbox_id: int, told: int, now: datetime) -> None:
    """A push told of `told`. Remembered to tell what pushes miss; it never moves the cursor."""
    async with connection() as held:
        await held.execute(
            "UPDATE mailbox SET last_push_at = $3, pushed_id = greatest(pushed_id, $2) WHERE id = $1", mailbox_id, Decimal(told), now
        )


async def _why_not(held: Connection, mailbox_id: int, now: datetime, backing_off: bool, rank: Rank) -> Because:
    row = await held.fetchrow(
        """
        SELECT state, provider, cool_down_until, lease_until,
        (SELECT CASE $2 WHEN 'fresh' THEN fresh_after WHEN 'sweep' THEN sweep_after ELSE bulk_after END FROM project_state) AS project_until
        FROM mailbox m JOIN firm f ON f.id = firm_id WHERE m.id = $1
        """,
        mailbox_id,
        rank,
    )
    if row is None:
        return "unknown"
    if row["state"] != "connected" or row["provider"] != "google":
        return "not connected"
    if row["lease_until"] and row["lease_until"] > now:
        if rank != "bulk" and not backing_off:  # a push has its mark; whoever else comes for nothing leaves word in the row
            await held.execute("UPDATE mailbox SET next_attempt_at = least(next_attempt_at, $2) WHERE id = $1", mailbox_id, now)
        return "held"
    if row["project_until"] and row["project_until"] > now:
        await _owe_after(held, mailbox_id, row["project_until"], rank)
        return "cooling"
    cooling = row["cool_down_until"] and row["cool_down_until"] > now
    return "cooling" if cooling or backing_off else "held"


async def _owe_after(held: Connection, mailbox_id: int, until: datetime, rank: Rank) -> None:
    """What was owed comes back when its rank may go on. The sweep owes nothing: its claim is taken
    back, for else it would return as fresh."""
    match rank:
        case "fresh":
            change = "next_attempt_at = least(next_attempt_at, $2)"
        case "sweep":
            change = "claimed_at = least(claimed_at, $2::timestamptz - interval '1 day')"
        case "bulk":
            change = "recover_at = least(recover_at, $2)"
    await held.execute(f"UPDATE mailbox SET {change} WHERE id = $1", mailbox_id, until)  # noqa: S608  # one of three
