"""The firm's clients, their contacts, and whose address is whose."""

from collections.abc import Iterable
from typing import Self

from tortoise import fields
from tortoise.indexes import Index
from tortoise.models import Model

from models.database import connection
from models.firms import Firm


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
