"""Mail that no person wrote to us: automatic and mass mail, told by a written policy. Pure.

Such mail from a contact is filed like any other, and no list of senders is kept: the policy decides only how loudly it asks. The question
of such a mail waits behind those of all other mail, and a mail that concerns very many clients is filed under the foremost of them.

**Mass** is what a list sends (List-Id, List-Unsubscribe), what has more than 50 recipients, and what concerns more than 12 clients by
addresses that are theirs alone. Of these the foremost 12 get the mail: the author's clients first, then those in To, in Cc, in Bcc; among
equals the lowest ids.

**Automatic** is what says so of itself (Auto-Submitted other than "no"; X-Autoreply, X-Autorespond; X-Auto-Response-Suppress other than
"None"; Precedence auto_reply), a mail server's report (multipart/report, or nobody to return it to), and what a calendar answers
(text/calendar with METHOD:REPLY). An automatic mail that a list sends is mass.

Precedence bulk, list or junk makes mass of what is not automatic: absence notices often say so too.
"""

import re
from collections.abc import Iterable

from gmail.message import Content, Headers
from models.emails import Kind
from pipeline.match import Match, Party, place

MOST_RECIPIENTS = 50
MOST_CLIENTS = 12
REPLY = re.compile(rb"^METHOD:REPLY\s*$", re.MULTILINE | re.IGNORECASE)
FIRST_LINES = 64 * 1024  # bytes of a calendar part; its method stands in front
_CALENDAR_REPLY = re.compile(r"text/calendar\b.*;\s*method\s*=\s*\"?reply\b", re.IGNORECASE | re.DOTALL)


def kind_of(content: Content, people: Iterable[Party], clients: int) -> Kind:
    """`clients`: how many the mail concerns by addresses that are theirs alone."""
    headers = content.headers
    recipients = {person.key or person.address for person in people if person.where != "from"}
    if headers.raw("List-Id") or headers.raw("List-Unsubscribe") or len(recipients) > MOST_RECIPIENTS or clients > MOST_CLIENTS:
        return "mass"
    if _says_so(headers) or _is_report(headers) or _is_calendar_reply(content):
        return "automatic"
    return "mass" if _words(headers, "Precedence") & {"bulk", "list", "junk"} else "mail"


def foremost(matches: Iterable[Match]) -> tuple[Match, ...]:
    """Those under whose clients the mail is filed, lowest client first; the order of addresses within a header changes nothing."""
    first = sorted(matches, key=lambda match: (place(match.party), match.client_id))[:MOST_CLIENTS]
    return tuple(sorted(first, key=lambda match: match.client_id))


def _says_so(headers: Headers) -> bool:
    return bool(
        _words(headers, "Auto-Submitted") - {"no"}
        or headers.raw("X-Autoreply")
        or headers.raw("X-Autorespond")
        or _words(headers, "X-Auto-Response-Suppress") - {"none"}
        or "auto_reply" in _words(headers, "Precedence")
    )


def _is_report(headers: Headers) -> bool:
    """Return-Path is written by the server that took the mail, above whatever a sender put there."""
    return "multipart/report" in _words(headers, "Content-Type") or [path.strip() for path in headers.raw("Return-Path")[:1]] == ["<>"]


def _is_calendar_reply(content: Content) -> bool:
    parts = [part.data for part in content.attachments if part.mime_type == "text/calendar" and part.data]
    whole = any(_CALENDAR_REPLY.match(value.strip()[:2000]) for value in content.headers.raw("Content-Type"))
    return whole or any(REPLY.search(data[:FIRST_LINES]) for data in parts)


def _words(headers: Headers, name: str) -> set[str]:
    """The first word of each header of that name: what follows are parameters and comments."""
    return {words[0].lower() for value in headers.raw(name) if (words := re.split(r"[\s;,(]+", value[:200].strip()))[0]}
