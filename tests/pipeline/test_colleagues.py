"""Nothing twice: one e-mail per firm and message, one activity per e-mail and client, one question per e-mail, whoever syncs first."""

import asyncio
from typing import Any

import pytest

from models.activities import Activity, Review
from models.database import connection
from models.emails import Attachment, Email, Participant, Receipt
from models.firms import Firm
from tests.builders import a_client, a_firm, a_mail
from tests.pipeline.stage import Stage

MONDAY = "Mon, 02 Nov 2026 09:00:00 +0000"
PEOPLE = ("ann@sample.test", "ben@sample.test", "cem@sample.test")


async def three(stage: Stage):
    return [await stage.mailbox(address) for address in PEOPLE]


async def all_sync(stage: Stage, mailboxes) -> None:
    await asyncio.gather(*(stage.push(mailbox) for mailbox in mailboxes))


async def test_one_mail_in_three_mailboxes_that_sync_at_once_is_one_email(stage):
    """Scenario 50. One activity for each client, three receipts."""
    first, second = await a_client(stage.firm, "", "pat@client.example"), await a_client(stage.firm, "", "lee@other.example")
    team = await three(stage)
    mails = [a_mail("Pat <pat@client.example>", ", ".join(PEOPLE), f"To all {number}", Cc="lee@other.example") for number in range(8)]
    for shift, mailbox in enumerate(team):
        for mail in mails[shift:] + mails[:shift]:
            await stage.mail(mailbox, mail)
    await all_sync(stage, team)
    subjects = [f"To all {number}" for number in range(8)]
    assert (await stage.filed(first), await stage.filed(second)) == (subjects, subjects)
    assert (await Email.all().count(), await Receipt.all().count(), await Participant.all().count()) == (8, 24, 8 * 5)
    assert set(await Receipt.filter(email__subject="To all 0").values_list("mailbox_id", flat=True)) == {each.id for each in team}


async def test_a_doubtful_mail_that_reaches_colleagues_at_once_asks_one_question(stage):
    """Scenario 121. And the best guess has the only activity."""
    clients = [await a_client(stage.firm, "", "pat@client.example") for _ in range(3)]
    team = await three(stage)
    for mailbox in team:
        await stage.mail(
            mailbox,
            a_mail(to=", ".join(PEOPLE), subject="Whose?", Message_ID="<whose@client.example>", Date=MONDAY),
        )
    await all_sync(stage, team)
    question = await Review.get()
    assert [candidate["client"] for candidate in question.candidates] == [client.id for client in clients]
    assert [(activity.client_id, activity.status) for activity in await Activity.all()] == [(clients[0].id, "review")]


async def test_what_is_filed_stays_once_however_often_it_is_synced(stage):
    """Scenario 13."""
    client = await a_client(stage.firm, "", "pat@client.example")
    eva = await stage.mailbox()
    mail = a_mail(subject="Once")
    mail.add_attachment(b"sample", maintype="application", subtype="pdf", filename="sample.pdf")
    sent = await stage.mail(eva, mail)
    for _ in range(3):
        await stage.sandbox.aio.labels(eva.address, sent, add=("TRASH",))
        await stage.sandbox.aio.labels(eva.address, sent, remove=("TRASH",))
        await stage.push(eva)
    assert len(await stage.looks(eva, "full")) == 3
    assert await stage.filed(client) == ["Once"]
    assert [await table.all().count() for table in (Email, Receipt, Participant, Attachment)] == [1, 1, 2, 1]


async def test_two_firms_that_receive_one_mail_have_an_email_each(stage):
    """Scenario 51. Neither firm's clients are ever looked for in the other's mail."""
    theirs: Firm = await a_firm()
    client = await a_client(stage.firm, "", "pat@client.example")
    their_client = await a_client(theirs, "", "lee@other.example")
    eva, kim = await stage.mailbox(), await stage.mailbox("kim@their.test", theirs)
    mail = a_mail("pat@client.example", "eva@sample.test, kim@their.test", "To both", Cc="lee@other.example")
    await all_sync_with(stage, mail, [eva, kim])
    emails = await Email.all().order_by("firm_id").prefetch_related("activities")
    assert [(email.firm_id, [activity.client_id for activity in email.activities]) for email in emails] == [
        (stage.firm.id, [client.id]),
        (theirs.id, [their_client.id]),
    ]
    assert emails[0].identity == emails[1].identity


async def all_sync_with(stage: Stage, mail, mailboxes) -> None:
    for mailbox in mailboxes:
        await stage.mail(mailbox, mail)
    await all_sync(stage, mailboxes)


@pytest.mark.parametrize(
    "other",
    [
        {"subject": "Figures, again"},
        {"text": "Other figures."},
        {"sender": "lee@client.example"},
        {"Date": "Tue, 03 Nov 2026 09:00:00 +0000"},
    ],
)
async def test_mails_that_differ_stay_apart_whatever_their_message_id(stage, other):
    """Scenarios 52, 53. One Message-ID on both, or none on either."""
    client = await a_client(stage.firm, "", "pat@client.example", "lee@client.example")
    team = await three(stage)
    for number, message_id in enumerate(("<one@client.example>", None)):
        usual: dict[str, Any] = {"subject": "Figures", "text": f"Figures {number}.", "Message_ID": message_id, "Date": MONDAY}
        for mailbox in team:
            await stage.mail(mailbox, a_mail(**usual))
        await stage.mail(team[0], a_mail(**usual | other))
    await all_sync(stage, team)
    assert await Email.all().count() == 4
    assert len(await stage.filed(client)) == 4
    assert await Receipt.all().count() == 8


async def test_a_list_mail_with_another_footer_for_each_is_one_email(stage):
    """Scenario 126. The forger copies everything but the text, and is not swallowed."""
    client = await a_client(stage.firm, "", "pat@client.example")
    team = await three(stage)
    usual = {"subject": "News", "Message_ID": "<news@client.example>", "Date": MONDAY}
    for mailbox in team:
        await stage.mail(mailbox, a_mail(**usual, text=f"News.\n-- \nSent to {mailbox.address}", List_Id="<news.client.example>"))
    await stage.mail(team[0], a_mail(**usual, text="Please pay to another account."))
    await all_sync(stage, team)
    assert await stage.filed(client) == ["News", "News"]
    assert await Email.all().count() == 2


async def test_two_mailboxes_that_file_the_same_mails_in_opposite_order_do_not_meet_in_a_deadlock(stage, postgres):
    """Scenario 122. Over the whole recipe; tests/models/test_filing.py does it many times over."""
    client = await a_client(stage.firm, "", "pat@client.example")
    left, right, _ = await three(stage)
    mails = [a_mail(to=", ".join(PEOPLE), subject=f"{number:02}") for number in range(20)]
    for one, other in zip(mails, reversed(mails), strict=True):
        await stage.mail(left, one)
        await stage.mail(right, other)
    before = postgres.log.read_text().count("deadlock")
    await all_sync(stage, [left, right])
    assert postgres.log.read_text().count("deadlock") == before
    assert await stage.filed(client) == [f"{number:02}" for number in range(20)]
    assert (await Email.all().count(), await Receipt.all().count()) == (20, 40)
    async with connection() as held:
        assert await held.fetchval("SELECT count(*) FROM ledger_entry WHERE outcome IS DISTINCT FROM 'filed' OR owed_at IS NOT NULL") == 0
