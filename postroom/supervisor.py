"""Starts the processes of one machine in layers, restarts what dies, and stops everything: nothing outlives this process."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from postroom.role import Child, DidNotStart, Restart, Role

__all__ = ["MARK", "DidNotStart", "Restart", "Role", "Step", "Supervisor"]

MARK = "POSTROOM_RUN"  # in the environment of every process that we start


@dataclass(frozen=True, slots=True)
class Step:
    """Something to be done once, when layer `after` is up and before the next starts: migrations."""

    name: str
    run: Callable[[], Awaitable[None]]
    after: int = 0


class Supervisor:
    """Runs roles until a signal or `stop()`.

    `run_id` marks every child. `on_up` is awaited beside the roles once all are ready, and cancelled when they stop.
    """

    def __init__(
        self,
        roles: Sequence[Role],
        run_id: str,
        *,
        steps: Sequence[Step] = (),
        on_up: Callable[[], Awaitable[None]] | None = None,
        say: Callable[[str], None] = lambda line: print(line, flush=True),
        restart: Restart | None = None,
    ) -> None:
        self._children = [Child(role, {MARK: run_id}, self.say, restart or Restart()) for role in roles]
        self._steps = steps
        self._on_up = on_up
        self._tell = say
        self._stopping = asyncio.Event()

    def say(self, line: str) -> None:
        """Tells the terminal. Never raises: one that was closed must not end us before our children."""
        with contextlib.suppress(Exception):
            self._tell(line)

    def stop(self) -> None:
        """Asks for the end, as the first Ctrl-C does."""
        self._stopping.set()

    async def run(self) -> int:
        """Starts everything, waits for the end, stops everything; in the main thread. The exit code: 0, or 1 if something did not start."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for sig in signals:
            loop.add_signal_handler(sig, self._signalled, sig)
        try:
            await self._bring_up()
            await self._stay_up()
        except DidNotStart as fault:
            self.say(str(fault))
            return 1
        finally:
            await self._take_down()
            for sig in signals:
                loop.remove_signal_handler(sig)
        return 0

    def _signalled(self, sig: signal.Signals) -> None:
        if not self._stopping.is_set():
            self.say("Stopping. Ctrl-C again stops at once.")
        elif sig != signal.SIGHUP:  # a closing terminal may send that twice
            for child in self._children:
                child.end_now()
        self._stopping.set()

    async def _bring_up(self) -> None:
        layers = {child.role.layer for child in self._children} | {step.after for step in self._steps}
        for layer in sorted(layers):
            await self._unless_stopped(asyncio.gather(*(child.begin() for child in self._children if child.role.layer == layer)))
            for step in self._steps:
                if step.after == layer and not self._stopping.is_set():
                    await self._unless_stopped(_taken(step))
            if self._stopping.is_set():
                return

    async def _unless_stopped(self, work: Awaitable[object]) -> None:
        task = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if task.done():
            task.result()
        else:
            await _cancelled(task)

    async def _stay_up(self) -> None:
        greeting = asyncio.ensure_future(self._greet())
        await self._stopping.wait()
        await _cancelled(greeting)

    async def _greet(self) -> None:
        if self._on_up is None or self._stopping.is_set():
            return
        try:
            await self._on_up()
        except Exception as error:
            self.say(f"All is up, but what was to follow failed: {error or repr(error)}")

    async def _take_down(self) -> None:
        self._stopping.set()
        for layer in sorted({child.role.layer for child in self._children}, reverse=True):
            await asyncio.gather(*(child.end() for child in self._children if child.role.layer == layer))


async def _taken(step: Step) -> None:
    try:
        await step.run()
    except Exception as error:
        raise DidNotStart(f"{step.name} failed: {error or repr(error)}") from error


async def _cancelled(task: asyncio.Future[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
