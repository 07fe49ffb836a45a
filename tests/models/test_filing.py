"""The transaction that files a batch: all or nothing, once, and side by side with a colleague's."""

import asyncio
import random

import pytest

from models.activities import Activity, Review
from models.database import connection
from models.emails import Attachment, Email, Participant, Receipt
from models.filing import file_batch
from models.leases import LeaseLost
from models.ledger import Debt, LedgerEntry, Postponed, Settled, owed, record, strike
from models.mailboxes import Mailbox
from tests.builders import a_client, a_firm, a_mailbox, a_user, held
from tests.models.emails import an_email, debts_for, filed
from tests.models.obstacles import obstacle

TRIES = 5


@pytest.fixture
async def firm(database: None):
    return await a_firm()


@pytest.fixture
async def clients(firm) -> list[int]:
    return [(await a_client(firm)).id for _ in range(4)]


async def counts() -> dict[str, int]:
    return {table.__name__: await table.all().count() for table in (Email, Receipt, Participant, Attachment, Activity, Review)}


async def test_filing_twice_is_filing_once(firm, clients, now):
    """Scenario 13."""
    mailbox = await a_mailbox(await a_user(firm), at=now)
    emails = [an_email("a", now, *clients[:2]), an_email("b", now, clients[0], in_doubt=tuple(clients[1:3]))]
    verdicts = filed(await debts_for(mailbox, emails, now))
    run = await held(mailbox, now)
    assert [await file_batch(run, emails, [*verdicts], TRIES, now) for _ in range(3)] == [4, 0, 0]
    assert await counts() == {"Email": 2, "Receipt": 2, "Participant": 4, "Attachment": 2, "Activity": 4, "Review": 1}
    assert await LedgerEntry.filter(outcome="filed", owed_at=None).count() == 2


async def test_one_mail_in_many_mailboxes_is_one_email_with_a_receipt_for_each(firm, clients, now):
    """Scenarios 50, 121. And one question, whose best guess alone has an activity."""
    team = [await a_mailbox(await a_user(firm), at=now) for _ in range(3)]
    mail = an_email("a", now, clients[3], in_doubt=tuple(clients[:3]))

    async def file_it(mailbox: Mailbox) -> int:
        looks = await debts_for(mailbox, [mail], now)
        return await file_batch(await held(mailbox, now), [mail], [*filed(looks)], TRIES, now)

    assert sum(await asyncio.gather(*map(file_it, team))) == 2
    assert await counts() == {"Email": 1, "Receipt": 3, "Participant": 2, "Attachment": 1, "Activity": 2, "Review": 1}
    assert sorted(await Activity.all().values_list("client_id", "status")) == [(clients[0], "review"), (clients[3], "filed")]


async def test_what_is_certain_in_one_copy_is_not_asked_about_in_another(firm, clients, now):
    """Scenario 121. One colleague's copy shows the client in Bcc, the other's only an address that several share."""
    certain, doubtful = an_email("a", now, clients[1]), an_email("a", now, in_doubt=(clients[0], clients[1]))
    for mail in (certain, doubtful):
        mailbox = await a_mailbox(await a_user(firm), at=now)
        looks = await debts_for(mailbox, [mail], now)
        await file_batch(await held(mailbox, now), [mail], [*filed(looks)], TRIES, now)
    assert (await Review.all().count(), await Activity.all().values_list("client_id", "status")) == (0, [(clients[1], "filed")])


async def test_overlapping_batches_in_opposite_order_never_meet_in_a_deadlock(firm, clients, now, postgres):
    """Scenario 122. Many rounds, on real PostgreSQL: no error, nothing twice, nothing lost, and no deadlock that a retry had to cure."""
    chance = random.Random(122)
    team = [await a_mailbox(await a_user(firm), at=now) for _ in range(4)]
    runs = [await held(mailbox, now) for mailbox in team]
    before = postgres.log.read_text().count("deadlock detected")
    receipts = 0
    for number in range(25):
        every = [an_email(f"{number:02}-{mail:02}", now, clients[0], in_doubt=tuple(clients[1:3])) for mail in range(25)]
        shares = [every, every[::-1], every[5:20], chance.sample(every, 20)]
        looks = [await debts_for(mailbox, share, now) for mailbox, share in zip(team, shares, strict=True)]
        made = await asyncio.gather(
            *(file_batch(run, share, [*filed(owed)], TRIES, now) for run, share, owed in zip(runs, shares, looks, strict=True))
        )
        assert sum(made) == 50
        receipts += sum(map(len, shares))
    assert postgres.log.read_text().count("deadlock detected") == before
    assert (await Email.all().count(), await Activity.all().count(), await Review.all().count()) == (625, 1250, 625)
    assert await Receipt.all().count() == receipts == await LedgerEntry.filter(outcome="filed", owed_at=None).count()


async def test_without_the_lease_nothing_is_filed(firm, clients, now):
    """Scenarios 33, 120."""
    mailbox = await a_mailbox(await a_user(firm), at=now)
    emails = [an_email("a", now, clients[0])]
    looks = await debts_for(mailbox, emails, now)
    run = await held(mailbox, now)
    await Mailbox.filter(id=mailbox.id).update(epoch=run.epoch + 1)
    with pytest.raises(LeaseLost):
        await file_batch(run, emails, [*filed(looks)], TRIES, now)
    assert sum((await counts()).values()) == 0
    assert await LedgerEntry.exclude(owed_at=None).count() == 1


@pytest.fixture
async def mailbox(firm, now) -> Mailbox:
    return await a_mailbox(await a_user(firm), at=now)


@pytest.mark.parametrize("what", ["deadlock", "serialisation", "terminated"])
@pytest.mark.parametrize("table", ["email", "activity", "ledger_entry"])
async def test_a_batch_that_the_database_interrupts_is_filed_whole_and_once(firm, clients, now, mailbox, what, table):
    """Scenarios 31, 122. At the first row, in the middle, or in the last statement."""
    emails = [an_email("a", now, clients[0]), an_email("b", now, clients[1], in_doubt=(clients[2], clients[3]))]
    looks = await debts_for(mailbox, emails, now)
    async with obstacle(table, what, times=1):
        assert await file_batch(await held(mailbox, now), emails, [*filed(looks)], TRIES, now) == 3
    assert await counts() == {"Email": 2, "Receipt": 2, "Participant": 4, "Attachment": 2, "Activity": 3, "Review": 1}
    assert await LedgerEntry.filter(outcome="filed", owed_at=None).count() == 2


async def test_a_strike_is_taken_back_with_the_batch_and_only_that_of_this_worker(firm, clients, now, mailbox):
    """Scenario 32. What was read to its end has none any more; what stays owed keeps those that others died over."""
    emails = [an_email(name, now, clients[0]) for name in ("read", "unread", "untouched")]
    read, unread, untouched = await debts_for(mailbox, emails, now)
    for _ in range(2):
        await strike([look.entry_id for look in (read, unread, untouched)])
    await file_batch(await held(mailbox, now), emails[:1], [*filed([read])], TRIES, now, [read.entry_id, unread.entry_id])
    strikes = dict(await LedgerEntry.all().values_list("id", "strikes"))
    assert strikes == {read.entry_id: 0, unread.entry_id: 1, untouched.entry_id: 2}


async def test_a_batch_that_is_not_written_takes_no_strike_back(firm, clients, now, mailbox):
    """Scenario 32."""
    emails = [an_email("a", now, clients[0])]
    looks = await debts_for(mailbox, emails, now)
    await strike([looks[0].entry_id])
    run = await held(mailbox, now)
    await Mailbox.filter(id=mailbox.id).update(lease_owner="another")
    with pytest.raises(LeaseLost):
        await file_batch(run, emails, [*filed(looks)], TRIES, now, [looks[0].entry_id])
    assert (await LedgerEntry.get()).strikes == 1


async def test_a_failed_look_is_put_off_and_keeps_the_strikes_of_dead_workers(firm, clients, now, mailbox):
    """Scenarios 29, 32. What fails now and then and kills now and then is parked by whichever comes first."""
    (look,) = await debts_for(mailbox, [an_email("a", now, clients[0])], now)
    for _ in range(2):
        await strike([look.entry_id])
    await file_batch(await held(mailbox, now), [], [Postponed(look, now, "backendError", failed=True)], TRIES, now, [look.entry_id])
    entry = await LedgerEntry.get()
    assert (entry.tries, entry.strikes, entry.owed_at is not None) == (1, 1, True)


@pytest.mark.parametrize("reason", ["title", "none"])
async def test_what_may_not_be_withdrawn_stays_filed_in_the_ledger(firm, clients, now, mailbox, reason):
    """Scenario 44. The debt is paid all the same."""
    emails = [an_email("a", now, clients[0])]
    run = await held(mailbox, now)
    await file_batch(run, emails, [*filed(await debts_for(mailbox, emails, now))], TRIES, now)
    if reason == "title":
        await Activity.all().update(title="A title")
    async with connection() as database:
        await record(database, mailbox.id, [Debt("a", 2, "look")], "push", now)
    (look,) = await owed(mailbox.id, now, 1)
    await file_batch(run, [], [Settled(look, "withdrawn", "trash", 2)], TRIES, now)
    entry = await LedgerEntry.get()
    kept = reason == "title"
    assert (entry.outcome, entry.reason, entry.owed_at) == (("filed", "client", None) if kept else ("withdrawn", "trash", None))
    assert await Email.all().count() == kept
