"""Connections: how a mailbox is connected, paused, lapses, is disconnected and comes back, each in one transaction."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from models.address import key_of
from models.database import Connection, connection, transaction
from models.gaps import MARGIN, OVERLAP, owe_gap
from models.mailboxes import AUDIT_AFTER
from models.notices import USUAL, Schedule, drop_lapse_notices, owe_caught_up, owe_disconnected, owe_lapse

# Whoever works for the connection that is over writes nothing more.
OVER = "epoch = epoch + 1, lease_owner = NULL, lease_until = NULL, next_attempt_at = NULL"
CONNECT = """
    INSERT INTO mailbox AS m (firm_id, user_id, google_sub, address, address_key, state, epoch, refresh_token, access_token,
    access_expires_at, cursor, history_at, started_at, connected_at, next_attempt_at, claimed_at, audit_at)
    VALUES ($1, $2, $3, $4, $5, 'connected', 1, $6, $7, $8, $9, $10, $11, $12, $12, $12, $13)
    ON CONFLICT (firm_id, google_sub) DO UPDATE SET
    former_key = CASE WHEN m.address_key <> excluded.address_key THEN m.address_key ELSE m.former_key END,
    (user_id, address, address_key) = (excluded.user_id, excluded.address, excluded.address_key),
    (refresh_token, access_token, access_expires_at) = (excluded.refresh_token, excluded.access_token, excluded.access_expires_at),
    (state, epoch, failures) = ('connected', m.epoch + 1, 0),
    (connected_at, next_attempt_at, claimed_at, audit_at) =
    (excluded.connected_at, excluded.next_attempt_at, excluded.claimed_at, excluded.audit_at),
    (lease_owner, lease_until, cool_down_until, lapsed_at, lapse_reason, throttled) = (NULL, NULL, NULL, NULL, NULL, 0),
    (watch_expires_at, watch_due_at, watch_failures, watch_trouble, missed_id) = (NULL, NULL, 0, NULL, NULL),
    (stopped_at, parting_at, parting_since, digested_at, test_push_at, test_push_id) = (NULL, NULL, NULL, NULL, NULL, NULL),
    away_since = CASE m.state WHEN 'lapsed' THEN m.lapsed_at WHEN 'paused' THEN m.stopped_at WHEN 'connected' THEN NULL
    ELSE CASE WHEN $14 THEN m.stopped_at END END,
    unwanted_from = CASE WHEN m.state = 'disconnected' AND NOT $14 THEN m.stopped_at ELSE m.unwanted_from END,
    unwanted_until = CASE WHEN m.state = 'disconnected' AND NOT $14 THEN excluded.history_at ELSE m.unwanted_until END,
    cursor = CASE WHEN m.state = 'disconnected' THEN excluded.cursor ELSE m.cursor END,
    head = CASE WHEN m.state = 'disconnected' THEN NULL ELSE m.head END,
    head_at = CASE WHEN m.state = 'disconnected' THEN NULL ELSE m.head_at END,
    history_at = CASE WHEN m.state = 'disconnected' THEN excluded.history_at ELSE m.history_at END
    RETURNING id, epoch
"""


class NobodyThere(Exception):
    """Whoever gave the grant has left the firm meanwhile: nothing was connected."""


@dataclass(frozen=True, slots=True)
class Connect:
    """A grant that Google gave for a mailbox, and the baseline read before anything else: what makes a connection."""

    firm_id: int
    user_id: int
    google_sub: str
    address: str
    refresh_token: str
    access_token: str
    access_expires_at: datetime
    history_id: int
    baseline_at: datetime  # before `history_id` was asked for
    in_between: bool = True  # one that was disconnected: also the mail since then
    days: int = 0  # a first connection: also the mail of so many days before


@dataclass(frozen=True, slots=True)
class Before:
    """What the row was when its Google account came back."""

    id: int
    state: str
    epoch: int
    history_at: datetime
    started_at: datetime
    lapsed_at: datetime | None
    stopped_at: datetime | None


async def connect(grant: Connect, now: datetime) -> int:
    """Row, tokens and baseline in one transaction; returns the mailbox. The same Google account comes back to its own row.

    A lapsed, paused or still connected mailbox keeps its cursor, so that nothing in between is missed. One that was disconnected gets a
    fresh baseline, and a gap from where it was known; if the mail in between is not wanted, until where it stopped.
    Another account that had the same address is disconnected: the address is this one's now. Raises `NobodyThere`.
    """

    async def work(held: Connection) -> int:
        if not await held.fetchval("SELECT active FROM app_user WHERE id = $1 FOR SHARE", grant.user_id):
            raise NobodyThere
        before = await _before(held, grant)
        started_at = grant.baseline_at - timedelta(days=0 if before else grant.days)
        row = await held.fetchrow(
            CONNECT,
            grant.firm_id,
            grant.user_id,
            grant.google_sub,
            grant.address,
            _key(grant),
            grant.refresh_token,
            grant.access_token,
            grant.access_expires_at,
            Decimal(grant.history_id),
            grant.baseline_at,
            started_at,
            now,
            now + AUDIT_AFTER,
            grant.in_between,
        )
        mailbox_id: int = row["id"]
        await _owe_the_past(held, mailbox_id, before, grant, started_at, now)
        await drop_lapse_notices(held, mailbox_id, "reconnected", now)
        if before and before.state == "lapsed" and before.lapsed_at:
            await owe_caught_up(held, mailbox_id, before.epoch, row["epoch"], before.lapsed_at, now)
        await _retire_namesakes(held, grant, now)
        return mailbox_id

    return await transaction(work)


async def _before(held: Connection, grant: Connect) -> Before | None:
    row = await held.fetchrow(
        """
        SELECT id, state, epoch, history_at, started_at, lapsed_at, stopped_at FROM mailbox
        WHERE firm_id = $1 AND google_sub = $2 FOR UPDATE
        """,
        grant.firm_id,
        grant.google_sub,
    )
    return Before(**row) if row else None


async def _owe_the_past(
    held: Connection, mailbox_id: int, before: Before | None, grant: Connect, started_at: datetime, now: datetime
) -> None:
    """Of a mailbox that was disconnected what lay before is owed in any case; what came in between only if it is wanted."""
    until = grant.baseline_at + MARGIN
    if before and before.state == "disconnected":
        stopped_at = before.stopped_at or grant.baseline_at
        await owe_gap(
            held, mailbox_id, before.history_at - OVERLAP, until if grant.in_between else stopped_at + MARGIN, "disconnected", now
        )
    since = grant.baseline_at - timedelta(days=grant.days)
    if before is None and grant.days:
        await owe_gap(held, mailbox_id, started_at, until, "backfill", now)
    elif before and grant.days and since < before.started_at:  # somebody else's mailbox before: they are asked as for a first connection
        await held.execute("UPDATE mailbox SET started_at = $2 WHERE id = $1", mailbox_id, since)
        await owe_gap(held, mailbox_id, since, before.started_at + MARGIN, "backfill", now)


async def _retire_namesakes(held: Connection, grant: Connect, now: datetime) -> None:
    """An address that Google gave to another account: what had it before can never be read again, and nobody is to be written to."""
    gone = await held.fetch(
        f"""
        UPDATE mailbox SET state = 'disconnected', stopped_at = $4, parting_at = $4, parting_since = $4, {OVER}
        WHERE firm_id = $1 AND address_key = $2 AND google_sub <> $3 AND state <> 'disconnected' RETURNING id
        """,  # noqa: S608  # a constant of ours
        grant.firm_id,
        _key(grant),
        grant.google_sub,
        now,
    )
    for row in gone:
        await drop_lapse_notices(held, row["id"], "another account", now)


def _key(grant: Connect) -> str:
    return key_of(grant.address) or grant.address.lower()


async def disconnect(mailbox_id: int, firm_id: int, now: datetime, *, epoch: int | None = None, by: str = "") -> bool:
    """Ends a connection at once; filed mail is kept. Whatever runs for the mailbox writes nothing more. Google is told next, and then the
    tokens are erased (models/parting.py). `epoch`: only that very connection. `by`: who did it, if not its user, who is then written to.
    True if it was there to be ended."""

    async def work(held: Connection) -> bool:
        row = await held.fetchrow(
            f"""
            UPDATE mailbox SET state = 'disconnected', parting_at = $3, parting_since = $3, lapsed_at = NULL, lapse_reason = NULL,
            stopped_at = CASE state WHEN 'lapsed' THEN lapsed_at WHEN 'paused' THEN stopped_at ELSE $3 END, {OVER}
            WHERE id = $1 AND firm_id = $2 AND state <> 'disconnected' AND ($4::int IS NULL OR epoch = $4) RETURNING user_id, epoch
            """,  # noqa: S608  # a constant of ours
            mailbox_id,
            firm_id,
            now,
            epoch,
        )
        if row is None:
            return False
        await drop_lapse_notices(held, mailbox_id, "disconnected", now)
        if by:
            await owe_disconnected(held, mailbox_id, row["epoch"], by, now)
        return True

    return await transaction(work)


async def pause(mailbox_id: int, firm_id: int, now: datetime) -> bool:
    """Nothing is read until it is resumed; then all of it. True if it was connected."""
    return await _turned(f"state = 'paused', stopped_at = $3, {OVER}", "connected", mailbox_id, firm_id, now)


async def resume(mailbox_id: int, firm_id: int, now: datetime) -> bool:
    """Goes on where it was paused: a look is owed at once, and Google is asked for pushes. True if it was paused."""
    return await _turned(
        "state = 'connected', epoch = epoch + 1, away_since = stopped_at, stopped_at = NULL, connected_at = $3, next_attempt_at = $3, "
        "claimed_at = $3, watch_due_at = NULL, failures = 0, parting_at = NULL, parting_since = NULL",
        "paused",
        mailbox_id,
        firm_id,
        now,
    )  # fmt: skip


async def _turned(change: str, of: str, mailbox_id: int, firm_id: int, now: datetime) -> bool:
    async with connection() as held:
        done = await held.fetchval(
            f"UPDATE mailbox SET {change} WHERE id = $1 AND firm_id = $2 AND state = $4 RETURNING true",  # noqa: S608  # words of ours
            mailbox_id,
            firm_id,
            now,
            of,
        )
    return bool(done)


async def lapse(mailbox_id: int, epoch: int, because: str, now: datetime, schedule: Schedule = USUAL) -> bool:
    """Google withdrew access; the letters about it are owed. True if this very connection was still alive: a late failure never marks its
    successor."""

    async def work(held: Connection) -> bool:
        lapsed = await held.fetchval(
            f"""
            UPDATE mailbox SET state = 'lapsed', lapsed_at = $3, lapse_reason = $4, access_token = NULL, access_expires_at = NULL, {OVER}
            WHERE id = $1 AND epoch = $2 AND state = 'connected' RETURNING epoch
            """,  # noqa: S608  # a constant of ours
            mailbox_id,
            epoch,
            now,
            because,
        )
        if lapsed is None:
            return False
        await drop_lapse_notices(held, mailbox_id, "lapsed again", now)
        await owe_lapse(held, mailbox_id, lapsed, because, schedule, now)
        return True

    return await transaction(work)


async def renamed(mailbox_id: int, epoch: int, address: str) -> bool:
    """Google calls the account otherwise now: its pushes come under the new address, late ones under the old. True if that was news."""
    async with connection() as held:
        done = await held.fetchval(
            """
            UPDATE mailbox SET former_key = address_key, address = $3, address_key = $4
            WHERE id = $1 AND epoch = $2 AND address_key <> $4 RETURNING true
            """,
            mailbox_id,
            epoch,
            address,
            key_of(address) or address.lower(),
        )
    return bool(done)
