"""The queue's broker: an idle worker is woken, a full one is not stalled, and a lost connection costs a moment and no job."""

import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dramatiq
import pytest
from dramatiq.errors import ConnectionClosed

from pipeline.broker import MOST_WAKES, WakingBroker, WakingConsumer
from tests.servers import Server, running_valkey

LONG = 5_000  # milliseconds that a consumer waits by itself: longer than any test's patience
SOON = 2.5  # seconds: half of that, and more than a busy machine needs
JOBS = "jobs"


@pytest.fixture(scope="module")
def own_valkey() -> Iterator[Server]:
    """One to stop and start."""
    with running_valkey() as server:
        yield server


@pytest.fixture
def another(own_valkey: Server) -> Iterator[Callable[..., WakingBroker]]:
    """Makes brokers, as if each were in a process of its own. `query`: of the address."""
    made: list[WakingBroker] = []

    def make(query: str = "") -> WakingBroker:
        made.append(WakingBroker(url=own_valkey.url + query, middleware=[]))
        made[-1].declare_queue(JOBS)
        return made[-1]

    own_valkey.start()
    yield make
    for broker in made:
        broker.client.connection_pool.disconnect()


@pytest.fixture
def broker(another: Callable[..., WakingBroker]) -> WakingBroker:
    """An empty one."""
    broker = another()
    broker.client.flushall()
    return broker


def a_job(number: int = 1) -> dramatiq.Message[Any]:
    return dramatiq.Message(JOBS, "work", (number,), {}, {})


def numbers(consumer: WakingConsumer, count: int) -> list[int]:
    return [taken(consumer).args[0] for _ in range(count)]


def taken(consumer: WakingConsumer) -> Any:
    """The next job, which must be there."""
    message = next(consumer)
    assert message is not None, "there was no job"
    return message


class Waiting:
    """A consumer that waits in a thread of its own, as Dramatiq's does."""

    def __init__(self, consumer: WakingConsumer) -> None:
        self._answer: queue.Queue[tuple[Any, float]] = queue.Queue()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=lambda: self._answer.put((next(consumer), time.monotonic() - self._began)), daemon=True)
        self._thread.start()
        time.sleep(0.05)  # until it sleeps

    def got(self) -> tuple[int, bool]:
        """The number of the job, and whether it came soon."""
        message, seconds = self._answer.get(timeout=2 * LONG / 1000)
        self._thread.join()
        return message.args[0], seconds < SOON


def test_an_idle_worker_starts_a_job_when_it_is_sent_and_not_when_it_would_have_looked(broker: WakingBroker) -> None:
    waiting = Waiting(broker.consume(JOBS, prefetch=4, timeout=LONG))
    broker.enqueue(a_job(7))
    assert waiting.got() == (7, True)


def test_a_worker_in_another_process_is_woken_too(broker: WakingBroker, another: Callable[..., WakingBroker]) -> None:
    waiting = Waiting(another().consume(JOBS, prefetch=4, timeout=LONG))
    broker.enqueue(a_job(7))
    assert waiting.got() == (7, True)


def test_a_delayed_job_wakes_who_keeps_the_delayed_ones(broker: WakingBroker) -> None:
    waiting = Waiting(broker.consume(f"{JOBS}.DQ", prefetch=4, timeout=LONG))
    broker.enqueue(a_job(7), delay=60_000)
    assert waiting.got() == (7, True)


def test_many_idle_workers_share_many_jobs_and_none_is_taken_twice(broker: WakingBroker, another: Callable[..., WakingBroker]) -> None:
    waiting = [Waiting(another().consume(JOBS, prefetch=1, timeout=LONG)) for _ in range(3)]
    for number in range(3):
        broker.enqueue(a_job(number))
    assert sorted(one.got() for one in waiting) == [(0, True), (1, True), (2, True)]


def test_without_a_job_it_returns_when_its_time_is_over(broker: WakingBroker) -> None:
    assert next(broker.consume(JOBS, prefetch=4, timeout=20)) is None


def test_a_quiet_queue_is_no_lost_connection_even_if_redis_is_waited_for_less_long(
    broker: WakingBroker, another: Callable[..., WakingBroker]
) -> None:
    hasty = another("?socket_timeout=0.2")
    consumer = hasty.consume(JOBS, prefetch=4, timeout=LONG)
    assert next(consumer) is None
    hasty.enqueue(a_job(7))
    assert numbers(consumer, 1) == [7]


def test_the_wake_list_stays_short_when_nobody_listens(broker: WakingBroker) -> None:
    for number in range(MOST_WAKES + 20):
        broker.enqueue(a_job(number))
    assert broker.client.llen(broker.wake_list(JOBS)) == MOST_WAKES
    assert numbers(broker.consume(JOBS, prefetch=200, timeout=LONG), MOST_WAKES + 20) == list(range(MOST_WAKES + 20))


def test_a_job_is_queued_even_if_nobody_can_be_woken(broker: WakingBroker) -> None:
    broker.client.set(broker.wake_list(JOBS), "no list")
    broker.enqueue(a_job(7))
    assert numbers(broker.consume(JOBS, prefetch=4, timeout=LONG), 1) == [7]


def test_a_full_worker_goes_on_as_soon_as_it_has_room(broker: WakingBroker) -> None:
    for number in range(3):
        broker.enqueue(a_job(number))
    broker.client.delete(broker.wake_list(JOBS))
    consumer = broker.consume(JOBS, prefetch=2, timeout=LONG)
    first, _ = taken(consumer), taken(consumer)
    waiting = Waiting(consumer)
    consumer.ack(first)
    assert waiting.got() == (2, True)


def test_a_worker_that_was_full_and_has_nothing_to_do_any_more_is_woken(broker: WakingBroker) -> None:
    consumer = a_consumer_that_holds_jobs(broker, timeout=LONG)
    for message in list(consumer.held.values()):
        consumer.ack(message)
    broker.client.delete(broker.wake_list(JOBS))
    waiting = Waiting(consumer)
    broker.enqueue(a_job(7))
    assert waiting.got() == (7, True)


def test_a_job_that_ends_just_as_a_full_worker_looks_does_not_make_the_queue_look_empty(own_valkey: Server, broker: WakingBroker) -> None:
    meddled = Meddled(url=own_valkey.url, middleware=[])
    for number in range(3):
        meddled.enqueue(a_job(number))
    broker.client.delete(broker.wake_list(JOBS))
    consumer = meddled.consume(JOBS, prefetch=2, timeout=LONG)
    first, _ = taken(consumer), taken(consumer)
    meddled.meanwhile.append(lambda: consumer.ack(first))
    assert Waiting(consumer).got() == (2, True)
    meddled.client.connection_pool.disconnect()


class Meddled(WakingBroker):
    """Something happens right after a consumer has found nothing."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.meanwhile: list[Callable[[], None]] = []

    @property
    def consumer_class(self) -> type[Any]:
        broker, plain = self, super().consumer_class

        class Consumer(plain):  # type: ignore[misc, valid-type]
            def __next__(self) -> Any:
                message = super().__next__()
                while message is None and broker.meanwhile:
                    broker.meanwhile.pop()()
                return message

        return Consumer


@pytest.mark.parametrize("done", [WakingConsumer.ack, WakingConsumer.nack])
def test_a_full_queue_is_worked_off_without_a_stall(broker: WakingBroker, done: Callable[[WakingConsumer, Any], None]) -> None:
    """More jobs than wakes, and a worker that is always full: a single wait to its end would take five seconds."""
    many, began = 6 * MOST_WAKES, time.monotonic()
    for number in range(many):
        broker.enqueue(a_job(number))
    consumer, seen = broker.consume(JOBS, prefetch=2, timeout=LONG), list[int]()
    with ThreadPoolExecutor(2) as workers:
        while len(seen) < many:
            message = next(consumer)
            if message is not None:
                seen.append(message.args[0])
                workers.submit(done, consumer, message)
            assert time.monotonic() - began < LONG / 1000
    assert seen == list(range(many))


# Redis goes away. What that does to a whole worker: test_dramatiq_itself.py


def test_what_a_consumer_asks_of_a_redis_that_is_gone_is_a_lost_connection(broker: WakingBroker, own_valkey: Server) -> None:
    """Of any other error Dramatiq's thread would end for good."""
    consumer = a_consumer_that_holds_jobs(broker)
    own_valkey.stop()
    assert_all_lose_their_connection(consumer)


def test_what_a_consumer_asks_of_a_redis_that_hangs_is_a_lost_connection(
    broker: WakingBroker, own_valkey: Server, another: Callable[..., WakingBroker]
) -> None:
    consumer = a_consumer_that_holds_jobs(another("?socket_timeout=0.2"))
    os.kill(own_valkey.pid, signal.SIGSTOP)
    try:
        assert_all_lose_their_connection(consumer)
    finally:
        os.kill(own_valkey.pid, signal.SIGCONT)


def test_what_a_consumer_asks_of_a_redis_that_takes_no_writes_is_a_lost_connection(broker: WakingBroker, own_valkey: Server) -> None:
    """A failover made it a replica."""
    consumer = a_consumer_that_holds_jobs(broker)
    broker.client.replicaof("127.0.0.1", "1")
    try:
        assert_all_lose_their_connection(consumer)
    finally:
        broker.client.replicaof("NO", "ONE")


def test_delayed_jobs_that_were_held_when_the_connection_broke_are_given_out_again(broker: WakingBroker, own_valkey: Server) -> None:
    for number in range(3):
        broker.enqueue(a_job(number), delay=60_000)
    consumer = broker.consume(f"{JOBS}.DQ", prefetch=100, timeout=1)
    messages = [taken(consumer) for _ in range(3)]
    consumer.ack(messages[1])
    own_valkey.stop()
    with pytest.raises(ConnectionClosed):
        next(consumer)
    with pytest.raises(ConnectionClosed):
        broker.consume(f"{JOBS}.DQ", prefetch=100, timeout=1)
    own_valkey.start()
    again = broker.consume(f"{JOBS}.DQ", prefetch=100, timeout=1)
    assert sorted(numbers(again, 2)) == [0, 2]
    assert next(again) is None


def test_jobs_that_run_when_the_connection_breaks_are_not_given_out_again(broker: WakingBroker, own_valkey: Server) -> None:
    consumer = a_consumer_that_holds_jobs(broker)
    own_valkey.restart()
    assert next(broker.consume(JOBS, prefetch=100, timeout=1)) is None
    assert len(consumer.held) == 3


def a_consumer_that_holds_jobs(broker: WakingBroker, timeout: int = 1) -> WakingConsumer:
    """As many as it may."""
    for number in range(3):
        broker.enqueue(a_job(number))
    consumer = broker.consume(JOBS, prefetch=3, timeout=timeout)
    for _ in range(3):
        taken(consumer)
    return consumer


def assert_all_lose_their_connection(consumer: WakingConsumer) -> None:
    first, second, third = consumer.held.values()
    questions: list[Callable[[], object]] = [
        lambda: consumer.ack(first),
        lambda: consumer.nack(second),
        lambda: consumer.requeue([third]),
    ]
    for question in questions:
        with pytest.raises(ConnectionClosed):
            question()
    consumer.held.clear()
    with pytest.raises(ConnectionClosed):
        next(consumer)
