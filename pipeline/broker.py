"""Dramatiq's Redis broker, woken instead of polled: a job starts within milliseconds, and an idle worker costs nothing.

Leans only on Dramatiq's documented seams: Broker.enqueue, Broker.consume and the Consumer interface (docs/decisions tells why).
"""

import contextlib
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import dramatiq
import redis
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import ConnectionClosed

import settings

MOST_WAKES = 64  # tokens kept for waking: more than any process has threads waiting
NOWHERE = "redis://127.0.0.1:1"  # where nobody listens: without an address nothing must reach a Redis that happens to be there
MAINTENANCE_CHANCE = 100_000  # of 1,000,000: a killed worker's jobs come back within about a minute, not a quarter of an hour


@contextlib.contextmanager
def _lost_connection() -> Iterator[None]:
    """Dramatiq restarts a consumer on its own ConnectionClosed; of redis-py's time-outs, and of a failover, its thread ends for good."""
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError) as error:
        raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]


class WakingBroker(RedisBroker):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._latest: dict[str, WakingConsumer] = {}

    def wake_list(self, queue_name: str) -> str:
        return f"{self.namespace}:{queue_name}.wake"

    def enqueue(self, message: dramatiq.Message[Any], *, delay: int | None = None) -> dramatiq.Message[Any]:
        message = super().enqueue(message, delay=delay)
        wake = self.wake_list(message.queue_name)
        with contextlib.suppress(redis.RedisError), self.client.pipeline(transaction=False) as pipe:  # it is queued: this is a hint
            pipe.lpush(wake, 1)
            pipe.ltrim(wake, 0, MOST_WAKES - 1)
            pipe.execute()
        return message

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> "WakingConsumer":
        inner = super().consume(queue_name, prefetch, timeout=0)  # never sleeps: the waiting is ours
        before, consumer = self._latest.get(queue_name), WakingConsumer(self, inner, queue_name, prefetch, timeout)
        if before and queue_name in self.delay_queues:  # Dramatiq forgets the delayed messages it held when the connection broke
            consumer.requeue(before.held.values())
        self._latest[queue_name] = consumer
        return consumer


class WakingConsumer(Consumer):
    """Waits on the wake list where Dramatiq would sleep."""

    def __init__(self, broker: WakingBroker, inner: Any, queue_name: str, prefetch: int, timeout: int) -> None:
        self._client, self._inner, self._prefetch, self._timeout = broker.client, inner, prefetch, timeout / 1000
        self._wake = broker.wake_list(queue_name)
        self.held: dict[str, MessageProxy] = {}
        self._room = threading.Event()

    def __next__(self) -> MessageProxy | None:
        with _lost_connection():
            self._room.clear()
            # Judged before fetching: an ack in between must not make "full" look like "queue empty", or we would sleep on a full queue.
            full = len(self.held) >= self._prefetch
            message = next(self._inner)
            if message is None:
                if full:
                    self._room.wait(self._timeout)
                else:
                    with contextlib.suppress(redis.TimeoutError):  # no more than silence: if Redis hangs, the fetch will tell
                        self._client.blpop([self._wake], self._timeout)
                message = next(self._inner)
        if message is not None:
            self.held[message.message_id] = message
        return message  # type: ignore[no-any-return]

    def ack(self, message: MessageProxy) -> None:
        with _lost_connection():
            self._inner.ack(message)
        self._let_go(message)

    def nack(self, message: MessageProxy) -> None:
        with _lost_connection():
            self._inner.nack(message)
        self._let_go(message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        with _lost_connection():
            self._inner.requeue(messages)

    def _let_go(self, message: MessageProxy) -> None:
        self.held.pop(message.message_id, None)
        self._room.set()


# No Retries, TimeLimit or AgeLimit: the database knows what is owed, and a job that fails is acknowledged (docs/decisions).
broker = WakingBroker(url=settings.load().redis.url or NOWHERE, middleware=[], maintenance_chance=MAINTENANCE_CHANCE)
dramatiq.set_broker(broker)
