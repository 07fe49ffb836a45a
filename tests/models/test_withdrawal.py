"""What is erased when somebody puts a mail away, and that colleagues who do so, file it or decide about it at that moment spoil nothing."""

import asyncio
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from models.activities import Activity, Review
from models.database import connection, transaction
from models.emails import Attachment, Email, Participant, Receipt
from models.filing import file_batch
from models.firms import Firm
from models.history import Waits, record_page
from models.leases import Held
from models.ledger import Debt, LedgerEntry, Owed, Settled, owed, record
from models.withdrawal import arrived_since, withdraw
from tests.builders import a_client, a_firm, a_mailbox, a_user, held
from tests.models.emails import an_email
from tests.models.obstacles import obstacle
from tests.models.side_by_side import Stop, side_by_side, stopped
from tests.pipeline.headers import NOON
from tests.servers import Server

TRIES = 5
INTERVAL = timedelta(minutes=10)
WAITS = Waits(timedelta(minutes=2), INTERVAL)


# The rule


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def test_a_push_tells_within_seconds_so_what_came_an_interval_before_it_may_have_been_put_away_at_once():
    """Scenario 44. And the clocks may differ by half a minute; earlier looks say nothing."""
    for last in (None, NOON - minutes(9), NOON):
        assert NOON - arrived_since(NOON, INTERVAL, last, pushed=True) == minutes(10.5)


def test_the_sweep_sees_it_up_to_half_an_interval_late():
    """Scenario 44."""
    assert NOON - arrived_since(NOON, INTERVAL, None, pushed=False) == minutes(15)
    assert NOON - arrived_since(NOON, INTERVAL, NOON - minutes(10), pushed=False) == minutes(15)


def test_what_an_earlier_look_still_saw_in_its_place_an_interval_after_it_came_stays():
    """Scenario 44."""
    assert NOON - arrived_since(NOON, INTERVAL, NOON - minutes(4), pushed=False) == minutes(14)
    assert NOON - arrived_since(NOON, INTERVAL, NOON, pushed=False) == minutes(10)


# Who does what


@dataclass(frozen=True)
class Worker:
    """A mailbox under its lease, and what Gmail tells of it."""

    run: Held
    clients: list[int]
    now: datetime
    ids: Iterator[int]

    async def learns(self, *mails: str) -> list[Owed]:
        """Of a change of each of them."""
        async with connection() as database:
            await record(database, self.run.id, [Debt(mail, next(self.ids), "look") for mail in mails], "push", self.now)
        return [entry for entry in await owed(self.run.id, self.now, 100) if entry.gmail_id in mails]

    async def ends(self, looks: list[Owed], *put_away: str) -> int:
        """A batch: all others of it are filed, for one client for certain and for one of two others."""
        kept = [look for look in looks if look.gmail_id not in put_away]
        emails = [an_email(look.gmail_id, self.now, self.clients[0], in_doubt=tuple(self.clients[1:])) for look in kept]
        verdicts = [
            Settled(look, "filed", "client", look.seen) if look in kept else Settled(look, "withdrawn", "trash", look.seen)
            for look in looks
        ]
        return await file_batch(self.run, emails, [*verdicts], TRIES, self.now)

    async def files(self, *mails: str) -> int:
        return await self.ends(await self.learns(*mails))

    async def puts_away(self, *mails: str) -> int:
        return await self.ends(await self.learns(*mails), *mails)

    async def deletes(self, *mails: str) -> int:
        """For good: history tells of it, and nobody looks."""
        return await record_page(self.run, [Debt(mail, next(self.ids), "deleted") for mail in mails], "push", WAITS, self.now)

    async def has(self) -> set[str]:
        """What the ledger says is filed."""
        return {entry.gmail_id for entry in await LedgerEntry.filter(mailbox_id=self.run.id, outcome="filed")}


@pytest.fixture
async def team(now: datetime) -> list[Worker]:
    """Four colleagues."""
    firm, ids = await a_firm(), itertools.count(101)
    clients = [(await a_client(firm)).id for _ in range(3)]
    boxes = [await a_mailbox(await a_user(firm), at=now) for _ in range(4)]
    return [Worker(await held(box, now, lease=3600), clients, now, ids) for box in boxes]


async def assert_that_all_fits(team: list[Worker]) -> None:
    """An e-mail is there, once and whole, exactly as long as some mailbox has it."""
    has = {(worker.run.id, mail) for worker in team for mail in await worker.has()}
    assert set(await Receipt.all().values_list("mailbox_id", "email__identity")) == has
    mails = len({mail for _, mail in has})
    counts = [await table.all().count() for table in (Email, Receipt, Participant, Attachment, Activity, Review)]
    assert counts == [mails, len(has), 2 * mails, mails, 2 * mails, mails]


# What is erased


async def test_only_the_mailboxs_own_receipts_of_these_messages_go_and_what_nobody_holds_any_more(team):
    """Scenario 44."""
    eva, bob, *_ = team
    await eva.files("a", "b", "c")
    await bob.files("b")
    assert await transaction(lambda database: withdraw(database, eva.run.id, ["a", "b", "unknown"])) == {"a", "b"}
    assert set(await Receipt.all().values_list("mailbox_id", "gmail_id")) == {(eva.run.id, "c"), (bob.run.id, "b")}
    assert {email.identity for email in await Email.all()} == {"b", "c"}
    assert {review.email_id for review in await Review.all()} == {email.id for email in await Email.all()}


async def test_only_what_came_late_enough_goes(team):
    """Scenario 44."""
    eva, *_ = team
    await eva.files("a")
    async with connection() as database:
        assert await withdraw(database, eva.run.id, ["a"], eva.now + timedelta(seconds=1)) == set()
        assert await Email.all().exists()
        assert await withdraw(database, eva.run.id, ["a"], eva.now) == {"a"}
        assert not await Email.all().exists()


async def test_nothing_to_withdraw_is_no_error(team):
    eva, *_ = team
    assert await transaction(lambda database: withdraw(database, eva.run.id, [])) == set()
    assert await transaction(lambda database: withdraw(database, eva.run.id, ["unknown"])) == set()


async def test_filing_and_putting_away_in_one_batch_does_both(team):
    """Scenario 44."""
    eva, *_ = team
    await eva.files("a", "b")
    await eva.ends(await eva.learns("a", "c"), "a")
    assert await eva.has() == {"b", "c"}
    await assert_that_all_fits(team)


async def test_a_withdrawal_that_the_database_interrupts_is_done_whole_and_once(team):
    """Scenarios 44, 122."""
    eva, *_ = team
    await eva.files("a")
    looks = await eva.learns("a", "b")
    async with obstacle("ledger_entry", "deadlock", times=1):
        assert await eva.ends(looks, "a") == 2
    assert await eva.has() == {"b"}
    await assert_that_all_fits(team)


# Side by side


@pytest.fixture
def deadlocks(postgres: Server) -> Callable[[], int]:
    """How many there were since the test began; those, too, that a second attempt cured."""

    def count() -> int:
        return postgres.log.read_text().count("deadlock detected")

    before = count()
    return lambda: count() - before


FILING = [
    ("BEFORE INSERT", "email"),
    ("BEFORE INSERT", "participant"),  # it knows that the e-mail is there, and has not locked it yet
    ("BEFORE INSERT", "receipt"),
    ("AFTER INSERT", "receipt"),
    ("AFTER UPDATE", "activity"),
    ("AFTER INSERT", "review"),
    ("AFTER UPDATE", "ledger_entry"),
]
WITHDRAWING = [
    ("BEFORE DELETE", "receipt"),
    ("AFTER DELETE", "receipt"),
    ("BEFORE DELETE", "email"),
    ("AFTER DELETE", "email"),
    ("AFTER UPDATE", "ledger_entry"),
]


@pytest.mark.parametrize("how", ["puts away", "deletes"])
@pytest.mark.parametrize(("when", "table"), FILING)
async def test_a_mail_that_one_withdraws_while_another_is_filing_it_stays_with_the_other(team, deadlocks, when, table, how):
    """Scenarios 44, 50, 122."""
    eva, bob, *_ = team
    await eva.files("a")
    hers, his = await eva.learns("a"), await bob.learns("a")
    await side_by_side(when, table, lambda: bob.ends(his), lambda: eva.deletes("a") if how == "deletes" else eva.ends(hers, "a"))
    assert (await eva.has(), await bob.has()) == (set(), {"a"})
    await assert_that_all_fits(team)
    assert deadlocks() == 0


@pytest.mark.parametrize("how", ["puts away", "deletes"])
async def test_so_it_does_while_another_is_filing_it_for_one_more_client(team, deadlocks, how):
    """Scenarios 44, 50, 122. As his copy shows somebody whom hers does not."""
    eva, bob, *_ = team
    other = replace(bob, clients=[(await a_client(await Firm.get())).id, *bob.clients[1:]])
    await eva.files("a")
    hers, his = await eva.learns("a"), await bob.learns("a")
    await side_by_side(
        "AFTER INSERT", "activity", lambda: other.ends(his), lambda: eva.deletes("a") if how == "deletes" else eva.ends(hers, "a")
    )
    assert (await eva.has(), await bob.has()) == (set(), {"a"})
    assert set(await Activity.all().values_list("client_id", "status")) == {
        (bob.clients[0], "filed"),
        (bob.clients[1], "review"),
        (other.clients[0], "filed"),
    }
    assert [await table.all().count() for table in (Email, Receipt, Review)] == [1, 1, 1]
    assert deadlocks() == 0


@pytest.mark.parametrize("how", ["puts away", "deletes"])
@pytest.mark.parametrize(("when", "table"), WITHDRAWING)
async def test_a_mail_that_one_files_while_another_is_withdrawing_it_is_filed(team, deadlocks, when, table, how):
    """Scenarios 44, 50, 122."""
    eva, bob, *_ = team
    await eva.files("a")
    hers, his = await eva.learns("a"), await bob.learns("a")
    await side_by_side(when, table, lambda: eva.deletes("a") if how == "deletes" else eva.ends(hers, "a"), lambda: bob.ends(his))
    assert (await eva.has(), await bob.has()) == (set(), {"a"})
    await assert_that_all_fits(team)
    assert deadlocks() == 0


@pytest.mark.parametrize(("when", "table"), WITHDRAWING)
async def test_of_a_mail_that_its_last_two_holders_withdraw_at_once_nothing_is_left(team, deadlocks, when, table):
    """Scenarios 44, 130."""
    eva, bob, *_ = team
    for worker in (eva, bob):
        await worker.files("a", "b")
    hers, his = await eva.learns("a", "b"), await bob.learns("a", "b")
    await side_by_side(when, table, lambda: eva.ends(hers, "a", "b"), lambda: bob.ends(his, "b", "a"))
    assert [await table.all().count() for table in (Email, Participant, Attachment, Activity, Review)] == [0] * 5
    await assert_that_all_fits(team)
    assert deadlocks() == 0


@pytest.mark.parametrize(("when", "table"), [("AFTER INSERT", "receipt"), ("AFTER UPDATE", "ledger_entry")])
async def test_two_that_withdraw_what_the_other_files_meet_in_no_deadlock(team, deadlocks, when, table):
    """Scenarios 44, 122. Each locks all its e-mails at once, in the same order."""
    eva, bob, *_ = team
    await eva.files("a")
    await bob.files("b")
    hers, his = await eva.learns("a", "b"), await bob.learns("a", "b")
    await side_by_side(when, table, lambda: eva.ends(hers, "a"), lambda: bob.ends(his, "b"))
    assert (await eva.has(), await bob.has()) == ({"b"}, {"a"})
    await assert_that_all_fits(team)
    assert deadlocks() == 0


async def test_colleagues_who_file_and_withdraw_the_same_mails_all_the_time_lose_nothing_and_leave_nothing(team, deadlocks):
    """Scenarios 44, 50, 122, 130."""
    chance, mails = random.Random(44), [f"mail {number}" for number in range(8)]

    async def turn(worker: Worker) -> None:
        has, told = await worker.has(), chance.sample(mails, 4)
        gone = [mail for mail in told if mail in has]
        if chance.random() < 0.3:
            await worker.deletes(*gone)
            gone, told = [], [mail for mail in told if mail not in has]
        looks = await worker.learns(*told)
        if chance.random() < 0.5:  # apart, so that locks are taken in another order
            await worker.ends([look for look in looks if look.gmail_id in gone], *gone)
            looks = [look for look in looks if look.gmail_id not in gone]
        await worker.ends(looks, *gone)

    for _ in range(12):
        await asyncio.gather(*map(turn, team))
        await assert_that_all_fits(team)
    assert deadlocks() == 0


# What somebody has said


@pytest.mark.parametrize("outcome", ["inherited", "merged"])
async def test_a_question_that_no_person_answered_goes_with_its_mail(team, outcome):
    """Scenarios 44, 130. Its thread did, or a merger of clients."""
    eva, *_ = team
    await eva.files("a")
    await Review.all().update(decided_at=eva.now, outcome=outcome)
    await Activity.filter(status="review").update(status="filed", how="inherited")
    await eva.puts_away("a")
    await assert_that_all_fits(team)
    assert not await Email.all().exists()


@pytest.mark.parametrize("said", ["handed over", "dismissed", "answered by who is gone"])
async def test_what_somebody_has_said_stays(team, said):
    """Scenario 44. Even if no activity is left that shows it, or the person is gone."""
    eva, *_ = team
    await eva.files("a")
    match said:
        case "handed over":
            await Review.all().update(holder_id=eva.run.user_id)
        case "dismissed":
            await Email.all().update(dismissed_at=eva.now)
            await Activity.all().delete()
            await Review.all().delete()
        case _:
            await Review.all().update(decided_at=eva.now, outcome="approved")
    await eva.puts_away("a")
    assert (await Email.all().count(), await eva.has()) == (1, {"a"})


# A person decides at that moment

DECISIONS = ["UPDATE activity SET note = 'A note' WHERE status = 'review'", "UPDATE review SET decided_at = now()"]


@pytest.mark.parametrize("decision", DECISIONS)
async def test_a_decision_that_is_being_written_is_waited_for_and_stands(team, decision):
    """Scenario 44."""
    eva, *_ = team
    await eva.files("a")
    looks = await eva.learns("a")
    async with connection() as person:
        async with person.transaction():
            await person.execute(decision)
            withdrawing = asyncio.ensure_future(eva.ends(looks, "a"))
            await Stop(person).ends_or_waits(withdrawing)
            assert not withdrawing.done()
        await withdrawing
    assert await eva.has() == {"a"}
    await assert_that_all_fits(team)


@pytest.mark.parametrize("decision", DECISIONS)
async def test_a_decision_about_what_is_just_being_withdrawn_finds_nothing(team, decision):
    eva, *_ = team
    await eva.files("a")
    looks = await eva.learns("a")

    async def decides() -> int:
        async with connection() as person:
            return int((await person.execute(decision)).split()[-1])

    async with stopped("BEFORE DELETE", "receipt") as stop:
        withdrawing = asyncio.ensure_future(eva.ends(looks, "a"))
        await stop.reached()
        deciding = asyncio.ensure_future(decides())
        await stop.ends_or_waits(deciding)
        await stop.go()
        assert (await withdrawing, await deciding) == (0, 0)
    await assert_that_all_fits(team)
