"""The contacts of a client, as its page shows and changes them. What is filed stays, whatever becomes of them.

An address is the contact's, whichever client's page it was written on. A change is one transaction under the firm's lock, as imports are;
it is told to the audit, by ids, and returns its entry there: 0 where nothing was to be done.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from models.address import key_of
from models.audit_log import note
from models.client_file import LONGEST
from models.clients import NoSuchClient
from models.database import Connection, connection, transaction
from models.past_mail import known, owe_news

MOST_ADDRESSES = 50  # of a contact
OTHERS = 20  # clients that share a contact, by name
CONTACTS = """
    SELECT c.id, c.name, l.nominated,
    (SELECT coalesce(json_agg(json_build_object('id', a.id, 'address', a.address, 'key', a.address_key) ORDER BY a.id), '[]')
    FROM contact_address a WHERE a.contact_id = c.id) AS addresses,
    (SELECT coalesce(json_agg(o), '[]') FROM (SELECT k.id, k.name, k.archived_at IS NOT NULL AS archived, m.nominated FROM client_contact m
    JOIN client k ON k.id = m.client_id WHERE m.contact_id = c.id AND m.client_id <> $2 ORDER BY lower(k.name), k.id LIMIT $5) o) AS others,
    (SELECT count(*) FROM client_contact m WHERE m.contact_id = c.id) - 1 AS other_count
    FROM client_contact l JOIN contact c ON c.id = l.contact_id WHERE l.client_id = $2 AND c.firm_id = $1
    ORDER BY lower(c.name), c.id OFFSET $3 LIMIT $4
"""


class NotPossible(Exception):
    """Nothing was changed.

    NotPossible
    ├── NoSuchContact     not this client's, or gone
    ├── NoAddress(text)   it is no e-mail address
    ├── NoName            a contact has a name, or an address that stands for it
    ├── TooLong(most)     a name of so many characters at most
    └── TooManyAddresses
    """


class NoSuchContact(NotPossible):
    pass


class NoAddress(NotPossible):
    pass


class NoName(NotPossible):
    pass


class TooLong(NotPossible):
    pass


class TooManyAddresses(NotPossible):
    pass


@dataclass(frozen=True, slots=True)
class ListedAddress:
    id: int
    address: str
    key: str


@dataclass(frozen=True, slots=True)
class OtherClient:
    """One that shares a contact. `nominated`: the contact is nominated for it."""

    id: int
    name: str
    archived: bool
    nominated: bool


@dataclass(frozen=True, slots=True)
class ListedContact:
    id: int
    name: str
    nominated: bool
    addresses: tuple[ListedAddress, ...]
    others: tuple[OtherClient, ...]  # the first of them by name
    other_count: int


async def contacts_of(firm_id: int, client_id: int, offset: int, limit: int) -> list[ListedContact]:
    """By name. One query."""
    async with connection() as held:
        rows = await held.fetch(CONTACTS, firm_id, client_id, offset, limit, OTHERS)
    return [
        ListedContact(
            row["id"],
            row["name"],
            row["nominated"],
            tuple(ListedAddress(**one) for one in json.loads(row["addresses"])),
            tuple(OtherClient(**one) for one in json.loads(row["others"])),
            row["other_count"],
        )
        for row in rows
    ]


def keys_of(written: Sequence[str]) -> dict[str, str]:
    """Address keys, and each as it was written first. Raises `NoAddress`, `TooManyAddresses`. Pure."""
    found: dict[str, str] = {}
    for text in written:
        key = key_of(text)
        if key is None:
            raise NoAddress(text)
        found.setdefault(key, text.strip())
    if len(found) > MOST_ADDRESSES:
        raise TooManyAddresses
    return found


async def add_contact(firm_id: int, client_id: int, name: str, written: Sequence[str], by: int, now: datetime) -> int:
    """A contact of that name and address which the firm has is meant, and becomes this client's too; so is one of that name that the client
    has. Past mail of addresses that are new here is owed. Raises `NoSuchClient`, `NoName`, `TooLong`, `NoAddress`, `TooManyAddresses`."""
    addresses = keys_of(written)
    name = name.strip() or next(iter(addresses.values()), "")
    if not name:
        raise NoName
    if len(name) > LONGEST["contact_name"]:
        raise TooLong(LONGEST["contact_name"])

    async def work(held: Connection) -> int:
        await _lock(held, firm_id, client_id)
        last = await known(held)
        contact_id = await held.fetchval(
            """
            SELECT c.id FROM contact c WHERE c.firm_id = $1 AND c.name = $2 AND (EXISTS (SELECT 1 FROM contact_address a
            WHERE a.contact_id = c.id AND a.address_key = ANY($3::text[]))
            OR EXISTS (SELECT 1 FROM client_contact l WHERE l.contact_id = c.id AND l.client_id = $4))
            ORDER BY NOT EXISTS (SELECT 1 FROM contact_address a WHERE a.contact_id = c.id AND a.address_key = ANY($3::text[])), c.id
            LIMIT 1
            """,
            firm_id,
            name,
            list(addresses),
            client_id,
        ) or await held.fetchval("INSERT INTO contact (firm_id, name) VALUES ($1, $2) RETURNING id", firm_id, name)
        await held.execute(
            "INSERT INTO client_contact (client_id, contact_id, nominated) VALUES ($1, $2, false) ON CONFLICT DO NOTHING",
            client_id,
            contact_id,
        )
        await _add(held, firm_id, contact_id, addresses)
        return await _tell(held, firm_id, by, "contact added", client_id, contact_id, await owe_news(held, firm_id, last, now), now)

    return await transaction(work)


async def add_address(firm_id: int, client_id: int, contact_id: int, written: str, by: int, now: datetime) -> int:
    """For all clients of the contact. Safe to repeat. Raises `NoSuchClient`, `NoSuchContact`, `NoAddress`, `TooManyAddresses`."""
    addresses = keys_of([written])

    async def work(held: Connection) -> int:
        await _lock(held, firm_id, client_id, contact_id)
        last = await known(held)
        await _add(held, firm_id, contact_id, addresses)
        return await _tell(held, firm_id, by, "address added", client_id, contact_id, await owe_news(held, firm_id, last, now), now)

    return await transaction(work)


async def remove_address(firm_id: int, client_id: int, contact_id: int, address_id: int, by: int, now: datetime) -> int:
    """From then on its mail is no client's of this contact; what is filed stays. Safe to repeat. Raises `NoSuchClient`, `NoSuchContact`."""

    async def work(held: Connection) -> int:
        await _lock(held, firm_id, client_id, contact_id)
        gone = await held.fetchval("DELETE FROM contact_address WHERE id = $1 AND contact_id = $2 RETURNING id", address_id, contact_id)
        return await _tell(held, firm_id, by, "address removed", client_id, contact_id, 0, now, address=gone) if gone else 0

    return await transaction(work)


async def remove_contact(firm_id: int, client_id: int, contact_id: int, by: int, now: datetime) -> int:
    """From this client; it stays with its others, and without any it is gone. What is filed stays. Raises `NoSuchClient`,
    `NoSuchContact`, of which the second also says that it was done already."""

    async def work(held: Connection) -> int:
        await _lock(held, firm_id, client_id, contact_id)
        await held.execute("DELETE FROM client_contact WHERE client_id = $1 AND contact_id = $2", client_id, contact_id)
        await held.execute(
            "DELETE FROM contact c WHERE c.id = $1 AND NOT EXISTS (SELECT 1 FROM client_contact l WHERE l.contact_id = c.id)", contact_id
        )
        return await _tell(held, firm_id, by, "contact removed", client_id, contact_id, 0, now)

    return await transaction(work)


async def nominate(firm_id: int, client_id: int, contact_id: int, nominated: bool, by: int, now: datetime) -> int:
    """This client is the one that is meant by default where mail of the contact could be several clients'; or it is not. One client at
    most is. Safe to repeat. Raises `NoSuchClient`, `NoSuchContact`."""

    async def work(held: Connection) -> int:
        await _lock(held, firm_id, client_id, contact_id)
        changed = await held.fetch(
            """
            UPDATE client_contact SET nominated = (client_id = $2 AND $3) WHERE contact_id = $1 AND (client_id = $2 OR $3)
            AND nominated <> (client_id = $2 AND $3) RETURNING id
            """,
            contact_id,
            client_id,
            nominated,
        )
        act = "nominated" if nominated else "not nominated"
        return await _tell(held, firm_id, by, act, client_id, contact_id, 0, now) if changed else 0

    return await transaction(work)


async def _lock(held: Connection, firm_id: int, client_id: int, contact_id: int | None = None) -> None:
    """One change of a firm's directory at a time. Raises `NoSuchClient`, `NoSuchContact`."""
    await held.execute("SELECT 1 FROM firm WHERE id = $1 FOR NO KEY UPDATE", firm_id)
    if not await held.fetchval("SELECT true FROM client WHERE id = $1 AND firm_id = $2", client_id, firm_id):
        raise NoSuchClient
    if contact_id is not None and not await held.fetchval(
        "SELECT true FROM client_contact WHERE client_id = $1 AND contact_id = $2", client_id, contact_id
    ):
        raise NoSuchContact


async def _add(held: Connection, firm_id: int, contact_id: int, addresses: dict[str, str]) -> None:
    await held.execute(
        """
        INSERT INTO contact_address (firm_id, contact_id, address, address_key)
        SELECT $1, $2, address, key FROM unnest($3::text[], $4::text[]) AS d(address, key) ON CONFLICT DO NOTHING
        """,
        firm_id,
        contact_id,
        list(addresses.values()),
        list(addresses),
    )
    if await held.fetchval("SELECT count(*) FROM contact_address WHERE contact_id = $1", contact_id) > MOST_ADDRESSES:
        raise TooManyAddresses


async def _tell(
    held: Connection, firm_id: int, by: int, act: str, client_id: int, contact_id: int, news: int, now: datetime, **more: int
) -> int:
    said = {"client": client_id, "contact": contact_id}
    return await note(held, firm_id, by, act, None, said, said | {"news": news} | more, now)
