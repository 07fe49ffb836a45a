"""The cookies of a signed-in person and of one on the way to Google, and the proofs that a form was sent by our own page. Pure."""

import hashlib
import hmac
from collections.abc import Iterable
from datetime import timedelta
from typing import Literal
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from settings import Settings

ATTEMPT = timedelta(minutes=15)  # from the click to the way back: a slow sign-in with a second factor fits
LONGEST_NEXT = 200  # a letter remembers no more; our pages' addresses are shorter
Cookie = Literal["session", "attempt"]


def cookie_of(request: Request, which: Cookie, settings: Settings) -> str:
    """What the browser brings back; empty if nothing."""
    return request.cookies.get(name_of(which, settings), "")


def name_of(which: Cookie, settings: Settings) -> str:
    """Over https a browser takes a `__Host-` cookie from this very host alone: no neighbour under the same domain can plant one."""
    return f"{'__Host-' if _over_https(settings) else ''}postroom_{which}"


def remember(response: Response, token: str, settings: Settings) -> None:
    _set(response, "session", token, timedelta(days=settings.portal.session_days), settings)


def forget(response: Response, settings: Settings) -> None:
    _set(response, "session", "", timedelta(0), settings)


def remember_attempt(response: Response, secret: str, settings: Settings) -> None:
    """For who has no session yet: what only the browser that set out to Google brings back from there."""
    _set(response, "attempt", secret, ATTEMPT, settings)


def forget_attempt(response: Response, settings: Settings) -> None:
    _set(response, "attempt", "", timedelta(0), settings)


def _set(response: Response, which: Cookie, value: str, lasts: timedelta, settings: Settings) -> None:
    """Lax and not strict: who comes by a letter's link, or back from Google, is signed in as they were."""
    response.set_cookie(
        name_of(which, settings), value, int(lasts.total_seconds()), path="/", httponly=True, samesite="lax", secure=_over_https(settings)
    )


def form_proof(session: str, key: str) -> str:
    """What a form of this session carries: another site can neither read nor make it."""
    return hmac.new(key.encode(), b"form of session " + session.encode(), hashlib.sha256).hexdigest()


def form_is_ours(given: str, session: str, keys: Iterable[str]) -> bool:
    """Whether the form came from a page of this session, made under any of the deployment's keys."""
    return any(hmac.compare_digest(given.encode(), form_proof(session, key).encode()) for key in keys)


def same_origin(headers: Headers, base_url: str) -> bool:
    """Whether a browser says that the form stood on our own page. What is no browser says neither, and cannot be tricked."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site in ("same-origin", "none")
    if origin is not None:
        return urlsplit(origin).netloc in (headers.get("host"), urlsplit(base_url).netloc)
    return True


def safe_next(address: str) -> str:
    """Where to go after sign-in: a place of ours, whatever the link says."""
    rooted = address.startswith("/") and not address.startswith("//") and len(address) <= LONGEST_NEXT
    return address if rooted and address.isascii() and address.isprintable() and "\\" not in address else "/"


def door(leads_to: str) -> str:
    """The address of the sign-in page that leads on to this place."""
    wanted = safe_next(leads_to)
    return "/sign-in" if wanted == "/" else f"/sign-in?{urlencode({'next': wanted}, safe='/')}"


def _over_https(settings: Settings) -> bool:
    return urlsplit(settings.app.base_url).scheme == "https"
