"""Builders: e-mails ready to be filed, and the debts that they pay."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from tortoise.expressions import F

from models.activities import Activity, Review
from models.database import connection
from models.emails import Email, Kind, Trust
from models.evidence import Doubt, Rank, in_order
from models.filing import file_batch
from models.leases import release
from models.ledger import Debt, Owed, Settled, owed, record
from models.mailboxes import Mailbox
from models.recording import ForClient, NewAttachment, NewEmail, NewParticipant
from tests.builders import held

PAT, EVA = "pat@client.example", "eva@sample.test"


def an_email(
    identity: str,
    sent_at: datetime,
    *clients: int,
    in_doubt: tuple[int, ...] = (),
    sender: str = PAT,
    cc: tuple[str, ...] = (),
    bcc: tuple[str, ...] = (),
    thread: str = "",
    kind: Kind = "mail",
    trust: Trust = "unknown",
    subject: str = "",
    outgoing: bool = False,
) -> NewEmail:
    """`clients` are certain; `in_doubt` are asked about, the lowest id first: the sender is a contact of all of them. Its Gmail id is its
    identity. Eva, who received it, is staff."""
    subject = subject or f"Subject {identity}"
    people = frozenset({sender, *cc, *bcc})
    return NewEmail(
        identity=identity,
        message_id=f"{identity}@client.example",
        thread_root=thread or identity,
        outgoing=outgoing,
        subject=subject,
        text="Text",
        html=None,
        headers=(("Subject", subject),),
        kind=kind,
        trust=trust,
        sent_at=sent_at,
        participants=(
            NewParticipant("from", "Pat", sender, sender),
            NewParticipant("to", "", EVA, EVA),
            *(NewParticipant("cc", "", address, address) for address in cc),
            *(NewParticipant("bcc", "", address, address) for address in bcc),
        ),
        attachments=(NewAttachment("1", "figures.pdf", "application/pdf", 7, None),),
        gmail_id=identity,
        gmail_thread_id="t1",
        received_at=sent_at,
        certain=tuple(ForClient(client, "a contact of this client") for client in clients),
        question=replace(a_doubt(subject, sent_at, frozenset(in_doubt), sender), people=people) if in_doubt else None,
        people=people,
    )


def a_doubt(subject: str, sent_at: datetime, clients: frozenset[int], sender: str = PAT) -> Doubt:
    """The sender is a contact of all of them."""
    return Doubt({sender: clients}, frozenset({sender}), sender, subject, "Text", (), sent_at)


async def debts_for(mailbox: Mailbox, emails: list[NewEmail], now: datetime) -> list[Owed]:
    """A look is owed at each of these messages."""
    async with connection() as held:
        await record(held, mailbox.id, [Debt(email.gmail_id, 1, "look") for email in emails], "push", now)
    return await owed(mailbox.id, now, len(emails))


def filed(looks: list[Owed]) -> list[Settled]:
    return [Settled(look, "filed", "client", look.seen) for look in looks]


async def files(mailbox: Mailbox, *emails: NewEmail, now: datetime, rank: Rank = in_order) -> int:
    """Files them all at once, as if Gmail had just told of them; how many activities are new."""
    ours = await held(mailbox, now)
    new = await file_batch(ours, list(emails), [*filed(await debts_for(mailbox, list(emails), now))], 5, now, rank=rank)
    await release(ours, settle=now - now)
    return new


async def decided(email: Email, client_id: int, by: int, now: datetime) -> None:
    """A person says under which client the e-mail is, and so that it is under no other: as rows."""
    said: dict[str, Any] = {"decided_by_id": by, "decided_at": now}
    await Activity.filter(email=email).update(status="dismissed", **said)
    review = await Review.get_or_none(email=email)
    for client in {client_id, *([candidate["client"] for candidate in review.candidates] if review else [])}:
        if not await Activity.filter(email=email, client_id=client).exists():
            places = {"firm_id": email.firm_id, "status": "dismissed", "sent_at": email.sent_at, "filed_at": now, "reason": "", **said}
            await Activity.create(email=email, client_id=client, **places)
    await Activity.filter(email=email, client_id=client_id).update(status="filed", how="person")
    await Review.filter(email=email).update(outcome="reassigned", **said)
    await Email.filter(id=email.id).update(version=F("version") + 1)
