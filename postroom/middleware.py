"""What a worker adds to Dramatiq: its resources, opened and closed on its own loop, and the count of its jobs."""

import time
from typing import Any

import redis.asyncio
from dramatiq import Broker, Middleware, Worker
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.broker import MessageProxy
from dramatiq.middleware.middleware import MiddlewareError

from pipeline.tools import Opened, equip, open_tools
from postroom.resources import CannotStart, metrics_endpoint, opened, wrong_with
from settings import Settings
from telemetry import metrics
from telemetry.endpoint import Endpoint
from telemetry.logs import fault


class Resources(Middleware):
    """Behind AsyncIO in the list: `before_*` run in its order, `after_*` the other way round."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._endpoint: Endpoint | None = None
        self._database: Any = None
        self._tools: Opened | None = None
        self.failure: CannotStart | None = None

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        loop = get_event_loop_thread()
        assert loop is not None, "AsyncIO comes first"  # noqa: S101
        try:
            client = loop.run_coroutine(self._open())
            self._endpoint = metrics_endpoint(self._settings, lambda: wrong_with(client), loop.loop)
        except CannotStart as failure:
            self.failure = failure
            # Any other exception would be logged and swallowed: a worker without a database.
            raise MiddlewareError(str(failure)) from failure

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Not before: jobs still run then."""
        if self._endpoint:
            self._endpoint.close()
        if loop := get_event_loop_thread():
            loop.run_coroutine(self._close())

    async def _open(self) -> redis.asyncio.Redis:
        self._database = opened(self._settings)
        await self._database.__aenter__()
        self._tools = open_tools(self._settings)
        equip(self._tools)
        return self._tools.marks_client

    async def _close(self) -> None:
        equip(None)
        if self._tools:
            await self._tools.close()
        if self._database:
            await self._database.__aexit__(None, None, None)


class Telemetry(Middleware):
    """One count and one time per job; what fails is logged by its kind."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        self._began[message.message_id] = time.perf_counter()

    def after_process_message(
        self, broker: Broker, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        took = time.perf_counter() - self._began.pop(message.message_id, time.perf_counter())
        metrics.JOB_SECONDS.labels(message.actor_name).observe(took)
        metrics.JOBS.labels(message.actor_name, "failed" if exception else "ok").inc()
        if exception:
            fault("job failed", exception, job=message.actor_name)
