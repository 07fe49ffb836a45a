"""How e-mails stand, for a decision: claimed, locked, read, and written with what the audit tells.

Locks are taken in filing's order: e-mails by identity, then activities, then questions, and clients last.
"""

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from models.audit_log import POSTROOM, note
from models.database import Connection
from models.deciding import Answer, Mail, Place
from models.firms import User
from models.sight import sees
from models.verdicts import NotDecided, NotThere, Overtaken, Seen

# Words of people's go along: what was written for clients that have it no more is there for the one that has it now. $4: it had it
# already, and keeps its own. Otherwise the last edition counts: what was emptied after a move stays so when the move is taken back.
WORDS_NOW = ", ".join(
    f"CASE WHEN $4 THEN coalesce(t.{it}, s.{it}) WHEN s.edition > t.edition THEN s.{it} ELSE coalesce(s.{it}, t.{it}) END AS {it}"
    for it in ("title", "note", "text")
)
LATEST = ", ".join(
    f"(array_agg({it} ORDER BY edition DESC, id) FILTER (WHERE {it} IS NOT NULL))[1] AS {it}" for it in ("title", "note", "text")
)
CARRIED = f"""
    WITH s AS (SELECT {LATEST}, max(edition) AS edition FROM activity WHERE email_id = $1 AND client_id = ANY($2::bigint[])),
    said AS (SELECT t.id, {WORDS_NOW}, greatest(t.edition, s.edition) + 1 AS edition FROM activity t, s
    WHERE t.email_id = $1 AND t.client_id = $3)
    UPDATE activity t SET (title, note, text, edition) = (said.title, said.note, said.text, said.edition) FROM said
    WHERE t.id = said.id AND (t.title, t.note, t.text) IS DISTINCT FROM (said.title, said.note, said.text)
"""  # noqa: S608  # words of ours


async def lock_thread(held: Connection, firm_id: int, email_id: int) -> None:
    """The e-mail, and those of its thread that ask or have asked: whoever changes several takes them in filing's order, before `claim`."""
    await held.execute(
        """
        SELECT 1 FROM email e WHERE firm_id = $1 AND thread_root = (SELECT thread_root FROM email WHERE id = $2 AND firm_id = $1)
        AND (id = $2 OR EXISTS (SELECT 1 FROM review r WHERE r.email_id = e.id)) ORDER BY identity FOR NO KEY UPDATE
        """,
        firm_id,
        email_id,
    )


async def claim(held: Connection, by: User, seen: Seen, now: datetime, *, rises: int = 1) -> None:
    """Nobody else decides about this e-mail: it is as it was seen, and has a new version, unless it `rises` by 0. Raises `NotThere`,
    `Overtaken`."""
    claimed = await held.fetchval(
        "UPDATE email SET version = version + $4 WHERE id = $1 AND firm_id = $2 AND version = $3 RETURNING true",
        seen.email_id,
        by.firm_id,
        seen.version,
        rises,
    )
    if not await sees(held, by, seen.email_id):
        raise NotThere
    if not claimed:
        raise await _overtaken(held, seen, now)


async def _overtaken(held: Connection, seen: Seen, now: datetime) -> NotDecided:
    """By whoever said the last thing that they had not seen; by Postroom if nobody did."""
    last = await held.fetchrow(
        """
        SELECT coalesce(u.name, $3) AS by, x.at FROM audit_entry x LEFT JOIN app_user u ON u.id = x.user_id
        WHERE x.email_id = $1 AND x.act <> 'edited' AND coalesce((x.after ->> 'version')::int > $2, true) ORDER BY x.id DESC LIMIT 1
        """,
        seen.email_id,
        seen.version,
        POSTROOM,
    )
    return Overtaken(last["by"], last["at"]) if last else Overtaken(POSTROOM, now)


async def read(held: Connection, email_ids: Collection[int]) -> dict[int, Mail]:
    """Those that are there, with their activities and questions locked; they themselves are already."""
    ids = sorted(email_ids)
    activities = await held.fetch("SELECT * FROM activity WHERE email_id = ANY($1::bigint[]) ORDER BY id FOR UPDATE", ids)
    questions = await held.fetch("SELECT * FROM review WHERE email_id = ANY($1::bigint[]) ORDER BY id FOR UPDATE", ids)
    emails = await held.fetch("SELECT * FROM email WHERE id = ANY($1::bigint[]) ORDER BY id", ids)
    asked = {question["email_id"]: question for question in questions}
    return {row["id"]: _mail(row, [one for one in activities if one["email_id"] == row["id"]], asked.get(row["id"])) for row in emails}


def _mail(email: Mapping[str, Any], activities: list[Mapping[str, Any]], question: Mapping[str, Any] | None) -> Mail:
    answered = question is not None and question["decided_at"] is not None
    return Mail(
        email["id"],
        email["version"],
        email["thread_root"],
        email["trust"],
        any(activity["private"] for activity in activities),
        email["dismissed_at"],
        email["erased_at"],
        {a["client_id"]: Place(a["status"], a["how"], a["decided_by_id"], a["decided_at"]) for a in activities},
        tuple(json.loads(question["candidates"])) if question else None,
        Answer(question["outcome"], question["decided_by_id"], question["decided_at"]) if question and answered else None,
    )


async def write(
    held: Connection, by: User, user_id: int | None, act: str, before: Mail, after: Mail, now: datetime, more: dict[str, Any] | None = None
) -> None:
    """All that has changed, and the audit of it; `user_id`: None where it was no person's word about this very e-mail. `more`: what the
    audit tells besides."""
    changed = {client: place for client, place in after.places.items() if before.places.get(client) != place}
    await _put(held, by.firm_id, after, changed, now)
    await _carry(held, before, after, changed)
    gone = sorted(before.places.keys() - after.places.keys())
    await held.execute("DELETE FROM activity WHERE email_id = $1 AND client_id = ANY($2::bigint[])", after.id, gone)
    await held.execute("UPDATE email SET dismissed_at = $2 WHERE id = $1", after.id, after.dismissed_at)
    if (before.answer, before.candidates) != (after.answer, after.candidates):
        await _answer(held, after)
    await note(held, by.firm_id, user_id, act, after.id, told(before), told(after) | (more or {}), now)


async def _put(held: Connection, firm_id: int, mail: Mail, places: Mapping[int, Place], now: datetime) -> None:
    clients = sorted(places)
    await held.execute(
        """
        INSERT INTO activity AS a (firm_id, email_id, client_id, status, how, decided_by_id, decided_at, reason, sent_at, filed_at, private)
        SELECT $1, e.id, p.client_id, p.status, p.how, p.by_id, p.at, coalesce(p.reason, ''), e.sent_at, $3, $4 FROM email e,
        unnest($5::bigint[], $6::text[], $7::text[], $8::bigint[], $9::timestamptz[], $10::text[]) AS p(client_id, status, how, by_id, at,
        reason) WHERE e.id = $2 ON CONFLICT (email_id, client_id) DO UPDATE SET status = excluded.status, how = excluded.how,
        decided_by_id = excluded.decided_by_id, decided_at = excluded.decided_at, reason = coalesce(nullif(excluded.reason, ''), a.reason)
        """,
        firm_id,
        mail.id,
        now,
        mail.private,
        clients,
        [places[client].status for client in clients],
        [places[client].how for client in clients],
        [places[client].by for client in clients],
        [places[client].at for client in clients],
        [places[client].reason for client in clients],
    )


async def _carry(held: Connection, before: Mail, after: Mail, changed: Collection[int]) -> None:
    sources = sorted(set(before.shown) - set(after.shown))
    for client in (client for client in after.shown if client in changed and sources):
        await held.execute(CARRIED, after.id, sources, client, client in before.shown)


async def _answer(held: Connection, mail: Mail) -> None:
    answer = mail.answer
    await held.execute(
        "UPDATE review SET candidates = $2::text::jsonb, outcome = $3, decided_by_id = $4, decided_at = $5 WHERE email_id = $1",
        mail.id,
        json.dumps(mail.candidates),
        answer and answer.outcome,
        answer and answer.by,
        answer and answer.at,
    )


def told(mail: Mail) -> dict[str, Any]:
    """As the audit keeps it, so that it can be had back: ids and words."""
    places = {
        str(client): {"status": place.status, "how": place.how, "by": place.by, "at": _moment(place.at)}
        for client, place in sorted(mail.places.items())
    }
    found = {"version": mail.version, "dismissed_at": _moment(mail.dismissed_at), "activities": places}
    if mail.candidates is None:
        return found
    answer = mail.answer
    review = {"outcome": answer and answer.outcome, "by": answer and answer.by, "at": _moment(answer.at if answer else None)}
    return found | {"review": review | {"candidates": [candidate["client"] for candidate in mail.candidates]}}


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
