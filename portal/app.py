"""The pages and their addresses. The addresses stay."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from portal import activities, clients, dashboard, email_sync, integrations, message, oauth_callback, sign_in
from portal.access import Page, Who, lost
from portal.rendering import STATIC
from portal.safety import SafeHeaders
from portal.visit import Portal

PAGES = (
    Page("GET", "/sign-in", Who.ANYONE, sign_in.explain),
    Page("GET", "/sign-in/{token}", Who.ANYONE, sign_in.show),
    Page("POST", "/sign-in/{token}", Who.ANYONE, sign_in.redeem),
    Page("POST", "/sign-out", Who.STAFF, sign_in.sign_out),
    Page("GET", "/", Who.STAFF, dashboard.show),
    Page("GET", "/clients", Who.STAFF, clients.show),
    Page("GET", "/clients/{id:int}/activities", Who.STAFF, activities.show),
    Page("GET", "/activities/{id:int}", Who.STAFF, message.show),
    Page("GET", "/activities/{id:int}/html", Who.STAFF, message.show_html),
    Page("GET", "/settings/email-sync", Who.STAFF, email_sync.show),
    Page("POST", "/settings/email-sync/connection", Who.STAFF, email_sync.connect),
    Page("POST", "/settings/email-sync/disconnection", Who.STAFF, email_sync.disconnect),
    Page("GET", "/oauth/callback", Who.STAFF, oauth_callback.come_back),
    Page("GET", "/settings/integrations", Who.ADMIN, integrations.show),
    Page("POST", "/settings/integrations", Who.ADMIN, integrations.choose),
)


def routes(portal: Portal) -> list[Route | Mount]:
    """To be put last in an application that serves other things too: what nobody else answers is a page, or not found."""
    return [Mount("", app=create(portal), name="portal")]


def create(portal: Portal) -> Starlette:
    return Starlette(
        routes=[*(page.route(portal) for page in PAGES), Mount("/static", app=StaticFiles(directory=STATIC), name="static")],
        middleware=[Middleware(SafeHeaders, auth_uri=portal.settings.google.auth_uri)],
        exception_handlers={HTTPException: lost},
    )
