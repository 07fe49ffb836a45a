"""Who really wrote a mail on which a mailing list has put its own address into From: `Pat via Team <team@lists.example>`. Pure.

Lists do so because a mail that they pass on would fail its author's DMARC check. The author then stands in X-Original-From,
X-Original-Sender or Reply-To, where anybody can write anything. They are believed only if the list's own headers name the address in From
as the list's, and Google found that the mail does come from there; and not if the list itself says that the author was forged.
"""

import re

from gmail.authentication import RESULTS, verdict
from gmail.message import Address, Headers, addresses
from models.address import key_of

AUTHOR_IN = ("X-Original-From", "X-Original-Sender", "Reply-To")
LONGEST = 2000  # characters of a header that names a list
_LIST = re.compile(r"\blist\s+([^\s;,<>]+@[^\s;,<>]+)", re.IGNORECASE)  # Mailing-list: list team@lists.example; contact …


def real_author(headers: Headers) -> Address | None:
    """None where nobody but From's own address is believed."""
    in_from = _keys(headers, "From")
    if len(in_from) != 1 or verdict(headers) != "proven" or verdict(headers, f"X-Original-{RESULTS}") == "forged":
        return None
    (list_key,) = in_from
    if not _names_list(headers, list_key):
        return None
    for name in AUTHOR_IN:
        match list(_keys(headers, name).items()):
            case [(key, author)] if key != list_key:
                return author
    return None


def _keys(headers: Headers, name: str) -> dict[str, Address]:
    """Address keys in all headers of that name, each as it was first written."""
    found = {key: address for address in reversed(addresses(headers, name)) if (key := key_of(address.address))}
    return dict(reversed(found.items()))


def _names_list(headers: Headers, key: str) -> bool:
    """Google's groups say `List-ID: <team.lists.example>` and `Mailing-list: list team@lists.example; …`; others the first of them."""
    ids = {value[:LONGEST].rpartition("<")[2].partition(">")[0].strip().lower() for value in headers.raw("List-Id")}
    named = {key_of(found) for value in headers.raw("Mailing-list") for found in _LIST.findall(value[:LONGEST])}
    return key.replace("@", ".") in ids or key in named
