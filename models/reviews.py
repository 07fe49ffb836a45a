"""The review queue as rows: e-mails that wait for a person, each with its candidates and why; never more of a body than its beginning.

*Mine* are those that lie in a mailbox of the user's, unless they were handed over, and what was handed over to them. Questions of automatic
and mass mail are quiet: they wait apart, and no heading counts them. What is private to others is on no list and in no number.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from models.database import connection
from models.emails import Kind, Trust
from models.firms import User
from models.sight import is_private, received_by, visible_to
from models.verdicts import Seen

Whose = Literal["mine", "everyone"]

# Whoever left holds nothing: what waited for them waits for who received it.
OPEN = f"""
    SELECT r.id, r.email_id, r.candidates, r.quiet, h.id AS holder_id, h.name AS holder, own.received,
    coalesce(h.id = $2, own.received) AS mine
    FROM review r LEFT JOIN app_user h ON h.id = r.holder_id AND h.active
    CROSS JOIN LATERAL (SELECT {received_by("$2", "r.email_id")} AS received) own
    WHERE r.firm_id = $1 AND r.decided_at IS NULL AND {visible_to("$2", "r.email_id")}
"""  # noqa: S608  # words of ours
COUNTS = f"""
    SELECT count(*) FILTER (WHERE mine AND NOT quiet) AS mine, count(*) FILTER (WHERE NOT quiet) AS everyone,
    count(*) FILTER (WHERE mine AND quiet) AS mine_quiet, count(*) FILTER (WHERE quiet) AS everyone_quiet FROM ({OPEN}) o
"""  # noqa: S608
NEWS = f"""
    SELECT count(*) FILTER (WHERE mine AND NOT quiet AND id > $3) AS mine, count(*) FILTER (WHERE NOT quiet AND id > $3) AS everyone,
    coalesce(max(id), 0) AS newest FROM ({OPEN}) o
"""  # noqa: S608
FACTS = f"""
    WITH o AS MATERIALIZED ({OPEN} AND {{which}})
    SELECT o.*, e.version, e.subject, left(e.text, 300) AS snippet, e.sent_at, e.kind, e.trust, e.outgoing, {is_private("e.id")} AS private,
    (SELECT a.id FROM activity a WHERE a.email_id = e.id AND a.status = 'review' LIMIT 1) AS activity_id, w.name AS sender, w.address,
    ARRAY(SELECT coalesce(nullif(p.name, ''), p.address) FROM participant p WHERE p.email_id = e.id AND p.header = 'to'
    ORDER BY p.position LIMIT 3) AS recipients,
    ARRAY(SELECT DISTINCT u.name FROM receipt t JOIN mailbox m ON m.id = t.mailbox_id JOIN app_user u ON u.id = m.user_id
    WHERE t.email_id = e.id AND u.id <> $2 ORDER BY u.name) AS colleagues,
    (SELECT count(*) FROM attachment f WHERE f.email_id = e.id) AS attachments
    FROM o JOIN email e ON e.id = o.email_id
    LEFT JOIN LATERAL (SELECT p.name, p.address FROM participant p WHERE p.email_id = e.id AND p.header = 'from'
    ORDER BY p.position LIMIT 1) w ON true {{page}}
"""  # noqa: S608
NAMES = """
    SELECT id, name, archived_at IS NOT NULL AS archived FROM client WHERE firm_id = $1 AND id = ANY($2::bigint[])
"""


@dataclass(frozen=True, slots=True)
class Candidate:
    client_id: int
    name: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """One open question, as a person of the firm sees it. `candidates`: the best first; none that is archived or gone."""

    email_id: int
    version: int
    activity_id: int | None  # where it stands until somebody answers
    subject: str
    snippet: str
    sent_at: datetime
    sender: str  # a name, maybe empty
    address: str  # the sender's
    outgoing: bool
    recipients: tuple[str, ...]  # the first in To
    received: bool  # by the user
    colleagues: tuple[str, ...]  # who else received it
    attachments: int
    kind: Kind
    trust: Trust
    quiet: bool
    private: bool
    holder_id: int | None
    holder: str | None  # the colleague who is to answer
    candidates: tuple[Candidate, ...]

    @property
    def seen(self) -> Seen:
        return Seen(self.email_id, self.version)

    def is_of(self, user_id: int) -> bool:
        """It waits for the user, who asked for it."""
        return self.received if self.holder_id is None else self.holder_id == user_id


@dataclass(frozen=True, slots=True)
class Counts:
    """How many questions are open."""

    mine: int
    everyone: int
    mine_quiet: int
    everyone_quiet: int


@dataclass(frozen=True, slots=True)
class News:
    """How many questions came after a certain one; `newest`: the last that is open."""

    mine: int
    everyone: int
    newest: int


async def news(user: User, after: int = 0) -> News:
    """Of the questions that this user may see; automatic and mass mail is none."""
    async with connection() as held:
        return News(**await held.fetchrow(NEWS, user.firm_id, user.id, after))


async def counts(user: User) -> Counts:
    """Of those that this user may see."""
    async with connection() as held:
        return Counts(**await held.fetchrow(COUNTS, user.firm_id, user.id))


async def mine(user: User, offset: int, limit: int, *, quiet: bool = False) -> list[Question]:
    """Newest mail first. Two queries, however many."""
    return await _page(user, "o.mine", offset, limit, quiet)


async def everyones(user: User, offset: int, limit: int, *, quiet: bool = False) -> list[Question]:
    """Newest mail first. Two queries, however many."""
    return await _page(user, "true", offset, limit, quiet)


async def questions(user: User, email_ids: Collection[int]) -> dict[int, Question]:
    """Those among these e-mails that are open, and that this user may see."""
    return {question.email_id: question for question in await _read(user, "r.email_id = ANY($3::bigint[])", "", list(email_ids))}


async def _page(user: User, which: str, offset: int, limit: int, quiet: bool) -> list[Question]:
    page = f"WHERE {which} ORDER BY e.sent_at DESC, e.id DESC OFFSET $4 LIMIT $5"
    return await _read(user, "r.quiet = $3", page, quiet, offset, limit)


async def _read(user: User, which: str, page: str, *values: Any) -> list[Question]:
    """Of the open ones `which`, of them this `page`: words of ours. Open ones are picked first: sorted with all mail of the firm they would
    take as long as that is."""
    async with connection() as held:
        rows = await held.fetch(FACTS.format(which=which, page=page), user.firm_id, user.id, *values)
        found = [(row, json.loads(row["candidates"])) for row in rows]
        ids = {candidate["client"] for _, candidates in found for candidate in candidates}
        clients = {row["id"]: row for row in await held.fetch(NAMES, user.firm_id, sorted(ids))}
    return [_question(row, candidates, clients) for row, candidates in found]


def _question(row: Mapping[str, Any], candidates: list[dict[str, Any]], clients: Mapping[int, Mapping[str, Any]]) -> Question:
    facts = {name: row[name] for name in Question.__slots__ if name not in ("candidates", "recipients", "colleagues", "sender", "address")}
    living = (one for one in candidates if one["client"] in clients and not clients[one["client"]]["archived"])
    return Question(
        **facts,
        sender=row["sender"] or "",
        address=row["address"] or "",
        recipients=tuple(row["recipients"]),
        colleagues=tuple(row["colleagues"]),
        candidates=tuple(Candidate(one["client"], clients[one["client"]]["name"], tuple(one["reasons"])) for one in living),
    )
