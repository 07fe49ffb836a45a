"""What the reconcile process and the workers do, on the stage's clock: whatever is due is done, then time goes on to what is due next."""

import contextlib
from datetime import datetime, timedelta

from tortoise.expressions import Q

from models.gaps import Gap, claim_recoveries
from models.mailboxes import Mailbox
from pipeline.jobs import FRESH, SWEEP
from pipeline.recover import recover
from pipeline.sync import Trigger, sync
from pipeline.tools import Tools
from tests.pipeline.stage import Killed, Stage

INTERVAL = timedelta(minutes=10)
DAY = timedelta(days=1)


async def work(stage: Stage, tools: Tools | None = None) -> None:
    """Everything that is due by now."""
    for mailbox_id in await stage.pending():
        with contextlib.suppress(Killed):
            await sync(mailbox_id, Trigger("pending", SWEEP, "trace"), tools or stage.tools)
    for mailbox_id in await claim_recoveries(INTERVAL, 200, stage.clock.moment):
        with contextlib.suppress(Killed):
            await recover_and_sync(stage, mailbox_id, tools)


async def recover_and_sync(stage: Stage, mailbox_id: int, tools: Tools | None = None) -> None:
    """The job `recover_mailbox`, and the one that it sends if there is news."""
    if await recover(mailbox_id, "trace", tools or stage.tools):
        await sync(mailbox_id, Trigger("push", FRESH, "trace"), tools or stage.tools)


async def until_whole(stage: Stage, tools: Tools | None = None, within: timedelta = timedelta(hours=2)) -> timedelta:
    """Until nothing is owed and no gap is open. Returns how long the gaps took."""
    began, closed = stage.clock.moment, None
    owes = Q(next_attempt_at__isnull=False) | Q(recover_at__isnull=False)
    while await Mailbox.filter(owes, state="connected").exists():
        assert stage.clock.moment < began + within, "it never ends"
        await work(stage, tools)
        closed = closed or (None if await Gap.filter(closed_at=None).exists() else stage.clock.moment)
        await to_what_is_due_next(stage)
    return (closed or began) - began


async def to_what_is_due_next(stage: Stage) -> None:
    rows = await Mailbox.filter(state="connected").values_list("next_attempt_at", "recover_at", "lease_until", "cool_down_until")
    moments = [moment for row in rows for moment in row if moment is not None and moment > stage.clock.moment]
    due: datetime = min(moments, default=stage.clock.moment + timedelta(seconds=5))
    await stage.time_passes((due - stage.clock.moment).total_seconds())


async def all_but_lost(stage: Stage, mailbox: Mailbox) -> None:
    """A mailbox that is read to its end, and whose history Gmail forgets now."""
    await stage.sweep(mailbox)
    await stage.time_passes(300)
    await stage.sandbox.aio.fault("history_expired", mailbox=mailbox.address)
