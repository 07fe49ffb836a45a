"""Mail that means harm, in the browser that would be harmed: shown as it came, as text, and by itself."""

import asyncio
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Request, Route, expect

from tests.browser.conftest import Visitors
from tests.browser.visitor import Visitor
from tests.hostile.mails import CANARY, EVIL, HTML, hostile_mails
from tests.journeys.house import House
from tests.postroom.waiting import eventually

FIRM, READER, FIEND = "Hostile and Sons", "hanna@sample.test", "fiend@evil.test"
CLIENTS = f"client_id,client_name,address\n1,Fiendish Ltd,{FIEND}\n"
MAILS = hostile_mails(FIEND, READER)
PLACES = """[...document.querySelectorAll("body *")].filter(one => getComputedStyle(one).position !== "static"
&& !one.classList.contains("postroom-leads")).length"""
ACTING = "script, form, input, button, iframe, object, embed, svg, math, meta[http-equiv], base, link, video, audio"
ACTS = f"document.querySelectorAll('{ACTING}').length"
OUTSIDE = """() => { const box = document.querySelector("iframe.mail").getBoundingClientRect();
return [[box.left - 2, box.top + 9], [box.right + 2, box.top + 9], [box.left + 9, box.top - 2], [9, 9]]
.filter(([x, y]) => x >= 0 && y >= 0 && x < innerWidth && y < innerHeight)
.filter(([x, y]) => document.elementFromPoint(x, y)?.tagName === "IFRAME").length }"""
DOT = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"


@dataclass
class Watch:
    """Whatever a mail might do."""

    seen: list[str] = field(default_factory=list)

    def over(self, page: Page) -> "Watch":
        page.on("dialog", lambda dialog: self.seen.append(f"dialog: {dialog.message}"))
        page.on("console", lambda said: self.seen.append(f"console: {said.text}"))
        page.on("popup", lambda opened: self.seen.append(f"popup: {opened.url}"))
        page.on("framenavigated", lambda frame: self.seen.append(f"went to {frame.url}") if "evil" in frame.url else None)
        page.on("worker", lambda worker: self.seen.append(f"worker: {worker.url}"))
        return self


@pytest.fixture(scope="module")
async def firm(house: House) -> str:
    await house.firm(FIRM, CLIENTS)
    return FIRM


@pytest.fixture(scope="module")
async def mails(house: House, firm: str) -> dict[str, int]:
    """All of them, filed; what each tries, to its activity."""
    person = await house.person(FIRM, READER)
    ids = {name: await house.deliver(person, mail.as_bytes()) for name, mail in MAILS.items()}

    async def filed() -> dict[str, int]:
        rows = await house.ask("SELECT r.gmail_id, a.id FROM receipt r JOIN activity a ON a.email_id = r.email_id")
        found = {row["gmail_id"]: row["id"] for row in rows}
        return {name: found[gmail_id] for name, gmail_id in ids.items()} if found.keys() >= set(ids.values()) else {}

    return await eventually(filed, "all hostile mails are filed")


@pytest.fixture
async def reader(house: House, mails: dict[str, int], visitors: Visitors) -> Visitor:
    """Signed in."""
    visitor = await visitors()
    await visitor.opens((await house.postroom("user", "sign-in-link", READER, "--json")).json["url"])
    await visitor.sees("Dashboard")
    return visitor


async def shown(visitor: Visitor, watch: Watch, address: str) -> None:
    """The page, once all has happened that happens by itself."""
    await visitor.page.goto(address, wait_until="load")
    if not address.endswith("/html"):  # a mail by itself may be as wide as it likes
        await visitor.fits()
    await visitor.page.mouse.move(300, 400)
    assert await visitor.page.title() != CANARY
    assert watch.seen == [], address


async def test_no_hostile_mail_does_anything(house: House, reader: Visitor, mails: dict[str, int]) -> None:
    """Scenarios 107, 109. What left for another host, or what the browser refused on the way, the visitor complains of by itself."""
    watch, page = Watch().over(reader.page), reader.page
    for name, activity in mails.items():
        mail = f"{house.url}/activities/{activity}"
        await shown(reader, watch, f"{mail}?view=text")
        assert await page.locator("main script, main form[action*=evil], main img").count() == 0, name
        if name not in HTML and not await page.locator(".tabs").count():
            continue
        await shown(reader, watch, mail)
        frame = page.frame(url=f"{mail}/html")
        assert frame is not None, name
        await frame.wait_for_load_state()
        assert (await frame.evaluate(ACTS), await frame.evaluate(PLACES), await frame.evaluate("self.canary ?? 0")) == (0, 0, 0), name
        assert await page.evaluate(OUTSIDE) == 0, name
        assert await frame.evaluate("self.origin") == "null", name
        await shown(reader, watch, f"{mail}/html")
        assert await page.evaluate("self.origin") == "null", "opened by itself it has no origin either"
        assert await page.evaluate("self.canary ?? 0") == 0
    assert reader.complaints == []


async def test_links_that_look_alike_say_where_they_lead(house: House, reader: Visitor, mails: dict[str, int]) -> None:
    """Scenario 109."""
    await reader.opens(f"{house.url}/activities/{mails['links that look alike']}/html")
    warned = await reader.page.locator(".postroom-leads").all_inner_texts()
    assert warned == ["⚠ leads to evil.test"] * 2 + ["⚠ leads to xn--bnk-0na.example"] + ["⚠ leads to evil.test"] * 3
    assert await reader.page.locator("[title='https://bank.example'], [title='bank.example']").count() == 0
    await reader.opens(f"{house.url}/activities/{mails['a mark that is forged']}/html")
    mark = reader.page.locator(".postroom-leads")
    assert await mark.count() == 1
    box = await mark.bounding_box()
    assert box is not None
    assert box["width"] > 80
    assert box["height"] > 12


async def test_pictures_from_elsewhere_come_when_asked_for_and_nothing_else_does(
    house: House, reader: Visitor, mails: dict[str, int]
) -> None:
    """Scenario 109."""
    asked = list[Request]()

    async def answer(route: Route) -> None:
        asked.append(route.request)
        await route.fulfill(body=DOT, content_type="image/gif")

    await reader.page.context.route(lambda url: "evil.test" in url, answer)
    mail = f"{house.url}/activities/{mails['pictures and media']}"
    await reader.opens(mail)
    assert asked == []
    await reader.sees("the sender could then see that the mail was read")
    await reader.looks("mail-pictures-off")
    await reader.clicks("Show pictures from elsewhere")
    await reader.sees("They are loaded this once.")
    await expect(reader.page.frame_locator("iframe.mail").get_by_text("The end of it.")).to_be_visible()
    await reader.page.wait_for_load_state("networkidle")
    await reader.looks("mail-pictures-on")
    pictures = ("seen.png", "inner.png", "schemeless.png", "plain.png", "pixel.gif")
    assert {request.url for request in asked} == {f"{EVIL}/{name}" for name in pictures}
    assert {request.resource_type for request in asked} == {"image"}
    assert not [request for request in asked if {"referer", "cookie"} & (await request.all_headers()).keys()]
    await reader.opens(mail)
    count = len(asked)
    await asyncio.sleep(0.05)
    assert len(asked) == count, "it was for one view"
    reader.complaints = [complaint for complaint in reader.complaints if not complaint.startswith(f"foreign: {EVIL}/")]
    for name in ("script", "css import", "svg", "meta refresh", "event handlers"):
        before = len(asked)
        await reader.opens(f"{house.url}/activities/{mails[name]}?pictures=yes")
        assert {request.resource_type for request in asked[before:]} <= {"image"}, name
        assert {urlsplit(request.url).path for request in asked[before:]} <= set(), name
    assert reader.complaints == []
