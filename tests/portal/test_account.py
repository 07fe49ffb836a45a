"""Settings → You: who one is, where one is signed in, and out of all of it."""

from datetime import timedelta

import aiohttp

from models.notices import Notice, owe_letter
from models.sessions import Session
from tests.builders import a_firm, a_mailbox, a_user
from tests.portal.mails import NOW
from tests.portal.site import Site


async def test_the_page_says_who_one_is_here(site: Site) -> None:
    browser = await site.signed_in(await a_user(await a_firm("Sample & Co"), "sam@sample.test"))
    dashboard = await browser.get("/")
    assert dashboard.dom.select_one("header a[href='/settings/account']").get_text() == "Sam · Sample & Co"  # type: ignore[union-attr]
    page = await browser.get("/settings/account")
    assert page.heading == "You"
    for words in ("Name Sam", "You sign in as sam@sample.test", "Firm Sample & Co", "Role Staff"):
        assert words in page.text
    admin = await site.signed_in(await a_user(await a_firm(), role="admin"))
    assert "Role Admin" in (await admin.get("/settings/account")).text


async def test_everybody_finds_the_page_among_the_settings(site: Site) -> None:
    firm = await a_firm()
    staff, admin = await site.signed_in(await a_user(firm)), await site.signed_in(await a_user(firm, role="admin"))
    for browser, is_admin in ((staff, False), (admin, True)):
        for address in ("/settings/email-sync", "/settings/account"):
            page = await browser.get(address)
            tabs = {tab.get_text(): tab for tab in page.dom.select("nav.tabs a")}
            assert {"Google Email Sync", "You"} <= tabs.keys()
            assert ("Integrations" in tabs) is is_admin
            assert [tab["href"] for tab in tabs.values() if tab.has_attr("aria-current")] == [address]


async def test_the_sessions_are_told_this_device_first(site: Site) -> None:
    user = await a_user(await a_firm())
    browser = await site.signed_in(user)
    site.clock.now += timedelta(days=2)
    await site.signed_in(user)
    await site.signed_in(await a_user(user.firm))
    sessions = [" ".join(row.get_text(" ").split()) for row in (await browser.get("/settings/account")).dom.select("main li")]
    assert len(sessions) == 2, "and nobody else's"
    assert sessions[0].startswith("This device since ")
    assert sessions[1].startswith("Another device since just now ends by itself on ")
    site.clock.now += timedelta(days=29)
    newer = await site.signed_in(user)
    sessions = [row.get_text() for row in (await newer.get("/settings/account")).dom.select("main li")]
    assert [row.split(" since")[0] for row in sessions] == ["This device", "Another device"], "the oldest has ended"


async def test_many_sessions_are_counted(site: Site) -> None:
    user = await a_user(await a_firm())
    browser = await site.signed_in(user)
    for _ in range(12):
        await Session.begin(user.id, timedelta(days=1), site.clock.now)
    page = await browser.get("/settings/account")
    assert len(page.dom.select("main li")) == 10
    assert "This device" in page.dom.select("main li")[0].get_text()
    assert "And 3 other devices." in page.text


async def test_signing_out_everywhere_ends_every_session_and_every_unused_link_of_this_person(site: Site) -> None:
    firm = await a_firm()
    user, colleague = await a_user(firm), await a_user(firm)
    mailbox = await a_mailbox(user)
    here, there, theirs = await site.signed_in(user), await site.signed_in(user), await site.signed_in(colleague)
    link, handed_over, colleagues = await site.link_for(user), await site.link_for(user, mailed=False), await site.link_for(colleague)
    for person in (user, colleague):
        await owe_letter(person, "sign_in", "asked for", NOW)
    out = await here.press(await here.get("/settings/account"), "Sign out everywhere")
    assert (out.status, out.target) == (303, "/sign-in")
    assert [notice.user_id for notice in await Notice.filter(dropped_at=None)] == [colleague.id]  # a link that is still to be mailed
    assert "postroom_session" not in here.cookies
    assert (await there.get("/")).target == "/sign-in"
    for ended in (link, handed_over):
        assert (await site.browser().get(ended)).heading == "This link does not sign in any more"
    assert (await theirs.get("/")).status == 200
    assert (await site.browser().post(colleagues)).target == "/"
    await mailbox.refresh_from_db()
    assert mailbox.state == "connected"
    assert (await (await site.signed_in(user)).get("/")).status == 200, "and in again"


async def test_looking_at_the_page_ends_nothing(site: Site) -> None:
    browser = await site.signed_in(await a_user(await a_firm()))
    cookie = {"Cookie": f"postroom_session={browser.cookies['postroom_session']}"}
    async with aiohttp.ClientSession(headers=cookie) as scanner:
        for look in (scanner.head, scanner.get):
            for address in ("/settings/account", "/sign-out/everywhere", "/sign-out"):
                async with look(site.url + address, allow_redirects=False) as seen:
                    assert seen.status == (200 if address == "/settings/account" else 405)
    assert (await browser.get("/")).status == 200
