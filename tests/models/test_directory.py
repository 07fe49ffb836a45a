"""Whose address is whose, and the import that says so."""

from models.client_file import Entry
from models.directory import Client, ContactAddress, clients_by_address
from models.importing import Imported, import_entries
from tests.builders import a_client, a_firm


def an_entry(client: str, address: str | None, contact: str = "Pat") -> Entry:
    return Entry(client, f"Client {client}", "", contact, address or "", address and address.lower(), nominated=False)


async def test_an_address_stands_for_every_client_of_every_contact_that_has_it(database):
    """Scenarios 59, 61."""
    firm, other_firm = await a_firm(), await a_firm()
    one, two = [(await a_client(firm, "", "pat@client.example", f"{name}@client.example")).id for name in ("a", "b")]
    await a_client(other_firm, "", "pat@client.example")
    found = await clients_by_address(firm.id, ["pat@client.example", "a@client.example", "nobody@client.example"])
    assert found == {"pat@client.example": {one, two}, "a@client.example": {one}}


async def test_one_firm_never_sees_another_s_contacts(database):
    """Scenario 51."""
    firm, other_firm = await a_firm(), await a_firm()
    await a_client(other_firm, "", "pat@client.example")
    assert await clients_by_address(firm.id, ["pat@client.example"]) == {}


async def test_an_import_may_be_repeated_and_shares_a_person_between_clients(now):
    firm = await a_firm()
    entries = [
        an_entry("1", "Pat@client.example"),
        an_entry("2", "pat@client.example"),
        an_entry("2", "lee@client.example", "Lee"),
        an_entry("3", None),
    ]
    assert await import_entries(firm.id, entries, now) == Imported(clients=3, contacts=2, addresses=2)
    assert await import_entries(firm.id, entries, now) == Imported(0, 0, 0)
    ids = {client.external_id: client.id for client in await Client.filter(firm=firm)}
    assert await clients_by_address(firm.id, ["pat@client.example"]) == {"pat@client.example": {ids["1"], ids["2"]}}


async def test_two_people_of_one_address_are_two_contacts_with_it(now):
    """Scenario 61."""
    firm = await a_firm()
    await import_entries(firm.id, [an_entry("1", "info@client.example", "Pat"), an_entry("2", "info@client.example", "Lee")], now)
    assert await ContactAddress.filter(address_key="info@client.example").count() == 2
    assert len((await clients_by_address(firm.id, ["info@client.example"]))["info@client.example"]) == 2
