"""Mailboxes: who holds them, whether they are connected, how far they were read, and what is owed when."""

from datetime import datetime, timedelta
from typing import Literal, Self

from tortoise import fields
from tortoise.expressions import Q
from tortoise.models import Model

from models.address import key_of
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
    former_key = fields.CharField(320, null=True, db_index=True)  # and by this one: how the account was called before it was renamed
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
    stopped_at = fields.DatetimeField(null=True)  # when it was paused or disconnected
    away_since = fields.DatetimeField(null=True)  # when it last stopped, kept when it came back at `connected_at`: what was caught up
    parting_at = fields.DatetimeField(null=True, db_index=True)  # when Google is next told that it is over; null: nothing to tell
    parting_since = fields.DatetimeField(null=True)  # since when that is owed
    unwanted_from = fields.DatetimeField(null=True)  # mail from here to `unwanted_until` its person did not want when they came back
    unwanted_until = fields.DatetimeField(null=True)
    test_push_at = fields.DatetimeField(null=True)  # when its user asked for a test push
    test_push_id = fields.DecimalField(max_digits=20, decimal_places=0, null=True)  # what that push will tell of, or more
    digested_at = fields.DatetimeField(null=True)  # when the firm's admins were told of this lapse

    class Meta:
        table = "mailbox"
        unique_together = (("firm", "google_sub"),)

    @property
    def silent_at(self) -> datetime | None:
        """When the sweep last found what no push had told of, if none has told of it since: Google's pushes stay away."""
        return self.missed_at if self.missed_id is not None and self.missed_id > (self.pushed_id or 0) else None

    @classmethod
    async def of_user(cls, user_id: int) -> Self | None:
        """The mailbox that the user connected last."""
        return await cls.filter(user_id=user_id).order_by("-connected_at").first()

    @classmethod
    async def held_by(cls, user_id: int) -> list[Self]:
        """All mailboxes of a user, in the order in which they were first connected."""
        return await cls.filter(user_id=user_id).order_by("id")

    @classmethod
    async def connected_ids(cls, address: str) -> tuple[tuple[int, ...], bool]:
        """The connected mailboxes of this address, in every firm that connected it; and whether the address is known at all."""
        key = key_of(address)
        rows = await cls.filter(Q(address_key=key) | Q(former_key=key)).values_list("id", "state") if key else []
        return tuple(sorted(mailbox for mailbox, state in rows if state == "connected")), bool(rows)
