"""Renewing watches: in time, spread over the day, and with each refusal told to whom it concerns."""

import random
from collections.abc import Sequence
from datetime import timedelta

import structlog

from gmail.errors import AccessRevoked, GmailTrouble, NotAllowed, OperatorFault, RateLimited
from models.leases import LeaseLost
from models.project import hold_watches
from models.watches import renew_after, to_watch, watch_failed, watch_set
from pipeline.sync import cooled_down, lapsed, refused
from pipeline.tools import Tools
from pipeline.watch import next_renewal, next_try, watched
from telemetry import metrics
from telemetry.logs import fault

FIRST_RETRY = timedelta(minutes=1)
OPERATOR_RETRY = timedelta(minutes=10)  # what the operator must mend concerns every mailbox: one asks for all


async def renew(mailbox_ids: Sequence[int], trace: str, tools: Tools) -> None:
    """Each by itself: one that is refused stops none of the others. For whom the job's time does not suffice is claimed again later."""
    until, after = await tools.clock() + tools.limits.job_budget, await renew_after()
    for mailbox_id in mailbox_ids:
        if await tools.clock() >= until:
            break
        with structlog.contextvars.bound_contextvars(trace=trace, mailbox=mailbox_id):
            try:
                metrics.WATCHES.labels(await _renew(mailbox_id, after, tools)).inc()
            except Exception as surprise:
                fault("watch failed", surprise)
    await tools.meter.tell(await tools.clock())


async def _renew(mailbox_id: int, after: timedelta, tools: Tools) -> str:
    """Asks Google once; the outcome as a word."""
    connection, luck = await to_watch(mailbox_id, await tools.clock()), random.random()  # noqa: S311  # spreads, keeps no secret
    if connection is None:
        return "not now"
    epoch = connection.epoch
    try:
        watch = await watched(tools.connection(mailbox_id, epoch), tools.settings.push.topic_name, connection)
    except LeaseLost:
        return "over"  # disconnected or connected anew meanwhile: whoever did that sees to it
    except (AccessRevoked, NotAllowed) as ended:
        await lapsed(mailbox_id, epoch, ended.because, tools)
        return "lapsed"
    except RateLimited as limited:
        wait = await cooled_down(limited, tools)
        await watch_failed(mailbox_id, epoch, limited.because, wait, wait if limited.of == "mailbox" else None)
        return "rate limited"
    except OperatorFault as wrong:
        await refused(wrong, tools)
        now = await tools.clock()
        await hold_watches(now + OPERATOR_RETRY)
        await watch_failed(mailbox_id, epoch, wrong.what, next_try(now, connection.failures, OPERATOR_RETRY, luck))
        return "operator fault"
    except GmailTrouble as trouble:
        await refused(trouble, tools)
        because = getattr(trouble, "because", type(trouble).__name__)
        await watch_failed(mailbox_id, epoch, because, next_try(await tools.clock(), connection.failures, FIRST_RETRY, luck))
        return "failed"
    await watch_set(mailbox_id, epoch, watch.expires_at, next_renewal(await tools.clock(), watch.expires_at, after, luck))
    return "renewed"
