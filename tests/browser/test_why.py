"""A person misses a mail, asks why, and has it filed all the same: at a desk, and on a phone without scripts."""

from datetime import UTC, datetime

from tests.browser.conftest import Visitors
from tests.browser.visitor import PHONE, Visitor
from tests.browser.way import allows, comes_in
from tests.builders import a_mail
from tests.journeys.house import House

BOX = "Link of the mail in Gmail, or its Message-ID"


async def strange_mail(house: House, address: str, subject: str, message_id: str) -> str:
    mail = a_mail("Quinn Stranger <quinn@elsewhere.example>", address, subject, Message_ID=f"<{message_id}>")
    return str((await house.google.aio.mail(address, mail.as_bytes()))["id"])


async def test_a_stranger_s_mail_is_explained_and_filed_anyway(house: House, visitor: Visitor) -> None:
    """Scenario 71. What the person said stands in the mail's history."""
    address = "wanda@sample.test"
    await comes_in(house, visitor, address)
    await allows(visitor, address)
    sent = await strange_mail(house, address, "Offer of a new baker", "w1@elsewhere.example")
    await visitor.unfolds("When mail stays away")
    await visitor.clicks("Why isn’t a mail here?")
    await visitor.looks("why-empty")
    await visitor.page.set_viewport_size({"width": 1280, "height": 900})
    visitor.refusals.add(400)
    await visitor.writes(BOX, "the mail of Tuesday")
    await visitor.clicks("Find out")
    await visitor.sees("That is none of the three")
    await visitor.looks("why-wrong")
    await visitor.writes(BOX, f"https://mail.google.com/mail/u/0/?permmsgid=msg-f:{int(sent, 16)}")
    await visitor.clicks("Find out")
    await visitor.sees("Offer of a new baker", "It is not a client’s mail", "quinn@elsewhere.example")
    assert "permmsgid" in visitor.page.url  # to be bookmarked
    await visitor.looks("why-nobodys")
    await visitor.unfolds("File it anyway …")
    await visitor.looks("why-file-anyway")
    await visitor.page.get_by_label("File it anyway: name or number").press_sequentially("lantern")
    await visitor.does_not_see("Harbour Bakery")
    await visitor.clicks("Lantern Bookshop")
    await visitor.sees("It is here.", "wanda filed it here")
    await visitor.looks("why-here")
    await visitor.clicks("Lantern Bookshop")
    await visitor.unfolds("History (2)")
    await visitor.sees("Offer of a new baker", "wanda filed it under Lantern Bookshop", "Postroom filed it")


async def test_on_a_phone_without_scripts_by_sender_and_day(house: House, visitors: Visitors) -> None:
    address = "walt@sample.test"
    phone = await visitors(viewport=dict(zip(("width", "height"), PHONE, strict=True)), java_script_enabled=False)
    await comes_in(house, phone, address)
    await allows(phone, address)
    for number in (1, 2):
        await strange_mail(house, address, f"Word {number}", f"v{number}@elsewhere.example")
    await phone.opens(f"{house.url}/why")
    await phone.writes("Who wrote it", "Quinn")
    await phone.writes("The day, or about", f"{datetime.now(UTC):%Y-%m-%d}")
    await phone.clicks("Find out")
    await phone.sees("Which of these?", "Word 1")
    await phone.picks("Word 2")
    await phone.sees("It is not a client’s mail")
    await phone.unfolds("File it anyway …")
    await phone.clicks("Harbour Bakery")
    await phone.sees_at_last("It is here.")
