"""One-time links, sessions, and who gets in."""

from datetime import timedelta

import aiohttp
import pytest

from models.sessions import SignInLink
from tests.builders import a_firm, a_user
from tests.portal.conftest import NOWHERE
from tests.portal.site import Site, a_site


async def test_a_link_signs_in_by_its_button(site: Site) -> None:
    user = await a_user(await a_firm("Sample & Co"), "sam@sample.test")
    browser = site.browser()
    page = await browser.get(await site.link_for(user))
    assert page.heading == "Sign in to Postroom"
    assert page.headers["Referrer-Policy"] == "same-origin", "or the button's form says that it stood nowhere"
    done = await browser.press(page, "Sign in")
    assert (done.status, done.target) == (303, "/")
    dashboard = await browser.follow(done)
    assert dashboard.status == 200
    assert "Sam · Sample & Co" in dashboard.dom.get_text()


async def test_opening_a_link_changes_nothing_however_often_a_mail_scanner_does_it(site: Site) -> None:
    user = await a_user(await a_firm())
    link = await site.link_for(user)
    scanner = site.browser()
    for _ in range(3):
        await scanner.get(link)
    assert (await scanner.get("/")).target == "/sign-in"
    browser = site.browser()
    assert (await browser.press(await browser.get(link), "Sign in")).target == "/"


async def test_a_link_that_was_handed_over_signs_in_by_being_opened_and_once(site: Site) -> None:
    link = await site.link_for(await a_user(await a_firm()), mailed=False)
    browser, another = site.browser(), site.browser()
    async with aiohttp.ClientSession() as outside, outside.head(site.url + link, allow_redirects=False) as look:
        assert (look.status, look.cookies) == (200, {})
    assert (await browser.get(link + "?next=//evil.test")).target == "/"
    assert (await browser.get("/")).status == 200
    assert (await another.get(link)).status == 410
    assert "postroom_session" not in another.cookies


async def test_a_link_signs_in_once(site: Site) -> None:
    link = await site.link_for(await a_user(await a_firm()))
    first, second = site.browser(), site.browser()
    page = await second.get(link)
    await first.press(await first.get(link), "Sign in")
    again = await second.press(page, "Sign in")
    assert again.status == 410
    assert again.heading == "This link does not sign in any more"
    assert "postroom_session" not in second.cookies
    assert (await second.get(link)).status == 410


async def test_an_old_link_and_a_leavers_link_do_not_sign_in(site: Site) -> None:
    firm = await a_firm()
    stayer, leaver = await a_user(firm), await a_user(firm)
    old, left = await site.link_for(stayer), await site.link_for(leaver)
    leaver.active = False
    await leaver.save()
    assert (await site.browser().post(left)).status == 410
    site.clock.now += timedelta(minutes=31)
    assert (await site.browser().post(old)).status == 410


@pytest.mark.parametrize(
    "told", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.test"}, {"Origin": "null"}]
)
async def test_another_sites_form_cannot_sign_somebody_in(site: Site, told: dict[str, str]) -> None:
    link = await site.link_for(await a_user(await a_firm()))
    refused = await site.browser().post(link, headers=told)
    assert refused.status == 403
    assert (await site.browser().post(link, headers={"Origin": site.url})).target == "/", "the link is still good"


@pytest.mark.parametrize(
    ("wanted", "leads_to"),
    [
        ("/settings/email-sync", "/settings/email-sync"),
        ("//evil.test/", "/"),
        ("https://evil.test", "/"),
        ("/\\evil.test", "/"),
        ("/a\r\nSet-Cookie: a=b", "/"),
    ],
)
async def test_after_sign_in_only_a_place_of_ours_comes_next(site: Site, wanted: str, leads_to: str) -> None:
    link = await site.link_for(await a_user(await a_firm()))
    assert (await site.browser().post(link, {"next": wanted})).target == leads_to


async def test_a_link_carries_where_to_go_next(site: Site) -> None:
    browser = site.browser()
    page = await browser.get(await site.link_for(await a_user(await a_firm())) + "?next=/clients")
    assert (await browser.press(page, "Sign in")).target == "/clients"


async def test_signing_out_ends_the_session_itself(site: Site) -> None:
    browser = await site.signed_in(await a_user(await a_firm()))
    stolen = browser.cookies
    out = await browser.press(await browser.get("/"), "Sign out")
    assert out.target == "/sign-in"
    assert "postroom_session" not in browser.cookies
    assert (await site.browser().get("/", Cookie=f"postroom_session={stolen['postroom_session']}")).target == "/sign-in"


async def test_a_session_ends_by_itself_and_with_its_user(site: Site) -> None:
    firm = await a_firm()
    user, leaver = await a_user(firm), await a_user(firm)
    browser, leavers = await site.signed_in(user), await site.signed_in(leaver)
    leaver.active = False
    await leaver.save()
    assert (await leavers.get("/")).target == "/sign-in"
    site.clock.now += timedelta(days=29)
    assert (await browser.get("/")).status == 200
    site.clock.now += timedelta(days=2)
    assert (await browser.get("/")).target == "/sign-in"


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(site: Site) -> None:
    user = await a_user(await a_firm())
    done = await site.browser().post(await site.link_for(user))
    flags = {part.strip().split("=")[0].lower() for part in done.headers["Set-Cookie"].split(";")}
    assert {"httponly", "samesite", "max-age"} <= flags
    assert "secure" not in flags, "on plain http a secure cookie would be thrown away"
    assert "SameSite=lax" in done.headers["Set-Cookie"]
    async with a_site(NOWHERE, https=True) as behind_https:
        link = "/sign-in/" + await SignInLink.issue(user, timedelta(minutes=5), site.clock.now, mailed=True)
        assert "Secure" in (await behind_https.browser().post(link)).headers["Set-Cookie"]


async def test_the_door_says_how_to_get_a_link(site: Site) -> None:
    page = await site.browser().get("/sign-in")
    assert page.heading == "Sign in by a link"
    assert "postroom user sign-in-link" in page.text
