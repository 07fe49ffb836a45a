"""Where the chores' work goes: the pipeline's broker, by the names of its jobs."""

import asyncio
from typing import Any, Protocol


class Queue(Protocol):
    async def waiting(self, queue: str) -> int:
        """How many jobs wait in `queue`."""
        ...

    async def send(self, job: str, *arguments: Any) -> None:
        """Raises if the broker does not take it."""
        ...


class BrokerQueue:
    """Dramatiq's public API, which blocks: so in a thread."""

    async def waiting(self, queue: str) -> int:
        from pipeline.jobs import BROKER

        return int(await asyncio.to_thread(BROKER.client.llen, f"{BROKER.namespace}:{queue}"))

    async def send(self, job: str, *arguments: Any) -> None:
        from reconcile import jobs  # declares them, the pipeline's included

        await asyncio.to_thread(jobs.BROKER.get_actor(job).send, *arguments)
