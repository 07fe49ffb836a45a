"""What every answer tells the browser, and what its cookies are: on plain http on one machine, and over https as a deployment is."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from models.people import leave
from models.sessions import SignInLink
from portal.rendering import STATIC, version_of
from portal.safety import page_policy
from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.portal.conftest import NOWHERE
from tests.portal.mails import file_mail
from tests.portal.site import Site, a_site


@pytest.fixture(scope="module")
async def behind_https(pool: None) -> AsyncIterator[Site]:
    async with a_site(NOWHERE, https=True) as site:
        yield site


def directives(policy: str) -> dict[str, str]:
    return {name: rest for name, _, rest in (part.strip().partition(" ") for part in policy.split(";"))}


def test_the_policy_of_pages_allows_what_they_use_and_nothing_else() -> None:
    assert directives(page_policy("https://accounts.google.com/o/oauth2/v2/auth")) == {
        "default-src": "'none'",
        "script-src": "'self'",
        "connect-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "frame-src": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "form-action": "'self' https://accounts.google.com",
    }


async def test_every_answer_keeps_to_itself(site: Site) -> None:
    for address in ("/sign-in", "/", "/nowhere", "/static/postroom.css", "/sign-in/unknown"):
        headers = (await site.browser().get(address)).headers
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["X-Frame-Options"] == "DENY"
        assert "camera=()" in headers["Permissions-Policy"]
        assert "geolocation=()" in headers["Permissions-Policy"]
        assert "Strict-Transport-Security" not in headers, "on plain http nobody could come back"


async def test_only_a_mails_own_frame_may_be_framed_and_by_us_alone(site: Site) -> None:
    firm = await a_firm()
    activity = await file_mail(await a_mailbox(user := await a_user(firm)), await a_client(firm), html="<p>Hello</p>")
    browser = await site.signed_in(user)
    assert (await browser.get(f"/activities/{activity.id}/html")).headers["X-Frame-Options"] == "SAMEORIGIN"
    assert (await browser.get(f"/activities/{activity.id}")).headers["X-Frame-Options"] == "DENY"


async def test_over_https_browsers_are_told_to_come_by_nothing_else(database: None, behind_https: Site) -> None:
    for address in ("/sign-in", "/nowhere", "/static/postroom.css"):
        assert (await behind_https.browser().get(address)).headers["Strict-Transport-Security"] == "max-age=31536000"


async def test_a_static_file_stays_under_the_version_that_it_has(site: Site) -> None:
    """While a deployment changes, a page asks an older process for the newer file: what it gets must not stay for a year."""
    browser = site.browser()
    for file in STATIC.iterdir():
        kept = (await browser.get(f"/static/{file.name}?v={version_of(file)}")).headers["Cache-Control"]
        assert kept == "public, max-age=31536000, immutable", file.name
        for query in ("", "?v=000000000000", f"?v={version_of(file)}&v=1"):
            assert (await browser.get(f"/static/{file.name}{query}")).headers["Cache-Control"] == "public, no-cache"
    assert (await browser.get("/static/nothing.css")).headers["Cache-Control"] == "no-store"


async def test_every_static_address_on_a_page_is_one_with_its_version(site: Site) -> None:
    browser = await site.signed_in(await a_user(await a_firm()))
    page = await browser.get("/")
    found = [str(tag[name]) for name in ("href", "src") for tag in page.dom.select(f"[{name}^='/static/']")]
    assert len(found) >= 3
    for address in found:
        assert "immutable" in (await browser.get(address)).headers["Cache-Control"], address


async def test_over_https_a_cookie_is_this_hosts_alone(database: None, behind_https: Site) -> None:
    user, browser = await a_user(await a_firm()), behind_https.browser()
    link = "/sign-in/" + await SignInLink.issue(user, timedelta(minutes=5), behind_https.clock.now, mailed=True)
    signed_in = (await browser.post(link)).headers["Set-Cookie"]
    departed = (await browser.post("/sign-in/google")).headers["Set-Cookie"]
    for cookie, name in ((signed_in, "__Host-postroom_session"), (departed, "__Host-postroom_attempt")):
        assert cookie.startswith(f"{name}=")
        flags = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"httponly", "secure", "samesite=lax", "path=/"} <= flags
        assert not any(flag.startswith("domain") for flag in flags), "or neighbours under the same domain could set it"
    token = signed_in.split(";")[0].partition("=")[2]
    assert (await browser.get("/", Cookie=f"__Host-postroom_session={token}")).status == 200
    assert (await browser.get("/", Cookie=f"postroom_session={token}")).status == 303, "what a neighbour could have planted is not read"


async def test_signing_in_never_goes_on_in_a_session_that_was_there_before(site: Site) -> None:
    firm = await a_firm()
    victim, planted = await a_user(firm), site.browser()
    link = await site.link_for(victim)
    done = await planted.post(link, headers={"Cookie": "postroom_session=chosen-by-somebody-else"})
    token = done.headers["Set-Cookie"].split(";")[0].partition("=")[2]
    assert token not in ("", "chosen-by-somebody-else")
    assert (await site.browser().get("/", Cookie="postroom_session=chosen-by-somebody-else")).target == "/sign-in"
    assert (await site.browser().get("/", Cookie=f"postroom_session={token}")).status == 200


async def test_who_leaves_the_firm_is_out_at_once_in_every_browser(site: Site) -> None:
    firm = await a_firm()
    await a_user(firm, role="admin")
    leaver = await a_user(firm)
    browsers = [await site.signed_in(leaver), await site.signed_in(leaver)]
    await leave(leaver, site.clock.now)
    for browser in browsers:
        assert (await browser.get("/")).target == "/sign-in"
    assert (await site.browser().post(await site.link_for(leaver))).status == 410
