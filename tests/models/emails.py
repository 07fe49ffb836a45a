"""Builders: e-mails ready to be filed, and the debts that they pay."""

from datetime import datetime

from models.database import connection
from models.filing import ForClient, NewAttachment, NewEmail, NewParticipant, Question
from models.ledger import Debt, Owed, Settled, owed, record
from models.mailboxes import Mailbox


def an_email(identity: str, sent_at: datetime, *clients: int, in_doubt: tuple[int, ...] = ()) -> NewEmail:
    """`clients` are certain; of `in_doubt` the first is the best guess. Its Gmail id is its identity."""
    return NewEmail(
        identity=identity,
        message_id=f"{identity}@client.example",
        thread_root=identity,
        outgoing=False,
        subject=f"Subject {identity}",
        text="Text",
        html=None,
        headers=(("Subject", f"Subject {identity}"),),
        sent_at=sent_at,
        participants=(NewParticipant("from", "Pat", "pat@client.example"), NewParticipant("to", "", "eva@sample.test")),
        attachments=(NewAttachment("1", "figures.pdf", "application/pdf", 7, None),),
        gmail_id=identity,
        gmail_thread_id="t1",
        received_at=sent_at,
        certain=tuple(ForClient(client, "a contact of this client") for client in clients),
        question=Question(tuple(ForClient(client, "one of several") for client in in_doubt)) if in_doubt else None,
    )


async def debts_for(mailbox: Mailbox, emails: list[NewEmail], now: datetime) -> list[Owed]:
    """A look is owed at each of these messages."""
    async with connection() as held:
        await record(held, mailbox.id, [Debt(email.gmail_id, 1, "look") for email in emails], "push", now)
    return await owed(mailbox.id, now, len(emails))


def filed(looks: list[Owed]) -> list[Settled]:
    return [Settled(look, "filed", "client", look.seen) for look in looks]
