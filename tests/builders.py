"""Builders: sample firms, people, clients, mailboxes and mails, each with what a test does not care about already filled in."""

import itertools
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime

from gmail.vault import Vault
from models import connections, leases
from models.address import key_of
from models.connections import Connect
from models.directory import Client, ClientContact, Contact, ContactAddress
from models.firms import Firm, User
from models.leases import Held, NotTaken
from models.mailboxes import Mailbox
from settings import DEMO_KEY

VAULT = Vault((DEMO_KEY,))
_numbers = itertools.count(1)


async def a_firm(name: str = "", *, file_all_sent: bool = False) -> Firm:
    return await Firm.create(name=name or f"Sample Firm {next(_numbers)}", file_all_sent=file_all_sent)


async def a_user(firm: Firm, email: str = "", role: str = "staff", *, active: bool = True) -> User:
    email = email or f"user{next(_numbers)}@sample.test"
    return await User.create(firm=firm, email=email, email_key=key_of(email), name=email.split("@")[0].title(), role=role, active=active)


async def a_client(firm: Firm, name: str = "", *contacts: str) -> Client:
    """A client whose contacts have these addresses. An address that is somebody's already stays the same contact's."""
    number = next(_numbers)
    client = await Client.create(firm=firm, external_id=f"C-{number}", name=name or f"Client {number}")
    for address in contacts:
        key = key_of(address)
        known = await ContactAddress.get_or_none(firm=firm, address_key=key)
        if known is None:
            contact = await Contact.create(firm=firm, name=address)
            known = await ContactAddress.create(firm=firm, contact=contact, address=address, address_key=key)
        await ClientContact.create(client=client, contact_id=known.contact_id)  # type: ignore[attr-defined]
    return client


async def a_mailbox(user: User, *, address: str = "", sub: str = "", cursor: int = 1000, at: datetime | None = None) -> Mailbox:
    """A connected mailbox with tokens that a stand-in Google would take."""
    at = at or datetime.now(UTC) - timedelta(hours=1)
    grant = Connect(
        user.firm_id,
        user.id,
        sub or f"sub-{next(_numbers)}",
        address or user.email,
        VAULT.seal("refresh"),
        VAULT.seal("access"),
        datetime.now(UTC) + timedelta(hours=1),
        cursor,
        at,
    )
    return await Mailbox.get(id=await connections.connect(grant, at))


async def held(mailbox: Mailbox, now: datetime, owner: str = "owner", lease: float = 20) -> Held:
    """The mailbox under a lease."""
    taken = await leases.take(mailbox.id, owner, timedelta(seconds=lease), now)
    assert not isinstance(taken, NotTaken), taken
    return taken


def a_mail(
    sender: str = "pat@client.example",
    to: str = "sam@sample.test",
    subject: str = "Quarterly figures",
    text: str = "Please find the figures below.",
    **headers: str,
) -> EmailMessage:
    """An RFC 822 mail; `Cc="…"`, `Message_ID="…"` and the like add headers, None leaves one out."""
    mail = EmailMessage()
    fields = {
        "From": sender,
        "To": to,
        "Subject": subject,
        "Date": format_datetime(datetime.now(UTC)),
        "Message-ID": f"<mail-{next(_numbers)}-{datetime.now(UTC).timestamp()}@client.example>",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    for name, value in fields.items():
        if value is not None:
            mail[name] = value
    mail.set_content(text)
    return mail
