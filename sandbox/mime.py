"""Any bytes -> a tree of MIME parts. Never raises: whatever cannot be read as structure is text, as delivered."""

import base64
import binascii
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message as Fields

DEEPEST = 30  # nesting beyond this is no mail; it is left unopened
FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:[ \t]*([^\n]*(?:\n[ \t][^\n]*)*)(?:\n|\Z)")
BLANK = re.compile(rb"\r?\n")
NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")


@dataclass(frozen=True, slots=True)
class Part:
    """`part_id` is "" for the root, "0", "1", "1.0" below it. `data`: the decoded bytes, None for a multipart."""

    part_id: str
    mime_type: str
    filename: str
    attached: bool
    charset: str
    headers: tuple[tuple[str, str], ...]
    data: bytes | None
    parts: tuple["Part", ...]

    def every(self) -> Iterator["Part"]:
        yield self
        for part in self.parts:
            yield from part.every()

    def header(self, name: str) -> str:
        """The first of that name, in any case; "" if there is none."""
        return next((value for given, value in self.headers if given.lower() == name), "")


def parse(raw: bytes, part_id: str = "", usual_type: str = "text/plain", depth: int = 0) -> Part:
    headers, body = _split(raw)
    fields = _fields(headers)
    mime_type = fields.get_content_type() if "content-type" in fields else usual_type
    filename, charset = _filename(fields), _text(fields, "charset")
    attached = fields.get_content_disposition() == "attachment"
    parts: tuple[Part, ...] = ()
    data: bytes | None = None
    if depth < DEEPEST and mime_type.startswith("multipart/"):
        inner_type = "message/rfc822" if mime_type == "multipart/digest" else "text/plain"
        pieces = _pieces(body, _text(fields, "boundary"))
        parts = tuple(parse(piece, _below(part_id, n), inner_type, depth + 1) for n, piece in enumerate(pieces))
    if not parts:
        data = _decoded(body, str(fields.get("content-transfer-encoding", "")))
        if mime_type.startswith("multipart/"):
            mime_type = "text/plain"
        elif mime_type == "message/rfc822" and depth < DEEPEST:
            parts = (parse(data, _below(part_id, 0), "text/plain", depth + 1),)
    return Part(part_id, mime_type, filename, attached, charset, headers, data, parts)


def _below(part_id: str, number: int) -> str:
    return f"{part_id}.{number}" if part_id else str(number)


def _split(raw: bytes) -> tuple[tuple[tuple[str, str], ...], bytes]:
    headers: list[tuple[str, str]] = []
    at = 0
    while field := FIELD.match(raw, at):
        headers.append((_readable(field[1]), _readable(re.sub(rb"\r?\n", b"", field[2]).rstrip(b"\r"))))
        at = field.end()
    blank = BLANK.match(raw, at)
    return tuple(headers), raw[blank.end() if blank else at :]


def _readable(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _fields(headers: tuple[tuple[str, str], ...]) -> Fields:
    fields = Fields()
    for name, value in headers:
        if name.lower().startswith("content-") and name not in fields:
            fields[name] = value
    return fields


def _text(fields: Fields, parameter: str) -> str:
    with suppress(ValueError, LookupError, TypeError):  # the standard library trips over some encoded parameters
        value = fields.get_param(parameter)
        return value if isinstance(value, str) else str(value[2]) if value else ""
    return ""


def _filename(fields: Fields) -> str:
    with suppress(ValueError, LookupError, TypeError):
        return fields.get_filename() or ""
    return ""


def _pieces(body: bytes, boundary: str) -> list[bytes]:
    if not boundary:
        return []
    edge = re.compile(rb"(?:\A|\r?\n)--" + re.escape(boundary.encode(errors="surrogateescape")) + rb"(--)?[ \t]*(?:\r?\n|\Z)")
    pieces: list[bytes] = []
    start: int | None = None
    at = 0
    while found := edge.search(body, at):
        if start is not None:
            pieces.append(body[start : max(start, found.start())])
        start = None if found[1] else found.end()
        if found[1] or found.end() == len(body):
            break
        at = found.end() - 1 if body[found.end() - 1 : found.end()] == b"\n" else found.end()
        at = at - 1 if body[at - 1 : at] == b"\r" else at
    if start is not None and start < len(body):
        pieces.append(body[start:])
    return pieces


def _decoded(body: bytes, encoding: str) -> bytes:
    match encoding.strip().lower():
        case "base64":
            kept = NOT_BASE64.sub(b"", body)
            whole = kept[: len(kept) - 1] if len(kept) % 4 == 1 else kept
            return base64.b64decode(whole + b"=" * (-len(whole) % 4))
        case "quoted-printable":
            return binascii.a2b_qp(body)
        case _:
            return body
