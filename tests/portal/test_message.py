"""One mail's page: who, what, why it is here, and its HTML in a frame that can do nothing."""

from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.portal.mails import an_attachment, file_mail
from tests.portal.site import Site


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
    pre = page.dom.find("pre")
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
