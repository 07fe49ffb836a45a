"""What runs on this machine: where a running launcher's embedded servers are, so that other commands find them."""

import json
import os
from pathlib import Path

import settings
from postroom.embedded import AlreadyRunning, default_home, only_launcher, write_private
from settings import CHECKOUT, Misconfigured, Settings

FILE = "running.json"


def home_of(configured: Settings) -> Path:
    """The data folder; one below a closed home stands elsewhere (see `default_home`)."""
    wanted = configured.app.data_dir
    return default_home(wanted if wanted.is_absolute() else CHECKOUT / wanted)


def tell(home: Path, run_id: str, environment: dict[str, str], metrics: dict[str, str]) -> None:
    """Notes what this run's processes share, and where each serves its metrics; for our eyes only: it holds passwords."""
    write_private(home / FILE, json.dumps({"run": run_id, "environment": environment, "metrics": metrics}))


def forget(home: Path) -> None:
    (home / FILE).unlink(missing_ok=True)


def located() -> Settings:
    """The settings, with the addresses of embedded servers where a launcher runs them. Raises `Misconfigured`."""
    configured = settings.load()
    if configured.database.url and configured.redis.url:
        return configured
    home = home_of(configured)
    noted = home / FILE
    if not noted.is_file() or not _runs(home):
        raise Misconfigured(
            "No database is set and none runs here: start `make run` (or `postroom run`) in another terminal, "
            "or set database.url and redis.url."
        )
    for name, value in json.loads(noted.read_text())["environment"].items():
        os.environ.setdefault(name, value)
    settings.load.cache_clear()
    return settings.load()


def _runs(home: Path) -> bool:
    """Whether the launcher that left the note still lives: one that was killed could not take it away."""
    try:
        with only_launcher(home):
            return False
    except AlreadyRunning:
        return True
