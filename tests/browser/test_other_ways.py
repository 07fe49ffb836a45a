"""The same way to a connection without a mouse, and on a phone."""

import pytest

from tests.browser.conftest import FIRM, Visitors
from tests.browser.visitor import PHONE, Visitor
from tests.browser.way import allows, comes_in
from tests.journeys.house import House


async def test_a_keyboard_is_enough_to_connect(house: House, visitor: Visitor) -> None:
    await visitor.opens(await house.add_person(FIRM, "kai@sample.test"))
    for stop in ("Settings", "Connect Google", "kai@sample.test", "Continue"):
        await visitor.tabs_to(stop)
        await visitor.presses_and_goes("Enter")
    await visitor.sees("kai@sample.test connected")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_phone_is_enough_to_connect(house: House, visitors: Visitors, scheme: str) -> None:
    width, height = PHONE
    phone = await visitors(viewport={"width": width, "height": height}, has_touch=True, color_scheme=scheme, reduced_motion="reduce")
    await comes_in(house, phone, f"{scheme}@sample.test")
    await allows(phone, f"{scheme}@sample.test")
