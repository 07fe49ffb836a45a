"""Renewing watches: in time, spread over the day, and with each refusal told to whom it concerns."""

import random
from collections.abc import Sequence
from datetime import timedelta

import structlog

from gmail.errors import AccessRevoked, GmailTrouble, NotAllowed, OperatorFault, RateLimited
from models.leases import LeaseLost
from models.ledger import retry_delay
from models.watches import ToWatch, renew_after, to_watch, watch_failed, watch_set
from pipeline.sync import cooled_down, lapsed, refused
from pipeline.tools import Tools
from pipeline.watch import next_renewal, watched
from telemetry import metrics
from telemetry.logs import fault

FIRST_RETRY = timedelta(minutes=1)
OPERATOR_RETRY = timedelta(minutes=10)  # what the operator must mend is not asked for every minute


async def renew(mailbox_ids: Sequence[int], trace: str, tools: Tools) -> None:
    """Each by itself: one that is refused stops none of the others."""
    after = await renew_after()
    for mailbox_id in mailbox_ids:
        with structlog.contextvars.bound_contextvars(trace=trace, mailbox=mailbox_id):
            connection = await to_watch(mailbox_id)
            if connection is None:
                continue
            try:
                metrics.WATCHES.labels(await _renew(connection, after, tools)).inc()
            except Exception as surprise:
                fault("watch failed", surprise)
    await tools.meter.tell(await tools.clock())


async def _renew(connection: ToWatch, after: timedelta, tools: Tools) -> str:
    """Asks Google once; the outcome as a word."""
    mailbox_id, epoch = connection.mailbox_id, connection.epoch
    try:
        watch = await watched(tools.connection(mailbox_id, epoch), tools.settings.push.topic_name)
    except LeaseLost:
        return "over"  # disconnected or connected anew meanwhile: whoever did that sees to it
    except (AccessRevoked, NotAllowed) as ended:
        await lapsed(mailbox_id, epoch, ended.because, tools)
        return "lapsed"
    except RateLimited as limited:
        await watch_failed(mailbox_id, epoch, limited.because, await cooled_down(limited, tools))
        return "rate limited"
    except OperatorFault as wrong:
        refused(wrong)
        await watch_failed(mailbox_id, epoch, wrong.what, await tools.clock() + OPERATOR_RETRY)
        return "operator fault"
    except GmailTrouble as trouble:
        refused(trouble)
        wait = retry_delay(connection.failures, FIRST_RETRY) * random.uniform(1.0, 1.2)  # noqa: S311  # spreads, keeps no secret
        await watch_failed(mailbox_id, epoch, getattr(trouble, "because", type(trouble).__name__), await tools.clock() + wait)
        return "failed"
    now = await tools.clock()
    await watch_set(mailbox_id, epoch, watch.expires_at, next_renewal(now, watch.expires_at, after, random.random()))  # noqa: S311
    return "renewed"
