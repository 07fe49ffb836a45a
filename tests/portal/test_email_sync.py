"""Google Email Sync, a person's own page: every mailbox that they may connect, what each does at the moment, and what they can do."""

from datetime import datetime, timedelta

import pytest

from models import connections
from models.attempts import OAuthAttempt
from models.connections import Connect, connect
from models.directory import Client
from models.emails import Receipt
from models.firms import Firm, User
from models.gaps import Gap
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from models.people import AllowedAddress
from portal.times import UNIVERSAL, full
from tests.builders import VAULT, a_client, a_firm, a_mailbox, a_user
from tests.portal.browser import Browser, Page
from tests.portal.mails import NOW, file_mail
from tests.portal.site import Site

HERE = "/settings/email-sync"
SHARED = "accounts@sample.test"
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
async def sam(site: Site) -> User:
    return await a_user(await a_firm(), "sam@sample.test")


@pytest.fixture
async def browser(site: Site, sam: User) -> Browser:
    return await site.signed_in(sam)


async def mailbox_of(sam: User, **changed: object) -> Mailbox:
    mailbox = await a_mailbox(sam, at=NOW - 20 * DAY)
    await Mailbox.filter(id=mailbox.id).update(**({"last_checked_at": NOW} | changed))
    return await Mailbox.get(id=mailbox.id)


async def back(mailbox: Mailbox) -> Mailbox:
    """Their Google account comes back now."""
    tokens = VAULT.seal("refresh"), VAULT.seal("access"), NOW + DAY
    who = mailbox.firm_id, mailbox.user_id, mailbox.google_sub, mailbox.address
    return await Mailbox.get(id=await connect(Connect(*who, *tokens, 9000, NOW), NOW))


async def cards(browser: Browser) -> dict[str, str]:
    """What is said of each mailbox, by its address."""
    page = await browser.get(HERE)
    return {str(card["aria-label"]): " ".join(card.get_text(" ").split()) for card in page.dom.select("section.card")}


def is_live(page: Page) -> bool:
    """Whether the page asks for its news by itself."""
    live = page.dom.select_one("#live")
    assert live is not None
    return live.get("hx-get") == f"{HERE}/progress"


# which mailboxes


async def test_whoever_was_allowed_a_shared_mailbox_finds_it_beside_their_own(sam: User, browser: Browser) -> None:
    await AllowedAddress.create(firm=sam.firm, user=sam, address=SHARED, address_key=SHARED)
    own = await mailbox_of(sam)
    shown = await cards(browser)
    assert list(shown) == [own.address, SHARED]
    assert "shared mailbox" in shown[SHARED]
    assert "never connected" in shown[SHARED]
    page = await browser.get(HERE)
    assert (await browser.press(page, "Connect Google")).status == 303
    assert [attempt.address for attempt in await OAuthAttempt.all()] == [SHARED]


async def test_a_mailbox_that_was_renamed_at_google_is_shown_once(sam: User, browser: Browser) -> None:
    """Scenario 96."""
    mailbox = await mailbox_of(sam)
    await connections.renamed(mailbox.id, mailbox.epoch, "sam.sample@sample.test")
    assert list(await cards(browser)) == [sam.email]
    assert "sam.sample@sample.test connected" in (await cards(browser))[sam.email]


@pytest.mark.parametrize("path", ["disconnection", "pause", "resumption", "test-push", "backfill"])
async def test_nobody_touches_a_colleagues_mailbox(sam: User, browser: Browser, path: str) -> None:
    theirs = await a_mailbox(await a_user(sam.firm))
    proof = str((await browser.get(HERE)).form("Sign out").find("input")["value"])  # type: ignore[index]
    for named, status in ((str(theirs.id), 404), ("nonsense", 400), ("9" * 30, 400)):
        assert (await browser.post(f"{HERE}/{path}", {"form_proof": proof, "mailbox": named, "days": "7"})).status == status
    assert (await Mailbox.get(id=theirs.id)).epoch == theirs.epoch


# what it says


async def test_the_first_look_is_said_and_the_page_asks_for_news_until_it_is_over(sam: User, browser: Browser) -> None:
    mailbox = await mailbox_of(sam, connected_at=NOW - SECOND, last_checked_at=None)
    page = await browser.get(HERE)
    assert "Connected. Postroom takes its first look" in page.text
    assert is_live(page)
    await Mailbox.filter(id=mailbox.id).update(last_checked_at=NOW)
    news = await browser.get(f"{HERE}/progress")
    assert not is_live(news)
    assert "first look" not in news.body
    assert news.dom.select("html, header") == []  # only the part that changes


async def filed(mailbox: Mailbox, client: Client, sent_at: datetime, found_at: datetime) -> None:
    activity = await file_mail(mailbox, client, sent_at=sent_at)
    receipt = await Receipt.get(email_id=activity.email_id)
    await LedgerEntry.create(
        mailbox=mailbox, gmail_id=receipt.gmail_id, found_by="sweep", found_at=found_at, outcome="filed", seen_history_id=1
    )


async def test_who_reconnects_sees_how_many_mails_were_caught_up(site: Site, sam: User, browser: Browser) -> None:
    """Of the time in which Gmail had stopped: neither those of before, nor those that came since."""
    mailbox, client, stopped_at = await mailbox_of(sam), await a_client(sam.firm), NOW - 3 * DAY
    await filed(mailbox, client, NOW - 4 * DAY, NOW - 4 * DAY)
    await connections.lapse(mailbox.id, mailbox.epoch, "invalid_grant", stopped_at)
    returned = await back(mailbox)
    await Mailbox.filter(id=mailbox.id).update(last_checked_at=stopped_at)
    site.clock.now = NOW + MINUTE
    page = await browser.get(HERE)
    assert f"Catching up on mail since {full(stopped_at, UNIVERSAL)}. 0 mails filed so far." in page.text
    assert is_live(page)
    for sent_at in (NOW - 2 * DAY, NOW - DAY, NOW + SECOND):
        await filed(returned, client, sent_at, NOW + 2 * SECOND)
    await Mailbox.filter(id=mailbox.id).update(last_checked_at=NOW + MINUTE)
    page = await browser.get(HERE)
    assert not is_live(page)
    assert f"Caught up. 2 mails of the time from {full(stopped_at, UNIVERSAL)} to {full(NOW, UNIVERSAL)} were filed." in page.text
    site.clock.now = NOW + 8 * DAY
    assert "Caught up" not in (await browser.get(HERE)).text


async def test_a_paused_mailbox_says_since_when_and_resumes(sam: User, browser: Browser) -> None:
    mailbox = await mailbox_of(sam)
    assert (await browser.press(await browser.get(HERE), "Pause")).target == HERE
    page = await browser.get(HERE)
    assert f"{sam.email} paused since {full(NOW, UNIVERSAL)} nothing is looked at." in page.text
    assert "Your Gmail is paused" in (await browser.get("/")).text
    await browser.press(page, "Resume")
    row = await Mailbox.get(id=mailbox.id)
    assert (row.state, row.epoch, row.away_since) == ("connected", mailbox.epoch + 2, NOW)


@pytest.mark.parametrize(
    ("pushed", "after", "says"),
    [
        ({}, SECOND, "Waiting for it to arrive"),
        ({"last_push_at": NOW - SECOND, "pushed_id": 500}, SECOND, "Waiting for it to arrive"),  # an earlier one proves nothing
        ({"last_push_at": NOW + SECOND, "pushed_id": 499}, SECOND, "Waiting for it to arrive"),  # nor does a late one of before
        ({"last_push_at": NOW + 2 * SECOND, "pushed_id": 500}, 3 * SECOND, "Google’s push arrived 2.0 seconds after we asked."),
        ({"last_push_at": NOW + 9 * SECOND, "pushed_id": 700}, 10 * SECOND, "Google’s push arrived. The way"),
        ({}, 61 * SECOND, "did not arrive. No mail is lost"),
    ],
)
async def test_a_test_push_is_seen_arriving_or_missing(site: Site, sam: User, browser: Browser, pushed, after, says) -> None:
    await mailbox_of(sam, test_push_at=NOW, test_push_id=500, **pushed)
    site.clock.now = NOW + after
    page = await browser.get(HERE)
    assert says in page.text
    assert is_live(page) == ("Waiting" in says)
    site.clock.now = NOW + DAY
    assert says not in (await browser.get(HERE)).text


# what one can do


async def test_who_was_disconnected_is_asked_about_the_mail_in_between(sam: User, browser: Browser) -> None:
    """Scenario 100. Yes, unless they say no."""
    mailbox = await mailbox_of(sam)
    await connections.disconnect(mailbox.id, mailbox.firm_id, NOW - 2 * DAY)
    page = await browser.get(HERE)
    assert "Also file the mail since 3 March 2026, 10:45 UTC" in page.text
    box = page.dom.select_one("input[type=checkbox][name=in_between]")
    assert box is not None
    assert box.has_attr("checked")
    await browser.press(page, "Connect Google")  # as a browser sends it: the last field of a name counts
    proof = str(page.form("Connect Google").find("input")["value"])  # type: ignore[index]
    await browser.post(f"{HERE}/connection", {"form_proof": proof, "in_between": "no"})
    await browser.post(f"{HERE}/connection", {"form_proof": proof})
    assert sorted(attempt.in_between for attempt in await OAuthAttempt.all()) == [False, True, True]


async def test_a_first_connection_may_reach_back_some_days(sam: User, browser: Browser) -> None:
    page = await browser.get(HERE)
    assert [option["value"] for option in page.dom.select("select[name=days] option")] == ["0", "7", "30", "90", "365"]
    await browser.press(page, "Connect Google", days="30")
    assert [attempt.days for attempt in await OAuthAttempt.all()] == [30]
    assert (await browser.press(page, "Connect Google", days="31")).status == 400


async def test_older_mail_may_be_fetched_later(sam: User, browser: Browser) -> None:
    mailbox = await mailbox_of(sam)
    page = await browser.get(HERE)
    assert "Mail that came before 13 February 2026 is not filed." in page.text
    await browser.press(page, "File older mail", days="90")
    (gap,) = await Gap.all()
    assert (gap.since, gap.reason) == (mailbox.connected_at - 90 * DAY, "backfill")
    assert "Catching up on mail from" in (await browser.get(HERE)).text


async def test_a_click_on_an_old_page_ends_no_new_connection(sam: User, browser: Browser) -> None:
    """Scenario 120."""
    mailbox = await mailbox_of(sam)
    page = await browser.get(HERE)
    await back(mailbox)
    assert (await browser.press(page, f"Disconnect {sam.email}")).target == HERE
    assert (await Mailbox.get(id=mailbox.id)).state == "connected"


async def test_with_the_provider_off_the_page_says_why_and_offers_nothing_but_to_leave(sam: User, browser: Browser) -> None:
    await mailbox_of(sam)
    await Firm.choose_provider(sam.firm_id, "none", NOW - DAY)
    page = await browser.get(HERE)
    assert "Email sync is switched off" in page.text
    assert "then mail since 4 March 2026 comes in, too" in page.text
    buttons = [button.get_text(strip=True) for button in page.dom.select("main button")]
    assert buttons == [f"Disconnect {sam.email}"]


async def test_the_dashboard_points_at_the_mailbox_that_stopped(sam: User, browser: Browser) -> None:
    await mailbox_of(sam)
    shared = await a_mailbox(sam, address=SHARED, at=NOW - DAY)
    await connections.lapse(shared.id, shared.epoch, "invalid_grant", NOW)
    assert f"Gmail for {SHARED} stopped on" in (await browser.get("/")).text
