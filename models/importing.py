"""The import of clients and contacts: what it would change, and the change, in one transaction of few statements, however long the file."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

from models.audit_log import note
from models.client_file import Entry
from models.database import Connection, connection, transaction
from models.import_plan import Directory, KnownClient, Plan, plan
from models.past_mail import known, owe_news


class DraftGone(Exception):
    """The file was imported or thrown away meanwhile, or another one was handed in."""


@dataclass(frozen=True, slots=True)
class FromDraft:
    """The draft that becomes an import, and the lines of it that are left out: they stay as a draft of their own."""

    id: int
    name: str
    left_out: int = 0
    rest: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """How many are new: clients, contacts, addresses; and what else changed. `news`: addresses whose past mail is owed. `entry`: of the
    audit."""

    clients: int
    contacts: int
    addresses: int
    changed: int = 0  # clients: renamed, or another number
    links: int = 0  # contacts that were there, of a further client now
    nominations: int = 0  # set or taken back, of contacts that the client had
    news: int = field(default=0, compare=False)
    entry: int = field(default=0, compare=False)


async def foresee(firm_id: int, entries: Sequence[Entry]) -> Plan:
    """What an import of these would change now."""
    async with connection() as held:
        return await _plan(held, firm_id, entries)


async def import_entries(
    firm_id: int, entries: Sequence[Entry], now: datetime, by: int | None = None, draft: FromDraft | None = None
) -> Imported:
    """Clients, contacts and addresses, all of them or none; the past mail of addresses that are new is owed. Safe to run twice.

    `by`: a user. Their `draft` goes in the same transaction; raises `DraftGone` where it went already.
    """

    async def work(held: Connection) -> Imported:
        await held.execute("SELECT 1 FROM firm WHERE id = $1 FOR NO KEY UPDATE", firm_id)
        if draft:
            await _use_up(held, firm_id, draft, by, now)
        last, changes = await known(held), await _plan(held, firm_id, entries)
        await _write(held, firm_id, changes)
        done = _told(changes, await owe_news(held, firm_id, last, now))
        counts = {name: count for name, count in asdict(done).items() if name != "entry"}
        left_out = {"left_out": draft.left_out if draft else 0}
        entry = await note(held, firm_id, by, "imported", None, {"draft": draft.id if draft else None}, counts | left_out, now)
        return Imported(**counts, entry=entry)

    return await transaction(work)


async def _use_up(held: Connection, firm_id: int, draft: FromDraft, by: int | None, now: datetime) -> None:
    """Raises `DraftGone`."""
    if not await held.fetchval("DELETE FROM import_draft WHERE id = $1 AND user_id = $2 RETURNING true", draft.id, by):
        raise DraftGone
    if draft.left_out:
        await held.execute(
            "INSERT INTO import_draft (firm_id, user_id, name, content, handed_in_at) VALUES ($1, $2, $3, $4, $5)",
            *(firm_id, by, draft.name, draft.rest, now),
        )


async def _plan(held: Connection, firm_id: int, entries: Sequence[Entry]) -> Plan:
    """Thought out beside the loop, which may have mail to file."""
    found = await _directory(held, firm_id, entries)
    return await asyncio.to_thread(plan, entries, found)


async def _directory(held: Connection, firm_id: int, entries: Sequence[Entry]) -> Directory:
    """The clients that the entries name, and the contacts of these, or with an address of the entries."""
    clients = await held.fetch(
        """
        SELECT id, external_id, name, number, archived_at IS NOT NULL AS archived FROM client
        WHERE firm_id = $1 AND external_id = ANY($2)
        """,
        firm_id,
        list({entry.client_id for entry in entries}),
    )
    contacts = await held.fetch(
        """
        SELECT id, name FROM contact WHERE firm_id = $1 AND (id IN (SELECT contact_id FROM contact_address WHERE firm_id = $1
        AND address_key = ANY($2)) OR id IN (SELECT contact_id FROM client_contact WHERE client_id = ANY($3::bigint[])))
        """,
        firm_id,
        list({entry.address_key for entry in entries if entry.address_key}),
        [row["id"] for row in clients],
    )
    ids = [row["id"] for row in contacts]
    addresses = await held.fetch("SELECT address_key, contact_id FROM contact_address WHERE contact_id = ANY($1::bigint[])", ids)
    links = await held.fetch(
        """
        SELECT l.contact_id, l.client_id, l.nominated, k.archived_at IS NOT NULL AS archived FROM client_contact l
        JOIN client k ON k.id = l.client_id WHERE l.contact_id = ANY($1::bigint[])
        """,
        ids,
    )
    return Directory(
        {row["external_id"]: KnownClient(row["id"], row["name"], row["number"], row["archived"]) for row in clients},
        {row["id"]: row["name"] for row in contacts},
        {(row["address_key"], row["contact_id"]) for row in addresses},
        {(row["contact_id"], row["client_id"]): row["nominated"] for row in links},
        frozenset(row["client_id"] for row in links if row["archived"]),
    )


async def _write(held: Connection, firm_id: int, changes: Plan) -> None:
    client_ids = await _ids(held, "client", list(changes.new_clients))
    contact_ids = await _ids(held, "contact", list(changes.new_contacts))
    for new in (True, False):
        rows = [(id, *said) for id, said in changes.clients.items() if (id in changes.new_clients) is new]
        await held.execute(
            """
            INSERT INTO client (id, firm_id, external_id, name, number, created_at)
            SELECT id, $1, external_id, name, number, clock_timestamp()
            FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[]) AS d(id, external_id, name, number)
            """
            if new
            else """
            UPDATE client k SET name = d.name, number = d.number FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[])
            AS d(id, external_id, name, number) WHERE k.id = d.id AND k.firm_id = $1
            """,
            firm_id,
            [client_ids.get(row[0], row[0]) for row in rows],
            [changes.new_clients.get(row[0], "") for row in rows],
            [row[1] for row in rows],
            [row[2] for row in rows],
        )
    await held.execute(
        "INSERT INTO contact (id, firm_id, name) SELECT id, $1, name FROM unnest($2::bigint[], $3::text[]) AS d(id, name)",
        firm_id,
        list(contact_ids.values()),
        list(changes.new_contacts.values()),
    )
    await held.execute(
        """
        INSERT INTO contact_address (firm_id, contact_id, address, address_key)
        SELECT $1, contact, address, key FROM unnest($2::bigint[], $3::text[], $4::text[]) AS d(contact, address, key)
        """,
        firm_id,
        [contact_ids.get(contact, contact) for _, contact in changes.new_addresses],
        list(changes.new_addresses.values()),
        [key for key, _ in changes.new_addresses],
    )
    for statement, links in (
        (
            """
            INSERT INTO client_contact (contact_id, client_id, nominated)
            SELECT contact, client, nominated FROM unnest($1::bigint[], $2::bigint[], $3::bool[]) AS d(contact, client, nominated)
            """,
            changes.new_links,
        ),
        (
            """
            UPDATE client_contact l SET nominated = d.nominated FROM unnest($1::bigint[], $2::bigint[], $3::bool[])
            AS d(contact, client, nominated) WHERE l.contact_id = d.contact AND l.client_id = d.client
            """,
            changes.nominations,
        ),
    ):
        await held.execute(
            statement,
            [contact_ids.get(contact, contact) for contact, _ in links],
            [client_ids.get(client, client) for _, client in links],
            list(links.values()),
        )


async def _ids(held: Connection, table: str, new: list[int]) -> dict[int, int]:
    """The ids that rows will have, known beforehand: what refers to them is written in as few statements."""
    rows = await held.fetch(f"SELECT nextval(pg_get_serial_sequence('{table}', 'id')) AS id FROM generate_series(1, $1)", len(new))  # noqa: S608
    return dict(zip(new, sorted(row["id"] for row in rows), strict=True))


def _told(changes: Plan, news: int) -> Imported:
    further = sum(contact not in changes.new_contacts for contact, _ in changes.new_links)
    return Imported(
        len(changes.new_clients),
        len(changes.new_contacts),
        len(changes.new_addresses),
        changes.changed_clients,
        further,
        len(changes.nominations),
        news,
    )
