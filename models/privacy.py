"""What a person says of a mail, and not whose it is: that only those who received it may see it; and who is to answer its question."""

from dataclasses import dataclass
from datetime import datetime

from models.audit_log import note
from models.database import Connection, connection, transaction
from models.firms import User
from models.sight import is_private, marked_by, received_by, sees, visible_to
from models.standings import claim
from models.verdicts import NoSuchColleague, NotReceived, NotThere, Seen, TooLate

__all__ = ["ACTS", "Privacy", "hand_over", "make_private", "privacy_of", "sees", "visible_to"]

ACTS = ("private", "shared", "handed over", "taken back")  # of the audit
COLLEAGUE = f"SELECT true FROM app_user u WHERE u.id = $1 AND u.firm_id = $2 AND u.active AND {visible_to('u.id', '$3::bigint')}"  # noqa: S608
OUT_OF_SIGHT = f"UPDATE review r SET holder_id = NULL WHERE r.email_id = $1 AND NOT {visible_to('r.holder_id', 'r.email_id')}"  # noqa: S608
STANDING = f"""
    SELECT {is_private("$1::bigint")} AS private, {received_by("$2", "$1::bigint")} AS received, {marked_by("$2", "$1::bigint")} AS marked
"""


@dataclass(frozen=True, slots=True)
class Privacy:
    """Of an e-mail, for somebody who sees it. `may_change`: they may make it private, or share it again."""

    private: bool
    may_change: bool


async def privacy_of(user: User, email_id: int) -> Privacy:
    """Of an e-mail that they see."""
    async with connection() as held:
        found = await held.fetchrow(STANDING, email_id, user.id)
    return Privacy(found["private"], found["received"] or (found["private"] and found["marked"]))


async def hand_over(by: User, seen: Seen, to_user_id: int | None, now: datetime) -> None:
    """The question waits for this colleague; with None for whoever received the mail, as at first. Raises `NotThere` (also where there is
    no open question), `Overtaken`, `TooLate`, `NoSuchColleague`."""

    async def work(held: Connection) -> None:
        await _claim(held, by, seen, now)
        question = await held.fetchrow(
            "SELECT id, holder_id FROM review WHERE email_id = $1 AND decided_at IS NULL FOR UPDATE", seen.email_id
        )
        if question is None:
            raise NotThere
        if to_user_id is not None and not await held.fetchval(COLLEAGUE, to_user_id, by.firm_id, seen.email_id):
            raise NoSuchColleague
        await held.execute("UPDATE review SET holder_id = $2 WHERE id = $1", question["id"], to_user_id)
        act = "taken back" if to_user_id is None else "handed over"
        await _note(held, by, seen, act, {"holder": question["holder_id"]}, {"holder": to_user_id}, now)

    await transaction(work)


async def make_private(by: User, seen: Seen, activity_id: int, private: bool, now: datetime) -> None:
    """From now on only those who received the e-mail see it, or everybody of the firm again. A question that waited for a colleague who may
    not see it any more waits for those who received the mail. Raises `NotThere`, `Overtaken`, `TooLate`; `NotReceived` to who neither
    received it nor (to share it again) had marked it."""

    async def work(held: Connection) -> None:
        await _claim(held, by, seen, now)
        activities = await held.fetch("SELECT id FROM activity WHERE email_id = $1 ORDER BY id FOR UPDATE", seen.email_id)
        if activity_id not in {row["id"] for row in activities}:
            raise NotThere
        was = await held.fetchrow(STANDING, seen.email_id, by.id)
        if not (was["received"] or (was["marked"] and not private)):
            raise NotReceived
        await held.execute("UPDATE activity SET private = $2 WHERE email_id = $1", seen.email_id, private)
        if private:
            await held.execute(OUT_OF_SIGHT, seen.email_id)
        act = "private" if private else "shared"
        await _note(held, by, seen, act, {"private": was["private"]}, {"private": private}, now)

    await transaction(work)


async def _claim(held: Connection, by: User, seen: Seen, now: datetime) -> None:
    """Raises `NotThere`, `Overtaken`, `TooLate`."""
    await claim(held, by, seen, now)
    if await held.fetchval("SELECT erased_at FROM email WHERE id = $1", seen.email_id):
        raise TooLate


async def _note(held: Connection, by: User, seen: Seen, act: str, was: dict[str, object], is_now: dict[str, object], now: datetime) -> None:
    before, after = {"version": seen.version} | was, {"version": seen.version + 1} | is_now
    await note(held, by.firm_id, by.id, act, seen.email_id, before, after, now)
