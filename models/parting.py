"""Parting: what Google is still to be told of a connection that is over, and the tokens that are kept until then. Owed by a row, so that
a process that dies half-way leaves no access behind."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from models.database import Connection, connection, transaction

KEPT_WITHOUT_PROVIDER = timedelta(days=30)  # grants of a firm that switched its provider off
GIVE_UP = timedelta(days=1)  # after so long without an answer of Google's the tokens are erased all the same
# Pushes and grants are Google's per account and project: as long as another mailbox of that account is read, they stay.
SHARED = """
    EXISTS (SELECT 1 FROM mailbox o JOIN firm f ON f.id = o.firm_id WHERE o.google_sub = m.google_sub AND o.id <> m.id
    AND {lives})
"""

HOLDS_A_GRANT = "(o.state IN ('connected', 'paused') OR o.state = 'lapsed' AND o.refresh_token IS NOT NULL)"
IS_WATCHED = "o.state IN ('connected', 'paused') AND f.provider = 'google'"


@dataclass(frozen=True, slots=True)
class Parting:
    """A mailbox that Google is to be told about. `for_good`: the grant goes too, unless `grant_is_shared`; else only the watch."""

    mailbox_id: int
    epoch: int
    google_sub: str
    refresh_token: str | None
    access_token: str | None
    access_expires_at: datetime | None
    for_good: bool
    grant_is_shared: bool
    watch_is_shared: bool
    on_the_way: bool  # somebody is at Google to connect that account: what they are given there must not be revoked with the rest
    since: datetime | None


async def claim_partings(claim: timedelta, limit: int, now: datetime) -> list[int]:
    """Mailboxes that Google is to be told about by now. A claim whose job is lost runs out after `claim`."""
    async with connection() as held:
        rows = await held.fetch(
            """
            WITH chosen AS (SELECT id FROM mailbox WHERE parting_at <= $1 ORDER BY parting_at, id LIMIT $2 FOR UPDATE SKIP LOCKED)
            UPDATE mailbox m SET parting_at = $3 FROM chosen WHERE m.id = chosen.id RETURNING m.id
            """,
            now,
            limit,
            now + claim,
        )
    return [row["id"] for row in rows]


async def to_part(mailbox_id: int, now: datetime) -> Parting | None:
    """None if nothing is owed any more: it was connected anew, or another process was faster."""
    async with connection() as held:
        row = await held.fetchrow(
            f"""
            SELECT m.id AS mailbox_id, m.epoch, m.google_sub, m.refresh_token, m.access_token, m.access_expires_at,
            m.state = 'disconnected' AS for_good, {SHARED.format(lives=HOLDS_A_GRANT)} AS grant_is_shared,
            {SHARED.format(lives=IS_WATCHED)} AS watch_is_shared, m.parting_since AS since,
            $2 < m.parting_since + interval '1 hour' AND EXISTS (SELECT 1 FROM oauth_attempt a JOIN app_user u ON u.id = a.user_id
            WHERE a.expires_at > $2 AND (a.used_at IS NULL OR a.used_at > m.parting_since) AND (a.user_id = m.user_id
            OR lower(coalesce(nullif(a.address, ''), u.email)) IN (m.address_key, m.former_key)
            OR EXISTS (SELECT 1 FROM mailbox h WHERE h.user_id = a.user_id AND h.google_sub = m.google_sub))) AS on_the_way
            FROM mailbox m JOIN firm f ON f.id = m.firm_id
            WHERE m.id = $1 AND m.parting_at IS NOT NULL AND (m.state = 'disconnected' OR f.provider = 'none')
            """,  # noqa: S608  # constants of ours
            mailbox_id,
            now,
        )
    return Parting(**row) if row else None


async def parted(parting: Parting) -> bool:
    """Google was told: nothing is owed, and for good means that the tokens are erased. True if it still was this parting."""
    erased = ", refresh_token = NULL, access_token = NULL, access_expires_at = NULL" if parting.for_good else ""
    async with connection() as held:
        done = await held.fetchval(
            f"""
            UPDATE mailbox SET parting_at = NULL, parting_since = NULL, watch_expires_at = NULL, watch_due_at = NULL{erased}
            WHERE id = $1 AND epoch = $2 RETURNING true
            """,  # noqa: S608  # a constant of ours
            parting.mailbox_id,
            parting.epoch,
        )
    return bool(done)


async def watch_anew(mailbox_id: int) -> None:
    """It was switched on again while Google was told to stop: whoever asked for pushes meanwhile may have been first."""
    async with connection() as held:
        await held.execute("UPDATE mailbox SET watch_due_at = NULL WHERE id = $1 AND state = 'connected'", mailbox_id)


async def part_later(parting: Parting, at: datetime) -> None:
    """Google did not answer."""
    async with connection() as held:
        await held.execute(
            "UPDATE mailbox SET parting_at = $3 WHERE id = $1 AND epoch = $2 AND parting_at IS NOT NULL",
            parting.mailbox_id,
            parting.epoch,
            at,
        )


async def end_kept_grants(now: datetime) -> int:
    """Mailboxes of firms whose provider has been off for long are disconnected. Returns how many."""

    async def work(held: Connection) -> int:
        # The firm first, as who chooses its provider does: it may be switched on again this very moment.
        firms = await held.fetch(
            "SELECT id FROM firm WHERE provider = 'none' AND provider_off_at <= $1 ORDER BY id FOR UPDATE", now - KEPT_WITHOUT_PROVIDER
        )
        rows = await held.fetch(
            """
            UPDATE mailbox m SET state = 'disconnected', epoch = m.epoch + 1, parting_at = $1, parting_since = $1,
            stopped_at = CASE m.state WHEN 'lapsed' THEN m.lapsed_at WHEN 'paused' THEN m.stopped_at ELSE f.provider_off_at END
            FROM firm f WHERE f.id = m.firm_id AND f.id = ANY($2::bigint[]) AND m.state IN ('connected', 'paused', 'lapsed') RETURNING m.id
            """,
            now,
            [firm["id"] for firm in firms],
        )
        return len(rows)

    return await transaction(work)
