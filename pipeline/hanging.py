"""Firms whose Gmail hangs: their pushes are handed on to the background workers, before they hold every thread that serves fresh mail."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator

REMEMBERED_FOR = 60.0  # seconds


class Hanging:
    """What this process saw of its runs: a firm hangs when `most` of its last minute's were slow. `slow`: in seconds."""

    def __init__(self, slow: float = 20.0, most: int = 4, clock: Callable[[], float] = time.monotonic) -> None:
        self._slow, self._most, self._clock = slow, most, clock
        self._slow_runs: dict[int, deque[float]] = {}

    def hangs(self, firm_id: int) -> bool:
        slow_runs = self._slow_runs.get(firm_id)
        return slow_runs is not None and len(slow_runs) == self._most and slow_runs[0] > self._clock() - REMEMBERED_FOR

    @contextlib.contextmanager
    def watching(self, firm_id: int) -> Iterator[None]:
        """A run, which counts as soon as it is slow: while many hang none has ended."""
        noting = asyncio.get_running_loop().call_later(self._slow, self._note, firm_id)
        try:
            yield
        finally:
            noting.cancel()

    def _note(self, firm_id: int) -> None:
        self._slow_runs.setdefault(firm_id, deque(maxlen=self._most)).append(self._clock())
