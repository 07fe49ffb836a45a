"""The sync of a mailbox: what changed, whose is it, file it, move the cursor. A push and a sweep run this same recipe.

Safe to run twice, safe to run late, safe to be killed anywhere: what it owes is in the database before it moves on.
"""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import structlog

from gmail.errors import AccessRevoked, GmailTrouble, NotAllowed, OperatorFault, RateLimited, TryAgain
from gmail.refusals import OURS
from gmail.vault import VaultTrouble
from models import connections, leases, outbox, project
from models.leases import Held, LeaseLost, NotTaken, Rank
from models.ledger import Finder, retry_delay
from models.notices import Schedule
from pipeline.discover import StartedAnew, discover
from pipeline.file import NO_ANSWER, Tally, file_owed
from pipeline.tools import Tools
from telemetry import metrics
from telemetry.logs import fault, log

CLOCKS_DIFFER = 1.0  # seconds, the webhook's and the database's


Rest = Literal["backlog", "news"]  # messages still owed, or told of news again and again
STAYS_MARKED = ("held", "cooling", "lost", "failed", "rate limited", "handed on")  # somebody else, or a later run, looks at the mark
LONGEST_BACK_OFF = timedelta(minutes=5)  # of a mailbox whose runs fail: so long may its mail wait once the trouble is over
NOTHING = Tally(0, 0, more=False)
RANKS: dict[str, Rank] = {"push": "fresh", "pending": "fresh", "sweep": "sweep", "backlog": "bulk", "audit": "bulk"}


@dataclass(frozen=True, slots=True)
class Trigger:
    """Why a sync runs. `told_at`: seconds since 1970, when the push was heard, or the mailbox claimed: a listing since then will do."""

    kind: Literal["push", "pending", "sweep", "backlog", "audit"]
    queue: str
    trace: str
    told_at: float | None = None

    @property
    def rank(self) -> Rank:
        """Who goes first where Google allows little: what was pushed, and what is owed of it; then the sweep; then what can wait."""
        return RANKS[self.kind]


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one turn over a mailbox."""

    outcome: str
    found: int = 0
    tally: Tally = NOTHING
    again_at: datetime | None = None
    took_news: bool = False  # and lost the lease before it could look: another job must


class TookNews(LeaseLost):
    """The mark was taken away, and what it told of was not looked at."""


async def sync_many(mailbox_ids: Sequence[int], trigger: Trigger, tools: Tools) -> list[tuple[int, Rest]]:
    """Side by side, each under its own lease; one that fails stops none of the others. Returns those that are not done."""
    ends = await asyncio.gather(*(sync(mailbox_id, trigger, tools) for mailbox_id in mailbox_ids), return_exceptions=True)
    for mailbox_id, end in zip(mailbox_ids, ends, strict=True):
        if isinstance(end, BaseException):
            fault("sync failed", end, mailbox=mailbox_id)
    return [(mailbox_id, end) for mailbox_id, end in zip(mailbox_ids, ends, strict=True) if isinstance(end, str)]


async def sync(mailbox_id: int, trigger: Trigger, tools: Tools) -> Rest | None:
    """Brings one mailbox up to date. If its time is up before, it says what another job should go on with.

    Goes round again if it was told of news meanwhile: whoever told us found the lease taken and left.
    """
    try:
        return await _rounds(mailbox_id, trigger, tools)
    except BaseException:
        with contextlib.suppress(Exception):
            await tools.marks.distrust(mailbox_id)
        raise


async def _rounds(mailbox_id: int, trigger: Trigger, tools: Tools) -> Rest | None:
    until, anew = await tools.clock() + tools.limits.job_budget, False
    while True:
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(trace=trigger.trace, mailbox=mailbox_id):
            run = await _turn(mailbox_id, trigger, tools)
            metrics.SYNCS.labels(trigger.queue, trigger.kind, run.outcome).inc()
            log.info("sync", trigger=trigger.kind, outcome=run.outcome, found=run.found, looked=run.tally.looked, filed=run.tally.filed,
                     ms=round((time.perf_counter() - started) * 1000, 1))  # fmt: skip
        if run.tally.filed and trigger.told_at and trigger.kind == "push":
            metrics.PUSH_TO_FILED.observe(max(0.0, time.time() - trigger.told_at))
        if run.took_news:
            return "news"
        if run.outcome in STAYS_MARKED:
            return None
        if run.outcome == "anew" and not anew:
            anew, trigger = True, replace(trigger, told_at=None)
            continue
        told = await tools.marks.told(mailbox_id)
        if run.tally.more or (told and await tools.clock() >= until):
            return "news" if told else "backlog"
        if not told:
            return None
        trigger = replace(trigger, kind="push", told_at=None)


async def _turn(mailbox_id: int, trigger: Trigger, tools: Tools) -> Run:
    """One turn under the lease, which is given back however it ends."""
    now = await tools.clock()
    held = await leases.take(
        mailbox_id, secrets.token_hex(8), tools.limits.lease, now, backing_off=trigger.kind == "push", rank=trigger.rank
    )
    if isinstance(held, NotTaken):
        await _not_now(mailbox_id, held, tools, now)
        return Run(held.because)
    if trigger.queue == "fresh" and tools.hanging.hangs(held.firm_id):  # the pending chore queues it elsewhere
        await leases.release(held, tools.limits.settle, again_at=now, listed=False)
        return Run("handed on")
    try:
        async with keeping(held, tools):
            run = await _look_and_file(held, trigger, tools)
        again_at = await tools.clock() + tools.limits.mark if run.tally.more else run.again_at
        await leases.release(held, tools.limits.settle, again_at, listed=run.outcome != "stale", handed_on=run.tally.more)
        return run
    except LeaseLost as lost:
        await leases.release(held, tools.limits.settle)  # nothing to give back, unless a commit's answer was lost: then it is still ours
        return Run("lost", took_news=isinstance(lost, TookNews))
    except StartedAnew:
        return Run("anew")
    except GmailTrouble as trouble:
        return Run(await _cope(held, trouble, tools))
    except VaultTrouble as lost:
        metrics.OPERATOR_FAULTS.labels("key").inc()  # no lapse: nothing is wrong with the grant
        fault("token unreadable", lost)
        await _try_later(held, tools)
        return Run("failed")
    except BaseException:
        # The next run must not wait for the lease to end. If this fails too, it ends by itself, and the pending chore finds it.
        with contextlib.suppress(Exception):
            await _try_later(held, tools)
        raise
    finally:
        with contextlib.suppress(Exception):  # figures: the next run tells them
            await tools.meter.tell(now)


async def _not_now(mailbox_id: int, not_taken: NotTaken, tools: Tools, now: datetime) -> None:
    """A push that cannot be followed yet did come, all the same: the mark may expire before it is."""
    if not_taken.because in ("not connected", "unknown"):
        await tools.marks.take(mailbox_id)  # nobody will come for it
    elif not_taken.because == "cooling" and (told := await tools.marks.told(mailbox_id)) is not None:
        await leases.pushed(mailbox_id, told, now)


async def _look_and_file(held: Held, trigger: Trigger, tools: Tools) -> Run:
    """The recipe."""
    await _keep_distance(held, tools)
    told = await tools.marks.take(held.id)
    try:
        return await _look(held, trigger, told, tools)
    except LeaseLost:
        if told is None:
            raise
        raise TookNews from None


async def _look(held: Held, trigger: Trigger, told: int | None, tools: Tools) -> Run:
    found_by: Finder = "push" if told is not None or trigger.kind == "push" else "return" if held.is_back else "sweep"
    if told is not None:
        await leases.pushed(held.id, told, await tools.clock())
        held = replace(held, pushed_id=max(held.pushed_id, told))
    gmail = tools.mailbox(held)
    if _is_stale(held, told, trigger, tools):
        return Run("stale", tally=await file_owed(held, gmail, tools))
    try:
        new = await discover(held, gmail, found_by, tools)
    except RateLimited:
        raise
    except TryAgain as trouble:
        if trouble.because not in NO_ANSWER:  # what earlier pages and runs have found does not wait for a listing that ends
            await file_owed(held, gmail, tools)
        raise
    # Gmail told of more than it shows yet: it is asked once more, soon.
    again_at = await tools.clock() + tools.limits.first_missing if told is not None and told > new.head else None
    return Run("ok", new.found, await file_owed(held, gmail, tools), again_at)


def _is_stale(held: Held, told: int | None, trigger: Trigger, tools: Tools) -> bool:
    """Nothing new to ask Gmail for: the push tells of what lies behind the cursor, or another run has listed since, to the end.

    That another run took the mark proves nothing by itself: it may have lost its lease before it had listed.
    """
    if held.failures or trigger.kind in ("backlog", "audit"):
        return False
    if told is not None:
        return trigger.kind == "push" and told <= held.cursor
    if trigger.told_at is None or held.last_checked_at is None:
        return False
    return held.last_checked_at.timestamp() >= trigger.told_at + CLOCKS_DIFFER


async def _keep_distance(held: Held, tools: Tools) -> None:
    """Two listings of one mailbox keep their distance; the mark stays meanwhile, so that a storm of pushes becomes one listing."""
    if held.last_checked_at:
        wait = (held.last_checked_at + tools.limits.listing_gap - held.taken_at).total_seconds()
        if wait > 0:
            await tools.sleep(min(wait, tools.limits.listing_gap.total_seconds()))


@contextlib.asynccontextmanager
async def keeping(held: Held, tools: Tools) -> AsyncIterator[None]:
    """Renews the lease while its holder waits for Google. Whether it still is ours, each transaction asks for itself."""

    async def renew() -> None:
        while True:
            await tools.sleep(tools.limits.lease.total_seconds() / 4)
            with contextlib.suppress(Exception):  # a lost connection: the next renewal, or the next transaction, will tell
                await leases.renew(held, await tools.clock())

    renewing = asyncio.create_task(renew())
    try:
        with tools.hanging.watching(held.firm_id):
            yield
    finally:
        renewing.cancel()
        await asyncio.wait([renewing])


async def _cope(held: Held, trouble: GmailTrouble, tools: Tools) -> str:
    """What Google refused, as rows: a cool-down, a lapse, or a later try. Returns the outcome as a word."""
    match trouble:
        case RateLimited(of=of):
            until = await cooled_down(trouble, tools)
            await leases.release(
                held, tools.limits.settle, again_at=until, cool_down_until=until if of == "mailbox" else None, failed=False
            )
            return "rate limited"
        case AccessRevoked(because=because) | NotAllowed(because=because):
            await lapsed(held.id, held.epoch, because, tools)
            return "lapsed"
        case _:
            await refused(trouble, tools)
            await _try_later(held, tools)
            return "failed"


async def cooled_down(trouble: RateLimited, tools: Tools) -> datetime:
    """Until when Google wants to be left alone, by the database's clock. What concerns the whole project is told to all."""
    metrics.THROTTLED.labels(trouble.of).inc()
    # Google's moment was reckoned by this machine's clock; the row is read by the database's.
    wait = (trouble.until - tools.gmail.now()) * random.uniform(1.0, 1.1)  # noqa: S311  # so that not all come back at once
    until = await tools.clock() + wait
    if trouble.of == "project":
        await project.cool_down(until)
    return until


async def lapsed(mailbox_id: int, epoch: int, because: str, tools: Tools) -> None:
    """Marks it, if that very connection is still alive."""
    sweep = tools.settings.sweep
    if await connections.lapse(mailbox_id, epoch, because, await tools.clock(), Schedule(sweep.letter_wait, sweep.notice_days)):
        metrics.LAPSES.labels(because).inc()
        log.warning("lapsed", because=because)


async def refused(trouble: GmailTrouble, tools: Tools) -> None:
    """Told to the operator: what is theirs to mend apart from what may pass. Where Google refuses our OAuth client, nothing that it says of
    grants is to be believed, and letters about lapses wait."""
    if isinstance(trouble, OperatorFault):
        metrics.OPERATOR_FAULTS.labels(trouble.what).inc()
        if trouble.what in OURS:
            await outbox.client_refused(await tools.clock())
    fault("google refused", trouble, word=getattr(trouble, "because", None) or getattr(trouble, "what", None))


async def _try_later(held: Held, tools: Tools) -> None:
    """Each failed run in a row waits twice as long; the pushes meanwhile wait for it. The sweep looks every interval anyway."""
    wait = min(retry_delay(held.failures, tools.limits.retry), LONGEST_BACK_OFF)
    await leases.release(held, tools.limits.settle, again_at=await tools.clock() + wait, failed=True)
