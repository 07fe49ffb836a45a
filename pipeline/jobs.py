"""The pipeline's jobs. Only declared here: what they call is imported when they run, so that a web process can send them cheaply."""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Mapping
from typing import Literal

import dramatiq
import redis

from pipeline import broker as _broker  # sets Dramatiq's broker before the first actor is declared
from pipeline.announce import News

FRESH, SWEEP, BULK = "fresh", "sweep", "bulk"
BEHIND = 10  # Dramatiq's priority of bulk jobs in a worker that serves the sweep too; 0 goes first
BROKER = _broker.broker


@dramatiq.actor(queue_name=FRESH)
async def sync_mailbox(mailbox_id: int, trace: str, told_at: float) -> None:
    """A push told of this mailbox. `told_at`: seconds since 1970, when it was heard."""
    from pipeline.sync import Trigger, sync
    from pipeline.tools import tools

    await queue_the_rest([(mailbox_id, await sync(mailbox_id, Trigger("push", FRESH, trace, told_at), tools()))], trace)


@dramatiq.actor(queue_name=SWEEP)
async def sync_stragglers(mailbox_ids: list[int], trace: str, due_at: float) -> None:
    """Mailboxes that nobody looked at for an interval: side by side, each under its own lease. `due_at`: seconds since 1970, when they
    were claimed; whoever looked since then did this work."""
    await _sync_many(mailbox_ids, "sweep", SWEEP, trace, due_at)


@dramatiq.actor(queue_name=SWEEP)
async def sync_pending(mailbox_ids: list[int], trace: str, due_at: float) -> None:
    """Mailboxes that owe something, or whose run never ended."""
    await _sync_many(mailbox_ids, "pending", SWEEP, trace, due_at)


@dramatiq.actor(queue_name=BULK, priority=BEHIND)
async def sync_failing(mailbox_ids: list[int], trace: str, due_at: float) -> None:
    """The same where the last runs failed: behind the others, as they may hold this job for as long as Google is silent."""
    await _sync_many(mailbox_ids, "pending", BULK, trace, due_at)


@dramatiq.actor(queue_name=BULK, priority=BEHIND)
async def sync_backlog(mailbox_id: int, trace: str) -> None:
    """A sync ran out of its time with messages still owed: the rest, behind everybody's fresh mail."""
    from pipeline.sync import Trigger, sync
    from pipeline.tools import tools

    await queue_the_rest([(mailbox_id, await sync(mailbox_id, Trigger("backlog", BULK, trace), tools()))], trace)


@dramatiq.actor(queue_name=BULK, priority=BEHIND)
async def recover_mailbox(mailbox_id: int, trace: str) -> None:
    """A gap of this mailbox is owed a listing by date. What is left when it ends, the gaps chore queues again."""
    from pipeline.recover import recover
    from pipeline.tools import tools

    await queue_the_rest([(mailbox_id, "news" if await recover(mailbox_id, trace, tools()) else None)], trace)


async def _sync_many(mailbox_ids: list[int], kind: Literal["sweep", "pending"], queue: str, trace: str, due_at: float) -> None:
    from pipeline.sync import Trigger, sync_many
    from pipeline.tools import tools

    await queue_the_rest(await sync_many(mailbox_ids, Trigger(kind, queue, trace, due_at), tools()), trace)


async def queue_the_rest(unfinished: Iterable[tuple[int, str | None]], trace: str) -> None:
    """Jobs for what runs had no time for. If the broker is down the pending chore finds them: their rows say that something is owed."""
    with contextlib.suppress(redis.RedisError):
        for mailbox_id, rest in unfinished:
            if rest == "backlog":
                await asyncio.to_thread(sync_backlog.send, mailbox_id, trace)
            elif rest == "news":
                await asyncio.to_thread(sync_mailbox.send, mailbox_id, trace, time.time())


async def send_sync_jobs(mailboxes: Mapping[int, News]) -> None:
    """One job each, through Dramatiq's public API, which blocks: so in a thread."""

    def send() -> None:
        for mailbox, news in mailboxes.items():
            sync_mailbox.send(mailbox, news.trace, news.told_at)

    await asyncio.to_thread(send)
