"""Is this push from our own Pub/Sub subscription? The token that Google signs for it (docs/google.md#push-tokens).

    Refused
    ├── Unproven(because)    401: no token, malformed, expired, badly signed
    └── NotOurs(because)     403: genuine, but minted for or by somebody else

`gmail.errors.CertsUnavailable` rises where Google's keys cannot be had: nothing is known about the token.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from google.auth import jwt
from google.auth.exceptions import GoogleAuthError

ISSUERS = ("https://accounts.google.com", "accounts.google.com")
MOST_REMEMBERED = 2048  # tokens; Pub/Sub mints one an hour or so, for each subscription
LONGEST_TOKEN = 8192


class Refused(Exception):
    def __init__(self, because: str) -> None:
        super().__init__(because)
        self.because = because


class Unproven(Refused):
    """Anybody could have sent this."""


class NotOurs(Refused):
    """Google signed it, for another audience or another service account."""


class Keys(Protocol):
    async def keys(self, key_id: str) -> Mapping[str, str]: ...


class Verifier:
    """Checks tokens against our audiences and service accounts; a checked one is remembered until it expires."""

    def __init__(
        self, audiences: tuple[str, ...], service_accounts: tuple[str, ...], keys: Keys, skew: float, clock: Callable[[], float] = time.time
    ) -> None:
        """`skew` in seconds. `clock` decides how long a checked token is remembered; expiry itself is judged by google-auth."""
        self._audiences, self._accounts = audiences, service_accounts
        self._keys, self._skew, self._clock = keys, skew, clock
        self._remembered: OrderedDict[bytes, float] = OrderedDict()

    async def verify(self, authorization: str) -> None:
        """Returns if the header proves a push of ours. Raises `Unproven`, `NotOurs`, or `CertsUnavailable`."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > LONGEST_TOKEN:
            raise Unproven("no token" if not authorization else "malformed")
        fingerprint = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        if self._remembered.get(fingerprint, 0.0) > self._clock():
            return
        claims = await self._claims(token)
        self._check(claims)
        self._remember(fingerprint, float(claims["exp"]))

    async def _claims(self, token: str) -> Mapping[str, Any]:
        """Signature, issue and expiry. An `alg` other than Google's own is refused: the keys are RSA's."""
        try:
            header = jwt.decode_header(token)  # type: ignore[no-untyped-call]
            if header.get("alg") != "RS256" or not isinstance(header.get("kid"), str):
                raise Unproven("malformed")
        except (GoogleAuthError, ValueError, TypeError, AttributeError, RecursionError):
            raise Unproven("malformed") from None
        keys = await self._keys.keys(header["kid"])
        try:
            return jwt.decode(token, certs=keys, clock_skew_in_seconds=self._skew)  # type: ignore[no-any-return, no-untyped-call]
        except (GoogleAuthError, ValueError, TypeError, KeyError, AttributeError):
            raise Unproven("signature or time") from None

    def _check(self, claims: Mapping[str, Any]) -> None:
        """Compared one by one, not looked up in sets: a claim may be a list, which has no hash."""
        if claims.get("iss") not in ISSUERS:
            raise NotOurs("issuer")
        if claims.get("aud") not in self._audiences:  # whoever mints a token chooses its audience, so the account must match too
            raise NotOurs("audience")
        if claims.get("email") not in self._accounts:
            raise NotOurs("service account")
        if claims.get("email_verified") is not True:
            raise NotOurs("unverified")

    def _remember(self, fingerprint: bytes, expires: float) -> None:
        self._remembered[fingerprint] = expires
        if len(self._remembered) > MOST_REMEMBERED:
            self._remembered.popitem(last=False)
