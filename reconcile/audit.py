"""The audit: what Gmail shows of the last days, against the ledger. What is missing there was lost, is filed now, and is told.

List first, then sync, then compare: what was listed and is in no ledger although history was read to its end afterwards, no push and no
sweep would ever have found.
"""

import random
from datetime import datetime, timedelta

import structlog

from gmail.client import GmailMailbox
from gmail.errors import AccessRevoked, GmailTrouble, NotAllowed, RateLimited, TryAgain
from models.audits import ToAudit, compare, put_off, to_audit
from models.connections import renamed
from models.leases import LeaseLost
from pipeline.recover import between
from pipeline.rules import CLOCKS_DIFFER
from pipeline.sync import Rest, Trigger, cooled_down, lapsed, refused, sync
from pipeline.tools import Tools
from telemetry import metrics
from telemetry.logs import log

SETTLED = timedelta(minutes=10)  # what came later than that may still be on its way through history
SOON = timedelta(minutes=10)  # until an audit that could not be made is tried again


async def audit(mailbox_id: int, trace: str, tools: Tools) -> Rest | None:
    """One mailbox. Safe to run twice; killed anywhere, it is due again. What its sync had no time for it says, as `sync` does."""
    with structlog.contextvars.bound_contextvars(trace=trace, mailbox=mailbox_id):
        mailbox, rest = await to_audit(mailbox_id, await tools.clock()), None
        if mailbox is None:
            return None
        try:
            outcome, rest = await _audit(mailbox, Trigger("audit", "bulk", trace), tools)
        except LeaseLost:
            outcome = "over"  # disconnected or connected anew meanwhile
        except (AccessRevoked, NotAllowed) as ended:
            await lapsed(mailbox.mailbox_id, mailbox.epoch, ended.because, tools)
            outcome = "lapsed"
        except RateLimited as limited:
            wait = await cooled_down(limited, tools)
            await put_off(mailbox.mailbox_id, mailbox.epoch, wait, wait if limited.of == "mailbox" else None)
            outcome = "rate limited"
        except GmailTrouble as trouble:
            await refused(trouble, tools)
            await put_off(mailbox.mailbox_id, mailbox.epoch, await tools.clock() + SOON)
            outcome = "failed"
        metrics.AUDITS.labels(outcome).inc()
        await tools.meter.tell(await tools.clock())
        return rest


async def _audit(mailbox: ToAudit, trigger: Trigger, tools: Tools) -> tuple[str, Rest | None]:
    """The outcome as a word, and what is left to do."""
    mailbox_id, epoch, began = mailbox.mailbox_id, mailbox.epoch, await tools.clock()
    # Where a gap was closed of late, Gmail's index may have lacked what came right before it was opened.
    lately = min(began, mailbox.recovered_at or began) - tools.settings.privacy.audit_window
    since = max(lately, mailbox.started_at + CLOCKS_DIFFER)
    google = tools.connection(mailbox_id, epoch)
    if await renamed(mailbox_id, epoch, (await google.profile()).address):
        log.info("renamed at Google")
    ids = await _everything(google, since, began - SETTLED)
    listed_at = await tools.clock()
    rest = await sync(mailbox_id, trigger, tools)
    now = await tools.clock()
    next_at = now + tools.settings.sweep.audit_every * random.uniform(0.9, 1.0)  # noqa: S311  # spreads, keeps no secret
    found = await compare(mailbox_id, epoch, ids, listed_at, next_at, now)
    if found is None:
        await put_off(mailbox_id, epoch, now + SOON)
        return "not proven", rest
    if found.new:
        metrics.AUDIT_FOUND.inc(found.new)
        log.error("audit found lost mail", messages=found.new)
    if found.new or found.again:
        rest = await sync(mailbox_id, trigger, tools)
    return ("found" if found.new else "whole"), rest


async def _everything(gmail: GmailMailbox, since: datetime, until: datetime) -> list[str]:
    """The ids of what Gmail shows by date, spam and trash left out."""
    if since >= until:
        return []
    query, ids, token, seen = between(since, until), list[str](), None, set()
    while True:
        page = await gmail.listed(query, token)
        ids += page.ids
        token = page.next_page_token
        if token is None:
            return ids
        if token in seen:
            raise TryAgain("pages_in_a_circle")
        seen.add(token)
