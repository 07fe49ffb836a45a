"""Whose mail is it: a person reads why Postroom guesses, says it with one click, and takes it back; on a desk, on a phone, by keyboard."""

import asyncio

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import Visitors
from tests.browser.visitor import PHONE, Visitor
from tests.browser.way import allows
from tests.builders import a_mail
from tests.journeys.house import House

FIRM, PAT = "Deciding and Sons", "pat@bakery.example"
CLIENTS = f"""client_id,client_name,client_number,address,nominated
1,Harbour Bakery,1001,{PAT},yes
2,Example Family Trust,1002,{PAT},
3,Millpond Property,1003,{PAT},
4,Northgate Dental,1004,office@northgate.test,yes
"""
OTHER = "File under another client: name or number"
PHONE_SIZE = dict(zip(("width", "height"), PHONE, strict=True))


@pytest.fixture(scope="module")
async def firm(house: House) -> str:
    await house.firm(FIRM, CLIENTS)
    return FIRM


async def reviewer(house: House, visitor: Visitor, address: str) -> None:
    """Signed in, and connected."""
    await visitor.opens(await house.add_person(FIRM, address))
    await visitor.clicks("Settings")
    await allows(visitor, address)


async def asked(house: House, visitor: Visitor, address: str, subject: str, text: str = "See below.", **headers: str) -> None:
    """A mail in doubt comes, and is seen in the queue."""
    await house.google.aio.mail(address, a_mail(f"Pat Example <{PAT}>", address, subject, text, **headers).as_bytes())
    await visitor.clicks("Dashboard")
    await visitor.sees_at_last(subject)


async def test_a_candidate_is_one_click_and_undo_brings_the_question_back(house: House, visitor: Visitor, firm: str) -> None:
    """Scenario 59."""
    await reviewer(house, visitor, "rita@sample.test")
    await asked(house, visitor, "rita@sample.test", "The lease", "Millpond Property has signed it. Could you look at the deposit?")
    await visitor.sees_at_last("1 mail needs your eye")
    await visitor.sees("Probably Millpond Property:", "Or Harbour Bakery", "Or Example Family Trust")
    await visitor.looks("queue")
    await visitor.clicks("Harbour Bakery")
    await visitor.sees("You filed it under Harbour Bakery.", "Nothing needs your eye")
    await visitor.looks("queue-decided")
    await visitor.clicks("Undo")
    await visitor.sees("1 mail needs your eye", "Probably Millpond Property:")


async def test_another_client_is_found_while_its_name_is_written(house: House, visitor: Visitor, firm: str) -> None:
    await reviewer(house, visitor, "ralf@sample.test")
    await asked(house, visitor, "ralf@sample.test", "A tooth, for once")
    await visitor.clicks("Other client…")
    await expect(visitor.page.get_by_label(OTHER)).to_be_focused()
    await visitor.page.keyboard.type("north")
    await expect(visitor.page.locator(".found button")).to_have_count(1)
    await visitor.looks("queue-another-client")
    await visitor.clicks("Northgate Dental 1004")
    await visitor.sees("You filed it under Northgate Dental.")


async def test_what_is_typed_before_the_field_is_there_decides_nothing(house: House, visitor: Visitor, firm: str) -> None:
    """Who goes on with "dental" has not said "d": not a client's mail."""
    await reviewer(house, visitor, "resi@sample.test")
    await asked(house, visitor, "resi@sample.test", "In a hurry")
    reached, go = asyncio.Event(), asyncio.Event()

    async def slowly(route: Route) -> None:
        reached.set()
        await go.wait()
        await route.continue_()

    said = list[str]()
    visitor.page.on("request", lambda request: said.append(request.url) if request.method == "POST" else None)
    await visitor.page.route("**/clients?*", slowly)
    await visitor.page.locator(".review .button.main").focus()
    await visitor.presses("o")
    await reached.wait()
    await visitor.presses("d")
    go.set()
    await expect(visitor.page.get_by_label(OTHER)).to_be_focused()
    assert said == []


async def test_no_clients_mail_goes_and_its_sender_can_be_kept_out(house: House, visitor: Visitor, firm: str) -> None:
    await reviewer(house, visitor, "rosa@sample.test")
    await asked(house, visitor, "rosa@sample.test", "Shall we have lunch?")
    await visitor.clicks("Not a client’s mail")
    await visitor.sees("You said: not a client’s mail.", f"Never file mail from {PAT}?", "until then it can be had back")
    await visitor.looks("queue-dismissed")
    await visitor.clicks("Never for me")
    await visitor.sees(f"Mail from {PAT} is not filed any more.")
    await visitor.clicks("Undo")
    await visitor.sees("1 mail needs your eye")


async def test_a_mails_page_says_who_decided_and_lets_one_decide_otherwise(house: House, visitor: Visitor, firm: str) -> None:
    """Scenario 71."""
    await reviewer(house, visitor, "rudi@sample.test")
    await asked(house, visitor, "rudi@sample.test", "Rents of the mill")
    await visitor.clicks("Rents of the mill")
    await visitor.sees("Nobody has decided yet whose mail this is.")
    await visitor.looks("mail-in-doubt")
    await visitor.clicks("Example Family Trust")
    await visitor.sees("Filed under Example Family Trust:")
    await visitor.does_not_see("Nobody has decided yet")
    await visitor.clicks("Another client…")
    await visitor.writes(OTHER, "mill")
    await visitor.clicks("Millpond Property 1003")
    await visitor.sees("Filed under Millpond Property: You filed it here on")
    await visitor.unfolds("More")
    await visitor.unfolds("History (3)")
    await visitor.sees("rudi moved it from Example Family Trust to Millpond Property,", "as guessed,", "Postroom asked whose it is")
    await visitor.looks("mail-moved")
    await visitor.clicks("Undo")
    await visitor.sees("Filed under Example Family Trust:")
    await visitor.unfolds("More")
    await visitor.clicks("Not a client’s mail")
    await visitor.sees("You said: not a client’s mail.")
    await visitor.clicks("Undo")
    await visitor.sees("It is under Example Family Trust again.")


async def test_a_forged_mail_has_no_main_button_and_says_what_to_do(house: House, visitor: Visitor, firm: str) -> None:
    """Scenario 67."""
    await reviewer(house, visitor, "rena@sample.test")
    denied = "mx.google.com; dmarc=fail (p=NONE) header.from=bakery.example"
    await asked(house, visitor, "rena@sample.test", "New bank details", "Please use these.", Authentication_Results=denied)
    await visitor.sees("sender not confirmed", "Google could not confirm that bakery.example sent it.", "before you act on it")
    await expect(visitor.page.locator(".review .button.main")).to_have_count(0)
    await visitor.looks("queue-forged")
    await visitor.clicks("New bank details")
    await visitor.looks("mail-forged")


async def test_a_question_is_handed_over_and_waits_for_the_colleague(house: House, visitors: Visitors, firm: str) -> None:
    giver, taker = await visitors(), await visitors()
    await reviewer(house, taker, "tina@sample.test")
    await reviewer(house, giver, "gita@sample.test")
    await asked(house, giver, "gita@sample.test", "For somebody else")
    await giver.unfolds("More")
    await giver.clicks("Hand over…")
    await giver.selects("Hand over to", "tina")
    await giver.looks("queue-hand-over")
    await giver.clicks("Hand over")
    await giver.sees("Waits for tina now.")
    await taker.clicks("Dashboard")
    await taker.sees("For somebody else", "waits for you")


async def test_on_a_phone_without_scripts_everything_is_said_by_pages(house: House, visitors: Visitors, firm: str) -> None:
    phone = await visitors(viewport=PHONE_SIZE, java_script_enabled=False)
    address = "paul@sample.test"
    await reviewer(house, phone, address)
    await house.google.aio.mail(address, a_mail(PAT, address, "From the road").as_bytes())
    await phone.clicks("Dashboard")
    await phone.sees_at_last("From the road")
    await phone.clicks("Other client…")
    await phone.writes(OTHER, "north")
    await phone.clicks("Search")
    await phone.clicks("Northgate Dental 1004")
    await phone.sees("You filed it under Northgate Dental.")
    await phone.clicks("Undo")
    await phone.sees("1 mail needs your eye")
