"""The sandbox's time: the machine's, plus what `POST /sandbox/clock` added."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

SECOND = 1000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE


class Clock:
    """Moments are whole milliseconds since 1970, as in Gmail's answers."""

    __slots__ = ("_machine", "ahead")

    def __init__(self, ahead: int = 0, machine: Callable[[], float] = time.time) -> None:
        self.ahead = ahead
        self._machine = machine

    def now(self) -> int:
        return int(self._machine() * SECOND) + self.ahead

    def real_seconds(self) -> int:
        """The machine's own time: signed tokens carry it, since whoever checks them has no other clock."""
        return int(self._machine())


def iso(moment: int) -> str:
    """`2026-09-11T20:00:00.000Z`, as in Google's messages."""
    return datetime.fromtimestamp(moment / SECOND, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
