"""A recovery is larger than any job, is killed, throttled, cut off: it ends all the same, and news never waits for it."""

import asyncio
import contextlib
import itertools
import random
import urllib.parse
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.activities import Activity
from models.connections import Connect, connect
from models.database import connection
from models.emails import Email, Receipt
from models.gaps import Gap, claim_recoveries, listed, next_stretch
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from pipeline.jobs import FRESH
from pipeline.recover import SHARE, between, recover
from pipeline.sync import Trigger, sync
from pipeline.tools import Tools
from sandbox.search import question
from tests.builders import VAULT, a_client, a_mail
from tests.pipeline.recovery import DAY, INTERVAL, recover_and_sync, to_what_is_due_next, until_whole, work
from tests.pipeline.stage import Killed, Stage, Stall

PAT = "pat@client.example"
STRANGER = a_mail("stranger@elsewhere.example").as_bytes()
GMAIL = "/gmail/v1/"
PUSHED = Trigger("push", FRESH, "trace")


async def deliver(stage: Stage, mailbox: Mailbox, mails: Iterable[tuple[bytes, datetime]]) -> list[str]:
    """Many at once, each with the time at which Google took it. Their Gmail ids."""

    async def one(raw: bytes, at: datetime) -> str:
        asked = urllib.parse.urlencode({"mailbox": mailbox.address, "internal_date": int(at.timestamp() * 1000)})
        async with stage.logins.post(f"{stage.sandbox.url}/sandbox/mail?{asked}", data=raw) as answer:
            return str((await answer.json())["id"])

    return list(await asyncio.gather(*(one(raw, at) for raw, at in mails)))


async def a_gap(stage: Stage, mailbox: Mailbox, mails: int = 0, days: float = 1) -> list[str]:
    """Mails that concern Pat, spread over days, of which history tells nothing any more; the mailbox has started anew."""
    await stage.sweep(mailbox)
    began = stage.clock.moment
    await stage.time_passes(days * DAY.total_seconds())
    step = days * DAY / (mails + 1)
    sent = await deliver(stage, mailbox, [(a_mail(subject=f"Lost {n:03}").as_bytes(), began + (n + 1) * step) for n in range(mails)])
    await stage.sandbox.aio.fault("history_expired", mailbox=mailbox.address)
    await stage.sweep(mailbox)
    assert await Gap.filter(mailbox=mailbox, closed_at=None).count() == 1
    return sent


def lost(mails: int) -> list[str]:
    return [f"Lost {n:03}" for n in range(mails)]


async def spent(stage: Stage) -> int:
    return int((await stage.sandbox.aio.state())["units"]["total"])


def small_batches(stage: Stage, batch: int = 2) -> Tools:
    return replace(stage.tools, limits=stage.tools.limits.model_copy(update={"batch": batch}))


# Killed again and again


@dataclass
class Deadly:
    """A clock whose nth reading kills: between any two transactions of a run lies one."""

    stage: Stage
    left: int

    async def __call__(self) -> datetime:
        self.left -= 1
        if not self.left:
            raise Killed
        return self.stage.clock.moment


async def killed() -> None:
    raise Killed


@pytest.mark.parametrize("where", ["an answer of Google's", "a transaction"])
async def test_killed_once_anywhere_between_the_push_and_the_end_a_recovery_ends(stage: Stage, where: str) -> None:
    """Scenarios 25, 115. For each n: the process dies after the nth answer of Google's, or before the nth reading of the clock."""
    client = await a_client(stage.firm, "", PAT)
    for n in itertools.count(1):
        eva = await stage.mailbox(f"eva{n}@sample.test")
        await stage.sweep(eva)
        await stage.time_passes(3600)
        for number in range(2):
            await stage.mail(eva, a_mail(subject=f"{n}: {number}"))
        await stage.sandbox.aio.fault("history_expired", mailbox=eva.address)
        stage.wire.forget()
        tools = small_batches(stage, 1)
        if where == "a transaction":
            tools = replace(tools, clock=Deadly(stage, n))
        else:
            stage.wire.after(GMAIL, killed, nth=n)
        await stage.tell(eva)
        with contextlib.suppress(Killed):
            await sync(eva.id, PUSHED, tools)
            await recover(eva.id, "trace", tools)
            if not await Gap.filter(mailbox=eva, closed_at=None).exists():
                break
        stage.wire.forget()
        await stage.sweep(eva)
        await until_whole(stage)
        assert await Gap.filter(mailbox=eva).count() == 1
        assert await Receipt.filter(mailbox=eva).count() == 2
    assert n > 8
    assert await Email.all().count() == await Activity.filter(client=client).count() == 2 * n


async def test_a_worker_that_dies_in_a_recovery_costs_its_lease(stage: Stage) -> None:
    """Scenarios 33, 115. It hangs and is taken for dead: another goes on when the lease is over; what the first writes has no effect."""
    eva, client = await stage.mailbox(), await a_client(stage.firm, "", PAT)
    await a_gap(stage, eva, 4)
    stall = Stall()
    stage.wire.after("format=full", stall)
    zombie = asyncio.create_task(recover(eva.id, "trace", stage.tools))
    await stall.reached.wait()
    assert await stage.pending() == []
    stage.wait(seconds=21)
    assert await claim_recoveries(INTERVAL, 10, stage.clock.moment) in ([], [eva.id])
    took = await until_whole(stage)
    assert took < timedelta(minutes=2)
    assert await stage.filed(client) == lost(4)
    stall.go.set()
    await zombie
    assert await stage.filed(client) == lost(4)
    assert await LedgerEntry.exclude(outcome="filed").count() == 0


class Restless:
    """A clock that goes on by itself, and now and then a worker dies over it."""

    def __init__(self, stage: Stage, seed: int, every: int) -> None:
        self._stage, self._chance, self._every = stage, random.Random(seed), every
        self.deaths = 0

    async def __call__(self) -> datetime:
        self._stage.wait(seconds=0.05)
        if self._chance.randrange(self._every) == 0:
            self.deaths += 1
            raise Killed
        return self._stage.clock.moment


async def test_a_recovery_of_twelve_hundred_mails_that_is_killed_again_and_again_ends(stage: Stage) -> None:
    """Scenario 115. Of these, eleven hundred came within the same two seconds, more than two pages show; no job has time for more than a
    few batches; and one in twenty steps kills."""
    eva, client = await stage.mailbox(), await a_client(stage.firm, "", PAT)
    await stage.sweep(eva)
    burst = stage.clock.moment + timedelta(hours=7)
    moments = [burst + timedelta(seconds=2 * n / 1100) for n in range(1100)] + [stage.clock.moment + n * DAY / 100 for n in range(1, 101)]
    await stage.time_passes(DAY.total_seconds())
    every = [a_mail(subject=f"Lost {n:04}").as_bytes() if n % 20 == 0 else STRANGER for n in range(len(moments))]
    await deliver(stage, eva, zip(every, moments, strict=True))
    await stage.sandbox.aio.fault("history_expired", mailbox=eva.address)
    await stage.sweep(eva)

    clock = Restless(stage, seed=1, every=20)
    limits = stage.tools.limits.model_copy(update={"job_budget": timedelta(seconds=0.5)})
    await until_whole(stage, replace(stage.tools, clock=clock, limits=limits))
    assert clock.deaths > 10
    assert await stage.filed(client) == [f"Lost {n:04}" for n in range(0, 1200, 20)]
    assert Counter(await LedgerEntry.all().values_list("outcome", flat=True)) == {"filed": 60, "skipped": 1140}
    assert (await Gap.get()).found == 1200
    looks = Counter(await stage.looks(eva))
    assert sum(looks.values()) < 1200 + 25 * clock.deaths


# News goes first


async def test_a_push_during_a_recovery_is_filed_before_the_rest_of_the_gap(stage: Stage) -> None:
    """Scenario 115."""
    eva, client = await stage.mailbox(), await a_client(stage.firm, "", PAT)
    await a_gap(stage, eva, 40)
    tools = small_batches(stage, 5)

    async def news() -> None:
        await stage.mail(eva, a_mail(subject="News"))
        await stage.tell(eva)
        await sync(eva.id, PUSHED, tools)  # the lease is taken: it leaves the mark

    stage.wire.after("format=full", news, nth=7)
    assert await recover(eva.id, "trace", tools)
    done = await stage.filed(client)
    assert "News" not in done
    assert len(done) == 10  # the batch that was under way
    await sync(eva.id, PUSHED, tools)
    assert "News" in await stage.filed(client)
    assert await LedgerEntry.exclude(owed_at=None).count() == 30
    await until_whole(stage)
    assert await stage.filed(client) == [*lost(40), "News"]


async def test_a_sweep_during_a_recovery_finds_what_no_push_told_of_before_the_rest_of_the_gap(stage: Stage) -> None:
    """Scenarios 80, 115. It finds the lease taken and leaves word, or its mailbox would have to wait for another interval."""
    eva, client = await stage.mailbox(), await a_client(stage.firm, "", PAT)
    await a_gap(stage, eva, 40)
    tools = small_batches(stage, 5)

    async def sweep() -> None:
        await stage.mail(eva, a_mail(subject="News"))
        await stage.sweep(eva)

    stage.wire.after("format=full", sweep, nth=7)
    assert await recover(eva.id, "trace", tools)
    assert len(await stage.filed(client)) == 10
    assert await stage.pending() == [eva.id]
    await sync(eva.id, PUSHED, tools)
    assert "News" in await stage.filed(client)
    assert len(await stage.filed(client)) == 11


async def test_a_recovery_that_finds_news_lets_go_before_it_asks_gmail_anything(stage: Stage) -> None:
    """Scenario 115."""
    eva, client = await stage.mailbox(), await a_client(stage.firm, "", PAT)
    await a_gap(stage, eva, 1)
    await stage.mail(eva, a_mail(subject="News"))
    await stage.tell(eva)
    units = await spent(stage)
    assert await recover(eva.id, "trace", stage.tools)
    assert await spent(stage) == units
    assert [await claim_recoveries(INTERVAL, 10, stage.clock.moment) for _ in range(2)] == [[eva.id], []]
    await recover_and_sync(stage, eva.id)
    assert await stage.filed(client) == ["News"]


async def test_a_recovery_that_finds_the_mailbox_at_work_tries_again_soon(stage: Stage) -> None:
    """Scenario 115."""
    eva, client = await stage.mailbox(), await a_client(stage.firm, "", PAT)
    await a_gap(stage, eva, 1)
    await stage.held(eva)
    assert await claim_recoveries(INTERVAL, 10, stage.clock.moment) == [eva.id]
    assert not await recover(eva.id, "trace", stage.tools)
    stage.wait(seconds=5)
    assert await claim_recoveries(INTERVAL, 10, stage.clock.moment) == [eva.id]
    stage.wait(seconds=16)
    await until_whole(stage)
    assert await stage.filed(client) == lost(1)


# Nothing lies between two stretches

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class Arrived:
    """All of a message that a search by date looks at."""

    internal_date: int


@given(
    arrivals=st.lists(st.integers(0, 10**8), min_size=1, max_size=30),
    edges=st.lists(st.integers(0, 10**11), min_size=2, max_size=12, unique=True),
)
def test_whatever_the_edges_of_stretches_every_arrival_lies_in_one(arrivals: list[int], edges: list[int]) -> None:
    """Scenario 114. Arrivals in milliseconds, edges in microseconds; `after:` and `before:` exclude their second."""
    moments = [MOMENT + timedelta(microseconds=edge) for edge in sorted(edges)]
    asked = [question(between(since, until)) for since, until in itertools.pairwise(moments)]
    for arrival in arrivals:
        at = MOMENT + timedelta(milliseconds=arrival)
        if moments[0] <= at <= moments[-1]:
            message = Arrived(int(at.timestamp() * 1000))
            assert any(fits(message) for fits in asked)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(3))
async def test_stretches_of_any_width_show_all_that_came(stage: Stage, seed: int) -> None:
    """Scenario 114."""
    chance = random.Random(seed)
    eva = await stage.mailbox()
    await a_gap(stage, eva)
    await Gap.all().update(width_s=61)
    since = eva.started_at
    span = stage.clock.moment - since
    sent = await deliver(stage, eva, [(STRANGER, since + chance.random() * span) for _ in range(60)])
    held = await stage.held(eva)
    gmail, steps = stage.gmail(held), 0
    while stretch := await next_stretch(held):
        shown = await gmail.listed(between(stretch.since, stretch.until))
        await listed(held, stretch, list(shown.ids), stage.clock.moment)
        await Gap.all().update(width_s=chance.choice((61, 1234, 3599, 3600, 10_007)))
        steps += 1
    assert steps > 15
    assert sorted(sent) == [entry.gmail_id for entry in await LedgerEntry.filter(found_by="gap").order_by("gmail_id")]


# Quota, refusals, lapses


async def test_a_recovery_spends_its_share_of_a_minute_and_goes_on(stage: Stage) -> None:
    """Scenarios 105, 115. However many runs there are in that minute: its jobs are short, and pushes interrupt it."""
    eva, client = await stage.mailbox(), await a_client(stage.firm, "", PAT)
    await a_gap(stage, eva, 60)
    quota = stage.tools.settings.quota.model_copy(update={"mailbox_minute": 1000})
    tools = replace(stage.tools, settings=stage.tools.settings.model_copy(update={"quota": quota}))
    runs: list[tuple[datetime, int]] = []
    interrupted = 0
    while await Gap.filter(closed_at=None).exists() or await LedgerEntry.exclude(owed_at=None).exists():
        for mailbox_id in await stage.pending():
            await sync(mailbox_id, PUSHED, tools)
        for mailbox_id in await claim_recoveries(INTERVAL, 10, stage.clock.moment):
            if interrupted < 5:
                stage.wire.after("format=full", lambda: stage.tell(eva), nth=3)
            units = await spent(stage)
            if await recover(mailbox_id, "trace", tools):
                interrupted += 1
                runs.append((stage.clock.moment, await spent(stage) - units))
                await sync(mailbox_id, PUSHED, tools)
            else:
                runs.append((stage.clock.moment, await spent(stage) - units))
            stage.wire.forget()
        await to_what_is_due_next(stage)
    assert await stage.filed(client) == lost(60)
    share, minute = SHARE * 1000, timedelta(minutes=1)
    windows = [sum(units for at, units in runs if began <= at < began + minute) for began, _ in runs]
    assert max(windows) <= share
    assert runs[-1][0] - runs[0][0] < 2 * minute * sum(units for _, units in runs) / share


@pytest.mark.parametrize("method", ["messages.list", "messages.get"])
async def test_a_recovery_that_google_slows_down_cools_down(stage: Stage, method: str) -> None:
    """Scenarios 103, 115."""
    eva, client = await stage.mailbox(), await a_client(stage.firm, "", PAT)
    await a_gap(stage, eva, 3)
    await stage.sandbox.aio.fault(
        "status", mailbox=eva.address, method=method, code=403, reason="rateLimitExceeded", retry_after=90, count=1
    )
    assert not await recover(eva.id, "trace", stage.tools)
    until = (await Mailbox.get(id=eva.id)).cool_down_until
    assert until is not None
    assert timedelta(seconds=89) < until - stage.clock.moment < timedelta(seconds=101)
    units = await spent(stage)
    stage.wait(seconds=85)
    await work(stage)
    assert await spent(stage) == units
    took = await until_whole(stage)
    assert took < timedelta(minutes=3)
    assert await stage.filed(client) == lost(3)


async def test_where_google_refuses_the_whole_project_recoveries_come_last(stage: Stage) -> None:
    """Scenario 105."""
    eva, client = await stage.mailbox(), await a_client(stage.firm, "", PAT)
    await a_gap(stage, eva, 2)
    said = "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service 'gmail.googleapis.com'."
    await stage.sandbox.aio.fault("status", method="messages.list", code=429, reason="rateLimitExceeded", message=said, count=1)
    await recover(eva.id, "trace", stage.tools)
    await stage.mail(eva, a_mail(subject="News"))
    stage.wait(seconds=70)
    assert await claim_recoveries(INTERVAL, 10, stage.clock.moment) == []
    await stage.push(eva)
    assert await stage.filed(client) == ["News"]
    await until_whole(stage, within=timedelta(minutes=15))
    assert await stage.filed(client) == [*lost(2), "News"]


async def test_a_recovery_that_fails_does_not_hold_up_fresh_mail(stage: Stage) -> None:
    """Scenario 115. It is tried again in a minute; news is filed at once."""
    eva, client = await stage.mailbox(), await a_client(stage.firm, "", PAT)
    await a_gap(stage, eva, 2)
    await stage.sandbox.aio.fault("status", mailbox=eva.address, method="messages.list", code=500, reason="backendError")
    for number in range(3):
        for _ in range(2):
            await work(stage)
        await stage.mail(eva, a_mail(subject=f"News {number}"))
        await stage.push(eva)
        assert len(await stage.filed(client)) == number + 1
        await stage.time_passes(60)
    assert (await stage.sandbox.aio.state())["calls_by_method"]["messages.list"] == 3
    await stage.sandbox.aio.clear_faults()
    await until_whole(stage)
    assert await stage.filed(client) == [*lost(2), "News 0", "News 1", "News 2"]


async def test_a_recovery_goes_on_while_the_sync_fails(stage: Stage) -> None:
    """Scenario 115. A push that nobody can follow is no reason to wait."""
    eva, client = await stage.mailbox(), await a_client(stage.firm, "", PAT)
    await a_gap(stage, eva, 2)
    await stage.sandbox.aio.fault("status", mailbox=eva.address, method="history.list", code=503, reason="backendError")
    for _ in range(2):
        await stage.mail(eva, a_mail(subject="News"))
        await stage.push(eva)
    assert (await Mailbox.get(id=eva.id)).failures == 1
    assert await stage.tools.marks.told(eva.id)
    await recover(eva.id, "trace", stage.tools)
    assert await stage.filed(client) == [*lost(2), "News", "News"]


async def test_a_lapse_in_the_middle_keeps_the_gap_and_a_reconnect_goes_on_with_it(stage: Stage) -> None:
    """Scenarios 87, 115. Google is asked nothing meanwhile."""
    eva, client = await stage.mailbox(), await a_client(stage.firm, "", PAT)
    await a_gap(stage, eva, 6)
    stage.wire.after("format=full", lambda: stage.sandbox.aio.revoke(eva.address), nth=2)
    await recover_and_sync(stage, eva.id, small_batches(stage))
    lapsed = await Mailbox.get(id=eva.id)
    assert lapsed.state == "lapsed"
    assert len(await stage.filed(client)) < 6
    units = await spent(stage)
    await stage.time_passes(3600)
    await work(stage)
    assert not await recover(eva.id, "trace", stage.tools)
    assert (await spent(stage), await LedgerEntry.exclude(owed_at=None).exists()) == (units, True)

    refresh, access = await stage.consent(eva.address)
    tokens = VAULT.seal(refresh), VAULT.seal(access), datetime.now(UTC) + timedelta(hours=1)
    now, head = stage.clock.moment, await stage.head(eva)
    await connect(Connect(eva.firm_id, eva.user_id, eva.google_sub, eva.address, *tokens, head, now), now)
    await until_whole(stage)
    assert await stage.filed(client) == lost(6)


async def test_after_a_disconnect_in_the_middle_nothing_more_is_recovered(stage: Stage) -> None:
    """Scenarios 100, 120."""
    eva, client = await stage.mailbox(), await a_client(stage.firm, "", PAT)
    await a_gap(stage, eva, 6)

    async def disconnected() -> None:
        async with connection() as held:
            await held.execute("UPDATE mailbox SET state = 'disconnected', epoch = epoch + 1")

    stage.wire.after("format=full", disconnected, nth=3)
    await recover_and_sync(stage, eva.id, small_batches(stage))
    assert len(await stage.filed(client)) == 2
    await stage.time_passes(3600)
    await work(stage)
    assert len(await stage.filed(client)) == 2
