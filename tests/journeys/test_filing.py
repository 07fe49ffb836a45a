"""Which mail is filed, under whom, and what is kept of the rest."""

import asyncio

import pytest

from tests.builders import a_mail
from tests.journeys.house import House
from tests.journeys.person import Colleagues


async def test_mail_that_a_clients_contact_sends_is_filed(house: House, firm: Colleagues) -> None:
    await house.deliver(firm.sam, a_mail("Pat Example <pat@harbour.example>", "sam@sample.test", "Figures for the quarter"))
    page = await firm.sam.message(await firm.sam.finds("Harbour Bakery", "Figures for the quarter"))
    assert page.facts["From"] == "Pat Example <pat@harbour.example> Google says nothing about who sent this."
    assert page.facts["Received by"] == "sam"
    assert "Filed under Harbour Bakery : pat@harbour.example, a contact of this client, wrote it" in page.text
    assert "Please find the figures below." in page.text


@pytest.mark.parametrize(
    ("header", "client", "why"),
    [
        ("To", "Northgate Dental", "office@northgate.example, a contact of this client, is among its recipients"),
        ("Cc", "Placeholder Partners", "kim@placeholder.example, a contact of this client, is in copy"),
    ],
)
async def test_mail_that_a_clients_contact_receives_is_filed(house: House, firm: Colleagues, header: str, client: str, why: str) -> None:
    contact, subject = why.partition(",")[0], f"From the bank, contact in {header}"
    to = ["robin@sample.test", contact] if header == "To" else ["robin@sample.test"]
    copied = {"Cc": contact} if header == "Cc" else {}
    await house.deliver(firm.robin, a_mail("Bank <advice@bank.example>", ", ".join(to), subject, **copied))
    page = await firm.robin.message(await firm.robin.finds(client, subject))
    assert f"Filed under {client} : {why}" in page.text


async def test_of_mail_that_concerns_no_client_only_its_id_and_the_reason_are_kept(house: House, firm: Colleagues) -> None:
    mail = a_mail("A Friend <friend@elsewhere.example>", "sam@sample.test", "Lunch on Thursday, perhaps?", "The usual place at noon?")
    gmail_id = await house.deliver(firm.sam, mail)
    assert await house.fate(firm.sam, gmail_id) == ("skipped", "no client")
    assert await house.gets(firm.sam, gmail_id) == ["metadata"]
    rows = await everything(house)
    assert [row for row in rows if gmail_id in row]
    assert not [row for row in rows if any(word in row for word in ("friend@elsewhere", "A Friend", "Lunch on", "usual place"))]


async def everything(house: House) -> list[str]:
    """Every row of every table, as text."""
    tables = await house.ask("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return [row["whole"] for table in tables for row in await house.ask(f"SELECT t::text AS whole FROM {table['tablename']} t")]


async def test_outgoing_mail_is_not_filed(house: House, firm: Colleagues) -> None:
    mail = a_mail("sam@sample.test", "pat@harbour.example", "Your figures, with thanks")
    gmail_id = await house.deliver(firm.sam, mail, labels="SENT")
    assert await house.fate(firm.sam, gmail_id) == ("skipped", "outgoing")
    assert await house.gets(firm.sam, gmail_id) == ["metadata"]
    assert "Your figures, with thanks" not in await firm.sam.subjects_of("Harbour Bakery")


async def test_outgoing_mail_with_a_colleagues_login_address_among_the_recipients_is_filed(house: House, firm: Colleagues) -> None:
    mail = a_mail("sam@sample.test", "alex@specimen.example", "Robin will look after you", Cc="Robin <Robin@Sample.test>")
    await house.deliver(firm.sam, mail, labels="SENT")
    page = await firm.sam.message(await firm.sam.finds("Specimen Garage", "Robin will look after you"))
    assert "Sent" in page.facts


async def test_a_mail_with_two_clients_on_it_is_filed_under_both(house: House, firm: Colleagues) -> None:
    mail = a_mail("alex@specimen.example", "sam@sample.test", "Who pays the rates?", Cc="Lou Sundry <lou@sundry.example>")
    await house.deliver(firm.sam, mail)
    first = await firm.sam.finds("Specimen Garage", "Who pays the rates?")
    second = await firm.sam.finds("Sundry Flowers", "Who pays the rates?")
    assert first != second


async def test_a_mail_that_a_colleague_receives_later_stays_one_activity_with_two_receipts(house: House, firm: Colleagues) -> None:
    mail = a_mail("bo@copied.example", "sam@sample.test, robin@sample.test", "To you both")
    await house.deliver(firm.sam, mail)
    first = await firm.sam.finds("Copied Couriers", "To you both")
    await house.deliver(firm.robin, mail)
    assert await firm.robin.finds("Copied Couriers", "To you both", ("Received by robin and sam",)) == first
    assert (await firm.robin.message(first)).facts["Received by"] == "robin and sam"


async def test_one_mail_in_three_colleagues_mailboxes_at_once_is_one_activity_with_three_receipts(house: House, firm: Colleagues) -> None:
    """Scenario 50."""
    mail = a_mail("ola@thrice.example", "sam@sample.test, robin@sample.test, kit@sample.test", "To all three of you")
    await asyncio.gather(*(house.deliver(person, mail) for person in (firm.sam, firm.robin, firm.kit)))
    activity = await firm.kit.finds("Thrice Theatre", "To all three of you", ("Received by kit, robin and sam",))
    assert (await firm.kit.message(activity)).facts["Received by"] == "kit, robin and sam"


async def test_a_mail_deleted_before_the_sync_is_not_even_asked_for(house: House, firm: Colleagues) -> None:
    await house.quiet(firm.kit)
    await house.google.aio.fault("push_lost", mailbox=firm.kit.account, count=1)
    gmail_id = await house.deliver(firm.kit, a_mail("ed@vanishing.example", "kit@sample.test", "Sent in error, sorry"))
    await house.google.aio.delete(firm.kit.account, gmail_id)
    assert await house.fate(firm.kit, gmail_id) == ("gone", "deleted")
    assert await house.gets(firm.kit, gmail_id) == []
    assert await firm.kit.subjects_of("Vanishing Vans") == []


async def test_mail_of_a_contact_of_two_clients_is_for_review_with_both_as_candidates(house: House, firm: Colleagues) -> None:
    await house.deliver(firm.robin, a_mail("Dee Twofold <dee@twofold.example>", "robin@sample.test", "One invoice, which of us?"))
    activity = await firm.robin.finds("Twofold Textiles", "One invoice, which of us?", ("for review",))
    page = await firm.robin.message(activity)
    assert "Nobody has decided yet whose mail this is. Probably Twofold Textiles" in page.text
    assert page.text.count("dee@twofold.example is a contact of this client, and of others") == 2
    assert await firm.robin.subjects_of("Family Trust") == []
    questions = (await firm.robin.page("/")).select("article.review")
    assert ["Twofold Textiles", "Family Trust"] in [
        [name.get_text() for name in asked.select(".choice-row button bdi")] for asked in questions
    ]
