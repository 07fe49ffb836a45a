"""An admin keeps the firm's rules, and a person their own list: what is refused is said where it was written."""

from playwright.async_api import expect

from tests.browser.conftest import FIRM
from tests.browser.visitor import Visitor
from tests.browser.way import comes_in
from tests.journeys.house import House

NEVER, OWN = "An address or a domain never to be filed", "A domain of your own"


async def test_an_admin_lists_a_domain_and_is_told_where_one_was_refused(house: House, visitor: Visitor) -> None:
    await visitor.opens(await house.add_person(FIRM, "olga@sample.test", admin=True))
    await visitor.clicks("Settings")
    await visitor.clicks("Integrations")
    await visitor.writes(NEVER, "@Clinic.example")
    await visitor.clicks("Never file it")
    await visitor.sees("clinic.example everybody there · olga,")
    await expect(visitor.page.get_by_label(NEVER)).to_be_in_viewport()
    await visitor.writes(OWN, "second.test")
    await visitor.clicks("Add the domain")
    await visitor.sees("second.test Remove")
    visitor.refusals.add(409)
    await visitor.writes(NEVER, "gmail.com")
    await visitor.clicks("Never file it")
    await visitor.sees("Anybody may have an address at gmail.com, your clients too")
    await expect(visitor.page.get_by_role("alert")).to_be_in_viewport()
    await expect(visitor.page.get_by_label(NEVER)).to_be_focused()
    await expect(visitor.page.get_by_label(NEVER)).to_have_value("gmail.com")
    await visitor.page.evaluate("scrollTo(0, 0)")  # or parts of the pictures stay empty
    await visitor.looks("rules-refused")
    await visitor.writes("Look back days", "ninety")
    await visitor.clicks("Save the days")
    await visitor.sees("Write a whole number of days from 0 to 3,650")
    await expect(visitor.page.get_by_label("Look back days")).to_be_focused()
    await visitor.clicks("Remove second.test")
    await visitor.clicks("Remove clinic.example")
    await visitor.does_not_see("everybody there")


async def test_a_person_lists_an_address_by_keyboard_alone(house: House, visitor: Visitor) -> None:
    await comes_in(house, visitor, "nora@sample.test")
    await visitor.page.get_by_label(NEVER).focus()
    await visitor.page.keyboard.type("doctor@clinic.example")
    await visitor.presses_and_goes("Enter")
    await visitor.sees("doctor@clinic.example nora,")
    await visitor.looks("never-file-own")
    await visitor.tabs_to("doctor@clinic.example")
    await visitor.presses_and_goes("Enter")
    await visitor.does_not_see("doctor@clinic.example nora")
