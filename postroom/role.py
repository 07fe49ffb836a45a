"""One process to keep running, and its life: started, watched, started again, ended with all that it started."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None

Command = tuple[Sequence[str], dict[str, Any]]


class DidNotStart(Exception):
    """A role or a step failed before all was up. Its text is for people: one sentence, then the last lines of the role's log."""


@dataclass(frozen=True, slots=True)
class Role:
    """One process to keep running.

    `command` gives arguments and Popen keywords, and is asked at each start; `ready` is asked in a thread until it says yes, for
    `patience` at most. `grace` lies between `stop` and SIGKILL. Layer 0 starts first and stops last. Without `output`, it writes where
    we do.
    """

    name: str
    command: Callable[[], Command]
    ready: Callable[[], bool] = lambda: True
    stop: signal.Signals = signal.SIGTERM
    grace: timedelta = timedelta(seconds=25)
    patience: timedelta = timedelta(seconds=30)
    layer: int = 1
    output: Path | None = None


@dataclass(frozen=True, slots=True)
class Restart:
    """How long to wait before a dead role is started again: doubled each time, from the first again after it ran for `steady`."""

    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(seconds=30)
    steady: timedelta = timedelta(seconds=60)

    def next(self, last: timedelta | None, ran: timedelta) -> timedelta:
        """The wait after a life of `ran`, when the wait before it was `last`."""
        return self.first if last is None or ran >= self.steady else min(last * 2, self.longest)


class Child:
    """One role's life, in one task that alone touches its process: started, watched, started again, ended."""

    def __init__(self, role: Role, mark: dict[str, str], say: Callable[[str], None], restart: Restart) -> None:
        self.role = role
        self._mark = mark
        self._say = say
        self._restart = restart
        self._life: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._first_start = asyncio.Event()
        self._fault: str | None = None
        self._leave = asyncio.Event()
        self._log_began = 0

    async def begin(self) -> None:
        """Returns when it is ready for the first time. Raises DidNotStart."""
        self._life = asyncio.create_task(self._live())
        await self._first_start.wait()
        if self._fault:
            raise DidNotStart(self._fault + self._last_lines())

    async def end(self) -> None:
        """Returns when it has stopped, by force after its grace, and what is left of its group is killed."""
        self._leave.set()
        if self._life:
            await self._life

    def end_now(self) -> None:
        """No grace."""
        self._leave.set()
        self._kill_group()

    async def _live(self) -> None:
        pause = None
        clock = asyncio.get_running_loop().time
        try:
            while not self._leave.is_set():
                began = clock()
                started = await self._start()
                if isinstance(started, str) and not self._first_start.is_set():
                    self._fault = started
                    return
                self._first_start.set()
                fault = started if isinstance(started, str) else await self._watch(started)
                if not self._leave.is_set():
                    await self._end()
                    pause = self._restart.next(pause, timedelta(seconds=clock() - began))
                    self._say(f"{fault}; started again in {pause.total_seconds():g} s{self._log_is_at()}")
                    await self._leave_within(pause)
        finally:
            await self._end()
            self._first_start.set()

    async def _start(self) -> asyncio.subprocess.Process | str:
        """The process when it is ready, or when it shall leave; else what went wrong."""
        try:
            process = self._process = await self._spawn()
        except Exception as error:
            return f"{self.role.name} cannot be started: {error or repr(error)}"
        clock = asyncio.get_running_loop().time
        until = clock() + self.role.patience.total_seconds()
        while True:
            ready = await asyncio.to_thread(self.role.ready)
            if process.returncode is not None and not self._leave.is_set():
                return f"{self.role.name} {_ended(process.returncode)} before it was ready"
            if ready or self._leave.is_set():
                return process
            if clock() > until:
                return f"{self.role.name} was not ready after {self.role.patience.total_seconds():g} s"
            await self._leave_within(timedelta(milliseconds=20))

    async def _spawn(self) -> asyncio.subprocess.Process:
        argv, how = self.role.command()
        env = {**how.get("env", os.environ), **self._mark}
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(self._open_log(self.role.output)) if self.role.output else None
            return await asyncio.create_subprocess_exec(
                *argv,
                **{**how, "env": env},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # the terminal's Ctrl-C reaches us alone
                preexec_fn=die_with_parent(self.role.stop),
            )

    async def _watch(self, process: asyncio.subprocess.Process) -> str:
        """Returns when it dies or shall leave."""
        tasks = asyncio.ensure_future(process.wait()), asyncio.ensure_future(self._leave.wait())
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        return f"{self.role.name} {_ended(process.returncode)}"

    async def _leave_within(self, pause: timedelta) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._leave.wait(), pause.total_seconds())

    async def _end(self) -> None:
        process, grace = self._process, self.role.grace.total_seconds()
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError, TimeoutError):
                process.send_signal(self.role.stop)
                await asyncio.wait_for(process.wait(), grace)
            if process.returncode is None:
                self._say(f"{self.role.name} did not stop in {grace:g} s and is killed.")
        self._kill_group()  # what a process leaves of its group when it ends is an orphan too
        await process.wait()
        self._process = None

    def _kill_group(self) -> None:
        if self._process:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _open_log(self, path: Path) -> IO[bytes]:
        path.parent.mkdir(parents=True, exist_ok=True)
        log = open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")  # noqa: SIM115 (the caller closes it)
        self._log_began = log.tell()
        return log

    def _last_lines(self) -> str:
        if self.role.output is None or not self.role.output.exists():
            return ""
        written = self.role.output.read_bytes()[self._log_began :].decode(errors="replace")
        return "".join(f"\n    {line}" for line in written.splitlines()[-10:])

    def _log_is_at(self) -> str:
        return f" (its log: {self.role.output})" if self.role.output else ""


def _ended(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was ended by signal {-code} ({signal.strsignal(-code)})"
    return f"ended with {code}"


def die_with_parent(sig: signal.Signals) -> Callable[[], None]:
    """For Popen's preexec_fn, which runs after the change of user that would undo this: if we are killed, Linux signals the child."""
    parent = os.getpid()

    def in_child() -> None:
        if _libc:
            _libc.prctl(PR_SET_PDEATHSIG, sig)
        if os.getppid() != parent:
            os._exit(1)

    return in_child
