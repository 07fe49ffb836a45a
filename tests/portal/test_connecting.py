"""Connect Google, there and back: the happy way, and every other."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from models import connections
from models.firms import Firm, User
from models.mailboxes import Mailbox
from tests.builders import VAULT, a_firm, a_mailbox, a_user
from tests.portal.browser import Browser, Page
from tests.portal.conftest import NOWHERE
from tests.portal.site import Site, a_site
from tests.sandbox_server import SandboxServer

SAM, OTHER = "sam@sample.test", "other@sample.test"


@dataclass
class Journey:
    """Sam's browser, on the way to Google and back."""

    site: Site
    google: SandboxServer
    user: User
    browser: Browser

    async def depart(self) -> Page:
        """Presses Connect Google; the redirect to Google."""
        return await self.browser.press(await self.browser.get("/settings/email-sync"), "Connect Google")

    async def connect(self, chosen: str = SAM, **consent: object) -> Page:
        """Connects, with this account and consent; the page (or redirect) after Google's."""
        await self.google.aio.consent(chosen, **consent)
        return await self.browser.follow(await self.browser.follow(await self.depart()))

    async def mailbox(self) -> Mailbox | None:
        return await Mailbox.of_user(self.user.id)


@pytest.fixture(scope="session")
async def pages_with_google(google: SandboxServer) -> AsyncIterator[Site]:
    async with a_site(google.url) as running:
        yield running


@pytest.fixture
async def journey(database: None, google: SandboxServer, pages_with_google: Site) -> AsyncIterator[Journey]:
    await google.aio.post("reset", seed=1)
    for address in (SAM, OTHER):
        await google.aio.account(address)
    user = await a_user(await a_firm(), SAM)
    async with pages_with_google.afresh() as site:
        yield Journey(site, google, user, await site.signed_in(user))


async def test_connect_google_leads_to_googles_own_page_with_everything_that_proves_the_way_back(journey: Journey) -> None:
    away = await journey.depart()
    assert away.status == 303
    assert away.target.startswith(f"{journey.google.url}/o/oauth2/v2/auth?")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(away.target).query).items()}
    assert asked["login_hint"] == SAM
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == f"{journey.site.url}/oauth/callback"
    assert set(asked["scope"].split()) == {"https://www.googleapis.com/auth/gmail.readonly", "openid", "email"}
    again = parse_qs(urlsplit((await journey.depart()).target).query)
    for single_use in ("state", "nonce", "code_challenge"):
        assert again[single_use] != [asked[single_use]]


async def test_a_person_connects_and_sees_it(journey: Journey) -> None:
    back = await journey.connect()
    assert (back.status, back.target) == (303, "/settings/email-sync")
    page = await journey.browser.follow(back)
    assert f"{SAM} connected" in page.text
    mailbox = await journey.mailbox()
    assert mailbox is not None
    assert (mailbox.state, mailbox.address) == ("connected", SAM)
    assert mailbox.refresh_token
    assert VAULT.open(mailbox.refresh_token) not in mailbox.refresh_token, "sealed"


async def test_disconnect_erases_the_tokens_and_gives_access_back(journey: Journey) -> None:
    """Scenario 100."""
    await journey.connect()
    done = await journey.browser.press(await journey.browser.get("/settings/email-sync"), f"Disconnect {SAM}")
    assert (done.status, done.target) == (303, "/settings/email-sync")
    page = await journey.browser.follow(done)
    assert f"{SAM} disconnected" in page.text
    assert page.form("Connect Google")
    mailbox = await journey.mailbox()
    assert mailbox is not None
    assert mailbox.state == "disconnected"
    assert not mailbox.refresh_token
    assert not mailbox.access_token
    calls = str((await journey.google.aio.state())["calls"])
    assert "stop" in calls
    assert "revoke" in calls


async def test_nobody_disconnects_a_colleagues_mailbox(site: Site) -> None:
    firm = await a_firm()
    theirs, browser = await a_mailbox(await a_user(firm)), await site.signed_in(await a_user(firm))
    proof = str((await browser.get("/")).form("Sign out").find("input")["value"])  # type: ignore[index]
    assert (await browser.post("/settings/email-sync/disconnection", {"form_proof": proof})).status == 303
    assert (await Mailbox.get(id=theirs.id)).state == "connected"


async def test_who_cancels_is_told_that_nothing_changed(journey: Journey) -> None:
    page = await journey.connect(deny=True)
    assert page.status == 400
    assert page.heading == "You did not connect Gmail"
    assert "Nothing was changed." in page.text
    assert page.form("Connect Google")
    assert await journey.mailbox() is None


async def test_an_unticked_box_is_named(journey: Journey) -> None:
    """Scenario 93."""
    page = await journey.connect(scopes=[])
    assert page.status == 400
    assert page.heading == "One box was left unticked"
    assert "View your email messages and settings" in page.text
    assert await journey.mailbox() is None


async def test_another_google_account_is_refused_and_named(journey: Journey) -> None:
    """Scenario 94."""
    page = await journey.connect(OTHER)
    assert page.status == 400
    assert page.heading == "That was another Google account"
    assert f"You chose {OTHER}, but this connects {SAM}." in page.text
    assert await journey.mailbox() is None


async def test_a_state_works_once_in_its_own_session_and_for_a_while(journey: Journey) -> None:
    late = parse_qs(urlsplit((await journey.depart()).target).query)["state"][0]
    await journey.google.aio.consent(SAM)
    way_back = (await journey.browser.follow(await journey.depart())).target
    colleague = await journey.site.signed_in(await a_user(journey.user.firm))
    same_person_elsewhere = await journey.site.signed_in(journey.user)
    for stranger in (colleague, same_person_elsewhere):
        assert (await stranger.get(way_back)).heading == "That connection attempt is over"
    assert await Mailbox.all().count() == 0
    assert (await journey.browser.get(way_back)).target == "/settings/email-sync"
    again = await journey.browser.get(way_back)
    assert (again.status, again.heading) == (400, "That connection attempt is over")
    journey.site.clock.now += timedelta(minutes=16)
    assert (await journey.browser.get(f"/oauth/callback?state={late}&code=c")).heading == "That connection attempt is over"


async def told(journey: Journey, answer: str) -> Page:
    """Google comes back with this instead of its own answer."""
    state = parse_qs(urlsplit((await journey.depart()).target).query)["state"][0]
    return await journey.browser.get(f"/oauth/callback?state={state}&{answer}")


@pytest.mark.parametrize(
    ("answer", "heading"),
    [
        ("error=access_denied", "You did not connect Gmail"),
        ("error=admin_policy_enforced", "Your organisation does not allow it"),
        ("error=something_new", "Google did not agree"),
        ("code=made-up", "That connection attempt is over"),
        ("", "That connection attempt is over"),
    ],
)
async def test_every_other_way_back_has_its_words(journey: Journey, answer: str, heading: str) -> None:
    page = await told(journey, answer)
    assert page.heading == heading
    assert page.status in (400, 403)
    assert page.form("Connect Google")
    assert "something_new" not in page.body
    assert await journey.mailbox() is None


async def test_a_callback_that_nobody_asked_for_connects_nothing(journey: Journey) -> None:
    for address in ("/oauth/callback", "/oauth/callback?code=c", "/oauth/callback?state=guess&code=c"):
        assert (await journey.browser.get(address)).heading == "That connection attempt is over"


async def test_a_provider_switched_off_meanwhile_connects_nobody(journey: Journey) -> None:
    away = await journey.depart()
    await journey.google.aio.consent(SAM)
    await Firm.choose_provider(journey.user.firm_id, "none", journey.site.clock.now)
    page = await journey.browser.follow(await journey.browser.follow(away))
    assert page.heading == "Email sync is switched off"
    assert await journey.mailbox() is None


async def test_google_refusing_our_own_client_is_no_fault_of_the_persons(journey: Journey) -> None:
    await journey.google.aio.fault("status", method="token", code=401, reason="invalid_client", count=1)
    page = await journey.connect()
    assert page.status == 502
    assert "This is not your fault" in page.text
    assert "Connect Google" not in [button.get_text(strip=True) for button in page.dom.select("main button")]


async def test_google_out_of_reach_is_said_and_can_be_tried_again(site: Site) -> None:
    """Scenario 89."""
    user = await a_user(await a_firm(), SAM)
    journey = Journey(site, None, user, await site.signed_in(user))  # type: ignore[arg-type]  # no Google at all
    page = await told(journey, "code=c")
    assert NOWHERE in (await journey.depart()).target
    assert page.status == 503
    assert page.heading == "Google did not answer"
    assert page.form("Connect Google")


async def test_a_mailbox_that_cannot_be_read_is_not_half_connected(journey: Journey) -> None:
    """Scenario 93."""
    await journey.google.aio.fault("status", method="getProfile", code=503, count=5)
    page = await journey.connect()
    assert page.heading == "Google did not answer"
    assert await journey.mailbox() is None


@pytest.mark.parametrize(
    ("refusal", "heading"),
    [
        ({"code": 400, "reason": "failedPrecondition", "message": "Mail service not enabled"}, "This Google account has no Gmail"),
        ({"code": 403, "reason": "domainPolicy"}, "Your organisation does not allow it"),
        ({"code": 403, "reason": "insufficientPermissions"}, "One box was left unticked"),
    ],
)
async def test_what_gmail_itself_refuses_has_its_words_too(journey: Journey, refusal: dict[str, object], heading: str) -> None:
    """Scenarios 79, 104."""
    await journey.google.aio.fault("status", method="getProfile", count=5, **refusal)
    assert (await journey.connect()).heading == heading
    assert await journey.mailbox() is None


async def test_access_that_does_not_last_is_asked_for_once_more_then_it_is_no_connection(journey: Journey) -> None:
    """Scenario 95."""
    await journey.google.aio.consent(SAM, no_refresh_token=True)
    once_more = await journey.browser.follow(await journey.browser.follow(await journey.depart()))
    assert once_more.target.startswith(f"{journey.google.url}/o/oauth2/v2/auth?")
    assert "prompt=consent" in once_more.target
    await journey.google.aio.consent(SAM, no_refresh_token=True)
    page = await journey.browser.follow(await journey.browser.follow(once_more))
    assert page.heading == "Google gave access for an hour only"
    assert await journey.mailbox() is None


async def test_google_asked_once_more_gives_what_lasts(journey: Journey) -> None:
    """Scenario 95. The person sees nothing of it but Google's page twice."""
    await journey.google.aio.consent(SAM, no_refresh_token=True)
    once_more = await journey.browser.follow(await journey.browser.follow(await journey.depart()))
    await journey.google.aio.consent(SAM)
    back = await journey.browser.follow(await journey.browser.follow(once_more))
    assert back.target == "/settings/email-sync"
    mailbox = await journey.mailbox()
    assert mailbox is not None
    assert mailbox.state == "connected"


async def test_a_lapsed_person_reconnects_the_same_mailbox(journey: Journey) -> None:
    await journey.connect()
    before = await journey.mailbox()
    assert before is not None
    await connections.lapse(before.id, before.epoch, "invalid_grant", journey.site.clock.now)
    await journey.google.aio.consent(SAM)
    away = await journey.browser.press(await journey.browser.get("/settings/email-sync"), "Reconnect Gmail")
    await journey.browser.follow(await journey.browser.follow(away))
    after = await journey.mailbox()
    assert after is not None
    assert (after.id, after.state, after.cursor) == (before.id, "connected", before.cursor)
    assert "Gmail stopped" not in (await journey.browser.get("/")).text
