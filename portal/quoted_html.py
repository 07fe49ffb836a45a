"""Finds in a mail's clean HTML what was written earlier, as mail programs mark it, and folds it with `<details>`. Pure.

Marks: Gmail's and Apple's quoting blocks, Thunderbird's, Yahoo's, GMX's; and Outlook's block of From, Sent and To, with all below it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from portal.markup import Piece
from portal.quoted import foldable, is_attribution, opens_quotation

FOLD = '<details class="postroom-earlier"><summary>Earlier in this thread</summary>'
END = "</details>"
CLASSES = {
    "blockquote": {"gmail_quote", "protonmail_quote"},
    "div": {"gmail_quote", "gmail_attr", "yahoo_quoted", "moz-cite-prefix", "protonmail_quote"},
}
HEADS = frozenset({"divRplyFwdMsg", "x_divRplyFwdMsg", "mail-editor-reference-message-container"})  # ids of Outlook's
BREAKS = frozenset({"blockquote", "br", "div", "h1", "h2", "h3", "hr", "li", "p", "pre", "td", "tr"})


@dataclass(slots=True)
class _Element:
    piece: Piece
    first: int  # the place of its opening tag
    last: int  # and of its closing one
    parent: "_Element | None"


def folds(found: Sequence[Piece]) -> dict[int, str]:
    """What is to be written before which of the pieces. Nothing, where the mail is all quotation, or its marks make no sense."""
    said = list(accumulate((1 if piece.words.strip() else 0 for piece in found), initial=0))
    ranges = _outermost(sorted(_quotations(found, said)))
    own = [_lines(found[first:last]) for first, last in _around(ranges, len(found))]
    if not ranges or not any(own):
        return {}
    kinds = [kind for number, lines in enumerate(own) for kind in ([False] if lines else []) + ([True] if number < len(ranges) else [])]
    numbers = [number for number, kind in enumerate(kinds) if kind]
    out = dict[int, str]()
    for (first, last), number in zip(ranges, numbers, strict=True):
        if foldable(kinds, number):
            out[first] = out.get(first, "") + FOLD
            out[last] = END + out.get(last, "")
    return out


def _quotations(found: Sequence[Piece], said: Sequence[int]) -> list[tuple[int, int]]:
    """From which piece to before which."""
    out = list[tuple[int, int]]()
    for element in _elements(found):
        if said[element.first] == said[element.last]:
            continue
        if _is_quotation(element.piece):
            out.append((element.first, element.last + 1))
        elif _is_head(element, found):
            out.append(_below(element, said, len(found)))
    return out


def _is_quotation(piece: Piece) -> bool:
    if piece.tag not in CLASSES or not piece.written:
        return False
    given = piece.attributes
    names = given.get("class", "").split()
    if piece.tag == "blockquote":
        return given.get("type") == "cite" or bool(CLASSES["blockquote"].intersection(names))
    return given.get("name") == "quote" or "yahoo_quoted" in names


def _is_head(element: _Element, found: Sequence[Piece]) -> bool:
    """Outlook's block: by its id, or a line above it and the word From as its first."""
    if element.piece.tag != "div" or not element.piece.written:
        return False
    given = element.piece.attributes
    if given.get("id") in HEADS:
        return True
    if "border-top" not in given.get("style", ""):
        return False
    first = next((at for at in range(element.first, min(element.last, element.first + 12)) if found[at].words.strip()), element.last)
    return opens_quotation("".join(piece.words for piece in found[first : min(element.last, first + 6)]))


def _below(element: _Element, said: Sequence[int], end: int) -> tuple[int, int]:
    """From there to the end of what it stands in, once that says more than this block."""
    while (around := element.parent) and said[around.last] - said[around.first] == said[element.last] - said[element.first]:
        element = around
    return element.first, around.last if (around := element.parent) else end


def _elements(found: Sequence[Piece]) -> list[_Element]:
    """All that are closed."""
    held, out = list[_Element](), list[_Element]()
    for at, piece in enumerate(found):
        if piece.opens:
            held.append(_Element(piece, at, at, held[-1] if held else None))
        elif piece.closes and held and held[-1].piece.tag == piece.tag:
            closed = held.pop()
            closed.last = at
            out.append(closed)
    return out


def _outermost(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    out = list[tuple[int, int]]()
    for first, last in ranges:
        if not out or first >= out[-1][1]:
            out.append((first, last))
    return out


def _around(ranges: Sequence[tuple[int, int]], end: int) -> list[tuple[int, int]]:
    """What stands before, between and after them."""
    edges = [0, *(edge for one in ranges for edge in one), end]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _lines(between: Sequence[Piece]) -> list[str]:
    """What the author says there; the front of a quotation is not theirs."""
    words = "".join("\n" if piece.tag in BREAKS else piece.words for piece in between)
    return [line for line in words.split("\n") if line.strip() and not is_attribution(line)]
