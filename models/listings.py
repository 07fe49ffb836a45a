"""Rows ready for the pages that list things: never the bodies of mails, which may be megabytes each."""

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter

import asyncpg

from models.database import connection
from models.firms import Role, User
from models.mailboxes import State
from models.notices import ONE_FIRST_LETTER
from models.sight import visible_to

MAIL = f"""
    SELECT a.id AS activity_id, a.client_id, c.name AS client, a.status = 'review' AS for_review, a.sent_at,
    coalesce(a.title, e.subject) AS subject, left(e.text, 300) AS snippet,
    coalesce((SELECT coalesce(nullif(p.name, ''), p.address) FROM participant p
    WHERE p.email_id = e.id AND p.header = 'from' ORDER BY p.position LIMIT 1), '') AS sender,
    (SELECT count(*) FROM attachment f WHERE f.email_id = e.id) AS attachments,
    (SELECT count(DISTINCT r.mailbox_id) FROM receipt r WHERE r.email_id = e.id) AS receipts
    FROM activity a JOIN email e ON e.id = a.email_id JOIN client c ON c.id = a.client_id
    WHERE a.firm_id = $1 AND a.status IN ('filed', 'review') AND {visible_to("$2")}
"""  # noqa: S608  # words of ours
COUNT = f"""
    SELECT count(*) FROM activity a
    WHERE a.firm_id = $1 AND a.status IN ('filed', 'review') AND a.client_id = $3 AND {visible_to("$2", "a.email_id")}
"""  # noqa: S608  # words of ours
PEOPLE = """
    SELECT u.id AS user_id, u.name, u.email, u.role, u.active, u.created_at, u.left_at, u.invited_at, i.invitation,
    m.id, m.epoch, m.address, m.address_key, m.former_key, m.state, m.connected_at, m.stopped_at, m.lapsed_at, m.lapse_reason,
    n.told_at, n.next_letter_at, m.last_push_at, m.last_checked_at, m.last_filed_at,
    CASE WHEN m.missed_id > coalesce(m.pushed_id, 0) THEN m.missed_at END AS silent_at,
    EXISTS (SELECT 1 FROM gap g WHERE g.mailbox_id = m.id AND g.closed_at IS NULL AND g.reason <> 'contact') AS catching_up
    FROM app_user u LEFT JOIN mailbox m ON m.user_id = u.id AND m.firm_id = u.firm_id
    LEFT JOIN LATERAL (SELECT max(l.sent_at) FILTER (WHERE l.sent_at > m.lapsed_at - $3::interval) AS told_at,
    min(l.due_at) FILTER (WHERE l.epoch = m.epoch AND l.sent_at IS NULL AND l.dropped_at IS NULL) AS next_letter_at
    FROM notice l WHERE l.mailbox_id = m.id AND l.kind IN ('lapse', 'reminder')) n ON m.state = 'lapsed'
    LEFT JOIN LATERAL (SELECT CASE WHEN l.sent_at IS NOT NULL THEN 'sent' WHEN l.dropped_at IS NOT NULL THEN 'refused' ELSE 'owed' END
    AS invitation FROM notice l WHERE l.user_id = u.id AND l.kind = 'invitation' ORDER BY l.id DESC LIMIT 1) i ON m.id IS NULL
    WHERE u.firm_id = $1 AND ($2::bigint IS NULL OR u.id = $2) ORDER BY lower(u.name), u.id, m.id
"""


@dataclass(frozen=True, slots=True)
class ListedMail:
    activity_id: int
    client_id: int
    client: str
    for_review: bool
    sent_at: datetime
    subject: str
    snippet: str
    sender: str  # a name, or else the address
    attachments: int
    receipts: int  # mailboxes of the firm that hold it


@dataclass(frozen=True, slots=True)
class HeldMailbox:
    """A mailbox of a person, and how it does."""

    id: int
    epoch: int
    address: str
    address_key: str
    former_key: str | None
    state: State
    connected_at: datetime
    stopped_at: datetime | None
    lapsed_at: datetime | None
    lapse_reason: str | None
    told_at: datetime | None  # when a letter about its lapse went out last
    next_letter_at: datetime | None  # when the next one is due
    last_push_at: datetime | None
    last_checked_at: datetime | None
    last_filed_at: datetime | None
    silent_at: datetime | None  # when the sweep found what no push has told of since
    catching_up: bool


@dataclass(frozen=True, slots=True)
class Person:
    """A user of a firm with all that they ever connected."""

    id: int
    name: str
    email: str
    role: Role
    active: bool
    created_at: datetime
    left_at: datetime | None
    invited_at: datetime | None
    invitation: str | None  # the letter of the last one, while nothing is connected: owed, sent, refused
    mailboxes: tuple[HeldMailbox, ...]  # in the order in which they were first connected


@dataclass(frozen=True, slots=True)
class CatchingUp:
    """A recovery under way: latest mail first, from `until` back to `since`; `unread` messages are found and not yet looked at."""

    since: datetime | None
    until: datetime | None
    reached: datetime | None
    found: int
    unread: int


async def mails_of_client(user: User, client_id: int, offset: int, limit: int) -> list[ListedMail]:
    """Those that this user may see, newest mail first."""
    async with connection() as held:
        rows = await held.fetch(
            f"{MAIL} AND a.client_id = $3 ORDER BY a.sent_at DESC, a.id DESC OFFSET $4 LIMIT $5",
            *(user.firm_id, user.id, client_id, offset, limit),
        )
    return [ListedMail(**row) for row in rows]


async def count_of_client(user: User, client_id: int) -> int:
    """How many mails of a client this user may see."""
    async with connection() as held:
        return await held.fetchval(COUNT, user.firm_id, user.id, client_id)  # type: ignore[no-any-return]


async def newest_mails(user: User, limit: int) -> list[ListedMail]:
    """What was filed last, across clients, and this user may see."""
    async with connection() as held:
        rows = await held.fetch(f"{MAIL} ORDER BY a.filed_at DESC, a.id DESC LIMIT $3", user.firm_id, user.id, limit)
    return [ListedMail(**row) for row in rows]


async def catching_up(mailbox_id: int) -> CatchingUp | None:
    """How far the open gaps of a mailbox are worked off, past mail of new contacts apart; None if there are none, and nothing that any gap
    found is still to be read."""
    async with connection() as held:
        row = await held.fetchrow(
            """
            SELECT max(g.until) AS until, min(greatest(g.since, m.started_at)) FILTER (WHERE g.id IS NOT NULL) AS since,
            min(coalesce(g.listed_to, g.until)) AS reached,
            coalesce(sum(g.found), 0)::int AS found,
            (SELECT count(*) FROM ledger_entry l WHERE l.mailbox_id = $1 AND l.owed_at IS NOT NULL AND l.found_by = 'gap') AS unread
            FROM mailbox m LEFT JOIN gap g ON g.mailbox_id = m.id AND g.closed_at IS NULL AND g.reason <> 'contact' WHERE m.id = $1
            """,
            mailbox_id,
        )
    return CatchingUp(**row) if row and (row["until"] or row["unread"]) else None


async def people(firm_id: int) -> list[Person]:
    """Everybody who is or was of the firm, by name."""
    return await _people(firm_id, None)


async def person(firm_id: int, user_id: int) -> Person | None:
    """None for somebody of another firm."""
    return next(iter(await _people(firm_id, user_id)), None)


async def _people(firm_id: int, user_id: int | None) -> list[Person]:
    async with connection() as held:
        rows = await held.fetch(PEOPLE, firm_id, user_id, ONE_FIRST_LETTER)
    return [_person(list(theirs)) for _, theirs in groupby(rows, key=itemgetter("user_id"))]


def _person(rows: list[asyncpg.Record]) -> Person:
    """From their rows: one for each mailbox, or one without."""
    held = tuple(HeldMailbox(**{name: row[name] for name in HeldMailbox.__slots__}) for row in rows if row["id"] is not None)
    theirs = {name: rows[0][name] for name in Person.__slots__ if name not in ("id", "mailboxes")}
    return Person(id=rows[0]["user_id"], mailboxes=held, **theirs)
