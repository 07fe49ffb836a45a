"""Two workers and two pushes meet over one mailbox: every order of their steps around mark and lease, on the real ones.

The recipe itself runs, over real Valkey, PostgreSQL and HTTP; all that is decided here is who goes on next. Whoever is about to touch what
the others touch stops there until it has its turn. An order that leads where another one has led before is not followed further.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import aiohttp
import pytest
import redis
import redis.asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

import settings
from gmail.client import Gmail
from gmail.endpoints import GoogleEndpoints
from gmail.oauth import OAuthClient
from gmail.tokens import Refresher
from models.database import connection, database_clock
from models.mailboxes import Mailbox
from pipeline.announce import Announcer, News, NotAnnounced
from pipeline.jobs import FRESH, SWEEP
from pipeline.marks import Marks
from pipeline.sync import Trigger, sync
from pipeline.tools import Tools
from tests.builders import VAULT, a_firm, a_mailbox, a_user
from tests.pipeline.stage import UNMETERED
from tests.servers import Server

PUSHED, HEAD = 2000, 5000  # history ids: of the pushes, and where Gmail is
BEHIND = timedelta(seconds=40)  # our clock's distance from the real one: time may pass, and a push is young still
LEASE_ENDS = timedelta(seconds=21)
TICK = timedelta(milliseconds=1)
SWEPT = Trigger("sweep", SWEEP, "trace")


@dataclass
class Actor:
    """Who takes steps. `at`: the one that it stands before, and then does."""

    name: str
    at: str = ""
    task: "asyncio.Task[None] | None" = None
    turn: "asyncio.Future[None] | None" = None
    over: bool = False


@dataclass
class Push(Actor):
    fails: bool = False  # its job cannot be sent
    promised: bool = False  # announced: Google will not tell it again


@dataclass
class Worker(Actor):
    job: Trigger | None = None
    rounds: int = 0
    owner: str | None = None  # of the lease that it took
    took_in: int = 0  # the age in which it took it
    hears: frozenset[str] = frozenset()  # the pushes that were told when its listing began


@dataclass
class Nap(Actor):
    """Time passes, once, and every lease ends: a new age begins."""


@dataclass
class Meeting:
    """A fresh start."""

    pushes: list[Push] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    naps: list[Nap] = field(default_factory=list)
    queue: list[Trigger] = field(default_factory=list)
    google_fails_the_late: bool = False  # who lists when its lease has ended
    unseen: frozenset[str] = frozenset()  # steps before which nobody stops, so that there are fewer orders
    told: set[str] = field(default_factory=set)
    heard: set[str] = field(default_factory=set)  # told before a listing that was kept
    tokens: dict[str, str] = field(default_factory=dict)  # whose they are
    owner: str | None = None  # of the lease, as the row says
    age: int = 0
    path: list[str] = field(default_factory=list)

    @property
    def actors(self) -> list[Actor]:
        return [*self.pushes, *self.workers, *self.naps]


class Place:
    """Where they meet, opened once. One goes on at a time."""

    tools: Tools
    marks: "Gated"
    mailbox: Mailbox
    meeting: Meeting
    running: Actor
    moment: datetime

    def __init__(self) -> None:
        self.free = True  # nobody stops
        self._stopped = asyncio.Event()

    # for those who meet

    async def step(self, name: str) -> None:
        """Whoever runs stops here until it has its turn to do `name`."""
        if not self.free and name not in self.meeting.unseen:
            actor = self.running
            actor.at, actor.turn = name, asyncio.get_running_loop().create_future()
            self._stopped.set()
            await actor.turn

    async def clock(self) -> datetime:
        return self.moment

    async def sleep(self, seconds: float) -> None:
        """Nobody wakes up."""
        await asyncio.Event().wait()

    async def google(self, request: web.Request) -> web.Response:
        worker, meeting = self.running, self.meeting
        await self.step("list")
        assert isinstance(worker, Worker)
        if meeting.google_fails_the_late and worker.took_in < meeting.age:
            return web.json_response({}, status=503)
        worker.hears = frozenset(meeting.told)
        return web.json_response({"historyId": str(HEAD)})

    async def send(self, mailboxes: Mapping[int, News]) -> None:
        push = self.running
        await self.step("send")
        assert isinstance(push, Push)
        if push.fails:
            raise redis.ConnectionError
        self.meeting.queue += [Trigger("push", FRESH, news.trace, news.told_at) for news in mailboxes.values()]

    # for who directs them

    async def begin(self, meeting: Meeting) -> None:
        self.meeting, self.moment = meeting, await database_clock() - BEHIND
        await self.marks.take(self.mailbox.id)
        await Mailbox.filter(id=self.mailbox.id).update(
            lease_owner=None, lease_until=None, head=None, head_at=None, last_checked_at=None, next_attempt_at=None, failures=0
        )
        self.free = False

    async def end(self) -> None:
        """Whoever is still under way goes home as it likes."""
        self.free = True
        left = [actor for actor in self.meeting.actors if actor.task]
        for actor in left:
            assert actor.turn is not None
            self.running = actor
            actor.turn.set_result(None)
            assert actor.task is not None
            await actor.task

    def may_go_on(self) -> list[str]:
        """Names. Of two idle workers the first takes the next job; leases end while somebody waits for Google."""
        meeting = self.meeting
        pushes = [push.name for push in meeting.pushes if push.task or not push.over]
        working = [worker.name for worker in meeting.workers if worker.task]
        idle = [worker.name for worker in meeting.workers if not worker.task][:1] if meeting.queue else []
        naps = [nap.name for nap in meeting.naps if not nap.over and any(worker.at in ("list", "take mark") for worker in meeting.workers)]
        return [*pushes, *working, *idle, *naps]

    async def go_on(self, name: str) -> None:
        """To its next step, or to its end."""
        actor = self.running = next(actor for actor in self.meeting.actors if actor.name == name)
        self.meeting.path.append(f"{name} {actor.at or 'begins'}")
        self.moment += TICK
        self._stopped.clear()
        if actor.task is None:
            actor.task = asyncio.create_task(self._life(actor))
            actor.task.add_done_callback(lambda _: self._stopped.set())
        else:
            assert actor.turn is not None
            actor.turn.set_result(None)
        did = actor.at
        await self._stopped.wait()
        if actor.task.done():
            await actor.task
            actor.task, actor.at = None, ""
        await self._observe(actor, did)

    async def _life(self, actor: Actor) -> None:
        match actor:
            case Push():
                actor.over = True
                news = News(PUSHED, "trace", self.moment.timestamp())
                try:
                    await Announcer(self.marks, self.send).announce([self.mailbox.id], news)
                except NotAnnounced:
                    return
                actor.promised = True
            case Worker():
                actor.job, actor.rounds = self.meeting.queue.pop(0), 0
                await sync(self.mailbox.id, actor.job, self.tools)
                actor.job = None
            case Nap():
                actor.over = True
                self.meeting.age += 1
                self.moment += LEASE_ENDS

    async def _observe(self, actor: Actor, did: str) -> None:
        """What the step has changed, and whether that was right."""
        meeting = self.meeting
        async with connection() as held:
            meeting.owner = await held.fetchval("SELECT lease_owner FROM mailbox WHERE id = $1", self.mailbox.id)
        if isinstance(actor, Worker):
            if actor.at == "take mark":
                assert meeting.owner is not None, ("the mark is taken without the lease", meeting.path)
                actor.owner, actor.took_in, actor.rounds = meeting.owner, meeting.age, actor.rounds + 1
            elif actor.at != "list":
                meeting.heard |= actor.hears if did == "list" and actor.at == "look again" else frozenset()
                actor.owner, actor.hears = None, frozenset()
        holders = [worker for worker in meeting.workers if worker.owner and worker.took_in == meeting.age]
        assert len(holders) <= 1, ("two work at once", meeting.path)
        assert all(worker.owner == meeting.owner for worker in holders), ("a lease was lost that had not ended", meeting.path)

    async def state(self) -> Hashable:
        """All that decides what can follow. Which of two equal pushes or workers is which does not."""
        mark, meeting = await self.marks.seen(self.mailbox.id), self.meeting
        orders = itertools.product(itertools.permutations(meeting.pushes), itertools.permutations(meeting.workers))
        return min(str(self._in_order(mark, pushes, workers)) for pushes, workers in orders)

    def _in_order(self, mark: str | None, pushes: Sequence[Push], workers: Sequence[Worker]) -> list[object]:
        meeting = self.meeting
        return [
            [(p.at, p.over, p.fails, p.promised, p.name in meeting.told, p.name in meeting.heard, p.name == mark) for p in pushes],
            [(w.at, w.job and w.job.kind, min(w.rounds, 2), w.owner and w.owner == meeting.owner, w.took_in) for w in workers],
            [push.name in worker.hears for push in pushes for worker in workers],
            (mark is None, mark == "", meeting.owner is None, [job.kind for job in meeting.queue], meeting.age),
        ]


class Gated(Marks):
    """Marks before which everybody stops."""

    def __init__(self, client: redis.asyncio.Redis, expire: timedelta, place: Place) -> None:
        super().__init__(client, expire)
        self._place, self._redis = place, client

    async def tell(self, token: str, told: Mapping[int, int]) -> list[int]:
        await self._place.step("tell")
        fresh, meeting, push = await super().tell(token, told), self._place.meeting, self._place.running
        meeting.tokens[token] = push.name
        meeting.told.add(push.name)
        return fresh

    async def queued(self, token: str, mailboxes: list[int]) -> None:
        await self._place.step("queued")
        await super().queued(token, mailboxes)

    async def take(self, mailbox: int) -> int | None:
        await self._place.step("take mark")
        return await super().take(mailbox)

    async def told(self, mailbox: int) -> int | None:
        await self._place.step("look again")
        told = await super().told(mailbox)
        await self._place.step("take lease again" if told else "go")
        return told

    async def seen(self, mailbox: int) -> str | None:
        """Whose token the mark carries; empty if its job is queued, None if there is no mark."""
        mark: bytes | None = await self._redis.get(f"postroom:told:{mailbox}")  # type: ignore[assignment]
        return None if mark is None else self._place.meeting.tokens.get(mark.decode().partition(":")[0], "")


@pytest.fixture
async def place(database: None, valkey: redis.Redis, valkey_server: Server) -> AsyncIterator[Place]:
    place, app = Place(), web.Application()
    app.router.add_get("/gmail/v1/users/me/history", place.google)
    place.mailbox = await a_mailbox(await a_user(await a_firm()))
    limits = settings.load().limits.model_copy(update={"listing_gap": timedelta(0)})
    async with TestServer(app) as server, aiohttp.ClientSession() as session, redis.asyncio.Redis.from_url(valkey_server.url) as client:
        url = str(server.make_url("/")).rstrip("/")
        refresher = Refresher(url, "id", "secret")
        place.marks = Gated(client, limits.mark, place)
        place.tools = Tools(
            Gmail(session, url),
            refresher,
            VAULT,
            place.marks,
            place.clock,
            place.sleep,
            limits,
            1,
            UNMETERED,
            settings.load(),
            OAuthClient(GoogleEndpoints(url, url, url, url, url), "id", "secret", session),
        )
        with capture_logs():
            yield place
        refresher.close()


async def every_order(place: Place, start: Callable[[], Meeting]) -> int:
    """Follows every order to its end, where every push that was promised was heard, or the row still owes a look. Returns in how many
    states they were."""
    states, ways = set[Hashable](), [list[str]()]
    while ways:
        way = ways.pop()
        await place.begin(start())
        try:
            for name in way:
                await place.go_on(name)
            while names := place.may_go_on():
                state = await place.state()
                if state in states:
                    break
                states.add(state)
                ways += [[*way, other] for other in names[1:]]
                way.append(names[0])
                await place.go_on(names[0])
            else:
                lost = {push.name for push in place.meeting.pushes if push.promised} - place.meeting.heard
                assert not lost or (await Mailbox.get(id=place.mailbox.id)).next_attempt_at, (lost, place.meeting.path)
        finally:
            await place.end()
    return len(states)


def two_workers() -> list[Worker]:
    return [Worker("W1"), Worker("W2")]


async def test_in_whatever_order_two_pushes_and_two_workers_meet_each_push_is_listed_for_and_never_two_list_at_once(place: Place) -> None:
    """Scenarios 19, 112."""
    unseen = frozenset({"queued"})
    assert await every_order(place, lambda: Meeting([Push("P1"), Push("P2")], two_workers(), unseen=unseen)) > 100


async def test_a_push_whose_job_cannot_be_sent_takes_nothing_from_the_other(place: Place) -> None:
    """Scenarios 12, 112."""
    assert await every_order(place, lambda: Meeting([Push("P1"), Push("P2", fails=True)], [Worker("W1")])) > 100


async def test_a_push_and_the_sweep_meet_and_one_of_them_does_the_work(place: Place) -> None:
    """Scenarios 81, 112."""
    unseen = frozenset({"queued"})
    assert await every_order(place, lambda: Meeting([Push("P1")], two_workers(), queue=[SWEPT], unseen=unseen)) > 50


@pytest.mark.parametrize("google_fails_the_late", [False, True])
async def test_a_worker_that_was_thought_dead_does_not_release_its_successors_lease(place: Place, google_fails_the_late: bool) -> None:
    """Scenarios 33, 112. It hangs in a call to Google until its lease has ended, and comes back at any moment."""

    def start() -> Meeting:
        return Meeting([], two_workers(), [Nap("time")], [SWEPT, SWEPT], google_fails_the_late)

    assert await every_order(place, start) > 10


@pytest.mark.parametrize("google_fails_the_late", [False, True])
async def test_a_push_is_listed_for_though_the_worker_that_took_its_mark_lost_its_lease(place: Place, google_fails_the_late: bool) -> None:
    """Scenarios 33, 112."""

    def start() -> Meeting:
        return Meeting([Push("P1")], two_workers(), [Nap("time")], [SWEPT], google_fails_the_late, frozenset({"queued"}))

    assert await every_order(place, start) > 50
