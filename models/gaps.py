"""Gaps: stretches of a mailbox's time that history does not tell, owed a listing by date."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tortoise import fields
from tortoise.models import Model

from models.database import Connection, connection, transaction
from models.leases import Held, LeaseLost, writing
from models.ledger import record_listed
from models.mailboxes import AUDIT_AFTER, Mailbox

DAY = timedelta(days=1)  # the widest stretch asked for at once, and the first
OVERLAP = timedelta(days=2)  # how far a gap reaches back behind the last listing known to be whole
WHENEVER = datetime(9999, 1, 1, tzinfo=UTC)
MARGIN = timedelta(minutes=5)  # beyond the moment where a gap ends: Google's clock is not ours


class Gap(Model):
    """Worked off from its end to its beginning; how far is told by `listed_to`, so that a killed run costs one stretch."""

    id = fields.BigIntField(primary_key=True)
    mailbox: fields.ForeignKeyRelation[Mailbox] = fields.ForeignKeyField("models.Mailbox")
    mailbox_id: int
    since = fields.DatetimeField()
    until = fields.DatetimeField()
    reason = fields.CharField(40)
    listed_to = fields.DatetimeField(null=True)  # everything from here to `until` is in the ledger; null: nothing yet
    width_s = fields.IntField(default=86400, db_default=86400)  # seconds of the next stretch
    found = fields.IntField(default=0, db_default=0)  # messages that the ledger did not know
    opened_at = fields.DatetimeField()  # of past mail (models/past_mail.py): when it was first listed
    closed_at = fields.DatetimeField(null=True)
    addresses = fields.JSONField[list[str]](null=True)  # only mail with one of these, as they may be spelt; null: all mail
    due_at = fields.DatetimeField(null=True)  # not listed before that
    rounds = fields.SmallIntField(default=1, db_default=1)  # how often it is still to be listed, this time included

    class Meta:
        table = "gap"


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is to be listed next: `since` ≤ time < `until`. `rounds`: how often its gap is to be listed, this time included.

    Past mail of new contacts: only mail with one of `addresses`, unless there are none; what was judged until `judged_until` is judged
    again, for since then everybody knows the contacts. None: whatever was judged.
    """

    gap_id: int
    since: datetime
    until: datetime
    width: timedelta
    is_last: bool
    is_past_mail: bool = False
    addresses: tuple[str, ...] = ()
    rounds: int = 1
    judged_until: datetime | None = None


async def start_anew(
    mailbox: Held, baseline: int, until: datetime, overlap: timedelta, reason: str, now: datetime, *, distrust: bool
) -> None:
    """History is gone: in one transaction the cursor moves to a baseline that was asked for at `now`, what lies between is owed as a gap,
    and the lease is given back, so that the mailbox is looked at anew at once. `distrust`: the cursor was none of this mailbox's, so
    whatever still runs with it shall write nothing more (a new epoch).

    Raises `LeaseLost`.
    """

    async def work(held: Connection) -> None:
        moved = await held.fetchval(
            """
            UPDATE mailbox SET cursor = $2, head = NULL, head_at = NULL, history_at = $4, lease_owner = NULL, lease_until = NULL,
            next_attempt_at = $4, recover_at = $4, epoch = epoch + $5, pushed_id = CASE WHEN pushed_id > $2 THEN $2 ELSE pushed_id END,
            missed_id = CASE WHEN missed_id > $2 THEN $2 ELSE missed_id END WHERE id = $1 AND cursor = $3 RETURNING id
            """,
            mailbox.id,
            Decimal(baseline),
            Decimal(mailbox.cursor),
            now,
            int(distrust),
        )
        if moved is None:
            raise LeaseLost
        await _open(held, mailbox, mailbox.history_at - overlap, until, reason, now)
        # Ids that went back begin anew: what was seen under higher ones must not hide what comes.
        await held.execute(
            """
            UPDATE ledger_entry SET seen_history_id = least(seen_history_id, $2),
            view_history_id = CASE WHEN view_history_id > $2 THEN NULL ELSE view_history_id END
            WHERE mailbox_id = $1 AND greatest(seen_history_id, view_history_id) > $2
            """,
            mailbox.id,
            Decimal(baseline),
        )

    await writing(mailbox, now, work)


async def _open(held: Connection, mailbox: Held, since: datetime, until: datetime, reason: str, now: datetime) -> None:
    """Where the cursor never got beyond the baseline of the last gap, that one goes on: a Gmail that never tells history again makes one
    gap, which grows."""
    grown = await held.fetchval(
        """
        UPDATE gap SET since = CASE WHEN closed_at IS NULL THEN least(since, $2) ELSE $2 END, until = $3, listed_to = NULL, reason = $4,
        closed_at = NULL WHERE mailbox_id = $1 AND until > $5 AND reason NOT IN ('backfill', 'contact') RETURNING id
        """,
        mailbox.id,
        since,
        until,
        reason,
        mailbox.history_at,
    )
    if grown is None:
        await owe_gap(held, mailbox.id, since, until, reason, now)


async def owe_gap(held: Connection, mailbox_id: int, since: datetime, until: datetime, reason: str, now: datetime) -> None:
    """Within a transaction of the mailbox's row: `since` ≤ time < `until` is owed a listing, beginning at once."""
    await held.execute(
        "INSERT INTO gap (mailbox_id, since, until, reason, opened_at) VALUES ($1, $2, $3, $4, $5)", mailbox_id, since, until, reason, now
    )
    await held.execute("UPDATE mailbox SET recover_at = $2 WHERE id = $1", mailbox_id, now)


async def backfill(mailbox_id: int, firm_id: int, since: datetime, now: datetime) -> bool:
    """Owes the mail of a connected mailbox since `since`, though it came before the connection. False if there is none such.

    Safe to repeat: what is filed stays once, and what was skipped for its age is judged again.
    """

    async def work(held: Connection) -> bool:
        started_at = await held.fetchval(
            """
            UPDATE mailbox m SET started_at = least(m.started_at, $3),
            unwanted_from = CASE WHEN $3 < m.unwanted_until THEN NULL ELSE m.unwanted_from END,
            unwanted_until = CASE WHEN $3 < m.unwanted_until THEN NULL ELSE m.unwanted_until END FROM mailbox old
            WHERE m.id = $1 AND old.id = m.id AND m.firm_id = $2 AND m.state = 'connected'
            RETURNING greatest(old.started_at, old.unwanted_until)
            """,
            mailbox_id,
            firm_id,
            since,
        )
        if started_at is None:
            return False
        if since < started_at:
            # Whoever works on it now judges by the old start: the lease is taken away, and the work is owed anew.
            await held.execute(
                "UPDATE mailbox SET lease_owner = NULL, lease_until = NULL, next_attempt_at = $2 WHERE id = $1", mailbox_id, now
            )
            await owe_gap(held, mailbox_id, since, started_at + MARGIN, "backfill", now)
        return True

    return await transaction(work)


async def next_stretch(mailbox: Held) -> Stretch | None:
    """Of the gaps that are open and due, the latest time that is not listed yet; older than the mailbox's start nothing is asked for."""
    async with connection() as held:
        row = await held.fetchrow(
            """
            SELECT id, greatest(since, $2) AS since, coalesce(listed_to, until) AS until, width_s, reason = 'contact' AS is_past_mail,
            addresses, rounds, CASE WHEN listed_to IS NOT NULL OR due_at IS NOT NULL THEN opened_at END AS judged_until
            FROM gap WHERE mailbox_id = $1 AND closed_at IS NULL AND (due_at IS NULL OR due_at <= $3)
            ORDER BY coalesce(listed_to, until) DESC, id LIMIT 1
            """,
            mailbox.id,
            mailbox.started_at,
            mailbox.taken_at,
        )
    if row is None:
        return None
    width = timedelta(seconds=row["width_s"])
    since = max(row["since"], row["until"] - width)
    is_last = since == row["since"] or since >= row["until"]
    told = row["is_past_mail"], tuple(json.loads(row["addresses"] or "[]")), row["rounds"], row["judged_until"]
    return Stretch(row["id"], since, row["until"], width, is_last, *told)


async def narrow(mailbox: Held, stretch: Stretch, width: timedelta, now: datetime) -> None:
    """More was listed there than one page shows: a shorter stretch is asked for. Raises `LeaseLost`."""

    async def work(held: Connection) -> None:
        await held.execute("UPDATE gap SET width_s = $2 WHERE id = $1", stretch.gap_id, int(width.total_seconds()))

    await writing(mailbox, now, work)


async def listed(mailbox: Held, stretch: Stretch, gmail_ids: list[str], now: datetime, again: timedelta = timedelta(0)) -> int:
    """What a stretch showed becomes owed, and the gap is that much shorter, or closed; if it has another round, that is due `again` later.
    Returns how many looks. Raises `LeaseLost`."""
    judged_until = stretch.judged_until or WHENEVER if stretch.is_past_mail else None
    is_over, next_round = stretch.is_last and stretch.rounds == 1, stretch.is_last and stretch.rounds > 1

    async def work(held: Connection) -> int:
        found = await record_listed(held, mailbox.id, gmail_ids, "gap", now, judged_until)
        await held.execute(
            """
            UPDATE gap SET listed_to = $2, found = found + $3, closed_at = $4, width_s = $5, rounds = $6, due_at = coalesce($7, due_at),
            opened_at = coalesce($8, opened_at) WHERE id = $1
            """,
            stretch.gap_id,
            None if next_round else stretch.since,
            found.new + found.again - found.filed if stretch.is_past_mail else found.new,
            now if is_over else None,
            int(min(2 * stretch.width, max(stretch.width, DAY)).total_seconds()),
            stretch.rounds - next_round,
            now + again if next_round else None,
            now if judged_until == WHENEVER else None,
        )
        if is_over and not stretch.is_past_mail:
            await held.execute("UPDATE mailbox SET audit_at = least(audit_at, $2) WHERE id = $1", mailbox.id, now + AUDIT_AFTER)
        return found.new + found.again

    return await writing(mailbox, now, work)


async def claim_recoveries(claim: timedelta, limit: int, now: datetime) -> list[int]:
    """Mailboxes whose gaps are to be worked on by now, fair across firms. A claim whose job is lost runs out after `claim`."""
    async with connection() as held:
        rows = await held.fetch(
            """
            WITH due AS (SELECT id, row_number() OVER (PARTITION BY firm_id ORDER BY recover_at, id) AS turn FROM mailbox
            WHERE state = 'connected' AND firm_id IN (SELECT id FROM firm WHERE provider = 'google') AND recover_at <= $1
            AND (cool_down_until IS NULL OR cool_down_until <= $1)
            AND NOT EXISTS (SELECT 1 FROM project_state WHERE bulk_after > $1)),
            chosen AS (SELECT m.id FROM mailbox m JOIN due USING (id) ORDER BY due.turn, m.id LIMIT $2 FOR UPDATE OF m SKIP LOCKED)
            UPDATE mailbox m SET recover_at = $3 FROM chosen WHERE m.id = chosen.id AND least(m.recover_at, NULL) <= $1 RETURNING m.id
            """,
            now,
            limit,
            now + claim,
        )
    return [row["id"] for row in rows]
