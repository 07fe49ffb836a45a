"""Google's message becomes ours, once: its text, its HTML, its attachments. Pure, and nothing that a sender can write makes it raise."""

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import Any

from gmail.addresses import Address, addresses
from gmail.headers import Headers, date_of, fields_of, headers_of, message_id, text_of, thread_root, whole_number
from gmail.html_text import text_of_html
from gmail.words import decoding, one_line, readable, storable, unbase64

__all__ = [
    "Address",
    "AttachmentPart",
    "Content",
    "Headers",
    "addresses",
    "content_of",
    "date_of",
    "external_bodies",
    "headers_of",
    "message_id",
    "one_line",
    "readable",
    "thread_root",
]

LONGEST_TEXT = 2 * 1024 * 1024  # characters of text that are kept, and of HTML
MOST_PARTS = 1000
DEEPEST = 40  # parts within parts
LONGEST_FILENAME = 240


@dataclass(frozen=True, slots=True)
class AttachmentPart:
    part_id: str
    filename: str
    mime_type: str
    size: int  # bytes, as Google says
    attachment_id: str | None  # good for this answer only: Google gives another one next time
    content_id: str | None
    inline: bool  # shown within the HTML
    data: bytes | None  # where Google sent it along


@dataclass(frozen=True, slots=True)
class Content:
    headers: Headers
    text: str
    html: str | None  # as it came: clean it when it is shown
    attachments: tuple[AttachmentPart, ...]
    trouble: tuple[str, ...]  # what was odd about it, in machine words


def external_bodies(answer: Any) -> tuple[str, ...]:
    """Attachment ids of the text parts that `messages.get` left out for their size; fetch them for `content_of`."""
    reader = _Reader({})
    reader.read(_payload(answer))
    return tuple(reader.external)


def content_of(answer: Any, externals: Mapping[str, bytes]) -> Content:
    """The content of a `format=full` answer of any shape. `externals` holds the bytes of `external_bodies`."""
    reader = _Reader(externals)
    payload = _payload(answer)
    if not payload:
        reader.odd("payload_missing")
    body = reader.read(payload)
    source = reader.cut(body.html, "html_cut") if body.html is not None else None
    text = reader.cut(body.as_text(), "text_cut")
    return Content(headers_of(answer), text, source, tuple(reader.attachments), tuple(reader.trouble))


def _payload(answer: Any) -> dict[str, Any]:
    payload = answer.get("payload") if isinstance(answer, dict) else None
    return payload if isinstance(payload, dict) else {}


@dataclass(frozen=True, slots=True)
class _Body:
    """What one part says: as text, as HTML, or both (the same thing twice)."""

    text: str | None = None
    html: str | None = None

    def as_text(self) -> str:
        if self.html is not None and not (self.text or "").strip():
            return text_of_html(self.html)
        return self.text or ""

    def as_html(self) -> str:
        return self.html if self.html is not None else f'<pre style="white-space: pre-wrap">{html.escape(self.text or "")}</pre>'


@dataclass(slots=True)
class _Reader:
    """One walk through the parts."""

    externals: Mapping[str, bytes]
    attachments: list[AttachmentPart] = field(default_factory=list)
    external: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    parts: int = 0
    left: int = LONGEST_TEXT * 4  # bytes of text that are still read, of all parts together

    def odd(self, word: str) -> None:
        if word not in self.trouble:
            self.trouble.append(word)

    def cut(self, text: str, word: str) -> str:
        clean = storable(text).replace("\r\n", "\n").replace("\r", "\n")
        if len(clean) <= LONGEST_TEXT:
            return clean
        self.odd(word)
        return clean[:LONGEST_TEXT]

    def read(self, part: dict[str, Any], depth: int = 0, *, related: bool = False) -> _Body:
        self.parts += 1
        if self.parts > MOST_PARTS or depth > DEEPEST:
            self.odd("too_many_parts")
            return _Body()
        shape = _Shape(part)
        children = list(_children(part))
        if shape.mime.startswith("multipart/") or (children and (shape.mime != "message/rfc822" or depth == 0)):
            bodies = [self.read(child, depth + 1, related=shape.mime == "multipart/related") for child in children]
            return _best(bodies) if shape.mime == "multipart/alternative" else _joined(bodies)
        if shape.is_text:
            return self.text(shape)
        if depth > 0 or shape.holds_something:
            self.attach(shape, children, depth, related=related)
        return _Body()

    def text(self, shape: "_Shape") -> _Body:
        data = self.bytes(shape)[: self.left]
        self.left -= len(data)
        text, held = decoding(data, shape.charset)
        if not held:
            self.odd("charset_wrong")
        return _Body(html=text) if shape.mime == "text/html" else _Body(text=text)

    def bytes(self, shape: "_Shape") -> bytes:
        data = shape.data
        if data is None and shape.attachment_id:
            self.external.append(shape.attachment_id)
            data = self.externals.get(shape.attachment_id)
            if data is None:
                self.odd("body_missing")
        if not data and shape.size > 0 and not shape.attachment_id:
            self.odd("body_empty")
        return data or b""

    def attach(self, shape: "_Shape", children: list[dict[str, Any]], depth: int, *, related: bool) -> None:
        self.attachments.append(shape.attachment(inline=shape.disposition == "inline" or (related and shape.disposition != "attachment")))
        if shape.attachment_id is None and shape.data is None:  # a message within, of which only the parts came
            self.odd("attachment_without_data")
            self.attach_within(children, depth)

    def attach_within(self, children: list[dict[str, Any]], depth: int) -> None:
        """The attachments of an attached message, whose own text is not this message's."""
        for child in children:
            self.parts += 1
            if self.parts > MOST_PARTS or depth > DEEPEST:
                self.odd("too_many_parts")
                return
            shape, inner = _Shape(child), list(_children(child))
            if inner:
                self.attach_within(inner, depth + 1)
            elif not shape.is_text:
                self.attach(shape, [], depth, related=False)


class _Shape:
    """One part, read without trust."""

    def __init__(self, part: dict[str, Any]) -> None:
        fields = {name.lower(): value for name, value in reversed(fields_of(part))}
        kind = _parameters("Content-Type", fields.get("content-type", ""))
        place = _parameters("Content-Disposition", fields.get("content-disposition", ""))
        body = part.get("body")
        held: dict[str, Any] = body if isinstance(body, dict) else {}
        self.part_id = text_of(part.get("partId"))[:40]
        self.mime = one_line(text_of(part.get("mimeType"))).lower()[:120] or kind.get("", "") or "text/plain"
        self.filename = readable(text_of(part.get("filename")))[-LONGEST_FILENAME:]
        self.charset = kind.get("charset", "")[:60]
        self.disposition = place.get("", "")
        self.content_id = one_line(fields.get("content-id", "")).strip("<> ")[:500] or None
        sent = held.get("data")
        self.data = unbase64(sent.encode("ascii", "ignore")) if isinstance(sent, str) else None
        self.attachment_id = text_of(held.get("attachmentId")) or None
        self.size = min(whole_number(held.get("size")) or 0, 2**31 - 1)

    @property
    def is_text(self) -> bool:
        return self.mime in ("text/plain", "text/html") and not self.filename and self.disposition != "attachment"

    @property
    def holds_something(self) -> bool:
        return bool(self.filename or self.attachment_id or self.data)

    def attachment(self, *, inline: bool) -> AttachmentPart:
        size = self.size or len(self.data or b"")
        inline = inline and self.content_id is not None
        return AttachmentPart(self.part_id, self.filename, self.mime, size, self.attachment_id, self.content_id, inline, self.data)


def _parameters(name: str, value: str) -> dict[str, str]:
    """A header's main value under "", and its parameters, in lower case."""
    line = one_line(value[:2000])
    holder = Message()
    try:
        holder[name] = line
        pairs = holder.get_params(header=name) or []
        return {
            "" if at == 0 else key.lower(): (key if at == 0 else collapse_rfc2231_value(text)).strip().lower()
            for at, (key, text) in enumerate(pairs)
        }
    except Exception:  # the library raises this and that on parameters in pieces, and on charsets that are none
        return {"": line.partition(";")[0].strip().lower()}


def _children(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    children = part.get("parts")
    if isinstance(children, list):
        yield from (child for child in children if isinstance(child, dict))


def _best(bodies: list[_Body]) -> _Body:
    """Of alternatives: the first text, and the last HTML, which is the richest."""
    texts = [body.text for body in bodies if body.text is not None and body.html is None] or [b.text for b in bodies if b.text is not None]
    sources = [body.html for body in bodies if body.html is not None]
    return _Body(next(iter(texts), None), sources[-1] if sources else None)


def _joined(bodies: list[_Body]) -> _Body:
    """Of parts that follow each other: all of them, in order."""
    said = [body for body in bodies if body.text is not None or body.html is not None]
    if len(said) < 2:
        return said[0] if said else _Body()
    text = "\n\n".join(body.as_text().strip("\r\n") for body in said)
    return _Body(text, "\n".join(body.as_html() for body in said) if any(body.html is not None for body in said) else None)
