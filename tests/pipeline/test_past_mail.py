"""A contact comes after the mail: it is looked for, and filed as if the contact had always been known; nobody else's mail is touched."""

from datetime import timedelta

import pytest

from models.activities import Activity, Review
from models.client_file import Entry
from models.directory import Client, ClientContact
from models.emails import Email
from models.firms import Firm
from models.gaps import Gap
from models.importing import import_entries
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from pipeline.recover import named
from tests.builders import a_client, a_mail, a_user
from tests.pipeline.recovery import until_whole, work
from tests.pipeline.stage import Stage

PAT, LEE, STRANGER = "pat@client.example", "lee@client.example", "stranger@elsewhere.example"
DAY, MINUTE = 86400.0, 60.0


async def imports(stage: Stage, *addresses: str, client: str = "P") -> Client:
    """A client who is known from now on, with these contacts."""
    entries = [Entry(client, f"Client {client}", "", address, address, address.lower(), nominated=False) for address in addresses]
    await import_entries(stage.firm.id, entries, stage.clock.moment)
    return await Client.get(firm=stage.firm, external_id=client)


async def a_mailbox_of(stage: Stage, days: int = 1) -> Mailbox:
    """Connected so many days ago."""
    mailbox = await stage.mailbox()
    await stage.time_passes(days * DAY)
    return mailbox


async def searched(stage: Stage, mailbox: Mailbox) -> list[str]:
    """What Gmail was asked for, without the dates."""
    calls = (await stage.sandbox.aio.state(mailbox.address))["calls"]
    return [call["q"].partition(" {")[2] for call in calls if call["method"] == "messages.list"]


async def looked_at(stage: Stage, mailbox: Mailbox, *gmail_ids: str) -> list[int]:
    looks = await stage.looks(mailbox)
    return [looks.count(one) for one in gmail_ids]


async def test_past_mail_of_a_new_contact_is_filed_and_only_theirs(stage: Stage) -> None:
    """Scenario 70. In whatever header they stand, and in every mailbox; nobody else's mail is even looked at again."""
    eva = await a_mailbox_of(stage)
    max_ = await stage.mailbox("max@sample.test")
    theirs = [
        await stage.mail(eva, a_mail(PAT, subject="From")),
        await stage.mail(eva, a_mail(STRANGER, to=f"eva@sample.test, Pat <{PAT}>", subject="To")),
        await stage.mail(eva, a_mail(STRANGER, subject="Cc", Cc="PAT@Client.example")),
        await stage.mail(eva, a_mail("eva@sample.test", to="eva@sample.test", subject="Bcc", Bcc=PAT), labels="SENT"),
    ]
    others = [await stage.mail(eva, a_mail(STRANGER)), await stage.mail(eva, a_mail("not" + PAT))]
    await stage.mail(max_, a_mail(PAT, to="max@sample.test", subject="To Max"))
    for mailbox in (eva, max_):
        await stage.push(mailbox)
    assert await Email.all().count() == 0

    client = await imports(stage, PAT)
    await until_whole(stage)
    assert await stage.filed(client) == ["Bcc", "Cc", "From", "To", "To Max"]
    assert await Email.all().count() == await Activity.all().count() == 5
    assert await Gap.filter(closed_at=None).count() == 0
    stranger, namesake = await looked_at(stage, eva, *others)
    assert stranger == 1
    assert namesake <= 3  # Gmail found it, and the look said that it is not theirs
    assert await stage.fate(eva, others[1]) == ("skipped", "no client", False)
    assert set(await searched(stage, eva)) == {f'from:"{PAT}" to:"{PAT}" cc:"{PAT}" bcc:"{PAT}"}}'}
    assert theirs[0] in await stage.looks(eva, "full")


async def test_what_the_search_did_not_show_yet_is_found_by_the_second_one(stage: Stage) -> None:
    """Scenario 70. Gmail's index lags behind its history, which told of the mail before anybody knew the contact."""
    eva = await a_mailbox_of(stage)
    await stage.mail(eva, a_mail(PAT, subject="Old"))
    await stage.time_passes(10 * MINUTE)
    await stage.mail(eva, a_mail(PAT, subject="Just before"))
    await stage.push(eva)
    await stage.sandbox.aio.fault("search_late", s=5 * MINUTE)
    client = await imports(stage, PAT)
    await work(stage)
    assert await stage.filed(client) == ["Old"]
    await until_whole(stage)
    assert await stage.filed(client) == ["Just before", "Old"]
    assert len(await searched(stage, eva)) == 2


@pytest.mark.parametrize(("past_days", "filed"), [(0, []), (5, ["4 days ago"]), (90, ["30 days ago", "4 days ago"])])
async def test_only_as_many_days_back_as_the_firm_chose(stage: Stage, past_days: int, filed: list[str]) -> None:
    """Scenario 70."""
    eva = await a_mailbox_of(stage, 20)
    await Firm.all().update(past_days=past_days)
    for ago in (30, 4):
        await stage.mail(eva, a_mail(PAT, subject=f"{ago} days ago"))
        await stage.push(eva)
        await until_whole(stage)
        await stage.time_passes((26 if ago == 30 else 4) * DAY)
    client = await imports(stage, PAT)
    await until_whole(stage)
    assert await stage.filed(client) == filed


async def test_mail_of_before_the_mailboxs_start_stays_unfiled(stage: Stage) -> None:
    """Scenarios 40, 70. People chose how far back their mail is read."""
    eva = await stage.mailbox()
    await stage.mail(eva, a_mail(PAT, subject="Imported"), internal_date=int((stage.clock.moment.timestamp() - 9 * DAY) * 1000))
    await stage.push(eva)
    client = await imports(stage, PAT)
    await until_whole(stage)
    assert await stage.filed(client) == []


async def test_what_is_filed_under_one_client_is_filed_under_the_new_contacts_too(stage: Stage) -> None:
    """Scenarios 60, 70."""
    eva = await a_mailbox_of(stage)
    old = await a_client(stage.firm, "Old", LEE)
    await stage.mail(eva, a_mail(LEE, subject="To both", Cc=PAT))
    await stage.mail(eva, a_mail(LEE, subject="To one"))
    await stage.push(eva)
    new = await imports(stage, PAT)
    await until_whole(stage)
    assert (await stage.filed(old), await stage.filed(new)) == (["To both", "To one"], ["To both"])
    assert await Email.all().count() == 2


async def test_an_address_that_becomes_anothers_too_makes_no_question_of_what_is_filed(stage: Stage) -> None:
    """Scenarios 61, 70. What comes from now on is in doubt."""
    eva = await a_mailbox_of(stage)
    old = await a_client(stage.firm, "Old", PAT)
    await stage.mail(eva, a_mail(PAT, subject="Before"))
    await stage.push(eva)
    new = await imports(stage, PAT)
    await until_whole(stage)
    assert (await stage.filed(old), await stage.filed(new)) == (["Before"], [])
    assert await Review.all().count() == 0
    await stage.mail(eva, a_mail(PAT, subject="After"))
    await stage.push(eva)
    assert await Review.all().count() == 1


async def test_what_a_person_dismissed_does_not_come_back(stage: Stage) -> None:
    """Scenario 70. Neither as the new client's nor as the old one's."""
    eva = await a_mailbox_of(stage)
    old = await a_client(stage.firm, "Old", LEE)
    await stage.mail(eva, a_mail(LEE, subject="No client's", Cc=PAT))
    await stage.push(eva)
    await Activity.all().update(status="dismissed", decided_at=stage.clock.moment, decided_by_id=(await a_user(stage.firm)).id)
    await Email.all().update(dismissed_at=stage.clock.moment, version=1)
    new = await imports(stage, PAT)
    await imports(stage, "other@client.example", LEE, client="Q")
    await until_whole(stage)
    assert await Activity.filter(status__in=["filed", "review"]).count() == 0
    assert await Activity.filter(client=new).count() == 0
    assert (await Activity.get(client=old)).status == "dismissed"
    assert await Review.all().count() == 0


async def test_what_is_filed_stays_when_its_contact_goes(stage: Stage) -> None:
    """Scenario 70. Also when the mail is looked at again."""
    eva = await a_mailbox_of(stage)
    client = await a_client(stage.firm, "", LEE)
    gmail_id = await stage.mail(eva, a_mail(LEE, subject="Filed", Cc=PAT))
    await stage.push(eva)
    await ClientContact.all().delete()
    new = await imports(stage, PAT)
    await until_whole(stage)
    assert (await stage.filed(client), await stage.filed(new)) == (["Filed"], ["Filed"])
    assert await stage.fate(eva, gmail_id) == ("filed", "client", False)
    await ClientContact.all().delete()
    await imports(stage, "other@client.example", client="Q")
    await until_whole(stage)
    await LedgerEntry.all().update(owed_at=stage.clock.moment)
    await stage.sweep(eva)
    assert (await stage.filed(client), await stage.filed(new)) == (["Filed"], ["Filed"])


async def test_four_hundred_new_addresses_are_one_look_at_everything(stage: Stage) -> None:
    """Scenario 70."""
    eva = await a_mailbox_of(stage)
    ids = [await stage.mail(eva, a_mail(f"n{number}@client.example", subject=f"{number}")) for number in (1, 400)]
    stranger = await stage.mail(eva, a_mail(STRANGER))
    await stage.push(eva)
    client = await imports(stage, *(f"n{number}@client.example" for number in range(401)))
    await until_whole(stage)
    assert await stage.filed(client) == ["1", "400"]
    assert set(await searched(stage, eva)) == {""}
    assert min(await looked_at(stage, eva, *ids, stranger)) >= 2
    assert await stage.fate(eva, stranger) == ("skipped", "no client", False)


async def test_many_addresses_make_a_search_that_gmail_is_asked_for_all_the_same(stage: Stage) -> None:
    """Scenario 70. Its address is longer than a GET's may be."""
    eva = await a_mailbox_of(stage)
    people = [f"somebody{number:02}@client.example" for number in range(30)]
    for person in people:
        await stage.mail(eva, a_mail(person, subject=person[8:10]))
    await stage.push(eva)
    client = await imports(stage, *people)
    assert len(named((await Gap.all().order_by("id"))[0].addresses or ())) > 1000
    await until_whole(stage)
    assert await stage.filed(client) == [person[8:10] for person in people]


async def test_new_mail_does_not_wait_for_past_mail_nor_for_its_second_search(stage: Stage) -> None:
    """Scenarios 70, 115."""
    eva = await a_mailbox_of(stage)
    await stage.mail(eva, a_mail(PAT, subject="Past"))
    await stage.push(eva)
    client = await imports(stage, PAT)
    await stage.mail(eva, a_mail(PAT, subject="New"))
    await stage.push(eva)
    assert await stage.filed(client) == ["New"]
    await work(stage)
    assert await stage.filed(client) == ["New", "Past"]
    assert await Gap.filter(closed_at=None).count() == 1
    await stage.mail(eva, a_mail(PAT, subject="Newer"))
    await stage.push(eva)
    assert await stage.filed(client) == ["New", "Newer", "Past"]
    assert (await until_whole(stage)) >= timedelta(minutes=14)
