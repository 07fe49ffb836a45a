"""Who speaks to whom: mail of our own under any of our addresses, clients in blind copy, and machines that answer in somebody's place."""

from email.message import EmailMessage
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest

from models.activities import Activity
from models.emails import Email
from models.mailboxes import Mailbox
from tests.builders import a_client, a_firm, a_mail, a_user
from tests.pipeline.stage import Stage

EVA, BOB, PAT = "eva@sample.test", "bob@sample.test", "pat@client.example"


async def eva_and_client(stage: Stage, *, file_all_sent: bool = False):
    stage.firm.file_all_sent = file_all_sent
    await stage.firm.save()
    return await stage.mailbox(EVA), await a_client(stage.firm, "", PAT)


async def shown(client) -> list[tuple[object, ...]]:
    """Of each activity the subject, whether the mail is ours, and why it is there."""
    return await Activity.filter(client=client).order_by("email__subject").values_list("email__subject", "email__outgoing", "reason")


# Our own mail

OWN = {
    "a send-as alias": {"sender": "Accounts <accounts@sample.test>"},
    "an alias elsewhere": {"sender": "eva@her-own-name.example"},
    "a mailbox delegated to her": {"sender": "The boss <boss@sample.test>", "Sender": EVA},
}


@pytest.mark.parametrize("of", OWN)
async def test_what_is_sent_from_an_alias_or_for_somebody_else_is_our_own_mail(stage, of):
    """Scenario 46. With "file all sent mail" it is filed as outgoing."""
    eva, client = await eva_and_client(stage, file_all_sent=True)
    await stage.mail(eva, a_mail(to=PAT, subject="From me", **OWN[of]), labels="SENT")
    await stage.push(eva)
    assert await shown(client) == [("From me", True, f"{PAT}, a contact of this client, is among its recipients")]


@pytest.mark.parametrize("of", OWN)
async def test_without_the_switch_it_is_skipped_as_sent_whatever_address_it_was_sent_from(stage, of):
    """Scenario 46. It is not taken for a stranger's mail to a client either."""
    eva, client = await eva_and_client(stage)
    sent = await stage.mail(eva, a_mail(to=PAT, **OWN[of]), labels="SENT")
    await stage.push(eva)
    assert await stage.fate(eva, sent) == ("skipped", "outgoing", False)
    assert await shown(client) == []


async def test_mail_to_an_alias_of_ours_is_incoming_mail(stage):
    """Scenario 46."""
    eva, client = await eva_and_client(stage)
    await stage.mail(eva, a_mail(to="accounts@sample.test", subject="To the alias"))
    await stage.push(eva)
    assert await shown(client) == [("To the alias", False, f"{PAT}, a contact of this client, wrote it")]


# Blind copies


@pytest.mark.parametrize(("file_all_sent", "filed"), [(True, ["Statement"]), (False, [])])
async def test_a_client_in_blind_copy_of_our_own_mail_is_found_in_the_senders_copy(stage, file_all_sent, filed):
    """Scenario 48."""
    eva, client = await eva_and_client(stage, file_all_sent=file_all_sent)
    await stage.mail(eva, a_mail(EVA, "other@elsewhere.example", "Statement", Bcc=f"Pat <{PAT}>"), labels="SENT")
    await stage.push(eva)
    assert await stage.filed(client) == filed
    assert [reason for *_, reason in await shown(client)] == [f"{PAT}, a contact of this client, is in blind copy"] * len(filed)


@pytest.mark.parametrize("first", ["the sender", "the colleague"])
async def test_a_colleague_s_copy_that_does_not_show_the_blind_copy_takes_nothing_away(stage, first):
    """Scenario 48. Whichever mailbox syncs first."""
    eva, client = await eva_and_client(stage, file_all_sent=True)
    bob = await stage.mailbox(BOB)
    of = {"Message_ID": "<one@sample.test>", "Date": "Mon, 23 Nov 2026 10:00:00 +0000"}
    await stage.mail(eva, a_mail(EVA, BOB, "Statement", **of, Bcc=PAT), labels="SENT")
    await stage.mail(bob, a_mail(EVA, BOB, "Statement", **of))
    for mailbox in (eva, bob) if first == "the sender" else (bob, eva):
        await stage.push(mailbox)
    assert await shown(client) == [("Statement", True, f"{PAT}, a contact of this client, is in blind copy")]
    assert await Email.all().count() == 1


# Machines

ORIGINAL = f"From: Eva <{EVA}>\nTo: Pat <{PAT}>\nSubject: Your figures\nMessage-ID: <original@sample.test>\n\nDear Pat, here they are.\n"
FAILED = f"Your message wasn't delivered to {PAT} because the address couldn't be found.\n\n{ORIGINAL}"
DAEMONS = (
    "Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
    f'"{PAT}" <mailer-daemon@googlemail.com>',
    "postmaster@client.example",
    "<>",
)


def a_bounce(sender: str) -> EmailMessage:
    """As plain as old servers write it."""
    return a_mail(sender, EVA, "Delivery Status Notification (Failure)", FAILED, X_Failed_Recipients=PAT,
                  In_Reply_To="<original@sample.test>", References="<original@sample.test>", Auto_Submitted="auto-replied")  # fmt: skip


def a_report(sender: str) -> bytes:
    """A delivery report, with the mail that failed within."""
    report = MIMEMultipart("report")
    fields = {"From": sender, "To": EVA, "Subject": "Delivery Status Notification (Failure)", "X-Failed-Recipients": PAT}
    fields |= {"Message-ID": "<bounce@mail.gmail.com>", "References": "<original@sample.test>", "Auto-Submitted": "auto-replied"}
    for name, value in fields.items():
        report[name] = value
    report.attach(MIMEText(FAILED))
    status = EmailMessage()
    status["Final-Recipient"] = f"rfc822; {PAT}"
    status["Action"] = "failed"
    report.attach(MIMEMessage(status, "delivery-status"))
    original = EmailMessage()
    original["From"], original["To"], original["Subject"] = EVA, PAT, "Your figures"
    original.set_content("Dear Pat, here they are.")
    report.attach(MIMEMessage(original))
    return report.as_bytes()


@pytest.mark.parametrize("make", [a_bounce, a_report])
@pytest.mark.parametrize("sender", DAEMONS)
async def test_a_bounce_is_a_mail_servers_and_never_the_clients(stage, sender, make):
    """Scenario 49. The client's address stands in it in every way but as sender or recipient; that our own mail was filed helps nothing."""
    eva, client = await eva_and_client(stage, file_all_sent=True)
    await stage.mail(eva, ORIGINAL.encode(), labels="SENT")
    bounce = await stage.mail(eva, make(sender))
    await stage.push(eva)
    assert await stage.filed(client) == ["Your figures"]
    assert await stage.fate(eva, bounce) in [("skipped", "no client", False), ("skipped", "no address", False)]
    assert bounce not in await stage.looks(eva, "full")


ABSENT = {"Auto_Submitted": "auto-replied", "X_Auto_Response_Suppress": "All", "Precedence": "auto_reply"}
CALENDAR = {"Sender": "Google Calendar <calendar-notification@google.com>", "Auto_Submitted": "auto-generated"}


@pytest.mark.parametrize("headers", [ABSENT, CALENDAR])
async def test_what_a_contacts_absence_notice_or_calendar_answers_comes_from_the_contact(stage, headers):
    """Scenario 49."""
    eva, client = await eva_and_client(stage)
    answer = a_mail(f"Pat <{PAT}>", EVA, "Accepted: Our talk", **headers)
    answer.add_attachment("BEGIN:VCALENDAR\r\nMETHOD:REPLY\r\nEND:VCALENDAR\r\n", subtype="calendar", filename="invite.ics")
    await stage.mail(eva, answer)
    await stage.push(eva)
    assert await shown(client) == [("Accepted: Our talk", False, f"{PAT}, a contact of this client, wrote it")]


@pytest.mark.parametrize("labels", ["CHAT", "CHAT,SENT", "CHAT,INBOX"])
async def test_chats_are_no_mail(stage, labels):
    """Scenario 49."""
    eva, client = await eva_and_client(stage, file_all_sent=True)
    chat = await stage.mail(eva, a_mail(subject="Chat with Pat"), labels=labels)
    await stage.push(eva)
    assert await stage.fate(eva, chat) == ("skipped", "chat", False)
    assert await stage.filed(client) == []


async def test_what_one_firm_switches_on_is_that_firms(stage):
    """Scenario 46. Two firms have the same mailbox, and one files all that is sent."""
    eva, client = await eva_and_client(stage)
    other = await a_firm(file_all_sent=True)
    theirs = await stage.mailbox(EVA, other, await a_user(other, "holder@other.test"))
    their_client = await a_client(other, "", PAT)
    await stage.mail(eva, a_mail(EVA, PAT, "Sent"), labels="SENT")
    for mailbox in (eva, theirs):
        await stage.push(mailbox)
    assert (await stage.filed(client), await stage.filed(their_client)) == ([], ["Sent"])
    assert await Mailbox.all().count() == 2
