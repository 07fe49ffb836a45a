"""The chores: each looks for one kind of work and queues it. Every claim is a conditional update, so several processes may run them."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from models.sweeps import Sweep, claim_pending, claim_stragglers, give_back
from settings import Settings

Send = Callable[[Sequence[int], str], Awaitable[None]]
MOST_AT_ONCE = 2000  # mailboxes claimed by one tick: the next one comes in seconds


async def send_straggler_jobs(mailbox_ids: Sequence[int], trace: str) -> None:
    """One job for about fifty mailboxes, through Dramatiq's public API, which blocks: so in a thread."""
    from pipeline.jobs import sync_stragglers

    await asyncio.to_thread(sync_stragglers.send, list(mailbox_ids), trace)


async def stragglers(settings: Settings, send: Send, now: datetime) -> int:
    """Mailboxes that nobody looked at for an interval are queued, in small jobs. Returns how many."""
    due = await claim_stragglers(settings.sweep.interval, MOST_AT_ONCE, now)
    await _queue(due, settings.sweep.batch, send, now)
    return len(due)


async def pending(settings: Settings, send: Send, now: datetime) -> int:
    """Mailboxes where something is owed by now, or whose sync never ended. Returns how many. A lost job costs one interval here too."""
    due = await claim_pending(settings.sweep.interval, MOST_AT_ONCE, now)
    await _queue(due, settings.sweep.batch, send, now)
    return len(due)


async def turn(settings: Settings, now: datetime) -> bool:
    """Closes the interval's `Sweep` row once it is over. True in the one process that did."""
    return await Sweep.turn(settings.sweep.interval, now)


async def _queue(mailbox_ids: Sequence[int], batch: int, send: Send, now: datetime) -> None:
    for start in range(0, len(mailbox_ids), batch):
        try:
            await send(mailbox_ids[start : start + batch], secrets.token_hex(6))
        except Exception:
            await give_back(mailbox_ids[start:], now)
            raise
