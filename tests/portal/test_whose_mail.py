"""One mail's page: whose it is, who said so, and what can be said about it; in words for a person."""

import pytest

from models import decisions
from models.activities import Activity
from models.directory import Client
from models.emails import Email, Receipt
from models.privacy import hand_over, make_private
from tests.models.office import Office, an_office, seen, shown
from tests.portal.mail_page import HARBOUR, QUAY, history, page_of, say
from tests.portal.mails import NOW
from tests.portal.site import Site

EVIL = "\"><script>alert('x')</script>\u202e"


async def test_a_mail_filed_by_address_says_so_and_offers_what_a_person_may_say_otherwise(site: Site, office: Office) -> None:
    """Scenario 58."""
    a, b, _ = office.ids
    email = await office.files("mail", a, b)
    page = await page_of(await site.signed_in(office.eva), email, a)
    assert f"Filed under {HARBOUR} : a contact of this client Filed under {QUAY} : a contact of this client" in page.text
    other = await Activity.get(email_id=email, client_id=b)
    assert f"/activities/{other.id}" in page.links()
    for button in (f"Not {HARBOUR} ’s", "Not a client’s mail", "Make private"):
        assert page.form(button)
    assert [link for link in page.links() if f"/mails/{email}/clients?" in link and ("act=also" in link or f"instead={a}" in link)]
    assert not page.dom.select("main .button.main"), "nothing is asked"
    assert history(page) == ["Postroom filed it, 5 March 2026, 10:45"]


async def test_every_form_proves_itself_and_says_which_version_was_seen(site: Site, office: Office) -> None:
    """Scenario 72."""
    a, b, _ = office.ids
    browser = await site.signed_in(office.eva)
    for email in (await office.asks(), await office.files("both", a, b)):
        await Email.filter(id=email).update(version=7)
        forms = (await page_of(browser, email)).dom.select("main form")
        assert len(forms) >= 3
        for form in forms:
            given = {str(field["name"]): str(field.get("value", "")) for field in form.select("input")}
            assert given["form_proof"]
            assert (given["version"], given["back"]) == ("7", "mail")


async def test_a_candidate_is_one_click_and_undo_another(site: Site, office: Office) -> None:
    email, (a, b, _) = await office.asks(), office.ids
    browser = await site.signed_in(office.eva)
    page = await page_of(browser, email)
    assert history(page) == ["Postroom asked whose it is, 5 March 2026, 10:45"]
    page = await say(browser, page, f"/mails/{email}/decision", client=b)
    assert await shown(email) == {b}
    assert f"Filed under {QUAY} : You filed it here on 5 March 2026, 10:45" in page.text
    assert "Nobody has decided yet" not in page.text
    assert history(page)[0] == f"Eva filed it under {QUAY}, and not under {HARBOUR} as guessed, 5 March 2026, 10:45"
    page = await browser.follow(await browser.press(page, "Undo"))
    assert await shown(email) == {a}
    assert "Nobody has decided yet" in page.text
    assert history(page)[0] == f"Eva took that back: it waits for an answer again, and the guess is {HARBOUR}, 5 March 2026, 10:45"


async def test_the_rest_of_a_thread_can_follow_with_one_click(site: Site, office: Office) -> None:
    a, b, _ = office.ids
    email, other = await office.files("one", a, thread="t"), await office.files("two", a, thread="t")
    browser = await site.signed_in(office.eva)
    await decisions.file_under(office.eva, await seen(email), b, office.now, instead_of=a)
    await browser.press(await page_of(browser, email), "The same for the whole thread (1 more)", client=str(b))
    assert await shown(other) == {b}


async def test_a_forged_mail_says_what_that_means_and_has_no_main_button_even_when_it_is_filed(site: Site, office: Office) -> None:
    """Scenario 67."""
    a, _, _ = office.ids
    email = await office.files("forged", a, trust="forged")
    browser = await site.signed_in(office.eva)
    page = await page_of(browser, email)
    assert "Google could not confirm that client.example sent it." in page.text
    assert not page.dom.select("main .button.main")
    page = await say(browser, page, f"/mails/{email}/decision", client=a)
    assert "The sender is not confirmed. Google could not confirm who sent this" in page.text


@pytest.mark.parametrize(("kind", "words"), [("automatic", "automatic mail A machine wrote it"), ("mass", "mass mail It went to many")])
async def test_automatic_and_mass_mail_is_marked(site: Site, office: Office, kind: str, words: str) -> None:
    """Scenario 66."""
    browser = await site.signed_in(office.eva)
    assert words in (await page_of(browser, await office.files("it", office.ids[0], kind=kind))).text
    assert words not in (await page_of(browser, await office.files("other", office.ids[0]))).text


async def test_only_who_received_a_mail_is_offered_to_make_it_private(site: Site, office: Office) -> None:
    """Scenario 75."""
    evas, bobs = await site.signed_in(office.eva), await site.signed_in(office.bob)
    for email in (await office.files("filed", office.ids[0]), await office.asks("asked")):
        assert "Make private" not in (await page_of(bobs, email)).text
        page = await page_of(evas, email)
        page = await evas.follow(await evas.press(page, "Make private"))
        assert "private Only those who received it see it." in page.text
        assert (await page_of(bobs, email)).status == 404
        page = await evas.follow(await evas.press(page, "Share it again"))
        assert "Only those who received it see it." not in page.text
        assert (await page_of(bobs, email)).status == 200


async def test_after_a_dismissal_one_lands_where_it_can_be_taken_back(site: Site, office: Office) -> None:
    email = await office.files("mail", office.ids[0], subject="The lease")
    browser = await site.signed_in(office.eva)
    page = await page_of(browser, email)
    landed = await say(browser, page, f"/mails/{email}/decision", act="dismiss")
    assert (landed.status, (await browser.get(page.url)).status) == (200, 404)
    assert "You said: not a client’s mail." in landed.text
    assert "The lease" in landed.text
    await browser.press(landed, "Undo")
    assert await shown(email) == {office.ids[0]}
    assert (await browser.get(page.url)).status == 200


async def test_with_another_client_left_one_lands_there(site: Site, office: Office) -> None:
    a, b, _ = office.ids
    email = await office.files("mail", a, b)
    browser = await site.signed_in(office.eva)
    landed = await browser.follow(await browser.press(await page_of(browser, email, a), f"Not {HARBOUR} ’s", client=str(a)))
    assert f"Filed under {QUAY} : a contact of this client" in landed.text
    assert await shown(email) == {b}


async def test_hostile_names_are_words_and_turn_nothing_around_them(site: Site, office: Office) -> None:
    """Scenario 109."""
    a, b, _ = office.ids
    await Client.filter(id__in=[a, b]).update(name=EVIL)
    await type(office.bob).filter(id=office.bob.id).update(name=EVIL)
    email = await office.asks(subject=EVIL)
    browser = await site.signed_in(office.eva)
    await hand_over(office.eva, await seen(email), office.bob.id, office.now)
    asked = await page_of(browser, email)
    await decisions.file_under(await type(office.bob).get(id=office.bob.id), await seen(email), b, office.now)
    for page in (asked, await page_of(browser, email)):
        assert page.status == 200
        assert not page.dom.select("script:not([src^='/static/'])")
        loose = [text for text in page.dom.find_all(string=lambda said: "\u202e" in said) if text.find_parent(["bdi", "title"]) is None]
        assert loose == []
    assert history(page)[0].count("alert('x')") == 3, history(page)


async def test_who_is_not_a_receiver_and_not_of_the_firm_has_nothing_of_it(site: Site, office: Office) -> None:
    """Scenario 75."""
    others, email = await an_office(NOW, "2"), await office.asks()
    assert (await page_of(await site.signed_in(others.eva), email)).status == 404
    await Receipt.filter(email_id=email).delete()
    assert (await page_of(await site.signed_in(office.eva), email)).status == 200


async def test_an_old_address_leads_to_where_the_mail_was_moved(site: Site, office: Office) -> None:
    """And nowhere once it is private to others, or no client's."""
    _, b, _ = office.ids
    email = await office.asks()
    old = await Activity.get(email_id=email)
    await decisions.file_under(office.eva, await seen(email), b, NOW)
    new = await Activity.get(email_id=email, client_id=b)
    eva, bob = await site.signed_in(office.eva), await site.signed_in(office.bob)
    assert (await bob.get(f"/activities/{old.id}")).target == f"/activities/{new.id}"
    await make_private(office.eva, await seen(email), new.id, True, NOW)
    assert (await bob.get(f"/activities/{old.id}")).status == 404
    assert (await eva.get(f"/activities/{old.id}")).target == f"/activities/{new.id}"
    await decisions.dismiss(office.eva, await seen(email), NOW)
    assert (await eva.get(f"/activities/{old.id}")).status == 404
