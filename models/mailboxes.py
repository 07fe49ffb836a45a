"""Mailboxes: who holds them, whether they are connected, how far they were read, and who reads them now."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, Self, TypeVar

from tortoise import fields
from tortoise.expressions import F
from tortoise.models import Model

from models.address import key_of
from models.database import Connection, connection, transaction
from models.firms import Firm, User

Work = TypeVar("Work")
State = Literal["connected", "paused", "lapsed", "disconnected"]


class LeaseLost(Exception):
    """The mailbox is not ours any more: another worker has it, or it was disconnected or reconnected. Stop; nothing was written."""


class Mailbox(Model):
    id = fields.BigIntField(primary_key=True)
    firm: fields.ForeignKeyRelation[Firm] = fields.ForeignKeyField("models.Firm")
    firm_id: int
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("models.User", related_name="mailboxes", db_index=True)
    user_id: int
    google_sub = fields.CharField(255)  # Google's own key of the account; its address may change
    address = fields.CharField(320)
    address_key = fields.CharField(320, db_index=True)  # pushes are looked up by it
    state = fields.CharField(15)
    epoch = fields.IntField(default=1)  # rises with every connect, disconnect, lapse and pause; a job writes only under its own

    refresh_token = fields.TextField(null=True)  # sealed by gmail/vault
    access_token = fields.TextField(null=True)
    access_expires_at = fields.DatetimeField(null=True)

    cursor = fields.DecimalField(max_digits=20, decimal_places=0)  # uint64 of Google's; never a float
    head = fields.DecimalField(max_digits=20, decimal_places=0, null=True)  # the candidate that the cursor will move to
    head_at = fields.DatetimeField(null=True)
    history_at = fields.DatetimeField()  # just before the listing whose head became the cursor: where a gap would begin
    started_at = fields.DatetimeField()  # older messages are not filed
    watch_expires_at = fields.DatetimeField(null=True)

    lease_owner = fields.CharField(32, null=True)
    lease_until = fields.DatetimeField(null=True)
    cool_down_until = fields.DatetimeField(null=True)
    next_attempt_at = fields.DatetimeField(null=True, db_index=True)  # when something is owed
    failures = fields.SmallIntField(default=0, db_default=0)  # runs that failed in a row: each waits longer

    connected_at = fields.DatetimeField()
    claimed_at = fields.DatetimeField(null=True)  # when the sweep last queued it
    last_checked_at = fields.DatetimeField(null=True)  # last listing that ended
    last_push_at = fields.DatetimeField(null=True)
    last_filed_at = fields.DatetimeField(null=True)
    lapsed_at = fields.DatetimeField(null=True)
    lapse_reason = fields.CharField(40, null=True)

    class Meta:
        table = "mailbox"
        unique_together = (("firm", "google_sub"),)

    @classmethod
    async def of_user(cls, user_id: int) -> Self | None:
        """The mailbox on the user's own Google Email Sync page: the one connected last."""
        return await cls.filter(user_id=user_id).order_by("-connected_at").first()

    @classmethod
    async def connected_ids(cls, address: str) -> tuple[tuple[int, ...], bool]:
        """The connected mailboxes of this address, in every firm that connected it; and whether the address is known at all."""
        key = key_of(address)
        rows = await cls.filter(address_key=key).values_list("id", "state") if key else []
        return tuple(sorted(mailbox for mailbox, state in rows if state == "connected")), bool(rows)


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


@dataclass(frozen=True, slots=True)
class NotTaken:
    because: Literal["held", "cooling", "not connected", "unknown"]


@dataclass(frozen=True, slots=True)
class Connect:
    """A grant that Google gave for a mailbox, and the baseline read before anything else: what makes a connection."""

    firm_id: int
    user_id: int
    google_sub: str
    address: str
    refresh_token: str
    access_token: str
    access_expires_at: datetime
    history_id: int
    baseline_at: datetime  # before `history_id` was asked for


async def connect(grant: Connect, now: datetime) -> int:
    """Row, tokens and baseline in one transaction; returns the mailbox. The same Google account comes back to its own row.

    A lapsed or still connected mailbox keeps its cursor, so that nothing in between is missed; one that was disconnected starts afresh.
    """

    async def work(held: Connection) -> int:
        return await held.fetchval(  # type: ignore[no-any-return]
            """
            INSERT INTO mailbox AS m (firm_id, user_id, google_sub, address, address_key, state, epoch, refresh_token, access_token,
            access_expires_at, cursor, history_at, started_at, connected_at, next_attempt_at, claimed_at)
            VALUES ($1, $2, $3, $4, $5, 'connected', 1, $6, $7, $8, $9, $10, $10, $11, $11, $11)
            ON CONFLICT (firm_id, google_sub) DO UPDATE SET
            (user_id, address, address_key) = (excluded.user_id, excluded.address, excluded.address_key),
            (refresh_token, access_token, access_expires_at) = (excluded.refresh_token, excluded.access_token, excluded.access_expires_at),
            (state, epoch, failures) = ('connected', m.epoch + 1, 0),
            (connected_at, next_attempt_at, claimed_at) = (excluded.connected_at, excluded.next_attempt_at, excluded.claimed_at),
            (lease_owner, lease_until, cool_down_until, lapsed_at, lapse_reason, watch_expires_at) = (NULL, NULL, NULL, NULL, NULL, NULL),
            cursor = CASE WHEN m.state = 'disconnected' THEN excluded.cursor ELSE m.cursor END,
            head = CASE WHEN m.state = 'disconnected' THEN NULL ELSE m.head END,
            head_at = CASE WHEN m.state = 'disconnected' THEN NULL ELSE m.head_at END,
            history_at = CASE WHEN m.state = 'disconnected' THEN excluded.history_at ELSE m.history_at END,
            started_at = CASE WHEN m.state = 'disconnected' THEN excluded.started_at ELSE m.started_at END
            RETURNING id
            """,
            grant.firm_id,
            grant.user_id,
            grant.google_sub,
            grant.address,
            key_of(grant.address) or grant.address.lower(),
            grant.refresh_token,
            grant.access_token,
            grant.access_expires_at,
            Decimal(grant.history_id),
            grant.baseline_at,
            now,
        )

    return await transaction(work)


async def disconnect(mailbox_id: int, firm_id: int) -> None:
    """Ends a connection: tokens erased, filed mail kept. Whatever runs for the mailbox writes nothing more."""
    await (
        Mailbox.filter(id=mailbox_id, firm_id=firm_id)
        .exclude(state="disconnected")
        .update(
            state="disconnected",
            epoch=F("epoch") + 1,
            refresh_token=None,
            access_token=None,
            access_expires_at=None,
            lease_owner=None,
            lease_until=None,
            next_attempt_at=None,
            watch_expires_at=None,
        )
    )


async def lapse(mailbox_id: int, epoch: int, because: str, now: datetime) -> bool:
    """Google withdrew access. True if this very connection was still alive: a late failure never marks its successor."""
    return bool(
        await Mailbox.filter(id=mailbox_id, epoch=epoch, state="connected").update(
            state="lapsed",
            epoch=epoch + 1,
            lapsed_at=now,
            lapse_reason=because,
            access_token=None,
            access_expires_at=None,
            lease_owner=None,
            lease_until=None,
            next_attempt_at=None,
        )
    )


async def take(mailbox_id: int, owner: str, lease: timedelta, now: datetime, *, backing_off: bool = False) -> Held | NotTaken:
    """Takes the lease if nobody has it: a compare-and-set on the row. `owner` is this run's own.

    `backing_off`: not while a mailbox whose runs failed waits for its next attempt.
    """
    async with connection() as held:
        row = await held.fetchrow(
            """
            UPDATE mailbox m SET lease_owner = $2, lease_until = $3 WHERE id = $1 AND state = 'connected'
            AND (SELECT provider FROM firm f WHERE f.id = m.firm_id) = 'google'
            AND (lease_until IS NULL OR lease_until <= $4) AND (cool_down_until IS NULL OR cool_down_until <= $4)
            AND (NOT $5 OR failures = 0 OR next_attempt_at IS NULL OR next_attempt_at <= $4)
            RETURNING firm_id, user_id, epoch, cursor, head, head_at, history_at, started_at, last_checked_at, failures
            """,
            mailbox_id,
            owner,
            now + lease,
            now,
            backing_off,
        )
        if row is None:
            state = await held.fetchrow(
                "SELECT state, provider, cool_down_until, lease_until FROM mailbox m JOIN firm f ON f.id = firm_id WHERE m.id = $1",
                mailbox_id,
            )
            return NotTaken(_why_not(state, now, backing_off))
    cursor, head = int(row["cursor"]), None if row["head"] is None else int(row["head"])
    return Held(
        mailbox_id,
        row["firm_id"],
        row["user_id"],
        row["epoch"],
        owner,
        lease,
        cursor,
        head,
        row["head_at"],
        row["history_at"],
        row["started_at"],
        row["last_checked_at"],
        row["failures"],
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
    one that did not list settles no listing that is owed; what is handed on to another job is owed at `again_at`, should that be lost."""
    async with connection() as held:
        await held.execute(
            """
            UPDATE mailbox m SET lease_owner = NULL, lease_until = NULL, cool_down_until = coalesce($5, cool_down_until),
            failures = CASE WHEN $7 THEN least(m.failures + 1, 100) WHEN $8 THEN 0 ELSE m.failures END,
            next_attempt_at = CASE WHEN $7 OR $9 OR $5 IS NOT NULL THEN $4
            ELSE least($4, m.head_at + $6, CASE WHEN NOT $8 THEN m.next_attempt_at END,
            (SELECT min(coalesce(l.next_attempt_at, l.owed_at)) FROM ledger_entry l
            WHERE l.mailbox_id = m.id AND l.owed_at IS NOT NULL)) END
            WHERE id = $1 AND epoch = $2 AND lease_owner = $3
            """,
            mailbox.id,
            mailbox.epoch,
            mailbox.owner,
            again_at,
            cool_down_until,
            settle,
            failed,
            listed,
            handed_on,
        )


async def pushed(mailbox: Held, now: datetime) -> None:
    await Mailbox.filter(id=mailbox.id).update(last_push_at=now)


def _why_not(row: Connection, now: datetime, backing_off: bool) -> Literal["held", "cooling", "not connected", "unknown"]:
    if row is None:
        return "unknown"
    if row["state"] != "connected" or row["provider"] != "google":
        return "not connected"
    cooling = row["cool_down_until"] and row["cool_down_until"] > now
    return "cooling" if cooling or (backing_off and not (row["lease_until"] and row["lease_until"] > now)) else "held"
