"""What the recipes work with, opened once a process on the loop that uses it: Gmail, tokens, marks, clock and limits."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
import redis.asyncio

from gmail.client import Gmail, GmailMailbox
from gmail.tokens import MailboxAccess, Refresher
from gmail.vault import Vault
from models.database import database_clock
from models.mailboxes import Held
from models.tokens import MailboxTokens
from pipeline import marks
from pipeline.marks import Marks
from settings import Limits, Settings
from telemetry import metrics

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

    def mailbox(self, held: Held) -> GmailMailbox:
        """Gmail with the tokens of this very connection."""
        store = MailboxTokens(held.id, held.epoch, self.vault)
        return self.gmail.mailbox(MailboxAccess(store, self.refresher, lambda: datetime.now(UTC)), self.parallel)


@dataclass(slots=True)
class Opened:
    """What `open_tools` opened, to be closed together."""

    tools: Tools
    session: aiohttp.ClientSession
    marks_client: redis.asyncio.Redis

    async def close(self) -> None:
        self.tools.refresher.close()
        await self.session.close()
        await self.marks_client.aclose()


def open_tools(settings: Settings, clock: Clock = database_clock, sleep: Sleep = asyncio.sleep) -> Opened:
    """On the running loop."""
    google = settings.google
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256))
    marks_client = marks.connection(settings.redis.url)
    refresher = Refresher(google.token_uri, google.client_id, google.client_secret, observed)
    gmail = Gmail(session, google.gmail_api, observed, timeout=google.timeout)
    told = Marks(marks_client, settings.limits.mark)
    tools = Tools(gmail, refresher, Vault(settings.keys), told, clock, sleep, settings.limits, google.parallel_calls)
    return Opened(tools, session, marks_client)


def observed(method: str, status: int | str, seconds: float) -> None:
    metrics.GMAIL_CALLS.labels(method, str(status)).inc()
    metrics.GMAIL_SECONDS.labels(method).observe(seconds)


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
