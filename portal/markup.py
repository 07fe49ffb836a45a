"""Clean HTML in pieces, to add something of ours between them. It reads what nh3 has written, and nothing else: well-formed and escaped."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

_PIECE = re.compile(r"<(/?)([a-z][a-z0-9]*)((?:\s[^\s=\"<>]+=\"[^\"]*\")*)\s*>|[^<]+|<")
_ATTRIBUTE = re.compile(r"\s([^\s=\"<>]+)=\"([^\"]*)\"")
VOID = frozenset({"area", "br", "col", "hr", "img", "wbr"})


@dataclass(frozen=True, slots=True)
class Piece:
    """A tag, or text: then `tag` is empty."""

    source: str
    tag: str = ""
    closes: bool = False
    written: str = ""  # its attributes, as they stand there

    @property
    def opens(self) -> bool:
        return bool(self.tag) and not self.closes and self.tag not in VOID

    @property
    def attributes(self) -> dict[str, str]:
        return {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(self.written)}

    @property
    def words(self) -> str:
        """What a reader reads of it: text, and a picture's words."""
        if self.tag == "img":
            return self.attributes.get("alt", "")
        return "" if self.tag else html.unescape(self.source)


def pieces(clean: str) -> Iterator[Piece]:
    """All of it, in order: joined again they are what was given."""
    for found in _PIECE.finditer(clean):
        yield Piece(found[0], found[2], bool(found[1]), found[3]) if found[2] else Piece(found[0])
