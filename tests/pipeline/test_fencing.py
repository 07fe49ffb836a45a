"""Lease and epoch: a worker that was thought dead, or whose mailbox was disconnected or reconnected under it, writes nothing more."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from models import connections
from models.activities import Activity
from models.connections import Connect
from models.database import connection
from models.emails import Email
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from pipeline.jobs import SWEEP
from pipeline.sync import Trigger, sync
from tests.builders import VAULT, a_client, a_mail
from tests.pipeline.stage import Stage, Stall

ANYWHERE = ["/history?", "format=metadata", "format=full"]
SWEPT = Trigger("sweep", SWEEP, "trace")


async def eva_and_client(stage: Stage):
    return await stage.mailbox(), await a_client(stage.firm, "", "pat@client.example")


async def everything() -> dict[str, list[str]]:
    """All rows that a run may write."""
    tables = ("mailbox", "ledger_entry", "gap", "email", "receipt", "participant", "activity", "review")
    async with connection() as held:
        return {
            table: [row["row"] for row in await held.fetch(f"SELECT t::text AS row FROM {table} t ORDER BY id")]  # a table of ours
            for table in tables
        }


async def reconnect(stage: Stage, mailbox: Mailbox) -> Mailbox:
    """The person consents again."""
    refresh, access = await stage.consent(mailbox.address)
    tokens = VAULT.seal(refresh), VAULT.seal(access), datetime.now(UTC) + timedelta(hours=1)
    head, now = await stage.head(mailbox), stage.clock.moment
    await connections.connect(Connect(mailbox.firm_id, mailbox.user_id, mailbox.google_sub, mailbox.address, *tokens, head, now), now)
    return await Mailbox.get(id=mailbox.id)


@pytest.mark.parametrize("where", ANYWHERE)
async def test_a_worker_that_comes_back_after_its_lease_writes_nothing(stage, where):
    """Scenarios 31, 33. Its successor has done the work; the cursor, the ledger and the activities stay as that left them."""
    eva, client = await eva_and_client(stage)
    await stage.mail(eva, a_mail(subject="Once"))
    stall = Stall()
    stage.wire.after(where, stall)
    zombie = asyncio.create_task(sync(eva.id, SWEPT, stage.tools))
    await stall.reached.wait()
    assert await stage.pending() == []
    stage.wait(seconds=21)
    assert await stage.pending() == [eva.id]
    await stage.sweep(eva)
    assert await stage.filed(client) == ["Once"]
    stage.wait_to_settle()
    await stage.sweep(eva)
    left = await everything()
    stall.go.set()
    await zombie
    assert await everything() == left


async def test_an_older_view_that_a_slow_worker_brings_does_not_lose_rescued_mail(stage):
    """Scenario 119. It saw the mail in spam; meanwhile the mail was rescued and filed."""
    eva, client = await eva_and_client(stage)
    rescued = await stage.mail(eva, a_mail(subject="Rescued"), labels="SPAM")
    stall = Stall()
    stage.wire.after("format=metadata", stall)
    slow = asyncio.create_task(sync(eva.id, SWEPT, stage.tools))
    await stall.reached.wait()
    await stage.sandbox.aio.labels(eva.address, rescued, add=("INBOX",), remove=("SPAM",))
    stage.wait(seconds=21)
    await stage.sweep(eva)
    stall.go.set()
    await slow
    assert await stage.fate(eva, rescued) == ("filed", "client", False)
    assert await stage.filed(client) == ["Rescued"]


@pytest.mark.parametrize("where", ANYWHERE)
async def test_after_a_disconnect_in_the_middle_of_a_batch_nothing_more_is_filed(stage, where):
    """Scenarios 100, 120."""
    eva, _ = await eva_and_client(stage)
    await stage.mail(eva, a_mail(subject="Too late"))
    stage.wire.after(where, lambda: connections.disconnect(eva.id, eva.firm_id, stage.clock.moment))
    await stage.sweep(eva)
    assert (await Email.all().count(), await Activity.all().count()) == (0, 0)
    assert await LedgerEntry.exclude(outcome=None).count() == 0
    now = await Mailbox.get(id=eva.id)
    assert now.state == "disconnected"
    kept = now.last_filed_at, now.lease_owner, now.next_attempt_at
    assert set(kept) == {None}
    if where == "/history?":
        assert await LedgerEntry.all().count() == 0


async def test_a_disconnect_leaves_the_cursor_of_the_next_connection_alone(stage):
    """Scenarios 92, 120. Disconnected and connected again while an old run listed: its candidate is not the new connection's."""
    eva, client = await eva_and_client(stage)
    await stage.mail(eva, a_mail(subject="Before"))
    fresh: list[Mailbox] = []

    async def off_and_on() -> None:
        await connections.disconnect(eva.id, eva.firm_id, stage.clock.moment)
        fresh.append(await reconnect(stage, eva))

    stage.wire.after("/history?", off_and_on)
    await stage.sweep(eva)
    now = await Mailbox.get(id=eva.id)
    assert (now.cursor, now.head, now.epoch, now.state) == (fresh[0].cursor, None, eva.epoch + 2, "connected")
    assert await stage.filed(client) == []


async def test_an_old_run_that_meets_invalid_grant_does_not_lapse_a_reconnected_mailbox(stage):
    """Scenarios 92, 120. Google refuses the old grant; the person reconnects before the old run has written that down."""
    eva, client = await eva_and_client(stage)
    await stage.mail(eva, a_mail(subject="Safe"))
    refused = asyncio.Event()

    async def note() -> None:
        refused.set()

    async def clock():
        if refused.is_set():
            refused.clear()
            await reconnect(stage, eva)
        return stage.clock.moment

    stage.wire.after("/history?", note)
    await stage.sandbox.aio.revoke(eva.address)
    await sync(eva.id, SWEPT, replace(stage.tools, clock=clock))
    now = await Mailbox.get(id=eva.id)
    assert (now.state, now.epoch, now.lapsed_at, now.lapse_reason, now.cursor) == ("connected", eva.epoch + 1, None, None, eva.cursor)
    await stage.sweep(eva)
    assert await stage.filed(client) == ["Safe"]


async def test_an_old_run_neither_reads_nor_writes_the_tokens_of_the_new_connection(stage):
    """Scenario 92. Its access token is refused; renewing it would take its successor's."""
    eva, _ = await eva_and_client(stage)
    stage.wire.after("/history?", lambda: reconnect(stage, eva))
    await stage.sandbox.aio.revoke(eva.address)
    await stage.sweep(eva)
    now = await Mailbox.get(id=eva.id)
    assert (now.state, now.epoch, now.head) == ("connected", eva.epoch + 1, None)
    assert await stage.listings(eva) == 0


async def test_a_worker_that_waits_for_google_keeps_its_lease(stage):
    """Scenario 33. It renews while it waits, so that a slow call is not taken for a dead worker."""
    eva, _ = await eva_and_client(stage)
    turn = asyncio.Semaphore(0)

    async def sleep(_seconds: float) -> None:
        await turn.acquire()

    stall = Stall()
    stage.wire.after("/history?", stall)
    working = asyncio.create_task(sync(eva.id, SWEPT, replace(stage.tools, sleep=sleep)))
    await stall.reached.wait()
    stage.wait(seconds=15)
    turn.release()
    while (await Mailbox.get(id=eva.id)).lease_until != stage.clock.moment + timedelta(seconds=20):
        await asyncio.sleep(0.005)
    stage.wait(seconds=15)
    assert await stage.pending() == []
    stall.go.set()
    await working
    assert (await Mailbox.get(id=eva.id)).lease_owner is None


async def test_two_listings_of_one_mailbox_keep_their_distance(stage):
    """Scenario 14. However many pushes come, half a second lies between two listings, and the last one's news is found."""
    eva, client = await eva_and_client(stage)
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        if seconds > 1:
            await asyncio.Event().wait()  # the renewal, for which this is too short
        waited.append(seconds)
        stage.wait(seconds=seconds)
        await stage.mail(eva, a_mail(subject="Last"))

    tools = replace(stage.tools, sleep=sleep, limits=stage.tools.limits.model_copy(update={"listing_gap": timedelta(seconds=0.5)}))
    await sync(eva.id, SWEPT, tools)
    stage.wait(seconds=0.2)
    for number in range(500):
        await stage.tell(eva, 10**9 + number)
    await sync(eva.id, SWEPT, tools)
    assert waited == [pytest.approx(0.3)]
    assert await stage.listings(eva) == 2
    assert await stage.filed(client) == ["Last"]
