"""Sign-in with Google, there and back: through the simulated Google, and through one at the HTTP edge that says what a test wants."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from google.auth import crypt, jwt

from models.attempts import OAuthAttempt
from models.sessions import Session
from tests.builders import a_firm, a_user
from tests.gmail.google import Google, Reply, a_google
from tests.gmail.test_oauth import a_key
from tests.portal.browser import Browser, Page
from tests.portal.conftest import NOWHERE
from tests.portal.site import Site, a_site
from tests.sandbox_server import CLIENT_ID, SandboxServer

SAM, OTHER = "sam@sample.test", "other@sample.test"
OVER = "That sign-in attempt is over"


@pytest.fixture(scope="session")
async def pages_with_google(google: SandboxServer) -> AsyncIterator[Site]:
    async with a_site(google.url) as running:
        yield running


@pytest.fixture
async def house(database: None, google: SandboxServer, pages_with_google: Site) -> AsyncIterator[Site]:
    """The pages, and a Google in which Sam and somebody else have accounts."""
    await google.aio.post("reset", seed=1)
    for address in (SAM, OTHER):
        await google.aio.account(address)
    async with pages_with_google.afresh() as site:
        yield site


async def depart(browser: Browser, wanted: str = "") -> Page:
    """Continue with Google; the redirect to Google."""
    return await browser.press(await browser.get(f"/sign-in?next={wanted}" if wanted else "/sign-in"), "Continue with Google")


async def arrive(browser: Browser, google: SandboxServer, away: Page, chosen: str = SAM, **consent: object) -> Page:
    """Chooses this account at Google; the page (or redirect) after Google's."""
    await google.aio.consent(chosen, **consent)
    return await browser.follow(await browser.follow(away))


def asked_of_google(away: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(away.target).query).items()}


def secret_of(away: Page) -> str:
    """What the browser keeps of an attempt."""
    return away.headers["Set-Cookie"].split(";")[0].removeprefix("postroom_attempt=")


async def is_signed_in(browser: Browser) -> bool:
    return (await browser.get("/")).status == 200


async def test_continue_with_google_asks_who_one_is_and_nothing_else(house: Site) -> None:
    browser = house.browser()
    away = await depart(browser)
    assert away.status == 303
    asked = asked_of_google(away)
    assert asked["scope"] == "openid email"
    assert asked["prompt"] == "select_account"
    assert asked["access_type"] == "online"
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == f"{house.url}/oauth/callback"
    assert "login_hint" not in asked
    again = asked_of_google(await depart(browser))
    for single_use in ("state", "nonce", "code_challenge"):
        assert again[single_use] != asked[single_use]


async def test_who_chooses_their_account_is_signed_in_where_they_wanted_to_go(house: Site, google: SandboxServer) -> None:
    await a_user(await a_firm("Sample & Co"), "Sam@Sample.test")
    browser = house.browser()
    refused = await browser.get("/clients?q=Bakery")
    door = await browser.follow(refused)
    back = await arrive(browser, google, await browser.press(door, "Continue with Google"))
    assert (back.status, back.target) == (303, "/clients?q=Bakery")
    assert "Sample & Co" in (await browser.follow(back)).dom.get_text()


async def test_the_attempts_cookie_is_out_of_reach_short_lived_and_gone_afterwards(house: Site, google: SandboxServer) -> None:
    await a_user(await a_firm(), SAM)
    browser = house.browser()
    away = await depart(browser)
    flags = {part.strip().lower() for part in away.headers["Set-Cookie"].split(";")[1:]}
    assert {"httponly", "samesite=lax", "max-age=900", "path=/"} <= flags
    assert "secure" not in flags, "on plain http a secure cookie would be thrown away"
    secret = secret_of(away)
    attempt = await OAuthAttempt.all().first()
    assert attempt is not None
    assert secret not in (attempt.session_hash, attempt.code_verifier, asked_of_google(away)["state"]), "the secret is kept as a hash"
    back = await arrive(browser, google, away)
    gone = [cookie for cookie in back.headers.getall("Set-Cookie") if cookie.startswith('postroom_attempt=""')]
    assert "Max-Age=0" in gone[0]
    async with a_site(NOWHERE, https=True) as behind_https:
        assert "Secure" in (await behind_https.browser().post("/sign-in/google")).headers["Set-Cookie"]


async def test_a_way_back_works_once_and_only_in_the_browser_that_set_out(house: Site, google: SandboxServer) -> None:
    """Scenario 97."""
    await a_user(await a_firm(), SAM)
    browser, stranger, wanderer = house.browser(), house.browser(), house.browser()
    away = await depart(browser)
    await depart(wanderer)
    await google.aio.consent(SAM)
    way_back = (await browser.follow(away)).target
    for another in (stranger, wanderer):
        refused = await another.get(way_back)
        assert (refused.status, refused.heading) == (400, OVER)
        assert not await is_signed_in(another), "nobody is signed in by somebody else's link"
    assert (await browser.get(way_back)).target == "/"
    assert await Session.all().count() == 1
    again = await browser.get(way_back)
    assert (again.status, again.heading) == (400, OVER)
    assert await is_signed_in(browser)
    assert "You are signed in as Sam." in again.text
    assert "/" in again.links()
    kept = secret_of(away)
    assert (await house.browser().get(way_back, Cookie=f"postroom_attempt={kept}")).heading == OVER, "whoever brings the secret along"
    calls = (await google.aio.state())["calls"]
    assert [call["method"] for call in calls].count("token") == 1, "Google was asked once"


async def test_a_scanner_that_opens_the_way_back_leaves_it_as_good_as_it_was(house: Site, google: SandboxServer) -> None:
    """Scenario 97."""
    await a_user(await a_firm(), SAM)
    browser = house.browser()
    away = await depart(browser)
    await google.aio.consent(SAM)
    way_back = (await browser.follow(away)).target
    async with aiohttp.ClientSession() as scanner:
        for look in (scanner.head, scanner.get):
            async with look(way_back, allow_redirects=False) as seen:
                assert (seen.status, seen.cookies) == (400, {})
    assert (await browser.get(way_back)).target == "/"


async def test_a_way_back_is_good_for_a_quarter_of_an_hour(house: Site, google: SandboxServer) -> None:
    await a_user(await a_firm(), SAM)
    browser = house.browser()
    away = await depart(browser)
    house.clock.now += timedelta(minutes=16)
    late = await arrive(browser, google, away)
    assert (late.status, late.heading) == (400, OVER)
    assert not await is_signed_in(browser)
    assert (await arrive(browser, google, await browser.press(late, "Continue with Google"))).target == "/", "and starts again from there"


async def test_each_sign_in_has_a_session_of_its_own_and_ends_the_last_one(house: Site, google: SandboxServer) -> None:
    firm = await a_firm()
    await a_user(firm, SAM)
    browser = await house.signed_in(await a_user(firm, OTHER))
    before = browser.cookies["postroom_session"]
    await arrive(browser, google, await browser.post("/sign-in/google"))
    after = browser.cookies["postroom_session"]
    assert after != before
    assert "Sam" in (await browser.get("/")).dom.get_text()
    assert (await house.browser().get("/", Cookie=f"postroom_session={before}")).target == "/sign-in"
    planted = house.browser()
    await planted.get("/sign-in", Cookie="postroom_session=planted")
    await arrive(planted, google, await depart(planted))
    assert planted.cookies["postroom_session"] != "planted"


@pytest.mark.parametrize("active", [None, False])
async def test_who_has_no_account_is_told_whom_they_chose_and_what_to_do(house: Site, google: SandboxServer, active: bool | None) -> None:
    if active is False:
        await a_user(await a_firm(), OTHER, active=False)
    browser = house.browser()
    page = await arrive(browser, google, await depart(browser, "/clients"), OTHER)
    assert (page.status, page.heading) == (403, f"Nobody signs in here as {OTHER}")
    assert "You chose that Google account. Choose another one, or ask an admin of your firm to invite you." in page.text
    assert "postroom_session" not in browser.cookies
    await a_user(await a_firm(), SAM)
    assert (await arrive(browser, google, await browser.press(page, "Choose another account"))).target == "/clients"


async def test_who_cancels_may_continue_whenever_they_like(house: Site, google: SandboxServer) -> None:
    await a_user(await a_firm(), SAM)
    browser = house.browser()
    page = await arrive(browser, google, await depart(browser, "/clients"), deny=True)
    assert (page.status, page.heading) == (400, "You did not sign in")
    assert "/sign-in?next=/clients" in page.links()
    assert page.headers["Referrer-Policy"] == "same-origin", "or the button's form says that it stood nowhere"
    assert (await arrive(browser, google, await browser.press(page, "Continue with Google"))).target == "/clients"


@pytest.mark.parametrize(
    ("answer", "status", "heading"),
    [
        ("error=admin_policy_enforced", 403, "Your organisation does not allow it"),
        ("error=org_internal", 403, "Your organisation does not allow it"),
        ("error=something_new", 400, "Google did not agree"),
        ("code=made-up", 400, OVER),
        ("", 400, OVER),
    ],
)
async def test_every_other_way_back_has_its_words(house: Site, answer: str, status: int, heading: str) -> None:
    browser = house.browser()
    state = asked_of_google(await depart(browser))["state"]
    page = await browser.get(f"/oauth/callback?state={state}&{answer}")
    assert (page.status, page.heading) == (status, heading)
    assert "something_new" not in page.body
    assert "/sign-in" in page.links()
    assert not await is_signed_in(browser)


@pytest.mark.parametrize("query", ["", "?code=c", "?state=guess&code=c", "?error=access_denied"])
async def test_a_way_back_that_nobody_asked_for_signs_nobody_in(house: Site, query: str) -> None:
    page = await house.browser().get("/oauth/callback" + query)
    assert (page.status, page.heading) == (400, OVER)
    assert page.form("Continue with Google")


async def test_google_out_of_reach_is_said_and_can_be_tried_again(site: Site) -> None:
    browser = site.browser()
    away = await depart(browser)
    assert NOWHERE in away.target
    page = await browser.get(f"/oauth/callback?state={asked_of_google(away)['state']}&code=c")
    assert (page.status, page.heading) == (503, "Google did not answer")
    assert page.form("Continue with Google")


async def test_google_refusing_our_own_client_is_no_fault_of_the_persons(house: Site, google: SandboxServer) -> None:
    await google.aio.fault("status", method="token", code=401, reason="invalid_client", count=1)
    browser = house.browser()
    page = await arrive(browser, google, await depart(browser))
    assert page.status == 502
    assert "This is not your fault" in page.text
    assert not page.dom.select("main form"), "trying again will not help"
    assert page.links() == ["/sign-in"]


@pytest.mark.parametrize("told", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.test"}, {"Origin": "null"}])
async def test_another_sites_form_sends_nobody_to_google(site: Site, told: dict[str, str]) -> None:
    refused = await site.browser().post("/sign-in/google", headers=told)
    assert refused.status == 403
    assert "Set-Cookie" not in refused.headers
    assert await OAuthAttempt.all().count() == 0


@pytest.mark.parametrize("wanted", ["//evil.test/", "https://evil.test", "/\\evil.test", "/" + "x" * 300])
async def test_after_google_only_a_place_of_ours_comes_next(house: Site, google: SandboxServer, wanted: str) -> None:
    await a_user(await a_firm(), SAM)
    browser = house.browser()
    assert (await arrive(browser, google, await browser.post("/sign-in/google", {"next": wanted}))).target == "/"


@dataclass
class Edge:
    """The pages, before a Google that says of who comes what a test wants."""

    site: Site
    google: Google

    async def come_back(self, address: str, **claims: Any) -> tuple[Browser, Page]:
        """A browser that chose the account of this address, and the page (or redirect) after Google's."""
        browser, now = self.site.browser(), int(time.time())
        asked = asked_of_google(await depart(browser, "/clients"))
        said = {"iss": "https://accounts.google.com", "aud": CLIENT_ID, "sub": "1077", "iat": now, "exp": now + 3600, "email": address}
        said |= {"nonce": asked["nonce"], "email_verified": True, **claims}
        signer = crypt.RSASigner.from_string(a_key("one")[0], "one")  # type: ignore[no-untyped-call]
        proof = jwt.encode(signer, said).decode()  # type: ignore[no-untyped-call]
        answer = {"access_token": "ya29.sample", "expires_in": 3599, "scope": "openid", "id_token": proof}
        self.google.answers(Reply(body=answer), Reply(body={"one": a_key("one")[1]}))
        return browser, await browser.get(f"/oauth/callback?state={asked['state']}&code=c")


@pytest.fixture
async def edge(database: None) -> AsyncIterator[Edge]:
    async with a_google() as google, a_site(google.url) as site:
        yield Edge(site, google)


@pytest.mark.parametrize(
    ("address", "claims"),
    [
        ("sam@sample.test", {"hd": "sample.test"}),
        ("sam.sample@gmail.com", {}),
        ("Sam@GoogleMail.com", {}),
        ("sam@second.test", {"hd": "first.test"}),
    ],
)
async def test_who_google_vouches_for_is_signed_in(edge: Edge, address: str, claims: dict[str, str]) -> None:
    await a_user(await a_firm(), address)
    assert (await edge.come_back(address, **claims))[1].target == "/clients"


@pytest.mark.parametrize("claims", [{}, {"hd": ""}, {"hd": None}, {"hd": True}])
async def test_an_address_that_google_does_not_give_out_is_proven_by_a_mailed_link_instead(edge: Edge, claims: dict[str, Any]) -> None:
    await a_user(await a_firm(), SAM)
    browser, page = await edge.come_back(SAM, **claims)
    assert (page.status, page.heading) == (403, "Google cannot vouch for this address")
    assert SAM in page.text
    assert not await is_signed_in(browser)
    assert page.form("Choose another account")
    stranger = (await edge.come_back("nobody@sample.test", **claims))[1]
    assert stranger.body.replace("nobody@sample.test", SAM) == page.body, "whether it is known is not told"
    sent = await browser.press(page, "Mail me a link")
    assert sent.heading == "Look into your mail"
    assert SAM in sent.text


@pytest.mark.parametrize(
    "claims", [{"email_verified": False}, {"nonce": "another"}, {"aud": "another"}, {"iss": "https://evil.test"}, {"exp": 1_000_000}]
)
async def test_an_account_that_is_not_proven_signs_nobody_in(edge: Edge, claims: dict[str, Any]) -> None:
    await a_user(await a_firm(), SAM)
    browser, page = await edge.come_back(SAM, hd="sample.test", **claims)
    assert (page.status, page.heading) == (400, "Google could not say who you are")
    assert not await is_signed_in(browser)
