"""Whose mailbox is it? The one look-up of a push, remembered for a minute where it hit."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

REMEMBERED_FOR = 60.0  # seconds; a disconnected mailbox's jobs do nothing anyway
MOST_REMEMBERED = 100_000
PATIENCE = 2.0  # seconds for the database to answer: Google pushes again
MOST_ASKING = 1000  # look-ups under way: a database that hangs must not fill our memory with pushes

Found = tuple[tuple[int, ...], bool]  # the connected mailboxes of an address, and whether it is known at all
LookUp = Callable[[str], Awaitable[Found]]


class Addresses:
    """Hits only, and only their ids: a mailbox that is connected this second is found this second."""

    def __init__(self, look_up: LookUp, clock: Callable[[], float] = time.monotonic, patience: float = PATIENCE) -> None:
        self._look_up, self._clock, self._patience = look_up, clock, patience
        self._hits: OrderedDict[str, tuple[float, tuple[int, ...]]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Found]] = {}

    async def find(self, address: str) -> Found:
        """Asked once for all pushes of an address that wait. Raises TimeoutError, and what the look-up raises."""
        hit = self._hits.get(address)
        if hit and hit[0] > self._clock():
            return hit[1], True
        asking = self._asking.get(address)
        if asking is None:
            if len(self._asking) >= MOST_ASKING:
                raise TimeoutError("too many look-ups wait for the database")
            asking = self._asking[address] = asyncio.create_task(self._ask(address))
            asking.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to hear it
        # Waited for, not cancelled: a connection whose query is cancelled would wait for the database too.
        await asyncio.wait({asking}, timeout=self._patience)
        if not asking.done():
            raise TimeoutError("the database does not answer")
        return asking.result()

    async def _ask(self, address: str) -> Found:
        try:
            mailboxes, known = await self._look_up(address)
        finally:
            del self._asking[address]
        self._hits.pop(address, None)
        if mailboxes:
            self._hits[address] = self._clock() + REMEMBERED_FOR, mailboxes
            if len(self._hits) > MOST_REMEMBERED:
                self._hits.popitem(last=False)
        return mailboxes, known
