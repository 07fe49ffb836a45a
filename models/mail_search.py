"""Filed mail as rows: a client's or the whole firm's, its threads together, or what a search finds, one by one.

A page begins where another ended (`Mark`), so that it costs the same however far back it lies. Nothing of what is private to others is
found or counted. Words are looked for in subject, text, names, addresses and file names, and in what people wrote about a mail; each as
the beginning of a word, all of them together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

from models.database import connection
from models.firms import User
from models.sight import is_private, visible_to

COUNTED = 1_000  # more are not counted: nobody turns that many pages, and counting would take as long as they are many
MOST_WORDS = 12
Direction = Literal["received", "sent"]

MAIL = f"""
    SELECT a.id AS activity_id, a.client_id, c.name AS client, a.status = 'review' AS for_review, a.sent_at,
    coalesce(a.title, e.subject) AS subject, left(coalesce(a.text, e.text), 300) AS snippet, e.outgoing, e.kind, e.trust,
    coalesce((SELECT coalesce(nullif(p.name, ''), p.address) FROM participant p
    WHERE p.email_id = e.id AND p.header = 'from' ORDER BY p.position LIMIT 1), '') AS sender,
    (SELECT count(*) FROM attachment f WHERE f.email_id = e.id) AS attachments, {is_private("e.id")} AS private,
    ARRAY(SELECT DISTINCT u.name FROM receipt r JOIN mailbox m ON m.id = r.mailbox_id JOIN app_user u ON u.id = m.user_id
    WHERE r.email_id = e.id ORDER BY u.name) AS holders,
    (SELECT count(*) FROM email t JOIN activity o ON o.email_id = t.id AND o.client_id = a.client_id
    WHERE t.firm_id = $1 AND t.thread_root = e.thread_root AND o.status IN ('filed', 'review') AND {visible_to("$2", "t.id")}) AS mails
"""  # noqa: S608  # words of ours
PLACED = f"""
    FROM activity a JOIN email e ON e.id = a.email_id JOIN client c ON c.id = a.client_id
    WHERE a.firm_id = $1 AND a.status IN ('filed', 'review') AND {visible_to("$2")}
"""
# No newer mail of its thread is under the same client.
HEADS = f"""
    NOT EXISTS (SELECT 1 FROM email t JOIN activity o ON o.email_id = t.id AND o.client_id = a.client_id WHERE t.firm_id = $1
    AND t.thread_root = e.thread_root AND o.status IN ('filed', 'review') AND (o.sent_at, o.id) > (a.sent_at, a.id)
    AND {visible_to("$2", "t.id")})
"""  # noqa: S608
JOINTS = "-_/@."  # they part words, here as in the column `email.words`
OWN_WORDS = f"to_tsvector('simple', translate(concat_ws(' ', a.title, a.note, left(a.text, 80000)), '{JOINTS}', '{' ' * len(JOINTS)}'))"

NAMED = f"""
    EXISTS (SELECT 1 FROM participant p WHERE p.email_id = e.id AND
    to_tsvector('simple', translate(concat_ws(' ', p.name, p.address), '{JOINTS}', '{" " * len(JOINTS)}')) @@ to_tsquery('simple', {{0}}))
"""  # noqa: S608  # words of ours


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a list: the mail there."""

    sent_at: datetime
    activity_id: int


@dataclass(frozen=True, slots=True)
class Sought:
    """What is looked for. Nothing of it: all mail, its threads together."""

    words: str = ""
    person: str = ""  # words of a name or an address that took part
    colleague: int | None = None  # a user in whose mailbox it lies
    direction: Direction | None = None
    files: bool = False
    for_review: bool = False
    since: datetime | None = None
    until: datetime | None = None  # before this moment
    thread_of: int | None = None  # an activity: the mails of its thread

    @property
    def anything(self) -> bool:
        return self != Sought()


@dataclass(frozen=True, slots=True)
class FoundMail:
    activity_id: int
    client_id: int
    client: str
    for_review: bool
    sent_at: datetime
    subject: str
    snippet: str
    outgoing: bool
    kind: str
    trust: str
    sender: str  # a name, or else the address
    attachments: int
    private: bool
    holders: tuple[str, ...]  # whose mailboxes hold it
    mails: int  # of its thread, under this client

    @property
    def mark(self) -> Mark:
        return Mark(self.sent_at, self.activity_id)


@dataclass(frozen=True, slots=True)
class Found:
    """A page, newest first. `total`: None where there are more than `COUNTED`."""

    mails: tuple[FoundMail, ...]
    newer: bool
    older: bool
    total: int | None


@dataclass(slots=True)
class _Query:
    """Conditions, and the values that they name by number."""

    values: list[Any]
    conditions: list[str]

    def add(self, condition: str, *values: Any) -> None:
        names = []
        for value in values:
            self.values.append(value)
            names.append(f"${len(self.values)}")
        self.conditions.append(condition.format(*names))

    def __str__(self) -> str:
        return " AND ".join(["true", *self.conditions])

    def copy(self) -> Self:
        return type(self)(list(self.values), list(self.conditions))


async def find(
    user: User, sought: Sought, limit: int, *, client_id: int | None = None, before: Mark | None = None, after: Mark | None = None
) -> Found:
    """The newest, or those `before` a mark, or those just `after` it. Two queries, however many mails there are."""
    if _is_vain(sought):
        return Found((), False, False, 0)
    query = _asked(user, sought, client_id)
    branches = _branches(query, sought)
    page, values = _page(branches, query, before, after, limit)
    async with connection() as held, held.transaction():
        # A plan for these very words: whether they are rare decides how they are best looked for.
        await held.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        rows = await held.fetch(page, *values)
        count = " UNION ".join(f"(SELECT a.id {PLACED} AND {branch} LIMIT {COUNTED + 1})" for branch in branches)
        total = await held.fetchval(f"SELECT count(*) FROM ({count}) f", *query.values)  # noqa: S608
    found, more = [_mail(row) for row in rows[:limit]], len(rows) > limit
    if after:
        found.reverse()
    total = None if total > COUNTED else total
    return Found(tuple(found), newer=more if after else before is not None, older=bool(after) or more, total=total)


def _asked(user: User, sought: Sought, client_id: int | None) -> _Query:
    query = _Query([user.firm_id, user.id], [])
    if client_id is not None:
        query.add("a.client_id = {}", client_id)
    if sought.person:
        people = _prefixes(sought.person)
        query.add(f"e.words @@ to_tsquery('simple', {{0}}) AND {NAMED}", people)
    if sought.colleague is not None:
        query.add(
            "EXISTS (SELECT 1 FROM receipt r JOIN mailbox m ON m.id = r.mailbox_id WHERE r.email_id = e.id AND m.user_id = {})",
            sought.colleague,
        )
    if sought.direction:
        query.add("e.outgoing = {}", sought.direction == "sent")
    if sought.files:
        query.add("EXISTS (SELECT 1 FROM attachment f WHERE f.email_id = e.id)")
    if sought.for_review:
        query.add("a.status = 'review'")
    if sought.since:
        query.add("a.sent_at >= {}", sought.since)
    if sought.until:
        query.add("a.sent_at < {}", sought.until)
    if sought.thread_of is not None:
        query.add(
            "e.thread_root = (SELECT y.thread_root FROM activity x JOIN email y ON y.id = x.email_id WHERE x.id = {} AND x.firm_id = $1)",
            sought.thread_of,
        )
    if not sought.anything:
        query.conditions.append(HEADS)
    return query


def _branches(query: _Query, sought: Sought) -> list[str]:
    """The conditions of each half of a search: what came in the mail, and what people wrote about it. Each has an index of its own."""
    if not sought.words:
        return [str(query)]
    query.values.append(_prefixes(sought.words))
    words = f"@@ to_tsquery('simple', ${len(query.values)})"
    return [f"{query} AND e.words {words}", f"{query} AND a.edition > 0 AND {OWN_WORDS} {words}"]


def _page(branches: list[str], query: _Query, before: Mark | None, after: Mark | None, limit: int) -> tuple[str, list[Any]]:
    beyond, values, way = "", list(query.values), "ASC" if after else "DESC"
    if mark := after or before:
        values += [mark.sent_at, mark.activity_id]
        beyond = f" AND (a.sent_at, a.id) {'>' if after else '<'} (${len(values) - 1}::timestamptz, ${len(values)}::bigint)"
    parts = [f"(SELECT a.id, a.sent_at {PLACED} AND {branch}{beyond} ORDER BY a.sent_at {way}, a.id {way} LIMIT {limit + 1})"
             for branch in branches]  # fmt: skip
    picked = f"SELECT id FROM ({' UNION '.join(parts)}) f ORDER BY sent_at {way}, id {way} LIMIT {limit + 1}"  # noqa: S608
    joined = PLACED.partition("WHERE")[0]
    return f"{MAIL} {joined} WHERE a.id = ANY(ARRAY({picked})) ORDER BY a.sent_at {way}, a.id {way}", values


def _prefixes(typed: str) -> str:
    """What was typed as a tsquery: each word in quotes, as the beginning of one. Nothing in it is an operator."""
    return " & ".join("'" + word.replace("\\", "\\\\").replace("'", "''") + "':*" for word in _words(typed))


def _words(typed: str) -> Sequence[str]:
    """What parts words parts them here, too; what is nothing but signs is left out."""
    return [word for word in typed.translate(str.maketrans(JOINTS, " " * len(JOINTS))).split() if any(map(str.isalnum, word))][:MOST_WORDS]


def _is_vain(sought: Sought) -> bool:
    """Nothing is called like that: signs alone make no word."""
    return any(typed and not _words(typed) for typed in (sought.words, sought.person))


def _mail(row: Any) -> FoundMail:
    facts: dict[str, Any] = dict(row)
    return FoundMail(**facts | {"holders": tuple(row["holders"])})
