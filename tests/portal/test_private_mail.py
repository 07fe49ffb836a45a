"""Private mail on the pages: whatever is listed or linked is walked, and a colleague who did not receive it meets no word of it."""

import re
from datetime import timedelta
from urllib.parse import urlsplit

from models.activities import Activity
from models.emails import Email
from models.erasing import erase_dismissed
from models.privacy import make_private
from models.verdicts import Seen
from portal.access import Who
from portal.app import PAGES
from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.portal.browser import Browser, Page
from tests.portal.mails import NOW, an_attachment, file_mail
from tests.portal.site import Site

SAID = {
    "subject": "Wordinsubject",
    "text": "Wordintext",
    "html": "<p>Wordinhtml</p>",
    "sender": ("Wordinname", "wordinaddress@example.com"),
}
WORDS = ("wordinsubject", "wordintext", "wordinhtml", "wordinname", "wordinaddress", "wordinfile")
MOST = 300  # pages: a walk that does not end has gone in circles


async def walk(browser: Browser, *ids: int) -> dict[str, Page]:
    """Every page that can be read, with these ids in its address, and what it links to, loads, or shows in frames and parts."""
    waiting = [
        re.sub(r"{\w+:int}", str(id), page.path)
        for page in PAGES
        if page.method == "GET" and page.who is not Who.ANYONE
        for id in ids
        if page.path != "/questions/new"  # it says nothing without what the dashboard's own link tells it
    ]
    pages: dict[str, Page] = {}
    while waiting:
        address = waiting.pop()
        if address in pages:
            continue
        page = pages[address] = await browser.get(address)
        assert len(pages) < MOST, sorted(pages)
        found = [str(tag[name]) for name in ("href", "src", "hx-get") for tag in page.dom.select(f"[{name}]")]
        waiting += [link for link in (_within(link, address) for link in found) if link]
    return pages


def _within(link: str, page: str) -> str | None:
    split = urlsplit(link)
    path = split.path or urlsplit(page).path
    inside = not split.netloc and path.startswith("/") and not path.startswith(("/static", "/oauth", "/auth", "/sign"))
    return (path + (f"?{split.query}" if split.query else "")) if inside else None


def met(pages: dict[str, Page]) -> set[str]:
    bodies = "".join(page.body for page in pages.values()).lower()
    return {word for word in WORDS if word in bodies}


async def private(activity: Activity, by: int, yes: bool = True) -> None:
    email = await Email.get(id=activity.email_id).prefetch_related("receipts__mailbox__user")
    (user,) = {receipt.mailbox.user for receipt in email.receipts if receipt.mailbox.user.id == by}
    await make_private(user, Seen(email.id, email.version), activity.id, yes, NOW)


async def test_no_page_shows_a_private_mail_to_a_colleague_and_all_do_to_who_received_it(site: Site) -> None:
    """Scenario 75. Filed, or waiting for an answer; not its subject, its text, its sender, its files, its time, or that it is there."""
    firm = await a_firm()
    eva, robin = await a_user(firm), await a_user(firm, role="admin")
    client, other, third = [await a_client(firm, name) for name in ("Harbour Bakery", "Quill Joinery", "Mill Dairy")]
    mailbox, files = await a_mailbox(eva), (an_attachment("wordinfile.pdf"),)
    filed = await file_mail(mailbox, client, attachments=files, identity="filed", **SAID)  # type: ignore[arg-type]
    asked = await file_mail(mailbox, doubt=(other, third), attachments=files, identity="asked", **SAID)  # type: ignore[arg-type]
    evas, robins = await site.signed_in(eva), await site.signed_in(robin)
    ids = range(1, 5)
    assert met(await walk(robins, *ids)) == set(WORDS), "as long as it is everybody's"
    assert (await robins.get("/")).heading == "1 mail needs your eye"

    for activity in (filed, asked):
        await private(activity, eva.id)
    hidden = await walk(robins, *ids)
    assert met(hidden) == set()
    assert (await robins.get("/")).heading == "Nothing needs your eye"
    assert not [link for page in hidden.values() for link in page.links() if link.startswith("/activities/")]
    for address in ("", "/html", "?view=text"):
        for activity in (filed, asked):
            assert (await robins.get(f"/activities/{activity.id}{address}")).status == 404
    for one in (client, other, third):
        assert "No mail is filed here yet." in (await robins.get(f"/clients/{one.id}/activities")).text
    assert "just now" not in (await robins.get("/clients")).text

    assert met(await walk(evas, *ids)) == set(WORDS)
    assert (await evas.get("/")).heading == "1 mail needs your eye"
    for activity in (filed, asked):
        assert (await evas.get(f"/activities/{activity.id}")).status == 200
    assert "1 thread in all." in (await evas.get(f"/clients/{client.id}/activities")).text

    for activity in (filed, asked):
        await private(activity, eva.id, False)
    assert met(await walk(robins, *ids)) == set(WORDS)


async def test_a_private_mail_leaves_the_others_of_its_client_where_they_are(site: Site) -> None:
    firm = await a_firm()
    eva, robin = await a_user(firm), await a_user(firm)
    client, mailbox = await a_client(firm, "Harbour Bakery"), await a_mailbox(eva)
    await file_mail(mailbox, client, subject="Payroll")
    await private(await file_mail(mailbox, client, **SAID), eva.id)  # type: ignore[arg-type]
    page = await (await site.signed_in(robin)).get(f"/clients/{client.id}/activities")
    assert len(page.dom.select(".list a")) == 1
    assert "1 thread in all." in page.text


async def test_another_firms_mail_is_not_there_whoever_holds_what(site: Site) -> None:
    """Scenario 75."""
    firm, others = await a_firm(), await a_firm()
    eva, ann = await a_user(firm), await a_user(others, role="admin")
    await a_mailbox(ann)
    client = await a_client(firm, "Harbour Bakery")
    mail = await file_mail(await a_mailbox(eva), client, **SAID)  # type: ignore[arg-type]
    browser = await site.signed_in(ann)
    for address in (f"/activities/{mail.id}", f"/activities/{mail.id}/html", f"/clients/{client.id}/activities"):
        assert (await browser.get(address)).status == 404
    assert met(await walk(browser, *range(1, 5))) == set()


async def test_what_was_dismissed_and_erased_has_no_page(site: Site) -> None:
    """Scenario 71. It is on no list, and whoever kept its address meets nothing."""
    firm = await a_firm()
    eva = await a_user(firm)
    client = await a_client(firm, "Harbour Bakery")
    mail = await file_mail(await a_mailbox(eva), client, **SAID)  # type: ignore[arg-type]
    await Activity.all().update(status="dismissed")
    await Email.all().update(dismissed_at=NOW)
    browser = await site.signed_in(eva)
    for erased in (False, True):
        assert await erase_dismissed(timedelta(0 if erased else 1), NOW) == erased
        pages = await walk(browser, *range(1, 5))
        assert met(pages) == set()
        assert {page.status for page in pages.values()} <= {200, 403, 404}
        assert (await browser.get(f"/activities/{mail.id}")).status == 404
