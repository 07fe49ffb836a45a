"""Firms and the people who work there."""

from typing import Literal, Self

from tortoise import fields
from tortoise.models import Model

from models.address import key_of
from models.database import Connection, transaction

Role = Literal["staff", "admin"]
Provider = Literal["none", "google"]


class Firm(Model):
    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(200, unique=True)
    provider = fields.CharField(20, default="google")  # the firm's Email Sync Integration Provider: none, google
    file_all_sent = fields.BooleanField(default=False)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "firm"

    @classmethod
    async def choose_provider(cls, firm_id: int, provider: Provider) -> None:
        """Whatever runs for the firm's mailboxes writes nothing more once there is none: their epochs rise."""

        async def work(held: Connection) -> None:
            await held.execute("UPDATE firm SET provider = $2 WHERE id = $1", firm_id, provider)
            if provider == "none":
                await held.execute(
                    "UPDATE mailbox SET epoch = epoch + 1, lease_owner = NULL, lease_until = NULL WHERE firm_id = $1", firm_id
                )

        await transaction(work)


class User(Model):
    id = fields.BigIntField(primary_key=True)
    firm: fields.ForeignKeyRelation[Firm] = fields.ForeignKeyField("models.Firm")
    firm_id: int
    email = fields.CharField(320)  # as it was given
    email_key = fields.CharField(320, unique=True)  # the login address: one person, one account, one firm
    name = fields.CharField(200)
    role = fields.CharField(10, default="staff")
    active = fields.BooleanField(default=True)
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
