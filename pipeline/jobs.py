"""The pipeline's jobs. Only declared here: what they call is imported when they run, so that a web process can send them cheaply."""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Mapping

import dramatiq
import redis

from pipeline import broker as _broker  # sets Dramatiq's broker before the first actor is declared
from pipeline.announce import News

FRESH, SWEEP, BULK = "fresh", "sweep", "bulk"
BROKER = _broker.broker


@dramatiq.actor(queue_name=FRESH)
async def sync_mailbox(mailbox_id: int, trace: str, told_at: float) -> None:
    """A push told of this mailbox. `told_at`: seconds since 1970, when it was heard."""
    from pipeline.sync import Trigger, sync
    from pipeline.tools import tools

    await _queue_the_rest([(mailbox_id, await sync(mailbox_id, Trigger("push", FRESH, trace, told_at), tools()))], trace)


@dramatiq.actor(queue_name=BULK)
async def sync_backlog(mailbox_id: int, trace: str) -> None:
    """A sync ran out of its time with messages still owed: the rest, behind everybody's fresh mail."""
    from pipeline.sync import Trigger, sync
    from pipeline.tools import tools

    await _queue_the_rest([(mailbox_id, await sync(mailbox_id, Trigger("backlog", BULK, trace), tools()))], trace)


@dramatiq.actor(queue_name=SWEEP)
async def sync_stragglers(mailbox_ids: list[int], trace: str) -> None:
    """Mailboxes that nobody looked at for an interval, or that owe something: side by side, each under its own lease."""
    from pipeline.sync import Trigger, sync_many
    from pipeline.tools import tools

    await _queue_the_rest(await sync_many(mailbox_ids, Trigger("sweep", SWEEP, trace), tools()), trace)


async def _queue_the_rest(unfinished: Iterable[tuple[int, str | None]], trace: str) -> None:
    """If the broker is down the pending chore finds them: their rows say that something is owed."""
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
