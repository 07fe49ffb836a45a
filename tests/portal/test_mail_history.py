"""One mail's page says who decided what about it, when, and what was before."""

from models import decisions
from models.activities import Activity
from models.clients import archive, merge
from models.directory import Client
from models.privacy import hand_over, make_private
from tests.models.office import Office, seen
from tests.portal.mail_page import HARBOUR, MILL, QUAY, history, page_of
from tests.portal.site import Site


async def test_history_says_who_moved_it_when_and_from_where(site: Site, office: Office) -> None:
    """Scenario 71. Also when the clients are called otherwise by now."""
    a, b, c = office.ids
    email = await office.files("mail", a)
    await decisions.file_under(office.eva, await seen(email), b, office.later(), instead_of=a)
    await decisions.also_under(office.bob, await seen(email), c, office.later())
    await decisions.dismiss(office.eva, await seen(email), office.later(), client_id=b)
    await make_private(office.eva, await seen(email), (await Activity.get(email_id=email, client_id=c)).id, True, office.later())
    await make_private(office.eva, await seen(email), (await Activity.get(email_id=email, client_id=c)).id, False, office.later())
    await Client.filter(id=b).update(name="Quay and Sons")
    page = await page_of(await site.signed_in(office.bob), email)
    assert history(page) == [
        "Eva shared it with everybody again, 5 March 2026, 10:50",
        "Eva made it private, 5 March 2026, 10:49",
        "Eva said that it is not Quay and Sons’s, 5 March 2026, 10:48",
        f"Bob filed it under {MILL}, too, 5 March 2026, 10:47",
        f"Eva moved it from {HARBOUR} to Quay and Sons, 5 March 2026, 10:46",
        "Postroom filed it, 5 March 2026, 10:45",
    ]
    assert f"Filed under {MILL} : You filed it here on 5 March 2026, 10:47" in page.text


async def test_history_tells_of_agreement_refusal_handing_over_and_dismissal(site: Site, office: Office) -> None:
    email, (a, b, c) = await office.asks(), office.ids
    browser = await site.signed_in(office.eva)
    await hand_over(office.eva, await seen(email), office.bob.id, office.now)
    page = await page_of(browser, email)
    assert "It waits for Bob ." in page.text
    assert history(page)[0].startswith("Eva handed the question to Bob,")
    await hand_over(office.eva, await seen(email), None, office.now)
    await decisions.dismiss(office.eva, await seen(email), office.now, client_id=a)
    page = await page_of(browser, email)
    assert history(page)[0].startswith(f"Eva said that it is not {HARBOUR}’s; the guess is {QUAY} now,")
    assert history(page)[1].startswith("Eva gave the question back to who received the mail,")
    await decisions.file_under(office.bob, await seen(email), b, office.now)
    page = await page_of(browser, email)
    assert history(page)[0].startswith(f"Bob agreed that it is {QUAY}’s,")
    assert f"Filed under {QUAY} : Bob agreed with the guess on 5 March 2026, 10:45" in page.text
    await decisions.dismiss(office.bob, await seen(email), office.now)
    await decisions.file_under(office.bob, await seen(email), c, office.now)
    page = await page_of(browser, email)
    assert [line.partition(",")[0] for line in history(page)[:2]] == [
        f"Bob filed it under {MILL}",
        "Bob said that it is not a client’s mail",
    ]


async def test_history_tells_what_became_of_it_when_a_client_went(site: Site, office: Office) -> None:
    """Scenario 73."""
    a, b, c = office.ids
    asked, filed = await office.asks(), await office.files("filed", b)
    await archive(office.firm.id, a, office.now)
    browser = await site.signed_in(office.eva)
    assert history(await page_of(browser, asked))[0].startswith(f"Postroom put it under {QUAY}, as a client was archived,")
    await merge(office.firm.id, b, c, office.now, by=office.bob.id)
    assert history(await page_of(browser, filed))[0].startswith(f"Bob put it under {MILL}, as two clients were merged,")


async def test_two_clients_of_one_name_are_two(site: Site, office: Office) -> None:
    a, b, _ = office.ids
    await Client.filter(id=b).update(name=HARBOUR)
    email = await office.files("mail", a)
    await decisions.file_under(office.eva, await seen(email), b, office.now, instead_of=a)
    assert history(await page_of(await site.signed_in(office.eva), email))[0].startswith(f"Eva moved it from {HARBOUR} to {HARBOUR},")


async def test_a_mail_that_followed_its_thread_says_so(site: Site, office: Office) -> None:
    """Scenario 55. Whether it was there already or comes later."""
    _, b, _ = office.ids
    first, waiting = await office.asks("one", thread="t"), await office.asks("two", thread="t")
    await decisions.file_under(office.bob, await seen(first), b, office.later())
    later = await office.asks("three", thread="t")
    browser = await site.signed_in(office.eva)
    for email, told in (
        (waiting, f"Postroom followed the thread, and filed it under {QUAY}, 5 March 2026, 10:46"),
        (later, "Postroom filed it with its thread, 5 March 2026, 10:46"),
    ):
        page = await page_of(browser, email)
        assert f"Filed under {QUAY} : it followed its thread: Bob filed this thread here" in page.text
        assert history(page)[0] == told
