"""Signing in by a one-time link, and out. Opening a mailed link changes nothing, because mail scanners open links; its button does."""

from datetime import timedelta

from starlette.responses import Response

from models.sessions import Session, SignInLink
from portal.session import forget, remember, safe_next
from portal.visit import Visit, to


async def explain(visit: Visit) -> Response:
    """The door: how to get a link."""
    return visit.render("sign_in.html", link="none", next="/")


async def show(visit: Visit) -> Response:
    """A mailed link: a page with one button. One that the command line has handed over signs in at once."""
    link = await SignInLink.usable(_token(visit), visit.now)
    if link is None:
        return _spent(visit)
    if not link.mailed and visit.request.method == "GET":  # a HEAD is a look from outside
        return await _signed_in(visit, visit.request.query_params.get("next", "/"))
    page = visit.render("sign_in.html", link="usable", next=safe_next(visit.request.query_params.get("next", "/")))
    # Under no-referrer browsers post a form without saying where it stood, and older ones say nothing else that `same_origin` could read.
    page.headers["referrer-policy"] = "same-origin"
    return page


async def redeem(visit: Visit) -> Response:
    """The button."""
    return await _signed_in(visit, await visit.field("next"))


async def _signed_in(visit: Visit, wanted: str) -> Response:
    """Of two clicks one signs in."""
    user_id = await SignInLink.redeem(_token(visit), visit.now)
    if user_id is None:
        return _spent(visit)
    settings = visit.portal.settings
    signed_in = to(safe_next(wanted))
    remember(signed_in, await Session.begin(user_id, timedelta(days=settings.portal.session_days), visit.now), settings)
    return signed_in


async def sign_out(visit: Visit) -> Response:
    await Session.end(visit.session)
    signed_out = to("/sign-in")
    forget(signed_out, visit.portal.settings)
    return signed_out


def _spent(visit: Visit) -> Response:
    return visit.render("sign_in.html", 410, link="spent", next="/")


def _token(visit: Visit) -> str:
    return str(visit.request.path_params["token"])
