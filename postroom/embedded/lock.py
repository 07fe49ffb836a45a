"""One launcher per data folder: two would each take the other's servers for left-over ones."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from postroom.embedded.faults import AlreadyRunning
from postroom.embedded.home import make_home


@contextmanager
def only_launcher(home: Path) -> Iterator[None]:
    """Holds `home` while the block runs, and no longer than this process lives, however it ends. Raises AlreadyRunning."""
    make_home(home)
    lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)  # not inherited by children
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(home) from None
        yield
    finally:
        os.close(lock)
