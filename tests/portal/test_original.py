"""A mail as a file: Gmail's own copy, fetched from whichever mailbox has it; and the one that is put together where Gmail has none."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import aiohttp
import pytest

from models import connections
from models.activities import Activity
from models.emails import Attachment, Email
from models.firms import Firm
from models.mailboxes import Mailbox
from models.project import ProjectState
from portal.downloads import attached
from portal.reconstruction import rebuilt
from tests.builders import a_client, a_mail
from tests.pipeline.stage import Stage, Workshop
from tests.portal.browser import Browser, Page
from tests.portal.site import Site, a_site

PAT = "pat@client.example"


@pytest.fixture(scope="module")
async def pages_with_gmail(workshop: Workshop) -> AsyncIterator[Site]:
    async with a_site(workshop.sandbox.url) as running:
        yield running


class Desk:
    """A mail that came to two colleagues, to the byte as it came."""

    site: Site
    stage: Stage
    eva: Mailbox
    bob: Mailbox
    raw: bytes
    ids: dict[int, str]
    mail: Activity
    browser: Browser  # Bob's

    async def downloads(self, address: str = "original.eml") -> tuple[int, bytes, dict[str, str]]:
        """Status, content and headers, with nothing decoded."""
        url = f"{self.site.url}/activities/{self.mail.id}/{address}"
        async with aiohttp.ClientSession(cookies=self.browser.cookies) as session, session.get(url, allow_redirects=False) as answer:
            return answer.status, await answer.read(), {name.lower(): value for name, value in answer.headers.items()}

    async def refused(self) -> Page:
        """The page to which a download leads that cannot be."""
        sent_on = await self.browser.get(f"/activities/{self.mail.id}/original.eml")
        assert sent_on.status == 303, sent_on.text
        return await self.browser.follow(sent_on)

    async def asked(self, mailbox: Mailbox) -> list[str]:
        return await self.stage.looks(mailbox, "raw")


@pytest.fixture
async def desk(stage: Stage, pages_with_gmail: Site) -> AsyncIterator[Desk]:
    desk = Desk()
    desk.stage = stage
    client = await a_client(stage.firm, "Harbour Ltd", PAT)
    desk.eva, desk.bob = await stage.mailbox("eva@sample.test"), await stage.mailbox("bob@sample.test")
    mail = a_mail(f"Pat Example <{PAT}>", "eva@sample.test, bob@sample.test", "Grüße: hours/March", "Hours as agreed.")
    mail.add_attachment(b"\x00\xff" * 9, maintype="application", subtype="pdf", filename="hours.pdf")
    desk.raw = mail.as_bytes().replace(b"\n", b"\r\n")
    desk.ids = {box.id: await stage.mail(box, desk.raw) for box in (desk.eva, desk.bob)}
    for box in (desk.eva, desk.bob):
        await stage.push(box)
    desk.mail = await Activity.get(client=client).prefetch_related("email__attachments")
    async with pages_with_gmail.afresh() as desk.site:
        desk.site.clock.now = stage.clock.moment
        desk.browser = await desk.site.signed_in(await desk.bob.user)
        yield desk


async def test_gmails_own_copy_comes_to_the_byte_from_ones_own_mailbox(desk: Desk) -> None:
    page = await desk.browser.get(f"/activities/{desk.mail.id}")
    assert f"/activities/{desk.mail.id}/original.eml" in page.links()
    status, content, headers = await desk.downloads()
    assert (status, content) == (200, desk.raw)
    assert headers["content-type"] == "message/rfc822"
    assert headers["content-disposition"] == (
        "attachment; filename=\"Grue hours March.eml\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20hours%20March.eml"
    )
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert (await desk.asked(desk.bob), await desk.asked(desk.eva)) == ([desk.ids[desk.bob.id]], [])


async def test_what_it_costs_is_counted_and_only_asking_whether_it_is_there_costs_nothing(desk: Desk) -> None:
    url = f"{desk.site.url}/activities/{desk.mail.id}/original.eml"
    async with aiohttp.ClientSession(cookies=desk.browser.cookies) as session, session.head(url, allow_redirects=False) as answer:
        assert answer.status == 200
    assert not await ProjectState.exists()
    await desk.downloads()
    assert (await ProjectState.get()).day_units == 20


async def test_a_colleagues_mailbox_has_it_where_ones_own_has_not(desk: Desk) -> None:
    """Scenario 100."""
    await connections.disconnect(desk.bob.id, desk.stage.firm.id, desk.site.clock.now)
    assert (await desk.downloads())[:2] == (200, desk.raw)
    assert await desk.asked(desk.eva) == [desk.ids[desk.eva.id]]


async def test_a_copy_that_was_deleted_is_had_from_a_colleague(desk: Desk) -> None:
    """Scenario 28."""
    await desk.stage.sandbox.aio.delete(desk.bob.address, desk.ids[desk.bob.id])
    assert (await desk.downloads())[:2] == (200, desk.raw)
    await desk.stage.sandbox.aio.delete(desk.eva.address, desk.ids[desk.eva.id])
    page = await desk.refused()
    assert "It is not in Gmail any more." in page.text
    assert f"/activities/{desk.mail.id}/reconstructed.eml" in page.links()
    assert f"/activities/{desk.mail.id}/original.eml" not in page.links(), "it would not help to try again"


async def test_without_any_connected_mailbox_a_page_says_so_and_offers_a_reconstruction(desk: Desk) -> None:
    """Scenario 100."""
    for box in (desk.eva, desk.bob):
        await connections.disconnect(box.id, desk.stage.firm.id, desk.site.clock.now)
    page = await desk.refused()
    assert page.status == 200
    assert "No connected mailbox holds it any more." in page.text
    status, content, headers = await desk.downloads("reconstructed.eml")
    assert (status, headers["content-type"]) == (200, "message/rfc822")
    assert headers["content-disposition"].startswith("attachment; ")
    mail = message_from_bytes(content, policy=default)
    assert mail["X-Postroom-Reconstructed"] == "yes"
    assert (mail["Subject"], mail["From"].addresses[0].addr_spec) == ("Grüße: hours/March", PAT)
    text = mail.get_body(("plain",))
    assert text is not None
    assert text.get_content().startswith("Hours as agreed.")
    assert "hours.pdf (application/pdf, 18 bytes)" in text.get_content(), "it is not kept, and that is said"


async def test_where_the_integration_is_off_google_is_not_asked(desk: Desk) -> None:
    await Firm.filter(id=desk.stage.firm.id).update(provider="none")
    assert "No connected mailbox holds it any more." in (await desk.refused()).text
    assert await desk.asked(desk.bob) == []


async def test_another_firms_mailbox_is_never_asked(desk: Desk) -> None:
    """Scenario 75."""
    other = await Firm.create(name="Another", provider="google")
    await Mailbox.filter(id__in=[desk.bob.id, desk.eva.id]).update(firm_id=other.id)
    assert "No connected mailbox holds it any more." in (await desk.refused()).text


async def test_who_is_throttled_asks_a_colleagues_mailbox_and_then_nobody(desk: Desk) -> None:
    """Scenarios 30, 103."""
    for box in (desk.bob, desk.eva):
        await desk.stage.sandbox.aio.fault(
            "status", method="messages.get", mailbox=box.address, code=429, reason="rateLimitExceeded", retry_after=300, count=1
        )
    page = await desk.refused()
    assert "Google asks us to wait." in page.text
    assert f"/activities/{desk.mail.id}/original.eml" in page.links()
    calls = [await desk.asked(box) for box in (desk.bob, desk.eva)]
    assert "Google asks us to wait." in (await desk.refused()).text
    assert [await desk.asked(box) for box in (desk.bob, desk.eva)] == calls, "it was asked to wait, and does"
    desk.site.clock.now += timedelta(minutes=10)
    assert (await desk.downloads())[:2] == (200, desk.raw)


async def test_a_failing_google_is_said_to_be_just_that(desk: Desk) -> None:
    """Scenario 29."""
    await desk.stage.sandbox.aio.fault("status", method="messages.get", code=500, reason="backendError", count=9)
    page = await desk.refused()
    assert "Google did not answer." in page.text
    await desk.stage.sandbox.aio.clear_faults()
    assert (await desk.downloads())[:2] == (200, desk.raw)


async def test_a_grant_that_is_over_lapses_and_the_page_says_what_to_do(desk: Desk) -> None:
    """Scenario 87."""
    await connections.disconnect(desk.eva.id, desk.stage.firm.id, desk.site.clock.now)
    await desk.stage.sandbox.aio.revoke(desk.bob.address)
    assert "The connection to Gmail has stopped." in (await desk.refused()).text
    assert (await Mailbox.get(id=desk.bob.id)).state == "lapsed"


async def test_an_unknown_reason_is_none(desk: Desk) -> None:
    page = await desk.browser.get(f"/activities/{desk.mail.id}/original?because=<script>")
    assert "Gmail’s own copy To the byte as Google keeps it" in page.text
    assert "script>" not in page.text


# the file's name


@pytest.mark.parametrize(
    ("words", "plain", "full"),
    [
        ("Payroll for March", "Payroll for March", "Payroll%20for%20March"),
        ('../../etc/passwd\r\nSet-Cookie: a="b"; x', "etc passwd Set-Cookie a b x", "etc%20passwd%20Set-Cookie%20a%3D%20b%20%3B%20x"),
        ("", "e-mail", "e-mail"),
        ("...", "e-mail", "e-mail"),
        ("漢字", "e-mail", "%E6%BC%A2%E5%AD%97"),
        ("invoice\u202efdp.exe", "invoicefdp.exe", "invoicefdp.exe"),
        ("x" * 400, "x" * 100, "x" * 100),
    ],
)
def test_a_file_is_named_for_its_mail_and_breaks_nothing(words: str, plain: str, full: str) -> None:
    """Scenario 62."""
    assert attached(words, ".eml") == f"attachment; filename=\"{plain}.eml\"; filename*=UTF-8''{full}.eml"


# what is put together again


def an_email(*headers: tuple[str, str], text: str = "Hours as agreed.\n", html: str | None = None) -> Email:
    now = datetime(2026, 3, 5, tzinfo=UTC)
    return Email(headers=[list(pair) for pair in headers], text=text, html=html, subject="", sent_at=now, filed_at=now)


def a_file(name: str = "lease.pdf", kind: str = "application/pdf", content_id: str | None = None) -> Attachment:
    return Attachment(part_id="1", filename=name, mime_type=kind, size=5, content_id=content_id)


def read(raw: bytes) -> EmailMessage:
    mail = message_from_bytes(raw, policy=default)
    assert isinstance(mail, EmailMessage)
    assert not mail.defects
    return mail


def test_text_html_and_files_are_put_together_again() -> None:
    email = an_email(
        ("From", f'"Pat" <{PAT}>'), ("Subject", "=?utf-8?q?Gr=C3=BC=C3=9Fe?="), text="Grüße\n", html="<p>Grüße <img src='cid:a'></p>"
    )
    raw = rebuilt(email, [(a_file(), b"bytes"), (a_file("logo.png", "image/png", "a"), b"image"), (a_file("gone.pdf"), None)])
    mail = read(raw)
    assert mail["X-Postroom-Reconstructed"] == "yes"
    assert (mail["Subject"], str(mail["From"])) == ("Grüße", f"Pat <{PAT}>")
    html, text = mail.get_body(("html",)), mail.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert html.get_content() == "<p>Grüße <img src='cid:a'></p>\r\n"
    assert text.get_content().splitlines()[0] == "Grüße"
    assert "- gone.pdf (application/pdf, 5 bytes)" in text.get_content()
    files = list(mail.iter_attachments())
    assert [(file.get_filename(), file.get_content_type(), file.get_content()) for file in files] == [
        ("lease.pdf", "application/pdf", b"bytes"),
        ("logo.png", "image/png", b"image"),
    ]
    assert [file["Content-ID"] for file in files] == [None, "<a>"]


def test_headers_describe_the_new_body_and_carry_no_signature_of_the_old_one() -> None:
    stored = (("Content-Type", "multipart/mixed; boundary=x"), ("MIME-Version", "1.0"), ("DKIM-Signature", "v=1"), ("ARC-Seal", "i=1"))
    mail = read(rebuilt(an_email(*stored, ("X-Postroom-Reconstructed", "no"), ("Received", "from a"), ("Received", "from b")), []))
    assert mail.get_content_type() == "text/plain"
    assert mail.get_all("X-Postroom-Reconstructed") == ["yes"]
    assert mail.get_all("Received") == ["from a", "from b"]
    assert not {"dkim-signature", "arc-seal"} & {name.lower() for name in mail.keys()}  # noqa: SIM118
    assert len(mail.get_all("Content-Type", [])) == len(mail.get_all("MIME-Version", [])) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Subject", "Hello\r\nBcc: victim@example.com\r\n\r\n<script>"),
        ("Subject", "Hello\rBcc: victim@example.com"),
        ("Subject", "Grüße\nBcc: victim@example.com"),
        ("Subject", "=?utf-8?q?Hello=0D=0ABcc:_victim@example.com?="),
        ("Subject", "Hello\u2028Bcc: victim@example.com\x85Bcc: victim@example.com\x0bBcc: x"),
        ("From", "Pät\r\nBcc: victim@example.com <pat@example.com>"),
        ("From", '"=?utf-8?q?P=0D=0ABcc:_x?=" <pat@example.com>, Grüße\n <x@example.com>'),
        ("To", "\r\n" * 50 + "Bcc: victim@example.com"),
        ("X-A: b\r\nBcc", "victim@example.com"),
        ("Bcc: victim@example.com\r\nX", "y"),
        ("", "\r\nBcc: victim@example.com"),
        ("X Bcc", "victim@example.com"),
        ("X-Long", ("word " * 9000) + "\r\nBcc: victim@example.com"),
        ("X-Longer", "x" * 70_000),
        ("Pät", "x"),
    ],
)
def test_no_stored_header_can_begin_another_one_or_the_body(name: str, value: str) -> None:
    """Scenario 110."""
    raw = rebuilt(an_email((name, value), ("X-After", "here")), [])
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"\r" not in head.replace(b"\r\n", b"")
    assert b"\n" not in head.replace(b"\r\n", b"")
    mail = read(raw)
    assert mail["Bcc"] is None
    assert mail["X-After"] == "here", "nothing has ended the headers before"
    assert mail.get_content() == "Hours as agreed.\r\n"
    assert b"<script>" not in body


def test_a_text_cannot_become_headers_or_parts() -> None:
    text = "Bcc: victim@example.com\r\n\r\n--===============\nContent-Type: text/html\n\n<script>\n.\nFrom here on\n"
    mail = read(rebuilt(an_email(text=text, html="--x\r\nBcc: y\r\n\r\n"), []))
    assert mail["Bcc"] is None
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]


def test_hostile_names_of_files_break_nothing() -> None:
    evil = 'a"\r\nBcc: victim@example.com\r\n\r\n<script>; x="'
    files = [
        (a_file(evil, evil, evil), b"one"),
        (a_file("m.eml", "message/rfc822"), b"Bcc: x\r\n\r\n"),
        (a_file("p", "multipart/mixed"), b""),
    ]
    mail = read(rebuilt(an_email(), files))
    parts = list(mail.iter_attachments())
    assert [part.get_content() for part in parts] == [b"one", b"Bcc: x\r\n\r\n", b""]
    assert {part.get_content_type() for part in parts} == {"application/octet-stream"}
    assert all(part["Bcc"] is None for part in mail.walk())


def test_only_one_of_what_may_be_there_once() -> None:
    mail = read(rebuilt(an_email(("From", "a@example.com"), ("from", "b@example.com"), ("Date", "x"), ("DATE", "y")), []))
    assert [mail.get_all("From"), mail.get_all("Date")] == [["a@example.com"], ["x"]]
