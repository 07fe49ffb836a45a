"""What a client's page shows: e-mails filed under clients, and the questions that a person is asked."""

from typing import Literal, Self

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from models.directory import Client
from models.emails import Email
from models.firms import Firm, User

Status = Literal["filed", "review", "dismissed", "withdrawn"]
SHOWN = ("filed", "review")


class Activity(Model):
    id = fields.BigIntField(primary_key=True)
    firm: fields.ForeignKeyRelation[Firm] = fields.ForeignKeyField("models.Firm", db_index=False)
    firm_id: int
    email: fields.ForeignKeyRelation[Email] = fields.ForeignKeyField("models.Email", related_name="activities", db_index=False)
    email_id: int
    client: fields.ForeignKeyRelation[Client] = fields.ForeignKeyField("models.Client", related_name="activities", db_index=False)
    client_id: int
    status = fields.CharField(10)
    reason = fields.TextField()  # why it was filed here, in words
    sent_at = fields.DatetimeField()  # the e-mail's own time: a client's page is read in this order
    filed_at = fields.DatetimeField()
    decided_by: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField("models.User", null=True, db_index=False)
    decided_at = fields.DatetimeField(null=True)
    title = fields.TextField(null=True)
    note = fields.TextField(null=True)
    private = fields.BooleanField(default=False, db_default=False)

    class Meta:
        table = "activity"
        unique_together = (("email", "client"),)
        indexes = (Index(fields=("client_id", "sent_at")), Index(fields=("firm_id", "filed_at")))

    @classmethod
    async def count_of_client(cls, firm_id: int, client_id: int) -> int:
        return await cls.filter(firm_id=firm_id, client_id=client_id, status__in=SHOWN).count()

    @classmethod
    async def one(cls, firm_id: int, activity_id: int) -> Self | None:
        """One activity of this firm with all that its page shows; None for another firm's."""
        found = cls.get_or_none(id=activity_id, firm_id=firm_id, status__in=SHOWN)
        return await found.prefetch_related(
            "client", "decided_by", "email__participants", "email__attachments", "email__receipts__mailbox__user", "email__review"
        )


class Review(Model):
    """The one question of an e-mail: which of these clients?"""

    id = fields.BigIntField(primary_key=True)
    firm: fields.ForeignKeyRelation[Firm] = fields.ForeignKeyField("models.Firm")
    firm_id: int
    email: fields.OneToOneRelation[Email] = fields.OneToOneField("models.Email", related_name="review")
    email_id: int
    candidates = fields.JSONField[list[dict[str, object]]]()  # best first: {"client": id, "reasons": [words]}
    asked_at = fields.DatetimeField()
    decided_at = fields.DatetimeField(null=True)

    class Meta:
        table = "review"

    @classmethod
    async def open_of_firm(cls, firm_id: int, limit: int = 50) -> list[Self]:
        """Questions that nobody has answered, newest first."""
        return (
            await cls.filter(firm_id=firm_id, decided_at=None)
            .order_by("-asked_at", "-id")
            .limit(limit)
            .prefetch_related("email__participants", "email__activities__client")
        )

    @classmethod
    async def count_open(cls, firm_id: int) -> int:
        """How many questions nobody has answered."""
        return await cls.filter(firm_id=firm_id, decided_at=None).count()
