"""File it anyway: a person wants one message of their own mailbox filed, whatever the rules say of it; or looked at once more.

Either is a debt of the ledger like any other, so that it outlives every process; the sync pays it, and files by the person's word.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from models.database import Connection, transaction
from models.deciding import Voice, also_filed, filed
from models.firms import User
from models.ledger import Wanted
from models.standings import read, write

ACT = "filed anyway"  # as the audit names it
MINE = """
    UPDATE mailbox m SET next_attempt_at = least(m.next_attempt_at, $4) FROM firm f WHERE m.id = $1 AND m.user_id = $2 AND m.firm_id = $3
    AND f.id = m.firm_id AND f.provider = 'google' AND m.state = 'connected' RETURNING true
"""
LIVING = "SELECT true FROM client WHERE id = $1 AND firm_id = $2 AND archived_at IS NULL FOR KEY SHARE"
# A second click changes nothing. What killed its workers stays parked: its strikes are the operator's to forgive.
OWED = """
    INSERT INTO ledger_entry AS l (mailbox_id, gmail_id, found_by, found_at, owed_at, seen_history_id, wanted_for_id, wanted_by_id)
    VALUES ($1, $2, 'person', $3, $3, 0, $4::bigint, $5::bigint) ON CONFLICT (mailbox_id, gmail_id) DO UPDATE SET owed_at = $3,
    next_attempt_at = NULL, missing_at = NULL, tries = 0, found_by = CASE WHEN l.found_by = 'gap' THEN 'person' ELSE l.found_by END,
    outcome = CASE WHEN l.outcome = 'parked' THEN NULL ELSE l.outcome END,
    wanted_for_id = coalesce($4::bigint, l.wanted_for_id), wanted_by_id = CASE WHEN $4::bigint IS NULL THEN l.wanted_by_id ELSE $5::bigint
    END WHERE l.owed_at IS NULL OR l.wanted_for_id IS DISTINCT FROM $4::bigint
"""


class NotOwed(Exception):
    """Nothing was changed.

    NotOwed
    ├── NotReading    the mailbox is nobody's, somebody else's, or not read at the moment
    └── NoSuchClient  another firm's, gone or archived
    """


class NotReading(NotOwed):
    pass


class NoSuchClient(NotOwed):
    pass


async def want(user: User, mailbox_id: int, gmail_id: str, client_id: int, now: datetime) -> None:
    """This message of the user's own mailbox is to be filed under this client. Safe to repeat. Raises `NotReading`, `NoSuchClient`."""

    async def work(held: Connection) -> None:
        await _own(held, user, mailbox_id, now)
        if not await held.fetchval(LIVING, client_id, user.firm_id):
            raise NoSuchClient
        await held.execute(OWED, mailbox_id, gmail_id, now, client_id, user.id)

    await transaction(work)


async def look_again(user: User, mailbox_id: int, gmail_id: str, now: datetime) -> None:
    """It is judged by the rules of now. Safe to repeat. Raises `NotReading`."""

    async def work(held: Connection) -> None:
        await _own(held, user, mailbox_id, now)
        await held.execute(OWED, mailbox_id, gmail_id, now, None, None)

    await transaction(work)


async def _own(held: Connection, user: User, mailbox_id: int, now: datetime) -> None:
    """It is looked at as soon as may be. Mailbox before ledger, as every run does it."""
    if not await held.fetchval(MINE, mailbox_id, user.id, user.firm_id, now):
        raise NotReading


async def file_wanted(held: Connection, firm_id: int, wanted: Mapping[int, Wanted], now: datetime) -> int:
    """In the transaction of filing, by e-mail, which are all locked: each is under its client then, by the person's word, which stands like
    any decision, and the audit says so. Safe to repeat; returns how many activities are new."""
    new = 0
    mails = await read(held, list(wanted)) if wanted else {}
    for email_id, mail in sorted(mails.items()):
        said = wanted[email_id]
        voice = Voice(said.user_id, said.name, now)
        if said.client_id in mail.shown and mail.places[said.client_id].by is not None:
            continue
        decide = filed if mail.is_open or not mail.shown else also_filed
        _, after = decide(mail, said.client_id, voice)
        version = await held.fetchval("UPDATE email SET version = version + 1 WHERE id = $1 RETURNING version", email_id)
        by = User(id=said.user_id, firm_id=firm_id, name=said.name)
        await write(held, by, by.id, ACT, mail, replace(after, version=version), now)
        new += said.client_id not in mail.shown
    return new
