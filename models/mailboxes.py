"""Mailboxes: who holds them, whether they are connected, how far they were read, and what is owed when."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, Self

from tortoise import fields
from tortoise.expressions import F
from tortoise.models import Model

from models.address import key_of
from models.database import Connection, transaction
from models.firms import Firm, User

AUDIT_AFTER = timedelta(minutes=15)  # a connect or a recovery; Gmail's search shows a mail some minutes after its history does
State = Literal["connected", "paused", "lapsed", "disconnected"]


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
    watch_due_at = fields.DatetimeField(null=True)  # when Google is asked for pushes next; null: at once
    watch_failures = fields.SmallIntField(default=0, db_default=0)
    watch_trouble = fields.CharField(40, null=True)  # why Google gave no watch, as a word

    lease_owner = fields.CharField(32, null=True)
    lease_until = fields.DatetimeField(null=True)
    cool_down_until = fields.DatetimeField(null=True)
    next_attempt_at = fields.DatetimeField(null=True, db_index=True)  # when something is owed
    failures = fields.SmallIntField(default=0, db_default=0)  # runs that failed in a row: each waits longer
    throttled = fields.SmallIntField(default=0, db_default=0)  # runs that Google slowed down, less those since
    recover_at = fields.DatetimeField(null=True)  # when a gap is worked on next; null: nothing to recover
    audit_at = fields.DatetimeField(null=True)  # when it is compared with Gmail next; null: as soon as may be

    connected_at = fields.DatetimeField()
    claimed_at = fields.DatetimeField(null=True)  # when the sweep last queued it
    last_checked_at = fields.DatetimeField(null=True)  # last listing that ended
    last_push_at = fields.DatetimeField(null=True)
    pushed_id = fields.DecimalField(max_digits=20, decimal_places=0, null=True)  # the highest that a push told of; never a cursor
    missed_id = fields.DecimalField(max_digits=20, decimal_places=0, null=True)  # the highest that the sweep found and no push told of
    missed_at = fields.DatetimeField(null=True)
    last_filed_at = fields.DatetimeField(null=True)
    lapsed_at = fields.DatetimeField(null=True)
    lapse_reason = fields.CharField(40, null=True)

    class Meta:
        table = "mailbox"
        unique_together = (("firm", "google_sub"),)

    @property
    def silent_at(self) -> datetime | None:
        """When the sweep last found what no push had told of, if none has told of it since: Google's pushes stay away."""
        return self.missed_at if self.missed_id is not None and self.missed_id > (self.pushed_id or 0) else None

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
            access_expires_at, cursor, history_at, started_at, connected_at, next_attempt_at, claimed_at, audit_at)
            VALUES ($1, $2, $3, $4, $5, 'connected', 1, $6, $7, $8, $9, $10, $10, $11, $11, $11, $12)
            ON CONFLICT (firm_id, google_sub) DO UPDATE SET
            (user_id, address, address_key) = (excluded.user_id, excluded.address, excluded.address_key),
            (refresh_token, access_token, access_expires_at) = (excluded.refresh_token, excluded.access_token, excluded.access_expires_at),
            (state, epoch, failures) = ('connected', m.epoch + 1, 0),
            (connected_at, next_attempt_at, claimed_at, audit_at) =
            (excluded.connected_at, excluded.next_attempt_at, excluded.claimed_at, excluded.audit_at),
            (lease_owner, lease_until, cool_down_until, lapsed_at, lapse_reason, throttled) = (NULL, NULL, NULL, NULL, NULL, 0),
            (watch_expires_at, watch_due_at, watch_failures, watch_trouble, missed_id) = (NULL, NULL, 0, NULL, NULL),
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
            now + AUDIT_AFTER,
        )

    return await transaction(work)


async def disconnect(mailbox_id: int, firm_id: int, epoch: int | None = None) -> bool:
    """Ends a connection: tokens erased, filed mail kept. Whatever runs for the mailbox writes nothing more. `epoch`: only that very
    connection. True if it was there to be ended."""
    theirs = Mailbox.filter(id=mailbox_id, firm_id=firm_id, **({} if epoch is None else {"epoch": epoch}))
    return bool(
        await theirs.exclude(state="disconnected").update(
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
