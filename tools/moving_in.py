"""A fleet moves in: firms, people, accounts at the simulated Google and connected mailboxes, by the thousand and without a browser."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import aiohttp

from gmail.endpoints import GMAIL_READONLY
from gmail.vault import Vault
from models.directory import Client, ClientContact, Contact, ContactAddress
from models.firms import Firm, User
from models.mailboxes import Mailbox
from settings import DEMO_KEY
from tools.smoke import ONE_PUSH, Failed

PUSHED = 40  # mailboxes that get mail
AT_ONCE = 500  # accounts to one request
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TOPIC = "projects/demo-project/topics/gmail-push"
SENDER = "pat@client.example"


class Google:
    """The sandbox's control API."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, path: str) -> Any:
        async with self._session.get(f"/sandbox/{path}") as answer:
            return await answer.json()

    async def post(self, path: str, *, token: str = "", **what: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self._session.post(path, headers=headers, **what) as answer:
            if answer.status >= 300:
                raise Failed(f"the sandbox refused {path}: {await answer.text()}")
            return await answer.json()

    async def fail(self, addresses: Sequence[str]) -> None:
        for n, address in enumerate(addresses):
            how = {"kind": "status", "code": 500} if n % 2 else {"kind": "timeout", "s": 60}
            await self.post("/sandbox/faults", json={"mailbox": address, "method": "*", **how})


@contextlib.asynccontextmanager
async def google_at(url: str) -> AsyncIterator[Google]:
    async with aiohttp.ClientSession(url) as session:
        yield Google(session)


async def moved_in(firms: list[list[str]], google: Google) -> float:
    """Firms, people, a client each, accounts at Google, and connected mailboxes, all of which are due at once. Returns when."""
    grants: dict[str, Any] = {}
    every = list(itertools.chain(*firms))
    for at in range(0, len(every), AT_ONCE):
        wanted = {"mailboxes": every[at : at + AT_ONCE], "scopes": [GMAIL_READONLY]}
        grants |= await google.post("/sandbox/grants", json=wanted)
    for address in pushed(firms):
        await google.post("/gmail/v1/users/me/watch", token=grants[address]["access_token"], json={"topicName": TOPIC})
    for number, addresses in enumerate(firms):
        await a_firm(number, addresses, grants)
    await asyncio.sleep(ONE_PUSH)
    # All at once, and due.
    await Mailbox.all().update(state="connected")
    return time.time()


async def a_firm(number: int, addresses: Sequence[str], grants: dict[str, Any]) -> None:
    """With a client whose contact writes the mails, and a person for each mailbox."""
    firm, vault, now = await Firm.create(name=f"Firm {number}"), Vault((DEMO_KEY,)), datetime.now(UTC)
    client = await Client.create(firm=firm, external_id="1", name="Client")
    contact = await Contact.create(firm=firm, name="Pat Example")
    await ContactAddress.create(firm=firm, contact=contact, address=SENDER, address_key=SENDER)
    await ClientContact.create(client=client, contact=contact)
    await User.bulk_create([User(firm=firm, email=a, email_key=a, name=a, role="staff") for a in addresses])
    people = dict(await User.filter(firm=firm).values_list("email", "id"))
    far = {"access_expires_at": now + HOUR, "watch_expires_at": now + 7 * DAY, "watch_due_at": now + DAY, "audit_at": now + DAY}
    await Mailbox.bulk_create(
        [
            Mailbox(
                firm=firm,
                user_id=people[address],
                google_sub=grants[address]["sub"],
                address=address,
                address_key=address,
                state="paused",
                access_token=vault.seal(grants[address]["access_token"]),
                cursor=Decimal(grants[address]["historyId"]),
                history_at=now,
                started_at=now,
                connected_at=now,
                **far,
            )
            for address in addresses
        ]
    )


def pushed(firms: list[list[str]]) -> list[str]:
    """The mailboxes that get mail: of every firm where all is well, in turn."""
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*firms[:-1]))
    return [address for address in itertools.islice(in_turn, PUSHED) if address]
