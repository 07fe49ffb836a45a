"""The audit: what Gmail shows of the last days, against the ledger. What is missing there was lost, is filed now, and is told.

List first, then sync, then compare: what was listed and is in no ledger although history was read to its end afterwards, no push and no
sweep would ever have found.
"""

import random
from datetime import datetime, timedelta

import structlog

from gmail.client import GmailMailbox
from gmail.errors import AccessRevoked, GmailTrouble, NotAllowed, RateLimited
from models.audits import compare, put_off
from models.leases import LeaseLost
from models.mailboxes import Mailbox
from pipeline.recover import between
from pipeline.sync import Trigger, cooled_down, lapsed, refused, sync
from pipeline.tools import Tools
from telemetry import metrics
from telemetry.logs import log

SETTLED = timedelta(minutes=10)  # what came later than that may still be on its way through history
SOON = timedelta(minutes=10)  # until an audit that could not be made is tried again


async def audit(mailbox_id: int, trace: str, tools: Tools) -> None:
    """One mailbox. Safe to run twice; killed anywhere, it is due again."""
    with structlog.contextvars.bound_contextvars(trace=trace, mailbox=mailbox_id):
        mailbox = await Mailbox.get_or_none(id=mailbox_id, state="connected")
        if mailbox is None:
            return
        try:
            outcome = await _audit(mailbox, trace, tools)
        except LeaseLost:
            outcome = "over"  # disconnected or connected anew meanwhile
        except (AccessRevoked, NotAllowed) as ended:
            await lapsed(mailbox.id, mailbox.epoch, ended.because, tools)
            outcome = "lapsed"
        except RateLimited as limited:
            await put_off(mailbox.id, mailbox.epoch, await cooled_down(limited, tools))
            outcome = "rate limited"
        except GmailTrouble as trouble:
            refused(trouble)
            await put_off(mailbox.id, mailbox.epoch, await tools.clock() + SOON)
            outcome = "failed"
        metrics.AUDITS.labels(outcome).inc()
        await tools.meter.tell(await tools.clock())


async def _audit(mailbox: Mailbox, trace: str, tools: Tools) -> str:
    listed_at = await tools.clock()
    since = max(listed_at - tools.settings.privacy.audit_window, mailbox.started_at + SETTLED)
    ids = await _everything(tools.connection(mailbox.id, mailbox.epoch), since, listed_at - SETTLED)
    trigger = Trigger("audit", "bulk", trace)
    await sync(mailbox.id, trigger, tools)
    now = await tools.clock()
    next_at = now + tools.settings.sweep.audit_every * random.uniform(0.9, 1.0)  # noqa: S311  # spreads, keeps no secret
    found = await compare(mailbox.id, mailbox.epoch, ids, listed_at, next_at, now)
    if found is None:
        await put_off(mailbox.id, mailbox.epoch, now + SOON)
        return "not proven"
    if found.new:
        metrics.AUDIT_FOUND.inc(found.new)
        log.error("audit found lost mail", messages=found.new)
    if found.new or found.again:
        await sync(mailbox.id, trigger, tools)
    return "found" if found.new else "whole"


async def _everything(gmail: GmailMailbox, since: datetime, until: datetime) -> list[str]:
    """The ids of what Gmail shows by date, spam and trash left out."""
    if since >= until:
        return []
    query, ids, token = between(since, until), list[str](), None
    while True:
        page = await gmail.listed(query, token)
        ids += page.ids
        token = page.next_page_token
        if token is None:
            return ids
