"""Recovery: what history does not tell is listed by date, a stretch at a time, latest first, and what concerns clients is filed.

Every step is one listing or one batch, and one transaction, so any number of kills costs no more than a step each. News of the mailbox
goes first: a recovery that sees a mark lets go of the lease at once.
"""

import contextlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from gmail.client import GmailMailbox
from gmail.errors import AccessRevoked, GmailTrouble, NotAllowed, RateLimited, TokenRefused, TryAgain
from gmail.units import units_of
from models import leases
from models.gaps import Stretch, listed, narrow, next_stretch
from models.leases import Held, LeaseLost, NotTaken
from models.ledger import Owed, owed
from pipeline.file import file_batch_of, rules_of
from pipeline.rules import FirmRules
from pipeline.sync import LONGEST_BACK_OFF, cooled_down, keeping, lapsed, refused
from pipeline.tools import Tools
from telemetry import metrics
from telemetry.logs import log

SHARE = 0.6  # of what Google lets a mailbox spend in a minute: the rest is for its fresh mail
PORTION = 0.25  # of its share, to one run: small enough that no minute, wherever it begins, sees more than the share
LOOK = 2 * units_of("messages.get")  # at most, for all but mails of extraordinary length
MINUTE = timedelta(minutes=1)
NARROWEST = timedelta(seconds=2)  # stretches as short as that are listed page by page
EDGE = timedelta(seconds=1)  # whether Gmail's `after:` and `before:` include their second is not documented
BUSY = timedelta(seconds=1)  # until a mailbox held by another run is tried again; in step with its sweeps, it would be held for ever
NEWS, DONE = "news", "done"


async def recover(mailbox_id: int, trace: str, tools: Tools) -> bool:
    """Works off the gaps of one mailbox until they are closed, a portion of the quota is spent, or the job's time is up; what is left is
    owed as a row. True if news came meanwhile, which a sync should look at now."""
    with structlog.contextvars.bound_contextvars(trace=trace, mailbox=mailbox_id):
        held = await leases.take(mailbox_id, secrets.token_hex(8), tools.limits.lease, await tools.clock(), rank="bulk")
        if isinstance(held, NotTaken):
            if held.because == "held":
                await leases.recover_later(mailbox_id, await tools.clock() + BUSY)
            return False
        outcome = await _under_lease(held, tools)
        metrics.SYNCS.labels("bulk", "recovery", outcome).inc()
        log.info("recovery", outcome=outcome)
    return outcome == NEWS or await tools.marks.told(mailbox_id) is not None


async def _under_lease(held: Held, tools: Tools) -> str:
    gmail, share = tools.mailbox(held), SHARE * tools.settings.quota.mailbox_minute
    portion = PORTION * share
    try:
        async with keeping(held, tools):
            outcome = await _steps(held, gmail, portion, tools)
        rest = MINUTE * (gmail.units / (share - portion))
        await leases.release_recovery(held, None if outcome == DONE else await tools.clock() + rest)
        return outcome
    except LeaseLost:
        return "lost"
    except RateLimited as limited:
        until = await cooled_down(limited, tools)
        await leases.release_recovery(held, until, until if limited.of == "mailbox" else None)
        return "rate limited"
    except (AccessRevoked, NotAllowed) as over:
        await lapsed(held.id, held.epoch, over.because, tools)
        return "lapsed"
    except GmailTrouble as trouble:
        await refused(trouble, tools)
        await leases.release_recovery(held, await tools.clock() + (LONGEST_BACK_OFF if held.failures else MINUTE))
        return "failed"
    except BaseException:
        with contextlib.suppress(Exception):  # the lease ends by itself
            await leases.release_recovery(held, await tools.clock() + MINUTE)
        raise
    finally:
        with contextlib.suppress(Exception):  # figures: the next run tells them
            await tools.meter.tell(await tools.clock())


async def _steps(held: Held, gmail: GmailMailbox, portion: float, tools: Tools) -> str:
    """What was found is filed before more is listed. Returns the outcome."""
    until, rules = await tools.clock() + tools.limits.job_budget, await rules_of(held, tools.settings)
    while True:
        now = await tools.clock()
        room = int(portion - gmail.units) // LOOK
        if await _news_waits(held, tools, now):
            return NEWS
        if room < 1 and gmail.units:
            return "portion spent"
        if now >= until:
            return "more"
        batch = await owed(held.id, now, min(tools.limits.batch, max(room, 1)), of_gaps=True)
        # What Google throttled by itself comes last of all, or it would hold up the rest of the gap.
        stretch = None if batch and not batch[0].throttled else await next_stretch(held)
        if stretch:
            await _list(stretch, held, gmail, tools)
        elif batch:
            await _file(batch, held, gmail, rules, tools, now)
        else:
            return DONE


async def _file(batch: Sequence[Owed], held: Held, gmail: GmailMailbox, rules: FirmRules, tools: Tools, now: datetime) -> None:
    """Where Gmail fails for these, and shows no other message to compare with, more is listed before the run ends: else one broken message
    of an empty mailbox would stop its gap for ever."""
    try:
        await file_batch_of(batch, held, gmail, rules, tools, now)
    except (RateLimited, TokenRefused):
        raise
    except TryAgain:
        if stretch := await next_stretch(held):
            await _list(stretch, held, gmail, tools)
        raise


async def _news_waits(held: Held, tools: Tools, now: datetime) -> bool:
    """Whether a sync has something to do; a push alone is none while its runs fail, for it would not be followed."""
    return await leases.look_is_due(held, now) or (not held.failures and await tools.marks.told(held.id) is not None)


async def _list(stretch: Stretch, held: Held, gmail: GmailMailbox, tools: Tools) -> None:
    """If there is more than a page shows, the stretch is cut shorter: no page token is kept, which may not outlive a kill."""
    if stretch.since >= stretch.until:
        await listed(held, stretch, [], await tools.clock(), tools.limits.past_again)
        return
    query = between(stretch.since, stretch.until) + named(stretch.addresses)
    page = await gmail.listed(query)
    width = stretch.until - stretch.since
    if page.next_page_token and width > NARROWEST:
        await narrow(held, stretch, max(width / 4, NARROWEST), await tools.clock())
        return
    ids, seen = list(page.ids), set[str]()
    while page.next_page_token:
        if page.next_page_token in seen:
            raise TryAgain("pages_in_a_circle")
        seen.add(page.next_page_token)
        page = await gmail.listed(query, page.next_page_token)
        ids += page.ids
    found = await listed(held, stretch, ids, await tools.clock(), tools.limits.past_again)
    log.info("recovery listed", gap=stretch.gap_id, listed=len(ids), found=found, closed=stretch.is_last and stretch.rounds == 1)


def between(since: datetime, until: datetime) -> str:
    """Gmail's search for what it received then; a second more at either end."""
    return f"after:{int((since - EDGE).timestamp()) - 1} before:{int((until + EDGE).timestamp()) + 1}"


def named(addresses: Sequence[str]) -> str:
    """Gmail's search for mail that one of these wrote or received, as a further term; none without addresses. It may find others', too:
    whose a mail is, a look decides."""
    terms = [f'{field}:"{address}"' for address in addresses for field in ("from", "to", "cc", "bcc")]
    return f" {{{' '.join(terms)}}}" if terms else ""
