"""Pruning: what is remembered only for a while."""

from datetime import datetime, timedelta

from models.database import connection
from models.import_drafts import KEPT as DRAFTS

AT_ONCE = 5_000  # rows to one statement: none holds its locks for long
KEPT = timedelta(days=90)  # closed gaps
UNUSABLE_FOR = timedelta(days=7)  # sign-in links, sessions and attempts that are over


async def prune(ledger: timedelta, now: datetime) -> int:
    """Forgets why messages were not filed, once that is older than `ledger`; what is filed, parked or owed stays. Returns how many.

    Safe: a message that is listed again after that is looked at again, and filing it twice is filing it once.
    """
    pruned = 0
    async with connection() as held:
        while True:
            gone: int = await held.fetchval(
                """
                WITH old AS (SELECT id FROM ledger_entry WHERE owed_at IS NULL AND outcome IN ('skipped', 'gone', 'withdrawn')
                AND settled_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED),
                gone AS (DELETE FROM ledger_entry l USING old WHERE l.id = old.id RETURNING 1) SELECT count(*) FROM gone
                """,
                now - ledger,
                AT_ONCE,
            )
            pruned += gone
            if gone < AT_ONCE:
                break
        await held.execute("DELETE FROM gap WHERE closed_at < $1", now - KEPT)
        await held.execute("DELETE FROM import_draft WHERE handed_in_at < $1", now - DRAFTS)
        for table in ("sign_in_link", "session", "oauth_attempt"):
            await held.execute(f"DELETE FROM {table} WHERE expires_at < $1", now - UNUSABLE_FOR)  # noqa: S608  # one of three names
    return pruned
