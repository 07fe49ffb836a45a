"""What becomes of a message: filed, skipped with a reason, gone, parked; and what is asked once more before that is said."""

import asyncio

import pytest

from models.activities import Activity
from models.emails import Email
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from tests.builders import a_client, a_mail
from tests.pipeline.stage import Stage


@pytest.fixture
async def eva(stage: Stage) -> Mailbox:
    return await stage.mailbox()


@pytest.fixture
async def client(stage: Stage):
    return await a_client(stage.firm, "", "pat@client.example")


async def test_mail_of_a_contact_with_one_client_is_filed_with_the_reason_beside_it(stage, eva, client):
    """Scenario 58."""
    await stage.mail(eva, a_mail("Pat Sample <Pat@Client.Example>", subject="Figures"))
    await stage.push(eva)
    activity = await Activity.get(client=client).select_related("email")
    assert (activity.status, activity.email.subject) == ("filed", "Figures")
    assert activity.reason == "Pat@Client.Example, a contact of this client, wrote it"


async def test_contacts_of_two_clients_on_one_mail_make_one_activity_for_each(stage, eva, client):
    """Scenario 60."""
    other = await a_client(stage.firm, "", "lee@other.example")
    await stage.mail(eva, a_mail(subject="Joint", Cc="lee@other.example"))
    await stage.push(eva)
    assert (await stage.filed(client), await stage.filed(other)) == (["Joint"], ["Joint"])
    assert await Email.all().count() == 1


async def test_free_mail_and_role_addresses_are_matched_as_registered_and_nobody_else_there(stage, eva):
    """Scenario 63."""
    private = await a_client(stage.firm, "", "pat.sample@gmail.com")
    role = await a_client(stage.firm, "", "accounts@client.example")
    for number, sender in enumerate(("PatSample@googlemail.com", "another@gmail.com", "accounts@client.example", "accounts@other.example")):
        await stage.mail(eva, a_mail(sender, subject=str(number)))
    await stage.push(eva)
    assert (await stage.filed(private), await stage.filed(role)) == (["0"], ["2"])


async def test_what_concerns_no_client_is_kept_as_id_and_reason_and_not_fetched_again(stage, eva, client):
    """Scenario 39."""
    sent = await stage.mail(eva, a_mail("stranger@elsewhere.example"))
    for _ in range(3):
        await stage.push(eva)
        stage.wait_to_settle()
    assert await stage.fate(eva, sent) == ("skipped", "no client", False)
    assert await stage.looks(eva) == [sent]


async def test_old_mail_that_is_imported_today_is_skipped_with_that_reason(stage, eva, client):
    """Scenario 40. History shows it whatever its date; the mailbox's own start decides."""
    before = stage.clock.moment.timestamp() - 3600
    old = await stage.mail(eva, a_mail(subject="Imported"), internal_date=int(before * 1000))
    await stage.push(eva)
    assert await stage.fate(eva, old) == ("skipped", "old", False)
    assert await stage.filed(client) == []


@pytest.mark.parametrize("labels", ["UNREAD", "Projects", "INBOX,CATEGORY_PROMOTIONS", "STARRED,IMPORTANT"])
async def test_mail_that_a_filter_archived_or_sorted_is_filed(stage, eva, client, labels):
    """Scenario 45."""
    await stage.mail(eva, a_mail(subject="Sorted away"), labels=labels)
    await stage.push(eva)
    assert await stage.filed(client) == ["Sorted away"]


@pytest.mark.parametrize("labels", [["SENT,INBOX"], ["SENT", "INBOX"]])
async def test_mail_to_oneself_is_one_activity(stage, eva, client, labels):
    """Scenario 47. In one message that is both sent and received, or in two."""
    note = a_mail(eva.address, eva.address, "Note to self", Cc="pat@client.example")
    for each in labels:
        await stage.mail(eva, note, labels=each)
    await stage.push(eva)
    assert await stage.filed(client) == ["Note to self"]


async def test_mail_to_oneself_about_no_client_is_none(stage, eva, client):
    """Scenario 47."""
    await stage.mail(eva, a_mail(eva.address, eva.address, "Shopping"), labels="SENT,INBOX")
    await stage.push(eva)
    assert await stage.filed(client) == []


async def test_a_message_that_was_deleted_meanwhile_is_gone_and_no_error(stage, eva, client):
    """Scenario 28. The next listing tells the deletion; the cursor goes on."""
    deleted = await stage.mail(eva, a_mail(subject="Deleted"))
    await stage.mail(eva, a_mail(subject="Stays"))
    stage.wire.after("/history?", lambda: stage.sandbox.aio.delete(eva.address, deleted))
    await stage.push(eva)
    assert await stage.filed(client) == ["Stays"]
    assert (await Mailbox.get(id=eva.id)).failures == 0
    await stage.push(eva)
    assert await stage.fate(eva, deleted) == ("gone", "deleted", False)
    stage.wait_to_settle()
    await stage.sweep(eva)
    assert int((await Mailbox.get(id=eva.id)).cursor) > int(eva.cursor)


async def test_the_old_versions_of_a_draft_are_gone(stage, eva, client):
    """Scenario 28."""
    saved = await stage.sandbox.aio.draft(eva.address, a_mail(eva.address, "pat@client.example", "Draft").as_bytes())
    again = a_mail(eva.address, "pat@client.example", "Draft, better").as_bytes()
    stage.wire.after("/history?", lambda: stage.sandbox.aio.draft(eva.address, again, saved["draft"]))
    await stage.push(eva)
    stage.wait(seconds=30)
    await stage.push(eva)
    fates = dict(await LedgerEntry.filter(mailbox=eva).values_list("gmail_id", "reason"))
    assert fates.pop(saved["id"]) in ("missing", "deleted")
    assert (await stage.fate(eva, saved["id"]))[0] == "gone"
    assert list(fates.values()) == ["draft"]
    assert await stage.filed(client) == []


async def test_a_message_that_cannot_be_read_at_first_is_asked_for_once_more_and_filed(stage, eva, client):
    """Scenario 118."""
    await stage.sandbox.aio.fault("message_404_first", mailbox=eva.address, s=3)
    early = await stage.mail(eva, a_mail(subject="Not ready yet"))
    await stage.push(eva)
    assert await stage.fate(eva, early) == (None, "missing", True)
    await stage.time_passes(29)
    await stage.push(eva)
    assert await stage.looks(eva) == [early]
    await stage.time_passes(1)
    assert await stage.pending() == [eva.id]
    await stage.sweep(eva)
    assert await stage.filed(client) == ["Not ready yet"]


async def test_only_a_second_404_after_thirty_seconds_makes_it_gone(stage, eva, client):
    """Scenarios 28, 118."""
    await stage.sandbox.aio.fault("message_404_first", mailbox=eva.address, s=3600)
    never = await stage.mail(eva, a_mail(subject="Never"))
    for _ in range(3):
        await stage.push(eva)
        assert await stage.fate(eva, never) == (None, "missing", True)
        stage.wait(seconds=9)
    stage.wait(seconds=3)
    await stage.push(eva)
    assert await stage.fate(eva, never) == ("gone", "missing", False)
    assert len(await stage.looks(eva)) == 2


async def test_a_message_that_fails_for_ever_is_parked_after_five_tries_while_others_go_on(stage, eva, client):
    """Scenario 29."""
    broken = await stage.mail(eva, a_mail(subject="Broken"))
    await stage.sandbox.aio.fault("message_broken", mailbox=eva.address, id=broken)
    for number in range(5):
        await stage.mail(eva, a_mail(subject=f"Mail {number}"))
        await stage.push(eva)
        assert len(await stage.filed(client)) == number + 1
        outcome, reason, owed = await stage.fate(eva, broken)
        assert (outcome, reason, owed) == (("parked", "backendError", False) if number == 4 else (None, "backendError", True))
        await stage.push(eva)  # too early for another try
        stage.wait(seconds=30 * 2**number)
    assert (await stage.looks(eva)).count(broken) == 5


async def test_messages_that_fail_for_ever_are_parked_though_nothing_else_is_owed(stage, eva, client):
    """Scenario 29. Gmail still shows another message: so it is theirs."""
    await stage.mail(eva, a_mail(subject="Known"))
    await stage.push(eva)
    broken = [await stage.mail(eva, a_mail(subject="Broken")) for _ in range(2)]
    for each in broken:
        await stage.sandbox.aio.fault("message_broken", id=each)
    await stage.push(eva)
    for tries in range(1, 5):
        stage.wait(seconds=30 * 2**tries)
        await stage.sweep(eva)
    assert [await stage.fate(eva, each) for each in broken] == [("parked", "backendError", False)] * 2
    assert (await Mailbox.get(id=eva.id)).failures == 0


@pytest.mark.parametrize("known", [0, 1])
async def test_an_outage_parks_nothing(stage, eva, client, known):
    """Scenario 89. Gmail shows no message at all: none of them is to blame, whether one was shown before or not."""
    for _ in range(known):
        await stage.mail(eva, a_mail(subject="Before"))
        await stage.push(eva)
    for _ in range(3):
        await stage.mail(eva, a_mail(subject="During"))
    await stage.sandbox.aio.fault("status", method="messages.get", code=503)
    for _ in range(7):
        await stage.sweep(eva)
        stage.wait(hours=1)
    assert await LedgerEntry.exclude(owed_at=None).exclude(tries=0).count() == 0
    await stage.sandbox.aio.clear_faults()
    assert await stage.pending() == [eva.id]
    await stage.sweep(eva)
    assert await stage.filed(client) == ["Before"] * known + ["During"] * 3


async def test_a_throttled_message_stays_owed_and_costs_no_try(stage, eva, client):
    """Scenario 30."""
    known = await stage.mail(eva, a_mail("stranger@elsewhere.example"))
    await stage.sweep(eva)
    sent = await stage.mail(eva, a_mail(subject="Throttled"))
    await stage.sandbox.aio.fault("status", method="messages.get", code=429, reason="rateLimitExceeded", retry_after=60, count=1)
    await stage.push(eva)
    assert await stage.fate(eva, sent) == (None, "throttled", True)
    assert (await LedgerEntry.get(gmail_id=sent)).tries == 0
    assert await stage.pending() == []
    await stage.push(eva)
    assert await stage.looks(eva) == [known, sent]
    stage.wait(seconds=120)
    assert await stage.pending() == [eva.id]
    await stage.sweep(eva)
    assert await stage.filed(client) == ["Throttled"]


BROKEN = {
    "wrong charset": (b'Content-Type: text/plain; charset="us-ascii"\r\n\r\nGr\xfc\xdfe', "Grüße"),
    "unknown charset": (b'Content-Type: text/plain; charset="x-none"\r\n\r\ncaf\xc3\xa9', "café"),
    "NUL bytes": (b"Content-Type: text/plain\r\n\r\nbe\x00fore", "before"),
    "HTML alone": (b"Content-Type: text/html\r\n\r\n<p>Only <b>HTML</b></p>", "Only HTML"),
    "no body": (b"\r\n", ""),
    "no such boundary": (b'Content-Type: multipart/mixed; boundary="x"\r\n\r\nno parts at all', ""),
    "message within": (
        b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nSee below\r\n--x\r\n'
        b"Content-Type: message/rfc822\r\n\r\nFrom: inner@elsewhere.example\r\nSubject: inner\r\n\r\nInner text\r\n--x--\r\n",
        "See below",
    ),
    "too much text": (b"Content-Type: text/plain\r\n\r\n" + b"x" * 3_000_000, "x" * 100),
}


@pytest.mark.parametrize("shape", BROKEN)
async def test_broken_mail_is_stored_and_stops_nobody(stage, eva, client, shape):
    """Scenario 107."""
    body, text = BROKEN[shape]
    raw = b"From: =?utf-8?q?P=00at?= <pat@client.example>\r\nSubject: =?x-none?b?////?= odd\r\n" + body
    await asyncio.to_thread(stage.sandbox.mail, eva.address, raw)
    await stage.mail(eva, a_mail(subject="Healthy"))
    await stage.push(eva)
    assert len(await stage.filed(client)) == 2
    stored = await Email.get(subject__not="Healthy")
    assert stored.text.strip().startswith(text)
    assert len(stored.text) <= 2 * 1024 * 1024
    assert (await LedgerEntry.filter(outcome="filed").count(), await LedgerEntry.exclude(outcome="filed").count()) == (2, 0)


@pytest.mark.parametrize("date", [None, "not a date", "Thu, 01 Jan 1970 00:00:00 +0000", "Fri, 31 Dec 9999 23:59:59 +0000"])
async def test_without_a_sane_date_the_time_of_receipt_counts(stage, eva, client, date):
    """Scenario 108."""
    mail = a_mail()
    del mail["Date"]
    raw = (f"Date: {date}\r\n" if date else "").encode() + mail.as_bytes()
    await stage.mail(eva, raw, internal_date=int(stage.clock.moment.timestamp()) * 1000)
    await stage.push(eva)
    activity = await Activity.get(client=client)
    assert activity.sent_at == stage.clock.moment.replace(microsecond=0)
