"""What a person decided about one mail of a thread counts for the others: for those that share a participant who is no staff.

A dismissal does not: the next mail may be a client's. Nor does what was decided about a forger's mail, or privately.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from models.copies import Copy, Decision
from models.database import Connection

# $3: the people of all of them; whom each mail of the thread shares with which, is told apart afterwards. OFFSET 0 keeps the planner from
# looking through all activities.
DECIDED = """
    SELECT m.id, m.thread_root, a.client_id, a.how, coalesce(u.name, 'A colleague') AS by,
    ARRAY(SELECT p.key FROM participant p WHERE p.email_id = m.id AND p.key = ANY($3::text[])) AS people,
    ARRAY(SELECT d.client_id FROM activity d WHERE d.email_id = m.id AND d.status = 'dismissed') AS dismissed
    FROM email m CROSS JOIN LATERAL (
        SELECT * FROM activity a WHERE a.email_id = m.id AND a.status = 'filed' AND (a.how = 'person' OR a.decided_by_id IS NOT NULL)
        AND NOT a.private OFFSET 0
    ) a JOIN client k ON k.id = a.client_id AND k.archived_at IS NULL LEFT JOIN app_user u ON u.id = a.decided_by_id
    WHERE m.firm_id = $1 AND m.thread_root = ANY($2::text[]) AND m.dismissed_at IS NULL AND m.trust <> 'forged'
    ORDER BY coalesce(a.decided_at, a.filed_at) DESC, a.id DESC
"""

THERE = "SELECT id FROM client WHERE id = ANY($1::bigint[]) ORDER BY id FOR KEY SHARE"


@dataclass(slots=True)
class Decided:
    """A mail of a thread that a person has decided about."""

    id: int
    thread_root: str
    by: str
    people: frozenset[str]
    dismissed: frozenset[int]
    clients: set[int] = field(default_factory=set)
    chosen: bool = False  # a person chose the client, and did not only agree

    def counts_for(self, copy: Copy) -> bool:
        return self.thread_root == copy.thread_root and self.id != copy.email_id and bool(self.people & copy.doubt.people)


async def decisions_of_threads(held: Connection, firm_id: int, copies: Iterable[Copy]) -> dict[int, Decision]:
    """Of each of these e-mails whose thread a person has decided about, the newest such decision. One query by index, and where there is
    one, another that keeps its clients from being merged or removed meanwhile."""
    copies = [copy for copy in copies if copy.doubt.people]
    roots, people = sorted({copy.thread_root for copy in copies}), sorted({key for copy in copies for key in copy.doubt.people})
    mails = _mails(await held.fetch(DECIDED, firm_id, roots, people))
    if mails:
        there = await held.fetch(THERE, sorted({client for mail in mails for client in mail.clients}))
        mails = [mail for mail in mails if mail.clients <= {row["id"] for row in there}]
    newest = {copy.email_id: next((mail for mail in mails if mail.counts_for(copy)), None) for copy in copies}
    return {email_id: _decision(mail) for email_id, mail in newest.items() if mail}


def _mails(rows: Iterable[Any]) -> list[Decided]:
    """The one that was decided about last comes first."""
    mails: dict[int, Decided] = {}
    for row in rows:
        mail = mails.setdefault(
            row["id"], Decided(row["id"], row["thread_root"], row["by"], frozenset(row["people"]), frozenset(row["dismissed"]))
        )
        mail.clients.add(row["client_id"])
        mail.chosen = mail.chosen or row["how"] == "person"
    return list(mails.values())


def _decision(mail: Decided) -> Decision:
    return Decision(mail.by, frozenset(mail.clients), mail.dismissed if mail.chosen else frozenset())
