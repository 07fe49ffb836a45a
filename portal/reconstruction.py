"""An e-mail put together again from what is kept of it, for when Gmail's own copy cannot be had. Pure.

Headers are as they were stored, but for those that describe the form of the body, which is another one now, and for signatures, which
would not hold for it. Nothing that a sender wrote can begin a line: not a header, not the body.
"""

import re
from collections.abc import Iterable, Sequence
from email.charset import QP, Charset
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formataddr, getaddresses

from models.emails import Attachment, Email

FORM = re.compile(
    r"content-.*|mime-version|dkim-signature|domainkey-signature|arc-.*|x-google-dkim-signature|x-postroom-.*|lines|bytes|status|x-mozilla-.*",
    re.IGNORECASE,
)
ADDRESSES = frozenset({"from", "sender", "reply-to", "to", "cc", "bcc", "resent-from", "resent-to", "resent-cc", "resent-sender"})
SINGLE = frozenset({"from", "sender", "reply-to", "to", "cc", "bcc", "subject", "date", "message-id", "in-reply-to", "references"})
MARK = b"X-Postroom-Reconstructed: yes\r\n"
LONGEST = 16_000  # characters of one header
LINE = 76

_NAME = re.compile(r"[!-9;-~]{1,76}")  # RFC 5322, 3.6.8
_BREAKING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_TYPE = re.compile(r"[A-Za-z0-9][\w.+-]{0,60}/[A-Za-z0-9][\w.+-]{0,80}", re.ASCII)
_UTF_8 = Charset("utf-8")
_UTF_8.header_encoding = QP


def rebuilt(email: Email, files: Iterable[tuple[Attachment, bytes | None]]) -> bytes:
    """RFC 5322, with `X-Postroom-Reconstructed: yes`. `files`: None for one that is not kept, which is named at the end of the text."""
    files = list(files)
    message = EmailMessage(policy=SMTP)
    message.set_content(email.text + _left_out([file for file, data in files if data is None]), cte="base64")
    if email.html:
        message.add_alternative(email.html, subtype="html", cte="base64")
    for file, data in files:
        if data is not None:
            _attach(message, file, data)
    return MARK + b"".join(_headers(email.headers)) + message.as_bytes()


def _left_out(files: Sequence[Attachment]) -> str:
    if not files:
        return ""
    names = "\n".join(f"- {_plain(file.filename) or 'unnamed'} ({_plain(file.mime_type)}, {file.size} bytes)" for file in files)
    return f"\n\n-- \nPut together by Postroom. These attachments of the e-mail are not in here:\n{names}\n"


def _attach(message: EmailMessage, file: Attachment, data: bytes) -> None:
    kind = file.mime_type if _TYPE.fullmatch(file.mime_type) else ""
    main, _, sub = (kind or "application/octet-stream").partition("/")
    if main.lower() in ("multipart", "message"):  # only text and data may be written as Base64
        main, sub = "application", "octet-stream"
    cid = re.sub(r"[^!-;=?-~]", "", file.content_id or "")
    message.add_attachment(data, main, sub, filename=_plain(file.filename) or "unnamed", cid=f"<{cid}>" if cid else None)


def _headers(stored: Iterable[Sequence[str]]) -> Iterable[bytes]:
    """Each a line or more, ended; one of those that may be there once only is."""
    seen = set[str]()
    for name, value in stored:
        word = name.lower()
        if not _NAME.fullmatch(name) or FORM.fullmatch(name) or word in seen:
            continue
        seen |= {word} & SINGLE
        yield f"{name}: {_folded(name, word, _plain(value[:LONGEST]))}\r\n".encode("ascii", "replace")


def _folded(name: str, word: str, value: str) -> str:
    if value.isascii():
        return Header(value, "us-ascii", maxlinelen=LINE, header_name=name).encode(linesep="\r\n")
    if word in ADDRESSES:
        people = [_person(*person) for person in getaddresses([value]) if person[1]]
        return Header(", ".join(people), "us-ascii", maxlinelen=LINE, header_name=name).encode(linesep="\r\n")
    return Header(value, _UTF_8, maxlinelen=LINE, header_name=name).encode(linesep="\r\n")


def _person(name: str, address: str) -> str:
    """An address in letters that a header cannot hold is written with marks in their place: it is no address to be answered."""
    return formataddr((name, address.encode("ascii", "replace").decode()))


def _plain(words: str) -> str:
    return " ".join(_BREAKING.sub(" ", words).split())
