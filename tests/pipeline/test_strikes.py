"""Poison: a message that kills whoever reads it is parked after three deaths, and nobody who died beside it, or merely failed, is."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from models.database import connection
from models.gaps import Gap
from models.ledger import LedgerEntry, forgive, strike
from models.mailboxes import Mailbox
from pipeline.jobs import SWEEP
from pipeline.recover import recover
from pipeline.sync import Trigger, sync, sync_many
from tests.builders import a_client, a_mail
from tests.models.obstacles import obstacle
from tests.pipeline.stage import Killed, Stage, killed

SWEPT = Trigger("sweep", SWEEP, "trace")
LEASE = 21  # seconds until a dead worker's lease has ended


@pytest.fixture
async def eva(stage: Stage) -> Mailbox:
    return await stage.mailbox()


@pytest.fixture
async def client(stage: Stage):
    return await a_client(stage.firm, "", "pat@client.example")


async def strikes(*gmail_ids: str) -> list[int]:
    found = dict(await LedgerEntry.filter(gmail_id__in=gmail_ids).values_list("gmail_id", "strikes"))
    return [found[gmail_id] for gmail_id in gmail_ids]


def whole(gmail_id: str) -> str:
    """A part of the address of that message's full get."""
    return f"/messages/{gmail_id}?format=full"


async def dies_over(stage: Stage, poison: str, mailbox: Mailbox) -> None:
    """A worker takes the mailbox, and dies as soon as it has the poison."""
    stage.wire.after(whole(poison), killed)
    with pytest.raises(Killed):
        await stage.sweep(mailbox)
    stage.wait(seconds=LEASE)


async def test_a_message_that_kills_three_workers_is_parked_and_named_and_the_mailbox_goes_on(stage, eva, client):
    """Scenario 32. It dies in a batch first, then alone; those that were read beside it are cleared and filed; the fourth run asks for
    nothing."""
    poison = await stage.mail(eva, a_mail(subject="Huge"))
    beside = [await stage.mail(eva, a_mail(subject=f"Beside {number}")) for number in range(3)]
    await dies_over(stage, poison, eva)
    assert await strikes(poison, *beside) == [1, 1, 1, 1]
    assert await stage.filed(client) == []

    await dies_over(stage, poison, eva)
    assert await strikes(poison, *beside) == [2, 1, 1, 1]
    await stage.mail(eva, a_mail(subject="Meanwhile"))
    await dies_over(stage, poison, eva)
    assert await strikes(poison, *beside) == [3, 0, 0, 0]
    assert await stage.filed(client) == ["Beside 0", "Beside 1", "Beside 2", "Meanwhile"]

    asked = await stage.sandbox.aio.state(eva.address)
    await stage.sweep(eva)
    assert await stage.fate(eva, poison) == ("parked", "kills workers", False)
    assert await strikes(poison) == [3]  # as whoever reads of it shall see
    after = await stage.sandbox.aio.state(eva.address)
    assert after["calls_by_method"]["messages.get"] == asked["calls_by_method"]["messages.get"]
    assert (await stage.looks(eva, "full")).count(poison) == 3
    stage.wait_to_settle()
    await stage.sweep(eva)
    assert (await Mailbox.get(id=eva.id)).cursor > eva.cursor


async def test_the_strike_stands_in_the_database_before_the_message_is_read_and_what_concerns_nobody_has_none(stage, eva, client):
    """Scenario 32."""
    read = await stage.mail(eva, a_mail())
    private = await stage.mail(eva, a_mail("stranger@elsewhere.example"))
    seen: list[int] = []

    async def look() -> None:
        seen.extend(await strikes(read, private))

    stage.wire.after(whole(read), look)
    await stage.sweep(eva)
    assert seen == [1, 0]
    assert await strikes(read, private) == [0, 0]


async def test_what_may_have_killed_a_worker_is_read_after_all_others_and_the_likeliest_last(stage, eva, client):
    """Scenario 32."""
    ids = [await stage.mail(eva, a_mail(subject=f"Mail {number}")) for number in range(4)]
    await dies(stage, eva, "format=metadata")
    for gmail_id, count in zip(ids, (2, 1, 0, 0), strict=True):
        await LedgerEntry.filter(gmail_id=gmail_id).update(strikes=count)
    await stage.sweep(eva)
    read = await stage.looks(eva, "full")
    assert (set(read[:2]), read[2:]) == (set(ids[2:]), [ids[1], ids[0]])
    assert len(await stage.filed(client)) == 4


async def test_who_dies_beside_the_poison_in_one_process_is_never_parked(stage, eva, client):
    """Scenario 32. Whenever another mailbox's message is under way when the process dies, it dies with it: that is only the first time."""
    bob = await stage.mailbox("bob@sample.test")
    poison = await stage.mail(eva, a_mail(subject="Huge"))
    innocent = await stage.mail(bob, a_mail(subject="Innocent"))
    for death in (1, 2, 3):
        dead = asyncio.Event()

        async def dies_first(dead: asyncio.Event = dead) -> None:
            dead.set()
            raise Killed

        async def dies_with_it(dead: asyncio.Event = dead, *, at_once: bool = death == 1) -> None:
            if dead.is_set() and not at_once:
                return  # it was read afterwards: no process is so dead
            with suppress(TimeoutError):
                await asyncio.wait_for(dead.wait(), 5 if at_once else 0.03)
                raise Killed

        stage.wire.after(whole(poison), dies_first)
        stage.wire.after(whole(innocent), dies_with_it)
        await sync_many([bob.id, eva.id], SWEPT, stage.tools)
        assert await strikes(poison, innocent) == [death, 1 if death == 1 else 0]
        stage.wire.forget()
        stage.wait(seconds=LEASE)
    await sync_many([bob.id, eva.id], SWEPT, stage.tools)
    assert await stage.fate(eva, poison) == ("parked", "kills workers", False)
    assert await stage.fate(bob, innocent) == ("filed", "client", False)


async def test_two_that_may_have_killed_a_worker_are_never_read_at_once_in_one_process(stage, eva, client):
    """Scenario 32. Else both would have the strike of whichever is poison."""
    bob = await stage.mailbox("bob@sample.test")
    sent = [(mailbox, await stage.mail(mailbox, a_mail())) for mailbox in (eva, bob)]
    for mailbox, gmail_id in sent:
        await dies_over(stage, gmail_id, mailbox)
    counts: list[list[int]] = []

    async def look() -> None:
        await asyncio.sleep(0.05)  # the other would be read meanwhile
        counts.append(sorted(await strikes(*(gmail_id for _, gmail_id in sent))))

    for _, gmail_id in sent:
        stage.wire.after(whole(gmail_id), look)
    await sync_many([eva.id, bob.id], SWEPT, stage.tools)
    assert counts == [[1, 2], [0, 2]]
    assert await strikes(*(gmail_id for _, gmail_id in sent)) == [0, 0]


async def test_a_gap_that_holds_poison_is_worked_off_all_the_same(stage, eva, client):
    """Scenarios 25, 32."""
    await stage.mail(eva, a_mail(subject="Before"))
    await stage.sweep(eva)
    poison = await stage.mail(eva, a_mail(subject="Huge"))
    await stage.mail(eva, a_mail(subject="Missed"))
    await stage.sandbox.aio.fault("history_expired")
    await stage.sweep(eva)
    for _ in range(3):
        stage.wire.after(whole(poison), killed)
        with pytest.raises(Killed):
            await recover(eva.id, "trace", stage.tools)
        stage.wait(minutes=1)
    await recover(eva.id, "trace", stage.tools)
    assert await stage.fate(eva, poison) == ("parked", "kills workers", False)
    assert await stage.filed(client) == ["Before", "Missed"]
    assert await Gap.filter(closed_at=None).count() == 0


@pytest.mark.parametrize("lives", [True, False])
async def test_a_new_change_gives_what_was_parked_for_it_three_new_tries(stage, eva, client, lives):
    """Scenario 32."""
    poison = await stage.mail(eva, a_mail(subject="Huge"))
    for _ in range(3):
        await dies_over(stage, poison, eva)
    await stage.sweep(eva)
    await to_and_fro(stage, eva, poison)
    if lives:
        await stage.sweep(eva)
        assert await stage.filed(client) == ["Huge"]
        return
    for _ in range(3):
        await dies_over(stage, poison, eva)
    await stage.sweep(eva)
    assert await stage.fate(eva, poison) == ("parked", "kills workers", False)
    assert (await stage.looks(eva, "full")).count(poison) == 6


async def test_what_was_filed_before_it_turned_to_poison_stays_filed(stage, eva, client):
    """Scenario 32."""
    poison = await stage.mail(eva, a_mail(subject="Huge"))
    await stage.sweep(eva)
    await to_and_fro(stage, eva, poison)
    for _ in range(3):
        await dies_over(stage, poison, eva)
    await stage.sweep(eva)
    assert await stage.fate(eva, poison) == ("filed", "client", False)
    assert await stage.filed(client) == ["Huge"]


async def to_and_fro(stage: Stage, mailbox: Mailbox, gmail_id: str) -> None:
    for add, remove in ((("TRASH",), ("INBOX",)), (("INBOX",), ("TRASH",))):
        await stage.sandbox.aio.labels(mailbox.address, gmail_id, add=add, remove=remove)


async def dies(stage: Stage, mailbox: Mailbox, after: str) -> None:
    stage.wire.after(after, killed)
    with pytest.raises(Killed):
        await stage.sweep(mailbox)
    stage.wire.forget()
    stage.wait(seconds=LEASE)


# A worker that lives forgives, whatever went wrong


async def database_away(stage: Stage, eva: Mailbox, gmail_id: str) -> None:
    """From the strike on: neither can the batch be written, nor the strike be taken back."""
    async with AsyncExitStack() as trouble:
        stage.wire.after(whole(gmail_id), lambda: trouble.enter_async_context(obstacle("ledger_entry", "disk full")))
        with pytest.raises(asyncpg.DiskFullError):
            await stage.sweep(eva)


async def batch_not_written(stage: Stage, eva: Mailbox, gmail_id: str) -> None:
    async with obstacle("activity", "disk full"):
        with pytest.raises(asyncpg.DiskFullError):
            await stage.sweep(eva)


async def lease_lost(stage: Stage, eva: Mailbox, gmail_id: str) -> None:
    stage.wire.after(whole(gmail_id), lambda: Mailbox.filter(id=eva.id).update(lease_owner="another"))
    await stage.sweep(eva)
    await Mailbox.filter(id=eva.id).update(lease_owner=None, lease_until=None)


async def cancelled(stage: Stage, eva: Mailbox, gmail_id: str) -> None:
    reading = asyncio.create_task(sync(eva.id, SWEPT, stage.tools))

    async def cancel() -> None:
        reading.cancel()

    stage.wire.after(whole(gmail_id), cancel)
    with pytest.raises(asyncio.CancelledError):
        await reading


async def refused(stage: Stage, eva: Mailbox, **answer: Any) -> None:
    """The full get is, not the look at its headers."""
    stage.wire.after("format=metadata", lambda: stage.sandbox.aio.fault("status", method="messages.get", **answer))
    await stage.sweep(eva)
    await stage.sandbox.aio.clear_faults()


async def throttled(stage: Stage, eva: Mailbox, gmail_id: str) -> None:
    await refused(stage, eva, code=429, reason="rateLimitExceeded", retry_after=60)


async def revoked(stage: Stage, eva: Mailbox, gmail_id: str) -> None:
    await refused(stage, eva, code=403, reason="domainPolicy")
    await Mailbox.filter(id=eva.id).update(state="connected")


async def unavailable(stage: Stage, eva: Mailbox, gmail_id: str) -> None:
    await refused(stage, eva, code=503, reason="backendError")
    await LedgerEntry.filter(gmail_id=gmail_id).update(tries=0)  # not what this is about


async def not_there(stage: Stage, eva: Mailbox, gmail_id: str) -> None:
    await refused(stage, eva, code=404, reason="notFound")
    await LedgerEntry.filter(gmail_id=gmail_id).update(missing_at=None)


TROUBLE = [database_away, batch_not_written, lease_lost, cancelled, throttled, revoked, unavailable, not_there]


@pytest.mark.parametrize("trouble", TROUBLE)
async def test_no_trouble_that_a_worker_survives_adds_up_to_strikes(
    stage: Stage, eva, client, trouble: Callable[[Stage, Mailbox, str], Awaitable[None]]
):
    """Scenarios 29, 30, 32."""
    unlucky = await stage.mail(eva, a_mail(subject="Unlucky"))
    for _ in range(4):
        await trouble(stage, eva, unlucky)
        assert (await strikes(unlucky))[0] <= (trouble is database_away)
        outcome, _, owed = await stage.fate(eva, unlucky)
        assert (outcome, owed) == (None, True)
        stage.wait(minutes=11)
    await stage.sweep(eva)
    assert await stage.filed(client) == ["Unlucky"]
    assert await strikes(unlucky) == [0]


@pytest.mark.parametrize("trouble", TROUBLE)
async def test_trouble_in_between_does_not_hide_how_many_workers_died(stage: Stage, eva, client, trouble):
    """Scenario 32. What a message did to two workers is not forgiven because a third one never got to read it."""
    poison = await stage.mail(eva, a_mail(subject="Huge"))
    for _ in range(2):
        await dies_over(stage, poison, eva)
    await trouble(stage, eva, poison)
    stage.wait(minutes=11)
    await dies_over(stage, poison, eva)
    await stage.sweep(eva)
    assert await stage.fate(eva, poison) == ("parked", "kills workers", False)


async def test_a_worker_that_comes_back_takes_no_strike_of_its_successor_back(stage, eva, client):
    """Scenarios 32, 33."""
    entry = await an_entry(stage, eva)
    await strike([entry])  # of one that hangs
    await strike([entry])  # of the next, which dies
    async with connection() as held:
        await forgive(held, [entry])
        assert (await LedgerEntry.get(id=entry)).strikes == 1
        for _ in range(3):
            await forgive(held, [entry])
    assert (await LedgerEntry.get(id=entry)).strikes == 0


async def an_entry(stage: Stage, mailbox: Mailbox) -> int:
    sent = await stage.mail(mailbox, a_mail())
    await dies(stage, mailbox, "format=metadata")
    return int((await LedgerEntry.get(gmail_id=sent)).id)


async def test_where_google_throttles_in_the_middle_of_a_batch_what_was_read_is_filed_and_nobody_has_a_strike(stage, eva, client):
    """Scenario 30. What was not asked for stays owed, and costs no try, however often that happens."""
    one_at_a_time = replace(stage.tools, parallel=1)
    for number in range(4):
        await stage.mail(eva, a_mail(subject=f"Mail {number}"))
    for read in range(1, 4):
        stage.wire.after(
            "format=full", lambda: stage.sandbox.aio.fault("status", method="messages.get", code=429, reason="rateLimitExceeded", count=1)
        )
        await sync(eva.id, SWEPT, one_at_a_time)
        assert len(await stage.filed(client)) == read
        assert await LedgerEntry.filter(tries=0, strikes=0).count() == 4
        stage.wait(minutes=2)
    await sync(eva.id, SWEPT, one_at_a_time)
    assert len(await stage.filed(client)) == 4
    assert len(await stage.looks(eva, "full")) == 4 + 2  # the third was throttled before that, at its headers


async def test_a_message_that_google_throttles_again_and_again_is_never_parked(stage, eva, client):
    """Scenario 30."""
    sent = await stage.mail(eva, a_mail(subject="Throttled"))
    for method_of in ("format=metadata", "/history?") * 4:
        stage.wire.after(method_of, lambda: stage.sandbox.aio.fault("status", method="messages.get", code=429, reason="rateLimitExceeded"))
        await stage.sweep(eva)
        stage.wire.forget()
        assert await stage.fate(eva, sent) == (None, "throttled", True)
        await stage.sandbox.aio.clear_faults()
        stage.wait(minutes=2)
    assert (await LedgerEntry.get()).tries == 0
    assert await stage.pending() == [eva.id]
    await stage.sweep(eva)
    assert await stage.filed(client) == ["Throttled"]


async def test_a_message_whose_whole_nobody_can_read_is_parked_by_its_tries_and_the_cursor_does_not_wait(stage, eva, client):
    """Scenario 29. Its headers can be, and it kills nobody: the others of its batch are filed at once."""
    broken = await stage.mail(eva, a_mail(subject="Broken"))
    for number in range(3):
        await stage.mail(eva, a_mail(subject=f"Good {number}"))
    stage.wire.after("format=metadata", lambda: stage.sandbox.aio.fault("message_broken", id=broken), nth=4)
    await stage.sweep(eva)
    assert await stage.filed(client) == ["Good 0", "Good 1", "Good 2"]
    for tries in range(1, 5):
        assert await stage.fate(eva, broken) == (None, "backendError", True)
        assert ((await LedgerEntry.get(gmail_id=broken)).tries, await strikes(broken)) == (tries, [0])
        stage.wait(seconds=30 * 2**tries)
        await stage.sweep(eva)
    assert await stage.fate(eva, broken) == ("parked", "backendError", False)
    assert (await Mailbox.get(id=eva.id)).cursor > eva.cursor
