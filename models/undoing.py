"""Undo: the last decision about an e-mail is taken back, by whomever, and with it what followed in the thread.

The audit tells what was before. If anything has happened to the e-mail since, a client's end included, nothing is taken back.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from models.candidates import take_leave
from models.database import Connection
from models.deciding import WORDS, Answer, Candidate, Mail, Place, guessed
from models.firms import User
from models.privacy import ACTS
from models.standings import claim, lock_thread, read, write
from models.verdicts import Decided, NothingToUndo, Seen, TooLate

UNDOABLE = (*WORDS, "inherited")
BESIDE = (*ACTS, "edited")  # says nothing of whose it is, and stays
Told = Mapping[str, Any]  # an e-mail as the audit keeps it


async def take_back(held: Connection, by: User, seen: Seen, now: datetime) -> tuple[Decided, int]:
    """What is so by now, and how many questions are open again. Raises `NotThere`, `Overtaken`, `TooLate`, `NothingToUndo`."""
    await lock_thread(held, by.firm_id, seen.email_id)
    await claim(held, by, seen, now)
    if await held.fetchval("SELECT erased_at FROM email WHERE id = $1", seen.email_id):
        raise TooLate
    entry = await _last(held, seen)
    if entry is None:
        raise NothingToUndo
    opened = await _restore(held, by, seen.email_id, entry, now)
    followed = [Seen(int(email), version) for email, version in sorted(json.loads(entry["after"]).get("settled", {}).items())]
    settled = [await _follow(held, by, one, now) for one in followed]
    mail = (await read(held, [seen.email_id]))[seen.email_id]
    return Decided(mail.id, mail.version, mail.shown, sum(settled)), opened + sum(settled)


async def _last(held: Connection, seen: Seen) -> Mapping[str, Any] | None:
    """The last thing that was said about it, if that is how the e-mail became what was seen. Who may see it, who is to answer, and what
    it is called was said beside it, and stays."""
    version = seen.version
    for entry in await held.fetch("SELECT act, before, after FROM audit_entry WHERE email_id = $1 ORDER BY id DESC", seen.email_id):
        if json.loads(entry["after"]).get("version") != version:
            return None
        if entry["act"] not in BESIDE:
            return entry if entry["act"] in UNDOABLE else None
        version = json.loads(entry["before"])["version"]
    return None


async def _follow(held: Connection, by: User, other: Seen, now: datetime) -> bool:
    """A question that was settled with it is open again, unless something has happened to it since."""
    entry = await _last(held, other)
    claimed = entry and await held.fetchval(
        "UPDATE email SET version = version + 1 WHERE id = $1 AND version = $2 RETURNING true", other.email_id, other.version
    )
    if entry and claimed:
        await _restore(held, by, other.email_id, entry, now)
    return bool(claimed)


async def _restore(held: Connection, by: User, email_id: int, entry: Mapping[str, Any], now: datetime) -> bool:
    """Whether a question is open again."""
    mail = (await read(held, [email_id]))[email_id]
    after = restored(mail, json.loads(entry["before"]), json.loads(entry["after"]), await _reasons(held, email_id))
    await write(held, by, by.id, "undone", replace(mail, version=mail.version - 1), after, now)
    await _without_archived(held, by.firm_id, email_id)
    return after.is_open and not mail.is_open


def restored(mail: Mail, was: Told, became: Told, reasons: Mapping[int, str]) -> Mail:
    """The e-mail as it was before; what the decision had not changed stays as it is by now. Pure."""
    changed = {c: place for c, place in was["activities"].items() if became["activities"].get(c) != place}
    new = {int(client) for client in became["activities"].keys() - was["activities"].keys()}
    candidates = mail.candidates
    if candidates is not None and was["review"]["candidates"] != became["review"]["candidates"]:
        there = {candidate["client"] for candidate in candidates}
        candidates = (*(_candidate(c, reasons) for c in was["review"]["candidates"] if c not in there), *candidates)
    best = {candidate["client"]: candidate for candidate in candidates or ()}
    places = {client: place for client, place in mail.places.items() if client not in new}
    for client, told in ((int(client), told) for client, told in changed.items()):
        if client in mail.places:
            places[client] = guessed(best[client]) if told["status"] == "review" and client in best else _place(told)
    return replace(
        mail,
        dismissed_at=_moment(was["dismissed_at"]),
        places=places,
        candidates=candidates,
        answer=_answer(was["review"]) if candidates is not None else None,
    )


def _candidate(client: int, reasons: Mapping[int, str]) -> Candidate:
    """Which of its addresses stood for it, the next copy of the e-mail tells."""
    return {"client": client, "reasons": reasons.get(client, "").split("; "), "addresses": []}


def _place(told: Told) -> Place:
    return Place(told["status"], told["how"], told["by"], _moment(told["at"]))


def _answer(told: Told) -> Answer | None:
    at = _moment(told["at"])
    return Answer(told["outcome"], told["by"], at) if at else None


def _moment(told: str | None) -> datetime | None:
    return datetime.fromisoformat(told) if told else None


async def _reasons(held: Connection, email_id: int) -> dict[int, str]:
    return {
        row["client_id"]: row["reason"] for row in await held.fetch("SELECT client_id, reason FROM activity WHERE email_id = $1", email_id)
    }


async def _without_archived(held: Connection, firm_id: int, email_id: int) -> None:
    """Who was archived meanwhile is no candidate of a question that is open again, as if it had been open all the time."""
    rows = await held.fetch(
        """
        SELECT c.id FROM review r JOIN client c ON c.firm_id = $2 AND c.archived_at IS NOT NULL
        AND r.candidates @> jsonb_build_array(jsonb_build_object('client', c.id)) WHERE r.email_id = $1 AND r.decided_at IS NULL
        ORDER BY c.id
        """,
        email_id,
        firm_id,
    )
    for row in rows:
        await take_leave(held, [email_id], row["id"], for_good=False)
