"""A file of clients that was handed in, kept while its person looks at what it would change."""

from tortoise import fields
from tortoise.models import Model

from models.firms import Firm, User


class ImportDraft(Model):
    id = fields.BigIntField(primary_key=True)
    firm: fields.ForeignKeyRelation[Firm] = fields.ForeignKeyField("models.Firm")
    firm_id: int
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("models.User", related_name="import_drafts")
    user_id: int
    name = fields.TextField()  # of the file
    content = fields.TextField()
    handed_in_at = fields.DatetimeField()

    class Meta:
        table = "import_draft"
