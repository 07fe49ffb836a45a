"""Whose mailbox is it? The one look-up of a push, remembered for a minute where it hit."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

REMEMBERED_FOR = 60.0  # seconds; a disconnected mailbox's jobs do nothing anyway
MOST_REMEMBERED = 100_000

LookUp = Callable[[str], Awaitable[tuple[tuple[int, ...], bool]]]


class Addresses:
    """Hits only, and only their ids: a mailbox that is connected this second is found this second."""

    def __init__(self, look_up: LookUp, clock: Callable[[], float] = time.monotonic) -> None:
        self._look_up, self._clock = look_up, clock
        self._hits: OrderedDict[str, tuple[float, tuple[int, ...]]] = OrderedDict()

    async def find(self, address: str) -> tuple[tuple[int, ...], bool]:
        """The connected mailboxes of the address, and whether it is known at all."""
        hit = self._hits.get(address)
        if hit and hit[0] > self._clock():
            return hit[1], True
        mailboxes, known = await self._look_up(address)
        self._hits.pop(address, None)
        if mailboxes:
            self._hits[address] = self._clock() + REMEMBERED_FOR, mailboxes
            if len(self._hits) > MOST_REMEMBERED:
                self._hits.popitem(last=False)
        return mailboxes, known
