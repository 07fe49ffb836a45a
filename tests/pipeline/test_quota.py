"""Quota: what Google refuses to one mailbox or to the whole project, who goes first when there is little, and what is spent of it."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, get_args

import aiohttp
import pytest

import sandbox.quota
import settings
from gmail.client import Gmail
from gmail.errors import RateLimited
from gmail.units import UNITS, units_of
from models import gaps
from models.database import connection
from models.gaps import Gap
from models.leases import Rank
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from models.project import BULK_FOLLOWS, SWEEP_FOLLOWS, Budget, ProjectState
from pipeline.jobs import BULK, FRESH, SWEEP
from pipeline.meter import TELL_EVERY, Meter
from pipeline.recover import recover
from pipeline.sync import RANKS, Trigger, sync, sync_many
from pipeline.tools import Opened, observed, open_tools
from reconcile.audit import audit
from reconcile.watches import renew
from telemetry import metrics
from tests.builders import a_client, a_mail
from tests.models.obstacles import obstacle
from tests.pipeline.stage import Stage

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
TOPIC = "projects/sandbox/topics/gmail-push"
AMPLE = Budget(10**9, 10**9)
QUERIES = "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service 'gmail.googleapis.com'."
# What Google answers when the whole project has had enough, and for how many seconds it wants to be left alone.
EVERYBODY: dict[str, tuple[dict[str, Any], float]] = {
    "429, a minute's queries": ({"code": 429, "reason": "rateLimitExceeded", "message": QUERIES}, 60),
    "403, the day's cap": ({"code": 403, "reason": "dailyLimitExceeded", "message": "Daily Limit Exceeded"}, 3600),
}


async def asked(stage: Stage) -> int:
    """Calls of Google so far, by whomever."""
    return len((await stage.sandbox.aio.state())["calls"])


async def throttle(stage: Stage, method: str, count: int = 1, **more: Any) -> None:
    answer = {"code": 429, "reason": "rateLimitExceeded", "retry_after": 60} | more
    await stage.sandbox.aio.fault("status", method=method, count=count, **answer)


async def until_it_may_be_asked_again(stage: Stage, mailbox: Mailbox) -> None:
    until = (await Mailbox.get(id=mailbox.id)).cool_down_until
    assert until is not None
    await stage.time_passes((until - stage.clock.moment).total_seconds())


def jobs_of(stage: Stage, mailbox: Mailbox) -> dict[str, Callable[[], Awaitable[object]]]:
    """Every job that asks Google something, for a mailbox, by what caused it."""

    def synced(kind: Any, queue: str) -> Callable[[], Awaitable[object]]:
        return lambda: sync(mailbox.id, Trigger(kind, queue, "trace"), stage.tools)

    return {
        "push": synced("push", FRESH),
        "pending": synced("pending", SWEEP),
        "sweep": synced("sweep", SWEEP),
        "watch": lambda: renew([mailbox.id], "trace", stage.tools),
        "backlog": synced("backlog", BULK),
        "audit": lambda: audit(mailbox.id, "trace", stage.tools),
        "gap": lambda: recover(mailbox.id, "trace", stage.tools),
    }


async def asking(stage: Stage, mailbox: Mailbox) -> set[str]:
    """The jobs of a mailbox that ask Google something now."""
    who = set()
    for name, job in jobs_of(stage, mailbox).items():
        before = await asked(stage)
        await ProjectState.all().update(watch_after=None)  # this Google knows another topic, for which all watches would wait
        await job()
        if await asked(stage) > before:
            who.add(name)
    return who


async def with_a_gap(stage: Stage, address: str) -> Mailbox:
    """Connected twenty minutes ago, and owed an hour's mail from before."""
    mailbox = await stage.mailbox(address)
    stage.wait(minutes=20)
    await gaps.backfill(mailbox.id, mailbox.firm_id, stage.clock.moment - HOUR, stage.clock.moment)
    return mailbox


# the whole project


@pytest.fixture(params=EVERYBODY)
async def refused(stage: Stage, request: pytest.FixtureRequest) -> tuple[Mailbox, Mailbox, datetime]:
    """Google has just refused the whole project to Eva's mailbox, until that moment; Bob's had nothing to do with it."""
    answer, seconds = EVERYBODY[request.param]
    bob, eva = await with_a_gap(stage, "bob@sample.test"), await with_a_gap(stage, "eva@sample.test")
    await stage.sandbox.aio.fault("status", method="history.list", count=1, **answer)
    await stage.mail(eva, a_mail(subject="Refused"))
    await stage.push(eva)
    until = (await ProjectState.get()).fresh_after
    assert until is not None
    assert seconds * 0.99 <= (until - stage.clock.moment).total_seconds() <= seconds * 1.1 + 1.5
    return eva, bob, until


async def test_while_google_refuses_the_project_no_job_asks_it_anything(stage: Stage, refused: tuple[Mailbox, Mailbox, datetime]) -> None:
    """Scenario 105. Of no rank and for no mailbox, though it was queued before."""
    eva, bob, until = refused
    stage.clock.moment = until - SECOND
    assert [await asking(stage, mailbox) for mailbox in (eva, bob)] == [set(), set()]
    assert await stage.pending() == []


async def test_what_was_pushed_meanwhile_is_filed_afterwards_though_its_mark_has_expired(
    stage: Stage, refused: tuple[Mailbox, Mailbox, datetime]
) -> None:
    """Scenario 105. The row owes it; and it counts as found by a push, for one did come."""
    eva, bob, until = refused
    client = await a_client(stage.firm, "", "pat@client.example")
    await Mailbox.filter(id=bob.id).update(next_attempt_at=None)  # nothing else is owed there
    sent = await stage.mail(bob, a_mail(subject="Pushed meanwhile"))
    await stage.push(bob)
    for mailbox in (eva, bob):
        await stage.tools.marks.take(mailbox.id)  # as if it had expired
    stage.clock.moment = until
    owing = await stage.pending()
    assert sorted(owing) == sorted([eva.id, bob.id])
    await sync_many(owing, Trigger("pending", SWEEP, "trace", until.timestamp()), stage.tools)
    assert await stage.filed(client) == ["Pushed meanwhile", "Refused"]
    assert (await LedgerEntry.get(gmail_id=sent)).found_by == "push"
    assert (await Mailbox.get(id=bob.id)).missed_id is None


async def test_afterwards_fresh_mail_goes_first_then_the_sweep_then_bulk_work(
    stage: Stage, refused: tuple[Mailbox, Mailbox, datetime]
) -> None:
    """Scenario 105."""
    _, bob, until = refused
    order = []
    for moment in (until, until + SWEEP_FOLLOWS - SECOND, until + SWEEP_FOLLOWS, until + BULK_FOLLOWS - SECOND, until + BULK_FOLLOWS):
        stage.clock.moment = moment
        order.append(await asking(stage, bob))
    fresh, sweep, bulk = {"push", "pending"}, {"sweep", "watch"}, {"backlog", "audit", "gap"}
    assert order == [fresh, fresh, fresh | sweep, fresh | sweep, fresh | sweep | bulk]
    assert set(RANKS.values()) == set(get_args(Rank))


# one mailbox


async def test_a_throttled_mailbox_stops_none_of_its_job_s_other_mailboxes(stage: Stage) -> None:
    """Scenario 103. And while it cools down, no job asks for it, though it was queued before."""
    client = await a_client(stage.firm, "", "pat@client.example")
    eva, bob, kim = [await with_a_gap(stage, f"{name}@sample.test") for name in ("eva", "bob", "kim")]
    await throttle(stage, "history.list", mailbox=eva.address)
    for mailbox in (eva, bob, kim):
        await stage.mail(mailbox, a_mail(subject=f"To {mailbox.address}"))
    job = Trigger("sweep", SWEEP, "trace")
    await sync_many([eva.id, bob.id, kim.id], job, stage.tools)
    assert await stage.filed(client) == ["To bob@sample.test", "To kim@sample.test"]

    stage.wait(seconds=59)
    assert await asking(stage, eva) == set()
    assert await asking(stage, bob) >= {"sweep", "gap", "watch"}

    await stage.mail(bob, a_mail(subject="To Bob, later"))
    await until_it_may_be_asked_again(stage, eva)
    await sync_many([eva.id, bob.id, kim.id], job, stage.tools)
    assert await stage.filed(client) == ["To Bob, later", "To bob@sample.test", "To eva@sample.test", "To kim@sample.test"]


# several fetches in flight


@dataclass
class Traffic:
    """Messages that Gmail is being asked for, and the most at once."""

    at_once: int = 0
    most_at_once: int = 0

    async def began(self, _session: aiohttp.ClientSession, _context: SimpleNamespace, told: aiohttp.TraceRequestStartParams) -> None:
        if "/messages/" in told.url.path:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)

    async def ended(self, _session: aiohttp.ClientSession, _context: SimpleNamespace, told: aiohttp.TraceRequestEndParams) -> None:
        self.at_once -= "/messages/" in told.url.path

    def most(self) -> int:
        """Since it was last asked for."""
        most, self.most_at_once = self.most_at_once, 0
        return most


@asynccontextmanager
async def watched(stage: Stage, parallel: int) -> AsyncIterator[tuple[Stage, Traffic]]:
    """The stage, with so many fetches at once, and its traffic."""
    traffic, trace = Traffic(), aiohttp.TraceConfig()
    trace.on_request_start.append(traffic.began)
    trace.on_request_end.extend([traffic.ended, stage.wire.answered])
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        tools = replace(stage.tools, gmail=Gmail(session, stage.sandbox.url), parallel=parallel)
        yield dataclasses.replace(stage, tools=tools), traffic


async def test_of_several_fetches_some_are_throttled_and_only_those_and_the_rest_are_asked_for_again(stage: Stage) -> None:
    """Scenario 106. What was read is filed, nothing more is asked for meanwhile, and after the wait fewer at once."""
    client = await a_client(stage.firm, "", "pat@client.example")
    eva = await stage.mailbox()
    sent = {await stage.mail(eva, a_mail(subject=f"Mail {number:2}")) for number in range(12)}

    async def two_are_slow_and_two_are_refused() -> None:
        await stage.sandbox.aio.fault("timeout", method="messages.get", s=0.05, count=2)
        await throttle(stage, "messages.get", count=2)

    async with watched(stage, 4) as (stage, traffic):
        stage.wire.after("format=metadata", two_are_slow_and_two_are_refused, nth=12)
        await stage.push(eva)
        first = [call for call in (await stage.sandbox.aio.state(eva.address))["calls"] if call.get("format") == "full"]
        assert sorted(call["status"] for call in first) == [200, 200, 429, 429]
        assert traffic.most() == 4
        read = {call["id"] for call in first if call["status"] == 200}
        assert set(await LedgerEntry.filter(outcome="filed").values_list("gmail_id", flat=True)) == read
        owing = await LedgerEntry.exclude(owed_at=None)
        assert {(entry.tries, entry.strikes) for entry in owing} == {(0, 0)}

        await until_it_may_be_asked_again(stage, eva)
        assert await stage.pending() == [eva.id]
        await stage.sweep(eva)
        assert len(await stage.filed(client)) == 12
        assert traffic.most() == 2
        again = (await stage.looks(eva, "full"))[4:]
        assert sorted(again) == sorted(sent - read)
        assert sorted((await stage.looks(eva))[12:]) == sorted(sent - read)


async def test_each_throttling_halves_what_is_asked_for_at_once_and_each_run_without_doubles_it(stage: Stage) -> None:
    """Scenario 106. Down to one; and up again to what the settings allow."""
    eva = await stage.mailbox()
    seen = []
    async with watched(stage, 8) as (stage, traffic):
        for is_throttled in (True, True, True, True, False, False, False, False):
            for _ in range(8):
                await stage.mail(eva, a_mail("stranger@else.example"))
            if is_throttled:
                await throttle(stage, "messages.get", reason="userRateLimitExceeded", message="Too many concurrent requests for user")
            await stage.push(eva)
            seen.append(traffic.most())
            if is_throttled:
                await until_it_may_be_asked_again(stage, eva)
    assert seen == [8, 4, 2, 1, 1, 2, 4, 8]
    assert await LedgerEntry.exclude(owed_at=None).count() == 0


# what is spent


async def test_every_call_costs_what_google_counts_for_it(stage: Stage) -> None:
    """Scenario 105. As the mailbox, the process and the simulated Google count it."""
    assert {method: sandbox.quota.UNITS[method] for method in UNITS} == UNITS
    assert units_of("token") == 0
    eva = await stage.mailbox()
    sent = await stage.mail(eva, a_mail(text="A long text. " * 10_000))  # so long that it stands apart from its message
    meter = Meter(AMPLE)

    async with aiohttp.ClientSession() as session:
        gmail = Gmail(session, stage.sandbox.url, lambda method, status, _seconds: meter.count(method, status))
        mailbox = replace(stage.tools, gmail=gmail).mailbox(await stage.held(eva))
        before = (await stage.sandbox.aio.state())["units"]["total"]
        await mailbox.profile()
        assert [page.last async for page in mailbox.history(int(eva.cursor))] == [True]
        await mailbox.thread((await mailbox.headers(sent)).thread_id)
        await mailbox.message(sent)
        await mailbox.listed("after:1")
        await mailbox.watch(TOPIC)
        await mailbox.stop()
        await mailbox.send_as()
        await throttle(stage, "messages.get", code=403)
        with pytest.raises(RateLimited):
            await mailbox.headers(sent)
    told = await stage.sandbox.aio.state()
    assert set(UNITS) == set(told["calls_by_mailbox"][eva.address]) - {"token"}
    spent = told["units"]["total"] - before
    assert mailbox.units == spent + UNITS["messages.get"]  # it counts what it asked for; what is refused costs the project nothing
    await meter.tell(stage.clock.moment)
    assert (await ProjectState.get()).day_units == spent


def units_told(method: str) -> float:
    return float(metrics.GMAIL_UNITS.labels(method)._value.get())


def test_units_are_a_metric() -> None:
    before = units_told("messages.get")
    for status in (200, 404, 401, 403, 429, "timeout"):
        observed("messages.get", status, 0.1)
    assert units_told("messages.get") - before == 3 * 20


@asynccontextmanager
async def a_process(stage: Stage, **quota: int) -> AsyncIterator[tuple[Stage, Opened]]:
    """A process of the deployment, with its own tools, at the simulated Google."""
    here, url = settings.load(), stage.sandbox.url
    google = here.google.model_copy(update={"gmail_api": url, "token_uri": f"{url}/token"})
    limits = here.limits.model_copy(update={"listing_gap": timedelta(0)})
    allowed = here.quota.model_copy(update=quota)
    opened = open_tools(here.model_copy(update={"google": google, "quota": allowed, "limits": limits}), clock=stage.clock)
    try:
        yield dataclasses.replace(stage, tools=opened.tools), opened
    finally:
        await opened.close()


async def test_what_several_processes_spend_adds_up_to_what_google_counts(stage: Stage) -> None:
    """Scenario 105. Told when a run ends, every two seconds at most, and what is left when a process ends."""
    await a_client(stage.firm, "", "pat@client.example")
    eva, bob = await stage.mailbox("eva@sample.test"), await stage.mailbox("bob@sample.test")
    before = (await stage.sandbox.aio.state())["units"]["total"]
    async with a_process(stage) as (one, _), a_process(stage) as (two, _):
        for _ in range(3):
            for mailbox in (eva, bob):
                await stage.mail(mailbox, a_mail())
            await asyncio.gather(one.push(eva), two.push(bob))
    row, spent = await ProjectState.get(), (await stage.sandbox.aio.state())["units"]["total"] - before
    assert row.day_units == spent >= 2 * 3 * 40


async def test_a_recovery_leaves_half_of_a_minute_to_others(stage: Stage) -> None:
    """Scenario 105. Fresh mail is filed however much is spent; bulk work goes on with the next minute."""
    client = await a_client(stage.firm, "", "pat@client.example")
    stage.clock.moment = stage.clock.moment.replace(second=10)
    eva = await stage.mailbox()
    long_ago = int(stage.clock.moment.timestamp() - 3600) * 1000
    for number in range(30):
        await stage.mail(eva, a_mail("stranger@else.example"), internal_date=long_ago + number)
    await stage.sweep(eva)
    stage.wait(minutes=3)
    async with a_process(stage, project_minute=1000) as (stage, _):
        await gaps.backfill(eva.id, eva.firm_id, stage.clock.moment - 2 * HOUR, stage.clock.moment)
        await stage.sweep(eva)  # nothing is owed now but the older mail
        await recover(eva.id, "trace", stage.tools)
        await gaps.backfill(eva.id, eva.firm_id, stage.clock.moment - 3 * HOUR, stage.clock.moment)
        stage.clock.moment += TELL_EVERY
        await stage.sweep(eva)
        assert (await ProjectState.get()).minute_units >= 30 * UNITS["messages.get"]
        assert await Gap.filter(closed_at=None).count() == 1
        assert not await asking(stage, eva) & {"gap", "backlog", "audit"}
        await stage.mail(eva, a_mail(subject="Fresh"))
        await stage.push(eva)
        assert await stage.filed(client) == ["Fresh"]
        stage.wait(minutes=1)
        assert "gap" in await asking(stage, eva)


# the meter


async def test_a_process_tells_what_it_spent_every_two_seconds_at_most(now: datetime) -> None:
    meter = Meter(AMPLE)
    await meter.tell(now)
    assert await ProjectState.all().count() == 0
    for after, told in ((timedelta(0), 20), (TELL_EVERY - SECOND, 20), (TELL_EVERY, 60), (TELL_EVERY + SECOND, 60)):
        meter.count("messages.get", 200)
        await meter.tell(now + after)
        assert (await ProjectState.get()).day_units == told
    await meter.tell(now + TELL_EVERY + SECOND, last=True)
    assert (await ProjectState.get()).day_units == 80


async def test_nothing_that_was_spent_is_lost_while_the_database_is_away(now: datetime) -> None:
    """Scenario 105. And the run that would have told it does not fail."""
    meter = Meter(AMPLE)
    async with obstacle("project_state", "terminated"):
        for seconds in (0, 2, 4):
            meter.count("watch", 200)
            await meter.tell(now + seconds * SECOND)
    assert await ProjectState.all().count() == 0
    await meter.tell(now + 6 * SECOND)
    assert (await ProjectState.get()).day_units == 300


async def test_what_is_spent_while_it_is_told_is_told_the_next_time(now: datetime) -> None:
    meter = Meter(AMPLE)
    meter.count("watch", 200)
    await meter.tell(now)
    meter.count("watch", 200)
    async with asyncio.timeout(5), connection() as other, other.transaction():
        await other.execute("UPDATE project_state SET day_units = day_units")
        telling = asyncio.create_task(meter.tell(now + TELL_EVERY))
        while not await other.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.002)
        meter.count("messages.get", 200)
    await telling
    await meter.tell(now + 2 * TELL_EVERY)
    assert (await ProjectState.get()).day_units == 220
