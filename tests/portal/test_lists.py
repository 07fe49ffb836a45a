"""Dashboard, clients, and a client's activities."""

from datetime import timedelta

from models import connections
from models.clients import archive, restore
from models.firms import Firm
from models.mailboxes import Mailbox
from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.portal.mails import NOW, an_attachment, file_mail
from tests.portal.site import Site


async def test_a_new_firms_pages_say_what_they_are_for(site: Site) -> None:
    browser = await site.signed_in(await a_user(await a_firm("Sample & Co")))
    dashboard = await browser.get("/")
    assert dashboard.heading == "Nothing needs your eye"
    assert "Your Gmail is not connected." in dashboard.text
    assert "/settings/email-sync" in dashboard.links()
    assert "Sample & Co has none yet" in dashboard.text
    clients = await browser.get("/clients")
    assert "Sample & Co has no clients yet." in clients.text
    assert clients.dom.find("input", type="search") is None, "nothing to search"


async def test_the_dashboard_counts_what_needs_an_eye_and_shows_the_guess(site: Site) -> None:
    firm = await a_firm()
    user = await a_user(firm)
    mailbox, bakery, trust = await a_mailbox(user), await a_client(firm, "Harbour Bakery Ltd"), await a_client(firm, "Example Family Trust")
    browser = await site.signed_in(user)
    first = await file_mail(mailbox, doubt=(bakery, trust), subject="Q2 numbers")
    page = await browser.get("/")
    assert page.heading == "1 mail needs your eye"
    assert f"/activities/{first.id}" in page.links()
    assert "Probably Harbour Bakery Ltd :" in page.text
    assert "Or Example Family Trust :" in page.text
    await file_mail(mailbox, doubt=(trust, bakery), subject="The lease")
    page = await browser.get("/")
    assert page.heading == "2 mails need your eye"
    assert [h2.get_text(strip=True) for h2 in page.dom.select("article h2")] == ["The lease", "Q2 numbers"]


async def test_the_dashboard_shows_what_was_filed_last(site: Site) -> None:
    firm = await a_firm()
    user = await a_user(firm)
    mailbox, bakery, trust = await a_mailbox(user), await a_client(firm, "Harbour Bakery Ltd"), await a_client(firm, "Example Family Trust")
    old = await file_mail(mailbox, bakery, subject="Older", now=NOW - timedelta(minutes=30))
    new = await file_mail(mailbox, trust, subject="Newer, though written before", sent_at=NOW - timedelta(days=2))
    page = await (await site.signed_in(user)).get("/")
    rows = page.dom.select(".list a")
    assert [str(row["href"]) for row in rows] == [f"/activities/{new.id}", f"/activities/{old.id}"]
    assert "Example Family Trust Newer, though written before · Pat Example" in page.text
    assert "Your Gmail is not connected" not in page.text


async def test_the_banner_says_since_when_why_and_what_is_safe(site: Site) -> None:
    user = await a_user(await a_firm())
    mailbox, browser = await a_mailbox(user), await site.signed_in(user)
    await connections.lapse(mailbox.id, mailbox.epoch, "invalid_grant", NOW - timedelta(days=2))
    text = (await browser.get("/")).text
    assert "Gmail stopped on Tuesday, 3 March 2026, 10:45 UTC." in text
    assert "after a password change" in text
    assert "What is filed stays." in text
    assert "Reconnect Gmail" in text
    await Mailbox.filter(id=mailbox.id).update(lapse_reason="a reason that nobody knows yet")
    assert "Google says that access was withdrawn." in (await browser.get("/")).text
    await connections.disconnect(mailbox.id, user.firm_id, NOW)
    assert "Your Gmail is not connected." in (await browser.get("/")).text
    await Firm.choose_provider(user.firm_id, "none", NOW)
    text = (await browser.get("/")).text
    assert "Email sync is switched off" in text
    assert "Connect Gmail" not in text


async def test_clients_are_listed_by_name_and_found_by_part_of_it_or_by_number(site: Site) -> None:
    firm = await a_firm()
    bakery, dental = await a_client(firm, "Harbour Bakery Ltd"), await a_client(firm, "Nörthgate Dental")
    percent = await a_client(firm, "100% Wool_Shop")
    bakery.number = "1042"
    await bakery.save()
    browser = await site.signed_in(await a_user(firm))

    async def found(query: str) -> list[str]:
        page = await browser.get(f"/clients{query}")
        assert page.status == 200
        return [link for link in page.links() if link.endswith("/activities")]

    links = {client.id: f"/clients/{client.id}/activities" for client in (bakery, dental, percent)}
    assert await found("") == [links[percent.id], links[bakery.id], links[dental.id]]
    assert await found("?q=BAKE") == [links[bakery.id]]
    assert await found("?q=n%C3%96rth") == [links[dental.id]]
    assert await found("?q=104") == [links[bakery.id]]
    assert await found("?q=042") == []
    assert await found("?q=%25") == [links[percent.id]]
    assert await found("?q=_") == [links[percent.id]]
    assert await found("?q=%5C") == []
    assert await found("?q=%00") == list(await found(""))
    assert "No client’s name or number has “zebra” in it, and no contact’s name or address." in (await browser.get("/clients?q=zebra")).text


async def test_an_archived_client_is_marked_and_keeps_its_mail(site: Site) -> None:
    firm = await a_firm()
    user = await a_user(firm)
    client, other = await a_client(firm, "Harbour Bakery Ltd"), await a_client(firm, "Lantern Bookshop")
    await file_mail(await a_mailbox(user), client, subject="The lease")
    browser = await site.signed_in(user)
    for one in (client, other):
        await archive(firm.id, one.id, NOW)
    await restore(firm.id, other.id, NOW)
    assert "Harbour Bakery Ltd archived just now" in (await browser.get("/clients?archived=yes")).text
    page = await browser.get(f"/clients/{client.id}/activities")
    assert page.heading == "Harbour Bakery Ltd archived"
    assert "Archived since 5 March 2026. Nothing new is filed here; what is filed stays." in page.text
    assert "The lease" in page.text
    await archive(firm.id, other.id, NOW)
    assert "No mail was filed here." in (await browser.get(f"/clients/{other.id}/activities")).text


async def test_a_clients_activities_are_rows_with_who_what_and_how_much(site: Site) -> None:
    firm = await a_firm()
    sam, robin = await a_user(firm), await a_user(firm)
    client = await a_client(firm, "Harbour Bakery Ltd")
    for mailbox in (await a_mailbox(sam), await a_mailbox(robin)):
        await file_mail(mailbox, client, identity="one", subject="The lease", attachments=(an_attachment(), an_attachment("b.pdf")))
    await file_mail(
        mailbox, doubt=(client, await a_client(firm)), subject="Old", sender=("", "lee@example.com"), sent_at=NOW - timedelta(days=400)
    )
    page = await (await site.signed_in(sam)).get(f"/clients/{client.id}/activities")
    assert page.heading == "Harbour Bakery Ltd"
    rows = [" ".join(row.get_text(" ").split()) for row in page.dom.select(".mail-row")]
    assert rows == [
        f"Pat Example The lease Hours as agreed. 2 files just now Received by {sam.name} and {robin.name}",
        "lee@example.com Old Hours as agreed. for review 29 Jan 2025",
    ]
    assert "2 threads in all." in page.text


async def test_an_empty_client_says_how_mail_comes(site: Site) -> None:
    firm = await a_firm()
    client = await a_client(firm)
    page = await (await site.signed_in(await a_user(firm))).get(f"/clients/{client.id}/activities")
    assert "No mail is filed here yet." in page.text


async def test_long_lists_have_pages(site: Site) -> None:
    firm = await a_firm()
    user = await a_user(firm)
    client, mailbox, browser = await a_client(firm, "AAA"), await a_mailbox(user), await site.signed_in(user)
    for number in range(51):
        await file_mail(mailbox, client, subject=f"Mail {number}", sent_at=NOW - timedelta(minutes=number))
        await a_client(firm, f"Client {number}")
    first = await browser.get(f"/clients/{client.id}/activities")
    assert (len(first.dom.select(".mail-row")), "Newer" in first.text) == (50, False)
    second = await browser.get(f"/clients/{client.id}/activities" + str(first.dom.find("a", rel="next")["href"]).split("activities")[1])  # type: ignore[index]
    assert "Mail 50" in second.text
    assert second.dom.find("a", rel="next") is None
    clients = await browser.get("/clients?q=Client")
    assert clients.dom.find("a", rel="next")["href"] == "/clients?q=Client&page=2"  # type: ignore[index]
    assert len([link for link in (await browser.get("/clients?q=Client&page=2")).links() if link.endswith("activities")]) == 1
    for nonsense in ("0", "-1", "x", "999999999999999999999", "²", ""):
        assert (await browser.get(f"/clients?page={nonsense}")).status == 404
        assert (await browser.get(f"/clients/{client.id}/activities?before={nonsense}")).status == 404
