"""Announce: a mailbox has news. At most one job waits for it, nothing told is forgotten, and `told` means safe.

Only a new mark sends a job; a job that starts takes the mark away before it looks. Whoever sees a mark whose job is not yet known to be
queued sends one too, rather than trust it.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from pipeline.marks import Marks


@dataclass(frozen=True, slots=True)
class News:
    """What was told of one mailbox. `told_at`: seconds since 1970, when it was heard; `trace` follows it into the job's log lines."""

    history_id: int
    trace: str
    told_at: float


Send = Callable[[Mapping[int, News]], Awaitable[None]]


class NotAnnounced(Exception):
    """The broker did not take it: whoever told us must tell us again."""


class Announcer:
    """Announces the pushes of one process: what arrives while one round trip is under way goes with the next."""

    def __init__(self, marks: Marks, send: Send) -> None:
        self._marks, self._send = marks, send
        self._waiting: dict[int, News] = {}
        self._round: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    async def announce(self, mailboxes: Iterable[int], news: News) -> None:
        """Returns once every one of these mailboxes is marked and a job for it is queued. Raises `NotAnnounced`."""
        for mailbox in mailboxes:
            waiting = self._waiting.get(mailbox)
            if waiting is None or waiting.history_id < news.history_id:
                self._waiting[mailbox] = news
        if self._round is None:
            self._round = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._go())
        await asyncio.shield(self._round)

    async def _go(self) -> None:
        while self._round is not None:
            told, waiters = self._waiting, self._round
            self._waiting, self._round = {}, None
            try:
                await self._tell(told)
                waiters.set_result(None)
            except Exception as error:
                waiters.set_exception(NotAnnounced(type(error).__name__))
                waiters.exception()  # nobody may be left to hear it
        self._task = None

    async def _tell(self, told: Mapping[int, News]) -> None:
        token = secrets.token_hex(8)
        fresh = await self._marks.tell(token, {mailbox: news.history_id for mailbox, news in told.items()})
        if fresh:
            await self._send({mailbox: told[mailbox] for mailbox in fresh})
            await self._marks.queued(token, fresh)
