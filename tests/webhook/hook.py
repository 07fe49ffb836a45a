"""The endpoint on a port of its own, as a deployment serves it; and pushes as Pub/Sub sends them, signed with keys of our own."""

import asyncio
import base64
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from pipeline.announce import Announcer
from pipeline.announce import Send as SendJobs
from pipeline.marks import Marks
from sandbox.keys import Keys
from telemetry import metrics
from webhook import oidc
from webhook.addresses import Addresses, LookUp
from webhook.oidc import Verifier
from webhook.push import PushEndpoint

PATH = "/webhook/gmail"
AUDIENCE = "https://postroom.example/webhook/gmail"
ACCOUNT = "gmail-push@sample-project.iam.example.com"
SAM, SAMS = "sam@sample.test", 7  # an address, and the mailbox that it is of


def claims(**changes: Any) -> dict[str, Any]:
    """Of a token as Google makes it for our subscription, this second; None leaves a claim out."""
    now = int(time.time())
    usual = {"aud": AUDIENCE, "azp": "104000000000000000001", "email": ACCOUNT, "email_verified": True, "exp": now + 3600, "iat": now}
    usual |= {"iss": "https://accounts.google.com", "sub": "104000000000000000001"}
    return {name: value for name, value in (usual | changes).items() if value is not None}


def by_hand(head: Any, payload: Any, sign: Callable[[bytes], bytes]) -> str:
    """A header with a token of whatever parts; `sign` makes the signature of the first two."""
    signed = b".".join(_base64url(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in (head, payload))
    return f"Bearer {(signed + b'.' + _base64url(sign(signed))).decode()}"


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def wrapped(data: Any, **more: Any) -> bytes:
    """Pub/Sub's default body. `data` is base64 if it is a string, else JSON to be; `more` stands beside it in the message."""
    encoded = data if isinstance(data, str) else base64.b64encode(json.dumps(data).encode()).decode()
    message = {"data": encoded, "messageId": "136969346945", "publishTime": "2026-11-23T12:00:00.000Z"} | more
    return json.dumps({"message": message, "subscription": "projects/sample-project/subscriptions/gmail-push"}).encode()


def news(address: str = SAM, history_id: Any = 2000) -> bytes:
    """A push as live ones are: wrapped, the history id a number."""
    return wrapped({"emailAddress": address, "historyId": history_id})


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: Mapping[str, str]
    counted: dict[str, int]  # by which outcomes the metric has risen
    logs: list[Any]


@dataclass(frozen=True)
class Parts:
    """What an endpoint is put together from."""

    certs: oidc.Keys
    marks: Marks
    look_up: LookUp
    send: SendJobs
    audiences: tuple[str, ...] = (AUDIENCE,)
    accounts: tuple[str, ...] = (ACCOUNT,)
    skew: float = 60.0
    body_limit: int = 65536
    body_timeout: float = 5.0

    def together(self) -> PushEndpoint:
        verifier = Verifier(self.audiences, self.accounts, self.certs, self.skew)
        announcer = Announcer(self.marks, self.send)
        return PushEndpoint(verifier, Addresses(self.look_up), announcer, self.body_limit, self.body_timeout, self.audiences)


@dataclass
class Hook:
    """A running server. What it serves is exchanged from test to test; the server stays."""

    address: tuple[str, int]
    session: aiohttp.ClientSession
    keys: Keys
    app: Starlette = field(default_factory=Starlette)
    parts: Parts = None  # type: ignore[assignment]
    looked_up: list[str] = field(default_factory=list)  # the addresses that it asked the database for

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    def serves(self, *routes: BaseRoute) -> None:
        self.app = Starlette(routes=routes)

    def made_of(self, parts: Parts) -> None:
        self.parts = parts
        endpoint = replace(parts, look_up=self._noted(parts.look_up)).together()

        async def answer(request: Request) -> Response:
            return await endpoint(request)

        self.serves(Route(PATH, answer, methods=["POST"]))

    def with_other(self, **parts: Any) -> None:
        self.made_of(replace(self.parts, **parts))

    def _noted(self, look_up: LookUp) -> LookUp:
        self.looked_up = []

        async def noted(address: str) -> tuple[tuple[int, ...], bool]:
            self.looked_up.append(address)
            return await look_up(address)

        return noted

    async def push(self, body: bytes | None = None, *, authorization: str | None = None, **changes: Any) -> Answer:
        """One push: of Sam's mailbox, with a token that holds, unless told otherwise. `changes` are of the token's claims."""
        body = news() if body is None else body
        authorization = self.bearer(**changes) if authorization is None else authorization
        before = _counted()
        with capture_logs() as logs:
            status, text, headers = await self.post(body, authorization)
        counted = {outcome: int(count - before.get(outcome, 0)) for outcome, count in _counted().items() if count != before.get(outcome, 0)}
        return Answer(status, text, headers, counted, logs)

    async def post(self, body: bytes, authorization: str) -> tuple[int, str, Mapping[str, str]]:
        headers = {"Content-Type": "application/json"} | ({"Authorization": authorization} if authorization else {})
        async with self.session.post(self.url, data=body, headers=headers) as answer:
            return answer.status, await answer.text(), dict(answer.headers)

    def bearer(self, **changes: Any) -> str:
        return f"Bearer {self.keys.sign(claims(**changes))}"

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}{PATH}"


def _counted() -> dict[str, float]:
    samples = [sample for family in metrics.PUSHES.collect() for sample in family.samples]
    return {sample.labels["outcome"]: sample.value for sample in samples if sample.name.endswith("_total")}


@asynccontextmanager
async def a_hook(session: aiohttp.ClientSession, keys: Keys) -> AsyncIterator[Hook]:
    listening = socket.create_server(("127.0.0.1", 0))
    hook = Hook(listening.getsockname()[:2], session, keys)
    server = uvicorn.Server(uvicorn.Config(hook, http="httptools", log_config=None, access_log=False, lifespan="off", server_header=False))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.005)
    yield hook
    server.should_exit = True
    await serving
