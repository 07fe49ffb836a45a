"""Announce: a mailbox has news. At most one job waits for it, nothing told is forgotten, and `told` means safe.

One mark per mailbox in Redis carries the highest history id that was pushed. Only a new mark sends a job; a job that starts takes the mark
away before it looks. A mark whose job is not yet known to be queued carries the sender's token: others who see it send a job of their own
rather than trust it. Where the sending fails the mark stays so: to take it away would take away what others were promised of it meanwhile.
Losing Redis costs one sweep, no mail.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import redis.asyncio

# A mark is "<token>:<history id>"; an empty token says that its job is queued. Ids are compared as digits: Lua's numbers end at 2^53.
TELL = """
local function higher(a, b)
  if #a ~= #b then return #a > #b end
  return a > b
end
local fresh = {}
for i = 3, #ARGV, 2 do
  local key, told = KEYS[1] .. ARGV[i], ARGV[i + 1]
  local mark = redis.call('GET', key)
  if mark then
    local at = string.find(mark, ':')
    local token, known = string.sub(mark, 1, at - 1), string.sub(mark, at + 1)
    if higher(known, told) then told = known end
    if token == '' then
      redis.call('SET', key, ':' .. told, 'KEEPTTL')
    else
      redis.call('SET', key, ARGV[1] .. ':' .. told, 'PX', ARGV[2])
      fresh[#fresh + 1] = ARGV[i]
    end
  else
    redis.call('SET', key, ARGV[1] .. ':' .. told, 'PX', ARGV[2])
    fresh[#fresh + 1] = ARGV[i]
  end
end
return fresh
"""
# Only marks that still carry this sender's token: another one may have been set meanwhile.
QUEUED = """
for i = 2, #ARGV do
  local key = KEYS[1] .. ARGV[i]
  local mark = redis.call('GET', key)
  if mark and string.sub(mark, 1, #ARGV[1] + 1) == ARGV[1] .. ':' then
    redis.call('SET', key, string.sub(mark, #ARGV[1] + 1), 'KEEPTTL')
  end
end
"""


@dataclass(frozen=True, slots=True)
class News:
    """What was told of one mailbox. `told_at`: seconds since 1970, when it was heard; `trace` follows it into the job's log lines."""

    history_id: int
    trace: str
    told_at: float


Send = Callable[[Mapping[int, News]], Awaitable[None]]


class NotAnnounced(Exception):
    """The broker did not take it: whoever told us must tell us again."""


class Marks:
    """The marks in Redis."""

    def __init__(self, client: redis.asyncio.Redis, expire: timedelta, namespace: str = "postroom:told:") -> None:
        self._client, self._expire, self._keys = client, int(expire / timedelta(milliseconds=1)), [namespace]
        self._tell, self._queued = client.register_script(TELL), client.register_script(QUEUED)

    async def tell(self, token: str, told: Mapping[int, int]) -> list[int]:
        """Marks mailboxes (id → history id); returns those for which a job must be sent."""
        pairs = [str(item) for pair in told.items() for item in pair]
        return [int(mailbox) for mailbox in await self._tell(self._keys, [token, self._expire, *pairs])]

    async def queued(self, token: str, mailboxes: list[int]) -> None:
        await self._queued(self._keys, [token, *mailboxes])

    async def take(self, mailbox: int) -> int | None:
        """Takes the mark away: what it told is now ours to look at. Returns the highest history id that was pushed."""
        mark: Any = await self._client.getdel(f"{self._keys[0]}{mailbox}")
        return None if mark is None else int(mark.rpartition(b":")[2])

    async def told(self, mailbox: int) -> bool:
        return bool(await self._client.exists(f"{self._keys[0]}{mailbox}"))


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


async def send_sync_jobs(mailboxes: Mapping[int, News]) -> None:
    """One job each, through Dramatiq's public API, which blocks: so in a thread."""
    from pipeline.jobs import sync_mailbox

    def send() -> None:
        for mailbox, news in mailboxes.items():
            sync_mailbox.send(mailbox, news.trace, news.told_at)

    await asyncio.to_thread(send)
