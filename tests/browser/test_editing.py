"""A mail gets a title, a note and a text of the firm's own; two people do so at once; and it is taken home as a file."""

from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Visitors
from tests.browser.visitor import PHONE, Visitor
from tests.browser.way import allows, finds_filed
from tests.builders import a_mail
from tests.journeys.house import House

FIRM, PAT = "Editing and Sons", "pat@editors.example"
CLIENTS = f"client_id,client_name,address\n1,Editors Ltd,{PAT}\n"
PHONE_SIZE = dict(zip(("width", "height"), PHONE, strict=True))


@pytest.fixture(scope="module")
async def firm(house: House) -> str:
    await house.firm(FIRM, CLIENTS)
    return FIRM


async def reads(house: House, visitor: Visitor, address: str, subject: str) -> str:
    """Signed in and connected, to the page of a mail that came; its address."""
    await visitor.opens(await house.add_person(FIRM, address))
    await visitor.clicks("Settings")
    await allows(visitor, address)
    text = "Dear Sam,\n\nhours as agreed, 38 a week.\n\nKind regards\nPat"
    await house.google.aio.mail(address, a_mail(f"Pat Editor <{PAT}>", address, subject, text).as_bytes())
    await finds_filed(visitor, subject, client="Editors Ltd")
    await visitor.picks(subject)
    await visitor.sees("Filed under Editors Ltd")
    return visitor.page.url


async def test_a_mail_gets_a_title_a_note_and_a_text_and_what_came_is_one_click_away(house: House, visitor: Visitor, firm: str) -> None:
    await reads(house, visitor, "ella@sample.test", "AW: AW: hours")
    await visitor.clicks("Edit title, note and text")
    await expect(visitor.page.get_by_label("Title")).to_have_value("AW: AW: hours")
    await visitor.looks("edit")
    await visitor.writes("Title", "Payroll for March")
    await visitor.writes("Note", "Pat counts the breaks.\nAsk again in April.")
    await visitor.writes("Text", "Hours: 38 a week, breaks included.")
    await visitor.clicks("Save")
    await visitor.sees(
        "Payroll for March", "Subject: AW: AW: hours", "Note by ella", "Text, edited by ella", "breaks included.", "hours as agreed"
    )
    await expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Payroll for March")
    await visitor.looks("mail-edited")
    await visitor.clicks("The e-mail as it came")
    await expect(visitor.page.get_by_role("heading", name="The e-mail as it came")).to_be_in_viewport()
    await visitor.unfolds("History (2)")
    await visitor.sees("ella edited the title, the note and the text,")
    await visitor.clicks("Edit title, note and text")
    await visitor.page.get_by_label("Take back all changes to the text").check()
    await visitor.looks("edit-again")
    await visitor.clicks("Save")
    await visitor.sees("Payroll for March", "hours as agreed")
    await visitor.does_not_see("Text, edited")
    await visitor.clicks("Dashboard")
    await visitor.sees("Payroll for March")


async def test_two_people_edit_at_once_and_neither_loses_a_word(house: House, visitors: Visitors, firm: str) -> None:
    """Scenario 72."""
    first, second = await visitors(), await visitors(viewport=PHONE_SIZE, java_script_enabled=False)
    address = await reads(house, first, "erik@sample.test", "Who has the contract?")
    await second.opens(await house.add_person(FIRM, "emma@sample.test"))
    for visitor in (first, second):
        await visitor.opens(f"{address}/edit")
    await first.writes("Title", "The contract")
    await first.writes("Note", "It is in the safe.")
    await first.clicks("Save")
    await first.sees("Note by erik")
    second.refusals.add(409)
    await second.writes("Note", "I have it here.")
    await second.clicks("Save")
    await second.sees("erik saved meanwhile", "What you typed is below and not saved yet", "As it is now, by erik:", "It is in the safe.")
    await expect(second.page.get_by_label("Note", exact=True)).to_have_value("I have it here.")
    await expect(second.page.get_by_label("Title", exact=True)).to_have_value("The contract")
    await second.looks("edit-both")
    await second.writes("Note", "I have it here, and not in the safe.")
    await second.clicks("Save")
    await second.sees("The contract", "Note by emma", "I have it here, and not in the safe.")


async def test_a_mail_is_taken_home_as_it_came_or_put_together_again(house: House, visitor: Visitor, firm: str) -> None:
    await reads(house, visitor, "edda@sample.test", "To be kept at home")
    async with visitor.page.expect_download() as came:
        await visitor.page.get_by_role("link", name="Download the e-mail (.eml)").click()
    saved = await came.value
    assert saved.suggested_filename == "To be kept at home.eml"
    assert message_from_bytes(Path(await saved.path()).read_bytes(), policy=default)["Subject"] == "To be kept at home"
    address = visitor.page.url
    await visitor.clicks("Settings")
    await visitor.unfolds("Disconnect")
    await visitor.clicks("Disconnect edda@sample.test")
    await visitor.sees("edda@sample.test disconnected")
    await visitor.opens(address)
    await visitor.clicks("Download the e-mail (.eml)")
    await visitor.sees("The e-mail as a file", "No connected mailbox holds it any more.", "A reconstruction")
    await visitor.looks("original")
    async with visitor.page.expect_download() as came:
        await visitor.page.get_by_role("link", name="Download a reconstruction (.eml)").click()
    mail = message_from_bytes(Path(await (await came.value).path()).read_bytes(), policy=default)
    assert (mail["X-Postroom-Reconstructed"], mail["Subject"]) == ("yes", "To be kept at home")
    # A download leaves the page where it is, which the browser calls a navigation that was given up.
    visitor.complaints[:] = [said for said in visitor.complaints if not said.endswith("net::ERR_ABORTED")]
