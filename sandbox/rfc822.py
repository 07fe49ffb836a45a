"""Any bytes -> a message resource as Gmail shapes it. Pure.

Header values keep their bytes: folds are undone, encoded words stay encoded, bytes that are no UTF-8 are read as Latin-1.
A text part's `data` is what was delivered, in the charset that was delivered, only its transfer encoding undone.
"""

import base64
import html
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import Any

from sandbox.mime import Part, parse

LARGE_TEXT = 100_000  # bytes; a longer text stands apart like an attachment (Google publishes no number)
SNIPPET = 200
GLANCE = 16_000  # bytes of a text that are looked at for its snippet
UNSEEN = re.compile(r"(?is)<(style|script|head|title)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>")


@dataclass(frozen=True, slots=True)
class Shaped:
    root: Part
    snippet: str

    @property
    def has_attachment(self) -> bool:
        return any(part.filename for part in self.root.every())

    def searched(self, name: str) -> str:
        """Every header of that name, its encoded words decoded."""
        return ", ".join(readable(value) for given, value in self.root.headers if given.lower() == name)

    def text(self, mime_type: str) -> str:
        """The first text of that type that is no file, decoded, its lines ended by \\n; "" if there is none."""
        found = next((part for part in _texts(self.root) if part.mime_type == mime_type), None)
        return _decoded(found.data or b"", found.charset).replace("\r\n", "\n") if found else ""


def shape(raw: bytes) -> Shaped:
    root = parse(raw)
    return Shaped(root, _snippet(root))


def payload(part: Part, attachment_id: Callable[[str], str]) -> dict[str, Any]:
    """A MessagePart; `attachment_id` names the parts whose data must be fetched on their own."""
    body: dict[str, Any] = {"size": len(part.data or b"")}
    if stands_apart(part):
        body = {"attachmentId": attachment_id(part.part_id), **body}
    elif part.data:
        body["data"] = encoded(part.data)
    shaped: dict[str, Any] = {"partId": part.part_id, "mimeType": part.mime_type, "filename": part.filename}
    if part.headers:
        shaped["headers"] = [{"name": name, "value": value} for name, value in part.headers]
    shaped["body"] = body
    if part.parts:
        shaped["parts"] = [payload(child, attachment_id) for child in part.parts]
    return shaped


def headers_only(part: Part, names: Collection[str]) -> dict[str, Any]:
    """The payload of format=metadata. `names` in lower case; none: every header."""
    headers = [{"name": name, "value": value} for name, value in part.headers if not names or name.lower() in names]
    return {"mimeType": part.mime_type, **({"headers": headers} if headers else {})}


def stands_apart(part: Part) -> bool:
    if part.data is None:
        return False
    return bool(part.filename) or part.attached or not part.mime_type.startswith("text/") or len(part.data) > LARGE_TEXT


def encoded(data: bytes) -> str:
    """Gmail's base64url, with padding."""
    return base64.urlsafe_b64encode(data).decode()


def readable(value: str) -> str:
    """A header's value, its encoded words decoded."""
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (ValueError, LookupError, HeaderParseError):
        return value


def _snippet(root: Part) -> str:
    texts = _texts(root)
    plain = next((part for part in texts if part.mime_type == "text/plain"), None)
    chosen = plain or next(iter(texts), None)
    if chosen is None or chosen.data is None:
        return ""
    text = _decoded(chosen.data[:GLANCE], chosen.charset)
    if chosen.mime_type == "text/html":
        text = html.unescape(UNSEEN.sub(" ", text))
    escaped = html.escape(" ".join(text.replace("\0", " ").split())[:SNIPPET].strip())
    return escaped.replace("&#x27;", "&#39;")


def _texts(root: Part) -> list[Part]:
    return [part for part in root.every() if part.data and part.mime_type.startswith("text/") and not part.filename and not part.attached]


def _decoded(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset or "utf-8", "replace")
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")
