"""The chores: each looks for one kind of work and queues it. Every claim is a conditional update, so several processes may run them.

None piles up: while enough of its jobs wait, nothing more is claimed, and what is due stays due. A claim whose job is lost runs out.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from models.audits import claim_audits
from models.gaps import claim_recoveries
from models.parting import claim_partings
from models.sweeps import Claimed, claim_pending, claim_stragglers, give_back
from models.watches import claim_watches
from reconcile.queue import Queue
from settings import Settings

MOST_AT_ONCE = 2000  # mailboxes claimed by one look: the next one comes in seconds
MOST_WAITING = {"sweep": 1000, "bulk": 200}  # jobs
WATCHES_AT_ONCE, WATCHES_TO_A_JOB = 200, 20  # a hundred units each: this is a fifth of a project's minute
AUDITS_AT_ONCE = 50
PARTINGS_AT_ONCE, PARTINGS_TO_A_JOB = 100, 10
EARLY = 0.95  # of an interval without a look, a mailbox is queued: it may wait for a worker, and is looked at within the interval
HOUR = timedelta(hours=1)


async def pending(settings: Settings, queue: Queue, now: datetime) -> int:
    """Mailboxes where something is owed by now, or whose run never ended. Returns how many."""
    if await _is_full("sweep", queue):
        return 0
    due = await claim_pending(settings.sweep.interval, MOST_AT_ONCE, now, failing=not await _is_full("bulk", queue))
    await _queue_syncs("sync_pending", due, settings.sweep.batch, queue, now)
    return len(due)


async def stragglers(settings: Settings, queue: Queue, now: datetime) -> int:
    """Mailboxes that nobody looked at for almost an interval are queued, in small jobs, a herd within a third of one: each is looked at in
    every interval, and none waits for one and a half. Returns how many."""
    if await _is_full("sweep", queue):
        return 0
    interval, tick = settings.sweep.interval, settings.sweep.tick
    due = await claim_stragglers(interval * EARLY, 3 * tick / interval, MOST_AT_ONCE, now)
    await _queue_syncs("sync_stragglers", due, settings.sweep.batch, queue, now)
    return len(due)


async def gaps(settings: Settings, queue: Queue, now: datetime) -> int:
    """Mailboxes that are owed a listing by date: one job each."""
    if await _is_full("bulk", queue):
        return 0
    due = await claim_recoveries(settings.sweep.interval, MOST_WAITING["bulk"], now)
    for mailbox_id in due:
        await queue.send("recover_mailbox", mailbox_id, _trace())
    return len(due)


async def watches(settings: Settings, queue: Queue, now: datetime) -> int:
    """Mailboxes whose watch is to be renewed, those that expire first before the others. They find room where syncs find none: without
    pushes there would be even more of those."""
    if await _is_full("sweep", queue, room=50):
        return 0
    due = await claim_watches(settings.sweep.interval, WATCHES_AT_ONCE, now)
    for start in range(0, len(due), WATCHES_TO_A_JOB):
        await queue.send("renew_watches", due[start : start + WATCHES_TO_A_JOB], _trace())
    return len(due)


async def audits(settings: Settings, queue: Queue, now: datetime) -> int:
    """Mailboxes whose daily comparison is due: one job each."""
    if await _is_full("bulk", queue):
        return 0
    due = await claim_audits(HOUR, AUDITS_AT_ONCE, now)
    for mailbox_id in due:
        await queue.send("audit_mailbox", mailbox_id, _trace())
    return len(due)


async def partings(settings: Settings, queue: Queue, now: datetime) -> int:
    """Mailboxes whose connection is over, and Google was not told yet. They find room like watches: tokens shall not lie about."""
    if await _is_full("sweep", queue, room=50):
        return 0
    due = await claim_partings(settings.sweep.interval, PARTINGS_AT_ONCE, now)
    for start in range(0, len(due), PARTINGS_TO_A_JOB):
        await queue.send("part_mailboxes", due[start : start + PARTINGS_TO_A_JOB], _trace())
    return len(due)


CHORES = (pending, stragglers, gaps, watches, audits, partings)  # in the order in which they matter


async def _is_full(name: str, queue: Queue, room: int = 0) -> bool:
    return await queue.waiting(name) >= MOST_WAITING[name] + room


async def _queue_syncs(job: str, claimed: Sequence[Claimed], batch: int, queue: Queue, now: datetime) -> None:
    """Those whose runs fail go into jobs of their own, which hold up nobody else's."""
    healthy, failing = [c.mailbox_id for c in claimed if not c.failing], [c.mailbox_id for c in claimed if c.failing]
    left = [(job, healthy[at : at + batch]) for at in range(0, len(healthy), batch)]
    left += [("sync_failing", failing[at : at + batch]) for at in range(0, len(failing), batch)]
    while left:
        name, mailbox_ids = left[0]
        try:
            await queue.send(name, mailbox_ids, _trace(), now.timestamp())
        except Exception:
            await give_back([mailbox_id for _, ids in left for mailbox_id in ids], now)
            raise
        left.pop(0)


def _trace() -> str:
    return secrets.token_hex(6)
