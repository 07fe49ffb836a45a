"""What is known about an e-mail in doubt: whose the mail of its people was before, by what persons and certainty have said.

Nothing here guesses: pipeline/guess.py does. What is private, and what a forger sent, is evidence of nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from models.address import FREE_MAIL, untagged
from models.database import Connection

RECENT = 20  # sightings of one address that count
LOOKED_AT = 300  # mails of one address that are looked at: a guess costs the same however large the firm is
PEOPLE = 50  # addresses of one mail whose history is looked at
OF_LATE = timedelta(days=180)
MOST_OWN = 100  # mails of a client of which it is looked at who received them

KNOWN = """
    SELECT k.id, k.name, k.number, ARRAY(SELECT DISTINCT split_part(a.address_key, '@', -1) FROM client_contact l
    JOIN contact_address a ON a.contact_id = l.contact_id WHERE l.client_id = k.id AND NOT EXISTS
    (SELECT 1 FROM client_contact o WHERE o.contact_id = l.contact_id AND o.client_id <> l.client_id)) AS domains
    FROM client k WHERE k.firm_id = $1 AND k.id = ANY($2::bigint[]) AND k.archived_at IS NULL ORDER BY k.id
"""
# OFFSET 0 keeps the planner from turning these into joins of whole tables.
FILED = """
    SELECT a.client_id, a.how IN ('person', 'inherited') OR a.decided_by_id IS NOT NULL AS by_person FROM activity a
    WHERE a.email_id = m.id AND a.client_id = ANY($3::bigint[]) AND a.status = 'filed' AND NOT a.private OFFSET 0
"""
SIGHTINGS = f"""
    SELECT k.key, s.* FROM unnest($4::text[]) AS k(key) CROSS JOIN LATERAL (
        SELECT f.client_id, e.sent_at, e.subject, f.by_person, e.id
        FROM (SELECT DISTINCT p.email_id AS id FROM participant p WHERE p.key = k.key ORDER BY 1 DESC LIMIT {LOOKED_AT}) m
        CROSS JOIN LATERAL ({FILED}) f CROSS JOIN LATERAL (
            SELECT e.id, e.sent_at, e.subject FROM email e WHERE e.id = m.id AND e.firm_id = $1 AND e.trust <> 'forged' OFFSET 0
        ) e WHERE e.id <> $2 ORDER BY e.sent_at DESC, e.id DESC, f.client_id LIMIT {RECENT}
    ) s ORDER BY k.key, s.sent_at DESC, s.id DESC, s.client_id
"""  # noqa: S608  # constants of ours
THREAD = f"""
    SELECT f.client_id, m.sent_at, m.subject, f.by_person FROM email m CROSS JOIN LATERAL ({FILED}) f
    WHERE m.firm_id = $1 AND m.thread_root = (SELECT thread_root FROM email WHERE id = $2) AND m.id <> $2 AND m.trust <> 'forged'
    AND (SELECT true FROM participant p WHERE p.email_id = m.id AND p.key = ANY($4::text[]) LIMIT 1)
    ORDER BY m.sent_at DESC, m.id DESC, f.client_id LIMIT {RECENT}
"""  # noqa: S608  # constants of ours
NOMINATED = """
    SELECT a.address_key AS key, array_agg(DISTINCT l.client_id) AS clients FROM contact_address a
    JOIN client_contact l ON l.contact_id = a.contact_id AND l.nominated AND l.client_id = ANY($2::bigint[])
    WHERE a.firm_id = $1 AND a.address_key = ANY($3::text[]) GROUP BY a.address_key
"""
OWN = f"""
    SELECT k.id, seen.* FROM unnest($2::bigint[]) AS k(id) CROSS JOIN LATERAL (
        SELECT count((SELECT true FROM receipt r WHERE r.email_id = a.email_id
        AND r.mailbox_id = ANY(ARRAY(SELECT mailbox_id FROM receipt WHERE email_id = $1)) LIMIT 1)) AS received, count(*) AS mails FROM (
            SELECT a.email_id FROM activity a WHERE a.client_id = k.id AND a.sent_at > $3 AND a.status = 'filed' AND NOT a.private
            AND a.email_id <> $1 ORDER BY a.sent_at DESC LIMIT {MOST_OWN}
        ) a
    ) seen
"""  # noqa: S608  # constants of ours


@dataclass(frozen=True, slots=True)
class Doubt:
    """What the e-mail itself says. `addresses`: the keys that are in doubt, each with the clients that it stands for; what is known of no
    address any more, of "". `people`: the keys of everybody on it who is no staff, the doubtful ones included; but not the one of whom only
    a list says that they wrote it. `claims`: that key, and the list's address."""

    addresses: Mapping[str, frozenset[int]]
    people: frozenset[str]
    author: str | None
    subject: str
    text: str
    filenames: tuple[str, ...]
    sent_at: datetime
    claims: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """A candidate as the firm knows it. `domains`: of the addresses of contacts that are this client's alone; never a free-mail one."""

    client_id: int
    name: str
    number: str = ""
    domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Sighting:
    """A mail of before, under a client for certain: `by_person` says that somebody decided so (or that it followed such a decision)."""

    client_id: int
    at: datetime
    subject: str
    by_person: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """All about candidates only. `sightings`: of each address key, newest first, `RECENT` at most. `thread`: of other mails of the thread
    that share a participant who is no staff, newest first. `nominated`: the client that a doubtful address's contact was nominated for.
    `own`: of each candidate's mails of late, how many the receiving colleagues had, and how many there are."""

    known: tuple[Known, ...]
    sightings: Mapping[str, tuple[Sighting, ...]] = field(default_factory=dict)
    thread: tuple[Sighting, ...] = ()
    nominated: Mapping[str, frozenset[int]] = field(default_factory=dict)
    own: Mapping[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate in its place, with reasons in words for a person, the strongest first."""

    client_id: int
    reasons: tuple[str, ...]


Rank = Callable[[Doubt, Evidence], tuple[Ranked, ...]]


async def gather(held: Connection, firm_id: int, email_id: int, doubt: Doubt, now: datetime) -> Evidence:
    """All that the firm knows of a recorded e-mail that is in doubt. Clients that are archived are no candidates any more.

    Five queries by index, which look at a limited number of mails each.
    """
    known = await _known(held, firm_id, doubt)
    ids = [candidate.client_id for candidate in known]
    people = people_looked_at(doubt)
    sightings = await held.fetch(SIGHTINGS, firm_id, email_id, ids, people)
    thread = await held.fetch(THREAD, firm_id, email_id, ids, people)
    own = await held.fetch(OWN, email_id, ids, now - OF_LATE)
    return Evidence(
        known,
        {key: tuple(map(_sighting, rows)) for key, rows in groupby(sightings, key=lambda row: str(row["key"]))},
        tuple(map(_sighting, thread)),
        await _nominated(held, firm_id, ids, sorted(doubt.addresses)),
        {row["id"]: (row["received"], row["mails"]) for row in own if row["mails"]},
    )


async def _known(held: Connection, firm_id: int, doubt: Doubt) -> tuple[Known, ...]:
    rows = await held.fetch(KNOWN, firm_id, sorted(frozenset[int]().union(*doubt.addresses.values())))
    return tuple(Known(row["id"], row["name"], row["number"], frozenset(row["domains"]) - FREE_MAIL) for row in rows)


def people_looked_at(doubt: Doubt) -> list[str]:
    """Of very many the author and those in doubt are sure to be looked at, whatever the order of addresses."""
    foremost = {doubt.author} | set(doubt.addresses)
    return sorted(doubt.people, key=lambda key: (key not in foremost, key))[:PEOPLE]


async def _nominated(held: Connection, firm_id: int, ids: list[int], keys: list[str]) -> dict[str, frozenset[int]]:
    """An address with a plus-tag that is nobody's own is the contact's without it, as in matching."""
    rows = await held.fetch(NOMINATED, firm_id, ids, sorted({*keys, *map(untagged, keys)}))
    found = {row["key"]: frozenset[int](row["clients"]) for row in rows}
    return {key: clients for key in keys if (clients := found.get(key) or found.get(untagged(key)))}


def _sighting(row: Mapping[str, Any]) -> Sighting:
    return Sighting(row["client_id"], row["sent_at"], row["subject"], row["by_person"])


def in_order(doubt: Doubt, evidence: Evidence) -> tuple[Ranked, ...]:
    """No guess at all: candidates by id, with the reason why they are candidates."""
    return tuple(Ranked(known.client_id, ("one of the clients that an address stands for",)) for known in evidence.known)
