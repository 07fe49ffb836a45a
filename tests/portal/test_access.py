"""The route table, walked: what is open to whom, that forms are proven, and the headers that every answer carries."""

import re

import pytest

from models.firms import Firm
from portal.access import Page, Who
from portal.app import PAGES
from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.models.office import rows
from tests.portal.mails import file_mail
from tests.portal.site import Site

PRIVATE = [page for page in PAGES if page.who is not Who.ANYONE]
NAMES = [f"{page.method} {page.path}" for page in PRIVATE]


def address_of(page: Page, id: int = 1) -> str:
    return re.sub(r"{\w+:int}", str(id), page.path).replace("{token}", "token")


@pytest.mark.parametrize("page", PRIVATE, ids=NAMES)
async def test_who_is_not_signed_in_is_sent_to_the_door_and_from_there_to_the_page(site: Site, page: Page) -> None:
    browser, address = site.browser(), address_of(page)
    answer = await (browser.post if page.method == "POST" else browser.get)(address)
    assert answer.status == 303
    assert answer.target == ("/sign-in" if page.method == "POST" or address == "/" else f"/sign-in?next={address}")


async def test_a_part_of_a_page_does_not_show_the_door_inside_of_it(site: Site) -> None:
    answer = await site.browser().get("/settings/email-sync/progress", **{"HX-Request": "true"})
    assert (answer.status, answer.headers["HX-Refresh"], answer.body) == (401, "true", "")


async def test_a_longer_address_is_kept_whole_and_one_too_long_is_let_go(site: Site) -> None:
    browser = site.browser()
    assert (await browser.get("/clients?q=a%26b&page=2")).target == "/sign-in?next=/clients%3Fq%3Da%2526b%26page%3D2"
    assert (await browser.get("/clients?q=" + "x" * 200)).target == "/sign-in"


@pytest.mark.parametrize("page", [page for page in PRIVATE if page.method == "POST"], ids=lambda page: page.path)
async def test_a_form_without_proof_is_refused(site: Site, page: Page) -> None:
    firm = await a_firm()
    browser = await site.signed_in(await a_user(firm, role="admin"))
    other = await site.signed_in(await a_user(firm, role="admin"))
    proof_of_another = str((await other.get("/")).form("Sign out").find("input")["value"])  # type: ignore[index]
    for proof in ({}, {"form_proof": ""}, {"form_proof": "é"}, {"form_proof": proof_of_another}):
        refused = await browser.post(address_of(page), {"provider": "none", **proof})
        assert refused.status == 403
        assert refused.heading == "That form has grown old"
    assert (await browser.get("/")).status == 200, "still signed in"
    assert (await Firm.get(id=firm.id)).provider == "google"


@pytest.mark.parametrize("page", [page for page in PAGES if page.who is Who.ADMIN], ids=lambda page: page.method)
async def test_staff_do_not_see_or_change_what_is_an_admins(site: Site, page: Page) -> None:
    firm = await a_firm()
    browser = await site.signed_in(await a_user(firm))
    proof = str((await browser.get("/")).form("Sign out").find("input")["value"])  # type: ignore[index]
    form = {"form_proof": proof, "provider": "none"}
    refused = await (browser.post(address_of(page), form) if page.method == "POST" else browser.get(address_of(page)))
    assert refused.status == 403
    assert refused.heading == "This page is for admins"
    assert (await Firm.get(id=firm.id)).provider == "google"
    assert "Integrations" not in (await browser.get("/settings/email-sync")).text


@pytest.mark.parametrize("page", [page for page in PAGES if "{id" in page.path], ids=lambda page: f"{page.method} {page.path}")
async def test_another_firms_ids_are_not_there(site: Site, page: Page) -> None:
    """Scenario 75."""
    theirs = await a_firm()
    client, person = await a_client(theirs, "Their Client"), await a_user(theirs, "their.person@theirs.test")
    mailbox = await a_mailbox(person)
    activity = await file_mail(mailbox, client, html="<p>Theirs</p>")
    asked = await file_mail(mailbox, doubt=(client, await a_client(theirs, "Their Other")), sender=("Their Pat", "pat@theirs.test"))
    ids = {"clients": client.id, "activities": activity.id, "settings": person.id, "mails": asked.email_id}
    id, before = ids[page.path.split("/")[1]], await rows(asked.email_id)
    if page.method == "GET":
        there = 303 if page.path.endswith("/original.eml") else 200  # Google is not asked here: a page says so
        assert (await (await site.signed_in(await a_user(theirs, role="admin"))).get(address_of(page, id))).status == there
    browser = await site.signed_in(await a_user(await a_firm(), role="admin"))
    proof = str((await browser.get("/")).form("Sign out").find("input")["value"])  # type: ignore[index]
    for missing in (id, 999_999, 2**63, 10**30):
        address = address_of(page, missing)
        said = {"form_proof": proof, "version": "0", "act": "dismiss", "private": "yes", "to": str(person.id)}
        for header in ({}, {"HX-Request": "true"}) if page.path.startswith("/mails") else ({},):
            answer = await (browser.post(address, said, header) if page.method == "POST" else browser.get(address, **header))
            assert answer.status == 404
            assert "Their" not in answer.body
            assert "theirs" not in answer.body
    assert await rows(asked.email_id) == before


async def test_lists_and_search_show_only_the_own_firm(site: Site) -> None:
    """Scenario 75."""
    theirs, ours = await a_firm(), await a_firm()
    mailbox = await a_mailbox(await a_user(theirs, "zoe@theirs.test"))
    await file_mail(mailbox, await a_client(theirs, "Their Client"), subject="Their mail")
    await file_mail(mailbox, doubt=(await a_client(theirs, "Their Other"), await a_client(theirs, "Their Third")), subject="Their doubt")
    browser = await site.signed_in(await a_user(ours, role="admin"))
    for address in ("/", "/clients", "/clients?q=Their", "/settings/integrations", "/settings/email-sync"):
        page = await browser.get(address)
        assert page.status == 200
        assert not re.search(r"Their (Client|mail|doubt|Other)|theirs\.test", page.body), address


async def test_every_answer_carries_the_safe_headers(site: Site) -> None:
    firm = await a_firm()
    client = await a_client(firm)
    activity = await file_mail(await a_mailbox(await a_user(firm)), client)
    browser = await site.signed_in(await a_user(firm, role="admin"))
    shown = [address_of(page, client.id if "clients" in page.path else activity.id) for page in PAGES if page.method == "GET"]
    for address in (*shown, "/nowhere"):
        headers = (await browser.get(address)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == ("same-origin" if address == "/sign-in" else "no-referrer")
        assert headers["Cache-Control"] == "no-store"
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy  # nothing inline, nothing from elsewhere
        assert "form-action 'self' http://127.0.0.1:9;" in policy + ";"
        assert "frame-ancestors 'none'" in policy


async def test_pages_hold_nothing_that_their_policy_would_block(site: Site) -> None:
    browser = await site.signed_in(await a_user(await a_firm(), role="admin"))
    for address in ("/", "/clients", "/settings/email-sync", "/settings/account", "/settings/integrations", "/sign-in", "/nowhere"):
        page = await browser.get(address)
        assert not page.dom.find_all("style")
        assert all(str(script["src"]).startswith("/static/") and not script.get_text() for script in page.dom.find_all("script"))
        assert not [tag for tag in page.dom.find_all(True) if any(name == "style" or name.startswith("on") for name in tag.attrs)]
        sheet = str(page.dom.find("link", rel="stylesheet")["href"])  # type: ignore[index]
        style = await browser.get(sheet)
        assert style.status == 200
        assert style.headers["Content-Type"].startswith("text/css")
        assert "immutable" in style.headers["Cache-Control"]


async def test_an_unknown_page_is_a_friendly_404(site: Site) -> None:
    page = await site.browser().get("/nowhere/at-all")
    assert page.status == 404
    assert page.heading == "There is nothing here"
    assert page.links() == ["/"]
    assert not page.dom.find("nav")


async def test_who_is_signed_in_finds_the_way_from_where_nothing_is(site: Site) -> None:
    browser = await site.signed_in(await a_user(await a_firm()))
    for missing in (await browser.get("/nowhere"), await browser.post("/clients"), await browser.get("/static/nothing.css")):
        assert missing.status in (404, 405)
        assert [link.get_text() for link in missing.dom.select("nav a")] == ["Dashboard", "Mail", "Clients", "Settings"]
        assert missing.form("Sign out")


async def test_where_nothing_is_is_said_even_while_nobody_can_be_looked_up(site: Site) -> None:
    site.clock.broken = True
    page = await site.browser().get("/nowhere")
    assert (page.status, page.heading) == (404, "There is nothing here")


async def test_a_method_that_a_page_does_not_have_is_refused_in_words(site: Site) -> None:
    page = await site.browser().post("/clients")
    assert page.status == 405
    assert page.heading == "That does not work here"


async def test_a_fault_of_ours_is_a_calm_page_without_details(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    """Scenario 110."""
    site.clock.broken = True
    page = await site.browser().get("/sign-in/the-token-of-somebody")
    assert page.status == 500
    assert page.heading == "Something went wrong on our side"
    logged = "".join(capfd.readouterr())
    assert "page failed" in logged
    for secret in ("secret-detail", "the-token-of-somebody"):
        assert secret not in page.body + logged
    assert "Traceback" not in page.body


async def test_a_form_that_is_too_large_is_refused(site: Site) -> None:
    browser = await site.signed_in(await a_user(await a_firm()))
    assert (await browser.post("/sign-out", {"form_proof": "x" * 70_000})).status == 413


async def test_what_else_the_application_serves_is_left_alone(site: Site) -> None:
    answer = await site.browser().get("/machine")
    assert (answer.status, answer.body) == (200, "not a page")
    for header in ("Content-Security-Policy", "Cache-Control", "Referrer-Policy"):
        assert header not in answer.headers
