"""Asking Google for pushes, and when to ask again."""

from datetime import datetime, timedelta

from gmail.answers import Watch
from gmail.client import GmailMailbox
from gmail.errors import OnlyOneWatch
from models.ledger import retry_delay
from models.watches import ToWatch, watch_stopped

BEFORE_EXPIRY = timedelta(days=1)  # a renewal is never left to the last day
SOONEST = timedelta(minutes=10)  # however short a watch Google may give


async def watched(google: GmailMailbox, topic: str, connection: ToWatch) -> Watch:
    """Asks for pushes; stops an older watch only where Google says that it stands in the way, for who stops first may end with none.

    Raises gmail's errors, and what its `Access` raises.
    """
    try:
        return await google.watch(topic)
    except OnlyOneWatch:
        await watch_stopped(connection.mailbox_id, connection.epoch)
        await google.stop()
        return await google.watch(topic)


def next_renewal(now: datetime, expires_at: datetime, after: timedelta, luck: float) -> datetime:
    """When to ask again: after `after`, up to a sixth sooner so that a herd spreads, and in any case a day before the watch ends.

    `luck` is between 0 and 1.
    """
    return max(now + SOONEST, min(now + after * (1 - luck / 6), expires_at - BEFORE_EXPIRY))


def next_try(now: datetime, failures: int, first: timedelta, luck: float) -> datetime:
    """When to ask again after a refusal, of which there were `failures` before: after `first`, then twice as long each time, an hour at
    most; up to a fifth later, so that a herd spreads. `luck` is between 0 and 1.
    """
    return now + retry_delay(failures, first) * (1 + luck / 5)
