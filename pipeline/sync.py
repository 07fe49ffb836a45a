"""The sync of a mailbox: what changed, whose is it, file it, move the cursor. A push and a sweep run this same recipe.

Safe to run twice, safe to run late, safe to be killed anywhere: what it owes is in the database before it moves on.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import structlog

from gmail.errors import AccessRevoked, GmailTrouble, RateLimited
from models import mailboxes
from models.ledger import Finder, retry_delay
from models.mailboxes import Held, LeaseLost, NotTaken
from pipeline.discover import discover
from pipeline.file import Tally, file_owed
from pipeline.tools import Tools
from telemetry import metrics
from telemetry.logs import fault, log

MARK_IS_YOUNG = 0.5  # of its life: a push job that is younger and finds no mark knows that another run took it, and looks


NOTHING = Tally(0, 0, more=False)


@dataclass(frozen=True, slots=True)
class Trigger:
    """Why a sync runs. `told_at`: seconds since 1970, when the push was heard."""

    kind: Literal["push", "sweep", "backlog"]
    queue: str
    trace: str
    told_at: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one turn over a mailbox."""

    outcome: str
    found: int = 0
    tally: Tally = NOTHING


async def sync_many(mailbox_ids: Sequence[int], trigger: Trigger, tools: Tools) -> list[int]:
    """Side by side, each under its own lease; one that fails stops none of the others. Returns those that still owe, as `sync` says."""
    ends = await asyncio.gather(*(sync(mailbox_id, trigger, tools) for mailbox_id in mailbox_ids), return_exceptions=True)
    for mailbox_id, end in zip(mailbox_ids, ends, strict=True):
        if isinstance(end, BaseException):
            fault("sync failed", end, mailbox=mailbox_id)
    return [mailbox_id for mailbox_id, end in zip(mailbox_ids, ends, strict=True) if end is True]


async def sync(mailbox_id: int, trigger: Trigger, tools: Tools) -> bool:
    """Brings one mailbox up to date; True if its time was up with messages still owed.

    Goes round again if it was told of news meanwhile: whoever told us found the lease taken and left.
    """
    while True:
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(trace=trigger.trace, mailbox=mailbox_id):
            run = await _turn(mailbox_id, trigger, tools)
            metrics.SYNCS.labels(trigger.queue, trigger.kind, run.outcome).inc()
            log.info("sync", trigger=trigger.kind, outcome=run.outcome, found=run.found, looked=run.tally.looked, filed=run.tally.filed,
                     ms=round((time.perf_counter() - started) * 1000, 1))  # fmt: skip
        if run.tally.filed and trigger.told_at:
            metrics.PUSH_TO_FILED.observe(max(0.0, time.time() - trigger.told_at))
        if run.tally.more:
            return True
        if run.outcome in ("held", "cooling", "lost") or not await tools.marks.told(mailbox_id):
            return False
        trigger = replace(trigger, kind="push", told_at=None)


async def _turn(mailbox_id: int, trigger: Trigger, tools: Tools) -> Run:
    """One turn under the lease, which is given back however it ends."""
    held = await mailboxes.take(mailbox_id, secrets.token_hex(8), tools.limits.lease, await tools.clock())
    if isinstance(held, NotTaken):
        if held.because in ("not connected", "unknown"):
            await tools.marks.take(mailbox_id)  # nobody will come for it
        return Run(held.because)
    try:
        async with _keeping(held, tools):
            run = await _look_and_file(held, trigger, tools)
        await mailboxes.release(held, tools.limits.settle, again_at=await tools.clock() if run.tally.more else None)
        return run
    except LeaseLost:
        return Run("lost")
    except GmailTrouble as trouble:
        return Run(await _cope(held, trouble, tools))
    except BaseException:
        # The next run must not wait for the lease to end. If this fails too, it ends by itself, and the pending chore finds it.
        with contextlib.suppress(Exception):
            await _try_later(held, tools)
        raise


async def _look_and_file(held: Held, trigger: Trigger, tools: Tools) -> Run:
    """The recipe."""
    until = await tools.clock() + tools.limits.job_budget
    await _keep_distance(held, tools)
    told = await tools.marks.take(held.id)
    found_by: Finder = "push" if told is not None or trigger.kind == "push" else "sweep"
    if told is not None:
        await mailboxes.pushed(held, await tools.clock())
    gmail = tools.mailbox(held)
    if _is_stale(held, told, trigger, tools):
        return Run("stale", 0, await file_owed(held, gmail, tools, until))
    found = await discover(held, gmail, found_by, tools)
    return Run("ok", found, await file_owed(held, gmail, tools, until))


def _is_stale(held: Held, told: int | None, trigger: Trigger, tools: Tools) -> bool:
    """Nothing new to ask Gmail for: the push tells of what lies behind the cursor, or another run took its mark and has listed since."""
    if trigger.kind != "push":
        return False
    if told is not None:
        return told <= held.cursor
    young = tools.limits.mark.total_seconds() * MARK_IS_YOUNG
    return trigger.told_at is not None and 0 <= time.time() - trigger.told_at < young


async def _keep_distance(held: Held, tools: Tools) -> None:
    """Two listings of one mailbox keep their distance; the mark stays meanwhile, so that a storm of pushes becomes one listing."""
    if held.last_checked_at:
        wait = (held.last_checked_at + tools.limits.listing_gap - await tools.clock()).total_seconds()
        if wait > 0:
            await tools.sleep(min(wait, tools.limits.listing_gap.total_seconds()))


@contextlib.asynccontextmanager
async def _keeping(held: Held, tools: Tools) -> AsyncIterator[None]:
    """Renews the lease while its holder waits for Google. Whether it still is ours, each transaction asks for itself."""

    async def renew() -> None:
        while True:
            await tools.sleep(tools.limits.lease.total_seconds() / 4)
            with contextlib.suppress(Exception):  # a lost connection: the next renewal, or the next transaction, will tell
                await mailboxes.renew(held, await tools.clock())

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.wait([renewing])


async def _cope(held: Held, trouble: GmailTrouble, tools: Tools) -> str:
    """What Google refused, as rows: a cool-down, a lapse, or a later try. Returns the outcome as a word."""
    now = await tools.clock()
    match trouble:
        case RateLimited(until=until):
            await mailboxes.release(held, tools.limits.settle, again_at=until, cool_down_until=until)
            return "rate limited"
        case AccessRevoked(because=because):
            if await mailboxes.lapse(held.id, held.epoch, because, now):
                log.warning("lapsed", because=because)
            return "lapsed"
        case _:
            fault("google refused", trouble, word=getattr(trouble, "because", None) or getattr(trouble, "what", None))
            await _try_later(held, tools)
            return "failed"


async def _try_later(held: Held, tools: Tools) -> None:
    """Each failed run in a row waits twice as long, an hour at most; the sweep looks every interval anyway."""
    now: datetime = await tools.clock()
    await mailboxes.release(held, tools.limits.settle, again_at=now + retry_delay(held.failures, tools.limits.retry), failed=True)
