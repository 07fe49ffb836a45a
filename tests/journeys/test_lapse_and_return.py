"""The person on the other side: connected, cut off, written to, back; by real processes, real HTTP and real SMTP."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from email.message import EmailMessage

import aiohttp
import pytest

from tests.builders import a_mail
from tests.journeys.house import House
from tests.journeys.person import Person
from tests.letters.letterbox import Letterbox
from tests.postroom.deployment import a_database, a_redis
from tests.postroom.waiting import eventually
from tests.servers import Server, open_folder

FIRM = "Returning and Partners"
CLIENTS = """client_id,client_name,address
1,Harbour Bakery,pat@harbour.example
2,Lantern Bookshop,bea@lantern.example
3,Specimen Garage,alex@specimen.example
"""
INTERVAL, LETTER_WAIT = 2.0, 3.0  # seconds: a surge shows itself before the first letter of it goes out


@pytest.fixture(scope="module")
async def letterbox() -> AsyncIterator[Letterbox]:
    box = Letterbox()
    yield box
    box.close()


@pytest.fixture(scope="module")
async def house(postgres: Server, valkey_server: Server, letterbox: Letterbox) -> AsyncIterator[House]:
    sweep = {"interval": INTERVAL, "letter_wait": LETTER_WAIT, "surge_limit": 3}
    mail = {"smtp_host": "127.0.0.1", "smtp_port": letterbox.port}
    with open_folder() as folder:
        database, redis = await a_database(postgres, "lapse_and_return"), a_redis(valkey_server, 3)
        made = House(folder, database, redis, sweep=sweep, mail=mail)
        try:
            await made.open()
            await made.firm(FIRM, CLIENTS, admins=("ada@sample.test",))
            yield made
        finally:
            await made.close()


def letters_to(letterbox: Letterbox, person: Person) -> list[EmailMessage]:
    return [letter for letter in letterbox.letters if person.address in letter["To"]]


async def comes(letterbox: Letterbox, person: Person, count: int) -> EmailMessage:
    """The last letter, once there are so many."""

    async def there() -> list[EmailMessage]:
        found = letters_to(letterbox, person)
        return found if len(found) >= count else []

    return (await eventually(there, f"{count} letter(s) to {person.address}", patience=20))[-1]


async def says(person: Person, words: str, path: str = "/settings/email-sync") -> str:
    """The page, once it says so."""

    async def said() -> str | None:
        text = " ".join((await person.page(path)).get_text(" ").split())
        return text if re.search(words, text) else None

    return await eventually(said, f"the page says {words!r}", patience=20) or ""


def text_of(letter: EmailMessage, kind: str = "plain") -> str:
    part = letter.get_body((kind,))
    assert part is not None
    return str(part.get_content())


async def test_a_lapse_is_told_once_and_reconnecting_brings_back_everything(house: House, letterbox: Letterbox) -> None:
    """Scenarios 87, 97."""
    robin = await house.person(FIRM, "robin@sample.test")
    await house.deliver(robin, a_mail("pat@harbour.example", robin.address, "Before the lapse"))
    await robin.finds("Harbour Bakery", "Before the lapse")

    began = time.monotonic()
    await house.google.aio.revoke(robin.account)
    for number in range(3):
        await house.deliver(robin, a_mail("pat@harbour.example", robin.address, f"Meanwhile {number}"))
    await house.deliver(robin, a_mail("nobody@elsewhere.example", robin.address, "No client's"))
    letter = await comes(letterbox, robin, 1)
    print(f"letter after {time.monotonic() - began:.1f} s (interval {INTERVAL:g} s, wait {LETTER_WAIT:g} s)")
    assert robin.address in letter["Subject"]
    assert letter["Auto-Submitted"] == "auto-generated"
    for kind in ("plain", "html"):
        assert f"{house.url}/settings/email-sync" in text_of(letter, kind)
        assert "harbour" not in text_of(letter, kind).lower()  # no client data
    await says(robin, "Gmail stopped on .* What is filed stays")
    await says(robin, "Gmail stopped", "/")

    # Opened by a scanner, without a session: nothing changes, and it leads to the door.
    async with aiohttp.ClientSession() as scanner, scanner.get(f"{house.url}/settings/email-sync") as door:
        assert door.url.path == "/sign-in"
    assert (await robin.subjects_of("Harbour Bakery")) == ["Before the lapse"]

    await asyncio.sleep(2 * INTERVAL)  # two sweeps later it still is one
    assert len(letters_to(letterbox, robin)) == 1
    await robin.browser.connect(robin.account)
    page = await says(robin, "Caught up")
    assert re.search(r"3 mails of the time from .* were filed", page), page
    assert sorted(await robin.subjects_of("Harbour Bakery")) == ["Before the lapse", *[f"Meanwhile {number}" for number in range(3)]]
    closing = await comes(letterbox, robin, 2)
    assert re.search(r"\b3\b", text_of(closing))
    assert robin.address in closing["Subject"]
    await asyncio.sleep(INTERVAL)
    assert len(letters_to(letterbox, robin)) == 2


async def test_disconnected_and_connected_again_the_mail_in_between_is_there(house: House, letterbox: Letterbox) -> None:
    """Scenario 100."""
    kit = await house.person(FIRM, "kit@sample.test")
    await house.deliver(kit, a_mail("bea@lantern.example", kit.address, "Before"))
    await kit.finds("Lantern Bookshop", "Before")
    await kit.browser.send("/settings/email-sync/disconnection", {})
    await says(kit, "disconnected")
    told = [call["method"] for call in (await house.google.aio.state(kit.account))["calls"]]
    assert told[-2:] == ["stop", "revoke"]
    await house.deliver(kit, a_mail("bea@lantern.example", kit.address, "In between"))
    await asyncio.sleep(INTERVAL)
    assert await kit.subjects_of("Lantern Bookshop") == ["Before"]
    await says(kit, "Also file the mail since")
    await kit.browser.connect(kit.account)
    await kit.finds("Lantern Bookshop", "In between")
    assert sorted(await kit.subjects_of("Lantern Bookshop")) == ["Before", "In between"]
    await says(kit, "Caught up. 1 mail of the time")
    assert letters_to(letterbox, kit) == []  # who disconnects on purpose is not written to


async def test_a_test_push_is_googles_own_and_is_seen_arriving(house: House) -> None:
    noor = await house.person(FIRM, "noor@sample.test")
    await house.quiet(noor)
    await house.google.aio.fault("push_lost", mailbox=noor.account, count=100)
    page = await noor.browser.send("/settings/email-sync/test-push", {})
    assert "Waiting for it to arrive" in page
    await asyncio.sleep(INTERVAL)
    assert "Waiting for it to arrive" in await says(noor, "was asked for a push")  # a look of our own proves nothing
    await house.google.aio.clear_faults()
    await house.ask("UPDATE mailbox SET test_push_at = test_push_at - interval '11 seconds' WHERE address = $1", noor.account)
    await noor.browser.send("/settings/email-sync/test-push", {})
    await says(noor, "Google’s push arrived")


async def test_a_surge_of_lapses_writes_to_nobody_until_an_operator_has_looked(house: House, letterbox: Letterbox) -> None:
    """Scenario 90."""
    many = [await house.person(FIRM, f"surge{number}@sample.test") for number in range(3)]
    for person in many:
        await house.google.aio.revoke(person.account)
    for person in many:
        await says(person, "Gmail stopped")

    async def held() -> bool:
        return bool((await house.postroom("letters", "status", "--json")).json["held"])

    await eventually(held, "the letters are held", patience=20)
    await asyncio.sleep(LETTER_WAIT)
    assert [letters_to(letterbox, person) for person in many] == [[], [], []]
    assert re.search(r"^postroom_lapse_surge 1", await house.metrics(house.reconcile), re.MULTILINE)
    await many[0].browser.connect(many[0].account)
    await house.postroom("letters", "release")
    for person in many[1:]:
        await comes(letterbox, person, 1)
    assert letters_to(letterbox, many[0]) == []
