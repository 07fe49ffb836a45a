"""Google's public keys, kept as long as Google says, and through an outage."""

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gmail.errors import CertsUnavailable
from gmail.words import unbase64

SHORTEST_LIFE = 300.0  # seconds; Google says hours
UNKNOWN_KEY_PAUSE = 30.0  # seconds between two fetches for keys that nobody knows
TIMEOUT = aiohttp.ClientTimeout(total=5)


class Certs:
    """`{key id: PEM}` from a URL that serves X.509 certificates by key id, or a JWK set."""

    def __init__(self, session: aiohttp.ClientSession, url: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._session, self._url, self._monotonic = session, url, monotonic
        self._keys: Mapping[str, str] = {}
        self._stale_at, self._tried_at = 0.0, float("-inf")
        self._turn = asyncio.Lock()
        self._renewing: asyncio.Task[None] | None = None

    async def keys(self, key_id: str) -> Mapping[str, str]:
        """All keys, fetched again when stale or without `key_id`. Raises `CertsUnavailable` only while there are none at all.

        Who asks for a key that is known never waits for Google.
        """
        if key_id in self._keys:
            if self._monotonic() >= self._stale_at and self._renewing is None:
                self._renewing = asyncio.create_task(self._renew(key_id))
        else:
            await self._renew(key_id)
        return self._keys

    async def _renew(self, key_id: str) -> None:
        try:
            async with self._turn:
                now = self._monotonic()
                stale = now >= self._stale_at or key_id not in self._keys
                if stale and (not self._keys or now - self._tried_at >= UNKNOWN_KEY_PAUSE):
                    self._tried_at = now
                    await self._fetch(now)
        finally:
            self._renewing = None

    async def _fetch(self, now: float) -> None:
        try:
            async with self._session.get(self._url, timeout=TIMEOUT, allow_redirects=False) as answer:
                body = await answer.read()
            keys = keys_of(body) if answer.status == 200 else {}
        except (aiohttp.ClientError, TimeoutError, OSError):
            keys = {}
        if keys:
            self._keys = keys
            self._stale_at = now + max(SHORTEST_LIFE, _max_age(answer.headers.get("Cache-Control", "")))
        elif not self._keys:
            raise CertsUnavailable("certs")


def keys_of(body: bytes) -> dict[str, str]:
    """`{key id: PEM}` of either form; what is no key is left out."""
    try:
        served = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(served, dict):
        return {}
    if isinstance(served.get("keys"), list):
        return {
            key["kid"]: pem for key in served["keys"] if isinstance(key, dict) and isinstance(key.get("kid"), str) and (pem := _pem(key))
        }
    return {key_id: pem for key_id, pem in served.items() if isinstance(pem, str) and "-----BEGIN" in pem}


def _pem(key: dict[str, Any]) -> str | None:
    try:
        modulus, exponent = (int.from_bytes(unbase64(key[name].encode())) for name in ("n", "e"))
        public = RSAPublicNumbers(exponent, modulus).public_key()
    except (KeyError, ValueError, AttributeError):
        return None
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _max_age(cache_control: str) -> float:
    found = re.search(r"max-age=(\d{1,8})", cache_control)
    return float(found[1]) if found else 0.0
