"""A file of clients that was handed in, kept while its person looks at what it would change."""

from datetime import datetime, timedelta
from typing import Self

from tortoise import fields
from tortoise.models import Model

from models.database import Connection, transaction
from models.firms import Firm, User

KEPT = timedelta(days=1)
LONGEST_NAME = 200  # of a file, as we keep it


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

    @classmethod
    async def of(cls, user: User, now: datetime) -> Self | None:
        """The one that this user handed in last, for a day."""
        return await cls.filter(user_id=user.id, firm_id=user.firm_id, handed_in_at__gt=now - KEPT).order_by("-id").first()

    @classmethod
    async def discard(cls, user: User, draft_id: int) -> None:
        """Safe to repeat."""
        await cls.filter(id=draft_id, user_id=user.id).delete()


async def hand_in(user: User, name: str, text: str, now: datetime) -> int:
    """In place of what this user handed in before. PostgreSQL's text knows no NUL: its line says that it cannot be read."""

    async def work(held: Connection) -> int:
        await held.execute("SELECT 1 FROM app_user WHERE id = $1 FOR NO KEY UPDATE", user.id)
        await held.execute("DELETE FROM import_draft WHERE user_id = $1", user.id)
        return await held.fetchval(  # type: ignore[no-any-return]
            "INSERT INTO import_draft (firm_id, user_id, name, content, handed_in_at) VALUES ($1, $2, $3, $4, $5) RETURNING id",
            user.firm_id,
            user.id,
            name.replace("\0", "")[:LONGEST_NAME],
            text.replace("\0", "\ufffd"),
            now,
        )

    return await transaction(work)
