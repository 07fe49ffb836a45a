"""What has become of e-mails, for who decided about them or came too late: under which clients each is now, who said so, and whether that
can be taken back. Nothing of what is private to others."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.database import Connection, connection
from models.firms import User
from models.sight import visible_to
from models.staff import staff_of
from models.threads import undecided
from models.undoing import UNDOABLE

STANDS = f"""
    SELECT e.id AS email_id, e.version, e.subject, e.sent_at, e.dismissed_at, e.erased_at, w.address AS author,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(a.id, c.id, c.name) ORDER BY lower(c.name), c.id), '[]') FROM activity a
    JOIN client c ON c.id = a.client_id WHERE a.email_id = e.id AND a.status IN ('filed', 'review')) AS places,
    EXISTS (SELECT 1 FROM review r WHERE r.email_id = e.id AND r.decided_at IS NULL) AS open,
    x.act, x.user_id AS by_id, u.name AS by, x.at, x.act = ANY($4::text[]) AND x.version = e.version AND e.erased_at IS NULL AS undoable,
    EXISTS (SELECT 1 FROM never_file n WHERE n.firm_id = e.firm_id AND (n.user_id IS NULL OR n.user_id = $2)
    AND n.pattern IN (w.key, split_part(w.key, '@', -1))) AS never_filed
    FROM email e LEFT JOIN LATERAL (SELECT y.act, y.user_id, y.at, (y.after ->> 'version')::int AS version FROM audit_entry y
    WHERE y.email_id = e.id AND y.act <> 'edited' ORDER BY y.id DESC LIMIT 1) x ON true LEFT JOIN app_user u ON u.id = x.user_id
    LEFT JOIN LATERAL (SELECT p.address, p.key FROM participant p WHERE p.email_id = e.id AND p.header = 'from'
    ORDER BY p.position LIMIT 1) w ON true
    WHERE e.firm_id = $1 AND e.id = ANY($3::bigint[]) AND {visible_to("$2")}
"""  # noqa: S608  # words of ours
MATES = f"""
    SELECT e.id FROM email e JOIN review r ON r.email_id = e.id WHERE e.firm_id = $1 AND e.id <> $3 AND {visible_to("$2")}
    AND e.thread_root = (SELECT thread_root FROM email WHERE id = $3 AND firm_id = $1) ORDER BY e.sent_at DESC, e.id DESC LIMIT $4
"""  # noqa: S608
LATELY = """
    SELECT x.email_id FROM audit_entry x WHERE x.firm_id = $1 AND x.user_id = $2 AND x.at > $3 AND x.act = ANY($4::text[])
    AND x.id = (SELECT max(y.id) FROM audit_entry y WHERE y.email_id = x.email_id AND y.act <> 'edited') ORDER BY x.id DESC LIMIT $5
"""
REST = f"""
    SELECT count(*) FROM email e WHERE e.id = ANY($3::bigint[]) AND e.firm_id = $1 AND {visible_to("$2")}
    AND ARRAY(SELECT a.client_id FROM activity a WHERE a.email_id = e.id AND a.status IN ('filed', 'review') ORDER BY 1)
    || ARRAY(SELECT 0::bigint FROM review r WHERE r.email_id = e.id AND r.decided_at IS NULL) <> $4::bigint[]
    AND ($5 OR e.trust <> 'forged')
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Place:
    activity_id: int
    client_id: int
    client: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an e-mail stands. `by`: who did the last thing about it, None for Postroom; `act`: what, None where nothing was done yet."""

    email_id: int
    version: int
    subject: str
    sent_at: datetime
    dismissed_at: datetime | None
    erased_at: datetime | None
    author: str | None  # the address of who wrote it
    open: bool  # it still asks
    act: str | None
    by_id: int | None
    by: str | None
    at: datetime | None
    undoable: bool
    never_filed: bool  # mail of the author is on the firm's list, or the user's own
    places: tuple[Place, ...]  # where it is shown

    def is_under(self, client_id: int) -> bool:
        return any(place.client_id == client_id for place in self.places)


async def outcomes(user: User, email_ids: Collection[int]) -> dict[int, Outcome]:
    """By e-mail; those are left out that this user may not see."""
    async with connection() as held:
        rows = await held.fetch(STANDS, user.firm_id, user.id, list(email_ids), list(UNDOABLE))
    return {row["email_id"]: _outcome(row) for row in rows}


async def outcome(user: User, email_id: int) -> Outcome | None:
    """None for another firm's, and for what is private to others."""
    return (await outcomes(user, [email_id])).get(email_id)


async def mates(user: User, email_id: int, limit: int = 50) -> list[int]:
    """Other e-mails of the thread that ask or have asked."""
    return await _ids(MATES, user.firm_id, user.id, email_id, limit)


async def lately(user: User, since: datetime, limit: int) -> list[int]:
    """About which e-mails this user said the last word, the last one first."""
    return await _ids(LATELY, user.firm_id, user.id, since, list(UNDOABLE), limit)


async def rest_of_thread(user: User, email_id: int, client_ids: tuple[int, ...]) -> int:
    """How many other mails of the thread nobody has decided about stand otherwise than under these clients; none: they are dismissed."""
    others = [seen.email_id for seen in await undecided(user.firm_id, email_id, await staff_of(user.firm_id))]
    async with connection() as held:
        return await _count(held, user, others, client_ids) if others else 0


async def _count(held: Connection, user: User, email_ids: list[int], client_ids: tuple[int, ...]) -> int:
    return await held.fetchval(REST, user.firm_id, user.id, email_ids, sorted(client_ids), not client_ids)  # type: ignore[no-any-return]


async def _ids(query: str, *values: Any) -> list[int]:
    async with connection() as held:
        return [row[0] for row in await held.fetch(query, *values)]


def _outcome(row: Mapping[str, Any]) -> Outcome:
    facts = {name: row[name] for name in Outcome.__slots__ if name not in ("places", "undoable")}
    return Outcome(**facts, undoable=bool(row["undoable"]), places=tuple(Place(*place) for place in json.loads(row["places"])))
