"""What Google found of a message's sender: its DMARC verdict (RFC 7489), from the Authentication-Results header that it writes (RFC 8601).

Of several such headers only the topmost is Google's, and only if it says so: whoever sends a mail may write as many as they like below it.
Pure, linear in the header's length, and nothing that a sender can write makes it raise.
"""

import re
from typing import Literal

from gmail.headers import Headers

Verdict = Literal["proven", "forged", "unknown"]
RESULTS = "Authentication-Results"
GOOGLE = "mx.google.com"

_SPECIAL = re.compile(r'\\.|["()]', re.DOTALL)
_WORD = re.compile(r"\s*dmarc\s*(?:/\s*\d+\s*)?=\s*([\w-]+)(?:\s|$)", re.IGNORECASE)
_FAILS = re.compile(r"\bdmarc\s*=\s*fail\b", re.IGNORECASE)


def verdict(headers: Headers, field: str = RESULTS) -> Verdict:
    """`proven`: Google says dmarc=pass of the domain in From; `forged`: it says dmarc=fail; `unknown`: it says neither, or is silent.

    `field`: what a list calls the header that it received.
    """
    said = headers.raw(field)[:1]
    return _read(said[0]) if said else "unknown"


def _read(value: str) -> Verdict:
    """A header in pieces, as the words of a sender that Google repeats may leave it, proves nothing, and still tells of a failure."""
    bare = _without_comments(value)
    server, *results = (value if bare is None else bare).split(";")
    if not _is_google(server):
        return "unknown"
    if bare is None:
        return "forged" if _FAILS.search(value) else "unknown"
    found = {word[1].lower() for result in results if (word := _WORD.match(result))}
    if "fail" in found:
        return "forged"
    return "proven" if found == {"pass"} else "unknown"


def _is_google(server: str) -> bool:
    """The authserv-id, with or without the version of its format."""
    name, *version = server.lower().split() or [""]
    return name == GOOGLE and (not version or (len(version) == 1 and version[0].isdigit()))


def _without_comments(value: str) -> str | None:
    """Comments gone, and quoted strings empty; None where one of them is never closed."""
    kept, at, depth, quoted = list[str](), 0, 0, False
    for special in _SPECIAL.finditer(value):
        mark, outside = special[0], depth == 0 and not quoted
        if outside:
            kept.append(value[at : special.start()])
        at = special.end()
        match mark:
            case '"' if depth == 0:
                quoted = not quoted
                kept.append(mark)
            case "(" if not quoted:
                depth += 1
            case ")" if not quoted:
                depth -= 1
                kept.append(" ")
            case _ if outside:  # a backslash, which means something within comments and quotes alone
                return None
        if depth < 0:
            return None
    return None if depth or quoted else "".join([*kept, value[at:]])
