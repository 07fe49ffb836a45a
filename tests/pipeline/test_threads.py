"""Threads are told by the mail itself, the root of its References: Gmail's own threads differ by mailbox, and strangers get into them."""

import pytest

from models.activities import Activity
from models.emails import Email, Receipt
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from tests.builders import a_client, a_mail
from tests.pipeline.stage import Stage

PAT, LEE, STRANGER = "pat@client.example", "lee@other.example", "stranger@elsewhere.example"
ROOT, SECOND, THIRD = "<root@client.example>", "<second@sample.test>", "<third@client.example>"
SUBJECT = "Quarterly figures"


def a_conversation() -> tuple[bytes, bytes, bytes]:
    """Pat writes, Eva answers and Bob gets a copy, Pat writes to both of them."""
    first = a_mail(PAT, "eva@sample.test", SUBJECT, "One", Message_ID=ROOT)
    second = a_mail(
        "eva@sample.test", PAT, f"Re: {SUBJECT}", "Two", Cc="bob@sample.test", Message_ID=SECOND, In_Reply_To=ROOT, References=ROOT
    )
    third = a_mail(PAT, "eva@sample.test, bob@sample.test", f"Re: {SUBJECT}", "Three", Message_ID=THIRD, References=f"{ROOT} {SECOND}")
    return first.as_bytes(), second.as_bytes(), third.as_bytes()


@pytest.mark.parametrize("first_to_sync", ["eva", "bob"])
async def test_one_thread_in_two_mailboxes_is_one_though_gmail_gives_it_another_id_in_each(stage: Stage, first_to_sync: str) -> None:
    """Scenario 56. Bob has never seen the mail that began it."""
    client = await a_client(stage.firm, "", PAT)
    eva, bob = await stage.mailbox("eva@sample.test"), await stage.mailbox("bob@sample.test")
    one, two, three = a_conversation()
    hers = [await stage.arrives(eva, one), await stage.arrives(eva, two, "SENT"), await stage.arrives(eva, three)]
    his = [await stage.arrives(bob, two), await stage.arrives(bob, three)]
    gmails = {told["threadId"] for told in hers}, {told["threadId"] for told in his}
    assert [len(threads) for threads in gmails] == [1, 1]
    assert not gmails[0] & gmails[1]

    for mailbox in (eva, bob) if first_to_sync == "eva" else (bob, eva):
        await stage.push(mailbox)
    assert len(await stage.filed(client)) == 3
    assert {email.thread_root for email in await Email.all()} == {"root@client.example"}
    receipts = await Receipt.all().values_list("mailbox_id", "gmail_thread_id")
    assert {thread for mailbox, thread in receipts if mailbox == eva.id} == gmails[0]
    assert {thread for mailbox, thread in receipts if mailbox == bob.id} == gmails[1]


async def into_the_thread(stage: Stage, mailbox: Mailbox, sender: str, thread: str, **headers: str) -> str:
    """A mail that Gmail puts there for its subject alone."""
    return await stage.mail(mailbox, a_mail(sender, mailbox.address, SUBJECT, f"From {sender}", **headers), thread=thread)


async def pats_thread(stage: Stage, mailbox: Mailbox) -> str:
    return str((await stage.arrives(mailbox, a_mail(PAT, mailbox.address, SUBJECT, "From Pat", Message_ID=ROOT)))["threadId"])


@pytest.mark.parametrize("apart", [True, False])
async def test_who_writes_under_the_same_subject_inherits_nothing_from_gmails_thread(stage: Stage, apart: bool) -> None:
    """Scenario 57. A stranger's mail concerns nobody, another client's mail only that client; looked at together or one after the other."""
    client, other = await a_client(stage.firm, "", PAT), await a_client(stage.firm, "", LEE)
    eva = await stage.mailbox()
    thread = await pats_thread(stage, eva)
    if apart:
        await stage.push(eva)
    stranger = await into_the_thread(stage, eva, STRANGER, thread)
    await into_the_thread(stage, eva, LEE, thread)
    await stage.push(eva)
    assert await stage.fate(eva, stranger) == ("skipped", "no client", False)
    assert [activity.email.text async for activity in Activity.filter(client=client).select_related("email")] == ["From Pat\n"]
    assert [activity.email.text async for activity in Activity.filter(client=other).select_related("email")] == [f"From {LEE}\n"]
    assert {receipt.gmail_thread_id for receipt in await Receipt.all()} == {thread}
    assert len(set(await Email.all().values_list("thread_root", flat=True))) == 2


async def test_mails_without_any_message_id_are_threads_of_their_own(stage: Stage) -> None:
    """Scenarios 52, 57. Gmail's thread and the subject are all that they share."""
    await a_client(stage.firm, "", PAT)
    eva = await stage.mailbox()
    thread = await pats_thread(stage, eva)
    for words in ("one", "two"):
        mail = a_mail(PAT, eva.address, SUBJECT, words)
        del mail["Message-ID"]
        await stage.mail(eva, mail, thread=thread)
    await stage.push(eva)
    assert len(set(await Email.all().values_list("thread_root", flat=True))) == 3


async def test_a_stranger_who_names_the_root_in_his_references_is_still_a_stranger(stage: Stage) -> None:
    """Scenario 57. Sender and recipients decide whose mail it is, not the thread."""
    client = await a_client(stage.firm, "", PAT)
    eva = await stage.mailbox()
    thread = await pats_thread(stage, eva)
    await into_the_thread(stage, eva, STRANGER, thread, References=ROOT, In_Reply_To=ROOT)
    await stage.push(eva)
    assert await stage.filed(client) == [SUBJECT]
    assert sorted(await LedgerEntry.all().values_list("outcome", "reason")) == [("filed", "client"), ("skipped", "no client")]
