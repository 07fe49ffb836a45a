"""Revival: a mailbox that lapsed by an error of Google's, or of the operator's, and whose grant still works is connected again."""

from dataclasses import dataclass
from datetime import datetime

from models.database import Connection, connection, transaction
from models.notices import drop_lapse_notices, owe_caught_up


@dataclass(frozen=True, slots=True)
class Lapsed:
    """A mailbox without access, at that very lapse."""

    mailbox_id: int
    epoch: int


async def lapsed_since(since: datetime) -> list[Lapsed]:
    """Those that still have a grant which may be tried, and somebody for whom; the one that lapsed first comes first."""
    async with connection() as held:
        rows = await held.fetch(
            """
            SELECT m.id AS mailbox_id, m.epoch FROM mailbox m JOIN firm f ON f.id = m.firm_id JOIN app_user u ON u.id = m.user_id
            WHERE m.state = 'lapsed' AND m.lapsed_at >= $1 AND m.refresh_token IS NOT NULL AND f.provider = 'google' AND u.active
            ORDER BY m.lapsed_at, m.id
            """,
            since,
        )
    return [Lapsed(**row) for row in rows]


async def revive(mailbox_id: int, epoch: int, now: datetime) -> bool:
    """Goes on where it lapsed: the cursor stays, a look and a watch are owed at once, letters that were not sent never will be.

    True if it was this very lapse that ended: who reconnected or disconnected meanwhile is left alone.
    """

    async def work(held: Connection) -> bool:
        before = await held.fetchval(
            "SELECT lapsed_at FROM mailbox WHERE id = $1 AND epoch = $2 AND state = 'lapsed' AND refresh_token IS NOT NULL FOR UPDATE",
            mailbox_id,
            epoch,
        )
        if before is None:
            return False
        await held.execute(
            """
            UPDATE mailbox SET state = 'connected', epoch = epoch + 1, away_since = lapsed_at, connected_at = $2, next_attempt_at = $2,
            claimed_at = $2, watch_due_at = NULL, watch_failures = 0, failures = 0, lapsed_at = NULL, lapse_reason = NULL,
            digested_at = NULL, parting_at = NULL, parting_since = NULL WHERE id = $1
            """,
            mailbox_id,
            now,
        )
        await drop_lapse_notices(held, mailbox_id, "still alive", now)
        await owe_caught_up(held, mailbox_id, epoch, epoch + 1, before, now)
        return True

    return await transaction(work)
