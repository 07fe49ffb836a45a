"""Builders of mail as the pages find it: filed through the pipeline's own transaction."""

import itertools
from datetime import UTC, datetime
from uuid import uuid4

from models.activities import Activity
from models.directory import Client
from models.emails import Kind, Trust
from models.filing import file_batch
from models.leases import release
from models.mailboxes import Mailbox
from models.recording import ForClient, NewAttachment, NewEmail, NewParticipant
from tests.builders import held
from tests.models.emails import a_doubt

NOW = datetime(2026, 3, 5, 10, 45, tzinfo=UTC)  # a Thursday
_numbers = itertools.count(1)


async def file_mail(
    mailbox: Mailbox,
    *clients: Client,
    doubt: tuple[Client, ...] = (),
    subject: str = "Payroll for March",
    text: str = "Hours as agreed.",
    html: str | None = None,
    sender: tuple[str, str] = ("Pat Example", "pat@example.com"),
    cc: tuple[tuple[str, str], ...] = (),
    attachments: tuple[NewAttachment, ...] = (),
    identity: str = "",
    trust: Trust = "unknown",
    kind: Kind = "mail",
    outgoing: bool = False,
    thread: str = "",
    headers: tuple[tuple[str, str], ...] = (),
    sent_at: datetime = NOW,
    now: datetime = NOW,
) -> Activity:
    """Files one mail under `clients`, or asks which of `doubt`; its first activity."""
    number = next(_numbers)
    asked = frozenset(client.id for client in doubt)
    email = NewEmail(
        identity=identity or uuid4().hex,
        message_id=f"<{number}@example.com>",
        thread_root=thread or f"<{number}@example.com>",
        outgoing=outgoing,
        subject=subject,
        text=text,
        html=html,
        headers=(("Subject", subject), *headers),
        kind=kind,
        trust=trust,
        sent_at=sent_at,
        participants=(
            NewParticipant("from", *sender, sender[1]),
            NewParticipant("to", "", mailbox.address, mailbox.address_key),
            *(NewParticipant("cc", name, address, address) for name, address in cc),
        ),
        attachments=attachments,
        gmail_id=f"g{number}",
        gmail_thread_id=f"t{number}",
        received_at=sent_at,
        certain=tuple(ForClient(client.id, f"{sender[1]} is a contact of this client") for client in clients),
        question=a_doubt(subject, sent_at, asked, sender[1]) if asked else None,
    )
    ours = await held(mailbox, now)
    await file_batch(ours, [email], [], 5, now)
    await release(ours, settle=now - now)
    activity = await Activity.filter(email__identity=email.identity, firm_id=mailbox.firm_id).order_by("id").first()
    assert activity is not None
    return activity


def an_attachment(filename: str = "lease.pdf", mime_type: str = "application/pdf", size: int = 340_000) -> NewAttachment:
    return NewAttachment("1", filename, mime_type, size, None)
