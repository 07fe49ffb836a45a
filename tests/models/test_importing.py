"""An import: what it would change is what it changes, for one line or for thousands."""

import asyncio
import random
import time
from datetime import datetime, timedelta

import pytest

from models.audit_log import AuditEntry
from models.client_file import Entry, read
from models.clients import archive
from models.directory import Client, ClientContact, Contact, ContactAddress
from models.firms import Firm
from models.import_drafts import KEPT, ImportDraft, hand_in
from models.importing import DraftGone, FromDraft, Imported, foresee, import_entries
from models.pruning import prune
from tests.builders import a_firm, a_user

HEADER = "client_id,client_name,client_number,contact_name,address,nominated\n"


def entries(*lines: str) -> list[Entry]:
    file = read(HEADER + "\n".join(lines))
    assert file.broken == []
    return file.entries


@pytest.fixture
async def firm(now: datetime) -> Firm:
    made = await a_firm()
    await import_entries(made.id, entries("1,Bakery,10,Pat,pat@b.example,yes", "2,Trust,20,Pat,pat@b.example,", "3,Mill,,,,"), now)
    return made


async def test_what_is_foreseen_is_what_is_done(firm: Firm, now: datetime) -> None:
    lines = entries(
        "1,Bakery Ltd,10,Pat,pat@b.example,no",  # renamed, not nominated any more
        "2,Trust,21,Pat,second@b.example,",  # another number; a second address of the same person
        "3,Mill,,Pat,pat@b.example,yes",  # a further client of hers
        "4,Dental,40,Kim,kim@d.example,",  # new, with a new contact
        "4,Dental,40,Kim,kim@d.example,",
    )
    plan = await foresee(firm.id, lines)
    assert [(change.line, change.whats) for change in plan.changes] == [
        (2, ("renamed", "not nominated")),
        (3, ("new number", "new address")),
        (4, ("contact of this client, too", "nominated")),
        (5, ("new client", "new contact")),
    ]
    assert (plan.changed_clients, plan.unchanged_clients, plan.shared) == (2, 1, {"pat@b.example": 3, "second@b.example": 3})
    done = await import_entries(firm.id, lines, now)
    assert done == Imported(clients=1, contacts=1, addresses=2, changed=2, links=1, nominations=1)
    assert done.news == 3  # pat for Mill, second for hers, kim for Dental
    assert (await foresee(firm.id, lines)).changes == []
    assert {client.external_id: (client.name, client.number) for client in await Client.all()} == {
        "1": ("Bakery Ltd", "10"), "2": ("Trust", "21"), "3": ("Mill", ""), "4": ("Dental", "40")}  # fmt: skip
    assert {link.client_id: link.nominated for link in await ClientContact.filter(contact__name="Pat")} == {1: False, 2: False, 3: True}  # type: ignore[attr-defined]


async def test_what_the_file_has_no_column_for_stays(firm: Firm, now: datetime) -> None:
    file = read("client_id,client_name,contact_name,address\n1,Bakery,Pat,pat@b.example\n")
    assert (await foresee(firm.id, file.entries)).changes == []
    await import_entries(firm.id, file.entries, now)
    assert (await Client.get(external_id="1")).number == "10"
    assert await ClientContact.filter(nominated=True).count() == 1


async def test_one_firms_import_finds_nothing_of_anothers(firm: Firm, now: datetime) -> None:
    """Scenario 75."""
    other = await a_firm()
    lines = entries("1,Bakery of theirs,10,Pat,pat@b.example,")
    assert await import_entries(other.id, lines, now) == Imported(1, 1, 1)
    assert (await Client.get(firm=firm, external_id="1")).name == "Bakery"
    assert await Contact.filter(name="Pat").count() == 2


async def test_an_archived_client_is_changed_and_stays_archived(firm: Firm, now: datetime) -> None:
    client = await Client.get(external_id="1")
    await archive(firm.id, client.id, now)
    lines = entries("1,Bakery Ltd,10,Pat,pat@b.example,yes")
    plan = await foresee(firm.id, lines)
    assert (plan.archived, plan.shared) == (["Bakery Ltd"], {})
    await import_entries(firm.id, lines, now)
    client = await Client.get(external_id="1")
    assert (client.name, client.archived_at is None) == ("Bakery Ltd", False)


@pytest.mark.parametrize("seed", range(4))
async def test_lines_in_any_order_make_the_same_directory(now: datetime, seed: int) -> None:
    lines = entries(*(f"{n % 7},Client {n % 7},,Pat {n % 5},p{n % 11}@c.example," for n in range(60)))
    random.Random(seed).shuffle(lines)
    firm = await a_firm()
    await import_entries(firm.id, lines, now)
    assert await Client.all().count() == 7
    assert {row.address_key for row in await ContactAddress.all()} == {f"p{n}@c.example" for n in range(11)}
    for entry in lines:
        assert await ClientContact.filter(
            client__external_id=entry.client_id, contact__name=entry.contact_name, contact__addresses__address_key=entry.address_key
        ).exists()
    assert (await foresee(firm.id, lines)).changes == []


async def test_five_thousand_lines_take_seconds(now: datetime) -> None:
    """In a database that knows nothing of the tables yet, as at a firm's beginning. The bound is ten times what it takes."""
    firm = await a_firm()
    lines = entries(*(f"{n // 2},Client {n // 2},{n // 2},Pat {n % 3000},p{n % 4500}@client.example," for n in range(5000)))
    began = time.perf_counter()
    done = await import_entries(firm.id, lines, now)
    again = await import_entries(firm.id, lines, now)
    assert time.perf_counter() - began < 8
    assert (done.clients, done.addresses, done.news) == (2500, 5000, 4500)
    assert again == Imported(0, 0, 0)


# drafts


async def test_a_draft_is_imported_once_by_whoever_presses_twice(firm: Firm, now: datetime) -> None:
    ann = await a_user(firm, role="admin")
    draft_id = await hand_in(ann, "clients.csv", "whatever", now)
    lines = entries("9,Ninth,,,,")

    async def press() -> Imported | None:
        try:
            return await import_entries(firm.id, lines, now, ann.id, FromDraft(draft_id, "clients.csv", 1, "the rest"))
        except DraftGone:
            return None

    both = await asyncio.gather(press(), press())
    assert sorted(one is None for one in both) == [False, True]
    rest = await ImportDraft.of(ann, now)
    assert rest is not None
    assert (rest.content, rest.id == draft_id) == ("the rest", False)
    said = [entry.after for entry in await AuditEntry.filter(act="imported", user_id=ann.id)]
    assert [(one["clients"], one["left_out"]) for one in said] == [(1, 1)]


async def test_two_imports_at_once_make_no_client_twice(firm: Firm, now: datetime) -> None:
    lines = entries(*(f"n{n},New {n},,Kim,k{n}@c.example," for n in range(50)))
    done = await asyncio.gather(*(import_entries(firm.id, order, now) for order in (lines, lines[::-1])))
    assert sorted(one.clients for one in done) == [0, 50]
    assert await Client.filter(external_id__startswith="n").count() == 50


async def test_a_draft_is_its_persons_own_one_at_a_time_and_forgotten_after_a_day(firm: Firm, now: datetime) -> None:
    ann, bob = await a_user(firm, role="admin"), await a_user(firm, role="admin")
    await hand_in(ann, "old.csv", "old", now - timedelta(minutes=1))
    first = await hand_in(ann, "new\0.csv", "a\0b", now)
    draft = await ImportDraft.of(ann, now)
    assert draft is not None
    assert (draft.id, draft.name, draft.content, await ImportDraft.all().count()) == (first, "new.csv", "a\ufffdb", 1)
    assert await ImportDraft.of(bob, now) is None
    await ImportDraft.discard(bob, first)
    assert await ImportDraft.of(ann, now + KEPT) is None
    await prune(timedelta(days=30), now + KEPT)
    assert await ImportDraft.all().count() == 1
    await prune(timedelta(days=30), now + KEPT + timedelta(seconds=1))
    assert await ImportDraft.all().count() == 0
