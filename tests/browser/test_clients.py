"""An admin brings a firm's clients in from a file, mends what was wrong, and keeps them: on a desk, on a phone, without scripts."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Visitors
from tests.browser.visitor import PHONE, Visitor
from tests.journeys.house import House

FIRM = "Clients and Sons"
FILE = """client_id;client_name;client_number;contact_name;address;nominated
1001;Bäckerei Müller;1001;Pat Example;pat@mueller.example;yes
1002;Example Family Trust;1002;Pat Example;pat@mueller.example;
1003;Millpond Property;1003;Lee Example;lee at millpond;
1004;Northgate Dental;1004;Kim Example;kim@northgate.example;
"""
PHONE_SIZE = dict(zip(("width", "height"), PHONE, strict=True))


@pytest.fixture(scope="module")
async def firm(house: House) -> str:
    await house.firm(FIRM)
    return FIRM


async def test_clients_come_from_a_file_and_are_kept(house: House, visitor: Visitor, firm: str, tmp_path: Path) -> None:
    """Scenario 70."""
    (tmp_path / "clients.csv").write_bytes(FILE.encode("cp1252"))
    await visitor.opens(await house.add_person(firm, "ida@sample.test", admin=True))
    await visitor.clicks("Clients")
    await visitor.sees("has no clients yet")
    await visitor.looks("clients-none")
    await visitor.clicks("Import clients")
    await visitor.looks("import")
    await visitor.page.locator("input[type=file]").set_input_files(tmp_path / "clients.csv")
    await visitor.clicks("See what it would change")
    await visitor.sees("This is what it would change", "Bäckerei Müller", "Line 4 address is not an e-mail address", "several clients")
    await visitor.looks("import-preview")
    async with visitor.page.expect_download() as taken:
        await visitor.clicks("Take this line as a file")
    mended = Path(await (await taken.value).path()).read_text().replace("lee at millpond", "lee@millpond.example")
    await visitor.clicks("Import the 3 good lines")
    await visitor.sees("Imported", "1 line was left out.")
    await visitor.looks("import-result")
    await visitor.clicks("To the clients")
    await visitor.clicks("Import")
    await visitor.page.get_by_label("Or paste the lines").fill(mended)
    await visitor.clicks("See what it would change")
    await visitor.clicks("Import 1 line")
    await visitor.clicks("To the clients")
    await visitor.sees("Bäckerei Müller", "Example Family Trust", "Millpond Property", "Northgate Dental")
    await visitor.looks("clients")
    await visitor.writes("Name or number of a client, or a contact’s name or address", "kim@")
    await visitor.presses_and_goes("Enter")
    await visitor.sees("Kim Example · kim@northgate.example")
    await visitor.picks("Northgate Dental")
    await visitor.clicks("Contacts")
    await visitor.page.locator("#add").get_by_label("Name").fill("Noa Example")
    await visitor.page.get_by_label("Addresses").fill("noa@northgate.example")
    await visitor.clicks("Add the contact")
    await visitor.sees("The contact is added. Mail of the last 90 days")
    await visitor.looks("client")
    visitor.refusals.add(400)
    await visitor.page.locator("#add").get_by_label("Name").fill("Nobody")
    await visitor.page.get_by_label("Addresses").fill("nobody at all")
    await visitor.clicks("Add the contact")
    await visitor.sees("“nobody at all” is not an e-mail address.")
    await expect(visitor.page.get_by_role("alert")).to_be_in_viewport()
    await visitor.page.evaluate("scrollTo(0, 0)")
    await visitor.looks("client-refused")


async def test_two_clients_are_merged_and_one_removed_on_a_phone(house: House, visitors: Visitors) -> None:
    """Scenario 73. Without scripts, too."""
    clients = "client_id,client_name,address\n1,Bakery,pat@b.example\n2,Bakery Ltd,pat@b.example\n3,Old Mill,kim@m.example\n"
    await house.firm("Merging and Sons", clients)
    visitor = await visitors(viewport=PHONE_SIZE, java_script_enabled=False)
    await visitor.opens(await house.add_person("Merging and Sons", "ina@sample.test", admin=True))
    await visitor.clicks("Clients")
    await visitor.picks("Bakery no mail yet")
    await visitor.clicks("Contacts")
    await visitor.page.get_by_role("link", name="Merge into another client…").click()
    await visitor.page.get_by_role("searchbox").fill("ltd")
    await visitor.clicks("Search")
    await visitor.clicks("Bakery Ltd")
    await visitor.page.get_by_role("button", name="Merge into Bakery Ltd").click()
    await expect(visitor.page.get_by_role("status")).to_contain_text("The two are one client now.")


async def test_the_client_that_stays_is_found_while_it_is_written(house: House, visitor: Visitor, firm: str) -> None:
    """Scenario 73. And one that goes for good is removed by who ticks the box."""
    clients = "client_id,client_name,address\n1,Bakery,pat@b.example\n2,Bakery Ltd,pat@b.example\n3,Old Mill,kim@m.example\n"
    await house.firm("Removing and Sons", clients)
    await visitor.opens(await house.add_person("Removing and Sons", "iva@sample.test", admin=True))
    await visitor.clicks("Clients")
    await visitor.picks("Old Mill")
    await visitor.clicks("Contacts")
    await visitor.clicks("Merge into another client…")
    await expect(visitor.page.locator(".found a")).to_have_count(2)
    await visitor.page.keyboard.type("ltd")
    await expect(visitor.page.locator(".found a")).to_have_count(1)
    await visitor.looks("client-merge-choose")
    await visitor.clicks("Bakery Ltd")
    await visitor.sees("This cannot be taken back.")
    await visitor.looks("client-merge")
    await visitor.clicks("Leave it as it is")
    await visitor.clicks("Remove for good…")
    visitor.refusals.add(400)
    await visitor.clicks("Remove for good")
    await visitor.sees("Nothing was removed. Tick the box if you are sure.")
    await visitor.looks("client-removal")
    await visitor.page.get_by_role("checkbox").check()
    await visitor.clicks("Remove for good")
    await visitor.sees("The client is removed.", "Bakery Ltd")
    await visitor.does_not_see("Old Mill")
