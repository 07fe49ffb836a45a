"""The questions about a client that goes: it leaves their candidates, or another one takes its place; and what the audit keeps of that."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from models.database import Connection

Place = dict[str, Any]  # an e-mail's activities by client, and its question, as the audit keeps them
MERGED = "the clients between which it was in doubt were merged"


Candidate = dict[str, Any]  # as filing keeps it: client, reasons, and what else it knows, in lists


@dataclass(frozen=True, slots=True)
class Asked:
    """A question. `statuses`: of the e-mail's activities, by client."""

    email_id: int
    candidates: tuple[Candidate, ...]
    is_open: bool
    is_forged: bool
    statuses: Mapping[int, str]

    def names(self, client_id: int) -> bool:
        return any(candidate["client"] == client_id for candidate in self.candidates)

    @property
    def guess(self) -> int | None:
        return next((client for client, status in self.statuses.items() if self.is_open and status == "review"), None)

    def heir_of(self, client_id: int) -> Candidate | None:
        """The best of the others that the e-mail is not under yet, not even dismissed."""
        return next((one for one in self.candidates if one["client"] != client_id and one["client"] not in self.statuses), None)

    @property
    def is_settled(self) -> bool:
        """One candidate is left, and the sender is not forged; or there is no guess any more, as it went into what is filed already."""
        return self.is_open and ((len(self.candidates) <= 1 and not self.is_forged) or self.guess is None)


async def lock(held: Connection, firm_id: int, client_id: int, *, only_questions: bool = False) -> list[int]:
    """The e-mails that are under a client, or ask about it: e-mails, activities and questions, in the order in which filing locks them."""
    rows = await held.fetch(
        """
        SELECT id FROM email WHERE firm_id = $1 AND id IN (SELECT email_id FROM activity WHERE client_id = $2 AND NOT $4
        UNION SELECT email_id FROM review WHERE firm_id = $1 AND decided_at IS NULL AND candidates @> $3::text::jsonb)
        ORDER BY identity FOR UPDATE
        """,
        firm_id,
        client_id,
        json.dumps([{"client": client_id}]),
        only_questions,
    )
    emails = [row["id"] for row in rows]
    for table in ("activity", "review"):
        await held.execute(f"SELECT 1 FROM {table} WHERE email_id = ANY($1::bigint[]) ORDER BY id FOR UPDATE", emails)  # noqa: S608
    return emails


async def take_leave(held: Connection, emails: Sequence[int], client_id: int, *, for_good: bool) -> int:
    """A client is no candidate any more. Where it was the guess, the best one that the e-mail is not under yet gets its activity; where
    there is none the question stays as it is, unless the client goes `for_good`. Returns how many open questions have changed."""
    asked = [question for question in await _asked(held, emails) if question.names(client_id)]
    heirs = {question.email_id: question.heir_of(client_id) for question in asked if question.guess == client_id}
    changed = [question for question in asked if for_good or heirs.get(question.email_id, True)]
    await _write(held, {q.email_id: tuple(c for c in q.candidates if c["client"] != client_id) for q in changed})
    moved = [(email, heir) for email, heir in heirs.items() if heir]
    await held.execute(
        """
        UPDATE activity a SET client_id = d.client_id, reason = d.reason, how = 'guess'
        FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS d(email_id, client_id, reason)
        WHERE a.email_id = d.email_id AND a.client_id = $4
        """,
        [email for email, _ in moved],
        [heir["client"] for _, heir in moved],
        ["; ".join(heir["reasons"]) for _, heir in moved],
        client_id,
    )
    return sum(question.is_open for question in changed)


async def take_over(held: Connection, emails: Sequence[int], from_id: int, into_id: int, now: datetime) -> tuple[int, int]:
    """One client stands for another among the candidates, once the activities have gone over; what is in doubt no more is settled. Returns
    how many open questions have changed, and how many of them are settled."""
    asked = [question for question in await _asked(held, emails) if question.names(from_id)]
    changed = [_with_instead(question, from_id, into_id) for question in asked]
    await _write(held, {question.email_id: question.candidates for question in changed})
    settled = [question.email_id for question in changed if question.is_settled]
    await held.execute(
        "UPDATE review SET decided_at = $2, outcome = 'merged' WHERE email_id = ANY($1::bigint[]) AND decided_at IS NULL", settled, now
    )
    await held.execute(
        "UPDATE activity SET status = 'filed', how = 'certain', reason = $2 WHERE email_id = ANY($1::bigint[]) AND status = 'review'",
        settled,
        MERGED,
    )
    return sum(question.is_open for question in changed), len(settled)


def _with_instead(question: Asked, from_id: int, into_id: int) -> Asked:
    """In the better one's place, with the reasons of both. Pure."""
    found: dict[int, Candidate] = {}
    for candidate in question.candidates:
        client = into_id if candidate["client"] == from_id else candidate["client"]
        found[client] = _both(found[client], candidate) if client in found else candidate | {"client": client}
    return replace(question, candidates=tuple(found.values()))


def _both(better: Candidate, other: Candidate) -> Candidate:
    more = {name: [*told, *(one for one in other.get(name, []) if one not in told)] for name, told in better.items() if name != "client"}
    return better | more


async def drop_unguessed(held: Connection, emails: Sequence[int]) -> None:
    """Questions whose guess has gone, and nobody could take its place."""
    await held.execute(
        """
        DELETE FROM review r WHERE email_id = ANY($1::bigint[]) AND decided_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM activity a WHERE a.email_id = r.email_id AND a.status = 'review')
        """,
        emails,
    )


async def _asked(held: Connection, emails: Sequence[int]) -> list[Asked]:
    places = await places_of(held, emails)
    rows = await held.fetch(
        """
        SELECT r.email_id, r.candidates, r.decided_at IS NULL AS is_open, e.trust = 'forged' AS is_forged
        FROM review r JOIN email e ON e.id = r.email_id WHERE r.email_id = ANY($1::bigint[]) ORDER BY r.id
        """,
        emails,
    )
    return [
        Asked(
            row["email_id"],
            tuple(json.loads(row["candidates"])),
            row["is_open"],
            row["is_forged"],
            {int(client): place["status"] for client, place in places[row["email_id"]]["activities"].items()},
        )
        for row in rows
    ]


async def _write(held: Connection, candidates: Mapping[int, tuple[Candidate, ...]]) -> None:
    await held.execute(
        """
        UPDATE review r SET candidates = d.candidates::jsonb FROM unnest($1::bigint[], $2::text[]) AS d(email_id, candidates)
        WHERE r.email_id = d.email_id
        """,
        list(candidates),
        [json.dumps(some) for some in candidates.values()],
    )


async def places_of(held: Connection, emails: Sequence[int]) -> dict[int, Place]:
    """Of each e-mail that is there, where it is and what it asks."""
    rows = await held.fetch(
        """
        SELECT e.id, (SELECT coalesce(jsonb_object_agg(a.client_id, jsonb_build_object('status', a.status)), '{}') FROM activity a
        WHERE a.email_id = e.id) AS activities, r.outcome, jsonb_path_query_array(r.candidates, '$[*].client') AS candidates
        FROM email e LEFT JOIN review r ON r.email_id = e.id WHERE e.id = ANY($1::bigint[])
        """,
        emails,
    )
    return {
        row["id"]: {"activities": json.loads(row["activities"])}
        | ({"review": {"outcome": row["outcome"], "candidates": json.loads(row["candidates"])}} if row["candidates"] is not None else {})
        for row in rows
    }


async def remember(
    held: Connection, firm_id: int, by: int | None, act: str, before: Mapping[int, Place], after: Mapping[int, Place], now: datetime
) -> None:
    """E-mails whose place has changed have a new version, and the audit tells from where to where."""
    changed = [email for email in after if before[email] != after[email]]
    await held.execute("UPDATE email SET version = version + 1 WHERE id = ANY($1::bigint[])", changed)
    await held.execute(
        """
        INSERT INTO audit_entry (firm_id, user_id, at, act, email_id, before, after) SELECT $1, $2, $3, $4, d.email_id, d.before::jsonb,
        d.after::jsonb FROM unnest($5::bigint[], $6::text[], $7::text[]) AS d(email_id, before, after)
        """,
        firm_id,
        by,
        now,
        act,
        changed,
        [json.dumps(before[email]) for email in changed],
        [json.dumps(after[email]) for email in changed],
    )
