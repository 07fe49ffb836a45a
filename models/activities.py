"""What a client's page shows: e-mails filed under clients, and the questions that a person is asked."""

from typing import Literal, Self

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from models.database import connection
from models.directory import Client
from models.emails import Email
from models.firms import Firm, User
from models.sight import sees

Status = Literal["filed", "review", "dismissed", "withdrawn"]
How = Literal["certain", "guess", "inherited", "person"]
Outcome = Literal["approved", "reassigned", "dismissed", "inherited", "merged"]
SHOWN = ("filed", "review")


class Activity(Model):
    """An e-mail under a client. A dismissed one is kept: it says that a person, or a decision for another client, refused this one, and
    nothing files the e-mail here again."""

    id = fields.BigIntField(primary_key=True)
    firm: fields.ForeignKeyRelation[Firm] = fields.ForeignKeyField("models.Firm", db_index=False)
    firm_id: int
    email: fields.ForeignKeyRelation[Email] = fields.ForeignKeyField("models.Email", related_name="activities", db_index=False)
    email_id: int
    client: fields.ForeignKeyRelation[Client] = fields.ForeignKeyField("models.Client", related_name="activities", db_index=False)
    client_id: int
    status = fields.CharField(10)
    how = fields.CharField(10, default="certain", db_default="certain")  # who or what put it here
    reason = fields.TextField()  # why it was filed here, in words
    sent_at = fields.DatetimeField()  # the e-mail's own time: a client's page is read in this order
    filed_at = fields.DatetimeField()
    decided_by: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField("models.User", null=True, db_index=False)
    decided_at = fields.DatetimeField(null=True)
    title = fields.TextField(null=True)  # what people call it here, instead of its subject
    note = fields.TextField(null=True)
    text = fields.TextField(null=True)  # what people made of its text; the e-mail itself stays as it came
    edition = fields.IntField(default=0, db_default=0)  # rises with every edit: who edits says which one they saw
    private = fields.BooleanField(default=False, db_default=False)

    class Meta:
        table = "activity"
        unique_together = (("email", "client"),)
        indexes = (Index(fields=("client_id", "sent_at")), Index(fields=("firm_id", "filed_at")))

    @classmethod
    async def count_of_client(cls, firm_id: int, client_id: int) -> int:
        """All of them, for who runs Postroom; `models/listings.py` counts what a person of the firm sees."""
        return await cls.filter(firm_id=firm_id, client_id=client_id, status__in=SHOWN).count()

    @classmethod
    async def one(cls, user: User, activity_id: int) -> Self | None:
        """One activity of the user's firm with all that its page shows; None for another firm's, and for one that is private to others."""
        found = await cls.get_or_none(id=activity_id, firm_id=user.firm_id, status__in=SHOWN).prefetch_related(
            "client", "decided_by", "email__participants", "email__attachments", "email__receipts__mailbox__user", "email__review"
        )
        async with connection() as held:
            return found if found and await sees(held, user, found.email_id) else None

    @classmethod
    async def instead_of(cls, user: User, activity_id: int) -> int | None:
        """Where the e-mail of an activity that is shown no more is shown now; None for nowhere, another firm's, private to others."""
        gone = await cls.get_or_none(id=activity_id, firm_id=user.firm_id)
        found = await cls.filter(email_id=gone.email_id, status__in=SHOWN).order_by("id").first() if gone else None
        async with connection() as held:
            return found.id if found and await sees(held, user, found.email_id) else None


class Review(Model):
    """The one question of an e-mail: which of these clients?"""

    id = fields.BigIntField(primary_key=True)
    firm: fields.ForeignKeyRelation[Firm] = fields.ForeignKeyField("models.Firm")
    firm_id: int
    email: fields.OneToOneRelation[Email] = fields.OneToOneField("models.Email", related_name="review")
    email_id: int
    candidates = fields.JSONField[list[dict[str, object]]]()  # best first: {"client": id, "reasons": [words]}
    asked_at = fields.DatetimeField()
    quiet = fields.BooleanField(default=False, db_default=False)  # of automatic or mass mail: it waits behind the others
    holder: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, related_name="handed", db_index=False
    )
    holder_id: int | None  # the colleague to whom it was handed over
    decided_at = fields.DatetimeField(null=True)
    decided_by: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, related_name="answered", db_index=False
    )
    outcome = fields.CharField(12, null=True)

    class Meta:
        table = "review"
