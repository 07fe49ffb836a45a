"""Records a batch's e-mails: one row a message, whoever received it, with who took part in it, and which mailbox holds it.

They are locked in order of their identity, and this is the one lock that filing, withdrawals and decisions meet at.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from models.database import Connection
from models.emails import Kind, Trust
from models.evidence import Doubt
from models.leases import Held
from models.ledger import Wanted

LONGEST_NAMES = 20_000  # characters of names, addresses and file names that a search looks at


@dataclass(frozen=True, slots=True)
class NewParticipant:
    header: str
    name: str
    address: str
    key: str | None


@dataclass(frozen=True, slots=True)
class NewAttachment:
    part_id: str
    filename: str
    mime_type: str
    size: int
    content_id: str | None


@dataclass(frozen=True, slots=True)
class ForClient:
    client_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class NewEmail:
    """An e-mail that concerns clients, ready to be filed."""

    identity: str
    message_id: str | None
    thread_root: str
    outgoing: bool
    subject: str
    text: str
    html: str | None
    headers: tuple[tuple[str, str], ...]
    kind: Kind
    trust: Trust
    sent_at: datetime
    participants: tuple[NewParticipant, ...]
    attachments: tuple[NewAttachment, ...]
    gmail_id: str
    gmail_thread_id: str
    received_at: datetime
    certain: tuple[ForClient, ...]
    question: Doubt | None  # its candidates: the best guess gets an activity that is marked for review
    people: frozenset[str] = frozenset()  # the keys of everybody on it who is no staff
    wanted: Wanted | None = None  # a person's word: then nothing is certain and nothing in question

    @property
    def names(self) -> str:
        """Who took part and what was attached, for the search."""
        people = (f"{one.name} {one.address}" for one in self.participants)
        return " ".join([*people, *(file.filename for file in self.attachments)])[:LONGEST_NAMES]


class JustWithdrawn(Exception):
    """An e-mail was there a moment ago. Whoever begins the transaction anew records it."""


async def record_all(
    held: Connection, mailbox: Held, emails: Sequence[NewEmail], put_away: Sequence[str], now: datetime
) -> tuple[dict[str, int], dict[str, int]]:
    """Identity to id, of the new and of the known; and that this mailbox holds them. Only the first to record an e-mail writes its
    participants and attachments.

    Known ones are locked, so that nobody withdraws them or decides about them meanwhile. So are the others in the thread of a question:
    what is just being decided about them is waited for, and heard. And so are those that this batch withdraws (`put_away`: Gmail's ids):
    locked later, they would meet in a deadlock with a batch that files what this one withdraws.

    Raises `JustWithdrawn`: nothing is recorded by who holds locks already, or two who do would wait for each other.
    """
    new = await _new(held, mailbox.firm_id, emails, now)
    names = {email.identity for email in emails} - new.keys()
    locked = await held.fetch(
        """
        SELECT id, identity FROM email WHERE id IN (SELECT id FROM email WHERE firm_id = $1 AND identity = ANY($2::text[])
        UNION SELECT id FROM email WHERE firm_id = $1 AND thread_root = ANY($3::text[])
        UNION SELECT email_id FROM receipt WHERE mailbox_id = $4 AND gmail_id = ANY($5::text[])) ORDER BY identity FOR NO KEY UPDATE
        """,
        mailbox.firm_id,
        sorted(names),
        sorted({email.thread_root for email in emails if email.question}),
        mailbox.id,
        list(put_away),
    )
    known = {row["identity"]: row["id"] for row in locked if row["identity"] in names}
    if known.keys() != names:
        raise JustWithdrawn
    await _receipts(held, mailbox.id, emails, new | known)
    return new, known


async def _new(held: Connection, firm_id: int, emails: Sequence[NewEmail], now: datetime) -> dict[str, int]:
    fresh = await held.fetch(
        """
        INSERT INTO email (firm_id, identity, message_id, thread_root, outgoing, subject, text, html, headers, kind, trust, sent_at,
        names, filed_at) SELECT $1, e.*, $14 FROM unnest($2::text[], $3::text[], $4::text[], $5::bool[], $6::text[], $7::text[], $8::text[],
        $9::jsonb[], $10::text[], $11::text[], $12::timestamptz[], $13::text[]) AS e
        ON CONFLICT (firm_id, identity) DO NOTHING RETURNING id, identity
        """,
        firm_id,
        [e.identity for e in emails],
        [e.message_id for e in emails],
        [e.thread_root for e in emails],
        [e.outgoing for e in emails],
        [e.subject for e in emails],
        [e.text for e in emails],
        [e.html for e in emails],
        [json.dumps(e.headers) for e in emails],
        [e.kind for e in emails],
        [e.trust for e in emails],
        [e.sent_at for e in emails],
        [e.names for e in emails],
        now,
    )
    new = {row["identity"]: row["id"] for row in fresh}
    await _details(held, {e.identity: e for e in emails}, new)
    return new


async def restore(held: Connection, emails: Mapping[int, NewEmail]) -> None:
    """The content of those, by id, that was erased, as a person wants them filed after all."""
    erased = await held.fetch("SELECT id FROM email WHERE id = ANY($1::bigint[]) AND erased_at IS NOT NULL ORDER BY id", list(emails))
    for email_id, email in ((row["id"], emails[row["id"]]) for row in erased):
        await held.execute(
            """
            UPDATE email SET subject = $2, text = $3, html = $4, headers = $5::text::jsonb, names = $6, erased_at = NULL WHERE id = $1
            """,
            email_id,
            email.subject,
            email.text,
            email.html,
            json.dumps(email.headers),
            email.names,
        )
        await _details(held, {email.identity: email}, {email.identity: email_id})


async def _details(held: Connection, emails: dict[str, NewEmail], new: dict[str, int]) -> None:
    people = [(new[i], n, p) for i in new for n, p in enumerate(emails[i].participants)]
    await held.execute(
        """
        INSERT INTO participant (email_id, position, header, name, address, key) SELECT * FROM unnest($1::bigint[], $2::int[], $3::text[],
        $4::text[], $5::text[], $6::text[])
        """,
        [email for email, _, _ in people],
        [n for _, n, _ in people],
        [p.header for _, _, p in people],
        [p.name for _, _, p in people],
        [p.address for _, _, p in people],
        [p.key for _, _, p in people],
    )
    files = [(new[i], a) for i in new for a in emails[i].attachments]
    await held.execute(
        """
        INSERT INTO attachment (email_id, part_id, filename, mime_type, size, content_id)
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[])
        """,
        [email for email, _ in files],
        [a.part_id for _, a in files],
        [a.filename for _, a in files],
        [a.mime_type for _, a in files],
        [a.size for _, a in files],
        [a.content_id for _, a in files],
    )


async def _receipts(held: Connection, mailbox_id: int, emails: Sequence[NewEmail], ids: dict[str, int]) -> None:
    await held.execute(
        """
        INSERT INTO receipt (mailbox_id, email_id, gmail_id, gmail_thread_id, received_at)
        SELECT $1, r.* FROM unnest($2::bigint[], $3::text[], $4::text[], $5::timestamptz[]) AS r ON CONFLICT DO NOTHING
        """,
        mailbox_id,
        [ids[e.identity] for e in emails],
        [e.gmail_id for e in emails],
        [e.gmail_thread_id for e in emails],
        [e.received_at for e in emails],
    )
