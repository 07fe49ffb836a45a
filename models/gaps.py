"""Gaps: stretches of a mailbox's time that history no longer tells, owed a listing by date."""

from datetime import datetime
from decimal import Decimal

from tortoise import fields
from tortoise.models import Model

from models.database import Connection
from models.mailboxes import Held, Mailbox, writing


class Gap(Model):
    id = fields.BigIntField(primary_key=True)
    mailbox: fields.ForeignKeyRelation[Mailbox] = fields.ForeignKeyField("models.Mailbox")
    mailbox_id: int
    since = fields.DatetimeField()
    until = fields.DatetimeField()
    reason = fields.CharField(40)
    progress = fields.TextField(null=True)  # where the listing stands
    opened_at = fields.DatetimeField()
    closed_at = fields.DatetimeField(null=True)

    class Meta:
        table = "gap"


async def rebaseline(mailbox: Held, baseline: int, since: datetime, until: datetime, reason: str, now: datetime) -> None:
    """History is gone: in one transaction the cursor moves to a baseline read before, and what lies between is owed as a gap."""

    async def work(held: Connection) -> None:
        moved = await held.fetchval(
            "UPDATE mailbox SET cursor = $2, head = NULL, head_at = NULL, history_at = $4 WHERE id = $1 AND cursor = $3 RETURNING id",
            mailbox.id,
            Decimal(baseline),
            Decimal(mailbox.cursor),
            now,
        )
        if moved is not None:
            await held.execute(
                "INSERT INTO gap (mailbox_id, since, until, reason, opened_at) VALUES ($1, $2, $3, $4, $5)",
                mailbox.id,
                since,
                until,
                reason,
                now,
            )
            # Ids that went back begin anew: what was seen under higher ones must not hide what comes.
            await held.execute(
                """
                UPDATE ledger_entry SET seen_history_id = least(seen_history_id, $2),
                view_history_id = CASE WHEN view_history_id > $2 THEN $2 ELSE view_history_id END
                WHERE mailbox_id = $1 AND greatest(seen_history_id, view_history_id) > $2
                """,
                mailbox.id,
                Decimal(baseline),
            )

    await writing(mailbox, now, work)
