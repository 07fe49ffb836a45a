"""Says beside the links of a mail where they lead: on hover always, and after their words where those look like another address. Pure.

Their words are straightened: a link that reads backwards says what it is not.
"""

import html
from collections.abc import Sequence

from portal.links import Link, link_of, straight, warning
from portal.markup import Piece


def marked(found: Sequence[Piece]) -> list[str]:
    """The pieces as they are to be written, one for one."""
    out = [piece.source for piece in found]
    held = list[int]()  # links stand within links, where a table is between
    for here, piece in enumerate(found):
        if held and not piece.tag:
            out[here] = straight(piece.source)
        if piece.tag == "a" and not piece.closes:
            held.append(here)
        elif piece.tag == "a" and held:
            at = held.pop()
            if link := link_of(found[at].attributes.get("href", "")):
                out[at] = f'{out[at][:-1]} title="{html.escape(link.hint)}">'
                out[here] += _mark("".join(word.words for word in found[at + 1 : here]), link)
    return out


def _mark(words: str, link: Link) -> str:
    told = warning(words, link)
    return f'<span class="postroom-leads">{html.escape(told)}</span>' if told else ""
