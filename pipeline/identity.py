"""What makes two messages one e-mail of a firm, in whichever mailboxes they lie. Pure."""

import hashlib

from gmail.message import Content, message_id
from pipeline.match import Party


def identity_of(content: Content, people: tuple[Party, ...]) -> str:
    """A key of 64 hex digits over Message-ID, author, Date as written, subject and text.

    A forged mail that copies the first four but not the text stays an e-mail of its own; copies of a mailing list, whose footers differ,
    are one.
    """
    headers = content.headers
    listed = bool(headers.raw("List-Id"))
    parts = (
        message_id(headers) or "",
        ",".join(sorted(person.key or person.address for person in people if person.where == "from")),
        " ".join((headers.first("Date") or "").split()),
        " ".join((headers.first("Subject") or "").split()),
        "" if listed else " ".join(content.text.split()),
    )
    # Lengths go in, so that no text can move from one part into the next.
    return hashlib.sha256("\0".join(f"{len(part)}:{part}" for part in parts).encode()).hexdigest()
