"""What people make of an activity: a title, a note, a text of their own. The e-mail itself stays as it came.

An edit is one transaction, holds only if the words are as they were seen, and is audited: that they changed, never from what to what.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from models.audit_log import POSTROOM, note
from models.database import Connection, transaction
from models.firms import User
from models.sight import sees

Field = Literal["title", "note", "text"]
FIELDS: tuple[Field, ...] = ("title", "note", "text")
LONGEST: Mapping[Field, int] = {"title": 300, "note": 10_000, "text": 200_000}  # characters

_UNWRITTEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")  # controls, which nobody types; PostgreSQL refuses some


class NotEdited(Exception):
    """Nothing was changed.

    NotEdited
    ├── NotShown                        another firm's, private to others, or filed there no more
    ├── TooLong(fields)                 more than `LONGEST` allows
    └── EditedMeanwhile(by, at, words)  somebody saved since these were read: show both, and ask again
    """


class NotShown(NotEdited):
    pass


class TooLong(NotEdited):
    def __init__(self, fields: frozenset[Field]) -> None:
        super().__init__(", ".join(sorted(fields)))
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Words:
    """What an activity says of its own; None where it says what its e-mail does. `edition` rises when they change."""

    edition: int
    title: str | None
    note: str | None
    text: str | None

    def of(self, field: Field) -> str | None:
        return {"title": self.title, "note": self.note, "text": self.text}[field]


class EditedMeanwhile(NotEdited):
    """`by`: a name; Postroom where words came along from another client."""

    def __init__(self, by: str, at: datetime, words: Words) -> None:
        super().__init__("edited meanwhile")
        self.by, self.at, self.words = by, at, words


def kept(field: Field, written: str) -> str | None:
    """What somebody wrote into a field as it is kept: without control characters, a title on one line. None for nothing. Pure."""
    plain = _UNWRITTEN.sub("", written.replace("\r\n", "\n").replace("\r", "\n"))
    return (" ".join(plain.split()) if field == "title" else plain.rstrip()) or None


def own_words(field: Field, written: str, subject: str, text: str) -> str | None:
    """As `kept`; None also for what the e-mail says by itself. Pure."""
    said = kept(field, written)
    instead_of = {"title": subject, "note": "", "text": text}[field]
    return None if said == kept(field, instead_of) else said


async def edit(by: User, activity_id: int, edition: int, written: Mapping[Field, str], now: datetime) -> tuple[Field, ...]:
    """`edition`: of the words that were seen. `written`: fields that are not among them stay; a blank one says what the e-mail says again.
    Who saves what is there already changes nothing. Returns the fields that have changed. Raises `NotShown`, `TooLong` and
    `EditedMeanwhile`."""

    async def work(held: Connection) -> tuple[Field, ...]:
        email, activity = await _locked(held, by, activity_id)
        there = Words(activity["edition"], activity["title"], activity["note"], activity["text"])
        own = {field: own_words(field, words, email["subject"], email["text"]) for field, words in written.items()}
        if long := frozenset(field for field, words in own.items() if len(words or "") > LONGEST[field]):
            raise TooLong(long)
        changed = tuple(field for field in FIELDS if field in own and own[field] != there.of(field))
        if not changed:
            return ()
        if there.edition != edition:
            raise await _meanwhile(held, email["id"], activity["client_id"], there, now)
        said = {field: own.get(field, there.of(field)) for field in FIELDS}
        await held.execute(
            "UPDATE activity SET title = $2, note = $3, text = $4, edition = edition + 1 WHERE id = $1", activity_id, *said.values()
        )
        version = {"version": email["version"]}  # the e-mail's own stays: whoever is deciding about it is not overtaken
        told = version | {"client": activity["client_id"], "edited": changed}
        await note(held, by.firm_id, by.id, "edited", email["id"], version, told, now)
        return changed

    return await transaction(work)


async def _locked(held: Connection, by: User, activity_id: int) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The e-mail and then the activity, in filing's order. Raises `NotShown`."""
    email = await held.fetchrow(
        """
        SELECT id, version, subject, text FROM email WHERE firm_id = $2
        AND id = (SELECT email_id FROM activity WHERE id = $1 AND firm_id = $2) FOR NO KEY UPDATE
        """,
        activity_id,
        by.firm_id,
    )
    if email is None or not await sees(held, by, email["id"]):
        raise NotShown
    activity = await held.fetchrow(
        "SELECT client_id, edition, title, note, text FROM activity WHERE id = $1 AND status IN ('filed', 'review') FOR UPDATE", activity_id
    )
    if activity is None:
        raise NotShown
    return email, activity


async def _meanwhile(held: Connection, email_id: int, client_id: int, there: Words, now: datetime) -> EditedMeanwhile:
    """By whoever edited it last, here or where its words came from."""
    last = await held.fetchrow(
        """
        SELECT coalesce(u.name, $3) AS by, x.at FROM audit_entry x LEFT JOIN app_user u ON u.id = x.user_id
        WHERE x.email_id = $1 AND x.act = 'edited' ORDER BY (x.after ->> 'client')::bigint = $2 DESC, x.id DESC LIMIT 1
        """,
        email_id,
        client_id,
        POSTROOM,
    )
    return EditedMeanwhile(last["by"], last["at"], there) if last else EditedMeanwhile(POSTROOM, now, there)
