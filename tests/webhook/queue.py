"""The queue of jobs, as a worker sees it."""

from typing import Any

from dramatiq.brokers.redis import RedisBroker

from pipeline.jobs import BROKER, FRESH

MOST = 1000


def jobs(queue: str = FRESH, broker: RedisBroker = BROKER) -> list[tuple[Any, ...]]:
    """Takes all jobs that wait; each as the arguments that it was sent with. Asks once, and does not wait as our own consumer would."""
    consumer = RedisBroker.consume(broker, queue, prefetch=MOST, timeout=0)
    taken = []
    while (message := next(consumer)) is not None:
        consumer.ack(message)
        taken.append(tuple(message.args))
    return taken
