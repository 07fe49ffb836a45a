"""Builders: a message's headers and content as the decisions see them."""

from datetime import UTC, datetime
from typing import Any

from gmail.message import Content, Headers, content_of, headers_of
from tests.gmail.google import a_message, a_part

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def some_headers(*fields: tuple[str, str], labels: tuple[str, ...] = ("INBOX",), **more: Any) -> Headers:
    """`more`: of Gmail's answer (`historyId="7"`, `internalDate="0"`)."""
    return headers_of(a_message(*fields, labelIds=list(labels), **more))


def some_content(*fields: tuple[str, str], text: str = "Hello", payload: dict[str, Any] | None = None, **more: Any) -> Content:
    return content_of(a_message(*fields, payload=payload or a_part("text/plain", text), **more), {})
