"""Editing a mail's title, note and text by its page; and what two people see who do so at once."""

import io
from typing import Any
from urllib.parse import urlencode

import pytest
from bs4 import Tag

from models.activities import Activity
from models.audit_log import AuditEntry
from models.decisions import file_under
from models.directory import Client
from models.emails import Email
from models.firms import User
from models.privacy import make_private
from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.models.office import seen
from tests.portal.browser import Browser, Page
from tests.portal.mail_page import history
from tests.portal.mails import file_mail
from tests.portal.site import Site

FIELDS = ("title", "note", "text")


class Desk:
    """Sam, to whom a mail came, and their colleague Robin."""

    site: Site
    sam: User
    robin: User
    client: Client
    other: Client
    mail: Activity

    @property
    def address(self) -> str:
        return f"/activities/{self.mail.id}"

    async def edit(self, browser: Browser, page: Page | None = None, /, **changed: str) -> Page:
        """Opens the form, changes this in it, saves."""
        page = page or await browser.get(f"{self.address}/edit")
        sent: Any = io.BytesIO(urlencode(_held(page) | changed).encode())  # megabytes, in one test
        return await browser.post(str(_form(page)["action"]), sent, {"Content-Type": "application/x-www-form-urlencoded"})

    async def words(self) -> tuple[str | None, str | None, str | None]:
        there = await Activity.get(id=self.mail.id)
        return there.title, there.note, there.text


def _form(page: Page) -> Tag:
    return page.form("Save")


def _held(page: Page) -> dict[str, str]:
    """What the form holds and a browser would send: ticks only where they are set."""
    inputs = [one for one in _form(page).find_all("input") if one.get("type") != "checkbox" or one.has_attr("checked")]
    return {str(one["name"]): str(one["value"]) for one in inputs} | {
        str(one["name"]): _area(one) for one in _form(page).find_all("textarea")
    }


def _area(area: Tag) -> str:
    """Browsers leave out the newline that opens it, and send CRLF."""
    return area.get_text().replace("\r\n", "\n").removeprefix("\n").replace("\n", "\r\n")


@pytest.fixture
async def desk(site: Site) -> Desk:
    firm = await a_firm()
    desk = Desk()
    desk.site, desk.sam, desk.robin = site, await a_user(firm, "sam@sample.test"), await a_user(firm, "robin@sample.test")
    desk.client, desk.other = await a_client(firm, "Harbour Ltd"), await a_client(firm, "Quay Ltd")
    desk.mail = await file_mail(await a_mailbox(desk.sam), desk.client, subject="AW: AW: Re: payroll", text="\nHours as agreed.\n\nPat")
    return desk


async def test_what_was_written_stands_on_the_mails_page_beside_what_came(desk: Desk) -> None:
    browser = await desk.site.signed_in(desk.robin)
    page = await browser.get(desk.address)
    assert page.heading == "AW: AW: Re: payroll"
    assert f"{desk.address}/edit" in page.links()
    done = await desk.edit(browser, title="Payroll for March", note="Ask Pat about <b>Kim</b>.\nTwice.", text="Hours as we agreed.")
    assert (done.status, done.target) == (303, desk.address)
    page = await browser.follow(done)
    assert page.heading == "Payroll for March"
    for said in (
        "Subject: AW: AW: Re: payroll",
        "Note by Robin , 5 March 2026, 10:45 Ask Pat about <b>Kim</b>. Twice.",
        "Text, edited by Robin , 5 March 2026, 10:45 Hours as we agreed. The e-mail as it came",
        "Hours as agreed. Pat",
    ):
        assert said in page.text
    assert page.dom.select_one("#as-it-came") is not None
    assert "#as-it-came" in page.links()
    assert history(page)[0] == "Robin edited the title, the note and the text, 5 March 2026, 10:45"
    assert (await Email.get(id=desk.mail.email_id)).subject == "AW: AW: Re: payroll"
    assert "Payroll for March" in (await browser.get("/")).text, "filed last"


async def test_history_says_what_was_edited_and_under_which_client_where_there_are_several(desk: Desk) -> None:
    browser = await desk.site.signed_in(desk.robin)
    await desk.edit(browser, title="Payroll", note="Ask Pat.")
    assert history(await browser.get(desk.address))[0].startswith("Robin edited the title and the note, 5 March")
    other = await Activity.create(
        firm_id=desk.mail.firm_id, email_id=desk.mail.email_id, client=desk.other, status="filed", reason="", sent_at=desk.mail.sent_at,
        filed_at=desk.mail.filed_at,
    )  # fmt: skip
    await desk.edit(browser, await browser.get(f"/activities/{other.id}/edit"), note="Another")
    assert [line.partition(", 5 March")[0] for line in history(await browser.get(desk.address))[:2]] == [
        "Robin edited the note, under Quay Ltd",
        "Robin edited the title and the note, under Harbour Ltd",
    ]
    assert "Note by Robin , 5 March 2026, 10:45 Ask Pat." in (await browser.get(desk.address)).text


async def test_the_form_as_it_is_changes_nothing(desk: Desk) -> None:
    browser = await desk.site.signed_in(desk.sam)
    page = await browser.get(f"{desk.address}/edit")
    assert _held(page)["title"] == "AW: AW: Re: payroll"
    assert _held(page)["text"] == "\r\nHours as agreed.\r\n\r\nPat"
    assert (await desk.edit(browser)).status == 303
    assert await desk.words() == (None, None, None)
    assert not await AuditEntry.exists()


async def test_blank_is_the_subject_again_and_changes_to_the_text_are_taken_back(desk: Desk) -> None:
    browser = await desk.site.signed_in(desk.sam)
    assert "Take back all changes to the text" not in (await browser.get(f"{desk.address}/edit")).text
    await desk.edit(browser, title="Payroll", text="Mine")
    assert "Take back all changes to the text" in (await browser.get(f"{desk.address}/edit")).text
    await desk.edit(browser, title=" ", own_text="yes")
    assert await desk.words() == (None, None, None)
    page = await browser.get(desk.address)
    assert page.heading == "AW: AW: Re: payroll"
    assert "Subject: AW: AW: Re: payroll Edit title" not in page.text
    assert "as it came" not in page.text


@pytest.mark.parametrize(("field", "most", "said"), [("title", 300, "A title has at most 300 characters, and this one has 301."),
                                                     ("note", 10_000, "10,000 characters, and this one has 10,001."),
                                                     ("text", 200_000, "200,000 characters, and this one has 200,001.")])  # fmt: skip
async def test_too_much_is_said_beside_the_field_and_nothing_typed_is_lost(desk: Desk, field: str, most: int, said: str) -> None:
    browser = await desk.site.signed_in(desk.sam)
    long = "漢" * most + "!"
    refused = await desk.edit(browser, **({"title": "Kept", "note": "Kept, too", "text": "Kept, as well"} | {field: long}))
    assert refused.status == 400
    assert said in refused.text
    held = _held(refused)
    assert held[field] == long
    assert all("Kept" in held[other] for other in FIELDS if other != field)
    wrong = _form(refused).select_one(f"#{field}")
    assert wrong is not None
    assert wrong["aria-invalid"] == "true"
    assert f"{field}-wrong" in str(wrong["aria-describedby"])
    assert await desk.words() == (None, None, None)
    assert (await desk.edit(browser, refused, **{field: long[:-1]})).status == 303
    assert max(len(said or "") for said in await desk.words()) == most


async def test_what_is_larger_than_any_form_is_refused_before_it_is_read(desk: Desk) -> None:
    browser = await desk.site.signed_in(desk.sam)
    refused = await desk.edit(browser, text="x" * 4_000_000)
    assert refused.status == 413
    elsewhere = await browser.post("/settings/email-sync/pause", {"form_proof": "x" * 100_000})
    assert elsewhere.status == 413, "the larger limit is this page's alone"


async def test_a_text_that_is_too_long_to_be_edited_is_left_alone(desk: Desk) -> None:
    await Email.filter(id=desk.mail.email_id).update(text="x" * 200_001)
    browser = await desk.site.signed_in(desk.sam)
    page = await browser.get(f"{desk.address}/edit")
    assert "too long to be edited here: it has 200,001 characters" in page.text
    assert _form(page).select_one("#text") is None
    assert (await desk.edit(browser, note="Long.")).status == 303
    assert await desk.words() == (None, "Long.", None)


async def test_the_second_of_two_is_told_who_saved_and_keeps_what_was_typed(desk: Desk) -> None:
    """Scenario 72."""
    sams, robins = await desk.site.signed_in(desk.sam), await desk.site.signed_in(desk.robin)
    old = await sams.get(f"{desk.address}/edit")
    await desk.edit(robins, title="Robin's title", note="Robin's note")
    refused = await desk.edit(sams, old, note="Sam's note", text="Sam's text")
    assert refused.status == 409
    assert "Robin saved meanwhile, on 5 March 2026, 10:45 . What you typed is below and not saved yet." in refused.text
    held = _held(refused)
    assert (held["note"], held["text"]) == ("Sam's note", "Sam's text")
    assert "As it is now, by Robin : Robin's note" in refused.text
    assert held["title"] == "Robin's title", "only Robin had changed it"
    assert "Robin changed this meanwhile, and you did not: it stands here as it is now." in refused.text
    assert "Sam's text" not in refused.text.split("As it is now")[1].split("Text")[0]
    assert await desk.words() == ("Robin's title", "Robin's note", None)
    assert (await desk.edit(sams, refused, note="Robin's note. Sam's note")).status == 303
    assert await desk.words() == ("Robin's title", "Robin's note. Sam's note", "Sam's text")


async def test_the_second_of_two_can_leave_what_the_first_saved(desk: Desk) -> None:
    """Scenario 72."""
    sams, robins = await desk.site.signed_in(desk.sam), await desk.site.signed_in(desk.robin)
    old = await sams.get(f"{desk.address}/edit")
    await desk.edit(robins, note="Robin's note")
    refused = await desk.edit(sams, old, title="Sam's title", note="Sam's note")
    assert (await desk.edit(sams, refused, leave="note")).status == 303
    assert await desk.words() == ("Sam's title", "Robin's note", None)


async def test_who_saves_twice_has_saved_once(desk: Desk) -> None:
    """Scenario 72."""
    browser = await desk.site.signed_in(desk.sam)
    page = await browser.get(f"{desk.address}/edit")
    assert [(await desk.edit(browser, page, note="Once")).status for _ in range(2)] == [303, 303]
    assert await AuditEntry.filter(act="edited").count() == 1


async def test_a_mail_that_moves_while_somebody_types_takes_the_form_along(desk: Desk) -> None:
    """Scenario 72."""
    browser = await desk.site.signed_in(desk.sam)
    await desk.edit(browser, note="First")
    old = await browser.get(f"{desk.address}/edit")
    await file_under(desk.robin, await seen(desk.mail.email_id), desk.other.id, desk.site.clock.now)
    refused = await desk.edit(browser, old, note="Second")
    assert refused.status == 409
    assert "The mail was moved meanwhile: it is under Quay Ltd now." in refused.text
    assert _held(refused)["note"] == "Second"
    assert (await desk.edit(browser, refused)).status == 303
    there = await Activity.get(email_id=desk.mail.email_id, client=desk.other)
    assert there.note == "Second"
    assert (await browser.get(f"{desk.address}/edit")).target == f"/activities/{there.id}/edit"


async def test_nobody_else_opens_or_sends_the_form(desk: Desk) -> None:
    """Scenario 75."""
    sams = await desk.site.signed_in(desk.sam)
    await desk.edit(sams, note="Zirkonia")
    await make_private(desk.sam, await seen(desk.mail.email_id), desk.mail.id, True, desk.site.clock.now)
    sent = _held(await sams.get(f"{desk.address}/edit"))
    for nobody in (desk.robin, await a_user(await a_firm(), "una@another.test")):
        browser = await desk.site.signed_in(nobody)
        proof = (await browser.get("/")).dom.select_one("input[name=form_proof]")
        assert proof is not None
        for page in (
            await browser.get(f"{desk.address}/edit"),
            await browser.post(f"{desk.address}/edit", sent | {"form_proof": str(proof["value"]), "note": "Mine"}),
            await browser.get(f"{desk.address}/original"),
            await browser.get(f"{desk.address}/original.eml"),
            await browser.get(f"{desk.address}/reconstructed.eml"),
        ):
            assert page.status == 404
            assert "Zirkonia" not in page.body
            assert "payroll" not in page.body
    assert await desk.words() == (None, "Zirkonia", None)


@pytest.mark.parametrize("broken", [{"edition": ""}, {"edition": "-1"}, {"edition": "9" * 30}])
async def test_a_form_that_no_page_of_ours_sends_changes_nothing(desk: Desk, broken: dict[str, str]) -> None:
    browser = await desk.site.signed_in(desk.sam)
    assert (await desk.edit(browser, note="Mine", **broken)).status == 400
    assert await desk.words() == (None, None, None)


async def test_hostile_words_are_words_and_nothing_else(desk: Desk) -> None:
    """Scenario 109."""
    evil = "\"></textarea><script>alert('x')</script>\u202e{{ 7 * 7 }}"
    browser = await desk.site.signed_in(desk.sam)
    await desk.edit(browser, title=evil, note=f"{evil}\x00\x07", text=evil)
    for address in (desk.address, f"{desk.address}/edit", f"{desk.address}/original", "/"):
        page = await browser.get(address)
        assert page.status == 200
        assert not page.dom.select("script:not([src^='/static/'])")
        assert "alert('x')" in page.body.replace("&#39;", "'")
        assert "\x00" not in page.body
    assert _held(await browser.get(f"{desk.address}/edit"))["title"] == evil
