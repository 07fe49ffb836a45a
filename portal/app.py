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
    client,
    client_import,
    clients,
    contacts,
    dashboard,
    decisions,
    edits,
    email_sync,
    google_sign_in,
    integrations,
    message,
    news,
    oauth_callback,
    original,
    people,
    sign_in,
    why,
)
from portal.access import Page, Who, lost
from portal.knocks import Knock
from portal.rendering import STATIC
from portal.safety import SafeHeaders
from portal.visit import Portal

PAGES = (
    Page("GET", "/sign-in", Who.ANYONE, sign_in.explain),
    Page("POST", "/sign-in/google", Who.ANYONE, google_sign_in.depart, Knock.DEPARTURE),
    Page("POST", "/sign-in/link", Who.ANYONE, sign_in.ask_for_link, Knock.LINK),
    Page("GET", "/sign-in/link", Who.ANYONE, sign_in.ask_again),
    Page("GET", "/sign-in/{token}", Who.ANYONE, sign_in.show, Knock.TOKEN),
    Page("POST", "/sign-in/{token}", Who.ANYONE, sign_in.redeem, Knock.TOKEN),
    Page("POST", "/sign-out", Who.STAFF, sign_in.sign_out),
    Page("POST", "/sign-out/everywhere", Who.STAFF, account.sign_out_everywhere),
    Page("GET", "/", Who.STAFF, dashboard.show),
    Page("GET", "/questions/new", Who.STAFF, news.show),
    Page("GET", "/mail", Who.STAFF, activities.show_all),
    Page("GET", "/clients", Who.STAFF, clients.show),
    Page("GET", "/clients/new", Who.ADMIN, clients.new),
    Page("POST", "/clients/new", Who.ADMIN, clients.add),
    Page("GET", "/clients/import", Who.ADMIN, client_import.show),
    Page("POST", "/clients/import", Who.ADMIN, client_import.take, upload=client_import.UPLOAD),
    Page("GET", "/clients/import/template.csv", Who.ADMIN, client_import.template),
    Page("GET", "/clients/import/preview", Who.ADMIN, client_import.preview),
    Page("GET", "/clients/import/lines-to-mend.csv", Who.ADMIN, client_import.broken_lines),
    Page("POST", "/clients/import/discarding", Who.ADMIN, client_import.discard),
    Page("POST", "/clients/imports", Who.ADMIN, client_import.run),
    Page("GET", "/clients/imports/{entry:int}", Who.ADMIN, client_import.result),
    Page("GET", "/clients/{id:int}", Who.STAFF, client.show),
    Page("POST", "/clients/{id:int}", Who.ADMIN, client.change),
    Page("POST", "/clients/{id:int}/archive", Who.ADMIN, client.archive),
    Page("POST", "/clients/{id:int}/restoration", Who.ADMIN, client.restore),
    Page("GET", "/clients/{id:int}/merge", Who.ADMIN, client.choose_merge),
    Page("POST", "/clients/{id:int}/merge", Who.ADMIN, client.merge),
    Page("GET", "/clients/{id:int}/removal", Who.ADMIN, client.ask_removal),
    Page("POST", "/clients/{id:int}/removal", Who.ADMIN, client.remove),
    Page("POST", "/clients/{id:int}/contacts", Who.ADMIN, contacts.add),
    Page("POST", "/clients/{id:int}/contacts/{contact:int}/addresses", Who.ADMIN, contacts.add_address),
    Page("POST", "/clients/{id:int}/contacts/{contact:int}/addresses/{address:int}/removal", Who.ADMIN, contacts.remove_address),
    Page("POST", "/clients/{id:int}/contacts/{contact:int}/nomination", Who.ADMIN, contacts.nominate),
    Page("POST", "/clients/{id:int}/contacts/{contact:int}/removal", Who.ADMIN, contacts.remove),
    Page("GET", "/clients/{id:int}/activities", Who.STAFF, activities.show),
    Page("GET", "/activities/{id:int}", Who.STAFF, message.show),
    Page("GET", "/activities/{id:int}/html", Who.STAFF, message.show_html),
    Page("GET", "/activities/{id:int}/edit", Who.STAFF, edits.show),
    Page("POST", "/activities/{id:int}/edit", Who.STAFF, edits.save, largest=edits.LARGEST),
    Page("GET", "/activities/{id:int}/original", Who.STAFF, original.explain),
    Page("GET", "/activities/{id:int}/original.eml", Who.STAFF, original.download),
    Page("GET", "/activities/{id:int}/reconstructed.eml", Who.STAFF, original.reconstruct),
    Page("GET", "/mails/{id:int}/clients", Who.STAFF, choosing.clients),
    Page("GET", "/mails/{id:int}/hand-over", Who.STAFF, choosing.colleagues),
    Page("POST", "/mails/{id:int}/decision", Who.STAFF, decisions.decide),
    Page("POST", "/mails/{id:int}/undo", Who.STAFF, decisions.undo),
    Page("POST", "/mails/{id:int}/thread", Who.STAFF, decisions.same_for_thread),
    Page("POST", "/mails/{id:int}/hand-over", Who.STAFF, decisions.hand_over),
    Page("POST", "/mails/{id:int}/privacy", Who.STAFF, decisions.make_private),
    Page("POST", "/mails/{id:int}/never-file", Who.STAFF, decisions.never_file_sender),
    Page("POST", "/mails/decisions", Who.STAFF, decisions.decide_several),
    Page("GET", "/why", Who.STAFF, why.show),
    Page("GET", "/why/progress", Who.STAFF, why.show_progress),
    Page("GET", "/why/clients", Who.STAFF, why.show_clients),
    Page("POST", "/why/filing", Who.STAFF, why.file_anyway),
    Page("POST", "/why/look", Who.STAFF, why.look_again),
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
    Page("POST", "/settings/account/zone", Who.STAFF, account.choose_zone),
    Page("GET", "/oauth/callback", Who.ANYONE, oauth_callback.come_back, Knock.RETURN),
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
        middleware=[Middleware(SafeHeaders, auth_uri=portal.settings.google.auth_uri, base_url=portal.settings.app.base_url)],
        exception_handlers={HTTPException: lost(portal)},
    )
