"""The rules: what an admin and a user put on their pages, what is refused there, and that mail is then judged by it."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from models import never_file
from models.activities import Review
from models.audit_log import AuditEntry
from models.client_file import Entry
from models.firms import Firm, User
from models.gaps import Gap
from models.importing import import_entries
from tests.builders import a_client, a_firm, a_mail, a_mailbox, a_user
from tests.portal.browser import Browser, Page
from tests.portal.mails import NOW, file_mail
from tests.portal.site import Site

if TYPE_CHECKING:
    from tests.pipeline.stage import Stage

HERE, OWN = "/settings/integrations", "/settings/email-sync"
EVA, PAT = "eva@sample.test", "pat@client.example"


@pytest.fixture
async def ann(database: None) -> User:
    return await a_user(await a_firm("Sample & Co"), "ann@sample.test", role="admin")


@pytest.fixture
async def browser(site: Site, ann: User) -> Browser:
    return await site.signed_in(ann)


def listed(page: Page, rule: str = "never-file") -> list[str]:
    """What the part of the page lists, a line for each."""
    return [" ".join(row.get_text(" ").split()) for row in page.dom.select(f"#{rule} .files li")]


async def changed(browser: Browser, page: str, button: str, **fields: str) -> Page:
    """The page after something was changed there."""
    done = await browser.press(await browser.get(page), button, **fields)
    assert done.status == 303, done.text
    return await browser.follow(done)


async def acts() -> list[str]:
    return [str(act) for act in await AuditEntry.all().order_by("id").values_list("act", flat=True)]


# the firm's never-file list


async def test_an_admin_puts_an_address_and_a_domain_on_the_firms_list_and_takes_them_off(ann: User, browser: Browser) -> None:
    page = await browser.get(HERE)
    assert "Mail that one of these wrote is not filed; as recipients they make no mail a client’s." in page.text
    assert listed(page) == []
    await changed(browser, HERE, "Never file it", pattern=" @Shop.Example ")
    for _ in range(2):  # twice is once
        page = await changed(browser, HERE, "Never file it", pattern="Doctor@Clinic.example")
    assert listed(page) == [
        "doctor@clinic.example Ann , 5 March 2026 Remove doctor@clinic.example",
        "shop.example everybody there · Ann , 5 March 2026 Remove shop.example",
    ]
    assert listed(await changed(browser, HERE, "Remove shop.example")) == listed(page)[:1]
    assert await never_file.patterns_of(ann.firm_id, ann.id) == {"doctor@clinic.example"}
    assert (await browser.press(page, "Remove shop.example")).status == 404, "it is gone already"
    assert await acts() == ["never-file added", "never-file added", "never-file removed"]


REFUSED = {
    "doctor at clinic": "This is neither an e-mail address nor a domain. Write one address, or one domain: what comes after the @.",
    "": "This is neither an e-mail address nor a domain.",
    '"><b>x</b>@': "This is neither an e-mail address nor a domain.",
    "GMAIL.com": "Anybody may have an address at gmail.com, your clients too: it cannot be on the list as a whole. Write the one address",
    "ann@sample.test": "ann@sample.test is your own firm’s, and mail among yourselves is not filed anyway.",
    "x" * 400 + "@shop.example": "This is neither an e-mail address nor a domain.",
}


@pytest.mark.parametrize("page", [HERE, OWN])
@pytest.mark.parametrize("written", REFUSED)
async def test_what_cannot_be_on_a_list_is_refused_in_place_with_what_to_do_instead(browser: Browser, page: str, written: str) -> None:
    """Scenario 64. What was written stays, and the page comes to it."""
    refused = await browser.press(await browser.get(page), "Never file it", pattern=written)
    assert refused.status == 409
    (alert,) = refused.dom.select("[role=alert]")
    assert REFUSED[written] in " ".join(alert.get_text(" ").split())
    (field,) = refused.dom.select("input[autofocus]")
    assert (field["name"], field["value"], field["aria-describedby"]) == ("pattern", written, alert["id"])
    assert (listed(refused), await acts(), refused.dom.select("main b > b")) == ([], [], [])
    assert refused.dom.select_one(".tabs [aria-current]")["href"] == page  # type: ignore[index]


# a user's own list


async def test_everybody_has_a_list_of_their_own_and_sees_the_firms(site: Site, ann: User, browser: Browser) -> None:
    """Scenario 75. Which only its owner changes."""
    eva = await site.signed_in(await a_user(await Firm.get(id=ann.firm_id), EVA))
    assert "never files" not in (await eva.get(OWN)).text
    for domain in ("shop.example", *(f"shop{number}.example" for number in range(6))):
        await changed(browser, HERE, "Never file it", pattern=domain)
    page = await changed(eva, OWN, "Never file it", pattern="doctor@clinic.example")
    assert listed(page) == ["doctor@clinic.example Eva , 5 March 2026 Remove doctor@clinic.example"]
    assert "Sample & Co never files shop.example, shop0.example, shop1.example, shop2.example, shop3.example and 2 more." in page.text
    assert (listed(await browser.get(OWN)), len(listed(await browser.get(HERE)))) == ([], 7)
    (own,) = await never_file.patterns(ann.firm_id, (await User.get(email=EVA)).id)
    firms = (await never_file.patterns(ann.firm_id, None))[0]
    for who, form, address in [
        (browser, await browser.get(HERE), f"{HERE}/never-file/{own.id}"),
        (browser, await browser.get(HERE), f"{OWN}/never-file/{own.id}"),
        (eva, page, f"{OWN}/never-file/{firms.id}"),
        (eva, page, f"{OWN}/never-file/{2**70}"),
    ]:
        proof = str(form.dom.select_one("input[name=form_proof]")["value"])  # type: ignore[index]
        assert (await who.post(f"{address}/removal", {"form_proof": proof})).status == 404
    assert listed(await changed(eva, OWN, "Remove doctor@clinic.example")) == []
    assert len(listed(await browser.get(HERE))) == 7


async def test_another_firms_rules_are_not_there(site: Site, ann: User, browser: Browser) -> None:
    """Scenario 75."""
    other = await site.signed_in(await a_user(await a_firm(), "zoe@other.test", role="admin"))
    await changed(browser, HERE, "Never file it", pattern="shop.example")
    await changed(browser, HERE, "Add the domain", domain="second.test")
    (rule,), (domain,) = await never_file.patterns(ann.firm_id, None), await never_file.own_domains(ann.firm_id)
    page = await other.get(HERE)
    assert (listed(page), listed(page, "own-domains")) == ([], [])
    proof = {"form_proof": str(page.dom.select_one("input[name=form_proof]")["value"])}  # type: ignore[index]
    for address in (f"never-file/{rule.id}", f"own-domains/{domain.id}"):
        assert (await other.post(f"{HERE}/{address}/removal", proof)).status == 404
    page = await browser.get(HERE)
    assert (len(listed(page)), len(listed(page, "own-domains"))) == (1, 1)


# own domains, past mail, sent mail


async def test_an_admin_keeps_the_firms_own_domains(browser: Browser) -> None:
    await changed(browser, HERE, "Add the domain", domain="@Second.test")
    page = await changed(browser, HERE, "Add the domain", domain="Bücher.example")
    assert listed(page, "own-domains") == ["second.test Remove second.test", "xn--bcher-kva.example Remove xn--bcher-kva.example"]
    assert listed(await changed(browser, HERE, "Remove second.test"), "own-domains") == listed(page, "own-domains")[1:]
    for written, said in (
        ("ann@sample.test", "This is not a domain. Write what comes after the @ in your addresses."),
        ("googlemail.com", "Anybody may have an address at googlemail.com: your clients there would count as your people."),
    ):
        refused = await browser.press(await browser.get(HERE), "Add the domain", domain=written)
        assert (refused.status, said in refused.text) == (409, True)
        assert [(field["name"], field["value"]) for field in refused.dom.select("input[autofocus]")] == [("domain", written)]
    assert await acts() == ["own domain added", "own domain added", "own domain removed"]
    refused = await browser.press(await browser.get(HERE), "Never file it", pattern="lee@bücher.example")
    assert "lee@xn--bcher-kva.example is your own firm’s" in refused.text


@pytest.mark.parametrize(("written", "days"), [("0", 0), (" 365 ", 365), ("3,650", 3650)])
async def test_an_admin_says_how_far_back_past_mail_is_looked_for(ann: User, browser: Browser, written: str, days: int) -> None:
    """Scenario 70."""
    page = await changed(browser, HERE, "Save the days", past_days=written)
    assert page.form("Save the days").find("input", {"name": "past_days", "value": str(days)})
    assert (await Firm.get(id=ann.firm_id)).past_days == days
    assert await acts() == ["past days chosen"]


@pytest.mark.parametrize("written", ["", "-1", "3651", "ninety", "9.5", "٩", "99999999999999999999"])
async def test_what_is_no_number_of_days_changes_nothing_and_stays_to_be_mended(ann: User, browser: Browser, written: str) -> None:
    """Scenario 70."""
    refused = await browser.press(await browser.get(HERE), "Save the days", past_days=written)
    assert refused.status == 409
    assert "Write a whole number of days from 0 to 3,650; 0 looks for no past mail." in refused.text
    assert [(field["name"], field["value"]) for field in refused.dom.select("input[autofocus]")] == [("past_days", written)]
    assert ((await Firm.get(id=ann.firm_id)).past_days, await acts()) == (90, [])


async def test_an_admin_says_which_sent_mail_is_filed(ann: User, browser: Browser) -> None:
    for sent, wanted in (("all", True), ("all", True), ("with colleagues", False)):
        page = await changed(browser, HERE, "Save what is filed", sent=sent)
        assert page.form("Save what is filed").find("input", {"value": sent, "checked": True})
        assert (await Firm.get(id=ann.firm_id)).file_all_sent is wanted
    assert (await browser.press(page, "Save what is filed", sent="some")).status == 400
    assert await acts() == ["sent mail chosen", "sent mail chosen"]


# what comes of it


async def test_a_change_touches_nothing_that_is_filed_or_asked(ann: User, browser: Browser) -> None:
    firm = await Firm.get(id=ann.firm_id)
    mailbox, client = await a_mailbox(ann), await a_client(firm, "", PAT)
    filed = await file_mail(mailbox, client, sender=("Pat", PAT))
    await file_mail(mailbox, doubt=(client, await a_client(firm)), sender=("Pat", PAT))
    page = await changed(browser, HERE, "Never file it", pattern=PAT)
    await changed(browser, HERE, "Add the domain", domain="client.example")
    assert "What is filed stays where it is, open questions stay open" in page.text
    assert (await browser.get(f"/activities/{filed.id}")).status == 200
    assert (await browser.get("/")).heading == "1 mail needs your eye"
    assert await Review.filter(decided_at=None).count() == 1


async def test_whom_the_pages_list_is_filed_no_more_and_again_when_taken_off(site: Site, stage: "Stage") -> None:
    """Scenario 66. A newsletter's very address may be a contact's, and still be unwanted."""
    eva, client = await stage.mailbox(EVA), await a_client(stage.firm, "", PAT, "news@shop.example")
    admin = await site.signed_in(await a_user(stage.firm, "ann@sample.test", role="admin"))
    person = await site.signed_in(await User.get(email=EVA))

    async def fates() -> list[str | None]:
        ids = [await stage.mail(eva, a_mail(sender, EVA)) for sender in (PAT, "news@shop.example")]
        await stage.push(eva)
        return [(await stage.fate(eva, each))[1] for each in ids]

    assert await fates() == ["client", "client"]
    await changed(admin, HERE, "Never file it", pattern="shop.example")
    assert await fates() == ["client", "never file"]
    await changed(person, OWN, "Never file it", pattern=PAT)
    assert await fates() == ["never file", "never file"]
    await changed(admin, HERE, "Remove shop.example")
    await changed(person, OWN, f"Remove {PAT}")
    assert await fates() == ["client", "client"]
    assert len(await stage.filed(client)) == 5


async def test_mail_from_a_domain_that_the_page_calls_our_own_is_internal(site: Site, stage: "Stage") -> None:
    """Scenarios 64, 65. Though somebody there is a client's contact."""
    eva, _ = await stage.mailbox(EVA), await a_client(stage.firm, "", "bob@second.test")
    admin = await site.signed_in(await a_user(stage.firm, "ann@sample.test", role="admin"))

    async def fate() -> str | None:
        sent = await stage.mail(eva, a_mail("bob@second.test", EVA))
        await stage.push(eva)
        return (await stage.fate(eva, sent))[1]

    assert await fate() == "client"
    await changed(admin, HERE, "Add the domain", domain="second.test")
    assert await fate() == "internal"
    await changed(admin, HERE, "Remove second.test")
    assert await fate() == "client"


async def test_all_sent_mail_is_filed_once_the_page_says_so(site: Site, stage: "Stage") -> None:
    eva, client = await stage.mailbox(EVA), await a_client(stage.firm, "", PAT)
    admin = await site.signed_in(await a_user(stage.firm, "ann@sample.test", role="admin"))
    for sent in ("with colleagues", "all"):
        await changed(admin, HERE, "Save what is filed", sent=sent)
        await stage.mail(eva, a_mail(EVA, PAT, f"Sent: {sent}"), labels="SENT")
        await stage.push(eva)
    assert await stage.filed(client) == ["Sent: all"]


@pytest.mark.parametrize("days", [0, 30])
async def test_a_new_contacts_past_mail_is_looked_for_as_far_back_as_the_page_says(ann: User, browser: Browser, days: int) -> None:
    """Scenario 70."""
    await a_mailbox(ann, at=NOW - timedelta(days=200))
    await changed(browser, HERE, "Save the days", past_days=str(days))
    await import_entries(ann.firm_id, [Entry("1", "Client", "", "Pat", PAT, PAT, nominated=False)], NOW)
    assert [NOW - gap.since for gap in await Gap.all()] == ([timedelta(days=days)] if days else [])
