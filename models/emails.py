"""E-mails as they came: one row per firm and message, whoever received it."""

from typing import TYPE_CHECKING, Literal

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from models.firms import Firm, User
from models.mailboxes import Mailbox

Kind = Literal["mail", "automatic", "mass"]
Trust = Literal["proven", "forged", "unknown"]

if TYPE_CHECKING:
    from models.activities import Activity, Review


class Email(Model):
    id = fields.BigIntField(primary_key=True)
    firm: fields.ForeignKeyRelation[Firm] = fields.ForeignKeyField("models.Firm", db_index=False)
    firm_id: int
    identity = fields.CharField(64)  # pipeline/identity.py: one message, one key, in whichever mailbox it lies
    message_id = fields.TextField(null=True)
    thread_root = fields.TextField()
    outgoing = fields.BooleanField()
    subject = fields.TextField()
    text = fields.TextField()
    html = fields.TextField(null=True)
    headers = fields.JSONField[list[list[str]]]()
    sent_at = fields.DatetimeField()
    filed_at = fields.DatetimeField()
    kind = fields.CharField(10, default="mail", db_default="mail")  # automatic, mass: written by no person, or to very many
    trust = fields.CharField(10, default="unknown", db_default="unknown")  # what Google found of its sender: proven, forged, unknown
    version = fields.IntField(default=0, db_default=0)  # rises with every decision: who decides says which one they saw
    dismissed_at = fields.DatetimeField(null=True)  # a person said that it is no client's: nothing files it again
    erased_at = fields.DatetimeField(null=True)  # when a dismissed mail's content was erased
    names = fields.TextField(default="", db_default="")  # who took part and what was attached, for the search: see its column `words`

    class Meta:
        table = "email"
        unique_together = (("firm", "identity"),)
        indexes = (Index(fields=("firm_id", "thread_root")),)

    receipts: fields.ReverseRelation["Receipt"]
    participants: fields.ReverseRelation["Participant"]
    attachments: fields.ReverseRelation["Attachment"]
    activities: fields.ReverseRelation["Activity"]
    review: fields.BackwardOneToOneRelation["Review"]


class Receipt(Model):
    """Which mailbox holds the e-mail, and under which of Gmail's ids."""

    id = fields.BigIntField(primary_key=True)
    email: fields.ForeignKeyRelation[Email] = fields.ForeignKeyField("models.Email", related_name="receipts", db_index=True)
    email_id: int
    mailbox: fields.ForeignKeyRelation[Mailbox] = fields.ForeignKeyField("models.Mailbox", db_index=False)
    mailbox_id: int
    gmail_id = fields.CharField(64)
    gmail_thread_id = fields.CharField(64)
    received_at = fields.DatetimeField()

    class Meta:
        table = "receipt"
        unique_together = (("mailbox", "gmail_id"),)

    @classmethod
    async def within_reach(cls, user: User, email_id: int) -> list[tuple[Mailbox, str]]:
        """Connected mailboxes of the user's firm that hold the e-mail, and Gmail's id of it in each; the user's own first. None while the
        firm has switched the integration off."""
        boxes = {"mailbox__firm_id": user.firm_id, "mailbox__state": "connected", "mailbox__firm__provider": "google"}
        found = await cls.filter(email_id=email_id, email__firm_id=user.firm_id, **boxes).prefetch_related("mailbox")
        ordered = sorted(found, key=lambda one: (one.mailbox.user_id != user.id, one.mailbox_id, one.id))
        return [(one.mailbox, one.gmail_id) for one in ordered]

    @classmethod
    async def count_of_mailbox(cls, mailbox_id: int) -> int:
        """How many of a mailbox's mails are filed."""
        return await cls.filter(mailbox_id=mailbox_id).count()


class Participant(Model):
    id = fields.BigIntField(primary_key=True)
    email: fields.ForeignKeyRelation[Email] = fields.ForeignKeyField("models.Email", related_name="participants", db_index=True)
    email_id: int
    header = fields.CharField(10)  # from, to, cc, bcc
    position = fields.SmallIntField()
    name = fields.TextField()
    address = fields.TextField()
    key = fields.TextField(null=True)  # of the address; null where it could be nobody's

    class Meta:
        table = "participant"
        indexes = (Index(fields=("key", "email_id")),)


class Attachment(Model):
    id = fields.BigIntField(primary_key=True)
    email: fields.ForeignKeyRelation[Email] = fields.ForeignKeyField("models.Email", related_name="attachments", db_index=True)
    email_id: int
    part_id = fields.CharField(40)
    filename = fields.TextField()
    mime_type = fields.TextField()
    size = fields.BigIntField()
    content_id = fields.TextField(null=True)
    owed_at = fields.DatetimeField(null=True)  # since when its bytes are to be fetched and kept
    next_attempt_at = fields.DatetimeField(null=True)
    tries = fields.SmallIntField(default=0, db_default=0)
    stored_as = fields.TextField(null=True)  # its name in the store, while it is kept
    missing = fields.CharField(20, null=True)  # why it is not kept, in a word

    class Meta:
        table = "attachment"


class DiscardedFile(Model):
    """A file whose attachment is gone, to be deleted: the database writes it down when the row goes, whatever took it away."""

    id = fields.BigIntField(primary_key=True)
    stored_as = fields.TextField()
    discarded_at = fields.DatetimeField()

    class Meta:
        table = "discarded_file"
