"""What an admin chooses for the firm's mail beside its lists: how far back past mail is looked for, and which sent mail is filed.

A choice counts for what is looked at from then on, and changes nothing that is filed. The audit tells who chose, and what was before.
"""

from datetime import datetime

from models.audit_log import note
from models.database import Connection, transaction
from models.past_mail import WIDEST

MOST_DAYS = WIDEST.days


class TooManyDays(Exception):
    """More than `MOST_DAYS`, or fewer than none; nothing was changed."""


async def look_back(firm_id: int, days: int, by: int, now: datetime) -> None:
    """So many days of past mail are searched for when a contact is new; 0 for none. Safe to repeat. Raises `TooManyDays`."""
    if not 0 <= days <= MOST_DAYS:
        raise TooManyDays
    await _choose(firm_id, "past_days", days, "past days chosen", by, now)


async def file_all_sent(firm_id: int, wanted: bool, by: int, now: datetime) -> None:
    """All sent mail, or only what goes to a colleague too. Safe to repeat."""
    await _choose(firm_id, "file_all_sent", wanted, "sent mail chosen", by, now)


async def _choose(firm_id: int, column: str, chosen: int | bool, act: str, by: int, now: datetime) -> None:
    """`column` and `act` are words of ours. What is chosen already is no change, and not told."""

    async def work(held: Connection) -> None:
        was = await held.fetchval(f"SELECT {column} FROM firm WHERE id = $1 FOR NO KEY UPDATE", firm_id)  # noqa: S608
        if was == chosen:
            return
        await held.execute(f"UPDATE firm SET {column} = $2 WHERE id = $1", firm_id, chosen)  # noqa: S608
        await note(held, firm_id, by, act, None, {column: was}, {column: chosen}, now)

    await transaction(work)
