"""Clients from a file, by an admin's own hands: looked at before anything is written, line by line, and told in numbers afterwards."""

import csv
import io
from datetime import timedelta

import aiohttp
import pytest

from models.audit_log import AuditEntry
from models.clients import archive
from models.directory import Client, Contact
from models.firms import Firm, User
from models.gaps import Gap
from models.import_drafts import ImportDraft
from portal import client_import
from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.portal.browser import Browser, Page
from tests.portal.mails import NOW
from tests.portal.site import Site

HEADER = "client_id,client_name,client_number,contact_name,address,nominated\n"
GOOD = (
    HEADER
    + "1,Harbour Bakery,1042,Pat,pat@harbour.example,yes\n2,Example Trust,,Pat,pat@harbour.example,\n3,Millpond,,Ann,ann@sample.test,\n"
)
BROKEN = HEADER + "1,Harbour Bakery,,Pat,pat at harbour,\n2,Example Trust,,Lee,lee@trust.example,\n,No id,,,,\n"


@pytest.fixture
async def ann(database: None) -> User:
    return await a_user(await a_firm("Sample & Co"), "ann@sample.test", "admin")


async def hands_in(browser: Browser, content: bytes | str, name: str = "clients.csv") -> Page:
    """The page after the file was sent, which is the preview if all is well."""
    form = (await browser.get("/clients/import")).form("See what it would change")
    fields = aiohttp.FormData()
    fields.add_field("form_proof", str(form.find("input")["value"]))  # type: ignore[index]
    fields.add_field("pasted", "")
    fields.add_field(
        "file", io.BytesIO(content if isinstance(content, bytes) else content.encode()), filename=name, content_type="text/csv"
    )
    sent = await browser.post("/clients/import", fields)  # type: ignore[arg-type]
    return await browser.follow(sent) if sent.status == 303 else sent


async def test_nothing_is_written_before_its_person_has_seen_what_changes(site: Site, ann: User) -> None:
    await a_mailbox(ann, at=NOW)
    browser = await site.signed_in(ann)
    page = await hands_in(browser, GOOD)
    assert page.heading == "This is what it would change"
    numbers = {row.find("dt").get_text(): row.find("dd").get_text() for row in page.dom.select(".numbers div")}  # type: ignore[union-attr]
    assert numbers == {
        "New clients": "3", "Changed clients": "0", "Clients as they are": "0",
        "New contacts": "2", "New addresses": "2", "Lines to mend": "0"}  # fmt: skip
    assert "Line 2 Harbour Bakery Pat pat@harbour.example new client new contact nominated" in page.text
    assert "1 address is one of your own people’s." in page.text
    assert "Line 4 ann@sample.test" in page.text
    assert "1 address stands for several clients." in page.text
    assert "Line 2 pat@harbour.example 2 clients" in page.text
    assert await Client.all().count() == 0
    done = await browser.press(page, "Import 3 lines")
    again = await browser.press(page, "Import 3 lines")
    assert done.target == again.target, "pressed twice it is done once"
    page = await browser.follow(done)
    assert "Imported New clients 3 Changed clients 0 New contacts 2 New addresses 2" in page.text
    assert "Mail of the last 90 days from and to 2 addresses is looked for now" in page.text
    assert await Client.filter(firm_id=ann.firm_id).count() == 3
    assert await Gap.filter(reason="contact").count() == 1
    assert await AuditEntry.filter(act="imported", user_id=ann.id).count() == 1
    assert (await browser.get("/clients/import/preview")).target == "/clients/import", "the file is gone"
    page = await hands_in(browser, GOOD)
    assert page.heading == "It would change nothing"
    assert "Import 3 lines" not in page.text


async def test_good_lines_go_in_and_the_others_come_back_with_what_is_wrong(site: Site, ann: User) -> None:
    browser = await site.signed_in(ann)
    page = await hands_in(browser, BROKEN)
    assert "Line 2 address is not an e-mail address 1 · Harbour Bakery · · Pat · pat at harbour · Line 4 client_id is empty" in page.text
    given = await browser.get("/clients/import/lines-to-mend.csv")
    assert given.headers["Content-Disposition"] == 'attachment; filename="lines-to-mend.csv"'
    rows = list(csv.DictReader(io.StringIO(given.body.removeprefix("\ufeff"))))
    assert [(row["client_name"], row["line"], row["reason"]) for row in rows] == [
        ("Harbour Bakery", "2", "address is not an e-mail address"),
        ("No id", "4", "client_id is empty"),
    ]
    page = await browser.follow(await browser.press(page, "Import the 1 good line"))
    assert "2 lines were left out. Kept for a day, with what is wrong." in page.text
    assert [client.name for client in await Client.all()] == ["Example Trust"]
    rest = await browser.get("/clients/import/preview")
    assert rest.heading == "Nothing can be imported yet"
    assert "client_id is empty" in rest.text
    mended = (await browser.get("/clients/import/lines-to-mend.csv")).body.replace("pat at", "pat@").replace("pat@ ", "pat@")
    page = await hands_in(browser, mended)
    await browser.press(page, "Import the 1 good line")
    assert await Client.all().count() == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
async def test_a_file_as_excel_writes_it_in_europe(site: Site, ann: User, encoding: str) -> None:
    content = "client_id;client_name;address\r\n1;Bäckerei Müller;müller@bäckerei.example\r\n".encode(encoding)
    page = await hands_in(await site.signed_in(ann), content)
    assert "Bäckerei Müller" in page.text
    assert "new client new contact" in page.text


async def test_lines_may_be_pasted(site: Site, ann: User) -> None:
    browser = await site.signed_in(ann)
    page = await browser.get("/clients/import")
    shown = await browser.follow(await browser.press(page, "See what it would change", pasted=GOOD))
    assert "Pasted lines" in shown.text
    assert await browser.press(shown, "Import 3 lines")
    assert await Client.all().count() == 3


async def test_what_is_no_list_is_refused_in_words(site: Site, ann: User) -> None:
    browser = await site.signed_in(ann)
    for content, says in (
        (b"", "Choose a file, or paste the lines."),
        (b"PK\x03\x04" + b"\0" * 100, "This is an Excel workbook. In Excel choose File → Save as → CSV UTF-8"),
        (b"x" * (client_import.LARGEST + 1), "The file is larger than 10 MB."),
        (b"1\n" * (client_import.MOST_LINES + 2), "The file has more than 50,000 lines."),
    ):
        page = await hands_in(browser, content)
        assert (page.status, says in page.text) == (400, True), says
    assert await ImportDraft.all().count() == 0
    page = await hands_in(browser, "name,mail\nBakery,pat@harbour.example\n")
    assert page.heading == "Nothing can be imported yet"
    assert "Line 1 the first line must name the columns; client_id, client_name is missing" in page.text
    assert (await browser.get("/clients/import/preview")).status == 200


async def test_far_too_much_is_not_even_read(site: Site, ann: User) -> None:
    browser = await site.signed_in(ann)
    page = await hands_in(browser, b"x" * (client_import.UPLOAD + 1))
    assert page.status == 413
    other = await browser.post("/clients/new", {"form_proof": "x" * 70_000})
    assert other.status == 413, "elsewhere a form has its few bytes"


async def test_files_are_taken_there_and_nowhere_else(site: Site, ann: User) -> None:
    browser = await site.signed_in(ann)
    fields = aiohttp.FormData()
    fields.add_field("form_proof", str((await browser.get("/clients/new")).form("Add the client").find("input")["value"]))  # type: ignore[index]
    fields.add_field("name", io.BytesIO(b"Bakery"), filename="name.txt")
    assert (await browser.post("/clients/new", fields)).status == 400  # type: ignore[arg-type]
    assert await Client.all().count() == 0


async def test_only_the_file_that_was_looked_at_is_imported(site: Site, ann: User) -> None:
    browser = await site.signed_in(ann)
    first = await hands_in(browser, GOOD)
    await hands_in(browser, BROKEN)
    late = await browser.press(first, "Import 3 lines")
    assert (late.status, "another one was handed in meanwhile" in late.text) == (409, True)
    assert await Client.all().count() == 0
    page = await browser.get("/clients/import/preview")
    gone = await browser.follow(await browser.press(page, "Throw the file away"))
    assert "A file waits for you" not in gone.text
    assert (await browser.press(page, "Import the 1 good line")).status == 409
    assert (await browser.get("/clients/import/lines-to-mend.csv")).status == 404


async def test_a_file_waits_for_a_day_and_only_for_its_person(site: Site, ann: User) -> None:
    """Scenario 75."""
    firm = await Firm.get(id=ann.firm_id)
    browser = await site.signed_in(ann)
    await a_client(firm, "A client")
    preview = await hands_in(browser, GOOD)
    assert "A file waits for you. You handed in clients.csv just now ." in (await browser.get("/clients")).text
    for other in (await a_user(firm, role="admin"), await a_user(await a_firm(), role="admin")):
        theirs = await site.signed_in(other)
        assert (await theirs.get("/clients/import/preview")).status == 303
        assert (await theirs.get("/clients/import/lines-to-mend.csv")).status == 404
        proof = str((await theirs.get("/clients/new")).form("Add the client").find("input")["value"])  # type: ignore[index]
        draft = str(preview.form("Import 3 lines").find("input", attrs={"name": "draft"})["value"])  # type: ignore[index]
        assert (await theirs.post("/clients/imports", {"form_proof": proof, "draft": draft})).status == 409
        await theirs.post("/clients/import/discarding", {"form_proof": proof, "draft": draft})
    done = await browser.press(preview, "Import 3 lines")
    assert (await theirs.get(done.target)).status == 404
    await hands_in(browser, BROKEN)
    site.clock.now = NOW + timedelta(days=1)
    assert "A file waits" not in (await browser.get("/clients")).text


async def test_staff_import_nothing(site: Site, ann: User) -> None:
    browser = await site.signed_in(await a_user(await Firm.get(id=ann.firm_id)))
    proof = str((await browser.get("/")).form("Sign out").find("input")["value"])  # type: ignore[index]
    assert (await browser.get("/clients/import")).status == 403
    assert (await browser.post("/clients/import", {"form_proof": proof, "pasted": GOOD})).status == 403
    assert await ImportDraft.all().count() == 0


async def test_the_template_is_a_file_that_can_be_imported(site: Site, ann: User) -> None:
    browser = await site.signed_in(ann)
    template = await browser.get("/clients/import/template.csv")
    assert template.headers["Content-Type"] == "text/csv; charset=utf-8"
    page = await hands_in(browser, template.body)
    assert "New clients 3" in page.text
    await browser.press(page, "Import 4 lines")
    assert (await Client.all().count(), await Contact.all().count()) == (3, 2)


async def test_archived_clients_of_a_file_are_told_and_cells_of_markup_are_words(site: Site, ann: User) -> None:
    browser, old = await site.signed_in(ann), await a_client(await Firm.get(id=ann.firm_id), "Old")
    await archive(ann.firm_id, old.id, NOW)
    page = await hands_in(browser, f"{HEADER}{old.external_id},Old <b>Mill</b>,,,,\n9,<script>alert(1)</script>,,,x<y>,\n", "<i>.csv")
    assert "1 client of the file is archived, and stays so: Old <b>Mill</b>" in page.text
    assert "<script>alert" not in page.body
    assert "<i>" not in page.body
