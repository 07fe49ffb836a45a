"""Gmail's other answers in our own types. An answer without what it must have is `TryAgain`: better late than half."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from gmail.errors import TryAgain
from gmail.headers import milliseconds, text_of, whole_number
from gmail.words import unbase64

ChangeKind = Literal["added", "deleted", "labels_added", "labels_removed"]
KINDS: tuple[tuple[str, ChangeKind], ...] = (
    ("messagesAdded", "added"),
    ("labelsAdded", "labels_added"),
    ("labelsRemoved", "labels_removed"),
    ("messagesDeleted", "deleted"),
)


@dataclass(frozen=True, slots=True)
class Profile:
    address: str
    history_id: int


@dataclass(frozen=True, slots=True)
class Change:
    message_id: str
    history_id: int
    kind: ChangeKind
    labels: frozenset[str]  # of a label change: those that came or went; of an added message: a hint, not a promise


@dataclass(frozen=True, slots=True)
class HistoryPage:
    head: int  # the mailbox's own id at the moment of this page
    changes: tuple[Change, ...]
    last: bool


@dataclass(frozen=True, slots=True)
class Listing:
    ids: tuple[str, ...]
    next_page_token: str | None


@dataclass(frozen=True, slots=True)
class Watch:
    history_id: int  # the mailbox's head: no cursor
    expires_at: datetime


def profile_of(answer: Any) -> Profile:
    address, history_id = text_of(_get(answer, "emailAddress")), whole_number(_get(answer, "historyId"))
    if not address or history_id is None:
        raise TryAgain("unreadable")
    return Profile(address, history_id)


def history_page_of(answer: Any) -> tuple[HistoryPage, str | None]:
    """The page and the next one's token. A page may have a next one and no changes."""
    head, token = whole_number(_get(answer, "historyId")), text_of(_get(answer, "nextPageToken")) or None
    if head is None:
        raise TryAgain("unreadable")
    changes = tuple(change for record in _objects(_get(answer, "history")) for change in _changes(record, head))
    return HistoryPage(head, changes, last=token is None), token


def _changes(record: dict[str, Any], head: int) -> Iterator[Change]:
    """A record without an id takes the head's: then nothing of it is taken for seen."""
    at = whole_number(record.get("id"))
    for key, kind in KINDS:
        for item in _objects(record.get(key)):
            message_id = text_of(_get(item.get("message"), "id"))
            labels = item.get("labelIds") if kind.startswith("labels") else _get(item.get("message"), "labelIds")
            if message_id:
                yield Change(message_id, head if at is None else at, kind, _labels(labels))


def a_message(answer: Any) -> dict[str, Any]:
    """A message by its id at least: an empty answer must not pass for an empty message."""
    if not isinstance(answer, dict) or not text_of(answer.get("id")):
        raise TryAgain("unreadable")
    return answer


def raw_of(answer: Any) -> bytes:
    data = a_message(answer).get("raw")
    if not isinstance(data, str) or not data:
        raise TryAgain("unreadable")
    return unbase64(data.encode("ascii", "ignore"))


def listing_of(answer: Any) -> Listing:
    listed = _get(answer, "messages")
    ids = [text_of(_get(item, "id")) for item in listed] if isinstance(listed, list) else []
    # An answer without messages says that there are none by its estimate; anything else is no listing, and closes no gap.
    if not all(ids) or not (ids or whole_number(_get(answer, "resultSizeEstimate")) is not None):
        raise TryAgain("unreadable")
    return Listing(tuple(ids), text_of(_get(answer, "nextPageToken")) or None)


def messages_of(answer: Any) -> list[dict[str, Any]]:
    """Those of a conversation."""
    messages = list(_objects(_get(answer, "messages")))
    if not messages:
        raise TryAgain("unreadable")
    return messages


def watch_of(answer: Any) -> Watch:
    history_id, expires_at = whole_number(_get(answer, "historyId")), milliseconds(_get(answer, "expiration"))
    if history_id is None or expires_at is None:
        raise TryAgain("unreadable")
    return Watch(history_id, expires_at)


def send_as_of(answer: Any) -> tuple[str, ...]:
    confirmed = (item for item in _objects(_get(answer, "sendAs")) if item.get("verificationStatus", "accepted") in ("accepted", ""))
    return tuple(address for item in confirmed if (address := text_of(item.get("sendAsEmail"))))


def attachment_of(answer: Any) -> bytes:
    data = _get(answer, "data")
    if not isinstance(data, str):
        raise TryAgain("unreadable")
    return unbase64(data.encode("ascii", "ignore"))


def _get(answer: Any, key: str) -> Any:
    return answer.get(key) if isinstance(answer, dict) else None


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def _labels(value: Any) -> frozenset[str]:
    return frozenset(text_of(label) for label in value if isinstance(label, str)) if isinstance(value, list) else frozenset()
