"""Gear → Google Email Sync: a person's own connection, which proves itself; connecting and disconnecting."""

import secrets
from datetime import timedelta

from starlette.responses import Response

from models.emails import Receipt
from models.listings import catching_up
from models.mailboxes import Mailbox
from models.sessions import OAuthAttempt
from portal.lapses import LAPSES
from portal.visit import Visit, to

HERE = "/settings/email-sync"
ATTEMPT = timedelta(minutes=15)  # from the click to the way back: a slow sign-in with a second factor fits


async def show(visit: Visit) -> Response:
    mailbox = await Mailbox.of_user(visit.user.id)
    filed = await Receipt.count_of_mailbox(mailbox.id) if mailbox else 0
    return visit.render(
        "email_sync.html",
        mailbox=mailbox,
        filed=filed,
        lapses=LAPSES,
        catching_up=await catching_up(mailbox.id) if mailbox else None,
        interval=f"{visit.portal.settings.sweep.interval / timedelta(minutes=1):g}",
    )


async def connect(visit: Visit) -> Response:
    """Off to Google, with everything that proves the way back."""
    if visit.user.firm.provider != "google":
        return to(HERE)
    verifier, nonce, portal = secrets.token_urlsafe(48), secrets.token_urlsafe(24), visit.portal
    state = await OAuthAttempt.begin(
        visit.session, visit.user.id, code_verifier=portal.vault.seal(verifier), nonce=nonce, valid_for=ATTEMPT, now=visit.now
    )
    return to(portal.oauth.authorization_url(portal.settings.redirect_uri, state, verifier, visit.user.email, nonce))


async def disconnect(visit: Visit) -> Response:
    mailbox = await Mailbox.of_user(visit.user.id)
    if mailbox and mailbox.state != "disconnected":
        await visit.portal.connections.disconnect(mailbox)
    return to(HERE)
