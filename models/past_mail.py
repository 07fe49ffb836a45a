"""Past mail: what came before its people were contacts is owed a search in the firm's mailboxes.

Addresses are searched for as they were given and by their keys. Gmail's search knows no plus-tags: past mail of pat+tax@example.com is
found only where a contact was given just so. New mail needs no search.
"""

import json
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.database import Connection
from models.gaps import MARGIN

AT_ONCE = 20  # address keys to a search
LETTERS = 300  # and letters of theirs: how long a search may be, Google does not say
TOO_MANY = 400  # new addresses: so many searches cost more than to judge everything again
ROUNDS = 2  # the second some minutes after the first: Gmail's search shows a mail later than its history does
WIDEST = timedelta(days=3650)  # asked for at once

# Which address stands for which living client by what is new, and which of these did before. Two statements, and the client asked for by
# its key: in a first import PostgreSQL knows nothing of the tables yet, and would multiply them.
FRESH = """
    SELECT a.address_key AS key, a.address, l.client_id FROM contact_address a JOIN client_contact l ON l.contact_id = a.contact_id
    WHERE a.firm_id = $1 AND (a.id > $2 OR l.id > $3) AND (SELECT k.archived_at IS NULL FROM client k WHERE k.id = l.client_id)
"""
OLD = """
    SELECT a.address_key, l.client_id FROM contact_address a JOIN client_contact l ON l.contact_id = a.contact_id
    WHERE a.firm_id = $1 AND a.id <= $2 AND l.id <= $3 AND a.address_key = ANY($4::text[])
"""

Spellings = Mapping[str, Set[str]]  # of each address key


@dataclass(frozen=True, slots=True)
class Known:
    """The last rows of the directory before a change: what comes behind them is new."""

    address_id: int
    link_id: int


async def known(held: Connection) -> Known:
    """Within the transaction that changes the directory, under the firm's lock."""
    row = await held.fetchrow(
        "SELECT coalesce((SELECT max(id) FROM contact_address), 0) AS a, coalesce((SELECT max(id) FROM client_contact), 0) AS l"
    )
    return Known(row["a"], row["l"])


async def owe_news(held: Connection, firm_id: int, before: Known, now: datetime) -> int:
    """Owes the past mail of every address that stands for a client now and did not before. Returns how many there are.

    Safe to repeat: what is known already is no news.
    """
    fresh = await held.fetch(FRESH, firm_id, before.address_id, before.link_id)
    keys = sorted({row["key"] for row in fresh})
    old = {tuple(row) for row in await held.fetch(OLD, firm_id, before.address_id, before.link_id, keys)}
    news = _spellings((row["key"], row["address"]) for row in fresh if (row["key"], row["client_id"]) not in old)
    await _owe(held, firm_id, news, now)
    return len(news)


async def owe_of_client(held: Connection, firm_id: int, client_id: int, since: datetime, now: datetime) -> None:
    """Owes what came since then from and to all contacts of a client."""
    rows = await held.fetch(
        """
        SELECT DISTINCT a.address_key AS key, a.address FROM contact_address a JOIN client_contact l ON l.contact_id = a.contact_id
        WHERE l.client_id = $1
        """,
        client_id,
    )
    await _owe(held, firm_id, _spellings((row["key"], row["address"]) for row in rows), now, since)


def _spellings(rows: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for key, address in rows:
        found.setdefault(key, set()).update(spellings(key, address))
    return found


def spellings(key: str, address: str) -> frozenset[str]:
    """How an address may be found: by its key, and as it was given. Whether Gmail's search leaves out dots as its mailboxes do is not
    documented (docs/google.md, What we do not know)."""
    given = address.strip().casefold()
    at_gmail = {f"{given.rpartition('@')[0]}@gmail.com"} if key.endswith("@gmail.com") else set()
    return frozenset(spelt for spelt in {key, given} | at_gmail if '"' not in spelt)


def searches(addresses: Spellings) -> list[list[str] | None]:
    """The addresses of each search; None for a listing of everything. In the order of the keys."""
    if len(addresses) > TOO_MANY:
        return [None]
    found: list[list[str] | None] = []
    keys, group = 0, list[str]()
    for key in sorted(addresses):
        spelt = sorted(addresses[key])
        if group and (keys == AT_ONCE or sum(map(len, group + spelt)) > LETTERS):
            found.append(group)
            keys, group = 0, []
        keys, group = keys + 1, group + spelt
    return [*found, group] if group else found


async def _owe(held: Connection, firm_id: int, addresses: Spellings, now: datetime, since: datetime | None = None) -> None:
    """Every mailbox that is not disconnected, whatever else it is, gets its gaps: a paused or lapsed one works them off when it is back.
    Its start stays a border, and so does the number of days that the firm has chosen."""
    wanted = searches(addresses)
    if not wanted:
        return
    await held.execute(
        """
        WITH box AS (SELECT m.id, greatest(m.started_at, $6::timestamptz, $2::timestamptz - f.past_days * interval '1 day') AS since
        FROM mailbox m JOIN firm f ON f.id = m.firm_id WHERE m.firm_id = $1 AND m.state <> 'disconnected' AND f.past_days > 0
        ORDER BY m.id FOR NO KEY UPDATE OF m),
        owed AS (INSERT INTO gap (mailbox_id, since, until, reason, width_s, opened_at, addresses, rounds)
        SELECT box.id, box.since, $3, 'contact', CASE WHEN g.addresses IS NULL THEN 86400 ELSE $4 END, $2, g.addresses, $5
        FROM box, unnest($7::jsonb[]) AS g(addresses))
        UPDATE mailbox m SET recover_at = $2 FROM box WHERE m.id = box.id
        """,
        firm_id,
        now,
        now + MARGIN,
        int(WIDEST.total_seconds()),
        ROUNDS,
        since,
        [None if group is None else json.dumps(group) for group in wanted],
    )
