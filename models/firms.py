"""Firms and the people who work there."""

from datetime import datetime
from typing import Literal, Self

from tortoise import fields
from tortoise.models import Model

from models.address import key_of
from models.database import Connection, transaction

Role = Literal["staff", "admin"]
Provider = Literal["none", "google"]
SWITCHED_OFF = """
    UPDATE mailbox SET epoch = epoch + 1, lease_owner = NULL, lease_until = NULL, parting_at = $2, parting_since = $2
    WHERE firm_id = $1 AND state IN ('connected', 'paused')
"""
SWITCHED_ON = """
    UPDATE mailbox SET epoch = epoch + 1, parting_at = NULL, parting_since = NULL, watch_due_at = NULL,
    next_attempt_at = CASE WHEN state = 'connected' THEN $2::timestamptz END, claimed_at = $2::timestamptz,
    away_since = CASE WHEN state = 'connected' THEN $3::timestamptz ELSE away_since END,
    connected_at = CASE WHEN state = 'connected' THEN $2::timestamptz ELSE connected_at END
    WHERE firm_id = $1 AND state IN ('connected', 'paused')
"""


class Firm(Model):
    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(200, unique=True)
    provider = fields.CharField(20, default="google")  # the firm's Email Sync Integration Provider: none, google
    provider_off_at = fields.DatetimeField(null=True)  # when the provider became none: grants are kept for some weeks
    file_all_sent = fields.BooleanField(default=False)
    past_days = fields.SmallIntField(default=90, db_default=90)  # how far back a new contact's mail is looked for
    retention_days = fields.IntField(null=True)  # for how long a mail stays, from when it was written; null: for good
    keep_attachments = fields.BooleanField(default=True, db_default=True)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "firm"

    @classmethod
    async def choose_provider(cls, firm_id: int, provider: Provider, now: datetime) -> None:
        """None: whatever runs for the firm's mailboxes writes nothing more (their epochs rise), and Google is told to push no more. Google
        again: they are looked at, and watched, at once. Choosing what is chosen already changes nothing."""

        async def work(held: Connection) -> None:
            was = await held.fetchrow("SELECT provider, provider_off_at FROM firm WHERE id = $1 FOR UPDATE", firm_id)
            if was is None or was["provider"] == provider:
                return
            off_at = now if provider == "none" else None
            await held.execute("UPDATE firm SET provider = $2, provider_off_at = $3 WHERE id = $1", firm_id, provider, off_at)
            if provider == "none":
                await held.execute(SWITCHED_OFF, firm_id, now)
            else:
                await held.execute(SWITCHED_ON, firm_id, now, was["provider_off_at"])

        await transaction(work)


class User(Model):
    id = fields.BigIntField(primary_key=True)
    firm: fields.ForeignKeyRelation[Firm] = fields.ForeignKeyField("models.Firm")
    firm_id: int
    email = fields.CharField(320)  # as it was given
    email_key = fields.CharField(320, unique=True)  # the login address: one person, one account, one firm
    name = fields.CharField(200)
    role = fields.CharField(10, default="staff")
    time_zone = fields.CharField(64, null=True)  # as the IANA database names it; null: the browser's
    active = fields.BooleanField(default=True)
    invited_at = fields.DatetimeField(null=True)
    left_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "app_user"  # "user" is a word of SQL's own

    @classmethod
    async def by_login(cls, email: str) -> Self | None:
        """The active user who signs in with this address, however it is spelt."""
        key = key_of(email)
        return await cls.get_or_none(email_key=key, active=True).select_related("firm") if key else None

    @classmethod
    async def login_keys(cls, firm_id: int) -> frozenset[str]:
        """Address keys of the firm's active users: who counts as a colleague when outgoing mail is judged."""
        return frozenset(await cls.filter(firm_id=firm_id, active=True).values_list("email_key", flat=True))  # type: ignore[arg-type]

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"
