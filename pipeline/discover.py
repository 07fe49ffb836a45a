"""Stage one: Gmail's history becomes debts in the ledger, then the cursor moves. Restartable at any statement."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from gmail.answers import Change
from gmail.client import GmailMailbox
from gmail.errors import HistoryExpired, InvalidCursor, RateLimited, TokenRefused, TryAgain
from models.gaps import MARGIN, OVERLAP, start_anew
from models.history import Waits, record_last_page, record_page
from models.leases import Held
from models.ledger import Debt, Finder
from pipeline.rules import JUDGED_BY, PUT_AWAY
from pipeline.tools import Tools
from telemetry import metrics
from telemetry.logs import log

HOUR = timedelta(hours=1)
HOPELESS = 12  # runs that failed in a row: about an hour of them


class StartedAnew(Exception):
    """The cursor has moved to a baseline, a gap is open, and the lease is given back: look again."""


@dataclass(frozen=True, slots=True)
class Discovered:
    """How many messages are newly owed a look, and the mailbox's head when the listing began."""

    found: int
    head: int


async def discover(held: Held, gmail: GmailMailbox, found_by: Finder, tools: Tools) -> Discovered:
    """Lists what changed since the cursor. Raises `StartedAnew`, `LeaseLost` and gmail's errors."""
    asked_at, first_head, found = await tools.clock(), None, 0
    waits = Waits(tools.limits.settle, tools.limits.withdraw)
    try:
        async for page in gmail.history(held.cursor):
            first_head = page.head if first_head is None else first_head
            debts, now = debts_of(page.changes), await tools.clock()
            if page.last:
                found += await record_last_page(held, debts, found_by, first_head, asked_at, waits, now)
            elif debts:
                found += await record_page(held, debts, found_by, waits, now)
    except (RateLimited, TokenRefused):
        raise
    except TryAgain:
        # For an hour all else may have failed as well; a history that fails for ever is given up like one that is gone.
        if held.failures < HOPELESS or asked_at - held.history_at < HOUR:
            raise
        await _start_anew(held, gmail, tools, "history fails", distrust=False)
        raise StartedAnew from None
    except HistoryExpired as expired:
        distrust = isinstance(expired, InvalidCursor)
        # A baseline as young as that did not expire: the server that answered is behind. But that of a new connection may be no good.
        if asked_at - held.history_at < waits.settle and (distrust or held.history_at != held.started_at):
            raise TryAgain("head_behind_cursor") from None
        await _start_anew(held, gmail, tools, "invalid cursor" if distrust else "history expired", distrust=distrust)
        raise StartedAnew from None
    return Discovered(found, first_head or held.cursor)


def debts_of(changes: Iterable[Change]) -> list[Debt]:
    """One debt per message, by its highest record. A look is owed for what was added, and for changes of labels that we judge by.

    What is put into spam or trash concerns us only if we know it: a clean-up of ten thousand old mails costs no look at them.
    """
    relevant: dict[str, list[Change]] = {}
    for change in changes:
        if change.kind in ("added", "deleted") or change.labels & JUDGED_BY:
            relevant.setdefault(change.message_id, []).append(change)
    return [_debt(message_id, sorted(of_one, key=lambda c: c.history_id)) for message_id, of_one in relevant.items()]


def _debt(message_id: str, changes: list[Change]) -> Debt:
    last = changes[-1]
    if last.kind == "deleted":
        return Debt(message_id, last.history_id, "added and deleted" if any(c.kind == "added" for c in changes) else "deleted")
    if all(change.kind == "labels_added" and change.labels & PUT_AWAY for change in changes):
        return Debt(message_id, last.history_id, "look if known")
    return Debt(message_id, last.history_id, "look")


async def _start_anew(held: Held, gmail: GmailMailbox, tools: Tools, reason: str, *, distrust: bool) -> None:
    """The baseline is read before anything is listed by date, and the gap ends behind it, so that no mail lies between."""
    asked_at = await tools.clock()
    profile = await gmail.profile()
    until = await tools.clock() + MARGIN
    if profile.history_id < held.cursor:
        distrust, reason = True, "invalid cursor"
    await start_anew(held, profile.history_id, until, OVERLAP, reason, asked_at, distrust=distrust)
    metrics.GAPS_OPENED.labels(reason).inc()
    (log.error if distrust else log.warning)("gap opened", reason=reason)
