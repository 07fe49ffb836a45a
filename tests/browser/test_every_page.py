"""Every page that can be read, with real rows on it: usable by everybody, wide and narrow, light and dark.

A new GET route needs a line in `SAMPLES`, or one in `PARTS` if it is no page, or these tests name it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Browser, BrowserContext, Page

from models.firms import User
from portal.app import PAGES
from tests.browser.axe import violations
from tests.browser.site import signed_in
from tests.browser.visitor import SHAPE
from tests.builders import a_firm, a_user
from tests.portal.conftest import pages, site  # noqa: F401  # fixtures
from tests.portal.premises import Premises, furnished
from tests.portal.site import Site

WIDTHS = {"desk": (1280, 800), "phone": (360, 740)}
Who = Literal["nobody", "sam", "robin", "empty"]


@dataclass(frozen=True)
class Sample:
    """`address` names ids of `Premises` in braces. `who`: Sam of the staff, Robin the admin, the admin of a firm that has nothing yet."""

    name: str
    address: str
    who: Who = "sam"
    status: int = 200


SAMPLES: dict[str, list[Sample]] = {
    "/sign-in": [Sample("sign-in", "/sign-in", "nobody"), Sample("sign-in-already", "/sign-in")],
    "/sign-in/{token}": [
        Sample("sign-in-link", "{link}", "nobody"),
        Sample("sign-in-spent", "/sign-in/unknown", "nobody", 410),
    ],
    "/oauth/callback": [
        Sample("sign-in-over", "/oauth/callback?state=unknown", "nobody", 400),
        Sample("connecting-over", "/oauth/callback?state=unknown", "sam", 400),
    ],
    "/": [
        Sample("dashboard", "/"),
        Sample("dashboard-everyone", "/?queue=everyone&said={gone}", "robin"),
        Sample("dashboard-overtaken", "/?overtaken=2&left=1&said={gone}"),
        Sample("dashboard-empty", "/", "empty"),
    ],
    "/mail": [
        Sample("mails", "/mail"),
        Sample("mails-found", "/mail?q=a&since=2020-01-01&direction=received"),
        Sample("mails-wrong-day", "/mail?since=yesterday", status=400),
        Sample("mails-none", "/mail", "empty"),
    ],
    "/clients": [
        Sample("clients", "/clients"),
        Sample("clients-none-found", "/clients?q=nobody"),
        Sample("clients-admin", "/clients", "robin"),
        Sample("clients-empty", "/clients", "empty"),
    ],
    "/why": [Sample("why", "/why"), Sample("why-unconnected", "/why", "robin")],
    "/clients/new": [Sample("client-new", "/clients/new", "robin")],
    "/clients/import": [Sample("import", "/clients/import", "robin")],
    "/clients/import/preview": [Sample("import-preview", "/clients/import/preview", "robin")],
    "/clients/imports/{entry:int}": [Sample("import-result", "/clients/imports/{imported}", "robin")],
    "/clients/{id:int}": [Sample("client", "/clients/{client}"), Sample("client-admin", "/clients/{client}", "robin")],
    "/clients/{id:int}/merge": [
        Sample("client-merge", "/clients/{client}/merge", "robin"),
        Sample("client-merge-into", "/clients/{client}/merge?into={other_client}", "robin"),
    ],
    "/clients/{id:int}/removal": [Sample("client-removal", "/clients/{client}/removal", "robin")],
    "/activities/{id:int}/edit": [Sample("edit", "/activities/{activity}/edit")],
    "/activities/{id:int}/original": [Sample("original", "/activities/{activity}/original")],
    "/clients/{id:int}/activities": [
        Sample("activities", "/clients/{client}/activities"),
        Sample("activities-empty", "/clients/{other_client}/activities"),
    ],
    "/activities/{id:int}": [
        Sample("mail-edited", "/activities/{activity}"),
        Sample("mail-text", "/activities/{activity}?view=text"),
        Sample("mail-in-doubt", "/activities/{asked_activity}"),
        Sample("mail-private", "/activities/{private}"),
        Sample("mail-not-there", "/activities/{private}", "robin", 404),
    ],
    "/mails/{id:int}/clients": [
        Sample("choose-client", "/mails/{asked}/clients"),
        Sample("choose-client-found", "/mails/{asked}/clients?q=bakery"),
        Sample("choose-client-none", "/mails/{asked}/clients?q=nobody"),
    ],
    "/mails/{id:int}/hand-over": [Sample("hand-over", "/mails/{asked}/hand-over")],
    "/settings/email-sync": [
        Sample("email-sync", "/settings/email-sync"),
        Sample("email-sync-never", "/settings/email-sync", "robin"),
    ],
    "/settings/account": [Sample("account", "/settings/account")],
    "/settings/integrations": [
        Sample("integrations", "/settings/integrations", "robin"),
        Sample("integrations-empty", "/settings/integrations", "empty"),
        Sample("admins-only", "/settings/integrations", "sam", 403),
    ],
    "/settings/people/{id:int}": [
        Sample("person", "/settings/people/{person}", "robin"),
        Sample("person-myself", "/settings/people/{robin}", "robin"),
    ],
}
PARTS = {
    "/sign-in/link": "leads on to the door",
    "/activities/{id:int}/html": "a mail in its frame: as its sender made it",
    "/why/progress": "a part of its page",
    "/why/clients": "a part of its page",
    "/clients/import/template.csv": "a file",
    "/clients/import/lines-to-mend.csv": "a file",
    "/activities/{id:int}/original.eml": "a file",
    "/activities/{id:int}/reconstructed.eml": "a file",
    "/settings/email-sync/progress": "a part of its page",
    "/questions/new": "a part of the dashboard",
}
ALL = [sample for samples in SAMPLES.values() for sample in samples]


async def look(page: Page, sample: Sample) -> list[str]:
    """What is wrong with the page as it is shown now."""
    wide, window, _ = await page.evaluate(SHAPE)
    wrong = [f"{wide} wide in a window of {window}"] if wide > window else []
    wrong += [f"headings: {await page.locator('h1').all_inner_texts()}"] if await page.locator("h1").count() != 1 else []
    title = await page.title()
    wrong += [] if title.endswith(" · Postroom") and len(title) > len(" · Postroom") else [f"title: {title!r}"]
    return wrong + await small_targets(page) + await violations(page)


async def small_targets(page: Page) -> list[str]:
    """Buttons and fields that a finger misses."""
    return list(
        await page.evaluate(
            """() => [...document.querySelectorAll("button, .button, .field, select, summary")].filter(one => one.checkVisibility())
            .map(one => [one.getBoundingClientRect(), one]).filter(([box]) => box.width && (box.height < 27.5))
            .map(([box, one]) => `only ${Math.round(box.height)} high: ${one.outerHTML.slice(0, 120)}`)"""
        )
    )


async def unseen_focus(page: Page) -> list[str]:
    """What Tab comes to without that it can be seen where one is, or that one cannot come back from."""
    seen = set[str]()
    for _ in range(120):
        await page.keyboard.press("Tab")
        where, outline = await page.evaluate(
            """() => {const one = document.activeElement, style = getComputedStyle(one);
            return [one === document.body ? "" : one.outerHTML.slice(0, 160), `${style.outlineStyle} ${style.outlineWidth}`]}"""
        )
        if not where or where in seen:
            return []
        seen.add(where)
        if outline.startswith("none") or outline.endswith(" 0px"):
            return [f"unseen focus: {where}"]
    return []


def test_every_page_that_can_be_read_has_a_sample() -> None:
    paths = {page.path for page in PAGES if page.method == "GET"}
    assert sorted(paths - SAMPLES.keys() - PARTS.keys()) == [], "pages without a sample: add a line to SAMPLES, or to PARTS"
    assert sorted((SAMPLES.keys() | PARTS.keys()) - paths) == [], "samples without a page"
    assert len({sample.name for sample in ALL}) == len(ALL), "two pictures of one name"


@pytest.fixture
async def premises(site: Site) -> Premises:  # noqa: F811
    return await furnished()


async def person(site: Site, premises: Premises, who: Who) -> User | None:  # noqa: F811
    if who == "empty":
        return await a_user(await a_firm("New & Partners"), "nora@new.test", "admin")
    return None if who == "nobody" else getattr(premises, who)


@pytest.mark.parametrize("sample", ALL, ids=lambda sample: sample.name)
async def test_a_page_can_be_used_by_everybody(
    chromium: Browser,
    site: Site,  # noqa: F811
    premises: Premises,
    sample: Sample,
    pytestconfig: pytest.Config,
) -> None:
    user = await person(site, premises, sample.who)
    address = sample.address.format(**premises.ids, robin=premises.robin.id, link=await site.link_for(premises.sam))
    folder: Path | None = pytestconfig.getoption("--screenshots", None)
    wrong = list[str]()
    async with signed_in(chromium, site, user, reduced_motion="reduce") as context:
        page = await context.new_page()
        complain(context, page, wrong)
        answer = await page.goto(address)
        assert answer is not None
        assert answer.status == sample.status
        for name, (width, height) in WIDTHS.items():
            await page.set_viewport_size({"width": width, "height": height})
            for scheme in ("light", "dark"):
                await page.emulate_media(color_scheme=scheme)
                wrong += [f"{name}, {scheme}: {said}" for said in await look(page, sample)]
                if folder:
                    folder.mkdir(parents=True, exist_ok=True)
                    await page.screenshot(path=folder / f"{sample.name}-{name}-{scheme}.png", full_page=True)
        wrong += await unseen_focus(page)
    assert wrong == []


def complain(context: BrowserContext, page: Page, wrong: list[str]) -> None:
    """Whatever the browser minds."""
    context.on("weberror", lambda error: wrong.append(f"script: {error.error}"))
    page.on(
        "console",
        lambda said: (
            wrong.append(f"console: {said.text}") if said.type in ("error", "warning") and "the server responded" not in said.text else None
        ),
    )
    page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
    page.on(
        "response",
        lambda answer: (
            wrong.append(f"{answer.status}: {answer.url}") if answer.status >= 400 and not answer.request.is_navigation_request() else None
        ),
    )


async def test_what_a_page_does_wrong_is_noticed(chromium: Browser, site: Site) -> None:  # noqa: F811
    """Or the silence of all these tests would prove nothing."""
    async with signed_in(chromium, site, None) as context:
        page = await context.new_page()
        await page.goto("/sign-in")
        assert await violations(page) == []
        await page.evaluate("document.querySelector('label').remove(); document.querySelector('p').style.color = '#ccc'")
        told = " ".join(await violations(page))
        assert "label" in told
        assert "color-contrast" in told
        await page.evaluate("document.body.insertAdjacentHTML('beforeend', '<button>x</button><h1>Two</h1>')")
        assert any("headings" in said for said in await look(page, ALL[0]))


async def test_the_skip_link_leads_past_the_bar(chromium: Browser, site: Site, premises: Premises) -> None:  # noqa: F811
    async with signed_in(chromium, site, premises.sam) as context:
        page = await context.new_page()
        await page.goto("/clients")
        await page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="To the content")
        assert await skip.is_visible()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.querySelector('main').contains(document.activeElement)")


async def test_colours_of_ones_own_keep_buttons_and_focus_in_sight(chromium: Browser, site: Site, premises: Premises) -> None:  # noqa: F811
    async with signed_in(chromium, site, premises.sam, forced_colors="active") as context:
        page = await context.new_page()
        await page.goto("/")
        borders = await page.evaluate(
            """[...document.querySelectorAll(".button, .card")].filter(one => one.checkVisibility())
            .map(one => getComputedStyle(one).borderTopWidth)"""
        )
        assert set(borders) == {"1px"}
        assert await unseen_focus(page) == []


async def test_a_printed_mail_is_the_mail_and_nothing_to_press(chromium: Browser, site: Site, premises: Premises) -> None:  # noqa: F811
    async with signed_in(chromium, site, premises.sam, color_scheme="dark") as context:
        page = await context.new_page()
        await page.goto(f"/activities/{premises.ids['activity']}?view=text")
        await page.emulate_media(media="print")
        for shown in ("h1", ".mail-text", ".people"):
            assert await page.locator(shown).first.is_visible(), shown
        assert await page.locator(".bar, footer, button").filter(visible=True).count() == 0
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
