"""Real servers for tests: one of each for a whole session, and at will stopped, killed and started again."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from postroom.embedded import Postgres, Valkey
from postroom.role import die_with_parent

# Commits stay synchronous: without that, a killed server forgets what it has answered, and tests of faults would prove nothing.
FAST_POSTGRES = {"fsync": "off", "full_page_writes": "off"}
FAST_VALKEY = {"appendfsync": "no"}
PATIENCE = 20.0  # seconds


class Server:
    """A running PostgreSQL or Valkey. Its `url` stays the same whatever happens to it."""

    def __init__(self, server: Postgres | Valkey) -> None:
        self._server = server
        self._process: subprocess.Popen[bytes] | None = None
        self.log = server.home / f"{server.data.name}.log"

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server is stopped"
        return self._process.pid

    def start(self) -> None:
        """Returns when it answers. Tried again while the children of a killed PostgreSQL still hold its memory."""
        until = time.monotonic() + PATIENCE
        while self._process is None or not self._server.ready():
            assert time.monotonic() < until, self.log.read_text()
            if self._process is None or self._process.poll() is not None:
                self._process = self._spawn()
            time.sleep(0.01)

    def stop(self) -> None:
        """As the launcher does it."""
        self._end(self._server.STOP)

    def kill(self) -> None:
        """As the kernel does it when memory runs out."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def _spawn(self) -> subprocess.Popen[bytes]:
        argv, how = self._server.command()
        with self.log.open("ab") as log, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 minds preexec_fn beside threads
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent(self._server.STOP),  # noqa: PLW1509
                **how,
            )

    def _end(self, sig: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(sig)
            self._process.wait(PATIENCE)
            self._process = None


@contextmanager
def running_postgres(home: Path | None = None, fast: bool = True) -> Iterator[Server]:
    """A PostgreSQL while the block runs. `fast`: it does not wait for the disk, so only a power cut could lose what was committed."""
    with _home(home) as folder:
        yield from _running(Postgres(folder, settings=FAST_POSTGRES if fast else {}))


@contextmanager
def running_valkey(home: Path | None = None, fast: bool = True) -> Iterator[Server]:
    """A Valkey while the block runs."""
    with _home(home) as folder:
        yield from _running(Valkey(folder, settings=FAST_VALKEY if fast else {}))


def _running(server: Postgres | Valkey) -> Iterator[Server]:
    server.prepare()
    running = Server(server)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@contextmanager
def _home(home: Path | None) -> Iterator[Path]:
    if home is not None:
        yield home
        return
    with open_folder() as folder:
        yield folder


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder of mode 0755: pytest's own, of mode 0700, is closed to the account that runs PostgreSQL for root."""
    folder = Path(tempfile.mkdtemp(prefix="postroom-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def processes_of(run: str) -> list[int]:
    """The living processes that a supervisor of this run id started (Linux).

    PostgreSQL's own children write titles over their environment: those are known by the cluster's name, if it is the same mark.
    """
    mark = f"POSTROOM_RUN={run}"
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _marked(entry, mark)]


def _marked(process: Path, mark: str) -> bool:
    if process.name == str(os.getpid()):
        return False
    try:
        in_environment = mark.encode() in (process / "environ").read_bytes().split(b"\0")
        return in_environment or (process / "cmdline").read_bytes().startswith(f"postgres: {mark}: ".encode())
    except OSError:
        return False
