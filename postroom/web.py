"""The web process: webhook and portal on one loop, or one of them alone."""

import asyncio
import gc

import aiohttp
import redis.asyncio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route

from models.database import database_clock
from pipeline.marks import Marks
from postroom.resources import metrics_endpoint, opened, wrong_with
from settings import Settings
from telemetry.endpoint import Checks
from telemetry.logs import log
from webhook.app import not_ready
from webhook.app import routes as push_routes


async def serve(settings: Settings, host: str, port: int, *, webhook: bool, portal: bool) -> None:
    """Opens what it needs, then serves until SIGTERM. Raises `CannotStart`."""
    app = Starlette()
    config = uvicorn.Config(
        app, host=host, port=port, http="httptools", lifespan="off", access_log=False, log_config=None, timeout_graceful_shutdown=10,
        server_header=False, forwarded_allow_ips=list(settings.portal.trusted_proxies),
    )  # fmt: skip
    server = uvicorn.Server(config)
    async with opened(settings, tokens=portal) as client, aiohttp.ClientSession() as session:

        async def checks() -> list[str]:
            silent = [] if server.started else ["It does not listen yet."]
            return [*silent, *(not_ready(settings) if webhook else ()), *await wrong_with(client)]

        endpoint = metrics_endpoint(settings, checks, asyncio.get_running_loop())
        marks = Marks(client, settings.limits.mark)
        app.router.routes[:] = [
            *_health(checks),
            *(push_routes(settings, session, marks) if webhook else ()),
            *(_portal(settings, session, client) if portal else ()),
        ]
        gc.freeze()  # what is loaded by now stays: the collector need not look at it again
        log.info("ready")
        await server.serve()
        await asyncio.to_thread(endpoint.close)
    log.info("stopped")


def _portal(settings: Settings, session: aiohttp.ClientSession, client: redis.asyncio.Redis) -> list[BaseRoute]:
    """Only here, so that a webhook on its own need not load Google's mail client."""
    from gmail.client import Gmail
    from gmail.endpoints import GoogleEndpoints
    from gmail.oauth import OAuthClient
    from gmail.tokens import Refresher
    from gmail.vault import Vault
    from models.notices import Schedule
    from pipeline.connection import Connections
    from pipeline.tools import observed
    from portal.app import routes
    from portal.knocks import Knocks
    from portal.visit import Portal

    google = settings.google
    endpoints = GoogleEndpoints(google.auth_uri, google.token_uri, google.revoke_uri, google.oidc_certs_url, google.gmail_api)
    oauth = OAuthClient(endpoints, google.client_id, google.client_secret, session)
    vault = Vault(settings.keys)
    gmail = Gmail(session, google.gmail_api, observed, timeout=google.timeout)
    refresher = Refresher(google.token_uri, google.client_id, google.client_secret, observed)
    schedule = Schedule(settings.sweep.letter_wait, settings.sweep.notice_days)
    connections = Connections(gmail, oauth, refresher, vault, settings.push.topic_name, database_clock, schedule)
    return list(routes(Portal(settings, oauth, connections, vault, Knocks(settings, client), database_clock)))


def _health(checks: Checks) -> list[BaseRoute]:
    async def healthz(request: Request) -> PlainTextResponse:
        return PlainTextResponse("alive\n")

    async def readyz(request: Request) -> PlainTextResponse:
        wrong = await checks()
        return PlainTextResponse("\n".join(wrong or ["ready"]) + "\n", 503 if wrong else 200)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]
