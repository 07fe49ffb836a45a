"""The ways that many stories go: in, to a connection, and to the mail that comes of it."""

from email.message import EmailMessage
from typing import Any

from tests.browser.conftest import FIRM
from tests.browser.visitor import Visitor
from tests.builders import a_mail
from tests.journeys.house import House
from tests.letters.letterbox import Letterbox
from tests.postroom.waiting import eventually

BAKER = "pat@harbour.example"


async def comes_in(house: House, visitor: Visitor, address: str) -> None:
    """New in the firm, by their link, to the page where they connect."""
    await visitor.opens(await house.add_person(FIRM, address))
    await visitor.clicks("Settings")
    await visitor.sees("Google Email Sync", f"{address} never connected")


async def allows(visitor: Visitor, address: str, button: str = "Connect Google") -> None:
    """That button, and Google's pages behind it."""
    await visitor.clicks(button)
    await visitor.sees("Choose an account")
    await visitor.picks(address)
    await visitor.clicks("Continue")
    await visitor.sees(f"{address} connected")


async def gets_mail(house: House, address: str, subject: str, sender: str = BAKER, **more: Any) -> None:
    await house.google.aio.mail(address, a_mail(sender, address, subject).as_bytes(), **more)


async def finds_filed(visitor: Visitor, *subjects: str, client: str = "Harbour Bakery") -> None:
    """On the client's page, each once, by and by."""
    await visitor.clicks("Clients")
    await visitor.picks(client)
    for subject in subjects:
        await visitor.sees_at_last(subject)
        assert (await visitor.text()).count(subject) == 1


def letters_to(letterbox: Letterbox, address: str) -> list[EmailMessage]:
    return [taken.message for taken in letterbox.taken if taken.readers == (address,)]


async def letter_to(letterbox: Letterbox, address: str, subject: str) -> EmailMessage:
    """The one letter to that reader with this subject, once it has come."""

    async def come() -> list[EmailMessage]:
        return [letter for letter in letters_to(letterbox, address) if letter["Subject"] == subject]

    (letter,) = await eventually(come, f"a letter to {address} says {subject!r}")
    return letter
