"""The marks in Redis: which mailboxes were told of and not yet looked at.

One mark per mailbox carries the highest history id that was pushed. It is "<token>:<history id>": an empty token says that its job is
queued; another one is its sender's, and not yet to be trusted. Where the sending fails the mark stays so: to take it away would take away
what others were promised of it meanwhile. Losing Redis costs one sweep, no mail.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import redis.asyncio

REDIS_PATIENCE = 3.0  # seconds; the database is the memory, so waiting longer for a hint makes no sense

# Ids are compared as digits: Lua's numbers end at 2^53.
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
# A job that died before it looked: the mark stays for whoever is looking, and the next push sends a job again.
DISTRUST = """
local mark = redis.call('GET', KEYS[1])
if mark and string.sub(mark, 1, 1) == ':' then redis.call('SET', KEYS[1], 'lost' .. mark, 'KEEPTTL') end
"""


def connection(url: str) -> redis.asyncio.Redis:
    """On the running loop; opened by its first use."""
    return redis.asyncio.Redis.from_url(url, socket_timeout=REDIS_PATIENCE, socket_connect_timeout=REDIS_PATIENCE)


class Marks:
    def __init__(self, client: redis.asyncio.Redis, expire: timedelta, namespace: str = "postroom:told:") -> None:
        self._client, self._expire, self._keys = client, int(expire / timedelta(milliseconds=1)), [namespace]
        self._tell, self._queued, self._distrust = (client.register_script(script) for script in (TELL, QUEUED, DISTRUST))

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

    async def distrust(self, mailbox: int) -> None:
        """Its job will not come."""
        await self._distrust([f"{self._keys[0]}{mailbox}"])

    async def told(self, mailbox: int) -> int | None:
        """What the mark tells, which stays where it is."""
        mark: Any = await self._client.get(f"{self._keys[0]}{mailbox}")
        return None if mark is None else int(mark.rpartition(b":")[2])
