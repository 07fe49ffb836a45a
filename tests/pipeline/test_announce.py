"""Announce: at most one job waits for a mailbox, nothing told is forgotten, and told means safe."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest
import redis
import redis.asyncio

import settings
from gmail.client import Gmail
from models.database import database_clock
from models.mailboxes import Mailbox
from models.sweeps import Claimed, claim_stragglers
from pipeline.announce import Announcer, News, NotAnnounced
from pipeline.jobs import FRESH
from pipeline.marks import Marks
from pipeline.sync import Trigger, sync
from tests.builders import a_client, a_firm, a_mail, a_user
from tests.gmail.google import a_google
from tests.pipeline.stage import Clock, Stage

PAT = "pat@client.example"
LONG = timedelta(minutes=2)


@dataclass
class Queue:
    """Remembers what was sent to it. It can break, for all mailboxes or for some, and it can keep senders waiting at its gate."""

    sent: list[Mapping[int, News]] = field(default_factory=list)
    broken: bool = False
    broken_for: frozenset[int] = frozenset()
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def send(self, mailboxes: Mapping[int, News]) -> None:
        self._came.set()
        await self.gate.wait()
        if self.broken or self.broken_for & mailboxes.keys():
            raise redis.ConnectionError
        self.sent.append(mailboxes)

    async def sender_came(self) -> None:
        """To the gate."""
        await asyncio.wait_for(self._came.wait(), 5)

    @property
    def jobs(self) -> list[int]:
        return [mailbox for batch in self.sent for mailbox in batch]


def news(history_id: int = 2000) -> News:
    return News(history_id, "trace", time.time())


async def begun(*work: Coroutine[Any, Any, None]) -> list["asyncio.Task[None]"]:
    """Under way: a round, if one was to begin, has begun."""
    tasks = [asyncio.create_task(coroutine) for coroutine in work]
    await asyncio.sleep(0.01)
    return tasks


async def ends(*work: Any) -> list[Any]:
    """None for what ended well, else the kind of error."""
    return [end and type(end) for end in await asyncio.gather(*work, return_exceptions=True)]


@pytest.fixture
async def client(valkey: redis.Redis, valkey_server) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(valkey_server.url) as opened:
        yield opened


@pytest.fixture
def marks(client: redis.asyncio.Redis) -> Marks:
    return Marks(client, LONG)


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def announcer(marks: Marks, queue: Queue) -> Announcer:
    return Announcer(marks, queue.send)


# One process


async def test_pushes_that_come_together_share_their_round_trips(announcer: Announcer, queue: Queue, valkey: redis.Redis) -> None:
    await announcer.announce([0], news())
    before = scripts_run(valkey)
    await asyncio.gather(*(announcer.announce([n % 50 + 1], news()) for n in range(100)))
    assert [len(batch) for batch in queue.sent] == [1, 50]
    assert scripts_run(valkey) - before == 2


async def test_what_comes_while_a_round_is_under_way_goes_with_the_next_one(announcer: Announcer, queue: Queue) -> None:
    queue.gate.clear()
    first = await begun(announcer.announce([1], news()))
    others = await begun(announcer.announce([2], news()), announcer.announce([3], news()))
    assert not any(task.done() for task in first + others)
    queue.gate.set()
    assert await ends(*first, *others) == [None] * 3
    assert [sorted(batch) for batch in queue.sent] == [[1], [2, 3]]


async def test_told_means_queued(announcer: Announcer, queue: Queue) -> None:
    """Scenario 12."""
    queue.gate.clear()
    [announcing] = await begun(announcer.announce([1], news()))
    assert not announcing.done()
    queue.gate.set()
    await announcing
    assert queue.jobs == [1]


async def test_where_the_sending_fails_all_who_waited_hear_it_and_the_next_push_is_sent(announcer: Announcer, queue: Queue) -> None:
    """Scenario 12."""
    queue.broken = True
    assert await ends(*(announcer.announce([n], news()) for n in (1, 1, 2))) == [NotAnnounced] * 3
    queue.broken = False
    await announcer.announce([1], news())
    await announcer.announce([2], news())
    assert queue.jobs == [1, 2]


async def test_a_round_that_fails_is_not_the_failure_of_the_next(marks: Marks) -> None:
    queue = Queue(broken_for=frozenset({1}))
    announcer = Announcer(marks, queue.send)
    queue.gate.clear()
    first = await begun(announcer.announce([1], news()))
    second = await begun(announcer.announce([2], news()))
    queue.gate.set()
    assert await ends(*first, *second) == [NotAnnounced, None]
    assert queue.jobs == [2]


async def test_a_job_that_was_queued_as_redis_went_away_is_told_again(client: redis.asyncio.Redis, queue: Queue) -> None:
    """Scenario 12. Better a job too many than a push too few."""

    class Breaking(Marks):
        async def queued(self, token: str, mailboxes: list[int]) -> None:
            raise redis.ConnectionError

    assert await ends(Announcer(Breaking(client, LONG), queue.send).announce([1], news())) == [NotAnnounced]
    await Announcer(Marks(client, LONG), queue.send).announce([1], news())
    assert queue.jobs == [1, 1]


async def test_who_gives_up_waiting_takes_nobody_along(announcer: Announcer, queue: Queue) -> None:
    queue.gate.clear()
    hasty, patient = await begun(announcer.announce([1], news()), announcer.announce([1], news()))
    hasty.cancel()
    queue.gate.set()
    assert await ends(hasty, patient) == [asyncio.CancelledError, None]
    assert queue.jobs == [1]


@pytest.mark.parametrize("told", [(2000, 99_999, 100_000), (100_000, 99_999), (2**63, 2**64 - 1, 2**63 + 1), (2**53 + 1, 2**53), (9, 10)])
async def test_the_mark_carries_the_highest_id_however_the_pushes_come(announcer: Announcer, marks: Marks, told: tuple[int, ...]) -> None:
    """Scenario 9."""
    for history_id in told:
        await announcer.announce([1], news(history_id))
    await asyncio.gather(*(announcer.announce([2], news(history_id)) for history_id in told))
    assert [await marks.take(1), await marks.take(2)] == [max(told)] * 2


async def test_a_mark_that_was_taken_is_gone(announcer: Announcer, marks: Marks) -> None:
    await announcer.announce([1], news())
    assert await marks.told(1)
    assert (await marks.take(1), await marks.take(1), await marks.told(1)) == (2000, None, None)


# Two processes


async def test_a_mark_whose_job_another_process_has_not_queued_yet_is_not_trusted(marks: Marks, queue: Queue) -> None:
    """Scenario 112."""
    slow = Queue()
    slow.gate.clear()
    [first] = await begun(Announcer(marks, slow.send).announce([1], news(2000)))
    await slow.sender_came()
    await Announcer(marks, queue.send).announce([1], news(1999))
    assert queue.jobs == [1]
    slow.broken = True
    slow.gate.set()
    assert await ends(first) == [NotAnnounced]
    assert await marks.take(1) == 2000


async def test_a_process_whose_sending_fails_takes_nothing_from_what_another_was_promised(marks: Marks, queue: Queue) -> None:
    """Scenarios 12, 112."""
    failing = Queue(broken=True)
    queue.gate.clear()
    failing.gate.clear()
    first = await begun(Announcer(marks, queue.send).announce([1], news(2000)))
    await queue.sender_came()
    second = await begun(Announcer(marks, failing.send).announce([1], news(2001)))
    await failing.sender_came()
    queue.gate.set()
    assert await ends(*first) == [None]
    failing.gate.set()
    assert await ends(*second) == [NotAnnounced]
    assert await marks.take(1) == 2001, "the queued job of the first finds what it was sent for"


async def test_only_who_set_a_mark_says_that_its_job_is_queued(marks: Marks) -> None:
    """Scenario 112."""
    assert await marks.tell("a", {1: 2000}) == [1]
    assert await marks.tell("b", {1: 2001}) == [1]
    await marks.queued("a", [1])
    assert await marks.tell("c", {1: 2002}) == [1], "that of b may still fail"
    await marks.queued("c", [1])
    assert await marks.tell("d", {1: 2003}) == []


# A job that is lost


async def test_a_mark_ends_by_itself_and_pushes_do_not_prolong_it(client: redis.asyncio.Redis, queue: Queue) -> None:
    """Scenario 111. Its job is lost, and pushes come all the time."""
    announcer = Announcer(Marks(client, LONG), queue.send)
    await announcer.announce([1], news())
    assert 0 < await client.pttl("postroom:told:1") <= LONG / timedelta(milliseconds=1)
    began = time.monotonic()
    await client.pexpire("postroom:told:1", 60)  # milliseconds: almost all of its life is over
    while len(queue.jobs) < 2:
        await announcer.announce([1], news())
        assert time.monotonic() - began < 5
    assert time.monotonic() - began >= 0.06


async def test_redis_is_emptied_and_the_next_push_is_sent(announcer: Announcer, queue: Queue, valkey: redis.Redis) -> None:
    """Scenario 111."""
    await announcer.announce([1], news())
    valkey.flushall()
    await announcer.announce([1], news())
    assert queue.jobs == [1, 1]


async def test_the_sweep_syncs_a_mailbox_whose_mark_waits_for_a_lost_job(stage: Stage) -> None:
    """Scenario 111."""
    mailbox = await stage.mailbox()
    client = await a_client(stage.firm, "Client", PAT)
    await stage.mail(mailbox, a_mail(PAT, subject="told, and lost"))
    await stage.tell(mailbox)
    interval = settings.load().sweep.interval
    assert await claim_stragglers(interval, 1, 100, await database_clock() + interval) == [Claimed(mailbox.id, failing=False)]
    await stage.sweep(mailbox)
    assert await stage.filed(client) == ["told, and lost"]
    assert not await stage.tools.marks.told(mailbox.id)


# Many pushes


async def test_one_push_told_five_times_by_two_processes_is_one_activity(stage: Stage) -> None:
    """Scenario 13."""
    mailbox, queue = await stage.mailbox(), Queue()
    client = await a_client(stage.firm, "Client", PAT)
    await stage.mail(mailbox, a_mail(PAT, subject="once"))
    told = news(await stage.head(mailbox))
    processes = [Announcer(stage.tools.marks, queue.send) for _ in range(2)]
    await asyncio.gather(*(processes[n % 2].announce([mailbox.id], told) for n in range(5)))
    assert len(queue.jobs) <= 2
    await asyncio.gather(*(sync(job, Trigger("push", FRESH, told.trace, told.told_at), stage.tools) for job in queue.jobs))
    assert await stage.filed(client) == ["once"]
    assert len(await stage.looks(mailbox)) == 1


class Moments:
    """Time that passes only when it is told to; who sleeps then wakes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._naps: dict[asyncio.Future[None], tuple[datetime, float]] = {}

    async def sleep(self, seconds: float) -> None:
        nap = asyncio.get_running_loop().create_future()
        self._naps[nap] = self._clock.moment + timedelta(seconds=seconds), seconds
        try:
            await nap
        finally:
            del self._naps[nap]

    def sleepers(self, at_most: float) -> int:
        return sum(seconds <= at_most for _, seconds in self._naps.values())

    def passes(self, seconds: float) -> None:
        self._clock.moment += timedelta(seconds=seconds)
        for nap, (until, _) in self._naps.items():
            if until <= self._clock.moment and not nap.done():
                nap.set_result(None)


class Storm:
    """Workers enough for every job, on a clock of our own; it notes when Gmail's history is listed."""

    def __init__(self, stage: Stage, session: aiohttp.ClientSession) -> None:
        self.gap = settings.load().limits.listing_gap
        self.time, self.listed, self._stage = Moments(stage.clock), list[datetime](), stage
        limits = stage.tools.limits.model_copy(update={"listing_gap": self.gap})
        gmail = Gmail(session, stage.sandbox.url, self._observed)
        self._tools = replace(stage.tools, gmail=gmail, sleep=self.time.sleep, limits=limits)
        self._running = set[asyncio.Task[object]]()

    def _observed(self, method: str, status: int | str, seconds: float) -> None:
        if method == "history.list":
            self.listed.append(self._stage.clock.moment)

    async def send(self, mailboxes: Mapping[int, News]) -> None:
        for mailbox, told in mailboxes.items():
            job = asyncio.create_task(sync(mailbox, Trigger("push", FRESH, told.trace, told.told_at), self._tools))
            self._running.add(job)
            job.add_done_callback(self._running.discard)

    async def passes(self, seconds: float) -> None:
        """Returns when every worker has ended or keeps its distance."""
        self.time.passes(seconds)
        await asyncio.sleep(0)
        while len(self._running) > self.time.sleepers(at_most=self.gap.total_seconds()):
            await asyncio.sleep(0.0005)

    async def is_over(self) -> None:
        while self._running:
            await self.passes(0.1)


async def test_a_storm_of_pushes_lists_twice_a_second_at_most_and_the_last_is_found(stage: Stage) -> None:
    """Scenario 14. Five hundred in ten seconds."""
    mailbox, client = await stage.mailbox(), await a_client(stage.firm, "Client", PAT)
    head, subjects = await stage.head(mailbox), list[str]()
    async with aiohttp.ClientSession() as session:
        storm = Storm(stage, session)
        announcer = Announcer(stage.tools.marks, storm.send)
        for number in range(1, 501):
            if number % 50 == 0:
                subjects.append(f"mail {number}")
                head = (await stage.arrives(mailbox, a_mail(PAT, subject=subjects[-1])))["historyId"]
            await announcer.announce([mailbox.id], news(head))
            await storm.passes(0.02)
        await storm.is_over()
    assert await stage.filed(client) == sorted(subjects)
    assert len(storm.listed) == await stage.listings(mailbox) > 10
    assert min(third - first for first, third in zip(storm.listed, storm.listed[2:], strict=False)) >= timedelta(seconds=1)


async def test_a_push_from_behind_the_cursor_asks_gmail_nothing(stage: Stage) -> None:
    """Scenario 15."""
    mailbox = await stage.mailbox()
    for behind in (1, 0):
        await stage.push(mailbox, int(mailbox.cursor) - behind)
    now = await Mailbox.get(id=mailbox.id)
    assert (await stage.listings(mailbox), now.cursor, now.head, now.last_checked_at) == (0, mailbox.cursor, None, None)
    await stage.push(mailbox, int(mailbox.cursor) + 1)
    assert await stage.listings(mailbox) == 1


async def test_two_firms_with_one_mailbox_each_list_from_their_own_cursor_with_their_own_token(stage: Stage) -> None:
    """Scenario 17."""
    mailbox = await stage.mailbox("shared@sample.test")
    other_firm = await a_firm()
    other = await stage.mailbox("shared@sample.test", other_firm, await a_user(other_firm))
    await Mailbox.filter(id=other.id).update(cursor=mailbox.cursor + 5)
    queue = Queue()
    connected, _ = await Mailbox.connected_ids("shared@sample.test")
    await Announcer(stage.tools.marks, queue.send).announce(connected, news(2**40))
    assert sorted(queue.jobs) == [mailbox.id, other.id]
    async with a_google() as google, aiohttp.ClientSession() as session:
        google.answers({"historyId": str(2**40)})
        tools = replace(stage.tools, gmail=Gmail(session, google.url))
        for job in queue.jobs:
            await sync(job, Trigger("push", FRESH, "trace", time.time()), tools)
    asked = {(request.all("startHistoryId")[0], request.headers["Authorization"]) for request in google.asked}
    assert [start for start, _ in sorted(asked)] == [str(mailbox.cursor), str(mailbox.cursor + 5)]
    assert len({token for _, token in asked}) == 2


def scripts_run(valkey: redis.Redis) -> int:
    return int(valkey.info("commandstats")["cmdstat_evalsha"]["calls"])
