"""The firm's provider, everybody's connection, and one's own."""

from datetime import timedelta

from models import connections
from models.firms import Firm
from models.gaps import Gap
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from portal.times import UNIVERSAL, day
from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.portal.mails import NOW, file_mail
from tests.portal.site import Site


async def test_ones_own_connection_proves_itself(site: Site) -> None:
    firm = await a_firm()
    user = await a_user(firm, "sam@sample.test")
    mailbox = await a_mailbox(user, at=NOW - timedelta(days=3))
    await file_mail(mailbox, await a_client(firm), now=NOW - timedelta(minutes=10))
    await Mailbox.filter(id=mailbox.id).update(last_push_at=NOW - timedelta(minutes=2), last_checked_at=NOW)
    page = await (await site.signed_in(user)).get("/settings/email-sync")
    for said in (
        "sam@sample.test connected",
        "since 2 March 2026",
        "Last push from Google 2 min ago",
        "Last look at your mailbox just now",
        "Last mail filed 10 min ago",
        "Mails filed 1",
        "Postroom goes on where it stopped, however long ago that is",
    ):
        assert said in page.text
    assert "Connect Google" not in page.text


async def test_what_never_happened_yet_is_said_so(site: Site) -> None:
    user = await a_user(await a_firm(), "sam@sample.test")
    browser = await site.signed_in(user)
    page = await browser.get("/settings/email-sync")
    assert "sam@sample.test never connected" in page.text
    assert page.form("Connect Google")
    await a_mailbox(user)
    assert (await browser.get("/settings/email-sync")).text.count("none yet") == 3


async def test_a_lapsed_connection_offers_one_thing_to_do(site: Site) -> None:
    user = await a_user(await a_firm())
    mailbox = await a_mailbox(user)
    await connections.lapse(mailbox.id, mailbox.epoch, "invalid_rapt", NOW)
    page = await (await site.signed_in(user)).get("/settings/email-sync")
    assert page.form("Reconnect Gmail")
    assert "asks people to sign in to Google again from time to time" in page.text
    assert "Reconnect, and mail since then comes in, however long ago that is." in page.text
    assert [button.get_text(strip=True) for button in page.dom.select("main .button.main")] == ["Reconnect Gmail"]


async def test_with_the_provider_off_nobody_is_sent_to_google(site: Site) -> None:
    user = await a_user(await a_firm())
    browser = await site.signed_in(user)
    page = await browser.get("/settings/email-sync")
    await Firm.choose_provider(user.firm_id, "none", NOW)
    assert (await browser.press(page, "Connect Google")).target == "/settings/email-sync"
    page = await browser.get("/settings/email-sync")
    assert "Email sync is switched off" in page.text
    assert "Connect Google" not in page.text


async def test_catching_up_says_how_far_it_has_come_and_that_nobody_waits_for_it(site: Site) -> None:
    user = await a_user(await a_firm())
    mailbox = await a_mailbox(user, at=NOW - timedelta(days=20))
    days = [NOW - timedelta(days=days) for days in (9, 1, 4)]
    await Gap.create(mailbox=mailbox, since=days[0], until=days[1], listed_to=days[2], found=214, reason="history expired", opened_at=NOW)
    await LedgerEntry.create(mailbox=mailbox, gmail_id="m1", found_by="gap", found_at=NOW, owed_at=NOW, seen_history_id=0)
    page = await (await site.signed_in(user)).get("/settings/email-sync")
    since, until, reached = (day(at, UNIVERSAL) for at in days)
    assert f"Catching up on mail from {since} to {until}." in page.text
    assert f"now at {reached}, 214 messages found. 1 message still to be read. New mail does not wait for this." in page.text
    await Gap.all().update(closed_at=NOW)
    await LedgerEntry.all().update(owed_at=None)
    assert "Catching up" not in (await (await site.signed_in(user)).get("/settings/email-sync")).text


async def test_pushes_that_stay_away_are_said_to_the_person_and_the_admin_until_one_comes(site: Site) -> None:
    """Scenario 80."""
    admin = await a_user(await a_firm(), role="admin")
    mailbox = await a_mailbox(admin)
    await Mailbox.filter(id=mailbox.id).update(missed_id=20, missed_at=NOW, pushed_id=10)
    browser = await site.signed_in(admin)
    assert (
        "No mail is lost: Postroom looks into your mailbox by itself every 10 minutes" in (await browser.get("/settings/email-sync")).text
    )
    assert "Google’s notices do not arrive" in (await browser.get("/settings/integrations")).text
    await Mailbox.filter(id=mailbox.id).update(pushed_id=20)
    for address in ("/settings/email-sync", "/settings/integrations"):
        assert "notices do not arrive" not in (await browser.get(address)).text
        assert "notices of new mail do not arrive" not in (await browser.get(address)).text
