"""The pages on a port of their own, as a deployment serves them; its moment stands still until a test moves it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp
import redis.asyncio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from gmail.client import Gmail
from gmail.endpoints import GoogleEndpoints
from gmail.oauth import OAuthClient
from gmail.tokens import Refresher
from models.firms import User
from models.sessions import SignInLink
from pipeline.connection import Connections
from portal.app import routes
from portal.knocks import Knocks
from portal.visit import Portal
from settings import Settings, load
from tests.builders import VAULT
from tests.portal.browser import Browser
from tests.portal.mails import NOW
from tests.sandbox_server import CLIENT_ID, CLIENT_SECRET

PATIENT = dict.fromkeys(("door_links", "door_letters", "door_tokens", "door_google"), 100_000)
TOPIC = "projects/sandbox/topics/gmail-push"


class Clock:
    def __init__(self) -> None:
        self.now = NOW
        self.broken = False

    async def __call__(self) -> datetime:
        if self.broken:
            raise ConnectionError("secret-detail")
        return self.now


@dataclass
class Site:
    url: str
    settings: Settings
    portal: Portal
    clock: Clock
    browsers: list[Browser]

    @asynccontextmanager
    async def afresh(self) -> "AsyncIterator[Site]":
        """As if it had just been started, with no browsers open; they are closed afterwards."""
        self.clock.now, self.clock.broken = NOW, False
        try:
            yield self
        finally:
            while self.browsers:
                await self.browsers.pop().close()

    def browser(self) -> Browser:
        self.browsers.append(Browser(self.url))
        return self.browsers[-1]

    async def link_for(self, user: User, *, mailed: bool = True) -> str:
        return "/sign-in/" + await SignInLink.issue(user, timedelta(minutes=30), self.clock.now, mailed=mailed)

    async def signed_in(self, user: User) -> Browser:
        """A new browser in which this user has pressed the button of a link."""
        browser = self.browser()
        done = await browser.press(await browser.get(await self.link_for(user)), "Sign in")
        assert done.status == 303, done.text
        return browser


@asynccontextmanager
async def a_site(
    google: str,
    *,
    https: bool = False,
    mail: str = "mail.test",
    client: redis.asyncio.Redis | None = None,
    proxies: tuple[str, ...] = (),
    limits: dict[str, int] | None = None,
) -> AsyncIterator[Site]:
    """`google`: where Google is. `https`: the pages stand behind a proxy that speaks it. `mail`: the server for letters. `client`: Redis,
    where knocks are counted. `proxies`: other ones than this machine. `limits`: of settings.toml; without them the door is as patient as
    a test."""
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    clock, settings = Clock(), _settings("https://postroom.example" if https else url, google, mail, PATIENT | (limits or {}))
    async with aiohttp.ClientSession() as session:
        portal = _portal(settings, clock, session, client)
        server = uvicorn.Server(
            uvicorn.Config(
                Starlette(routes=[Route("/machine", _machine), *routes(portal)]),
                forwarded_allow_ips=list(proxies or settings.portal.trusted_proxies),
                log_config=None,
                access_log=False,
                lifespan="off",
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:
            await asyncio.sleep(0.005)
        async with Site(url, settings, portal, clock, []).afresh() as site:
            yield site
        server.should_exit = True
        await serving


async def _machine(_request: Request) -> PlainTextResponse:
    """Something else that the same application serves."""
    return PlainTextResponse("not a page")


def _settings(base_url: str, google: str, mail: str, limits: dict[str, int]) -> Settings:
    plain = load()
    endpoints = GoogleEndpoints(f"{google}/o/oauth2/v2/auth", f"{google}/token", f"{google}/revoke", f"{google}/oauth2/v1/certs", google)
    return plain.model_copy(
        update={
            "app": plain.app.model_copy(update={"base_url": base_url}),
            "limits": plain.limits.model_copy(update=limits),
            "mail": plain.mail.model_copy(update={"smtp_host": mail}),
            "google": plain.google.model_copy(
                update={name: getattr(endpoints, name) for name in GoogleEndpoints.__dataclass_fields__}
                | {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
            ),
        }
    )


def _portal(settings: Settings, clock: Clock, session: aiohttp.ClientSession, client: redis.asyncio.Redis | None) -> Portal:
    google = settings.google
    endpoints = GoogleEndpoints(google.auth_uri, google.token_uri, google.revoke_uri, google.oidc_certs_url, google.gmail_api)
    oauth = OAuthClient(endpoints, google.client_id, google.client_secret, session)
    gmail = Gmail(session, google.gmail_api)
    refresher = Refresher(google.token_uri, google.client_id, google.client_secret)
    connections = Connections(gmail, oauth, refresher, VAULT, TOPIC, clock)
    return Portal(settings, oauth, connections, VAULT, Knocks(settings, client), clock)
