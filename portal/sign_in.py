"""The door: signing in by a one-time link that is mailed or handed over, and out. Opening a mailed link changes nothing, because mail
scanners open links; its button does."""

import asyncio
from datetime import timedelta

from starlette.responses import Response

from models.address import key_of
from models.sessions import Session, SignInLink, owe_link
from portal.refusals import TooOften
from portal.session import door, forget, remember, safe_next
from portal.visit import Visit, to

SAME_MOMENT = (
    0.05  # seconds that an answer takes at least: a letter is owed in fewer, so that the time does not tell whose address is known
)


async def explain(visit: Visit) -> Response:
    """The ways in."""
    wanted = safe_next(visit.request.query_params.get("next", "/"))
    return to(wanted) if visit.visitor and wanted != "/" else render_door(visit, "sign_in.html", leads_to=wanted, mistyped=None)


async def ask_for_link(visit: Visit) -> Response:
    """The same answer for everybody, whoever has an account. Raises `TooOften`."""
    address, wanted = (await visit.field("address")).strip(), safe_next(await visit.field("next"))
    if not visit.portal.settings.mail.smtp_host:
        return to(door(wanted))
    key = key_of(address)
    if key is None:
        return render_door(visit, "sign_in.html", 400, leads_to=wanted, mistyped=address)
    if later := await visit.portal.knocks.asked_for(key):
        raise TooOften(later.seconds)
    await asyncio.gather(owe_link(address, wanted, visit.now), asyncio.sleep(SAME_MOMENT))
    return render_door(visit, "sign_in_sent.html", address=address, leads_to=wanted)


async def ask_again(_: Visit) -> Response:
    """Where the answer to the form stood, opened by itself."""
    return to("/sign-in")


async def show(visit: Visit) -> Response:
    """A mailed link: a page with one button. One that the command line has handed over signs in at once."""
    link = await SignInLink.usable(_token(visit), visit.now)
    if link is None:
        return _spent(visit)
    wanted = safe_next(visit.request.query_params.get("next", "/"))
    if not link.mailed and visit.request.method == "GET":  # a HEAD is a look from outside
        return await _redeemed(visit, wanted)
    return render_door(visit, "sign_in_link.html", owner=link.user, leads_to=wanted)


async def redeem(visit: Visit) -> Response:
    """The button."""
    return await _redeemed(visit, await visit.field("next"))


async def _redeemed(visit: Visit, wanted: str) -> Response:
    """Of two clicks one signs in."""
    user_id = await SignInLink.redeem(_token(visit), visit.now)
    return _spent(visit) if user_id is None else await signed_in(visit, user_id, wanted)


async def signed_in(visit: Visit, user_id: int, wanted: str) -> Response:
    """A session of its own for each sign-in, so that nobody goes on in one that somebody else put there; the browser's last one ends."""
    if visit.session:
        await Session.end(visit.session)
    settings = visit.portal.settings
    inside = to(safe_next(wanted))
    remember(inside, await Session.begin(user_id, timedelta(days=settings.portal.session_days), visit.now), settings)
    return inside


async def sign_out(visit: Visit) -> Response:
    await Session.end(visit.session)
    signed_out = to("/sign-in")
    forget(signed_out, visit.portal.settings)
    return signed_out


def render_door(visit: Visit, template: str, status: int = 200, /, **facts: object) -> Response:
    """A page whose forms are for people without a session. Under no-referrer browsers post a form without saying where it stood, and older
    ones say nothing else that `same_origin` could read."""
    settings = visit.portal.settings
    page = visit.render(template, status, **facts, mails=bool(settings.mail.smtp_host), minutes=f"{settings.portal.sign_in_link_minutes:g}")
    page.headers["referrer-policy"] = "same-origin"
    return page


def _spent(visit: Visit) -> Response:
    return visit.render("sign_in_spent.html", 410)


def _token(visit: Visit) -> str:
    return str(visit.request.path_params["token"])
