"""One role of Postroom as a process of its own, with a log and a port for its metrics."""

import asyncio
import signal
import subprocess
import sys
import warnings
from pathlib import Path

from postroom.embedded.ports import free_port, http_ready
from postroom.role import die_with_parent
from tests.postroom.deployment import CHECKOUT, environment
from tests.postroom.waiting import eventually

START = 40.0  # seconds until it is ready, or until it has stopped, on a busy machine


class Process:
    """One role. Its log is kept whatever happens to it."""

    def __init__(self, name: str, arguments: tuple[str, ...], folder: Path, settings: dict[str, str]) -> None:
        port = free_port()
        self.name, self.log, self.metrics = name, folder / f"{name}.log", f"http://127.0.0.1:{port}"
        argv = [sys.executable, "-m", "postroom", *arguments]
        how = environment(**(settings | {"METRICS__BIND": f"127.0.0.1:{port}"}))
        with self.log.open("ab") as log, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 minds preexec_fn beside threads
            self._process = subprocess.Popen(
                argv, cwd=CHECKOUT, env=how, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509
            )  # fmt: skip

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    async def ready(self) -> None:
        async def is_ready() -> bool:
            assert self.runs, f"{self.name} ended: {self.log.read_text()[-2000:]}"
            return await asyncio.to_thread(http_ready(f"{self.metrics}/readyz"))

        await eventually(is_ready, f"{self.name} is ready", START)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    async def stop(self) -> int:
        """As the launcher does it; the exit code."""
        self._process.terminate()
        return await asyncio.to_thread(self._process.wait, START)
