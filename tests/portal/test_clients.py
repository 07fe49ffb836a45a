"""The clients' list and a client's own page: found, added, renamed, archived, merged, removed; what is said before and after."""

import re
from typing import Any

import pytest

from models.activities import Activity
from models.audit_log import AuditEntry
from models.clients import archive
from models.database import Pool
from models.directory import Client, ClientContact, Contact, ContactAddress
from models.emails import Email
from models.firms import Firm, User
from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.models.test_large_directory import a_directory
from tests.portal.browser import Browser
from tests.portal.mails import NOW, file_mail
from tests.portal.site import Site


@pytest.fixture
async def ann(database: None) -> User:
    return await a_user(await a_firm("Sample & Co"), "ann@sample.test", "admin")


async def firm_of(user: User) -> Firm:
    return await Firm.get(id=user.firm_id)


async def proof_of(browser: Browser) -> str:
    return str((await browser.get("/clients/new")).form("Add the client").find("input")["value"])  # type: ignore[index]


# the list


async def test_a_client_is_found_by_its_contacts_and_their_addresses(site: Site, ann: User) -> None:
    firm = await firm_of(ann)
    bakery, trust = await a_client(firm, "Harbour Bakery", "pat@harbour.example"), await a_client(firm, "Example Trust", "lee.x@gmail.com")
    await Contact.filter(name="pat@harbour.example").update(name="Pat Example")
    await a_client(await a_firm(), "Theirs", "pat@harbour.example")
    browser = await site.signed_in(ann)

    async def found(words: str) -> list[str]:
        return [link for link in (await browser.get(f"/clients?q={words}")).links() if link.endswith("activities")]

    ours, others = [f"/clients/{bakery.id}/activities"], [f"/clients/{trust.id}/activities"]
    assert await found("pat+EXAM") == ours
    assert await found("harbour.ex") == ours
    assert await found("leex%40gmail.com") == others, "as Google reads it"
    assert await found("Theirs") == []
    page = await browser.get("/clients?q=pat")
    assert "Harbour Bakery Pat Example · pat@harbour.example" in page.text
    assert "Pat Example" not in (await browser.get("/clients?q=Harbour+B")).text, "found by itself"


async def test_archived_clients_are_folded_away_and_counted(site: Site, ann: User) -> None:
    firm, browser = await firm_of(ann), await site.signed_in(ann)
    old, _ = await a_client(firm, "Old Mill"), await a_client(firm, "New Mill")
    assert "Archived" not in (await browser.get("/clients")).text
    await archive(firm.id, old.id, NOW)
    page = await browser.get("/clients?q=mill")
    assert "In use 1 Archived 1 New Mill no mail yet" in page.text
    assert "Old Mill" not in page.text
    page = await browser.get("/clients?q=mill&archived=yes")
    assert "Old Mill archived" in page.text
    assert "New Mill" not in page.text
    assert "No client in use’s name or number has “old” in it" in (await browser.get("/clients?q=old")).text


async def test_a_firm_without_clients_is_led_to_the_import_or_told_whom_to_ask(site: Site, ann: User) -> None:
    page = await (await site.signed_in(ann)).get("/clients")
    assert page.links() == ["/clients/import", "/clients/new"]
    page = await (await site.signed_in(await a_user(await firm_of(ann)))).get("/clients")
    assert "Ask Ann to bring them in" in page.text
    assert page.links() == []


async def test_twenty_thousand_clients_cost_as_many_queries_as_one(site: Site, ann: User) -> None:
    browser = await site.signed_in(ann)
    await a_client(await firm_of(ann), "Client 00", "pat@x.example")

    async def queries(address: str) -> int:
        before = Pool.given
        assert (await browser.get(address)).status == 200
        return Pool.given - before

    few = [await queries(address) for address in ("/clients", "/clients?q=Client+1", "/clients?q=p19")]
    big = await a_directory(20_000)
    await User.filter(id=ann.id).update(firm_id=big.id)
    assert [await queries(address) for address in ("/clients", "/clients?q=Client+1", "/clients?q=p19")] == few
    assert (await browser.get("/clients?page=400")).text.count("no mail yet") == 50
    assert "There are no clients on this page." in (await browser.get("/clients?page=401")).text


# by hand


async def test_a_client_is_added_once_however_often_the_button_is_pressed(site: Site, ann: User) -> None:
    browser = await site.signed_in(ann)
    form = await browser.get("/clients/new")
    done = [await browser.press(form, "Add the client", name="  Harbour   Bakery ", number="1042") for _ in range(2)]
    (client,) = await Client.all()
    assert (client.name, client.number, client.firm_id) == ("Harbour Bakery", "1042", ann.firm_id)
    assert re.fullmatch(r"postroom-[0-9a-f]{8}", client.external_id)
    assert [page.target for page in done] == [f"/clients/{client.id}"] * 2
    page = await browser.follow(done[0])
    assert "Harbour Bakery has no contacts, so no mail is filed for it." in page.text
    assert [(entry.act, entry.after) for entry in await AuditEntry.all()] == [("client added", {"client": client.id})]


async def test_what_cannot_be_a_client_is_said_and_what_was_written_stays(site: Site, ann: User) -> None:
    browser, taken = await site.signed_in(ann), await a_client(await firm_of(ann), "Taken")
    form = await browser.get("/clients/new")
    for fields, says in (
        ({"name": " "}, "Write the client’s name."),
        ({"name": "x" * 201}, "The name is longer than 200 characters."),
        ({"name": "Another", "external_id": taken.external_id}, "Taken has this id"),
    ):
        page = await browser.press(form, "Add the client", **fields)
        assert (page.status, says in page.text) == (400, True)
        assert page.dom.find("input", attrs={"name": "name"})["value"] == fields["name"].strip()  # type: ignore[index]
    assert await Client.all().count() == 1


async def test_a_client_is_renamed_unless_somebody_did_so_meanwhile(site: Site, ann: User) -> None:
    browser, client = await site.signed_in(ann), await a_client(await firm_of(ann), "Bakery")
    form = await browser.get(f"/clients/{client.id}")
    done = await browser.press(form, "Save name and number", name="Harbour Bakery", number="7")
    assert "Saved." in (await browser.follow(done)).text
    late = await browser.press(form, "Save name and number", name="Bakery of Harbour")
    assert late.status == 409
    assert "it is “Harbour Bakery, 7” now" in late.text
    assert (await Client.get(id=client.id)).name == "Harbour Bakery"
    assert (await browser.press(late, "Save name and number")).status == 303
    assert (await Client.get(id=client.id)).name == "Bakery of Harbour"
    again = await browser.press(await browser.get(f"/clients/{client.id}"), "Save name and number")
    assert again.target == f"/clients/{client.id}"
    assert await AuditEntry.filter(act="client changed").count() == 2


# archived, merged, removed


async def two_clients(ann: User) -> tuple[Client, Client]:
    """The first one with a mail of its own, one that both have, and a question between them."""
    firm = await firm_of(ann)
    one, two = await a_client(firm, "One", "pat@one.example"), await a_client(firm, "Two", "pat@two.example")
    mailbox = await a_mailbox(ann, at=NOW)
    await file_mail(mailbox, one)
    await file_mail(mailbox, one, two)
    await file_mail(mailbox, doubt=(one, two))
    return one, two


async def test_a_client_is_archived_and_restored_from_its_page(site: Site, ann: User) -> None:
    """Scenario 73."""
    one, two = await two_clients(ann)
    browser = await site.signed_in(ann)
    page = await browser.get(f"/clients/{one.id}")
    assert "3 mails and 1 contact stay. 1 open question goes on without it" in page.text
    page = await browser.follow(await browser.press(page, "Archive One"))
    assert "Archived. 2 mails stay here; 1 open question goes on without it." in page.text
    assert await Activity.filter(client=two, status="review").count() == 1
    page = await browser.follow(await browser.press(page, "Restore"))
    assert "What came meanwhile is looked for now." in page.text
    assert (await Client.get(id=one.id)).archived_at is None


async def test_two_clients_are_merged_in_two_steps(site: Site, ann: User) -> None:
    """Scenario 73."""
    one, two = await two_clients(ann)
    theirs = await a_client(await a_firm(), "Two of theirs")
    browser = await site.signed_in(ann)
    choice = await browser.get(f"/clients/{one.id}/merge?q=two")
    assert choice.links() == ["/clients", f"/clients/{one.id}", f"/clients/{one.id}/merge?into={two.id}"]
    page = await browser.get(f"/clients/{one.id}/merge?into={two.id}")
    assert "3 mails go along; 1 of them is under both, and will be there once." in page.text
    assert await Client.all().count() == 3, "nothing is done by looking"
    done = await browser.press(page, "Merge into Two")
    assert done.target.startswith(f"/clients/{two.id}?told=")
    assert (
        "The two are one client now. 3 mails came along. 1 open question named the other one; 1 of them needs"
        in (await browser.follow(done)).text
    )
    assert not await Client.exists(id=one.id)
    assert await ClientContact.filter(client=two).count() == 2
    assert (await browser.press(page, "Merge into Two")).target == f"/clients/{two.id}", "pressed twice"
    page = await browser.get(f"/clients/{two.id}/merge")
    for into in (theirs.id, two.id, one.id):
        assert (await browser.get(f"/clients/{two.id}/merge?into={into}")).status == 404
        pressed = await browser.post(f"/clients/{two.id}/merge", {"form_proof": await proof_of(browser), "into": str(into)})
        assert pressed.status == 404


async def test_nothing_is_merged_into_an_archived_client(site: Site, ann: User) -> None:
    """Scenario 73."""
    one, two = await two_clients(ann)
    browser = await site.signed_in(ann)
    page = await browser.get(f"/clients/{one.id}/merge?into={two.id}")
    await archive(ann.firm_id, two.id, NOW)
    refused = await browser.press(page, "Merge into Two")
    assert (refused.status, "Two is archived, and takes no mail." in refused.text) == (409, True)
    assert await Client.exists(id=one.id)


async def test_a_client_is_removed_only_by_who_says_so_twice(site: Site, ann: User) -> None:
    """Scenario 73. What is said before is what is done."""
    one, _ = await two_clients(ann)
    browser = await site.signed_in(ann)
    page = await browser.get(f"/clients/{one.id}/removal")
    assert "3 mails are under it. 1 mail that is under no other client is erased here" in page.text
    assert "1 contact: 1 that is nobody else’s is gone" in page.text
    unsure = await browser.press(page, "Remove for good", sure="")
    assert (unsure.status, "Tick the box if you are sure." in unsure.text) == (400, True)
    assert (await Client.all().count(), await Email.all().count()) == (2, 3)
    done = await browser.press(page, "Remove for good", sure="yes")
    assert (
        "The client is removed. 2 mails were there; 1 that had no other client is erased. 1 open question goes on without it."
        in (await browser.follow(done)).text
    )
    assert (await Client.all().count(), await Email.all().count(), await ContactAddress.all().count()) == (1, 2, 1)
    assert (await browser.press(page, "Remove for good", sure="yes")).status == 404


async def test_what_somebody_did_is_told_to_nobody_else(site: Site, ann: User) -> None:
    one, two = await two_clients(ann)
    browser = await site.signed_in(ann)
    done = await browser.press(await browser.get(f"/clients/{one.id}/merge?into={two.id}"), "Merge into Two")
    bob = await site.signed_in(await a_user(await firm_of(ann), role="admin"))
    assert "The two are one client now" not in (await bob.get(done.target)).text
    for nonsense in ("", "x", "9" * 30, "-1"):
        assert (await bob.get(f"/clients/{two.id}?told={nonsense}")).status == 200


async def test_staff_see_a_client_and_can_change_nothing_there(site: Site, ann: User) -> None:
    one, _ = await two_clients(ann)
    await Client.filter(id=one.id).update(number="1042")
    browser = await site.signed_in(await a_user(await firm_of(ann)))
    page = await browser.get(f"/clients/{one.id}")
    assert (page.status, page.heading) == (200, "One")
    for seen in ("pat@one.example", "1042", one.external_id, "Admins change contacts and clients."):
        assert seen in page.text
    assert page.dom.select("main form") == []
    assert (await browser.get("/clients/new")).status == 403
    assert (await browser.get(f"/clients/{one.id}/removal")).status == 403


async def test_a_name_of_markup_is_shown_as_it_is_written(site: Site, ann: User) -> None:
    evil = "<script>alert(1)</script>"
    client = await a_client(await firm_of(ann), evil, "pat@one.example")
    await Contact.all().update(name=evil)
    browser = await site.signed_in(ann)
    pages: list[Any] = [f"/clients/{client.id}", "/clients?q=script", f"/clients/{client.id}/merge", f"/clients/{client.id}/removal"]
    for address in pages:
        page = await browser.get(address)
        assert "<script>alert" not in page.body
        assert evil in page.text
