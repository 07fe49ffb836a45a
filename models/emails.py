"""E-mails as they came: one row per firm and message, whoever received it."""

from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model

from models.firms import Firm
from models.mailboxes import Mailbox

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

    class Meta:
        table = "email"
        unique_together = (("firm", "identity"),)

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

    class Meta:
        table = "participant"


class Attachment(Model):
    id = fields.BigIntField(primary_key=True)
    email: fields.ForeignKeyRelation[Email] = fields.ForeignKeyField("models.Email", related_name="attachments", db_index=True)
    email_id: int
    part_id = fields.CharField(40)
    filename = fields.TextField()
    mime_type = fields.TextField()
    size = fields.BigIntField()
    content_id = fields.TextField(null=True)

    class Meta:
        table = "attachment"
