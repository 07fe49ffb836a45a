"""Gmail's search: `q` as a question that a message answers with yes or no.

Words beside each other must all fit; OR and {braces} choose; - negates; (parentheses) group, also after a field.
`after:` and `before:` take epoch seconds, or a date that begins at midnight in California; both bounds are exclusive, which is
the unkinder reading of what Google leaves open.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import lru_cache

from sandbox.state import Message

Question = Callable[[Message], bool]
TOKEN = re.compile(r'[(){}]|-(?=\S)|[\w]+:(?=[({])|[\w]+:"[^"]*"|"[^"]*"|[^\s(){}]+')
PACIFIC = timezone(timedelta(hours=-8))
DATE = re.compile(r"(\d{4})[/-](\d{1,2})[/-](\d{1,2})")
PLACES = {"inbox": "INBOX", "sent": "SENT", "drafts": "DRAFT", "draft": "DRAFT", "spam": "SPAM", "trash": "TRASH", "chats": "CHAT"}
TEXTS: dict[str, Callable[[Message], str]] = {
    "": lambda message: " ".join((message.subject, message.snippet, message.sender, message.to)),
    "from": lambda message: message.sender,
    "to": lambda message: " ".join((message.to, message.cc, message.bcc)),
    "cc": lambda message: message.cc,
    "bcc": lambda message: message.bcc,
    "subject": lambda message: message.subject,
}


@lru_cache(maxsize=512)
def question(q: str) -> Question:
    tokens = TOKEN.findall(q)[::-1]
    asked: Question = _group(tokens, "", "") if tokens else _anything
    while tokens:  # an unbalanced bracket closes nothing
        tokens.pop()
        asked = _both(asked, _group(tokens, "", "")) if tokens else asked
    return asked


def shows_hidden(q: str) -> bool:
    """Whether `q` itself asks for spam or trash."""
    return re.search(r"\b(in|label):(spam|trash|anywhere)\b", q, re.IGNORECASE) is not None


def _anything(message: Message) -> bool:
    return True


def _both(left: Question, right: Question) -> Question:
    return lambda message: left(message) and right(message)


def _group(tokens: list[str], end: str, field: str) -> Question:
    """Reads up to `end`; in braces one fit is enough."""
    fits: list[list[Question]] = [[]]
    joined = False
    while tokens and tokens[-1] not in (")", "}"):
        if tokens[-1] == "OR":
            tokens.pop()
            joined = True
            continue
        one = _term(tokens, field)
        if joined and fits[-1]:
            fits[-1].append(one)
        else:
            fits.append([one])
        joined = False
    if end and tokens and tokens[-1] == end:
        tokens.pop()
    choices = [choice for choice in fits if choice]
    every = any if end == "}" else all
    return lambda message: every(any(one(message) for one in choice) for choice in choices)


def _term(tokens: list[str], field: str) -> Question:
    token = tokens.pop()
    if token == "-" and tokens:
        inner = _term(tokens, field)
        return lambda message: not inner(message)
    if token in "({":
        return _group(tokens, ")" if token == "(" else "}", field)
    if token.endswith(":") and tokens and tokens[-1] in ("(", "{"):
        return _group(tokens, ")" if tokens.pop() == "(" else "}", token[:-1].lower())
    name, colon, value = token.partition(":")
    if colon and not field and name.isalnum():
        return _field(name.lower(), value.strip('"'))
    return _field(field, token.strip('"'))


def _field(name: str, value: str) -> Question:
    low = value.lower()
    if name in TEXTS:
        of = TEXTS[name]
        return lambda message: low in of(message).lower()
    if name in ("after", "newer"):
        return lambda message: message.internal_date // 1000 > _seconds(value)
    if name in ("before", "older"):
        return lambda message: message.internal_date // 1000 < _seconds(value)
    if name == "rfc822msgid":
        return lambda message: message.message_id.strip("<>") == value.strip("<>")
    return _state(name, low, value)


def _state(name: str, low: str, value: str) -> Question:
    match name, low:
        case ("in" | "label", "anywhere" | "all"):
            return _anything
        case ("in" | "label", _):
            return lambda message: PLACES.get(low, value) in message.labels
        case ("is", "read"):
            return lambda message: "UNREAD" not in message.labels
        case ("is", _):
            return lambda message: low.upper() in message.labels
        case _:
            return lambda message: name == "has" and low == "attachment" and message.has_attachment


def _seconds(value: str) -> int:
    if value.isdecimal():
        return int(value)
    if found := DATE.fullmatch(value):
        year, month, day = (int(part) for part in found.groups())
        try:
            return int(datetime(year, month, day, tzinfo=PACIFIC).timestamp())
        except ValueError:
            return 0
    return 0
