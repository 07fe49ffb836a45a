"""Why isn't this mail here? Asked by people of their own Gmail, which is the sandbox."""

from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import quote, urlencode

import pytest

from models import clients, connections, never_file
from models.activities import Activity
from models.decisions import Seen, dismiss
from models.directory import Client
from models.emails import Email
from models.firms import Firm, User
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from models.privacy import make_private
from pipeline.sync import Trigger, sync
from tests.builders import a_client, a_mail, a_user
from tests.pipeline.stage import Stage
from tests.portal.browser import Browser, Page
from tests.portal.site import Site, a_site

EVA, BOB, PAT, STRANGER = "eva@sample.test", "bob@sample.test", "pat@client.example", "stranger@elsewhere.example"


@pytest.fixture(scope="session")
async def live_pages(workshop) -> AsyncIterator[Site]:
    async with a_site(workshop.sandbox.url) as running:
        yield running


@pytest.fixture
async def live(stage: Stage, live_pages: Site) -> AsyncIterator[Site]:
    async with live_pages.afresh() as site:
        site.clock.now = stage.clock.moment
        yield site


@pytest.fixture
async def eva(stage: Stage) -> Mailbox:
    return await stage.mailbox(EVA)


@pytest.fixture
async def browser(live: Site, eva: Mailbox) -> Browser:
    return await live.signed_in(await User.get(id=eva.user_id))


async def asks(browser: Browser, **what: object) -> Page:
    return await browser.get(f"/why?{urlencode(what)}")


async def about(browser: Browser, gmail_id: str) -> Page:
    return await asks(browser, message=gmail_id)


async def pays(stage: Stage, mailbox: Mailbox) -> None:
    """What the job does that was announced."""
    await sync(mailbox.id, Trigger("push", "fresh", "trace", stage.clock.moment.timestamp() - 3600), stage.tools)


async def user(mailbox: Mailbox) -> User:
    return await User.get(id=mailbox.user_id)


# how a mail is named


async def test_the_box_takes_a_link_an_id_or_sender_and_day(stage: Stage, eva: Mailbox, browser: Browser):
    sent = await stage.mail(eva, a_mail(PAT, EVA, "Named", Message_ID="<n@client.example>"))
    link = f"https://mail.google.com/mail/u/0/?permmsgid=msg-f:{int(sent, 16)}"
    day = f"{stage.clock.moment:%Y-%m-%d}"
    for what in ({"mail": link}, {"mail": "<n@client.example>"}, {"sender": PAT, "day": day}, {"mail": f"#{sent}"[1:]}, {"message": sent}):
        page = await asks(browser, **what)
        assert (page.status, page.heading) == (200, "Why isn’t this mail here?")
        assert "Named" in page.text, what
        assert "None of these addresses is" in page.text


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (
            {"mail": "the mail of Tuesday"},
            "none of the three: a link of the mail in Gmail, its Message-ID (with an @ in it), or else sender",
        ),
        ({"mail": "https://mail.google.com/mail/u/0/#inbox"}, "not to one mail"),
        ({"mail": "msg-a:r-1"}, "began in Gmail itself"),
        ({"sender": "pat", "day": "5 March"}, "On which day did it come?"),
        ({"sender": "pat", "day": "0001-01-01"}, "On which day did it come?"),
        ({"day": "2026-03-05"}, "Who wrote it?"),
    ],
)
async def test_what_is_not_understood_is_said_beside_the_field_and_kept(browser: Browser, what, says):
    page = await asks(browser, **what)
    assert page.status == 400
    wrong = page.dom.select_one("#wrong")
    assert wrong is not None
    assert says in wrong.get_text()
    for name, value in what.items():
        kept = page.dom.select_one(f"input[name={name}]")
        assert kept is not None
        assert kept["value"] == value
    assert len(page.dom.select("[aria-describedby=wrong]")) == 1


async def test_several_mails_are_chosen_among_and_those_that_are_here_say_so(stage: Stage, eva: Mailbox, browser: Browser):
    await a_client(stage.firm, "", PAT)
    filed = await stage.mail(eva, a_mail(PAT, EVA, "The first"))
    await stage.push(eva)
    other = await stage.mail(eva, a_mail(PAT, EVA, "The second"), "SPAM")
    page = await asks(browser, sender=PAT, day=f"{stage.clock.moment:%Y-%m-%d}")
    rows = {str(row["href"]): " ".join(row.get_text(" ").split()) for row in page.dom.select("#answer a")}
    assert list(rows) == [f"/why?mailbox={eva.id}&message={gmail_id}" for gmail_id in (other, filed)]
    assert [" here " in row for row in rows.values()] == [False, True]


async def test_the_day_is_the_readers_own(stage: Stage, eva: Mailbox, browser: Browser):
    """A day more or less: from midnight to midnight where they are."""
    await User.filter(id=eva.user_id).update(time_zone="Pacific/Auckland")
    await asks(browser, sender="pat", day="2026-03-05")
    (call,) = [call for call in (await stage.sandbox.aio.state(EVA))["calls"] if call["method"] == "messages.list"]
    assert call["q"] == "from:(pat) after:1772535599 before:1772794800"


# what it says


async def test_a_filed_mail_is_here_with_its_client_and_reason(stage: Stage, eva: Mailbox, browser: Browser):
    await a_client(stage.firm, "Harbour Bakery", PAT)
    sent = await stage.mail(eva, a_mail(PAT, EVA, "Filed"))
    await stage.push(eva)
    page = await about(browser, sent)
    activity = await Activity.get()
    assert "It is here." in page.text
    assert f"Harbour Bakery · {PAT}, a contact of this client, wrote it" in page.text
    assert f"/activities/{activity.id}" in page.links()
    assert "File it anyway" not in page.text
    await stage.sandbox.aio.delete(EVA, sent)  # deleted later in Gmail
    assert "It is here." in (await about(browser, sent)).text


async def test_a_question_says_that_it_waits_and_where(stage: Stage, eva: Mailbox, browser: Browser):
    for name in ("Harbour Bakery", "Lantern Bookshop"):
        await a_client(stage.firm, name, PAT)
    sent = await stage.mail(eva, a_mail(PAT, EVA, Auto_Submitted="auto-replied"))
    await stage.push(eva)
    page = await about(browser, sent)
    assert "It is here, and waits for somebody to say whose it is." in page.text
    assert "its question waits in the fold below" in page.text


async def test_a_strangers_mail_names_the_addresses_and_says_what_to_do(stage: Stage, eva: Mailbox, browser: Browser):
    sent = await stage.mail(eva, a_mail(STRANGER, f"{EVA}, other@elsewhere.example"))
    await stage.push(eva)
    page = await about(browser, sent)
    assert "It is not a client’s mail, as far as Postroom can tell." in page.text
    for address in (STRANGER, EVA, "other@elsewhere.example"):
        assert address in page.text
    assert "/clients" in page.links()


@pytest.mark.parametrize("own", [True, False])
async def test_the_never_file_list_says_whose_it_is(stage: Stage, eva: Mailbox, browser: Browser, own):
    """Scenario 39."""
    await never_file.add(stage.firm.id, eva.user_id if own else None, "client.example", eva.user_id, stage.clock.moment)
    sent = await stage.mail(eva, a_mail(PAT, EVA))
    page = await about(browser, sent)
    assert "Its author is never to be filed." in page.text
    assert ("client.example · on your own list" if own else "client.example · on the list of Sample Firm") in page.text


async def test_a_colleagues_own_list_is_not_told(stage: Stage, eva: Mailbox, browser: Browser):
    """Scenario 75."""
    bob = await stage.mailbox(BOB)
    await never_file.add(stage.firm.id, bob.user_id, "client.example", bob.user_id, stage.clock.moment)
    sent = await stage.mail(eva, a_mail(PAT, EVA))
    assert "client.example ·" not in (await about(browser, sent)).text.replace(f"{PAT} ·", "")


async def test_old_mail_that_was_imported_today_says_that_it_is_too_old(stage: Stage, eva: Mailbox, browser: Browser):
    """Scenario 40."""
    await a_client(stage.firm, "", PAT)
    long_ago = int((stage.clock.moment - timedelta(days=400)).timestamp() * 1000)
    sent = await stage.mail(eva, a_mail(PAT, EVA), internal_date=long_ago)
    await stage.push(eva)
    assert (await stage.fate(eva, sent))[:2] == ("skipped", "old")
    page = await about(browser, sent)
    assert "It is older than what you chose to file." in page.text
    assert "/settings/email-sync" in page.links()


@pytest.mark.parametrize(
    ("label", "says"),
    [
        ("SPAM", "It is in the spam."),
        ("TRASH", "It is in the trash."),
        ("DRAFT", "It is a draft."),
        ("SCHEDULED", "It is still to be sent."),
    ],
)
async def test_what_gmail_itself_puts_away_cannot_be_filed_anyway(stage: Stage, eva: Mailbox, browser: Browser, label, says):
    client = await a_client(stage.firm)
    sent = await stage.mail(eva, a_mail(PAT, EVA), label)
    page = await about(browser, sent)
    assert says in page.text
    assert page.dom.select("form[action='/why/filing']") == []
    refused = await files(browser, eva, sent, client)
    assert (refused.status, says in refused.text) == (409, True)
    assert await LedgerEntry.all().count() == 0


async def test_what_was_trashed_at_once_says_so(stage: Stage, eva: Mailbox, browser: Browser):
    """Scenario 44."""
    await a_client(stage.firm, "", PAT)
    sent = await stage.mail(eva, a_mail(PAT, EVA))
    await stage.push(eva)
    await stage.sandbox.aio.post("labels", mailbox=EVA, id=sent, add=["TRASH"], remove=["INBOX"])
    await stage.push(eva)
    assert (await stage.fate(eva, sent))[0] == "withdrawn"
    page = await about(browser, sent)
    assert "It was filed, and taken back: you put it away within minutes of its arrival." in page.text
    await stage.sandbox.aio.delete(EVA, sent)
    assert "It was filed, and taken back: it was deleted" in (await about(browser, sent)).text


async def test_a_mail_that_nobody_looked_at_yet_says_since_when(stage: Stage, eva: Mailbox, browser: Browser):
    await a_client(stage.firm, "Harbour Bakery", PAT)
    sent = await stage.mail(eva, a_mail(PAT, EVA))
    page = await about(browser, sent)
    assert "It has just come, and Postroom has not looked since." in page.text
    assert "By the rules and contacts of today it is filed under Harbour Bakery" in page.text
    now = stage.clock.moment
    await LedgerEntry.create(mailbox=eva, gmail_id=sent, found_by="push", found_at=now, owed_at=now, seen_history_id=0)
    assert "Postroom has not looked at it yet." in (await about(browser, sent)).text
    await LedgerEntry.all().update(owed_at=None, outcome="parked", reason="broken", settled_at=now, tries=5)
    page = await about(browser, sent)
    assert "It could not be read, and Postroom gave up" in page.text
    assert (await browser.press(page, "Look at it now")).status == 303
    await pays(stage, eva)
    assert "It is here." in (await about(browser, sent)).text


async def test_gmail_did_not_tell_of_it(stage: Stage, eva: Mailbox, browser: Browser):
    await a_client(stage.firm, "Harbour Bakery", PAT)
    sent = await stage.mail(eva, a_mail(PAT, EVA))
    await Mailbox.filter(id=eva.id).update(last_checked_at=stage.clock.moment + timedelta(minutes=1))
    page = await about(browser, sent)
    assert "Gmail has not told Postroom of it." in page.text
    await browser.press(page, "Look at it now")
    await pays(stage, eva)
    assert "It is here." in (await about(browser, sent)).text


async def test_a_contact_that_was_added_since_is_told_and_it_is_looked_at_again(stage: Stage, eva: Mailbox, browser: Browser):
    sent = await stage.mail(eva, a_mail(PAT, EVA))
    await stage.push(eva)
    client = await a_client(stage.firm, "Harbour Bakery", PAT)
    page = await about(browser, sent)
    assert "It was left out, but would be filed now." in page.text
    assert "nobody on it was a client’s contact" in page.text
    await browser.press(page, "Look at it now")
    await pays(stage, eva)
    assert len(await stage.filed(client)) == 1


async def test_a_mail_that_is_not_there_is_nobodys(browser: Browser, eva: Mailbox):
    assert f"Gmail has no such mail in {EVA}." in (await asks(browser, mail="<none@client.example>")).text
    assert f"Gmail has no such mail in {EVA}." in (await about(browser, "1234abcd1234abcd")).text


# trouble


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"kind": "status", "code": 429, "reason": "rateLimitExceeded"}, "Google asks Postroom to wait a little."),
        ({"kind": "status", "code": 403, "reason": "userRateLimitExceeded"}, "Google asks Postroom to wait a little."),
        ({"kind": "status", "code": 500}, "Gmail did not answer."),
        ({"kind": "status", "code": 403, "reason": "accessNotConfigured"}, "Postroom cannot ask Google at the moment."),
        ({"kind": "status", "code": 403, "reason": "insufficientPermissions"}, "Gmail stopped"),
    ],
)
async def test_googles_trouble_is_a_sentence(stage: Stage, browser: Browser, fault, says):
    await stage.sandbox.aio.post("faults", **fault, method="messages.get", mailbox=EVA, count=1)
    page = await about(browser, "1a")
    assert (page.status, says in page.text) == (200, True), page.text


async def test_what_is_spent_is_counted(stage: Stage, eva: Mailbox, browser: Browser):
    from models.project import ProjectState

    sent = await stage.mail(eva, a_mail(PAT, EVA))
    await about(browser, sent)
    assert (await ProjectState.get()).day_units == 20


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("paused", "This mailbox is paused"),
        ("disconnected", "This mailbox is disconnected"),
        ("lapsed", "Gmail stopped on"),
        ("off", "Email sync is switched off"),
    ],
)
async def test_a_mailbox_that_is_not_read_says_why_and_what_to_do(stage: Stage, eva: Mailbox, browser: Browser, how, says):
    await a_client(stage.firm, "", PAT)
    filed = await stage.mail(eva, a_mail(PAT, EVA))
    await stage.push(eva)
    now = stage.clock.moment
    match how:
        case "paused":
            await connections.pause(eva.id, eva.firm_id, now)
        case "disconnected":
            await connections.disconnect(eva.id, eva.firm_id, now)
        case "lapsed":
            await connections.lapse(eva.id, eva.epoch, "invalid_grant", now)
        case _:
            await Firm.choose_provider(eva.firm_id, "none", now)
    page = await asks(browser, mail="<n@client.example>")
    assert says in page.text
    assert "It is here." in (await about(browser, filed)).text  # what is filed stays
    assert (await stage.sandbox.aio.state(EVA))["calls_by_mailbox"][EVA].get("messages.list", 0) == 0


async def test_who_has_no_mailbox_is_led_to_the_connection(stage: Stage, live: Site):
    browser = await live.signed_in(await a_user(stage.firm, BOB))
    page = await browser.get("/why")
    assert "Your Gmail is not connected" in page.text
    assert "/settings/email-sync" in page.links()


# file it anyway


async def files(browser: Browser, mailbox: Mailbox, gmail_id: str, client: Client) -> Page:
    """The form, whatever the page offers."""
    proof = str((await browser.get("/why")).dom.select_one("input[name=form_proof]")["value"])  # type: ignore[index]
    fields = {"form_proof": proof, "mailbox": str(mailbox.id), "message": gmail_id, "client": str(client.id)}
    return await browser.post("/why/filing", fields)


async def test_a_mail_is_filed_anyway_and_the_page_waits_for_it(stage: Stage, eva: Mailbox, browser: Browser):
    client = await a_client(stage.firm, "Harbour Bakery")
    sent = await stage.mail(eva, a_mail(STRANGER, EVA, "All the same"))
    await stage.push(eva)
    pressed = await browser.press(await about(browser, sent), "Harbour Bakery")
    assert (pressed.status, pressed.target) == (303, f"/why?mailbox={eva.id}&message={sent}&client={client.id}")
    calls = (await stage.sandbox.aio.state(EVA))["calls_by_mailbox"][EVA]["messages.get"]
    page = await browser.follow(pressed)
    assert "It is being filed under Harbour Bakery" in page.text
    waiting = page.dom.select_one("#wanted")
    assert waiting is not None
    progress = await browser.get(str(waiting["hx-get"]))
    assert "It is being filed" in progress.text
    assert page.dom.select("noscript meta[http-equiv=refresh]")
    assert (await stage.sandbox.aio.state(EVA))["calls_by_mailbox"][EVA]["messages.get"] == calls  # nobody asks Gmail meanwhile
    assert (await files(browser, eva, sent, client)).status == 303  # a second click
    await pays(stage, eva)
    assert (await browser.get(str(waiting["hx-get"]))).headers["hx-refresh"] == "true"
    page = await browser.follow(pressed)
    assert "It is here." in page.text
    assert "Eva filed it here" in page.text
    assert "It was not filed" not in page.text
    assert await stage.filed(client) == ["All the same"]


async def test_what_was_dismissed_is_filed_at_once(stage: Stage, eva: Mailbox, browser: Browser):
    client = await a_client(stage.firm, "Harbour Bakery", PAT)
    sent = await stage.mail(eva, a_mail(PAT, EVA))
    await stage.push(eva)
    email = await Email.get()
    await dismiss(await user(eva), Seen(email.id, email.version), stage.clock.moment)
    page = await about(browser, sent)
    assert "Eva said that it is not a client’s mail" in page.text
    page = await browser.follow(await browser.press(page, "Harbour Bakery"))
    assert "It is here." in page.text
    assert len(await stage.filed(client)) == 1


async def test_a_client_is_found_by_name(stage: Stage, eva: Mailbox, browser: Browser):
    for name in ("Harbour Bakery", "Lantern Bookshop"):
        await a_client(stage.firm, name)
    found = await browser.get(f"/why/clients?mailbox={eva.id}&message=1a&q=lantern", **{"hx-request": "true"})
    assert [button.get_text(strip=True) for button in found.dom.select(".found button")] == ["Lantern Bookshop"]
    assert (await browser.get(f"/why/clients?mailbox={eva.id}&message=1a&q=lantern")).heading == "File it anyway"


async def test_what_the_firm_would_delete_again_is_not_filed(stage: Stage, eva: Mailbox, browser: Browser):
    client = await a_client(stage.firm)
    await Firm.filter(id=stage.firm.id).update(retention_days=365)
    sent = await stage.mail(eva, a_mail(STRANGER, EVA, Date="Mon, 1 Jan 2024 10:00:00 +0000"))
    page = await about(browser, sent)
    assert "keeps mail for 365 days, and this one is older" in page.text
    assert page.dom.select("form[action='/why/filing']") == []
    assert (await files(browser, eva, sent, client)).status == 409
    assert await LedgerEntry.all().count() == 0


async def test_a_client_that_is_archived_meanwhile_is_said(stage: Stage, eva: Mailbox, browser: Browser):
    client = await a_client(stage.firm, "Harbour Bakery")
    sent = await stage.mail(eva, a_mail(STRANGER, EVA))
    await stage.push(eva)
    page = await about(browser, sent)
    pressed = await browser.press(page, "Harbour Bakery")
    await clients.archive(stage.firm.id, client.id, stage.clock.moment)
    await pays(stage, eva)
    said = await browser.follow(pressed)
    assert "It was not filed under Harbour Bakery . That client has been archived meanwhile." in said.text
    refused = await browser.press(page, "Harbour Bakery")
    assert (refused.status, "archived or gone" in refused.text) == (409, True)


# whose it is


async def test_a_colleagues_mailbox_is_not_there(stage: Stage, eva: Mailbox, browser: Browser):
    """Scenario 75."""
    bob, client = await stage.mailbox(BOB), await a_client(stage.firm)
    sent = await stage.mail(bob, a_mail(STRANGER, BOB, "Bobs own"))
    for address in (
        f"/why?mailbox={bob.id}&message={sent}",
        f"/why/progress?mailbox={bob.id}&message={sent}",
        f"/why/clients?mailbox={bob.id}&message={sent}",
    ):
        page = await browser.get(address)
        assert (page.status, "Bobs own" in page.body) == (404, False)
    assert (await files(browser, bob, sent, client)).status == 404
    assert "Gmail has no such mail" in (await about(browser, sent)).text  # in her own
    assert await LedgerEntry.all().count() == 0


async def test_private_mail_is_told_to_who_received_it_and_nothing_of_it_to_others(
    stage: Stage, eva: Mailbox, browser: Browser, live: Site
):
    """Scenario 75. Eva has the same mail, unfiled: her own list left it out."""
    bob = await stage.mailbox(BOB)
    client = await a_client(stage.firm, "Harbour Bakery", PAT)
    mail = a_mail(PAT, f"{EVA}, {BOB}", "Between us")
    theirs = await stage.mail(bob, mail)
    await stage.push(bob)
    await never_file.add(stage.firm.id, eva.user_id, PAT, eva.user_id, stage.clock.moment)
    hers = await stage.mail(eva, mail)
    await stage.push(eva)
    assert "It is here." in (await about(browser, hers)).text  # from Bob's mailbox, as long as it is everybody's
    email, activity = await Email.get(), await Activity.get(client=client)
    await make_private(await user(bob), Seen(email.id, email.version), activity.id, True, stage.clock.moment)
    page = await about(browser, hers)
    assert "Its author is never to be filed." in page.text
    assert "It is here." not in page.text
    assert "Harbour Bakery ·" not in page.text
    bobs = await live.signed_in(await user(bob))
    assert "It is here." in (await about(bobs, theirs)).text


async def test_what_a_sender_wrote_is_text(stage: Stage, eva: Mailbox, browser: Browser):
    sent = await stage.mail(eva, a_mail('"<script>alert(1)</script>" <x@elsewhere.example>', EVA, "<img src=x onerror=alert(1)>"))
    page = await about(browser, sent)
    assert "<img src=x" not in page.body
    assert "<script>alert" not in page.body
    assert "<img src=x onerror=alert(1)>" in page.text


@pytest.mark.parametrize("message", ["../x", "1a' OR 1=1", "Z", "1" * 40, ""])
async def test_an_id_that_is_none_is_refused(browser: Browser, eva: Mailbox, message):
    assert (await browser.get(f"/why/progress?mailbox={eva.id}&message={quote(message)}")).status == 400
    assert (await browser.get(f"/why?mailbox={eva.id}&message={quote(message)}")).status in (200, 400)
