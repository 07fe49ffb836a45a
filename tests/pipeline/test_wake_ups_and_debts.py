"""What could be lost between two runs, taken for another thing, or hold a mailbox up for ever: wake-ups, debts, connections."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gmail.client import Gmail
from models import connections, leases
from models.activities import Activity
from models.database import connection
from models.dead_letters import retry
from models.directory import Client
from models.firms import Firm
from models.gaps import Gap
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from pipeline.connection import Connections
from pipeline.discover import HOPELESS
from pipeline.jobs import FRESH
from pipeline.recover import recover
from pipeline.sync import Trigger, sync
from pipeline.tools import Tools
from reconcile.audit import audit
from tests.builders import VAULT, a_client, a_mail
from tests.gmail.google import Google, a_google
from tests.pipeline.recovery import DAY, INTERVAL, all_but_lost, to_what_is_due_next, until_whole, work
from tests.pipeline.stage import Stage

HOUR = 3600.0


async def eva_and_client(stage: Stage) -> tuple[Mailbox, Client]:
    return await stage.mailbox(), await a_client(stage.firm, "", "pat@client.example")


async def until_closed(stage: Stage) -> None:
    """Until no gap is open: what is owed besides may go on failing."""
    until = stage.clock.moment + timedelta(hours=2)
    while await Gap.filter(closed_at=None).exists():
        assert stage.clock.moment < until, "it never ends"
        await work(stage)
        await to_what_is_due_next(stage)


@asynccontextmanager
async def another_google(stage: Stage) -> AsyncIterator[tuple[Google, Tools]]:
    """One that answers what the test tells it to, and tools that ask it."""
    async with a_google() as google:
        yield google, replace(stage.tools, gmail=Gmail(stage.logins, google.url))


async def raw(stage: Stage, mailbox: Mailbox, gmail_id: str, form: str) -> Any:
    """Gmail's answer as it comes."""
    assert mailbox.access_token is not None
    token = VAULT.open(mailbox.access_token)
    url = f"{stage.sandbox.url}/gmail/v1/users/me/messages/{gmail_id}"
    async with stage.logins.get(url, params={"format": form}, headers={"Authorization": f"Bearer {token}"}) as answer:
        assert answer.status == 200
        return await answer.json()


# Wake-ups


async def waits_for_a_row(many: int, *, or_done: asyncio.Task[Any]) -> None:
    """Until so many transactions wait for others."""
    async with connection() as held:
        while not or_done.done():
            if await held.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") >= many:
                return
            await asyncio.sleep(0.01)


async def test_a_dead_letter_of_a_gap_that_is_retried_while_the_recovery_ends_is_looked_at(stage: Stage) -> None:
    """The retry is between its statements when the recovery gives its lease back and says when it is to go on."""
    eva, client = await eva_and_client(stage)
    sent, now = await stage.mail(eva, a_mail(subject="Dead letter")), stage.clock.moment
    entry = await LedgerEntry.create(mailbox=eva, gmail_id=sent, outcome="parked", reason="http_500", found_by="gap", found_at=now,
                                     settled_at=now, seen_history_id=await stage.head(eva) + 5)  # fmt: skip
    await stage.sweep(eva)
    await Mailbox.filter(id=eva.id).update(recover_at=now + INTERVAL)
    recovering = await stage.held(eva)
    async with connection() as other, other.transaction():
        await other.execute("SELECT FROM ledger_entry WHERE id = $1 FOR UPDATE", entry.id)
        retrying = asyncio.create_task(retry([entry.id], now))
        await waits_for_a_row(1, or_done=retrying)
        releasing = asyncio.create_task(leases.release_recovery(recovering, None))
        await waits_for_a_row(2, or_done=releasing)
    assert await retrying == [entry.id]
    await releasing
    await until_whole(stage)
    assert await stage.filed(client) == ["Dead letter"]


async def test_a_worker_that_lost_its_lease_after_it_took_the_mark_sends_another_job(stage: Stage) -> None:
    """Scenario 112. Nobody else would look before the next sweep: who took the lease may have listed before the mail came."""
    eva, client = await eva_and_client(stage)
    await stage.sweep(eva)
    await stage.mail(eva, a_mail(subject="Pushed"))
    await stage.tell(eva)

    async def another_takes_the_lease() -> None:
        stage.clock.moment += stage.tools.limits.lease + timedelta(seconds=1)
        await leases.release(await stage.held(eva), stage.tools.limits.settle)

    stage.wire.after("/history?", another_takes_the_lease)
    trigger = Trigger("push", FRESH, "trace", time.time())
    assert await sync(eva.id, trigger, stage.tools) == "news"
    assert await stage.tools.marks.told(eva.id) is None
    assert await stage.filed(client) == []
    assert await sync(eva.id, replace(trigger, told_at=None), stage.tools) is None
    assert await stage.filed(client) == ["Pushed"]


# What would hold a mailbox up for ever


async def test_page_tokens_in_a_circle_end_a_recovery_and_an_audit(stage: Stage) -> None:
    """Both are tried again later; the gap stays open, for it was not listed."""
    eva, _ = await eva_and_client(stage)
    await all_but_lost(stage, eva)
    await stage.push(eva)
    await stage.time_passes(HOUR)
    none, circle = {"resultSizeEstimate": 0}, {"resultSizeEstimate": 0, "nextPageToken": "again"}
    async with another_google(stage) as (google, tools):
        google.answers(*[circle] * 100, none)
        assert await recover(eva.id, "trace", tools) is False
        assert len(google.asked) < 50
        assert await Gap.filter(closed_at=None).exists()
        google.asked.clear()
        google.answers({"emailAddress": eva.address, "historyId": "1"}, *[circle] * 100, none)
        await audit(eva.id, "trace", tools)
        assert len(google.asked) == 3
    row = await Mailbox.get(id=eva.id)
    assert row.recover_at is not None
    assert row.audit_at == stage.clock.moment + INTERVAL
    await until_whole(stage)


async def test_a_broken_message_of_an_empty_mailbox_does_not_stop_its_gap(stage: Stage) -> None:
    """There is no other message to compare it with before more of the gap is listed."""
    eva, client = await eva_and_client(stage)
    await stage.sweep(eva)
    for day in range(4):
        await stage.time_passes(DAY.total_seconds())
        sent = await stage.mail(eva, a_mail(subject=f"Day {day}"))
    await stage.sandbox.aio.fault("message_broken", id=sent)
    await stage.sandbox.aio.fault("history_expired", mailbox=eva.address)
    await stage.push(eva)
    await until_closed(stage)
    assert await stage.filed(client) == ["Day 0", "Day 1", "Day 2"]


async def test_history_that_fails_for_an_hour_is_given_up_for_a_listing_by_date(stage: Stage) -> None:
    """A poisoned page would else hide for ever whatever comes behind it."""
    eva, client = await eva_and_client(stage)
    await stage.sweep(eva)
    await stage.time_passes(HOUR + 1)
    await stage.sandbox.aio.fault("status", mailbox=eva.address, method="history.list", code=500)
    await stage.mail(eva, a_mail(subject="Behind a poisoned page"))
    await Mailbox.filter(id=eva.id).update(failures=HOPELESS - 1)
    await stage.sweep(eva)
    assert not await Gap.exists()
    await stage.sweep(eva)
    assert [gap.reason for gap in await Gap.all()] == ["history fails"]
    await until_closed(stage)
    assert await stage.filed(client) == ["Behind a poisoned page"]


# What is taken for another thing


async def test_a_look_owed_since_long_does_not_make_a_late_trashing_an_early_one(stage: Stage) -> None:
    """Scenario 130. What is owed is of minute five, what Gmail shows is of minute fifty."""
    eva, client = await eva_and_client(stage)
    sent = await stage.mail(eva, a_mail(subject="Trashed after fifty minutes"))
    await stage.push(eva)
    await stage.time_passes(300)
    await stage.sandbox.aio.labels(eva.address, sent, add=("SPAM",), remove=("INBOX",))
    await stage.sandbox.aio.labels(eva.address, sent, add=("INBOX",), remove=("SPAM",))
    await stage.sandbox.aio.fault("status", mailbox=eva.address, method="messages.get", code=429, reason="rateLimitExceeded",
                                  retry_after=2700, count=1)  # fmt: skip
    await stage.push(eva)
    await stage.time_passes(2600)
    await stage.sandbox.aio.labels(eva.address, sent, add=("TRASH",), remove=("INBOX",))
    await stage.time_passes(500)
    await stage.push(eva)
    await until_whole(stage)
    assert (await stage.fate(eva, sent))[0] == "filed"
    assert await stage.filed(client) == ["Trashed after fifty minutes"]


async def test_mail_from_the_future_that_is_deleted_hours_later_stays(stage: Stage) -> None:
    """Scenario 130. An import may carry any time; what counts is when we learned of it."""
    eva, client = await eva_and_client(stage)
    in_a_year = int((stage.clock.moment + timedelta(days=400)).timestamp() * 1000)
    sent = await stage.mail(eva, a_mail(subject="From the future"), internal_date=in_a_year)
    await stage.push(eva)
    await stage.time_passes(3 * HOUR)
    await stage.sandbox.aio.delete(eva.address, sent)
    await stage.push(eva)
    await until_whole(stage)
    assert await stage.filed(client) == ["From the future"]


async def test_withdrawn_mail_is_not_filed_again_by_an_older_view(stage: Stage) -> None:
    """Scenario 130. A server that lags behind still shows it in the inbox when another look is owed."""
    eva, client = await eva_and_client(stage)
    sent = await stage.mail(eva, a_mail(subject="Withdrawn"))
    older = [await raw(stage, eva, sent, form) for form in ("metadata", "full")]
    await stage.push(eva)
    assert await stage.filed(client) == ["Withdrawn"]
    await stage.time_passes(20)
    await stage.sandbox.aio.delete(eva.address, sent)
    await stage.push(eva)
    assert await stage.filed(client) == []
    await stage.time_passes(HOUR)
    await LedgerEntry.filter(gmail_id=sent).update(owed_at=stage.clock.moment)
    async with another_google(stage) as (google, tools):
        google.answers({"historyId": str(await stage.head(eva))}, *older)
        await sync(eva.id, Trigger("backlog", FRESH, "trace"), tools)
        assert len(google.asked) > 1
    assert (await stage.fate(eva, sent))[0] == "withdrawn"
    assert await stage.filed(client) == []


# Connections that end


async def test_a_click_on_an_old_page_does_not_end_the_connection_made_meanwhile(stage: Stage) -> None:
    """Scenario 120. The page showed a connection that is over; the person has connected anew."""
    eva, client = await eva_and_client(stage)
    shown = await Mailbox.get(id=eva.id)
    await connections.disconnect(eva.id, eva.firm_id, stage.clock.moment)
    await stage.mailbox(eva.address)
    await Connections.of(stage.tools).disconnect(shown)
    assert (await Mailbox.get(id=eva.id)).state == "connected"
    await stage.mail(eva, a_mail(subject="For the new connection"))
    await stage.push(eva)
    assert await stage.filed(client) == ["For the new connection"]


@pytest.mark.parametrize("answer", ["/history?", "format=metadata", "format=full"])
async def test_nothing_is_filed_once_the_firm_has_switched_off_in_the_middle_of_a_run(stage: Stage, answer: str) -> None:
    eva, _ = await eva_and_client(stage)
    for number in range(3):
        await stage.mail(eva, a_mail(subject=f"Mail {number}"))

    async def off() -> None:
        await Firm.choose_provider(stage.firm.id, "none", stage.clock.moment)

    stage.wire.after(answer, off)
    await stage.push(eva)
    assert not await Activity.exists()
    assert (await Mailbox.get(id=eva.id)).lease_owner is None
