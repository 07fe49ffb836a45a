"""What the recipes work with, opened once a process on the loop that uses it: Gmail, tokens, marks, clock and limits."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp
import redis.asyncio

from gmail.client import Gmail, GmailMailbox
from gmail.endpoints import GoogleEndpoints
from gmail.oauth import OAuthClient
from gmail.tokens import MailboxAccess, Refresher
from gmail.vault import Vault
from models.database import database_clock
from models.leases import Held
from models.project import Budget
from models.tokens import MailboxTokens
from pipeline import marks
from pipeline.hanging import Hanging
from pipeline.marks import Marks
from pipeline.meter import Meter, charged
from settings import Limits, Settings
from telemetry import metrics

MORE_CONNECTIONS = 256
SLOW = 0.1  # of the time that a call to Google may take: a fresh run that lasts longer may be one that hangs
Clock = Callable[[], Awaitable[datetime]]
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Tools:
    """Clock and transport are injected: the same recipe runs on a virtual clock."""

    gmail: Gmail
    refresher: Refresher
    vault: Vault
    marks: Marks
    clock: Clock
    sleep: Sleep
    limits: Limits
    parallel: int
    meter: Meter
    settings: Settings  # what a deployment says of quota, pushes and audits
    oauth: OAuthClient
    hanging: Hanging = field(default_factory=Hanging)
    alone: asyncio.Lock = field(default_factory=asyncio.Lock)  # held while something is read that may have killed a worker
    unforgiven: list[int] = field(default_factory=list)  # strikes that this process has yet to take back

    def mailbox(self, held: Held) -> GmailMailbox:
        """Gmail for a mailbox under our lease; one that Google slowed down is asked for less at once."""
        return self.connection(held.id, held.epoch, self.at_once(held))

    def connection(self, mailbox_id: int, epoch: int, parallel: int = 1) -> GmailMailbox:
        """Gmail with the tokens of this very connection."""
        store = MailboxTokens(mailbox_id, epoch, self.vault)
        return self.gmail.mailbox(MailboxAccess(store, self.refresher, lambda: datetime.now(UTC)), parallel)

    def at_once(self, held: Held) -> int:
        return max(1, self.parallel >> held.throttled)


@dataclass(slots=True)
class Opened:
    """What `open_tools` opened, to be closed together."""

    tools: Tools
    session: aiohttp.ClientSession
    marks_client: redis.asyncio.Redis

    async def close(self) -> None:
        with contextlib.suppress(Exception):  # figures, while the database is away
            await self.tools.meter.tell(await self.tools.clock(), last=True)
        self.tools.refresher.close()
        await self.session.close()
        await self.marks_client.aclose()


def open_tools(settings: Settings, clock: Clock = database_clock, sleep: Sleep = asyncio.sleep) -> Opened:
    """On the running loop."""
    google = settings.google
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_connections(settings)))
    marks_client = marks.connection(settings.redis.url)
    meter = Meter(Budget(settings.quota.project_minute, settings.quota.project_day))

    def observe(method: str, status: int | str, seconds: float) -> None:
        meter.count(method, status)
        observed(method, status, seconds)

    refresher = Refresher(google.token_uri, google.client_id, google.client_secret, observe)
    gmail = Gmail(session, google.gmail_api, observe, timeout=google.timeout)
    told = Marks(marks_client, settings.limits.mark)
    hanging = Hanging(google.timeout * SLOW, max(1, settings.limits.fresh_threads // 4))
    endpoints = GoogleEndpoints(google.auth_uri, google.token_uri, google.revoke_uri, google.oidc_certs_url, google.gmail_api)
    oauth = OAuthClient(endpoints, google.client_id, google.client_secret, session)
    parallel, vault = google.parallel_calls, Vault(settings.keys)
    tools = Tools(gmail, refresher, vault, told, clock, sleep, settings.limits, parallel, meter, settings, oauth, hanging)
    return Opened(tools, session, marks_client)


def _connections(settings: Settings) -> int:
    """As many as may hang at once, and more: nobody waits for a connection because others wait for Google."""
    return settings.limits.background_threads * settings.sweep.batch + MORE_CONNECTIONS


def observed(method: str, status: int | str, seconds: float) -> None:
    metrics.GMAIL_CALLS.labels(method, str(status)).inc()
    metrics.GMAIL_SECONDS.labels(method).observe(seconds)
    metrics.GMAIL_UNITS.labels(method).inc(charged(method, status))


class _Process:
    opened: Opened | None = None


def equip(opened: Opened | None) -> None:
    """Gives this process its tools, once, before its first job."""
    _Process.opened = opened


def tools() -> Tools:
    """This process's tools."""
    if _Process.opened is None:
        raise RuntimeError("no tools in this process: equip() comes before the first job")
    return _Process.opened.tools
