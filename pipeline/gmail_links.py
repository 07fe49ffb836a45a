"""What a person pastes to name a mail, and how it is looked up: a link of Gmail's pages, or a Message-ID. Pure.

Gmail's pages write an id in decimal, `msg-f:1716…` of a message and `thread-f:1716…` of a conversation; its API writes the same number in
hexadecimal. Behind the # of today's links stands base64 of such words, written as one number in an alphabet of 40 consonants. The API
does not know those with an `a:`, which a browser made up. Google documents none of it; https://github.com/ArsenalRecon/GmailURLDecoder
was the first to.
"""

import base64
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

CONSONANTS = "BCDFGHJKLMNPQRSTVWXZbcdfghjklmnpqrstvwxz"
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
LONGEST = 4000  # characters of what is pasted
LONGEST_TOKEN = 200
LARGEST_ID = 2**64 - 1
HEX = re.compile(r"[0-9a-f]{12,16}", re.IGNORECASE)
TOKEN = re.compile(rf"[{CONSONANTS}]{{20,{LONGEST_TOKEN}}}")
MESSAGE_ID = re.compile(r"<?\s*([^\s<>\"]{1,900}@[^\s<>\"]{1,255}?)\s*>?")
PARAMETERS = ("permmsgid", "simpl", "message_id", "permthid", "th", "thid")  # the surest first
FROM_A_CONVERSATION = ("permthid", "th", "thid")

Unclear = Literal["nothing", "no link", "no mail", "begun in gmail"]


@dataclass(frozen=True, slots=True)
class OneMessage:
    """By the id that Gmail's API has for it."""

    id: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """By the id that Gmail's API has for it. In old links it may be a message's."""

    id: str


@dataclass(frozen=True, slots=True)
class ByMessageId:
    """Without brackets."""

    written: str


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """`no link`: neither a link nor a Message-ID; `no mail`: Gmail's, but of a list; `begun in gmail`: of no use to the API."""

    because: Unclear


Named = OneMessage | Conversation | ByMessageId | NotUnderstood


def named(pasted: str) -> Named:
    """Which mail is meant. Never raises, whatever it is given."""
    text = "".join(pasted[:LONGEST].split("\u200b")).strip().strip("'\"“”")
    text = re.sub(r"^(message-id|rfc822msgid)\s*:\s*", "", text, flags=re.IGNORECASE)
    if not text:
        return NotUnderstood("nothing")
    if re.match(r"(https?://)?[a-z.]*google\.com/", text, re.IGNORECASE):
        return _of_link(text)
    return _of_id(text) or _of_message_id(text) or NotUnderstood("no link")


def _of_link(text: str) -> Named:
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
    except ValueError:
        return NotUnderstood("no link")
    if parts.hostname != "mail.google.com":
        return NotUnderstood("no link")
    place, _, asked = parts.fragment.partition("?")
    given = dict(parse_qsl(asked)) | dict(parse_qsl(parts.query))
    for name in PARAMETERS:
        if name in given and (found := _of_parameter(name, given[name])):
            return found
    return _of_id(unquote(place).rpartition("/")[2].lstrip("#")) or NotUnderstood("no mail")


def _of_parameter(name: str, value: str) -> Named | None:
    if name == "message_id":
        return _of_message_id(value) or _one_message(_of_id(value))
    found = _of_id(value.lstrip("#"))
    return found if name in FROM_A_CONVERSATION else _one_message(found)


def _one_message(found: Named | None) -> Named | None:
    return OneMessage(found.id) if isinstance(found, Conversation) else found


def _of_id(word: str) -> Named | None:
    """An id as Gmail's pages write it, in any of their ways."""
    if HEX.fullmatch(word):
        return Conversation(word.lower().lstrip("0"))
    return _of_words(_decoded(word) if TOKEN.fullmatch(word) else word)


def _of_words(words: str) -> Named | None:
    """`msg-f:` and `thread-f:` with a number; in tokens the latter without its first word."""
    for pattern, kind in ((r"msg-f:(\d{1,20})(?!\d)", OneMessage), (r"(?:^|thread-)f:(\d{1,20})(?!\d)", Conversation)):
        found = re.search(pattern, words)
        if found and 0 < int(found[1]) <= LARGEST_ID:
            return kind(f"{int(found[1]):x}")
    return NotUnderstood("begun in gmail") if re.match(r"((msg|thread)-)?a:", words) else None


def _decoded(token: str) -> str:
    number = 0
    for letter in token:
        number = number * len(CONSONANTS) + CONSONANTS.index(letter)
    digits = ""
    while number:
        number, digit = divmod(number, len(BASE64))
        digits = BASE64[digit] + digits
    if len(digits) % 4 == 1:
        return ""
    return base64.b64decode(digits + "=" * (-len(digits) % 4)).decode("latin-1")


def _of_message_id(text: str) -> ByMessageId | None:
    """A % may be its own: only what is encoded as a whole is decoded."""
    found = MESSAGE_ID.fullmatch(unquote(text) if text.lower().startswith("%3c") or "@" not in text else text)
    return ByMessageId(found[1]) if found else None
