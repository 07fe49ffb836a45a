"""A mail's text for the page: what is quoted folded, its web addresses clickable. Pure, and linear in the text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup, escape

from portal.links import AFTER, Link, link_of, straight, warning
from portal.quoted import passages

MOST_LINKS = 500  # of a mail; further ones stay words

_WEB = re.compile(r"https?://[^\s<>\"'`]{1,2000}", re.IGNORECASE)
_LINK = Markup('<a href="{}" title="{}" target="_blank" rel="noopener noreferrer">{}</a>')
_WARNING = Markup(' <span class="tag warn">{}</span>')


@dataclass(frozen=True, slots=True)
class Shown:
    words: Markup
    folded: bool
    lines: int


def shown(text: str) -> list[Shown]:
    links = iter(range(MOST_LINKS))
    return [Shown(_linked(passage.text, links), passage.folded, passage.lines) for passage in passages(text)]


def _linked(text: str, links: Iterator[int]) -> Markup:
    out, at = list[Markup](), 0
    for found in _WEB.finditer(text):
        written = _trimmed(found[0])
        link = link_of(written)
        if link is None:
            continue
        if next(links, None) is None:
            break
        out += [escape(text[at : found.start()]), _one(written, link)]
        at = found.start() + len(written)
    return Markup().join([*out, escape(text[at:])])


def _trimmed(written: str) -> str:
    """Without the end of the sentence; a bracket that was opened within belongs to it."""
    bare = written.rstrip(AFTER)
    return f"{bare})" if "(" in bare and ")" not in bare and written[len(bare) :].startswith(")") else bare


def _one(written: str, link: Link) -> Markup:
    told = warning(written, link)
    return _LINK.format(link.address, link.hint, straight(written)) + (_WARNING.format(told) if told else "")
