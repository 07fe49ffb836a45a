"""The pages and their addresses. The addresses stay."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from portal import (
    account,
    activities,
    choosing,
    clients,
    dashboard,
    decisions,
    email_sync,
    google_sign_in,
    integrations,
    message,
    oauth_callback,
    people,
    sign_in,
)
from portal.access import Page, Who, lost
from portal.rendering import STATIC
from portal.safety import SafeHeaders
from portal.visit import Portal

PAGES = (
    Page("GET", "/sign-in", Who.ANYONE, sign_in.explain),
    Page("POST", "/sign-in/google", Who.ANYONE, google_sign_in.depart),
    Page("POST", "/sign-in/link", Who.ANYONE, sign_in.ask_for_link),
    Page("GET", "/sign-in/link", Who.ANYONE, sign_in.ask_again),
    Page("GET", "/sign-in/{token}", Who.ANYONE, sign_in.show),
    Page("POST", "/sign-in/{token}", Who.ANYONE, sign_in.redeem),
    Page("POST", "/sign-out", Who.STAFF, sign_in.sign_out),
    Page("POST", "/sign-out/everywhere", Who.STAFF, account.sign_out_everywhere),
    Page("GET", "/", Who.STAFF, dashboard.show),
    Page("GET", "/clients", Who.STAFF, clients.show),
    Page("GET", "/clients/{id:int}/activities", Who.STAFF, activities.show),
    Page("GET", "/activities/{id:int}", Who.STAFF, message.show),
    Page("GET", "/activities/{id:int}/html", Who.STAFF, message.show_html),
    Page("GET", "/mails/{id:int}/clients", Who.STAFF, choosing.clients),
    Page("GET", "/mails/{id:int}/hand-over", Who.STAFF, choosing.colleagues),
    Page("POST", "/mails/{id:int}/decision", Who.STAFF, decisions.decide),
    Page("POST", "/mails/{id:int}/undo", Who.STAFF, decisions.undo),
    Page("POST", "/mails/{id:int}/thread", Who.STAFF, decisions.same_for_thread),
    Page("POST", "/mails/{id:int}/hand-over", Who.STAFF, decisions.hand_over),
    Page("POST", "/mails/{id:int}/privacy", Who.STAFF, decisions.make_private),
    Page("POST", "/mails/{id:int}/never-file", Who.STAFF, decisions.never_file_sender),
    Page("POST", "/mails/decisions", Who.STAFF, decisions.decide_several),
    Page("GET", "/settings/email-sync", Who.STAFF, email_sync.show),
    Page("POST", "/settings/email-sync/connection", Who.STAFF, email_sync.connect),
    Page("GET", "/settings/email-sync/progress", Who.STAFF, email_sync.show_progress),
    Page("POST", "/settings/email-sync/disconnection", Who.STAFF, email_sync.disconnect),
    Page("POST", "/settings/email-sync/pause", Who.STAFF, email_sync.pause),
    Page("POST", "/settings/email-sync/resumption", Who.STAFF, email_sync.resume),
    Page("POST", "/settings/email-sync/test-push", Who.STAFF, email_sync.test_push),
    Page("POST", "/settings/email-sync/backfill", Who.STAFF, email_sync.fetch_older),
    Page("POST", "/settings/email-sync/never-file", Who.STAFF, email_sync.add_never_file),
    Page("POST", "/settings/email-sync/never-file/{listed:int}/removal", Who.STAFF, email_sync.remove_never_file),
    Page("GET", "/settings/account", Who.STAFF, account.show),
    Page("GET", "/oauth/callback", Who.ANYONE, oauth_callback.come_back),
    Page("GET", "/settings/integrations", Who.ADMIN, integrations.show),
    Page("POST", "/settings/integrations", Who.ADMIN, integrations.choose),
    Page("POST", "/settings/integrations/invitations", Who.ADMIN, integrations.invite_lines),
    Page("POST", "/settings/integrations/invitations/never-connected", Who.ADMIN, integrations.invite_the_others),
    Page("POST", "/settings/integrations/never-file", Who.ADMIN, integrations.add_never_file),
    Page("POST", "/settings/integrations/never-file/{listed:int}/removal", Who.ADMIN, integrations.remove_never_file),
    Page("POST", "/settings/integrations/own-domains", Who.ADMIN, integrations.add_own_domain),
    Page("POST", "/settings/integrations/own-domains/{domain:int}/removal", Who.ADMIN, integrations.remove_own_domain),
    Page("POST", "/settings/integrations/past-mail", Who.ADMIN, integrations.look_back),
    Page("POST", "/settings/integrations/sent-mail", Who.ADMIN, integrations.choose_sent_mail),
    Page("GET", "/settings/people/{id:int}", Who.ADMIN, people.show),
    Page("POST", "/settings/people/{id:int}", Who.ADMIN, people.change),
    Page("POST", "/settings/people/{id:int}/disconnection", Who.ADMIN, people.disconnect),
    Page("POST", "/settings/people/{id:int}/allowed-addresses", Who.ADMIN, people.allow),
    Page("POST", "/settings/people/{id:int}/allowed-addresses/{allowed:int}/removal", Who.ADMIN, people.disallow),
    Page("POST", "/settings/people/{id:int}/invitation", Who.ADMIN, people.invite),
    Page("POST", "/settings/people/{id:int}/sign-out", Who.ADMIN, people.sign_out),
    Page("POST", "/settings/people/{id:int}/leaving", Who.ADMIN, people.leave),
    Page("POST", "/settings/people/{id:int}/return", Who.ADMIN, people.come_back),
)


def routes(portal: Portal) -> list[Route | Mount]:
    """To be put last in an application that serves other things too: what nobody else answers is a page, or not found."""
    return [Mount("", app=create(portal), name="portal")]


def create(portal: Portal) -> Starlette:
    return Starlette(
        routes=[*(page.route(portal) for page in PAGES), Mount("/static", app=StaticFiles(directory=STATIC), name="static")],
        middleware=[Middleware(SafeHeaders, auth_uri=portal.settings.google.auth_uri)],
        exception_handlers={HTTPException: lost(portal)},
    )
