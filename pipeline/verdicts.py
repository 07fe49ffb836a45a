"""What one look at a message means for the ledger. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gmail.message import Headers
from models.ledger import Outcome, Owed, Postponed, Settled, Verdict, retry_delay
from models.withdrawal import arrived_since

LABELLED = frozenset({"spam", "trash", "draft", "chat", "scheduled"})


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what. `first_missing`: until a 404, or a stale answer, is asked again. `withdraw`: so soon after its arrival a
    message that was put away was never meant to stay. `pushed_id` and `last_checked_at` are those before this run, which began at
    `began_at`."""

    first_missing: timedelta
    retry: timedelta
    now: datetime
    withdraw: timedelta = timedelta(0)
    pushed_id: int = 0
    last_checked_at: datetime | None = None
    began_at: datetime | None = None


def missing(entry: Owed, patience: Patience) -> Verdict:
    """The first 404 may be Gmail not being ready; the second is final."""
    if _waited(entry, patience):
        return Settled(entry, "gone", "missing", entry.seen)
    return Postponed(entry, (entry.missing_at or patience.now) + patience.first_missing, "missing", failed=False)


def outdated(entry: Owed, headers: Headers, patience: Patience) -> Verdict | None:
    """An answer older than the one that the outcome rests on must not overwrite it, nor may one that is older than the change which made us
    look hide that a filed message was put away: it is asked for once more, then taken. What was withdrawn never comes back by one."""
    needed = max(entry.viewed, entry.seen) if entry.outcome == "filed" else entry.viewed
    if headers.history_id is None or headers.history_id >= needed:
        return None
    if not _waited(entry, patience):
        return Postponed(entry, (entry.missing_at or patience.now) + patience.first_missing, "stale", failed=False)
    return failed(entry, "stale", patience) if entry.outcome == "withdrawn" else None


def skipped(entry: Owed, headers: Headers, because: str, patience: Patience) -> Verdict:
    """Not for filing. An answer older than the change that made us look may show labels that are gone: it is asked for once more."""
    stale = headers.history_id is not None and headers.history_id < entry.seen
    if stale and because in LABELLED and not _waited(entry, patience):
        return Postponed(entry, (entry.missing_at or patience.now) + patience.first_missing, "stale", failed=False)
    outcome: Outcome = "withdrawn" if because in ("spam", "trash") and _was_put_away_at_once(entry, headers, patience) else "skipped"
    return Settled(entry, outcome, because, view(entry, headers))


def _was_put_away_at_once(entry: Owed, headers: Headers, patience: Patience) -> bool:
    if entry.outcome != "filed" or headers.received_at is None:
        return False
    told_at = entry.owed_at or patience.now
    # What an earlier run was told was put away, the listing of that very run may have been the last.
    earlier = patience.began_at is not None and told_at < patience.began_at
    last_checked_at = None if earlier else patience.last_checked_at
    return headers.received_at >= arrived_since(told_at, patience.withdraw, last_checked_at, pushed=0 < entry.seen <= patience.pushed_id)


def fatal(entry: Owed, patience: Patience) -> Settled:
    """Worker after worker died over it: nobody reads it any more until a person asks for that."""
    return Settled(entry, "parked", "kills workers", max(entry.viewed, entry.seen))


def failed(entry: Owed, because: str, patience: Patience) -> Verdict:
    """It could not be read or kept; each retry waits twice as long, and after some it is parked."""
    return Postponed(entry, patience.now + retry_delay(entry.tries, patience.retry), because[:60], failed=True)


def throttled(entry: Owed, patience: Patience, wait: timedelta) -> Verdict:
    """Google wants to be left alone: asked for again behind all others."""
    return Postponed(entry, patience.now + wait, "throttled", failed=False)


def filed(entry: Owed, headers: Headers) -> Settled:
    return Settled(entry, "filed", "person" if entry.wanted else "client", view(entry, headers))


def view(entry: Owed, headers: Headers) -> int:
    """The state that was seen; where Gmail does not say, the record that made us look stands in."""
    return max(entry.viewed, entry.seen if headers.history_id is None else headers.history_id)


def _waited(entry: Owed, patience: Patience) -> bool:
    return entry.missing_at is not None and patience.now >= entry.missing_at + patience.first_missing
