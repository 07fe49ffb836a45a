"""Asking Google for pushes, and when to ask again."""

from datetime import datetime, timedelta

from gmail.answers import Watch
from gmail.client import GmailMailbox
from gmail.errors import OnlyOneWatch

BEFORE_EXPIRY = timedelta(days=1)  # a renewal is never left to the last day


async def watched(google: GmailMailbox, topic: str) -> Watch:
    """Asks for pushes; stops an older watch only where Google says that it stands in the way, for who stops first may end with none."""
    try:
        return await google.watch(topic)
    except OnlyOneWatch:
        await google.stop()
        return await google.watch(topic)


def next_renewal(now: datetime, expires_at: datetime, after: timedelta, luck: float) -> datetime:
    """When to ask again: after `after`, up to a sixth sooner so that a herd spreads, and in any case a day before the watch ends.

    `luck` is between 0 and 1.
    """
    return max(now, min(now + after * (1 - luck / 6), expires_at - BEFORE_EXPIRY))
