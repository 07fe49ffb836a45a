"""Mail that was pruned from the ledger and is told of again: looked at again, and filed once."""

from datetime import timedelta

from models.activities import Activity
from models.emails import Email, Receipt
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from models.pruning import prune
from pipeline.recover import recover
from tests.builders import a_client, a_mail
from tests.pipeline.stage import Stage

AT_ONCE = timedelta(0)


async def listed_by_date(stage: Stage, mailbox: Mailbox) -> None:
    """Its history is gone."""
    await stage.time_passes(3600)
    await stage.sandbox.aio.fault("history_expired")
    await stage.sweep(mailbox)
    await recover(mailbox.id, "trace", stage.tools)


async def test_pruned_mail_that_comes_back_is_filed_once_however_often_it_is_listed(stage: Stage) -> None:
    """Scenarios 43, 50. Eva's copy lay in spam until its row was pruned; Bob's was filed."""
    client = await a_client(stage.firm, "", "pat@client.example")
    eva, bob = await stage.mailbox("eva@sample.test"), await stage.mailbox("bob@sample.test")
    mail = a_mail(subject="figures").as_bytes()
    spam = await stage.mail(eva, mail, "SPAM")
    await stage.mail(bob, mail)
    for mailbox in (eva, bob):
        await stage.sweep(mailbox)
    await stage.time_passes(3600)
    assert await prune(AT_ONCE, stage.clock.moment) == 1
    assert await LedgerEntry.filter(gmail_id=spam).count() == 0

    await stage.sandbox.aio.labels(eva.address, spam, ("INBOX",), ("SPAM",))
    await stage.push(eva)
    assert await stage.fate(eva, spam) == ("filed", "client", False)
    for _ in range(2):
        await listed_by_date(stage, eva)
        await prune(AT_ONCE, stage.clock.moment)
    assert await stage.filed(client) == ["figures"]
    assert [await model.all().count() for model in (Email, Activity, Receipt)] == [1, 1, 2]


async def test_a_strangers_mail_that_was_pruned_is_looked_at_again_when_it_is_listed(stage: Stage) -> None:
    """Scenario 39. They have become a client's contact meanwhile."""
    eva = await stage.mailbox()
    strangers = await stage.mail(eva, a_mail(subject="hello"))
    await stage.sweep(eva)
    assert await stage.fate(eva, strangers) == ("skipped", "no client", False)
    await stage.time_passes(3600)
    client = await a_client(stage.firm, "", "pat@client.example")
    assert await prune(AT_ONCE, stage.clock.moment) == 1
    await listed_by_date(stage, eva)
    assert await stage.filed(client) == ["hello"]
