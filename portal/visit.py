"""One request of one person: what every page is given, and how it answers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gmail.oauth import OAuthClient
from gmail.vault import Vault
from models.firms import User
from models.sessions import Session
from pipeline.connection import Connections
from portal.knocks import Knocks
from portal.refusals import NotHere, NotSignedIn
from portal.rendering import render
from portal.session import cookie_of, form_proof
from portal.times import zone_of
from settings import Settings

LARGEST_ID = 2**63 - 1  # bigint: a larger one is nobody's, and an error to PostgreSQL
LAST_PAGE = 100_000
LARGEST_FORM = 64 * 1024  # bytes; ours have a few hundred
MOST_FIELDS = 120  # of a form: the queue's has a tick for each mail on its page


@dataclass(frozen=True, slots=True)
class Portal:
    """What the pages stand on."""

    settings: Settings
    oauth: OAuthClient
    connections: Connections
    vault: Vault
    knocks: Knocks
    clock: Callable[[], Awaitable[datetime]]


@dataclass(frozen=True, slots=True)
class Visit:
    portal: Portal
    request: Request
    now: datetime
    session: str  # the token of the cookie; empty for who is not signed in
    visitor: User | None
    upload: int = 0  # bytes that this page takes, one file among them; 0: no files
    largest: int = LARGEST_FORM  # bytes of a form without a file

    @property
    def user(self) -> User:
        """Raises `NotSignedIn`."""
        if self.visitor is None:
            raise NotSignedIn
        return self.visitor

    @property
    def network(self) -> str:
        """The address that the request came from; behind a proxy of ours (`portal.trusted_proxies`), the one that it saw."""
        return self.request.client.host if self.request.client else ""

    @property
    def zone(self) -> ZoneInfo:
        """Where the reader's days begin: as they chose, or else as their browser says."""
        return zone_of(self.visitor.time_zone if self.visitor else None, self.request.cookies.get("zone"))

    @property
    def form_proof(self) -> str:
        return form_proof(self.session, self.portal.settings.keys[0])

    @property
    def id(self) -> int:
        """The id in the address. Raises `NotHere`."""
        given: int = self.request.path_params["id"]
        if given > LARGEST_ID:
            raise NotHere
        return given

    @property
    def page(self) -> int:
        """The page that is asked for, counted from 1. Raises `NotHere`."""
        given = self.request.query_params.get("page", "1")
        if not (given.isascii() and given.isdigit() and len(given) < 7 and 1 <= int(given) <= LAST_PAGE):
            raise NotHere
        return int(given)

    async def field(self, name: str) -> str:
        """A value of the form that was sent; empty where there is none. Of several the last: a tick, after what it says unticked."""
        return next(reversed(await self.fields(name)), "")

    async def fields(self, name: str) -> list[str]:
        """All values of that name in the form that was sent."""
        return [value for value in (await self._form()).getlist(name) if isinstance(value, str)]

    async def file(self, name: str) -> UploadFile | None:
        """The file of the form that was sent; None where none was chosen."""
        found = (await self._form()).get(name)
        return found if isinstance(found, UploadFile) and found.filename else None

    async def _form(self) -> FormData:
        return await self.request.form(max_files=min(self.upload, 1), max_fields=MOST_FIELDS, max_part_size=self.upload or self.largest)

    @property
    def by_htmx(self) -> bool:
        """A part of a page is asked for, by our own script."""
        return "hx-request" in self.request.headers

    def render(self, template: str, status: int = 200, /, **facts: Any) -> Response:
        return render(
            template,
            status,
            **facts,
            user=self.visitor,
            form_proof=self.form_proof if self.visitor else "",
            now=self.now,
            here=self.request.url.path,
            zone=self.zone,
        )


async def arrive(portal: Portal, request: Request, upload: int = 0, largest: int = LARGEST_FORM) -> Visit:
    """Who comes, by the session in their cookie."""
    now, token = await portal.clock(), cookie_of(request, "session", portal.settings)
    user = await Session.user_of(token, now) if token else None
    return Visit(portal, request, now, token if user else "", user, upload, largest)


def number(told: str) -> int | None:
    """An id as our pages write it; None for what they never do."""
    return int(told) if told.isascii() and told.isdigit() and len(told) < 19 else None


def to(address: str) -> Response:
    """The answer to every form: a redirect, so that reloading sends nothing twice."""
    return RedirectResponse(address, status_code=303)
