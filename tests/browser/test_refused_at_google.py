"""What people do on Google's pages instead of allowing: each has a page that says so, and leads from there to a connection."""

from tests.browser.visitor import Visitor
from tests.browser.way import allows, comes_in
from tests.journeys.house import House

READ_MAIL = "View your email messages and settings"


async def at_the_chooser(house: House, visitor: Visitor, address: str) -> None:
    visitor.refusals = {400}
    await comes_in(house, visitor, address)
    await visitor.clicks("Connect Google")
    await visitor.sees("Choose an account")


async def test_whoever_chose_another_account_is_told_which_and_which_it_must_be(house: House, visitor: Visitor) -> None:
    """Scenario 94."""
    await house.google.aio.account("private@elsewhere.test")
    await at_the_chooser(house, visitor, "wilma@sample.test")
    await visitor.picks("private@elsewhere.test")
    await visitor.clicks("Continue")
    await visitor.sees("another Google account", "private@elsewhere.test", "choose wilma@sample.test")
    await visitor.looks("wrong-account")
    await allows(visitor, "wilma@sample.test")


async def test_whoever_unticks_the_box_is_told_which_one_to_tick(house: House, visitor: Visitor) -> None:
    """Scenario 93."""
    await at_the_chooser(house, visitor, "una@sample.test")
    await visitor.picks("una@sample.test")
    await visitor.unticks(READ_MAIL)
    await visitor.clicks("Continue")
    await visitor.sees("box", READ_MAIL)
    await visitor.looks("unticked-box")
    await allows(visitor, "una@sample.test")


async def test_whoever_cancels_is_told_that_nothing_is_connected(house: House, visitor: Visitor) -> None:
    await at_the_chooser(house, visitor, "cora@sample.test")
    await visitor.picks("cora@sample.test")
    await visitor.clicks("Cancel")
    await visitor.sees("You did not connect Gmail")
    await visitor.looks("cancelled")
    await allows(visitor, "cora@sample.test")
