"""Two people say something about one mail at the same moment, each in a browser of their own: one word holds, the other is told."""

import asyncio
import itertools

import pytest

from models.activities import Activity, Review
from models.audit_log import AuditEntry
from models.directory import Client
from models.emails import Email
from tests.models.office import Office, acts, an_office, places
from tests.portal.browser import Browser, Page
from tests.portal.mails import NOW
from tests.portal.site import Site

NAMES = ("Harbour Ltd", "Quay Ltd", "Mill Dairy")
NOT_A_CLIENTS = "Not a client’s mail"
PAIRS = list(itertools.combinations_with_replacement([*NAMES[:2], NOT_A_CLIENTS], 2))


@pytest.fixture
async def office(site: Site) -> Office:
    office = await an_office(NOW)
    for client, name in zip(office.clients, NAMES, strict=True):
        await Client.filter(id=client.id).update(name=name)
    return office


async def both(site: Site, office: Office) -> list[tuple[Browser, Page]]:
    """Eva and Bob, each with the queue before their eyes."""
    browsers = [await site.signed_in(user) for user in (office.eva, office.bob)]
    return [(browser, await browser.get("/?queue=everyone")) for browser in browsers]


@pytest.mark.parametrize("scripts", [False, True], ids=["pages", "htmx"])
@pytest.mark.parametrize("words", PAIRS, ids=" | ".join)
async def test_one_word_holds_and_the_other_person_is_told_whose(
    site: Site, office: Office, words: tuple[str, str], *, scripts: bool
) -> None:
    """Scenario 72. Nothing is doubled: one question, one answer, one shown activity at most."""
    people, headers = await both(site, office), {"HX-Request": "true"} if scripts else {}
    for turn in range(3):
        email = await office.asks(f"mail {turn}")
        people = [(browser, await browser.get("/?queue=everyone")) for browser, _ in people]
        said = [form_of(page, email, word) for (_, page), word in zip(people, words, strict=True)]
        answers = await asyncio.gather(*(browser.post(*form, headers) for (browser, _), form in zip(people, said, strict=True)))
        done = [answer.status == (200 if scripts else 303) for answer in answers]
        assert sorted(answer.status for answer in answers) == [200 if scripts else 303, 409]
        winner, loser = (office.eva, office.bob) if done[0] else (office.bob, office.eva)
        told = answers[done.index(False)].text
        assert f"{winner.name} was faster. What you chose was not done." in told
        held = words[done.index(True)]
        assert ("not a client’s mail." if held == NOT_A_CLIENTS else f"filed it under {held}") in told
        await stands(office, email, held, winner.id)
        assert [by for _, by in await acts(email)] == [winner.id]
        assert not await AuditEntry.filter(email_id=email, user_id=loser.id).exists()


def form_of(page: Page, email: int, button: str) -> tuple[str, dict[str, str]]:
    """What this button on the mail's card would send, and where to."""
    card = page.dom.select_one(f"#q{email}")
    assert card is not None
    form = next(form for form in card.select("form") if any(button in found.get_text() for found in form.select("button")))
    pressed = next(found for found in form.select("button") if button in found.get_text())
    held = {str(field["name"]): str(field["value"]) for field in form.select("input")}
    return str(form["action"]), held | ({str(pressed["name"]): str(pressed["value"])} if pressed.get("name") else {})


async def stands(office: Office, email: int, held: str, by: int) -> None:
    """As the one said it, and in no way as the other one did."""
    review = await Review.get(email_id=email)
    a, b, _ = office.ids
    now = await places(email)
    if held == NOT_A_CLIENTS:
        assert {client: status for client, (status, _) in now.items()} == {a: "dismissed", b: "dismissed"}
        assert (await Email.get(id=email)).dismissed_at
    else:
        chosen = {"Harbour Ltd": a, "Quay Ltd": b}[held]
        assert {client: status for client, (status, _) in now.items()} == {chosen: "filed", a + b - chosen: "dismissed"}
        assert (await Activity.get(email_id=email, client_id=chosen)).decided_by_id == by  # type: ignore[attr-defined]
    assert (review.decided_at, review.decided_by_id) == (NOW, by)  # type: ignore[attr-defined]


async def test_who_clicks_twice_has_said_it_once(site: Site, office: Office) -> None:
    """Scenario 72. A double click is no fight with oneself."""
    eva = await site.signed_in(office.eva)
    email = await office.asks()
    form = form_of(await eva.get("/"), email, "Quay Ltd")
    answers = await asyncio.gather(*(eva.post(*form) for _ in range(3)))
    assert [answer.status for answer in answers] == [303, 303, 303]
    assert await acts(email) == [("reassigned", office.eva.id)]
    assert "You filed it under Quay Ltd" in (await eva.follow(answers[0])).text


async def test_who_says_something_else_right_after_is_no_double_click(site: Site, office: Office) -> None:
    """Scenario 72. Nor is the same form half a minute later."""
    eva = await site.signed_in(office.eva)
    email = await office.asks()
    page = await eva.get("/")
    quay, harbour = form_of(page, email, "Quay Ltd"), form_of(page, email, "Harbour Ltd")
    assert (await eva.post(*quay)).status == 303
    assert (await eva.post(*harbour)).status == 409
    site.clock.now = office.later(seconds=30)
    assert (await eva.post(*quay)).status == 409
    assert await acts(email) == [("reassigned", office.eva.id)]


async def test_undo_meets_a_decision(site: Site, office: Office) -> None:
    """Scenario 72. Whoever comes first: the mail is as one of them wanted it, and both know."""
    eva, bob = [await site.signed_in(user) for user in (office.eva, office.bob)]
    for turn in range(3):
        email = await office.asks(f"mail {turn}")
        await eva.post(*form_of(await eva.get("/"), email, "Quay Ltd"))
        activity = await Activity.get(email_id=email, client_id=office.ids[1])
        undo = form_of(await eva.get("/"), email, "Undo")
        mine = (await bob.get(f"/activities/{activity.id}")).form(NOT_A_CLIENTS)
        fields = {str(field["name"]): str(field["value"]) for field in mine.select("input")} | {"act": "dismiss"}
        answers = await asyncio.gather(eva.post(*undo), bob.post(f"/mails/{email}/decision", fields))
        assert sorted(answer.status for answer in answers) == [303, 409]
        undone = answers[0].status == 303
        assert [act for act, _ in await acts(email)] == ["reassigned", "undone" if undone else "dismissed"]
        assert (f"{office.eva.name if undone else office.bob.name} was faster") in answers[1 if undone else 0].text
