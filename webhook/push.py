"""POST /webhook/gmail: Google tells that a mailbox changed.

    answer     when                                                               Google then
    204        queued; or nobody's mailbox, or unreadable (each counted)          forgets it
    401        no token; malformed, expired or badly signed                       sends it again
    403        genuine, but wrong issuer, audience, account, or unverified        sends it again
    408, 413   the body comes too slowly, or is too large                         sends it again
    503        not configured; broker or database down; no certs to check with    sends it again

2xx only after the work is marked and queued, or the push was judged not ours. Before the token holds, neither database nor broker is asked.
"""

import asyncio
import secrets
import time
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from gmail.errors import CertsUnavailable
from models.database import DATABASE_TROUBLE
from pipeline.announce import Announcer, News, NotAnnounced
from telemetry import metrics
from telemetry.logs import log
from webhook.addresses import Addresses
from webhook.envelope import Told, Unreadable, read
from webhook.oidc import NotOurs, Unproven, Verifier


class TooLarge(Exception):
    """The body is larger than any push."""


@dataclass(frozen=True, slots=True)
class PushEndpoint:
    verifier: Verifier | None  # None: not configured, and everything is refused
    addresses: Addresses
    announcer: Announcer
    body_limit: int  # bytes
    body_timeout: float  # seconds
    audiences: tuple[str, ...]  # for the operator's log, never for the sender

    async def __call__(self, request: Request) -> Response:
        trace = secrets.token_hex(6)
        status, outcome = await self._answer(request, trace)
        metrics.PUSHES.labels(outcome).inc()
        log.info("push", status=status, outcome=outcome, trace=trace)
        # Whoever is refused may still be sending its body: to keep the connection would be to read all of it.
        return Response(status_code=status, headers=None if status == 204 else {"Connection": "close"})

    async def _answer(self, request: Request, trace: str) -> tuple[int, str]:
        if self.verifier is None:
            return 503, "not configured"
        try:
            await self.verifier.verify(request.headers.get("authorization", ""))
            told = read(await self._body(request))
            return (204, told.because) if isinstance(told, Unreadable) else await self._announce(told, trace)
        except Unproven as refused:
            return 401, refused.because
        except NotOurs as refused:
            log.warning("push is not ours", because=refused.because, expected=self.audiences, trace=trace)
            return 403, f"wrong {refused.because}"
        except TooLarge:
            return 413, "too large"
        except (TimeoutError, ClientDisconnect):
            return 408, "too slow"
        except CertsUnavailable:
            return 503, "no certs"

    async def _announce(self, told: Told, trace: str) -> tuple[int, str]:
        try:
            mailboxes, known = await self.addresses.find(told.address)
            if not mailboxes:
                return 204, "not connected" if known else "nobody"
            await self.announcer.announce(mailboxes, News(told.history_id, trace, time.time()))
        except DATABASE_TROUBLE:
            return 503, "database down"
        except NotAnnounced:
            return 503, "broker down"
        return 204, "queued"

    async def _body(self, request: Request) -> bytes:
        """Raises `TooLarge` as soon as it is, TimeoutError where it trickles."""
        body = bytearray()
        async with asyncio.timeout(self.body_timeout):
            async for chunk in request.stream():
                body += chunk
                if len(body) > self.body_limit:
                    raise TooLarge
        return bytes(body)
