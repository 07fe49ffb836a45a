"""A client's contacts: added and nominated, their addresses, and what is said of past mail; nothing of it touches what is filed."""

import json

import pytest

from models.activities import Activity
from models.audit_log import AuditEntry
from models.database import Pool, connection
from models.directory import Client, ClientContact, Contact, ContactAddress, clients_by_address
from models.firms import Firm, User
from models.gaps import Gap
from models.never_file import OwnDomain
from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.portal.browser import Browser, Page
from tests.portal.mails import NOW, file_mail
from tests.portal.site import Site

PAT, LEE = "pat@harbour.example", "lee@harbour.example"


@pytest.fixture
async def ann(database: None) -> User:
    return await a_user(await a_firm("Sample & Co"), "ann@sample.test", "admin")


@pytest.fixture
async def bakery(ann: User) -> Client:
    return await a_client(await Firm.get(id=ann.firm_id), "Harbour Bakery")


async def adds(browser: Browser, client: Client, name: str, addresses: str) -> Page:
    return await browser.press(await browser.get(f"/clients/{client.id}"), "Add the contact", name=name, addresses=addresses)


async def test_a_new_contacts_past_mail_is_looked_for_and_the_page_says_so(site: Site, ann: User, bakery: Client) -> None:
    """Scenario 70."""
    await a_mailbox(ann, at=NOW)
    browser = await site.signed_in(ann)
    done = await adds(browser, bakery, "Pat Example", f"{PAT}\n{LEE.upper()}, {PAT}")
    page = await browser.follow(done)
    assert "The contact is added. Mail of the last 90 days from and to these addresses is looked for now" in page.text
    assert f"Pat Example {PAT}" in page.text
    assert set(await clients_by_address(bakery.firm_id, [PAT, LEE])) == {PAT, LEE}
    assert [gap.addresses for gap in await Gap.all()] == [[LEE, PAT]]
    again = await browser.follow(await adds(browser, bakery, "Pat Example", PAT))
    assert "The contact is added. Its past mail is not looked for again." in again.text
    assert (await Contact.all().count(), await ContactAddress.all().count(), await Gap.all().count()) == (1, 2, 1)
    await Firm.all().update(past_days=0)
    page = await browser.follow(await adds(browser, bakery, "Kim", "kim@harbour.example"))
    assert "Only new mail is filed: your firm looks for no past mail." in page.text


async def test_a_person_that_the_firm_knows_becomes_the_other_clients_too(site: Site, ann: User, bakery: Client) -> None:
    """Scenario 61."""
    browser, trust = await site.signed_in(ann), await a_client(await Firm.get(id=ann.firm_id), "Example Trust")
    for client in (bakery, trust):
        await adds(browser, client, "Pat", PAT)
    await adds(browser, trust, "Lee", PAT)  # another person, of the same address
    assert await Contact.all().count() == 2
    page = await browser.get(f"/clients/{bakery.id}")
    assert "Also a contact of Example Trust . Mail that could be either’s is asked about." in page.text
    assert f"/clients/{trust.id}" in page.links()
    assert (await clients_by_address(ann.firm_id, [PAT]))[PAT] == {bakery.id, trust.id}


async def test_one_client_is_meant_by_default(site: Site, ann: User, bakery: Client) -> None:
    """Scenario 59."""
    browser, trust = await site.signed_in(ann), await a_client(await Firm.get(id=ann.firm_id), "Example Trust")
    await adds(browser, bakery, "Pat", PAT)
    assert "Nominate" not in (await browser.get(f"/clients/{bakery.id}")).text, "nothing to choose between"
    await adds(browser, trust, "Pat", PAT)

    async def nominated() -> list[int]:
        return [link.client_id for link in await ClientContact.filter(nominated=True)]  # type: ignore[attr-defined]

    page = await browser.get(f"/clients/{bakery.id}")
    for _ in range(2):
        done = await browser.press(page, "Nominate for this client")
    assert await nominated() == [bakery.id]
    assert done.target == f"/clients/{bakery.id}", "nothing was to be done the second time"
    assert "Pat nominated for this client" in (await browser.get(f"/clients/{bakery.id}")).text
    page = await browser.get(f"/clients/{trust.id}")
    assert "It takes the place of Harbour Bakery ." in page.text
    page = await browser.follow(await browser.press(page, "Nominate for this client"))
    assert "Where this contact’s mail could be several clients’, the first guess is this one" in page.text
    assert await nominated() == [trust.id]
    await browser.press(page, "Do not prefer this client")
    assert await nominated() == []


async def test_what_is_filed_stays_whatever_becomes_of_a_contact(site: Site, ann: User, bakery: Client) -> None:
    """Scenario 70."""
    browser, trust = await site.signed_in(ann), await a_client(await Firm.get(id=ann.firm_id), "Example Trust")
    await file_mail(await a_mailbox(ann, at=NOW), bakery)
    for client in (bakery, trust):
        await adds(browser, client, "Pat", f"{PAT}\n{LEE}")
    page = await browser.get(f"/clients/{bakery.id}")
    assert (
        "Removing an address leaves what is filed where it is; only nothing new is filed for it, under the contact’s other clients"
        in page.text
    )
    done = await browser.press(page, f"Remove {PAT}")
    assert "The address is removed. What is filed stays." in (await browser.follow(done)).text
    assert (await browser.press(page, f"Remove {PAT}")).target == f"/clients/{bakery.id}", "pressed twice"
    assert await clients_by_address(ann.firm_id, [PAT]) == {}
    page = await browser.get(f"/clients/{bakery.id}")
    assert "The contact stays with 1 other client." in page.text
    page = await browser.follow(await browser.press(page, "Remove from this client"))
    assert "The contact is removed from this client. What is filed stays." in page.text
    assert await clients_by_address(ann.firm_id, [LEE]) == {LEE: {trust.id}}
    page = await browser.get(f"/clients/{trust.id}")
    assert "The contact is no other client’s: it is gone then, with its addresses." in page.text
    await browser.press(page, "Remove from this client")
    assert (await Contact.all().count(), await ContactAddress.all().count()) == (0, 0)
    assert await Activity.filter(client=bakery, status="filed").count() == 1


async def test_a_further_address_is_every_clients_of_the_contact(site: Site, ann: User, bakery: Client) -> None:
    browser, trust = await site.signed_in(ann), await a_client(await Firm.get(id=ann.firm_id), "Example Trust")
    for client in (bakery, trust):
        await adds(browser, client, "Pat", PAT)
    page = await browser.follow(await browser.press(await browser.get(f"/clients/{bakery.id}"), "Add the address", address=LEE))
    assert "The address is added. Mail of the last 90 days from and to this address is looked for now" in page.text
    assert (await clients_by_address(ann.firm_id, [LEE]))[LEE] == {bakery.id, trust.id}


async def test_what_is_no_address_is_said_beside_it_and_stays_written(site: Site, ann: User, bakery: Client) -> None:
    browser = await site.signed_in(ann)
    refused = await adds(browser, bakery, "Pat", f"{PAT}\npat at harbour")
    assert (refused.status, "“pat at harbour” is not an e-mail address." in refused.text) == (400, True)
    form = refused.form("Add the contact")
    assert form.find("textarea").get_text() == f"{PAT}\npat at harbour"  # type: ignore[union-attr]
    assert form.find("input", attrs={"name": "name"})["value"] == "Pat"  # type: ignore[index]
    assert (await adds(browser, bakery, " ", " ")).status == 400
    assert (await adds(browser, bakery, "x" * 201, PAT)).status == 400
    assert (await adds(browser, bakery, "Pat", "\n".join(f"p{n}@x.example" for n in range(51)))).status == 400
    assert await Contact.all().count() == 0
    await adds(browser, bakery, "Pat", PAT)
    refused = await browser.press(await browser.get(f"/clients/{bakery.id}"), "Add the address", address="nobody")
    assert (refused.status, "“nobody” is not an e-mail address." in refused.text) == (400, True)
    assert refused.dom.find("details", open=True) is not None


async def test_an_address_of_a_colleague_is_marked(site: Site, ann: User, bakery: Client) -> None:
    """Scenario 65."""
    await OwnDomain.create(firm_id=ann.firm_id, domain="own.test")
    browser = await site.signed_in(ann)
    await adds(browser, bakery, "Ann", f"ann@sample.test\nboss@own.test\n{PAT}")
    assert (await browser.get(f"/clients/{bakery.id}")).text.count("one of your own Mail among yourselves is not filed") == 2


async def test_another_firms_contacts_and_addresses_are_not_there(site: Site, ann: User, bakery: Client) -> None:
    """Scenario 75."""
    browser = await site.signed_in(ann)
    theirs = await a_client(await a_firm(), "Theirs", "kim@theirs.example")
    link, address = await ClientContact.get(client=theirs), await ContactAddress.get(address_key="kim@theirs.example")
    contact = link.contact_id  # type: ignore[attr-defined]
    await adds(browser, bakery, "Pat", PAT)
    ours = (await Contact.get(name="Pat")).id
    proof = str((await browser.get(f"/clients/{bakery.id}")).form("Add the contact").find("input")["value"])  # type: ignore[index]
    fields = {"form_proof": proof, "address": LEE, "nominated": "yes"}
    for client, one in ((bakery.id, contact), (theirs.id, contact), (theirs.id, ours), (bakery.id, 10**30)):
        for act in ("addresses", f"addresses/{address.id}/removal", "nomination", "removal"):
            assert (await browser.post(f"/clients/{client}/contacts/{one}/{act}", fields)).status == 404
    kept = await browser.post(f"/clients/{bakery.id}/contacts/{ours}/addresses/{address.id}/removal", fields)
    assert kept.status == 303
    assert await ContactAddress.filter(id=address.id).exists()
    page = await browser.follow(await adds(browser, bakery, "kim@theirs.example", "kim@theirs.example"))
    assert "Theirs" not in page.text
    assert await Contact.filter(name="kim@theirs.example").count() == 2, "one each"


async def test_the_audit_tells_who_changed_what_by_ids_alone(site: Site, ann: User, bakery: Client) -> None:
    browser = await site.signed_in(ann)
    await adds(browser, bakery, "Pat Example", PAT)
    page = await browser.get(f"/clients/{bakery.id}")
    await browser.press(page, "Add the address", address=LEE)
    await browser.press(page, f"Remove {PAT}")
    await browser.press(page, "Remove from this client")
    entries = await AuditEntry.all().order_by("id")
    assert [entry.act for entry in entries] == ["contact added", "address added", "address removed", "contact removed"]
    assert {entry.user_id for entry in entries} == {ann.id}
    assert "harbour" not in json.dumps([[entry.before, entry.after] for entry in entries]).lower()


async def test_hundreds_of_contacts_have_pages_and_cost_no_more_queries(site: Site, ann: User, bakery: Client) -> None:
    browser = await site.signed_in(ann)
    await adds(browser, bakery, "AAA", PAT)

    async def queries() -> int:
        before = Pool.given
        assert (await browser.get(f"/clients/{bakery.id}")).status == 200
        return Pool.given - before

    few = await queries()
    async with connection() as held:
        await held.execute(
            """
            WITH made AS (INSERT INTO contact (firm_id, name) SELECT $1, 'Contact ' || n FROM generate_series(1, 120) n RETURNING id)
            INSERT INTO client_contact (client_id, contact_id, nominated) SELECT $2, id, false FROM made
            """,
            ann.firm_id,
            bakery.id,
        )
    assert await queries() == few
    assert (await browser.get(f"/clients/{bakery.id}?page=3")).text.count("No address: no mail is filed for this contact.") == 21
    assert (await browser.get(f"/clients/{bakery.id}?page=4")).status == 404
