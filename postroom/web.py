"""The web process: webhook and portal on one loop, or one of them alone."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator

import aiohttp
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route

import webhook.app
from models.database import database_clock
from pipeline.announce import Marks
from postroom.processes import CannotStart, metrics_endpoint, opened, wrong_with
from settings import Settings
from telemetry.endpoint import Checks
from telemetry.logs import log


class Web:
    """`app` opens what it needs when it starts. `failure` says afterwards why it could not."""

    def __init__(self, settings: Settings, *, webhook: bool, portal: bool) -> None:
        self._settings, self._webhook, self._portal = settings, webhook, portal
        self.failure: CannotStart | None = None
        self.app = Starlette(lifespan=self._lifespan)

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        try:
            async with opened(self._settings) as client, aiohttp.ClientSession() as session:

                async def checks() -> list[str]:
                    return [*(webhook.app.not_ready(self._settings) if self._webhook else ()), *await wrong_with(client)]

                endpoint = metrics_endpoint(self._settings, checks, asyncio.get_running_loop())
                app.router.routes[:] = [*_health(checks), *self._routes(session, Marks(client, self._settings.limits.mark))]
                gc.freeze()  # what is loaded by now stays: the collector need not look at it again
                log.info("ready")
                yield
                await asyncio.to_thread(endpoint.close)
        except CannotStart as failure:
            self.failure = failure
            raise

    def _routes(self, session: aiohttp.ClientSession, marks: Marks) -> list[BaseRoute]:
        routes: list[BaseRoute] = []
        if self._webhook:
            routes += webhook.app.routes(self._settings, session, marks)
        if self._portal:
            routes += _portal(self._settings, session)
        return routes


def _portal(settings: Settings, session: aiohttp.ClientSession) -> list[BaseRoute]:
    """Only here, so that a webhook on its own need not load Google's mail client."""
    from gmail.client import Gmail
    from gmail.endpoints import GoogleEndpoints
    from gmail.oauth import OAuthClient
    from gmail.vault import Vault
    from pipeline.connection import Connections
    from pipeline.tools import observed
    from portal.app import routes
    from portal.visit import Portal

    google = settings.google
    endpoints = GoogleEndpoints(google.auth_uri, google.token_uri, google.revoke_uri, google.oidc_certs_url, google.gmail_api)
    oauth = OAuthClient(endpoints, google.client_id, google.client_secret, session)
    vault = Vault(settings.keys)
    gmail = Gmail(session, google.gmail_api, observed, timeout=google.timeout)
    connections = Connections(gmail, oauth, vault, settings.push.topic_name, database_clock)
    return list(routes(Portal(settings, oauth, connections, vault, database_clock)))


def _health(checks: Checks) -> list[BaseRoute]:
    async def healthz(request: Request) -> PlainTextResponse:
        return PlainTextResponse("alive\n")

    async def readyz(request: Request) -> PlainTextResponse:
        wrong = await checks()
        return PlainTextResponse("\n".join(wrong or ["ready"]) + "\n", 503 if wrong else 200)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]
