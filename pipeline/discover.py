"""Stage one: Gmail's history becomes debts in the ledger, then the cursor moves. Restartable at any statement."""

from collections.abc import Iterable
from datetime import timedelta

from gmail.answers import Change
from gmail.client import GmailMailbox
from gmail.errors import HistoryExpired, InvalidCursor
from models.gaps import rebaseline
from models.history import record_last_page, record_page
from models.ledger import Debt, Finder
from models.mailboxes import Held
from pipeline.rules import JUDGED_BY
from pipeline.tools import Tools
from telemetry.logs import log

OVERLAP = timedelta(days=2)  # how far a gap reaches back behind the last listing known to be whole


async def discover(held: Held, gmail: GmailMailbox, found_by: Finder, tools: Tools) -> int:
    """Lists what changed since the cursor; returns how many messages are newly owed a look. Raises `LeaseLost` and gmail's errors."""
    asked_at, first_head, found = await tools.clock(), None, 0
    try:
        async for page in gmail.history(held.cursor):
            first_head = page.head if first_head is None else first_head
            debts, now = debts_of(page.changes), await tools.clock()
            if page.last:
                found += await record_last_page(held, debts, found_by, first_head, asked_at, tools.limits.settle, now)
            elif debts:
                found += await record_page(held, debts, found_by, now)
    except HistoryExpired as expired:
        await _start_anew(held, gmail, "invalid cursor" if isinstance(expired, InvalidCursor) else "history expired", tools)
    return found


def debts_of(changes: Iterable[Change]) -> list[Debt]:
    """One debt per message, by its highest record. A look is owed for what was added, and for changes of labels that we judge by."""
    relevant: dict[str, list[Change]] = {}
    for change in changes:
        if change.kind in ("added", "deleted") or change.labels & JUDGED_BY:
            relevant.setdefault(change.message_id, []).append(change)
    return [_debt(message_id, sorted(of_one, key=lambda c: c.history_id)) for message_id, of_one in relevant.items()]


def _debt(message_id: str, changes: list[Change]) -> Debt:
    last = changes[-1]
    if last.kind != "deleted":
        return Debt(message_id, last.history_id, "look")
    return Debt(message_id, last.history_id, "added and deleted" if any(c.kind == "added" for c in changes) else "deleted")


async def _start_anew(held: Held, gmail: GmailMailbox, reason: str, tools: Tools) -> None:
    """The baseline is read before anything is listed by date, so that the gap and the history from here on overlap."""
    now = await tools.clock()
    profile = await gmail.profile()
    await rebaseline(held, profile.history_id, held.history_at - OVERLAP, reason, now)
    log.warning("gap opened", mailbox=held.id, reason=reason)
