"""The values in the two files of `postroom eval`: liberally read, or refused with what is to be done. Pure."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parseaddr, parsedate_to_datetime
from typing import Any

from models.address import key_of


class NotReadable(Exception):
    """A file cannot be taken; the text says why, and within these files also where. `at`: the place, if it is known by then."""

    def __init__(self, because: str, line: int = 0) -> None:
        super().__init__(because)
        self.at = f", line {line}" if line else ""


def key_in(written: str) -> str | None:
    """Of an address alone, or with a name: `Pat <pat@client.example>`."""
    return key_of(written) or key_of(parseaddr(written)[1])


def text_of(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotReadable("this is not UTF-8 text: save it as UTF-8", content[: error.start].count(b"\n") + 1) from None


def json_of(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise NotReadable(f"this is not JSON ({error.msg}, column {error.colno})", error.lineno) from None
    except (ValueError, RecursionError):  # a number of thousands of digits, brackets within brackets
        raise NotReadable("this JSON is too large or too deep") from None


def moment_of(value: object) -> datetime:
    """ISO 8601, or as a mail's Date header has it. Without a zone it is taken for UTC."""
    readers: tuple[Callable[[str], datetime], ...] = (datetime.fromisoformat, parsedate_to_datetime)
    for read in readers if isinstance(value, str) else ():
        with suppress(ValueError, OverflowError, IndexError, TypeError):
            at = read(str(value).strip())
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    raise NotReadable("date must be a time such as 2026-05-03T10:30:00+02:00, or as in mail: Sun, 3 May 2026 10:30:00 +0200")


def texts_of(value: object, field: str) -> list[str]:
    texts = [] if value is None else listed(value)
    if not all(isinstance(text, str) for text in texts):
        raise NotReadable(f"{field} must be a text or a list of texts")
    return texts


def one_text(told: Mapping[str, Any], field: str) -> str:
    value = told.get(field)
    if value is not None and not isinstance(value, str):
        raise NotReadable(f"{field} must be a text")
    return value or ""


def listed(value: object) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def is_id(id: object) -> bool:
    return isinstance(id, (str, int)) and not isinstance(id, bool) and id != ""
