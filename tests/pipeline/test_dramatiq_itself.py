"""How Dramatiq loses or stalls jobs when Redis goes away, and that ours are done after all.

Each accident happens twice: to stock Dramatiq, whose test says what is lost, so that one sees when an upgrade mends it; and to our broker,
without Retries and with a database that knows what is owed (docs/dramatiq-tortoise.md).
"""

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import dramatiq
import dramatiq.worker
import pytest
import redis
from dramatiq.brokers.redis import RedisBroker
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipeline import marks
from pipeline.broker import WakingBroker
from pipeline.jobs import SWEEP
from pipeline.marks import Marks
from pipeline.sync import Trigger, sync
from tests.builders import a_client, a_mail
from tests.pipeline.stage import Stage
from tests.servers import Server, running_valkey

JOBS = "jobs"
DELAYED = f"{JOBS}.DQ"
SOON, SHORTLY, NOT_IN_THIS_TEST = 20, 400, 600_000  # milliseconds
PATIENCE = 10.0  # seconds
ONCE_MORE = Retry(NoBackoff(), 1)  # whoever sends and looks is elsewhere, and nothing happens to them
HASTY = "?socket_timeout=0.2"  # seconds that redis-py waits for an answer, instead of five


@pytest.fixture(scope="module")
def own_valkey() -> Iterator[Server]:
    """One to stop and start."""
    with running_valkey() as server:
        yield server


class Shop:
    """A worker, somebody who sends it jobs from elsewhere, and one kind of job: `during` happens in each, and `done` has their numbers."""

    def __init__(self, broker: RedisBroker, client: redis.Redis, during: Callable[[int], object]) -> None:
        self.broker, self.done, self._client, self._during = broker, list[int](), client, during
        self._sender = type(broker)(client=client, middleware=[])
        self.work = dramatiq.actor(actor_name="work", queue_name=JOBS, broker=broker)(self._work)
        self._worker = dramatiq.Worker(broker, worker_timeout=20, worker_threads=1)
        self._worker.start()

    def _work(self, number: int) -> None:
        try:
            self._during(number)
        finally:
            self.done.append(number)

    def send(self, number: int, delay: int | None = None) -> None:
        """To be done in `delay` milliseconds, or at once."""
        self._sender.enqueue(self.work.message(number), delay=delay)

    def does(self, *numbers: int) -> None:
        """Returns when these have run too."""
        before = len(self.done)
        for number in numbers:
            self.send(number)
        eventually(lambda: self.done[before:] == list(numbers))

    def later(self, number: int, delay: int = NOT_IN_THIS_TEST) -> None:
        """Sends a job that is due in `delay` milliseconds; returns when the worker holds it."""
        self.send(number, delay)
        eventually(lambda: self.waiting(DELAYED) == 0)

    def waiting(self, queue_name: str) -> int:
        """How many jobs a worker could still fetch."""
        return int(self._client.llen(f"{self.broker.namespace}:{queue_name}"))

    def fetched(self, queue_name: str) -> int:
        """How many this worker fetched and did not acknowledge. Nobody else gets them before its process has been dead for a minute."""
        return int(self._client.scard(f"{self.broker.namespace}:__acks__.{self.broker.broker_id}.{queue_name}"))

    def kept(self) -> list[Any]:
        """Every message that Redis holds for whatever purpose, dead letters included."""
        return [message for key in self._client.keys("*.msgs") for message in self._client.hvals(key)]

    def consumes(self, queue_name: str) -> bool:
        """Whether the thread that does it lives."""
        return self._worker.consumers[queue_name].is_alive()

    def stop(self) -> None:
        self._worker.stop(timeout=1000)


@pytest.fixture
def a_shop(own_valkey: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Shop]]:
    """Opens one on an empty Valkey. `query`: of its address; `during`: in each job, told its number."""
    monkeypatch.setattr(dramatiq.worker, "CONSUMER_RESTART_DELAY_SECS", SOON / 1000)
    monkeypatch.setattr(dramatiq.worker, "POST_PROCESS_MESSAGE_RETRY_DELAY_SECS", SOON / 1000)
    with ExitStack() as opened:

        def make(kind: type[RedisBroker], query: str = "", during: Callable[[int], object] = bool) -> Shop:
            broker = kind(url=own_valkey.url + query, middleware=[] if kind is WakingBroker else None)  # None: Dramatiq's own
            opened.callback(broker.client.connection_pool.disconnect)
            client = opened.enter_context(redis.Redis.from_url(own_valkey.url, retry=ONCE_MORE))
            client.flushall()
            shop = Shop(broker, client, during)
            opened.callback(shop.stop)
            return shop

        own_valkey.start()
        yield make
        own_valkey.start()


def eventually(question: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not question():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.005)


# Redis is down at the moment at which a job fails.


def test_stock_loses_a_job_that_fails_while_redis_is_down(own_valkey: Server, a_shop: Callable[..., Shop]) -> None:
    """Its retry cannot be queued, that error is swallowed, and the job is acknowledged once Redis is back."""

    def fail(number: int) -> None:
        if number == 1:
            own_valkey.stop()
            raise ZeroDivisionError

    shop = a_shop(RedisBroker, during=fail)
    shop.send(1)
    eventually(lambda: shop.done == [1])
    own_valkey.start()
    shop.does(2)
    eventually(lambda: shop.kept() == [])
    assert shop.done == [1, 2]


@pytest.fixture
async def beside(stage: Stage, own_valkey: Server) -> AsyncIterator[Stage]:
    """The stage, with its marks beside the queue: they share its fate."""
    client = marks.connection(own_valkey.url)
    yield replace(stage, tools=replace(stage.tools, marks=Marks(client, stage.tools.limits.mark)))
    await client.aclose()


async def test_ours_loses_it_too_and_by_its_row_the_pending_chore_has_the_work_done(
    beside: Stage, own_valkey: Server, a_shop: Callable[..., Shop]
) -> None:
    """Scenario 111."""
    stage, loop, swept = beside, asyncio.get_running_loop(), Trigger("sweep", SWEEP, "trace")
    eva, client = await stage.mailbox(), await a_client(stage.firm, "", "pat@client.example")

    def look(number: int) -> None:
        if number == 1:
            own_valkey.stop()
        asyncio.run_coroutine_threadsafe(sync(eva.id, swept, stage.tools), loop).result()

    shop = a_shop(WakingBroker, during=look)
    await stage.mail(eva, a_mail(subject="Not lost"))
    shop.send(1)
    await asyncio.to_thread(eventually, lambda: shop.done == [1])
    own_valkey.start()
    await asyncio.to_thread(eventually, lambda: shop.kept() == [])
    assert await stage.filed(client) == []
    stage.wait(minutes=1)
    assert await stage.pending() == [eva.id]
    await asyncio.to_thread(shop.does, 2)
    assert await stage.filed(client) == ["Not lost"]


# Redis restarts while a worker holds delayed jobs, as all retries are.


def restarted_before_it_is_due(shop: Shop, server: Server, delay: int) -> None:
    shop.later(1, delay)
    server.restart()


def test_stock_freezes_delayed_jobs_when_redis_restarts(own_valkey: Server, a_shop: Callable[..., Shop]) -> None:
    """The worker forgets what it held, and Redis still takes it for held: not even a clean stop gives it back."""
    shop = a_shop(RedisBroker)
    restarted_before_it_is_due(shop, own_valkey, SHORTLY)
    shop.later(2, SHORTLY)
    eventually(lambda: shop.done == [2])
    assert shop.fetched(DELAYED) == 1
    shop.stop()
    assert (shop.fetched(DELAYED), shop.waiting(DELAYED), shop.waiting(JOBS)) == (1, 0, 0)


def test_ours_takes_them_up_again(own_valkey: Server, a_shop: Callable[..., Shop]) -> None:
    shop = a_shop(WakingBroker)
    restarted_before_it_is_due(shop, own_valkey, SHORTLY)
    shop.does(2)
    eventually(lambda: shop.done == [2, 1])
    eventually(lambda: shop.kept() == [])


# Redis goes away at the very moment at which a delayed job falls due, and another one waits.


class GoneWhenDue(dramatiq.Middleware):
    """Redis is there when the worker asks for messages, and gone when it queues the delayed one."""

    def __init__(self, server: Server) -> None:
        self._server, self.gone = server, threading.Event()

    def before_enqueue(self, broker: dramatiq.Broker, message: dramatiq.Message[Any], delay: int | None) -> None:
        if delay is None and not self.gone.is_set():
            self._server.stop()
            self.gone.set()


def gone_when_due(shop: Shop, server: Server) -> None:
    accident = GoneWhenDue(server)
    shop.later(2, 2 * SHORTLY)
    shop.later(1, SHORTLY)
    shop.broker.add_middleware(accident)
    assert accident.gone.wait(PATIENCE)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_thread_of_stock_s_delayed_jobs_dies_for_good(own_valkey: Server, a_shop: Callable[..., Shop]) -> None:
    """The process looks healthy: other jobs go on."""
    shop = a_shop(RedisBroker)
    gone_when_due(shop, own_valkey)
    eventually(lambda: not shop.consumes(DELAYED))
    own_valkey.start()
    shop.send(3, SOON)
    shop.does(4)
    assert (shop.waiting(DELAYED), shop.fetched(DELAYED)) == (1, 2)


def test_ours_lives_on(own_valkey: Server, a_shop: Callable[..., Shop]) -> None:
    shop = a_shop(WakingBroker)
    gone_when_due(shop, own_valkey)
    own_valkey.start()
    shop.send(3, SOON)
    eventually(lambda: sorted(shop.done) == [1, 2, 3])
    eventually(lambda: shop.kept() == [])


# Redis hangs until redis-py gives up waiting, and then it dies.


def hung_and_died(a_shop: Callable[..., Shop], kind: type[RedisBroker], server: Server) -> Shop:
    """In the middle of the first job, with a delayed one in the worker's hands."""

    def hang(number: int) -> None:
        if number == 1:
            os.kill(server.pid, signal.SIGSTOP)

    shop = a_shop(kind, HASTY, during=hang)
    shop.later(2, 3 * SHORTLY)
    shop.send(1)
    eventually(lambda: shop.done == [1])
    time.sleep(0.5)  # two of redis-py's patiences
    server.kill()
    server.start()
    return shop


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_stock_takes_a_redis_that_hangs_for_a_surprise(own_valkey: Server, a_shop: Callable[..., Shop]) -> None:
    """The job that was done is not acknowledged, so it will be done again; and the thread of the delayed jobs is dead."""
    shop = hung_and_died(a_shop, RedisBroker, own_valkey)
    shop.does(3)
    eventually(lambda: shop.fetched(JOBS) == 1)
    assert (shop.consumes(DELAYED), shop.fetched(DELAYED)) == (False, 1)


def test_ours_acknowledges_when_redis_answers_again(own_valkey: Server, a_shop: Callable[..., Shop]) -> None:
    shop = hung_and_died(a_shop, WakingBroker, own_valkey)
    shop.does(3)
    eventually(lambda: shop.done == [1, 3, 2])
    eventually(lambda: shop.kept() == [])
