"""A client by hand: added, renamed; what archiving, merging or removing one would do, in numbers; and what a change has done."""

import json
from dataclasses import dataclass
from datetime import datetime

from models.audit_log import note
from models.client_file import LONGEST
from models.clients import NoSuchClient
from models.database import Connection, connection, transaction

ACTS = (
    *("client changed", "archived", "restored", "merged", "removed"),
    *("contact added", "contact removed", "address added", "address removed", "nominated", "not nominated", "imported"),
)
FORESEEN = """
    SELECT (SELECT count(*) FROM activity WHERE client_id = k.id AND status IN ('filed', 'review')) AS mails,
    (SELECT count(*) FROM activity a WHERE a.client_id = k.id AND a.status IN ('filed', 'review')
    AND EXISTS (SELECT 1 FROM activity b WHERE b.email_id = a.email_id AND b.client_id = $3)) AS both,
    (SELECT count(*) FROM client_contact WHERE client_id = k.id) AS contacts,
    (SELECT count(*) FROM client_contact l WHERE l.client_id = k.id
    AND NOT EXISTS (SELECT 1 FROM client_contact o WHERE o.contact_id = l.contact_id AND o.client_id <> k.id)) AS lone_contacts,
    (SELECT count(*) FROM review r WHERE r.firm_id = $1 AND r.decided_at IS NULL
    AND r.candidates @> jsonb_build_array(jsonb_build_object('client', k.id))) AS questions,
    (SELECT count(*) FROM activity a JOIN email e ON e.id = a.email_id WHERE a.client_id = k.id AND e.dismissed_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM activity o WHERE o.email_id = a.email_id AND o.client_id <> k.id)
    AND NOT (a.status = 'review' AND EXISTS (SELECT 1 FROM review r WHERE r.email_id = a.email_id AND r.decided_at IS NULL
    AND jsonb_array_length(r.candidates) > 1))) AS erased
    FROM client k WHERE k.firm_id = $1 AND k.id = $2
"""


class NotSaved(Exception):
    """Nothing was changed.

    NotSaved
    ├── NoClientName
    ├── TooLongFor(field, most)   a field of so many characters at most
    ├── IdTaken(client_id, name)  another client has this external id
    └── Meanwhile(name, number)   somebody else changed it meanwhile: this is what it is now
    """


class NoClientName(NotSaved):
    pass


class TooLongFor(NotSaved):
    pass


class IdTaken(NotSaved):
    pass


class Meanwhile(NotSaved):
    pass


@dataclass(frozen=True, slots=True)
class Foreseen:
    """Of one client. All of the firm's mail is counted, private mail too: what would be erased is not hidden from who erases it."""

    mails: int  # filed, or its guess
    both: int  # of them also under the client into which it would be merged
    contacts: int
    lone_contacts: int  # nobody else's
    questions: int  # open, of which it is a candidate
    erased: int  # e-mails that are under no other client


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody did to the directory."""

    act: str
    at: datetime
    client_id: int | None
    counts: dict[str, int]


async def add(firm_id: int, name: str, number: str, external_id: str, by: int, now: datetime) -> int:
    """The client's id. To add the same once more finds it. Raises `NoClientName`, `TooLongFor`, `IdTaken`."""
    _check(name, number, external_id)

    async def work(held: Connection) -> int:
        await held.execute("SELECT 1 FROM firm WHERE id = $1 FOR NO KEY UPDATE", firm_id)
        there = await held.fetchrow("SELECT id, name, number FROM client WHERE firm_id = $1 AND external_id = $2", firm_id, external_id)
        if there and (there["name"], there["number"]) != (name, number):
            raise IdTaken(there["id"], there["name"])
        if there:
            return int(there["id"])
        client_id: int = await held.fetchval(
            "INSERT INTO client (firm_id, external_id, name, number, created_at) VALUES ($1, $2, $3, $4, $5) RETURNING id",
            *(firm_id, external_id, name, number, now),
        )
        await note(held, firm_id, by, "client added", None, {}, {"client": client_id}, now)
        return client_id

    return await transaction(work)


async def change(firm_id: int, client_id: int, was: tuple[str, str], name: str, number: str, by: int, now: datetime) -> int:
    """`was`: name and number as the person saw them. Its entry in the audit; 0 where it is so already. Raises `NoSuchClient`,
    `NoClientName`, `TooLongFor`, `Meanwhile`."""
    _check(name, number)

    async def work(held: Connection) -> int:
        await held.execute("SELECT 1 FROM firm WHERE id = $1 FOR NO KEY UPDATE", firm_id)
        there = await held.fetchrow("SELECT name, number FROM client WHERE id = $1 AND firm_id = $2", client_id, firm_id)
        if there is None:
            raise NoSuchClient
        if tuple(there) == (name, number):
            return 0
        if tuple(there) != was:
            raise Meanwhile(*there)
        await held.execute("UPDATE client SET name = $2, number = $3 WHERE id = $1", client_id, name, number)
        return await note(held, firm_id, by, "client changed", None, {"client": client_id}, {"client": client_id}, now)

    return await transaction(work)


async def foresee(firm_id: int, client_id: int, into_id: int = 0) -> Foreseen:
    """Raises `NoSuchClient`."""
    async with connection() as held:
        row = await held.fetchrow(FORESEEN, firm_id, client_id, into_id)
    if row is None:
        raise NoSuchClient
    return Foreseen(**row)


async def told(firm_id: int, user_id: int, entry_id: int) -> Told | None:
    """What this user did, by its entry in the audit; None for anybody else's."""
    async with connection() as held:
        row = await held.fetchrow(
            "SELECT act, at, before, after FROM audit_entry WHERE id = $1 AND firm_id = $2 AND user_id = $3 AND act = ANY($4)",
            *(entry_id, firm_id, user_id, ACTS),
        )
    return _told(row["act"], row["at"], json.loads(row["before"]), json.loads(row["after"])) if row else None


async def imported_from(firm_id: int, user_id: int, draft_id: int) -> int | None:
    """The entry of the import that this draft became: for who pressed the button twice."""
    async with connection() as held:
        return await held.fetchval(  # type: ignore[no-any-return]
            """
            SELECT id FROM audit_entry WHERE firm_id = $1 AND user_id = $2 AND act = 'imported' AND before ->> 'draft' = $3
            ORDER BY at DESC LIMIT 1
            """,
            *(firm_id, user_id, str(draft_id)),
        )


async def merged_into(firm_id: int, client_id: int) -> int | None:
    """Which client one that is gone went into."""
    async with connection() as held:
        return await held.fetchval(  # type: ignore[no-any-return]
            """
            SELECT (after ->> 'client')::bigint FROM audit_entry WHERE firm_id = $1 AND act = 'merged' AND email_id IS NULL
            AND before ->> 'client' = $2 ORDER BY id DESC LIMIT 1
            """,
            *(firm_id, str(client_id)),
        )


def _told(act: str, at: datetime, before: dict[str, object], after: dict[str, object]) -> Told:
    client = after.get("client") or before.get("client")
    counts = {name: count for name, count in after.items() if isinstance(count, int) and name != "client"}
    return Told(act, at, client if isinstance(client, int) else None, counts)


def _check(name: str, number: str, external_id: str = "") -> None:
    if not name:
        raise NoClientName
    for field, written in (("client_name", name), ("client_number", number), ("client_id", external_id)):
        if len(written) > LONGEST[field]:
            raise TooLongFor(field, LONGEST[field])
