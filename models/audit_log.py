"""Who decided what about which mail, when, and from what: ids and words, never content."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from models.database import Connection, connection
from models.firms import Firm, User

POSTROOM = "Postroom"  # who did what no person did
GONE = "a client that is gone"


class AuditEntry(Model):
    id = fields.BigIntField(primary_key=True)
    firm: fields.ForeignKeyRelation[Firm] = fields.ForeignKeyField("models.Firm", db_index=False)
    firm_id: int
    user: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField("models.User", null=True, related_name="acts", db_index=False)
    user_id: int | None  # null: Postroom itself
    at = fields.DatetimeField()
    act = fields.CharField(20)
    email_id = fields.BigIntField(null=True)  # no foreign key: what was decided is told after an e-mail is gone
    before = fields.JSONField[dict[str, object]]()
    after = fields.JSONField[dict[str, object]]()

    class Meta:
        table = "audit_entry"
        indexes = (Index(fields=("email_id",)), Index(fields=("firm_id", "at")))


@dataclass(frozen=True, slots=True)
class Placed:
    """Under which client an e-mail was, and how: filed, review or dismissed."""

    client: str
    status: str
    client_id: int = field(default=0, compare=False)  # two clients may have one name


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did about an e-mail. `before` and `after` name the clients whose place it changed."""

    who: str | None  # null: Postroom itself
    at: datetime
    act: str
    before: tuple[Placed, ...]
    after: tuple[Placed, ...]
    nobodys: bool = False  # it was no client's mail from then on
    holder: str | None = None  # the colleague to whom its question was handed over
    edited: tuple[str, ...] = ()  # title, note, text: of the activity of the client that `under` names
    under: Placed | None = None


async def note(
    held: Connection, firm_id: int, user_id: int | None, act: str, email_id: int | None, before: Any, after: Any, at: datetime
) -> int:
    """Writes one entry, in the transaction of the act itself; its id. `before` and `after`: ids and words, as JSON knows them."""
    return await held.fetchval(  # type: ignore[no-any-return]
        """
        INSERT INTO audit_entry (firm_id, user_id, at, act, email_id, before, after)
        VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7::text::jsonb) RETURNING id
        """,
        firm_id,
        user_id,
        at,
        act,
        email_id,
        json.dumps(before),
        json.dumps(after),
    )


async def history_of(firm_id: int, email_id: int) -> list[Act]:
    """All that was decided about an e-mail, newest first; nothing for another firm's."""
    async with connection() as held:
        entries = await held.fetch(
            """
            SELECT x.at, x.act, x.before, x.after, u.name, x.after ->> 'dismissed_at' IS NOT NULL AS nobodys, h.name AS holder,
            x.after -> 'edited' AS edited, CASE WHEN x.act = 'edited' THEN (x.after ->> 'client')::bigint END AS under
            FROM audit_entry x LEFT JOIN app_user u ON u.id = x.user_id
            LEFT JOIN app_user h ON h.id = (x.after ->> 'holder')::bigint AND h.firm_id = x.firm_id
            WHERE x.firm_id = $1 AND x.email_id = $2 ORDER BY x.id DESC
            """,
            firm_id,
            email_id,
        )
        told = [(row, _places(row["before"]), _places(row["after"])) for row in entries]
        ids = {client for _, before, after in told for client in (*before, *after)} | {row["under"] for row in entries if row["under"]}
        rows = await held.fetch("SELECT id, name FROM client WHERE firm_id = $1 AND id = ANY($2::bigint[])", firm_id, sorted(ids))
    names = {row["id"]: row["name"] for row in rows}
    return [_act(row, *_changed(before, after, names), names) for row, before, after in told]


def _act(row: Mapping[str, Any], before: tuple[Placed, ...], after: tuple[Placed, ...], names: Mapping[int, str]) -> Act:
    edited = tuple(json.loads(row["edited"])) if row["edited"] else ()
    under = Placed(names.get(row["under"], GONE), "", row["under"]) if edited else None
    return Act(row["name"], row["at"], row["act"], before, after, row["nobodys"], row["holder"], edited, under)


def _places(told: str) -> dict[int, str]:
    """Client to status. Entries of other kinds have none."""
    return {int(client): place["status"] for client, place in json.loads(told).get("activities", {}).items()}


def _changed(before: dict[int, str], after: dict[int, str], names: dict[int, str]) -> tuple[tuple[Placed, ...], tuple[Placed, ...]]:
    clients = sorted(client for client in before.keys() | after.keys() if before.get(client) != after.get(client))
    was, is_now = (tuple(Placed(names.get(c, GONE), side[c], c) for c in clients if c in side) for side in (before, after))
    return was, is_now
