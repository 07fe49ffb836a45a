"""What is known of one message of a person's own mailbox, for who asks why it is not here. Nothing that is private to others."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.activities import Status
from models.database import Connection, connection
from models.emails import Kind
from models.firms import User
from models.ledger import Outcome
from models.sight import visible_to

ENTRY = """
    SELECT l.outcome, l.reason, l.owed_at, l.found_at, l.settled_at, l.next_attempt_at, l.tries, l.strikes, l.wanted_for_id AS wanted_for,
    k.name AS wanted_name FROM ledger_entry l LEFT JOIN client k ON k.id = l.wanted_for_id WHERE l.mailbox_id = $1 AND l.gmail_id = $2
"""
MAIL = f"""
    SELECT e.id, e.version, e.kind, e.dismissed_at, e.erased_at, x.by AS dismissed_by,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(a.id, c.id, c.name, a.status, a.reason) ORDER BY lower(c.name), c.id), '[]')
    FROM activity a JOIN client c ON c.id = a.client_id WHERE a.email_id = e.id AND a.status IN ('filed', 'review')) AS places
    FROM email e LEFT JOIN LATERAL (SELECT u.name AS by FROM audit_entry y JOIN app_user u ON u.id = y.user_id
    WHERE y.email_id = e.id AND y.act = 'dismissed' ORDER BY y.id DESC LIMIT 1) x ON true
    WHERE e.firm_id = $1 AND e.id = $3 AND {visible_to("$2")}
"""  # noqa: S608  # words of ours
RECEIVED = "SELECT r.email_id FROM receipt r JOIN mailbox m ON m.id = r.mailbox_id WHERE m.id = $1 AND m.user_id = $2 AND r.gmail_id = $3"
COPIES = f"""
    SELECT e.identity, e.id FROM email e WHERE e.firm_id = $1 AND e.thread_root = $3 AND e.message_id = $4 AND {visible_to("$2")}
"""  # noqa: S608
HERE = """
    SELECT r.gmail_id FROM receipt r JOIN activity a ON a.email_id = r.email_id AND a.status IN ('filed', 'review')
    WHERE r.mailbox_id = $1 AND r.gmail_id = ANY($2::text[])
"""
COOLING = """
    SELECT greatest(m.cool_down_until, (SELECT p.fresh_after FROM project_state p)) AS until FROM mailbox m WHERE m.id = $1
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger says of a message. `wanted_for`: the client that a person wants it filed under."""

    outcome: Outcome | None
    reason: str | None
    owed_at: datetime | None
    found_at: datetime
    settled_at: datetime | None
    next_attempt_at: datetime | None
    tries: int
    strikes: int  # workers that died over it
    wanted_for: int | None
    wanted_name: str | None


@dataclass(frozen=True, slots=True)
class Place:
    activity_id: int
    client_id: int
    client: str
    status: Status
    reason: str


@dataclass(frozen=True, slots=True)
class Filed:
    """The e-mail that a message is, as a person sees it. `places`: where it is shown; `dismissed_by`: a name, if a person did it."""

    id: int
    version: int
    kind: Kind
    dismissed_at: datetime | None
    erased_at: datetime | None
    dismissed_by: str | None
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A line of a never-file list. `own`: of the user's own one, not the firm's."""

    text: str
    own: bool


async def entry_of(mailbox_id: int, gmail_id: str) -> Entry | None:
    async with connection() as held:
        row = await held.fetchrow(ENTRY, mailbox_id, gmail_id)
    return Entry(**row) if row else None


async def mail_of(user: User, mailbox_id: int, gmail_id: str) -> Filed | None:
    """The e-mail that was recorded from this very message of the user's own mailbox."""
    async with connection() as held:
        email_id = await held.fetchval(RECEIVED, mailbox_id, user.id, gmail_id)
        return await _mail(held, user, email_id) if email_id else None


async def copies_of(user: User, thread_root: str | None, message_id: str | None) -> dict[str, int]:
    """Identity to id of the e-mails that say they are this one, from whichever mailbox, as far as the user may see them."""
    if thread_root is None or message_id is None:
        return {}
    async with connection() as held:
        rows = await held.fetch(COPIES, user.firm_id, user.id, thread_root, message_id)
    return {row["identity"]: row["id"] for row in rows}


async def mail_seen_by(user: User, email_id: int) -> Filed | None:
    async with connection() as held:
        return await _mail(held, user, email_id)


async def are_here(mailbox_id: int, gmail_ids: Collection[str]) -> frozenset[str]:
    """Those of a user's own messages that are shown under some client."""
    async with connection() as held:
        return frozenset(row["gmail_id"] for row in await held.fetch(HERE, mailbox_id, list(gmail_ids)))


async def patterns_that_name(user: User, keys: Collection[str]) -> Sequence[Pattern]:
    """The lines of the never-file lists that count for the user's mailboxes and name one of these address keys, or its domain."""
    named = {*keys, *(key.rpartition("@")[2] for key in keys)}
    async with connection() as held:
        rows = await held.fetch(
            """
            SELECT pattern AS text, user_id IS NOT NULL AS own FROM never_file
            WHERE firm_id = $1 AND (user_id IS NULL OR user_id = $2) AND pattern = ANY($3::text[]) ORDER BY own, pattern
            """,
            user.firm_id,
            user.id,
            sorted(named),
        )
    return [Pattern(**row) for row in rows]


async def cooling_until(mailbox_id: int, now: datetime) -> datetime | None:
    """Until when Google wants this mailbox, or the whole project, to be left alone; None if it may be asked."""
    async with connection() as held:
        until: datetime | None = await held.fetchval(COOLING, mailbox_id)
    return until if until and until > now else None


async def cool_down(mailbox_id: int, epoch: int, until: datetime) -> None:
    """Google refused this mailbox until then: the sync leaves it alone, too."""
    async with connection() as held:
        await held.execute(
            "UPDATE mailbox SET cool_down_until = greatest(cool_down_until, $3) WHERE id = $1 AND epoch = $2", mailbox_id, epoch, until
        )


async def _mail(held: Connection, user: User, email_id: int) -> Filed | None:
    row: Mapping[str, Any] | None = await held.fetchrow(MAIL, user.firm_id, user.id, email_id)
    if row is None:
        return None
    facts = {name: row[name] for name in Filed.__slots__ if name != "places"}
    return Filed(**facts, places=tuple(Place(*place) for place in json.loads(row["places"])))
