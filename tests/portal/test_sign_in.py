"""The door: one-time links, handed over or mailed, sessions, and who gets in."""

import asyncio
import time
from datetime import timedelta
from urllib.parse import urlencode

import aiohttp
import pytest

from models.notices import Notice
from models.sessions import SignInLink
from portal.sign_in import SAME_MOMENT
from tests.builders import a_firm, a_user
from tests.portal.browser import Page
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


async def test_a_link_names_whom_it_signs_in(site: Site) -> None:
    """Who is sent somebody else's link sees that before pressing the button."""
    sam, kit = await a_user(await a_firm("Sample & Co"), "sam@sample.test"), await a_user(await a_firm(), "kit@sample.test")
    assert "signs you in as Sam , Sample & Co: once" in (await site.browser().get(await site.link_for(sam))).text
    kits = await site.signed_in(kit)
    before = kits.cookies["postroom_session"]
    page = await kits.get(await site.link_for(sam))
    assert "Kit is signed in here now, and will be signed out." in page.text
    await kits.press(page, "Sign in")
    assert (await site.browser().get("/", Cookie=f"postroom_session={before}")).target == "/sign-in", "the older session has ended"


async def test_the_door_shows_both_ways_in(site: Site) -> None:
    page = await site.browser().get("/sign-in?next=/clients")
    assert (page.status, page.heading) == (200, "Sign in to Postroom")
    assert page.headers["Referrer-Policy"] == "same-origin", "or a form says that it stood nowhere"
    for button, action in (("Continue with Google", "/sign-in/google"), ("Mail me a link", "/sign-in/link")):
        form = page.form(button)
        assert form["action"] == action
        assert form.select_one("input[name=next]")["value"] == "/clients"  # type: ignore[index]
    assert "an admin of your firm invites you" in page.text
    assert "postroom user sign-in-link" in page.text


async def test_who_is_signed_in_goes_through_the_door(site: Site) -> None:
    browser = await site.signed_in(await a_user(await a_firm()))
    assert (await browser.get("/sign-in")).heading == "You are signed in"
    assert (await browser.get("/sign-in?next=/clients")).target == "/clients"
    assert (await browser.get("/sign-in?next=//evil.test")).heading == "You are signed in"


async def test_whoever_asks_for_a_link_reads_the_same(site: Site) -> None:
    firm = await a_firm()
    await a_user(firm, "sam@sample.test")
    await a_user(firm, "gone@sample.test", active=False)
    said = {}
    for address in ("sam@sample.test", "gone@sample.test", "nobody@sample.test"):
        page = await ask_for_link(site, address)
        assert (page.status, page.heading) == (200, "Look into your mail")
        assert f"If somebody signs in here as {address} , a link is on its way. It works once, for" in page.text
        headers = {name: value for name, value in page.headers.items() if name not in ("Date", "Content-Length")}
        said[page.body.replace(address, "…")] = headers
    assert len(said) == 1
    owed = await Notice.all().prefetch_related("user")
    assert [(notice.kind, notice.user.email, notice.sent_at) for notice in owed] == [("sign_in", "sam@sample.test", None)]


async def test_the_answer_takes_the_same_moment_for_everybody(site: Site) -> None:
    await a_user(await a_firm(), "sam@sample.test")
    for address in ("sam@sample.test", "nobody@sample.test"):
        began = time.perf_counter()
        await ask_for_link(site, address)
        assert time.perf_counter() - began >= SAME_MOMENT


async def test_an_address_is_known_however_it_is_spelt(site: Site) -> None:
    user = await a_user(await a_firm(), "sam@sample.test")
    await ask_for_link(site, "  Sam@SAMPLE.test ")
    assert await Notice.filter(user_id=user.id).count() == 1


async def test_where_one_wanted_to_go_is_kept_through_the_letter(site: Site) -> None:
    user = await a_user(await a_firm())
    browser = site.browser()
    door = await browser.follow(await browser.get("/clients?q=Bakery&page=1"))
    await browser.press(door, "Mail me a link", address=user.email)
    notice = await Notice.get(user_id=user.id)
    assert notice.by == "/clients?q=Bakery&page=1"
    page = await browser.get(f"{await site.link_for(user)}?{urlencode({'next': notice.by})}")
    assert (await browser.press(page, "Sign in")).target == "/clients?q=Bakery&page=1"


async def test_a_letter_a_minute_and_five_an_hour_whoever_asks(site: Site) -> None:
    user, colleague = await a_user(await a_firm()), await a_user(await a_firm())
    owed = []
    for seconds in (0, 59, 2, 30, 31, *(61,) * 6):
        site.clock.now += timedelta(seconds=seconds)
        assert (await ask_for_link(site, user.email)).heading == "Look into your mail"
        owed.append(await Notice.filter(user_id=user.id).count())
    assert owed == [1, 1, 2, 2, 3, 4, 5, 5, 5, 5, 5]
    await ask_for_link(site, colleague.email)
    assert await Notice.filter(user_id=colleague.id).count() == 1, "one person's hour is not another's"
    site.clock.now += timedelta(minutes=56)
    await ask_for_link(site, user.email)
    assert await Notice.filter(user_id=user.id).count() == 6


async def test_of_several_who_ask_at_once_one_is_written_to(site: Site) -> None:
    user = await a_user(await a_firm())
    for letters in (1, 2):
        await asyncio.gather(*(ask_for_link(site, user.email) for _ in range(8)))
        assert await Notice.filter(user_id=user.id).count() == letters
        site.clock.now += timedelta(minutes=2)


async def test_a_letter_can_be_owed_again_once_the_old_ones_are_forgotten(site: Site) -> None:
    user = await a_user(await a_firm())
    for _ in range(2):
        await ask_for_link(site, user.email)
        assert await Notice.filter(user_id=user.id).count() == 1
        await Notice.all().delete()


@pytest.mark.parametrize("mistyped", ["", "sam", "sam@", "@sample.test", "sam sample@sample.test", "x" * 400 + "@sample.test"])
async def test_what_is_no_address_is_shown_once_more(site: Site, mistyped: str) -> None:
    page = await ask_for_link(site, mistyped, next="/clients")
    assert (page.status, page.heading) == (400, "Sign in to Postroom")
    assert ("is not an e-mail address" if mistyped else "Write your e-mail address here first.") in page.text
    field = page.dom.select_one("#address")
    assert field is not None
    assert field["value"] == mistyped
    assert page.form("Mail me a link").select_one("input[name=next]")["value"] == "/clients"  # type: ignore[index]


async def test_a_postroom_without_a_mail_server_says_so(database: None) -> None:
    async with a_site(NOWHERE, mail="") as without_mail:
        user, browser = await a_user(await a_firm()), without_mail.browser()
        page = await browser.get("/sign-in")
        assert "This Postroom sends no letters yet, so whoever runs it makes one for you." in page.text
        assert not page.dom.select("#address")
        assert page.form("Continue with Google")
        asked = await browser.post("/sign-in/link", {"address": user.email, "next": "/clients"})
        assert asked.target == "/sign-in?next=/clients"
        assert await Notice.all().count() == 0


@pytest.mark.parametrize("told", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.test"}])
async def test_another_sites_form_asks_for_no_letter(site: Site, told: dict[str, str]) -> None:
    user = await a_user(await a_firm())
    assert (await site.browser().post("/sign-in/link", {"address": user.email}, told)).status == 403
    assert await Notice.all().count() == 0


async def test_reloading_the_answer_leads_back_to_the_door(site: Site) -> None:
    assert (await site.browser().get("/sign-in/link")).target == "/sign-in"


async def ask_for_link(site: Site, address: str, **more: str) -> Page:
    return await site.browser().post("/sign-in/link", {"address": address, **more})
