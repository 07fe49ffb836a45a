"""Invitations: people whom an admin brings in, one or two hundred at once, each with a letter owed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import asyncpg

from models.database import Connection, transaction
from models.notices import OWE
from models.people import hold_firm

ONE_A_DAY = timedelta(days=1)  # letters to one person, however often they are invited


class Outcome(StrEnum):
    """What became of one invitation."""

    INVITED = "invited"  # a new person
    AGAIN = "again"  # was here, and never connected
    LATELY = "lately"  # likewise, and has a letter of the last day
    HERE = "here"  # has connected a mailbox, now or once
    LEFT = "left"
    ELSEWHERE = "elsewhere"  # signs in to another firm


@dataclass(frozen=True, slots=True)
class Guest:
    """Whom an admin wants to invite."""

    name: str
    address: str
    key: str


# Firms that invite the same people at once insert them in one order, and do not wait in a circle.
NEW_PEOPLE = """
    INSERT INTO app_user (firm_id, name, email, email_key, role, active, created_at)
    SELECT $1, name, email, key, 'staff', true, $5 FROM unnest($2::text[], $3::text[], $4::text[]) AS guest (name, email, key) ORDER BY key
    ON CONFLICT (email_key) DO NOTHING RETURNING email_key
"""
KNOWN = """
    SELECT u.id, u.email_key, u.firm_id, u.active, u.invited_at, EXISTS (SELECT 1 FROM mailbox m WHERE m.user_id = u.id) AS connected
    FROM app_user u WHERE
"""


async def invite(firm_id: int, guests: Sequence[Guest], by: str, now: datetime) -> dict[str, Outcome]:
    """Makes staff of those who are new, and owes a letter to each who never connected, in one transaction: all of it or nothing.

    What became of each, by key. Safe to repeat: a person gets a letter a day at most. `by`: who invites, named in the letter.
    """

    async def work(held: Connection) -> dict[str, Outcome]:
        await hold_firm(held, firm_id)
        columns = [[guest.name for guest in guests], [guest.address for guest in guests], [guest.key for guest in guests]]
        new = {row["email_key"] for row in await held.fetch(NEW_PEOPLE, firm_id, *columns, now)}
        known = await held.fetch(KNOWN + "u.email_key = ANY($1::text[])", columns[2])
        return await _invited(held, firm_id, known, new, by, now)

    return await transaction(work)


async def invite_who_never_connected(firm_id: int, by: str, now: datetime, user_id: int | None = None, but: int = 0) -> list[Outcome]:
    """All active people of the firm without a mailbox, `but` whoever asks for it; or one person."""

    async def work(held: Connection) -> list[Outcome]:
        await hold_firm(held, firm_id)
        which = "u.firm_id = $1 AND CASE WHEN $2::bigint IS NULL THEN u.active AND u.id <> $3 ELSE u.id = $2 END"
        known = await held.fetch(KNOWN + which, firm_id, user_id, but)
        done = (await _invited(held, firm_id, known, set(), by, now)).values()
        return [outcome for outcome in done if user_id or outcome is not Outcome.HERE]

    return await transaction(work)


async def _invited(
    held: Connection, firm_id: int, known: Sequence[asyncpg.Record], new: set[str], by: str, now: datetime
) -> dict[str, Outcome]:
    outcomes = {row["email_key"]: _outcome(row, firm_id, new, now) for row in known}
    ids = [row["id"] for row in known if outcomes[row["email_key"]] in (Outcome.INVITED, Outcome.AGAIN)]
    await held.execute("UPDATE app_user SET invited_at = $2 WHERE id = ANY($1::bigint[])", ids, now)
    await _owe(held, ids, by, now)
    return outcomes


def _outcome(row: asyncpg.Record, firm_id: int, new: set[str], now: datetime) -> Outcome:
    """Pure."""
    if row["firm_id"] != firm_id:
        return Outcome.ELSEWHERE
    if not row["active"]:
        return Outcome.LEFT
    if row["email_key"] in new:
        return Outcome.INVITED
    if row["connected"]:
        return Outcome.HERE
    return Outcome.LATELY if row["invited_at"] and row["invited_at"] > now - ONE_A_DAY else Outcome.AGAIN


async def _owe(held: Connection, ids: list[int], by: str, now: datetime) -> None:
    """A letter each; an older one that still waits for the mail server is not sent as well."""
    await held.execute(
        """
        UPDATE notice SET dropped_at = $2, dropped_because = 'superseded' WHERE user_id = ANY($1::bigint[]) AND kind = 'invitation'
        AND sent_at IS NULL AND dropped_at IS NULL
        """,
        ids,
        now,
    )
    invitations = OWE.format(
        select="u.firm_id, u.id, NULL::bigint, NULL::int, 'invitation', 'invitation:' || u.id || ':' || $4::text, 0, $2::timestamptz, "
        "NULL::timestamptz, $3::text",
        owed_at="$2",
        due_at="$2",
        source="app_user u WHERE u.id = ANY($1::bigint[])",
    )
    await held.execute(invitations, ids, now, by[:200], now.isoformat())
