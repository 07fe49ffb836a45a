"""What a visitor minds: a story in which the browser complains does not pass."""

import pytest
from playwright.async_api import Route

from tests.browser.visitor import Visitor
from tests.journeys.house import House
from tests.postroom.waiting import eventually

PROBES = {
    "console": ("<script>console.error('a word')</script>", "console: a word"),
    "script": ("<script>nobody.knows()</script>", "script: nobody is not defined"),
    "policy": ("<img src='data:,'>", "console: Loading the image 'data:,' violates"),
    "foreign": ("<script src='http://elsewhere.example/x.js'></script>", "foreign: http://elsewhere.example/x.js"),
    "refused": ("<script>fetch('/static/nothing.css')</script>", "404: "),
}
POLICY = "default-src 'self' 'unsafe-inline'; img-src 'none'; script-src 'unsafe-inline' *"


@pytest.mark.parametrize(("page", "complaint"), PROBES.values(), ids=PROBES)
async def test_every_complaint_of_the_browser_is_kept(house: House, visitor: Visitor, page: str, complaint: str) -> None:
    async def answer(route: Route) -> None:
        await route.fulfill(body=page, content_type="text/html", headers={"Content-Security-Policy": POLICY})

    await visitor.page.route(f"{house.url}/probe", answer)
    await visitor.opens(f"{house.url}/probe")

    async def kept() -> bool:
        return any(complaint in kept for kept in visitor.complaints)

    await eventually(kept, f"{complaint!r} is among {visitor.complaints}")
    visitor.complaints.clear()


async def test_a_page_wider_than_a_phone_is_noticed(visitor: Visitor) -> None:
    await visitor.page.set_content("<p style='width: 361px; position: absolute; left: 0'>wide")
    with pytest.raises(AssertionError, match="361 wide in a window of 360"):
        await visitor.looks("wide")
