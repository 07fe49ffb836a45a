"""Two firms under one roof: the same people and the same mails, and neither firm sees the other."""

import asyncio

import pytest

from postroom.newcomer import Lost
from tests.builders import VAULT, a_mail
from tests.journeys.conftest import FIRM
from tests.journeys.house import House
from tests.journeys.person import Colleagues, Person

OTHER = "Other and Daughters"
CLIENTS = """client_id,client_name,address
1,Shared Surname Estates,jan@shared-surname.example
"""


@pytest.fixture(scope="module")
async def jo(house: House) -> Person:
    """Of another firm, with a client of its own whose contact is one of the first firm's too."""
    (jo,) = await house.firm(OTHER, CLIENTS, admins=("jo@other.test",))
    return jo


async def test_one_mail_to_two_firms_is_filed_in_each_for_itself(house: House, firm: Colleagues, jo: Person) -> None:
    """Scenario 51."""
    mail = a_mail("jan@shared-surname.example", "sam@sample.test, jo@other.test", "To both my firms")
    await asyncio.gather(house.deliver(firm.sam, mail), house.deliver(jo, mail))
    ours = await firm.sam.finds("Shared Surname", "To both my firms")
    theirs = await jo.finds("Shared Surname Estates", "To both my firms")
    assert (await firm.sam.message(ours)).facts["Received by"] == "sam"
    assert (await jo.message(theirs)).facts["Received by"] == "jo"
    with pytest.raises(Lost, match="404"):
        await firm.sam.message(theirs)


async def test_a_mailbox_that_two_firms_connected_is_synced_for_both(house: House, firm: Colleagues, jo: Person) -> None:
    """Scenario 17."""
    await house.google.aio.account("lee@shared.test")
    await house.google.aio.fault("push_lost", mailbox="lee@shared.test", count=1)  # the endpoint remembers for a minute whom it found
    at_first = await house.person(FIRM, "lee@shared.test")
    # An address signs in to one firm. What frees this one for the other firm is that the first firm now knows Lee by another.
    await house.ask("UPDATE app_user SET email = 'lee@sample.test', email_key = 'lee@sample.test' WHERE email = 'lee@shared.test'")
    at_second = await house.person(OTHER, "lee@shared.test")
    await house.deliver(at_second, a_mail("jan@shared-surname.example", "lee@shared.test", "Lee works for two firms"))
    await at_first.finds("Shared Surname", "Lee works for two firms")
    await at_second.finds("Shared Surname Estates", "Lee works for two firms")
    mailboxes = await house.ask("SELECT firm_id, refresh_token FROM mailbox WHERE address = 'lee@shared.test'")
    tokens = {row["firm_id"]: VAULT.open(row["refresh_token"]) for row in mailboxes}
    assert len(set(tokens.values())) == len(mailboxes) == 2
