"""Who stands in an address header: a reader for what senders really write, linear in its length, which never raises.

The standard library's readers are not used: they differ between patch releases of Python, and hostile headers make them slow.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gmail.headers import Headers
from gmail.words import readable, storable

LONGEST_FIELD = 256 * 1024  # characters of one header; the largest that mail servers pass is smaller
MOST_ADDRESSES = 2000  # Gmail sends to 2,000 at most
LONGEST_NAME = 320

_ADDRESS = re.compile(r"""[^\s@<>()\[\],;:"\\\x00-\x1f]{1,256}@(?:[^\s@<>()\[\],;:"\\\x00-\x1f]{1,255}|\[[0-9A-Fa-f:.IPv]{2,64}\])""")
_QUOTED_LOCAL = re.compile(r'"((?:[^"\\]|\\.){1,200})"@([^\s@<>()\[\],;:"\\]{1,255})')
_SPECIAL = re.compile(r'["(<,;:\\]')
_QUOTE = re.compile(r'([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_COMMENT = re.compile(r"\\.|[()]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Address:
    name: str  # decoded, one line; empty when there is none
    address: str  # as written, without quotes and brackets; not normalised


def addresses(headers: Headers, name: str) -> tuple[Address, ...]:
    """Every address in all headers of that name, in order. What is no address is left out."""
    found: list[Address] = []
    for value in headers.raw(name):
        for address in _read(storable(value[:LONGEST_FIELD])):
            found.append(address)
            if len(found) == MOST_ADDRESSES:
                return tuple(found)
    return tuple(found)


def _read(value: str) -> Iterator[Address]:
    """A piece without an address is the front of a name with a comma in it: `Meyer, Hans <hans@example.com>`."""
    front = ""
    for text, angle, comment, ends in _pieces(value):
        address = _address(angle if angle is not None else text)
        if address is None:
            front = f"{front}, {text.strip()}".strip(", ")[:LONGEST_NAME] if ends == "," and angle is None else ""
            continue
        name = f"{front}, {text.strip()}".strip(", ") if angle is not None else ""
        yield Address(readable(_unquoted(name) or comment)[:LONGEST_NAME], address)
        front = ""


def _pieces(value: str) -> Iterator[tuple[str, str | None, str, str]]:
    """(text, what stood in angle brackets, the comment, what ended it) of each piece between commas, semicolons, and a group's colon."""
    text, angle, comment, at = list[str](), None, "", 0
    may_open_group = True
    hopeless: set[str] = set()  # openers whose end was sought in vain: seeking again would be quadratic
    while special := _SPECIAL.search(value, at):
        text.append(value[at : special.start()])
        at, mark = special.end(), special[0]
        if mark == ":" and (not may_open_group or angle is not None or not _is_group_name("".join(text))):
            may_open_group = False
            text.append(mark)
        elif mark in ",;:":
            if mark != ":":
                yield "".join(text), angle, comment, mark
            text, angle, comment, may_open_group = [], None, "", True
        elif mark in hopeless or (inner := _inner(value, at, mark)) is None:
            hopeless.add(mark)
        else:
            at = inner[1]
            match mark:
                case "<":
                    angle = inner[0]
                case "(":
                    comment = inner[0]
                case '"':
                    text.append(f'"{inner[0]}"')
                case _:
                    text.append(inner[0])
    yield "".join([*text, value[at:]]), angle, comment, ","


def _is_group_name(text: str) -> bool:
    return "@" not in text and text.strip().lower() != "mailto"


def _inner(value: str, at: int, mark: str) -> tuple[str, int] | None:
    """What `mark` opened before `at`, and where the text goes on behind it; None if it is never closed."""
    match mark:
        case "<":
            return _in_brackets(value, at)
        case "\\":
            return value[at : at + 1], at + 1
        case '"':
            closed = _QUOTE.match(value, at)
            return (closed[1], closed.end()) if closed else None
    depth = 1
    for bracket in _COMMENT.finditer(value, at):
        depth += {"(": 1, ")": -1}.get(bracket[0], 0)
        if depth == 0:
            return value[at : bracket.start()], bracket.end()
    return None


def _in_brackets(value: str, at: int) -> tuple[str, int]:
    """A bracket that the sender forgot to close ends at the next comma; but quoted local parts and source routes may hold commas."""
    start = re.compile("[<\\s]*").match(value, at).end()  # type: ignore[union-attr]
    stop = re.compile(">" if value[start : start + 1] in ('"', "@") else "[>,;<]").search(value, start)
    if stop is None:
        return value[start:], len(value)
    return value[start : stop.start()], stop.end() if stop[0] == ">" else stop.start()


def _address(text: str) -> str | None:
    """The address that `text` is, without the clutter that senders put around it."""
    bare = text.strip().strip("<>").strip()
    if bare[:7].lower() == "mailto:":
        bare = bare[7:]
    if bare.startswith("@") and ":" in bare:  # a source route, <@relay.test:hans@example.com>
        bare = bare.rpartition(":")[2]
    for quote in "'\"":
        if len(bare) > 2 and bare[0] == bare[-1] == quote:
            bare = bare[1:-1].strip()
    bare = bare.removesuffix(".")
    if quoted := _QUOTED_LOCAL.fullmatch(bare):
        local = re.sub(r"\\(.)", r"\1", quoted[1])
        plain = f"{local}@{quoted[2]}"
        return plain if _ADDRESS.fullmatch(plain) else bare
    return bare if _ADDRESS.fullmatch(bare) and ".." not in bare.rpartition("@")[2] else None


def _unquoted(name: str) -> str:
    """Quotes go, and the backslashes within them."""
    cut = name[: LONGEST_NAME * 2].strip(" <>\t\r\n")
    bare = re.sub(r'"((?:[^"\\]|\\.)*)"', lambda quoted: re.sub(r"\\(.)", r"\1", quoted[1]), cut).strip()
    return bare[1:-1].strip() if len(bare) > 2 and bare[0] == bare[-1] == "'" else bare
