"""Who may see which page: every page is guarded here, and nowhere else."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal.knocks import Knock
from portal.refusals import OTHER, SURPRISE, TOO_LARGE, WORDS, AdminsOnly, NotHere, NotSignedIn, Refusal, StaleForm, TooOften, Words
from portal.rendering import render
from portal.session import door, form_is_ours, same_origin
from portal.times import UNIVERSAL
from portal.visit import LARGEST_FORM, Portal, Visit, arrive, to
from telemetry.logs import fault


class Who(StrEnum):
    ANYONE = "anyone"
    STAFF = "staff"  # whoever is signed in
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Page:
    """A line of the route table. `knock`: as what it is counted, where people without a session come in. `upload`: how many bytes may be
    sent there, with one file among them; elsewhere `largest` ones, and none."""

    method: str
    path: str
    who: Who
    answer: Callable[[Visit], Awaitable[Response]]
    knock: Knock | None = None
    upload: int = 0
    largest: int = LARGEST_FORM

    def route(self, portal: Portal) -> Route:
        async def endpoint(request: Request) -> Response:
            return await _answer(self, portal, request)

        name, most = f"{self.method} {self.path}", self.upload or self.largest
        return Route(self.path, endpoint, methods=[self.method], name=name, max_body_size=most)


async def _answer(page: Page, portal: Portal, request: Request) -> Response:
    visit: Visit | None = None
    try:
        visit = await arrive(portal, request, page.upload, page.largest)
        await _admit(page, visit)
        return await page.answer(visit)
    except NotSignedIn:
        return _to_the_door(page, request)
    except TooOften as often:
        return _later(visit, often.seconds) if visit else _instead(request, _told(visit, often.status, OTHER))
    except Refusal as refusal:
        return _instead(request, _told(visit, refusal.status, WORDS[type(refusal)]))
    except HTTPException as refused:
        return _instead(request, _told(visit, refused.status_code, TOO_LARGE if refused.status_code == 413 else OTHER))
    except Exception as surprise:
        fault("page failed", surprise, page=f"{page.method} {page.path}")  # the path as declared: a sign-in link's token stays out of logs
        return _instead(request, _told(visit, 500, SURPRISE))


async def _admit(page: Page, visit: Visit) -> None:
    """Raises `NotSignedIn`, `AdminsOnly`, `StaleForm`, `TooOften`."""
    settings, sent = visit.portal.settings, page.method == "POST"
    if page.who is Who.ANYONE:
        if sent and not same_origin(visit.request.headers, settings.app.base_url):
            raise StaleForm
        if page.knock and (later := await visit.portal.knocks.heard(page.knock, visit.network)):
            raise TooOften(later.seconds)
        return
    user = visit.user
    if page.who is Who.ADMIN and not user.is_admin:
        raise AdminsOnly
    if sent and not form_is_ours(await visit.field("form_proof"), visit.session, settings.keys):
        raise StaleForm


def _to_the_door(page: Page, request: Request) -> Response:
    """And on from there to where somebody wanted to go. What they wanted to change they are asked again, there."""
    if "hx-request" in request.headers:  # a part of a page would show the door inside of it: the page as a whole goes there
        return Response(status_code=401, headers={"hx-refresh": "true"})
    asked = f"?{request.url.query}" if request.url.query else ""
    return to(door(request.url.path + asked if page.method == "GET" and page.who is not Who.ANYONE else "/"))


def _later(visit: Visit, seconds: int) -> Response:
    page = visit.render("too_often.html", 429, minutes=-(-seconds // 60))
    page.headers["retry-after"] = str(seconds)
    return page


def _instead(request: Request, refusal: Response) -> Response:
    """A part of a page that was to be changed cannot hold this: it takes the page's place."""
    if request.method == "POST" and "hx-request" in request.headers:
        refusal.headers.update({"hx-retarget": "body", "hx-reswap": "outerHTML"})
    return refusal


def _told(visit: Visit | None, status: int, words: Words) -> Response:
    if visit is None:
        return render("refusal.html", status, words=words, user=None, here="", form_proof="", zone=UNIVERSAL)
    return visit.render("refusal.html", status, words=words)


def lost(portal: Portal) -> Callable[[Request, Exception], Awaitable[Response]]:
    """The answer where no page is: an unknown address, or a method that it does not have."""

    async def answer(request: Request, refused: Exception) -> Response:
        status = refused.status_code if isinstance(refused, HTTPException) else 500
        return _told(await _arrived(portal, request), status, WORDS[NotHere] if status == 404 else OTHER)

    return answer


async def _arrived(portal: Portal, request: Request) -> Visit | None:
    """Who comes; nobody, as long as nobody can be looked up."""
    try:
        return await arrive(portal, request)
    except Exception as surprise:
        fault("visitor unknown", surprise)
        return None
