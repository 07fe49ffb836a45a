"""A message's headers, and what they tell of it: when, which, and of which thread."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from gmail.words import readable, storable

MOST_FIELDS = 2000
LONGEST_VALUE = 256 * 1024
LONGEST_KEY = 500  # a Message-ID longer than this is shortened with a hash: a PostgreSQL index row ends at 2,704 bytes
LARGEST_HISTORY_ID = 2**64 - 1
MAIL_BEGAN = datetime(1990, 1, 1, tzinfo=UTC)
MAIL_ENDS = datetime(2100, 1, 1, tzinfo=UTC)
CLOCKS_DIFFER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Headers:
    id: str
    thread_id: str
    labels: frozenset[str]
    history_id: int | None  # of the last change to the message
    internal_at: datetime | None  # UTC, when Google took it
    size: int  # bytes, estimated by Google
    fields: tuple[tuple[str, str], ...]  # name and value as they came, in order, without NUL and lone surrogates

    def raw(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def all(self, name: str) -> list[str]:
        """Decoded, one line each, in order."""
        return [readable(value) for value in self.raw(name)]

    def first(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)

    @property
    def received_at(self) -> datetime | None:
        """When Google took it, else what the topmost Received header says."""
        return self.internal_at or next((moment(value.rpartition(";")[2]) for value in self.raw("Received")), None)


def headers_of(answer: Any) -> Headers:
    """Headers from a `messages.get` answer of any shape."""
    message = answer if isinstance(answer, dict) else {}
    payload = message.get("payload")
    labels = message.get("labelIds")
    size = whole_number(message.get("sizeEstimate"))
    return Headers(
        id=text_of(message.get("id")),
        thread_id=text_of(message.get("threadId")),
        labels=frozenset(text_of(label) for label in labels if isinstance(label, str)) if isinstance(labels, list) else frozenset(),
        history_id=whole_number(message.get("historyId")),
        internal_at=milliseconds(message.get("internalDate")),
        size=min(size or 0, 2**31 - 1),
        fields=fields_of(payload),
    )


def fields_of(part: Any) -> tuple[tuple[str, str], ...]:
    listed = part.get("headers") if isinstance(part, dict) else None
    if not isinstance(listed, list):
        return ()
    pairs = ((item.get("name"), item.get("value")) for item in listed[:MOST_FIELDS] if isinstance(item, dict))
    return tuple(
        (storable(name)[:200], storable(value[:LONGEST_VALUE])) for name, value in pairs if isinstance(name, str) and isinstance(value, str)
    )


def text_of(value: object) -> str:
    return storable(value) if isinstance(value, str) else ""


def whole_number(value: object) -> int | None:
    """An unsigned 64-bit number that came as a number or as digits, exactly; anything else is None."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,40}", value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_HISTORY_ID:
        return value
    return None


def milliseconds(value: object) -> datetime | None:
    number = whole_number(value)
    try:
        return None if number is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=number)
    except OverflowError:
        return None


def moment(value: str) -> datetime | None:
    """A date as mail writes it, in UTC; without a zone it is UTC."""
    try:
        parsed = parsedate_to_datetime(value.strip()[:200])
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None


def date_of(headers: Headers) -> datetime | None:
    """When it was written: the Date header where it is sane (not before 1990, not a day after Google took it), else when Google took it."""
    received = headers.received_at
    written = next((moment(value) for value in headers.raw("Date")), None)
    latest = received + CLOCKS_DIFFER if received and received < MAIL_ENDS else MAIL_ENDS
    return written if written and MAIL_BEGAN <= written <= latest else received


def message_id(headers: Headers) -> str | None:
    """The Message-ID as a key: without brackets, comments and folds, its domain in lower case. None where there is none."""
    return next((key for value in headers.raw("Message-ID") if (key := _key(value))), None)


def thread_root(headers: Headers) -> str | None:
    """The message that began the thread: first of References, else In-Reply-To, else this one. A key as `message_id` makes it."""
    for name in ("References", "In-Reply-To"):
        for value in headers.raw(name):
            if key := _key(value, must_have_domain=True):
                return key
    return message_id(headers)


def _key(value: str, *, must_have_domain: bool = False) -> str | None:
    """The first id in `value`. Without brackets only what has a domain counts in a list of them: old mailers wrote prose there."""
    bracketed = re.search(r"<([^<>]+)>", value)
    if bracketed:
        bare = "".join(bracketed[1].split())
    else:
        words = re.sub(r"\([^()]*\)", " ", value).strip(" <>\t\r\n").split()
        bare = (words[0] if words and "@" in words[0] else "") if must_have_domain else "".join(words)
    local, at, domain = bare.rpartition("@")
    key = f"{local}{at}{domain.lower()}"
    if len(key) > LONGEST_KEY:
        key = f"{key[:400]}#{hashlib.sha256(key.encode()).hexdigest()[:32]}"
    return key or None
