"""Access tokens: refreshed by google-auth in a few threads, shared by all processes through the store, refreshed by one of them."""

import asyncio
import functools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeGuard

import google.auth.transport.requests
import requests
from google.auth.exceptions import GoogleAuthError
from google.oauth2.credentials import Credentials
from requests.adapters import HTTPAdapter

from gmail.client import Observe, ignore
from gmail.errors import AccessRevoked, OperatorFault, TryAgain
from gmail.refusals import refresh_trouble

THREADS = 64  # made when needed. Each hangs for TIMEOUT with one refresh, and meanwhile the next mailboxes must find others
TIMEOUT = 10.0  # seconds; google-auth's own is 120
ALMOST_OVER = timedelta(minutes=2)  # a token with less left may end within a call


@dataclass(frozen=True, slots=True)
class AccessToken:
    token: str
    expires_at: datetime  # UTC


class StoredTokens(Protocol):
    @property
    def refresh_token(self) -> str | None: ...

    @property
    def access_token(self) -> str | None: ...

    @property
    def access_expires_at(self) -> datetime | None: ...


class TokenStore(Protocol):
    """Where one mailbox's tokens are kept, in clear, bound to one connection of it. What it raises rises."""

    async def load(self) -> StoredTokens: ...

    async def save_access(self, token: str, expires_at: datetime) -> None: ...


class Refresher:
    """Google's token endpoint. One for a process; `close` ends its threads."""

    def __init__(self, token_uri: str, client_id: str, client_secret: str, observe: Observe = ignore, *, timeout: float = TIMEOUT) -> None:
        self._token_uri, self._client_id, self._client_secret, self._observe = token_uri, client_id, client_secret, observe
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="google-auth")
        self._session = requests.Session()
        for scheme in ("https://", "http://"):  # requests keeps ten connections, and warns of every other
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=THREADS))
        self._transport = functools.partial(google.auth.transport.requests.Request(self._session), timeout=timeout)

    async def refresh(self, refresh_token: str) -> AccessToken:
        """A new access token. Raises `AccessRevoked` only on a clear word of Google's, `OperatorFault`, else `TryAgain`."""
        if not (self._client_id and self._client_secret):
            raise OperatorFault("client_not_configured")
        started, outcome = time.perf_counter(), "failed"
        try:
            token = await asyncio.get_running_loop().run_in_executor(self._threads, self._refreshed, refresh_token)
            outcome = "ok"
            return token
        except (GoogleAuthError, TypeError, ValueError, LookupError, AttributeError, OSError) as error:
            raise refresh_trouble(error) from None  # its text may hold Google's answer
        finally:
            self._observe("oauth.refresh", outcome, time.perf_counter() - started)

    def _refreshed(self, refresh_token: str) -> AccessToken:
        """No `scopes`: asking for one that was not granted would fail."""
        credentials = Credentials(  # type: ignore[no-untyped-call]
            None, refresh_token=refresh_token, token_uri=self._token_uri, client_id=self._client_id, client_secret=self._client_secret
        )
        credentials.refresh(self._transport)  # type: ignore[no-untyped-call]
        if not isinstance(credentials.token, str) or credentials.expiry is None:
            raise TypeError("no token in the answer")
        return AccessToken(credentials.token, credentials.expiry.replace(tzinfo=UTC))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._session.close()


class MailboxAccess:
    """One mailbox's access token for the tasks of one process (satisfies `gmail.client.Access`)."""

    def __init__(self, store: TokenStore, refresher: Refresher, clock: Callable[[], datetime]) -> None:
        self._store, self._refresher, self._clock = store, refresher, clock
        self._held: AccessToken | None = None
        self._turn = asyncio.Lock()

    async def token(self) -> str:
        if self._lasts(self._held):
            return self._held.token
        return await self._other_than(None)

    async def renew(self, refused: str) -> str:
        """Refreshes, unless another task or process has done so since `refused` was handed out."""
        if self._lasts(self._held) and self._held.token != refused:
            return self._held.token
        return await self._other_than(refused)

    async def _other_than(self, refused: str | None) -> str:
        async with self._turn:
            if not self._lasts(self._held) or self._held.token == refused:
                self._held = await self._stored_or_refreshed(refused)
            return self._held.token

    async def _stored_or_refreshed(self, refused: str | None) -> AccessToken:
        stored = await self._store.load()
        if stored.access_token and stored.access_token != refused and stored.access_expires_at:
            token = AccessToken(stored.access_token, stored.access_expires_at)
            if self._lasts(token):
                return token
        if not stored.refresh_token:
            raise AccessRevoked("not_granted")
        token = await self._refresher.refresh(stored.refresh_token)
        if token.token == refused:
            raise TryAgain("same_token_again")
        await self._store.save_access(token.token, token.expires_at)
        return token

    def _lasts(self, token: AccessToken | None) -> TypeGuard[AccessToken]:
        return token is not None and token.expires_at - self._clock() > ALMOST_OVER
