"""Ends a server whose launcher was killed before it could stop it."""

import contextlib
import os
import signal
import subprocess
import time
from datetime import timedelta
from pathlib import Path


def stop_left_over(pid_file: Path, path: Path, stop: signal.Signals, patience: timedelta = timedelta(seconds=10)) -> None:
    """Stops the process named in `pid_file` if `path` is on its command line, and returns when it is gone.

    A number that belongs to somebody else by now (after a reboot, in a fresh container) is not signalled; the file is removed, because it
    would keep PostgreSQL from starting.
    """
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return
    command = command_line(pid)
    if command and str(path) not in command:
        pid_file.unlink()
        return
    for sig in (stop, signal.SIGKILL):
        if _ended(pid, path, sig, patience):
            return


def _ended(pid: int, path: Path, sig: signal.Signals, patience: timedelta) -> bool:
    until = time.monotonic() + patience.total_seconds()
    if str(path) in command_line(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sig)
    while str(path) in command_line(pid):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def command_line(pid: int) -> str:
    """The arguments of a living process; empty if there is none. Slim images have no ps, macOS has no /proc."""
    if Path("/proc/self").exists():
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_text(errors="surrogateescape")
        return ""
    ps = ["/bin/ps", "-ww", "-o", "args=", "-p", str(pid)]
    return subprocess.run(ps, capture_output=True, text=True, check=False).stdout  # noqa: S603
