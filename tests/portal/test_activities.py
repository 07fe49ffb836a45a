"""Filed mail on its pages: a client's and the whole firm's, and the search in both."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.portal.browser import Page
from tests.portal.mails import NOW, an_attachment, file_mail
from tests.portal.site import Site

DAY = timedelta(days=1)


def zone_of(page: Page) -> str:
    """What the foot of the page says."""
    footer = page.dom.find("footer")
    assert footer
    return footer.get_text(" ", strip=True).replace(" .", ".")


async def test_a_thread_is_one_row_that_leads_to_all_of_it(site: Site) -> None:
    user = await a_user(await a_firm())
    mailbox, bakery = await a_mailbox(user), await a_client(user.firm, "Harbour Bakery")
    await file_mail(mailbox, bakery, subject="Lease", thread="lease", sent_at=NOW - 2 * DAY)
    newest = await file_mail(mailbox, bakery, subject="Re: Lease", thread="lease", sent_at=NOW - DAY)
    browser = await site.signed_in(user)
    page = await browser.get(f"/clients/{bakery.id}/activities")
    rows = page.dom.select(".mail-row")
    assert [str(row.select("a")[0]["href"]) for row in rows] == [f"/activities/{newest.id}"]
    assert "1 thread in all." in page.text
    thread = await browser.get(str(rows[0].select(".beneath a")[0]["href"]))
    assert [row.select_one(".strong").get_text() for row in thread.dom.select(".mail-row")] == ["Re: Lease", "Lease"]  # type: ignore[union-attr]
    assert "one thread" in thread.text


async def test_all_mail_names_the_clients(site: Site) -> None:
    user = await a_user(await a_firm())
    mailbox = await a_mailbox(user)
    await file_mail(mailbox, await a_client(user.firm, "Harbour Bakery"), subject="One")
    await file_mail(mailbox, await a_client(user.firm, "Specimen Garage"), subject="Two", sent_at=NOW - DAY)
    page = await (await site.signed_in(user)).get("/mail")
    assert page.heading == "Mail"
    text = [row.get_text(" ", strip=True) for row in page.dom.select(".mail-row")]
    assert "Harbour Bakery One" in text[0]
    assert "Specimen Garage Two" in text[1]


async def test_a_search_says_what_limits_it_and_how_to_take_that_away(site: Site) -> None:
    user = await a_user(await a_firm())
    mailbox, bakery = await a_mailbox(user), await a_client(user.firm, "Harbour Bakery")
    await file_mail(mailbox, bakery, subject="Payroll", attachments=(an_attachment(),))
    await file_mail(mailbox, bakery, subject="Payroll again")
    browser = await site.signed_in(user)
    page = await browser.get(f"/clients/{bakery.id}/activities?q=payroll&files=yes")
    assert "1 mail found." in page.text
    chips = {chip.get_text(" ", strip=True): str(chip["href"]) for chip in page.dom.select(".chip")}
    assert list(chips) == ["“payroll” ×", "with files ×"]
    assert parse_qs(urlsplit(chips["with files ×"]).query) == {"q": ["payroll"]}
    assert "2 mails found." in (await browser.get(chips["with files ×"])).text
    nothing = await browser.get(f"/clients/{bakery.id}/activities?q=nowhere&files=yes")
    assert nothing.status == 200
    assert "No mail of this client is like that. Take one of the limits above away" in nothing.text


async def test_a_day_that_is_none_is_told_at_its_field_and_keeps_what_was_typed(site: Site) -> None:
    user = await a_user(await a_firm())
    browser = await site.signed_in(user)
    for since, until, said in (("yesterday", "", "Write a day as"), ("2026-03-05", "2026-03-01", "turn them round")):
        page = await browser.get(f"/mail?q=lease&since={since}&until={until}")
        assert page.status == 400
        assert said in page.text
        assert page.dom.select_one("input[name=q]")["value"] == "lease"  # type: ignore[index]
        assert page.dom.select_one("input[name=since]")["value"] == since  # type: ignore[index]


async def test_a_day_is_the_readers_day(site: Site) -> None:
    user = await a_user(await a_firm())
    mailbox, bakery = await a_mailbox(user), await a_client(user.firm, "Harbour Bakery")
    await file_mail(mailbox, bakery, subject="Late", sent_at=NOW.replace(day=3, hour=23, minute=30))  # in Berlin the 4th has begun
    browser = await site.signed_in(user)
    address = "/mail?since=2026-03-04&until=2026-03-04"
    assert "Late" not in (await browser.get(address)).text
    settings = await browser.get("/settings/account")
    await browser.press(settings, "Save", zone="Europe/Berlin")
    assert "Late" in (await browser.get(address)).text
    assert zone_of(await browser.get(address)) == "Times are in Europe/Berlin."


async def test_pages_keep_the_search_and_lead_back(site: Site) -> None:
    user = await a_user(await a_firm())
    mailbox, bakery = await a_mailbox(user), await a_client(user.firm, "Harbour Bakery")
    for n in range(52):
        await file_mail(mailbox, bakery, subject=f"Payroll {n}", sent_at=NOW - n * DAY)
    browser = await site.signed_in(user)
    first = await browser.get("/mail?q=payroll")
    assert len(first.dom.select(".mail-row")) == 50
    older = await browser.get(str(first.dom.select_one("a[rel=next]")["href"]))  # type: ignore[index]
    assert [row.select_one(".strong").get_text() for row in older.dom.select(".mail-row")] == ["Payroll 50", "Payroll 51"]  # type: ignore[union-attr]
    assert older.dom.select_one("a[rel=next]") is None
    back = await browser.get(str(older.dom.select_one("a[rel=prev]")["href"]))  # type: ignore[index]
    assert len(back.dom.select(".mail-row")) == 50
    assert back.dom.select_one("a[rel=prev]") is None
    assert (await browser.get("/mail?before=nonsense")).status == 404


async def test_a_zone_is_what_the_browser_says_until_somebody_chooses(site: Site) -> None:
    user = await a_user(await a_firm())
    browser = await site.signed_in(user)
    assert zone_of(await browser.get("/mail")) == "Times are in UTC."
    browser.keeps("zone", "Asia/Tokyo")
    assert zone_of(await browser.get("/mail")) == "Times are in Asia/Tokyo."
    done = await browser.press(await browser.get("/settings/account"), "Save", zone="America/New_York")
    assert done.status == 303
    page = await browser.get("/settings/account?saved=zone")
    assert "Saved. Times are in America/New York now." in page.text
    refused = await browser.press(page, "Save", zone="Nowhere/Atlantis")
    assert refused.status == 400
    assert zone_of(await browser.get("/mail")) == "Times are in America/New York."
