"""A firm, its simulated Google, and the recipe's tools: on a clock that only the test moves, over a wire that the test can interrupt."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import redis.asyncio

import settings
from gmail.client import Gmail, GmailMailbox
from gmail.endpoints import GMAIL_READONLY, GoogleEndpoints
from gmail.oauth import OAuthClient
from gmail.tokens import Refresher
from models import connections
from models.activities import Activity
from models.connections import Connect
from models.directory import Client
from models.firms import Firm, User
from models.leases import Held
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from models.project import Budget
from models.sweeps import claim_pending
from pipeline.jobs import FRESH, SWEEP
from pipeline.marks import Marks
from pipeline.meter import Meter
from pipeline.sync import Trigger, sync
from pipeline.tools import Tools
from tests.builders import VAULT, a_user, held
from tests.sandbox_server import CLIENT_ID, CLIENT_SECRET, SandboxServer

UNMETERED = Meter(Budget(10**9, 10**9))
BACK = "http://127.0.0.1:9/oauth/callback"
Act = Callable[[], Awaitable[object]]


class Killed(BaseException):
    """A worker dies at this very point."""


class Clock:
    """Stands still unless a test moves it."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    async def __call__(self) -> datetime:
        return self.moment


class Wire:
    """The HTTP edge: once Google has answered a request whose address holds `part`, and before the recipe hears it, a test may act."""

    def __init__(self) -> None:
        self._acts: list[tuple[str, int, Act]] = []

    def after(self, part: str, act: Act, nth: int = 1) -> None:
        """`act` comes once, after the nth such answer from now on."""
        self._acts.append((part, nth, act))

    def forget(self) -> None:
        self._acts.clear()

    async def answered(self, _session: aiohttp.ClientSession, _context: SimpleNamespace, told: aiohttp.TraceRequestEndParams) -> None:
        waiting, self._acts, due = self._acts, [], []
        for part, nth, act in waiting:
            left = nth - (part in str(told.url))
            if left:
                self._acts.append((part, left, act))
            else:
                due.append(act)
        for act in due:
            await act()


@dataclass
class Stall:
    """A worker that hangs: `reached` when it does, until `go`."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self) -> None:
        self.reached.set()
        await self.go.wait()


async def killed() -> None:
    raise Killed


@dataclass(frozen=True)
class Workshop:
    """What is opened once for all tests."""

    sandbox: SandboxServer
    wire: Wire
    clock: Clock
    tools: Tools
    logins: aiohttp.ClientSession  # of people, not of the recipe: nothing interrupts it


@dataclass(frozen=True)
class Stage(Workshop):
    """`Workshop`, with an empty Google and an empty database, and one firm in it."""

    firm: Firm

    # who and what there is

    async def mailbox(self, address: str = "eva@sample.test", firm: Firm | None = None, user: User | None = None) -> Mailbox:
        """A connected mailbox: a user of the firm, an account at Google, and tokens that Google gave."""
        firm = firm or self.firm
        account = await self.sandbox.aio.account(address)
        refresh, access = await self.consent(address)
        user = user or await User.get_or_none(firm=firm, email=address) or await a_user(firm, address)
        baseline, now = int(account["historyId"]), self.clock.moment
        tokens = VAULT.seal(refresh), VAULT.seal(access), datetime.now(UTC) + timedelta(hours=1)
        grant = Connect(firm.id, user.id, account["sub"], address, *tokens, baseline, now)
        return await Mailbox.get(id=await connections.connect(grant, now))

    async def consent(self, address: str) -> tuple[str, str]:
        """Refresh and access token, as a person's consent gives them."""
        await self.sandbox.aio.consent(address)
        asked = {"client_id": CLIENT_ID, "redirect_uri": BACK, "response_type": "code", "scope": f"{GMAIL_READONLY} openid email"}
        asked |= {"access_type": "offline", "prompt": "consent", "login_hint": address}
        url = self.sandbox.url
        async with self.logins.get(f"{url}/o/oauth2/v2/auth", params=asked, allow_redirects=False) as answer:
            code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
        async with self.logins.post(f"{url}/token", data=form | {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}) as answer:
            told = await answer.json()
        return told["refresh_token"], told["access_token"]

    async def mail(self, mailbox: Mailbox, mail: EmailMessage | bytes, labels: str = "INBOX,UNREAD", **more: Any) -> str:
        """Comes into the mailbox; its Gmail id."""
        return str((await self.arrives(mailbox, mail, labels, **more))["id"])

    async def arrives(self, mailbox: Mailbox, mail: EmailMessage | bytes, labels: str = "INBOX,UNREAD", **more: Any) -> dict[str, Any]:
        """The same, with its history id."""
        raw = mail if isinstance(mail, bytes) else mail.as_bytes()
        told = await self.sandbox.aio.mail(mailbox.address, raw, labels, **more)
        return told | {"historyId": int(told["historyId"])}

    async def head(self, mailbox: Mailbox) -> int:
        """Gmail's own, now."""
        return int((await self.sandbox.aio.state(mailbox.address))["accounts"][mailbox.address]["historyId"])

    def gmail(self, held: Held) -> GmailMailbox:
        return self.tools.mailbox(held)

    async def held(self, mailbox: Mailbox, owner: str = "") -> Held:
        return await held(mailbox, self.clock.moment, owner or secrets.token_hex(4))

    # what happens

    async def tell(self, mailbox: Mailbox, history_id: int | None = None) -> None:
        """A push is heard: the mailbox is marked, and its job is somebody else's."""
        token = secrets.token_hex(4)
        await self.tools.marks.tell(token, {mailbox.id: await self.head(mailbox) if history_id is None else history_id})
        await self.tools.marks.queued(token, [mailbox.id])

    async def push(self, mailbox: Mailbox, history_id: int | None = None) -> None:
        """A push is heard and its job runs."""
        await self.tell(mailbox, history_id)
        await sync(mailbox.id, Trigger("push", FRESH, "trace", time.time()), self.tools)

    async def sweep(self, mailbox: Mailbox) -> None:
        await sync(mailbox.id, Trigger("sweep", SWEEP, "trace"), self.tools)

    def wait(self, **span: float) -> None:
        """Our clock moves on, Google's does not."""
        self.clock.moment += timedelta(**span)

    def wait_to_settle(self) -> None:
        """Until the cursor's candidate is old enough."""
        self.clock.moment += self.tools.limits.settle

    async def time_passes(self, seconds: float) -> None:
        """For us and for Google."""
        self.wait(seconds=seconds)
        await self.sandbox.aio.clock(seconds)

    async def pending(self) -> list[int]:
        """The mailboxes that the pending chore would queue now; it claims them."""
        return [claimed.mailbox_id for claimed in await claim_pending(timedelta(minutes=2), 100, self.clock.moment)]

    # what came of it

    async def filed(self, client: Client) -> list[str]:
        """The subjects of a client's activities, in order of the alphabet."""
        return sorted(str(subject) for subject in await Activity.filter(client=client).values_list("email__subject", flat=True))

    async def fate(self, mailbox: Mailbox, gmail_id: str) -> tuple[str | None, str | None, bool]:
        """A message's outcome, the reason, and whether a look is still owed."""
        entry = await LedgerEntry.get(mailbox=mailbox, gmail_id=gmail_id)
        return entry.outcome, entry.reason, entry.owed_at is not None

    async def looks(self, mailbox: Mailbox, form: str = "metadata") -> list[str]:
        """Ids of the messages that Gmail was asked for in this format, as often as it was."""
        calls = (await self.sandbox.aio.state(mailbox.address))["calls"]
        return [call["id"] for call in calls if call["method"] == "messages.get" and call["format"] == form]

    async def listings(self, mailbox: Mailbox) -> int:
        """How many pages of history Gmail was asked for."""
        return int((await self.sandbox.aio.state(mailbox.address))["calls_by_mailbox"].get(mailbox.address, {}).get("history.list", 0))


def tools_for(url: str, session: aiohttp.ClientSession, refresher: Refresher, marks: redis.asyncio.Redis, clock: Clock) -> Tools:
    endpoints = GoogleEndpoints(f"{url}/o/oauth2/v2/auth", f"{url}/token", f"{url}/revoke", f"{url}/oauth2/v1/certs", url)
    limits = settings.load().limits.model_copy(update={"listing_gap": timedelta(0)})
    return Tools(
        Gmail(session, url),
        refresher,
        VAULT,
        Marks(marks, limits.mark),
        clock,
        asyncio.sleep,
        limits,
        3,
        UNMETERED,
        settings.load(),
        OAuthClient(endpoints, CLIENT_ID, CLIENT_SECRET, session),
    )
