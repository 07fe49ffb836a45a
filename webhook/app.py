"""The endpoint, put together from settings: routes for one's own process, or beside the portal's."""

import aiohttp
from starlette.routing import Route

from gmail.certs import Certs
from models.mailboxes import Mailbox
from pipeline.announce import Announcer
from pipeline.jobs import send_sync_jobs
from pipeline.marks import Marks
from settings import Settings
from webhook.addresses import Addresses
from webhook.oidc import Verifier
from webhook.push import PushEndpoint


def routes(settings: Settings, session: aiohttp.ClientSession, marks: Marks) -> list[Route]:
    """`session` and `marks` live on the loop that serves."""
    push, webhook = settings.push, settings.webhook
    certs = Certs(session, push.certs_url)
    verifier = Verifier(push.audiences, push.service_accounts, certs, push.clock_skew) if settings.push_configured else None
    endpoint = PushEndpoint(
        verifier,
        Addresses(Mailbox.connected_ids),
        Announcer(marks, send_sync_jobs),
        webhook.body_limit,
        webhook.body_timeout,
        push.audiences,
    )
    return [Route("/webhook/gmail", endpoint.__call__, methods=["POST"])]


def not_ready(settings: Settings) -> list[str]:
    """Why this endpoint would refuse every push; empty if it would not."""
    missing = [name for name in ("audiences", "service_accounts") if not getattr(settings.push, name)]
    return [f"push.{name} is not configured: every push is refused with 503 until it is." for name in missing]
