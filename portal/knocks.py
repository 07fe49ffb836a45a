"""How often the door may be knocked at: counted in Redis, for all web processes together, and in each for itself while Redis is away, so
that an outage neither opens the door wide nor shuts it."""

import asyncio
import hashlib
import hmac
import math
import time
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address, ip_address

import redis.asyncio
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter

from settings import Settings
from telemetry.logs import log
from telemetry.metrics import DOOR_REFUSALS

PATIENCE = 0.5  # seconds that Redis may take to count; people wait at the door meanwhile
PREFIX = "postroom:door"


class Knock(StrEnum):
    """What somebody without a session may ask for."""

    LINK = "link"  # a letter with a link
    TOKEN = "token"  # to come in by a link
    DEPARTURE = "departure"  # off to Google
    RETURN = "return"  # and back from there


@dataclass(frozen=True, slots=True)
class Later:
    """Too often. `seconds`: until it may be tried again, at least 1."""

    seconds: int


class Knocks:
    """`client`: Redis; without one, this process counts for itself."""

    def __init__(self, settings: Settings, client: redis.asyncio.Redis | None) -> None:
        limits, self._secret = settings.limits, settings.keys[0].encode()
        span = int(limits.door_window.total_seconds())
        tokens, google = RateLimitItemPerSecond(limits.door_tokens, span), RateLimitItemPerSecond(limits.door_google, span)
        links = RateLimitItemPerSecond(limits.door_links, span)
        self._by_client = {Knock.LINK: links, Knock.TOKEN: tokens, Knock.DEPARTURE: google, Knock.RETURN: google}
        self._by_address = RateLimitItemPerSecond(limits.door_letters, span)
        self._here = MovingWindowRateLimiter(MemoryStorage())
        self._shared = client and MovingWindowRateLimiter(
            RedisStorage("redis://", implementation="redispy", key_prefix=PREFIX, connection_pool=client.connection_pool)  # type: ignore[arg-type]
        )

    async def heard(self, knock: Knock, client: str) -> Later | None:
        """Counts a knock from this network address. None: it may go on."""
        return await self._counted(self._by_client[knock], knock, network_of(client))

    async def asked_for(self, address_key: str) -> Later | None:
        """Counts a link that was asked for by mail, whoever asks, and whether or not anybody has that address."""
        return await self._counted(self._by_address, "letter", address_key)

    async def _counted(self, limit: RateLimitItem, what: str, whose: str) -> Later | None:
        key = hmac.new(self._secret, whose.encode(), hashlib.sha256).hexdigest()[:32]  # who knocked is nobody's to read in Redis
        later = await self._tried(limit, what, key)
        if later:
            DOOR_REFUSALS.labels(what).inc()
        return later

    async def _tried(self, limit: RateLimitItem, what: str, key: str) -> Later | None:
        if self._shared:
            try:
                async with asyncio.timeout(PATIENCE):
                    return await _tried(self._shared, limit, what, key)
            except (redis.RedisError, OSError, TimeoutError) as error:
                log.warning("knocks are counted by this process alone", error=type(error).__name__)
        return await _tried(self._here, limit, what, key)


def network_of(client: str) -> str:
    """What one household or office has: an IPv4 address, or the 2^64 addresses of an IPv6 network. Pure."""
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:  # a socket of this machine has none
        return client
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64))
    return str(address)


async def _tried(limiter: MovingWindowRateLimiter, limit: RateLimitItem, what: str, key: str) -> Later | None:
    if await limiter.hit(limit, what, key):
        return None
    free = (await limiter.get_window_stats(limit, what, key)).reset_time
    return Later(max(1, math.ceil(free - time.time())))
