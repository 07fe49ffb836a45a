"""One mail's page: who, what, why it is here, and its HTML in a frame that can do nothing."""

from datetime import timedelta

import pytest

from models.emails import Attachment, Email
from portal.inline_pictures import LARGEST, inline_pictures, kind_of
from portal.message import MOST_OTHERS
from portal.raw_headers import LONGEST, MOST
from portal.safety import MAIL_POLICY, MAIL_POLICY_WITH_PICTURES
from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.portal.browser import Page
from tests.portal.mails import NOW, an_attachment, file_mail
from tests.portal.site import Site

REMOTE = "<p>Hello</p><img src='https://example.com/logo.png' alt='Our logo'>"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def sender_of(page: Page) -> str:
    said = page.dom.select_one(".said")
    return said.get_text() if said else ""


def cautions(page: Page) -> list[str]:
    return [caution.get_text() for caution in page.dom.select(".cautions p")][:-1]


async def test_a_mail_says_who_wrote_it_who_has_it_and_why_it_is_filed_here(site: Site) -> None:
    firm = await a_firm()
    sam, robin = await a_user(firm, "sam@sample.test"), await a_user(firm, "robin@sample.test")
    client, people = await a_client(firm, "Harbour Bakery Ltd"), (("Lee Sample", "lee@example.com"), ("", "kim@example.com"))
    for mailbox in (await a_mailbox(sam), await a_mailbox(robin)):
        mail = await file_mail(
            mailbox, client, subject="The lease", text="See the deposit.", cc=people, identity="one", attachments=(an_attachment(),)
        )
    page = await (await site.signed_in(sam)).get(f"/activities/{mail.id}")
    assert page.heading == "The lease"
    for said in (
        "From Pat Example <pat@example.com>",
        "To sam@sample.test",
        "Cc Lee Sample <lee@example.com> kim@example.com",
        "Thursday, 5 March 2026, 10:45 UTC",
        "Received by Robin and Sam",
        "Filed under Harbour Bakery Ltd : pat@example.com is a contact of this client",
        "1 file",
        "lease.pdf application/pdf 340 KB",
        "See the deposit.",
    ):
        assert said in page.text
    assert f"/clients/{client.id}/activities" in page.links()
    assert "for review" not in page.text


async def test_a_mail_in_doubt_says_that_it_was_guessed_and_who_else_it_could_be_for(site: Site) -> None:
    """Scenario 59."""
    firm = await a_firm()
    user = await a_user(firm)
    bakery, trust, dental = [await a_client(firm, name) for name in ("Harbour Bakery Ltd", "Example Family Trust", "Northgate Dental")]
    mail = await file_mail(await a_mailbox(user), doubt=(bakery, trust, dental))
    page = await (await site.signed_in(user)).get(f"/activities/{mail.id}")
    assert "for review Nobody has decided yet whose mail this is." in page.text
    assert "Probably Harbour Bakery Ltd : one of the clients that an address stands for" in page.text
    assert "Or Example Family Trust : one of the clients that an address stands for" in page.text
    assert "Filed under" not in page.text, "a guess is no reason to file"
    buttons = [button.find("bdi").get_text() for button in page.dom.select(".choice-row button[name=client]")]  # type: ignore[union-attr]
    assert buttons == ["Harbour Bakery Ltd", "Example Family Trust", "Northgate Dental"]


async def test_a_candidate_that_is_gone_is_left_out(site: Site) -> None:
    """Scenario 73."""
    firm = await a_firm()
    user = await a_user(firm)
    bakery, trust = await a_client(firm, "Harbour Bakery Ltd"), await a_client(firm, "Example Family Trust")
    mail = await file_mail(await a_mailbox(user), doubt=(bakery, trust))
    await trust.delete()
    page = await (await site.signed_in(user)).get(f"/activities/{mail.id}")
    assert page.status == 200
    assert "Probably Harbour Bakery Ltd :" in page.text
    assert "Example Family Trust" not in page.text


async def test_html_mail_stands_in_a_frame_without_scripts_origin_or_forms(site: Site) -> None:
    """Scenario 109."""
    firm = await a_firm()
    user = await a_user(firm)
    hostile = "<p>Hello</p><script>alert(1)</script><img src=https://evil.test/a.gif onerror=alert(1)><form action=https://evil.test><button>Go</button>"
    mail = await file_mail(await a_mailbox(user), await a_client(firm), html=hostile, text="Hello in text")
    browser = await site.signed_in(user)
    page = await browser.get(f"/activities/{mail.id}")
    frame = page.dom.find("iframe")
    assert frame is not None
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in str(frame)
    shown = await browser.get(str(frame["src"]))
    assert "<p>Hello</p>" in shown.body
    for gone in ("script", "alert", "evil.test", "<form", "<button"):
        assert gone not in shown.body
    policy = shown.headers["Content-Security-Policy"]
    for rule in ("default-src 'none'", "img-src data:;", "form-action 'none'", "frame-ancestors 'self'", "sandbox allow-popups"):
        assert rule in policy
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert shown.headers["Cache-Control"] == "no-store"
    assert shown.headers["Referrer-Policy"] == "no-referrer"


async def test_a_mail_can_be_read_as_text(site: Site) -> None:
    firm = await a_firm()
    user = await a_user(firm)
    mail = await file_mail(await a_mailbox(user), await a_client(firm), html="<p>Hello</p>", text="Hello in text\n<b>not bold</b>")
    page = await (await site.signed_in(user)).get(f"/activities/{mail.id}?view=text")
    assert page.dom.find("iframe") is None
    pre = page.dom.select_one(".mail-text pre")
    assert pre is not None
    assert pre.get_text() == "Hello in text\n<b>not bold</b>"


async def test_hostile_names_subjects_and_files_are_words_and_nothing_else(site: Site) -> None:
    """Scenarios 62, 109."""
    firm = await a_firm()
    user = await a_user(firm)
    evil = "\"><script>alert('x')</script>\u202e"
    files = (an_attachment(evil, evil, 0), an_attachment("", "", 0))
    mailbox, client, other = await a_mailbox(user), await a_client(firm, evil), await a_client(firm, evil + "2")
    filed = await file_mail(mailbox, client, subject=evil, text=evil, sender=(evil, f"{evil}@example.com"), attachments=files)
    await file_mail(mailbox, doubt=(client, other), subject=evil, text=evil, sender=(evil, evil))
    browser = await site.signed_in(user)
    for address in (f"/activities/{filed.id}", f"/clients/{client.id}/activities", "/clients", "/", "/clients?q=%22%3E%3Cscript%3E"):
        page = await browser.get(address)
        assert page.status == 200
        assert not page.dom.select("script:not([src^='/static/'])"), address
        assert "alert('x')" in page.text
    assert "unnamed" in (await browser.get(f"/activities/{filed.id}")).text


async def test_an_empty_mail_is_a_page_too(site: Site) -> None:
    firm = await a_firm()
    user = await a_user(firm)
    mail = await file_mail(await a_mailbox(user), await a_client(firm), subject="", text="")
    page = await (await site.signed_in(user)).get(f"/activities/{mail.id}")
    assert page.heading == "(no subject)"
    assert "This mail has no text." in page.text


async def test_pictures_from_elsewhere_are_shown_in_the_one_view_that_asks_for_them(site: Site) -> None:
    """Scenario 109."""
    firm = await a_firm()
    user = await a_user(firm)
    mail = await file_mail(await a_mailbox(user), await a_client(firm), html=REMOTE)
    browser = await site.signed_in(user)
    page = await browser.get(f"/activities/{mail.id}")
    frame = await browser.get(f"/activities/{mail.id}/html")
    assert "example.com" not in frame.body
    assert frame.headers["Content-Security-Policy"] == MAIL_POLICY
    assert "the sender could then see that the mail was read" in page.text
    asked = await browser.get(f"/activities/{mail.id}?pictures=yes")
    assert f"/activities/{mail.id}?pictures=yes" in page.links()
    assert "The sender can see that the mail was read." in asked.text
    shown = asked.dom.select_one("iframe")
    assert shown is not None
    frame = await browser.get(str(shown["src"]))
    assert '<img src="https://example.com/logo.png" alt="Our logo">' in frame.body
    assert frame.headers["Content-Security-Policy"] == MAIL_POLICY_WITH_PICTURES
    assert "img-src data: https:;" in MAIL_POLICY_WITH_PICTURES
    assert frame.headers["Referrer-Policy"] == "no-referrer"
    assert "example.com" not in (await browser.get(f"/activities/{mail.id}/html")).body, "it is not remembered"


async def test_a_mail_without_pictures_from_elsewhere_does_not_speak_of_them(site: Site) -> None:
    firm = await a_firm()
    user = await a_user(firm)
    mail = await file_mail(await a_mailbox(user), await a_client(firm), html="<p>Hello <a href='https://example.com'>x</a></p>")
    assert "ictures" not in (await (await site.signed_in(user)).get(f"/activities/{mail.id}")).text


async def test_the_frame_is_as_high_as_the_mail_is_long(site: Site) -> None:
    firm = await a_firm()
    user = await a_user(firm)
    mailbox, client, browser = await a_mailbox(user), await a_client(firm), await site.signed_in(user)
    for text, html, size in (
        ("Hello", "<p>Hello</p>", "short"),
        ("x " * 600, "x", "medium"),
        ("x\n" * 90, "x", "long"),
        ("", REMOTE, "medium"),
    ):
        mail = await file_mail(mailbox, client, text=text, html=html)
        frame = (await browser.get(f"/activities/{mail.id}")).dom.select_one("iframe")
        assert frame is not None
        assert size in frame["class"]


class Kept:
    """A store of files."""

    def __init__(self, **files: bytes) -> None:
        self.files, self.asked = files, list[str]()

    async def read(self, stored_as: str, limit: int) -> bytes | None:
        self.asked.append(stored_as)
        data = self.files.get(stored_as)
        return data if data and len(data) <= limit else None


def kept(name: str, size: int = 100, content_id: str | None = None, stored_as: str | None = None) -> Attachment:
    return Attachment(
        filename=name, mime_type="image/png", size=size, content_id=content_id or f"{name}@a.test", stored_as=stored_as or name
    )


async def test_only_pictures_that_the_mail_shows_and_that_are_some_are_read() -> None:
    """Scenario 109."""
    files = Kept(logo=PNG, page=b"<script>alert(1)</script>", drawing=b"<svg xmlns='x'/>", other=PNG, large=PNG)
    attachments = [
        kept("logo"),
        kept("page"),
        kept("drawing"),
        kept("other"),
        kept("large", LARGEST + 1),
        kept("gone", stored_as="nowhere"),
    ]
    source = "".join(f"<img src='cid:{name}%40a.test'>" for name in ("logo", "page", "drawing", "large", "gone"))
    found = await inline_pictures(files, attachments, source)
    assert list(found) == ["logo@a.test"]
    assert found["logo@a.test"].startswith("data:image/png;base64,iVBORw0KGgo")
    assert files.asked == ["logo", "page", "drawing", "nowhere"]
    assert await inline_pictures(None, attachments, source) == {}


async def test_the_pictures_of_a_mail_together_have_a_limit() -> None:
    """Scenario 109."""
    names = [f"p{number}" for number in range(6)]
    files = Kept(**dict.fromkeys(names, PNG + bytes(LARGEST - len(PNG))))
    found = await inline_pictures(files, [kept(name, LARGEST) for name in names], " ".join(f"cid:{name}@a.test" for name in names))
    assert len(found) == 4


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        *((PNG, "png"), (b"\xff\xd8\xff\xe0", "jpeg"), (b"GIF89a...", "gif"), (b"RIFF\0\0\0\0WEBPVP8", "webp")),
        *((b"<svg>", None), (b"RIFF\0\0\0\0WAVE", None), (b"", None), (b"<html>", None), (b"%PDF", None), (b"BM", None)),
    ],
)
def test_a_picture_is_told_by_its_own_bytes(data: bytes, kind: str | None) -> None:
    """Scenario 109."""
    assert kind_of(data) == kind


async def test_the_page_says_what_google_found_of_the_sender(site: Site) -> None:
    """Scenario 67."""
    firm = await a_firm()
    user = await a_user(firm)
    mailbox, client, browser = await a_mailbox(user), await a_client(firm), await site.signed_in(user)
    for trust, said in (
        ("proven", "Google confirmed that example.com sent this."),
        ("forged", "Google could not confirm that example.com sent this."),
        ("unknown", "Google says nothing about who sent this."),
    ):
        mail = await file_mail(mailbox, client, trust=trust, headers=(("From", "Pat <pat@example.com>"),))  # type: ignore[arg-type]
        page = await browser.get(f"/activities/{mail.id}")
        assert sender_of(page) == said
        assert cautions(page) == []
    sent = await file_mail(mailbox, client, outgoing=True)
    assert sender_of(await browser.get(f"/activities/{sent.id}")) == "", "nobody asks who sent what left the own mailbox"
    listed = await file_mail(mailbox, client, trust="proven", headers=(("From", "Pat via Team <team@lists.test>"),))
    assert "Google confirmed that lists.test sent this." in (await browser.get(f"/activities/{listed.id}")).text, "of a list it is the list"


async def test_what_does_not_fit_together_is_said_calmly(site: Site) -> None:
    """Scenario 67."""
    firm = await a_firm()
    user, colleague = await a_user(firm), await a_user(firm, "boss@sample.test")
    mailbox, client, browser = await a_mailbox(user), await a_client(firm, "Harbour", "lee@example.com"), await site.signed_in(user)
    other_firms = await a_user(await a_firm(), "chief@other.test")

    async def told(name: str, address: str, *headers: tuple[str, str], **more: str) -> list[str]:
        mail = await file_mail(mailbox, client, sender=(name, address), headers=headers, **more)  # type: ignore[arg-type]
        return cautions(await browser.get(f"/activities/{mail.id}"))

    assert await told("pat@bank.test", "pat@evil.test") == ["The name says pat@bank.test, but the mail comes from pat@evil.test."]
    assert await told("\u2066pat@bank.test", "pat@evil.test") == ["The name says pat@bank.test, but the mail comes from pat@evil.test."]
    assert await told("Pat (PAT@example.com)", "pat@example.com") == []
    words = "{} is the name of {}, but {} is an address that you do not have of them."
    assert await told("BOSS", "boss@evil.test") == [words.format("BOSS", "a colleague of yours", "boss@evil.test")]
    assert await told("lee@example.com", "lee@evil.test") == [
        "The name says lee@example.com, but the mail comes from lee@evil.test.",
        words.format("lee@example.com", "a contact of this client", "lee@evil.test"),
    ]
    assert await told("Boss", colleague.email) == []
    assert await told(other_firms.name, "x@evil.test") == [], "another firm's people are nobody's namesakes"
    away = ("Reply-To", "Pat <pat@elsewhere.test>")
    assert await told("Pat", "pat@example.com", away) == ["An answer would go to pat@elsewhere.test, not to pat@example.com."]
    assert await told("Pat", "pat@example.com", away, kind="mass") == [], "newsletters do"
    assert await told("Pat", "pat@example.com", ("Reply-To", "office@mail.example.com")) == []
    assert await told("Pat", "pat@gmail.com", ("Reply-To", "evil@gmail.com")) != [], "anybody may have an address there"


async def test_the_other_mails_of_the_thread_are_listed_that_the_reader_may_see(site: Site) -> None:
    firm = await a_firm()
    user, colleague = await a_user(firm), await a_user(firm)
    client, other = await a_client(firm, "Harbour"), await a_client(firm, "Quay")
    mailbox, foreign = await a_mailbox(user), await a_mailbox(await a_user(await a_firm()))
    first = await file_mail(mailbox, client, subject="The lease", thread="t", sent_at=NOW - timedelta(days=9))
    await file_mail(mailbox, other, client, subject="Re: The lease", thread="t", sent_at=NOW - timedelta(days=2))
    await file_mail(mailbox, other, subject="Elsewhere", thread="t", sent_at=NOW - timedelta(days=3))
    secret = await file_mail(await a_mailbox(colleague), client, subject="Secret", thread="t")
    secret.private = True
    await secret.save()
    await file_mail(foreign, await a_client(await foreign.firm), subject="Another firm's", thread="t")
    await file_mail(mailbox, client, subject="Another thread")
    page = await (await site.signed_in(user)).get(f"/activities/{first.id}")
    listed = [" ".join(line.get_text(" ").split()) for line in page.dom.select("section .list a")]
    assert listed == ["Pat Example Re: The lease Tue 10:45", "Pat Example Elsewhere Quay Mon 10:45"]
    assert "The newest" not in page.text


async def test_a_long_thread_ends_with_the_way_to_the_clients_page(site: Site) -> None:
    firm = await a_firm()
    user = await a_user(firm)
    mailbox, client = await a_mailbox(user), await a_client(firm)
    mails = [await file_mail(mailbox, client, thread="t", sent_at=NOW - timedelta(days=days)) for days in range(MOST_OTHERS + 2)]
    page = await (await site.signed_in(user)).get(f"/activities/{mails[-1].id}")
    assert len(page.dom.select("section .list a")) == MOST_OTHERS
    assert f"The newest {MOST_OTHERS}." in page.text


async def test_all_headers_are_there_as_they_were_kept_as_far_as_a_page_can_bear(site: Site) -> None:
    """Scenarios 107, 109."""
    firm = await a_firm()
    user = await a_user(firm)
    mailbox, client, browser = await a_mailbox(user), await a_client(firm), await site.signed_in(user)
    mail = await file_mail(mailbox, client, headers=(("X-Odd", "=?utf-8?q?a?= <b>\u202e"), ("X-Odd", "again")))
    page = await browser.get(f"/activities/{mail.id}")
    rows = [[cell.get_text() for cell in row.select("th, td")] for row in page.dom.select(".headers tr")]
    assert rows == [["Subject", "Payroll for March"], ["X-Odd", "=?utf-8?q?a?= <b>"], ["X-Odd", "again"]]
    whole = page.dom.select_one("pre.whole")
    assert whole is not None
    assert whole.get_text() == "Subject: Payroll for March\nX-Odd: =?utf-8?q?a?= <b>\nX-Odd: again"
    assert "There is more than is shown here" not in page.text
    await Email.filter(id=mail.email_id).update(headers=[["X-Long", "y" * (LONGEST + 1)]] * (MOST + 1))
    page = await browser.get(f"/activities/{mail.id}")
    assert len(page.dom.select(".headers tr")) == MOST
    assert "There is more than is shown here" in page.text
    assert len(page.body) < 4 * MOST * LONGEST


async def test_what_was_written_earlier_is_folded_in_the_text(site: Site) -> None:
    firm = await a_firm()
    user = await a_user(firm)
    text = "Gladly.\n\nOn 3 March 2026 Sam wrote:\n> Shall we?\n> Or not?\n> Sam"
    mail = await file_mail(await a_mailbox(user), await a_client(firm), text=text)
    page = await (await site.signed_in(user)).get(f"/activities/{mail.id}")
    fold = page.dom.select_one(".mail-text details")
    assert fold is not None
    assert not fold.has_attr("open")
    assert fold.select_one("summary").get_text() == "Earlier in this thread, 4 lines"  # type: ignore[union-attr]
    assert "\n".join(pre.get_text() for pre in page.dom.select(".mail-text pre")) == text
