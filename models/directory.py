"""The firm's clients, their contacts, and whose address is whose."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from models.database import Connection, connection, transaction
from models.firms import Firm
from models.past_mail import known, owe_news


class Client(Model):
    id = fields.BigIntField(primary_key=True)
    firm: fields.ForeignKeyRelation[Firm] = fields.ForeignKeyField("models.Firm")
    firm_id: int
    external_id = fields.CharField(100)  # the practice-management system's own id
    name = fields.CharField(200)
    number = fields.CharField(50, default="")
    archived_at = fields.DatetimeField(null=True)  # from then on nothing new is filed here; what is filed stays
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "client"
        unique_together = (("firm", "external_id"),)

    @classmethod
    async def one(cls, firm_id: int, client_id: int) -> Self | None:
        """One client of this firm; None for another firm's."""
        return await cls.get_or_none(id=client_id, firm_id=firm_id)

    @classmethod
    async def names(cls, firm_id: int, ids: Iterable[int]) -> dict[int, str]:
        """The names of those of these clients that this firm still has."""
        return dict(await cls.filter(firm_id=firm_id, id__in=list(ids)).values_list("id", "name"))

    @classmethod
    async def any_in(cls, firm_id: int) -> bool:
        return await cls.filter(firm_id=firm_id).exists()


class Contact(Model):
    id = fields.BigIntField(primary_key=True)
    firm: fields.ForeignKeyRelation[Firm] = fields.ForeignKeyField("models.Firm")
    firm_id: int
    name = fields.CharField(200)

    class Meta:
        table = "contact"
        indexes = (Index(fields=("firm_id", "name")),)


class ContactAddress(Model):
    id = fields.BigIntField(primary_key=True)
    firm: fields.ForeignKeyRelation[Firm] = fields.ForeignKeyField("models.Firm", db_index=False)
    firm_id: int
    contact: fields.ForeignKeyRelation[Contact] = fields.ForeignKeyField("models.Contact", related_name="addresses", db_index=True)
    address = fields.CharField(320)  # as it was given
    address_key = fields.CharField(320)

    class Meta:
        table = "contact_address"
        unique_together = (("firm", "address_key", "contact"),)  # its index is the look-up


class ClientContact(Model):
    id = fields.BigIntField(primary_key=True)
    client: fields.ForeignKeyRelation[Client] = fields.ForeignKeyField("models.Client", related_name="contacts", db_index=True)
    contact: fields.ForeignKeyRelation[Contact] = fields.ForeignKeyField("models.Contact", related_name="clients")
    nominated = fields.BooleanField(default=False)

    class Meta:
        table = "client_contact"
        unique_together = (("contact", "client"),)


async def clients_by_address(firm_id: int, keys: Iterable[str]) -> dict[str, frozenset[int]]:
    """Which clients each of these address keys stands for; keys that nobody has are left out. One indexed query, however many keys."""
    async with connection() as held:
        rows = await held.fetch(
            """
            SELECT a.address_key AS key, array_agg(DISTINCT c.client_id) AS clients FROM contact_address a
            JOIN client_contact c ON c.contact_id = a.contact_id JOIN client k ON k.id = c.client_id AND k.archived_at IS NULL
            WHERE a.firm_id = $1 AND a.address_key = ANY($2::text[]) GROUP BY a.address_key
            """,
            firm_id,
            sorted(set(keys)),
        )
    return {row["key"]: frozenset(row["clients"]) for row in rows}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an import: a client and one of its contacts. `address_key` is None where the line names no contact."""

    client_id: str
    client_name: str
    client_number: str
    contact_name: str
    address: str
    address_key: str | None
    nominated: bool


@dataclass(frozen=True, slots=True)
class Imported:
    clients: int
    contacts: int
    addresses: int


async def import_entries(firm_id: int, entries: list[Entry], now: datetime) -> Imported:
    """Clients, contacts and addresses, all of them or none; the past mail of addresses that are new is owed. Safe to run twice.

    A contact is known by its address and name within the firm: the same person on the lines of two clients becomes one contact of both.
    """

    async def work(held: Connection) -> Imported:
        await held.execute("SELECT 1 FROM firm WHERE id = $1 FOR NO KEY UPDATE", firm_id)
        before, last = await _counts(held, firm_id), await known(held)
        for entry in entries:
            client = await _client(held, firm_id, entry)
            if entry.address_key:
                await _contact(held, firm_id, client, entry)
        after = await _counts(held, firm_id)
        await owe_news(held, firm_id, last, now)
        return Imported(*(new - old for new, old in zip(after, before, strict=True)))

    return await transaction(work)


async def _counts(held: Connection, firm_id: int) -> tuple[int, int, int]:
    row = await held.fetchrow(
        """
        SELECT (SELECT count(*) FROM client WHERE firm_id = $1), (SELECT count(*) FROM contact WHERE firm_id = $1),
        (SELECT count(*) FROM contact_address WHERE firm_id = $1)
        """,
        firm_id,
    )
    return row[0], row[1], row[2]


async def _client(held: Connection, firm_id: int, entry: Entry) -> int:
    return await held.fetchval(  # type: ignore[no-any-return]
        """
        INSERT INTO client (firm_id, external_id, name, number, created_at) VALUES ($1, $2, $3, $4, clock_timestamp())
        ON CONFLICT (firm_id, external_id) DO UPDATE SET name = excluded.name, number = excluded.number RETURNING id
        """,
        firm_id,
        entry.client_id,
        entry.client_name,
        entry.client_number,
    )


async def _contact(held: Connection, firm_id: int, client_id: int, entry: Entry) -> None:
    name = entry.contact_name or entry.address
    contact_id = await held.fetchval(
        """
        SELECT c.id FROM contact c JOIN contact_address a ON a.contact_id = c.id
        WHERE a.firm_id = $1 AND a.address_key = $2 AND c.name = $3 ORDER BY c.id LIMIT 1
        """,
        firm_id,
        entry.address_key,
        name,
    ) or await held.fetchval(
        # The same name at the same client is the same person with a second address.
        """
        SELECT c.id FROM contact c JOIN client_contact l ON l.contact_id = c.id
        WHERE c.firm_id = $1 AND l.client_id = $2 AND c.name = $3 ORDER BY c.id LIMIT 1
        """,
        firm_id,
        client_id,
        name,
    )
    if contact_id is None:
        contact_id = await held.fetchval("INSERT INTO contact (firm_id, name) VALUES ($1, $2) RETURNING id", firm_id, name)
    await held.execute(
        "INSERT INTO contact_address (firm_id, contact_id, address, address_key) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        firm_id,
        contact_id,
        entry.address,
        entry.address_key,
    )
    await held.execute(
        """
        INSERT INTO client_contact (client_id, contact_id, nominated) VALUES ($1, $2, $3)
        ON CONFLICT (contact_id, client_id) DO UPDATE SET nominated = excluded.nominated
        """,
        client_id,
        contact_id,
        entry.nominated,
    )
