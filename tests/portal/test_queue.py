"""The review queue: what waits for whom, what one click does, and what one is told."""

from datetime import timedelta
from typing import Any

import pytest

from models import clients
from models.activities import Review
from models.directory import Client
from models.emails import Email
from models.never_file import patterns
from tests.builders import a_mailbox, a_user
from tests.models.emails import PAT
from tests.models.office import Office, acts, an_office, places, shown
from tests.portal.browser import Browser, Page
from tests.portal.mails import NOW
from tests.portal.site import Site

HARBOUR, QUAY, MILL = NAMES = ("Harbour Ltd", "Quay Ltd", "Mill Dairy")
HTMX = {"HX-Request": "true"}


@pytest.fixture
async def office(site: Site) -> Office:
    office = await an_office(NOW)
    for client, name in zip(office.clients, NAMES, strict=True):
        await Client.filter(id=client.id).update(name=name)
    return office


def cards(page: Page) -> list[int]:
    return [int(str(card["id"])[1:]) for card in page.dom.select("article.review")]


def card(page: Page, email: int) -> Any:
    found = page.dom.select_one(f"#q{email}")
    assert found is not None, page.text
    return found


def words(tag: Any) -> str:
    return " ".join(tag.get_text().split())


def buttons(page: Page, email: int) -> list[str]:
    """Those of the card's choice, without their keys."""
    for key in (found := card(page, email)).select("kbd"):
        key.extract()
    return [words(button) for button in found.select(".choice-row button")]


async def say(browser: Browser, page: Page, email: int, action: str, headers: dict[str, str] | None = None, /, **fields: str) -> Page:
    """Sends a form of the queue with the version that its card shows."""
    version = card(page, email).select_one("input[name=version]")["value"]
    proof = page.dom.select_one("main input[name=form_proof]")
    assert proof is not None
    told = {"form_proof": str(proof["value"]), "version": str(version), "back": "mine"} | fields
    return await browser.post(f"/mails/{email}/{action}", told, headers)


async def test_a_card_says_who_wrote_what_whose_it_may_be_and_why(site: Site, office: Office) -> None:
    """Scenario 59. The best candidate is the one main button, and every candidate is a button."""
    email = await office.asks(subject="March figures")
    page = await (await site.signed_in(office.eva)).get("/")
    assert page.heading == "1 mail needs your eye"
    assert cards(page) == [email]
    text = words(card(page, email))
    for part in ("March figures", "Pat <", "→ you", f"Probably {HARBOUR}:", f"Or {QUAY}"):
        assert part in text
    assert buttons(page, email) == [HARBOUR, QUAY, "Not a client’s mail"]
    assert [words(main) for main in card(page, email).select("button.main")] == [f"{HARBOUR}1"]


async def test_an_empty_queue_says_so(site: Site, office: Office) -> None:
    page = await (await site.signed_in(office.eva)).get("/")
    assert page.heading == "Nothing needs your eye"
    assert "Mail that could be several clients’ waits here" in page.text
    assert not page.dom.select("#several")


@pytest.mark.parametrize("scripts", [False, True], ids=["page", "htmx"])
@pytest.mark.parametrize(("client", "act"), [(HARBOUR, "approved"), (QUAY, "reassigned")])
async def test_one_click_files_it_and_undo_brings_it_back(site: Site, office: Office, client: str, act: str, *, scripts: bool) -> None:
    """Scenario 59."""
    email, chosen = await office.asks(), office.ids[NAMES.index(client)]
    eva, headers = await site.signed_in(office.eva), HTMX if scripts else {}
    page = await eva.get("/")
    done = await say(eva, page, email, "decision", headers, client=str(chosen))
    after = done if scripts else await eva.follow(done)
    assert f"You filed it under {client}" in words(card(after, email))
    assert await shown(email) == {chosen}
    assert await acts(email) == [(act, office.eva.id)]
    assert (await eva.get("/")).heading == "Nothing needs your eye"
    if scripts:
        assert words(after.dom.select_one("#counts h1")) == "Nothing needs your eye"
        assert after.dom.select_one("#counts")["hx-swap-oob"] == "true"  # type: ignore[index]
        after = await eva.get(f"/?said={email}")
    undone = await eva.follow(await say(eva, after, email, "undo"))
    assert email in cards(undone)
    assert (await eva.get("/")).heading == "1 mail needs your eye"


async def test_mine_is_what_my_mailbox_got_and_what_was_handed_to_me(site: Site, office: Office) -> None:
    """And everyone's is all of it; what I hand over is mine no longer."""
    evas, bobs, both = (
        await office.asks("eva's"),
        await office.files("bob's", in_doubt=office.ids[:2], box=office.bobs),
        await office.asks("x"),
    )
    await office.files("x", in_doubt=office.ids[:2], box=office.bobs)
    eva, bob = await site.signed_in(office.eva), await site.signed_in(office.bob)
    assert set(cards(await eva.get("/"))) == {evas, both}
    assert set(cards(await bob.get("/"))) == {bobs, both}
    assert set(cards(await eva.get("/?queue=everyone"))) == {evas, bobs, both}
    page = await eva.get("/")
    assert [words(tab) for tab in page.dom.select("#counts nav a")] == ["Mine 2", "Everyone’s 3"]
    done = await eva.follow(await say(eva, page, evas, "hand-over", to=str(office.bob.id)))
    assert f"Waits for {office.bob.name} now." in words(card(done, evas))
    assert cards(await eva.get("/")) == [both]
    assert set(cards(await bob.get("/"))) == {evas, bobs, both}
    assert "waits for you" in words(card(await bob.get("/"), evas))
    back = await eva.get(f"/?said={evas}")
    await say(eva, back, evas, "hand-over", to="")
    assert set(cards(await eva.get("/"))) == {evas, both}
    assert set(cards(await bob.get("/"))) == {bobs, both}


async def test_who_holds_no_mailbox_sees_everyones_first(site: Site, office: Office) -> None:
    email = await office.asks()
    page = await (await site.signed_in(await a_user(office.firm, role="admin"))).get("/")
    assert cards(page) == [email]
    assert page.heading == "1 mail needs your eye"


async def test_all_is_well_with_mine_and_colleagues_have_some(site: Site, office: Office) -> None:
    await office.files("bob's", in_doubt=office.ids[:2], box=office.bobs)
    page = await (await site.signed_in(office.eva)).get("/")
    assert (page.heading, cards(page)) == ("Nothing needs your eye", [])
    assert "Your colleagues have 1 question" in page.text
    assert "/?queue=everyone" in page.links()


@pytest.mark.parametrize("kind", ["automatic", "mass"])
async def test_automatic_and_mass_mail_waits_behind_and_is_not_counted(site: Site, office: Office, kind: str) -> None:
    """Scenarios 49, 66, 74."""
    quiet, loud = await office.asks("quiet", kind=kind), await office.asks("loud")
    eva = await site.signed_in(office.eva)
    page = await eva.get("/")
    assert page.heading == "1 mail needs your eye"
    behind = page.dom.select_one("details.behind")
    assert behind is not None
    assert [one["id"] for one in behind.select("article")] == [f"q{quiet}"]
    assert "1 automatic or mass mail in doubt" in words(behind.select_one("summary"))
    assert cards(page) == [loud, quiet]
    await say(eva, page, loud, "decision", client=str(office.ids[0]))
    page = await eva.get("/")
    assert page.heading == "Nothing needs your eye"
    assert cards(page) == [quiet]
    await say(eva, page, quiet, "decision", client=str(office.ids[1]))
    assert cards(await eva.get("/")) == []


async def test_a_forged_mail_warns_and_has_no_main_button(site: Site, office: Office) -> None:
    """Scenario 67."""
    a, b, _ = office.ids
    email = await office.files("forged", in_doubt=(a, b), trust="forged")
    page = await (await site.signed_in(office.eva)).get("/")
    assert "Google could not confirm" in words(card(page, email))
    assert not card(page, email).select("button.main")
    assert buttons(page, email)[:2] == [HARBOUR, QUAY]


async def test_any_other_client_is_found_by_a_part_of_its_name(site: Site, office: Office) -> None:
    """With scripts a list opens in the card; without, it is a page of its own."""
    await Client.create(firm=office.firm, external_id="old", name="Mill Race", archived_at=NOW)
    email, eva = await office.asks(), await site.signed_in(office.eva)
    page = await eva.get("/")
    link = next(link for link in page.links() if f"/mails/{email}/clients" in link)
    for address, headers in ((f"{link}&q=mil", {}), (f"{link}&q=MILL", HTMX)):
        found = await eva.get(address, **{name.replace("_", "-"): value for name, value in headers.items()})
        assert [words(button) for button in found.dom.select("button[name=client]")] == [MILL]
    assert "No client’s name or number has “zzz”" in (await eva.get(f"{link}&q=zzz")).text
    done = await eva.follow(await eva.press(await eva.get(f"{link}&q=mil"), MILL))
    assert f"You filed it under {MILL}" in words(card(done, email))
    assert await shown(email) == {office.ids[2]}
    assert await acts(email) == [("reassigned", office.eva.id)]


async def test_not_a_clients_mail_offers_never_to_file_its_sender(site: Site, office: Office) -> None:
    """For oneself; an admin also for the firm. Taken up, it says so."""
    email, eva = await office.asks(), await site.signed_in(office.eva)
    done = await eva.follow(await say(eva, await eva.get("/"), email, "decision", act="dismiss"))
    text = words(card(done, email))
    assert "You said: not a client’s mail." in text
    assert "Its text is erased on" in text
    assert f"Never file mail from {PAT}?" in text
    assert not any("Never for " in words(button) and "me" not in words(button) for button in card(done, email).select(".offer button"))
    assert await shown(email) == set()
    after = await eva.follow(await eva.press(done, "Never for me"))
    assert f"Mail from {PAT} is not filed any more." in words(card(after, email))
    assert [listed.pattern for listed in await patterns(office.firm.id, office.eva.id)] == [PAT]
    assert await patterns(office.firm.id, None) == []


async def test_the_offer_for_the_firm_is_an_admins(site: Site, office: Office) -> None:
    """Scenario 75. Somebody else who sends its form is refused."""
    email = await office.asks()
    admin = await a_user(office.firm, role="admin")
    await a_mailbox(admin, at=NOW)
    boss, eva = await site.signed_in(admin), await site.signed_in(office.eva)
    page = await eva.follow(await say(eva, await eva.get("/"), email, "decision", act="dismiss"))
    proof = str(page.dom.select_one("main input[name=form_proof]")["value"])  # type: ignore[index]
    assert (await eva.post(f"/mails/{email}/never-file", {"form_proof": proof, "whom": "firm"})).status == 403
    assert await patterns(office.firm.id, None) == []
    offered = await boss.get(f"/?said={email}")
    await boss.press(offered, f"Never for {office.firm.name}")
    assert [listed.pattern for listed in await patterns(office.firm.id, None)] == [PAT]


async def test_a_sender_about_whom_nothing_was_said_is_not_put_on_the_list(site: Site, office: Office) -> None:
    email, eva = await office.asks(), await site.signed_in(office.eva)
    page = await eva.get("/")
    assert (await say(eva, page, email, "never-file", whom="me")).status == 404
    assert await patterns(office.firm.id, office.eva.id) == []


async def test_open_questions_of_the_thread_follow_and_say_so(site: Site, office: Office) -> None:
    """Scenario 55. Undo brings them back, too."""
    first, second = await office.asks("first", thread="t"), await office.asks("second", thread="t")
    eva = await site.signed_in(office.eva)
    page = await eva.get("/")
    done = await say(eva, page, first, "decision", HTMX, client=str(office.ids[1]))
    assert f"You filed it under {QUAY}" in words(card(done, first))
    assert f"Filed with its thread under {QUAY}" in words(card(done, second))
    assert card(done, second)["hx-swap-oob"] == "true"
    assert cards(await eva.get("/")) == []
    await say(eva, await eva.get(f"/?said={first}"), first, "undo")
    assert set(cards(await eva.get("/"))) == {first, second}


async def test_the_same_for_the_rest_of_a_thread(site: Site, office: Office) -> None:
    """Scenario 55. Mail of it that was filed elsewhere by address is offered to follow, and does."""
    a, _, c = office.ids
    other, email = await office.files("filed", a, thread="t"), await office.asks("asks", thread="t")
    eva = await site.signed_in(office.eva)
    page = await eva.get("/")
    if email not in cards(page):
        pytest.fail(page.text)
    done = await eva.follow(await say(eva, page, email, "decision", client=str(c)))
    after = await eva.follow(await eva.press(done, "The same for the whole thread (1 more)"))
    assert after.status == 200
    assert c in await shown(other)


async def test_several_at_once(site: Site, office: Office) -> None:
    """Scenario 72. Ticked mails are filed as guessed; what somebody else decided meanwhile stands and is told; a forged one is left."""
    a, b, _ = office.ids
    mails = [await office.asks(f"mail {number}") for number in range(3)]
    forged = await office.files("forged", in_doubt=(a, b), trust="forged")
    eva, bob = await site.signed_in(office.eva), await site.signed_in(office.bob)
    page = await eva.get("/")
    await say(bob, await bob.get("/?queue=everyone"), mails[0], "decision", client=str(b))
    told = await eva.follow(await several(eva, page, [*mails, forged], act="approve"))
    assert "1 mail: somebody else was faster." in told.text
    assert "1 mail was left as it was: it wants a look of its own." in told.text
    assert [await shown(mail) for mail in mails] == [{b}, {a}, {a}]
    assert (await Review.get(email_id=forged)).decided_at is None


@pytest.mark.parametrize("act", ["dismiss", "file"])
async def test_several_are_no_clients_or_one_clients(site: Site, office: Office, act: str) -> None:
    mails, c = [await office.asks(f"mail {number}") for number in range(3)], office.ids[2]
    eva = await site.signed_in(office.eva)
    page = await eva.get("/")
    if act == "dismiss":
        told = await eva.follow(await several(eva, page, mails[:2], act="dismiss"))
    else:
        choosing = await several(eva, page, mails[:2], act="choose")
        assert choosing.heading == "File under one client"
        assert "2 mails" in choosing.text
        told = await eva.follow(
            await eva.post("/mails/decisions", [*several_fields(choosing, mails[:2], page), ("act", "file"), ("client", str(c))])
        )
    assert cards(told) == [mails[2]]
    assert [await shown(mail) for mail in mails[:2]] == [set() if act == "dismiss" else {c}] * 2
    assert await Email.filter(dismissed_at__isnull=False).count() == (2 if act == "dismiss" else 0)


def several_fields(page: Page, mails: list[int], ticks: Page) -> list[tuple[str, str]]:
    proof = page.dom.select_one("main input[name=form_proof]")
    assert proof is not None
    ticked = [("mail", str(ticks.dom.select_one(f"#q{mail} input[name=mail]")["value"])) for mail in mails]  # type: ignore[index]
    return [("form_proof", str(proof["value"])), ("back", "mine"), *ticked]


async def several(browser: Browser, page: Page, mails: list[int], act: str) -> Page:
    return await browser.post("/mails/decisions", [*several_fields(page, mails, page), ("act", act)])


async def test_nothing_ticked_changes_nothing(site: Site, office: Office) -> None:
    email, eva = await office.asks(), await site.signed_in(office.eva)
    assert cards(await eva.follow(await several(eva, await eva.get("/"), [], act="approve"))) == [email]


async def test_a_client_that_went_meanwhile_is_said_and_nothing_is_changed(site: Site, office: Office) -> None:
    """Scenario 73. The card was shown before; a fresh one has the candidates that there are now."""
    a, b, _ = office.ids
    email, eva = await office.asks(), await site.signed_in(office.eva)
    page = await eva.get("/")
    await clients.archive(office.firm.id, b, NOW)
    refused = await say(eva, page, email, "decision", client=str(b))
    assert refused.status == 409
    assert "What you chose was not done." in refused.text or "archived or gone" in refused.text
    assert await shown(email) == {a}
    now = await eva.get("/")
    assert QUAY not in buttons(now, email)
    gone = await say(eva, now, email, "decision", client=str(b))
    assert (gone.status, "That client is archived or gone" in gone.text) == (409, True)
    await clients.remove(office.firm.id, a, NOW)
    assert cards(await eva.get("/")) == []
    assert (await say(eva, now, email, "decision", client=str(a))).status in (404, 409)


async def test_a_merged_client_takes_the_question_along(site: Site, office: Office) -> None:
    """Scenario 73."""
    a, _, c = office.ids
    email, eva = await office.asks(), await site.signed_in(office.eva)
    await clients.merge(office.firm.id, a, c, NOW)
    assert set(buttons(await eva.get("/"), email)) >= {MILL, QUAY}


async def test_what_was_decided_lately_can_be_had_back(site: Site, office: Office) -> None:
    """For a day, on the first page."""
    email, eva = await office.asks(), await site.signed_in(office.eva)
    await say(eva, await eva.get("/"), email, "decision", client=str(office.ids[0]))
    page = await eva.get("/")
    assert "What you decided lately" in page.text
    assert card(page, email).select("button")
    assert "What you decided lately" not in (await (await site.signed_in(office.bob)).get("/")).text
    site.clock.now = office.later(hours=25)
    assert "What you decided lately" not in (await (await site.signed_in(office.eva)).get("/")).text


async def test_after_a_day_it_is_too_late_and_says_so(site: Site, office: Office) -> None:
    """Scenario 71."""
    email, eva = await office.asks(), await site.signed_in(office.eva)
    page = await eva.follow(await say(eva, await eva.get("/"), email, "decision", act="dismiss"))
    await Email.filter(id=email).update(erased_at=NOW + timedelta(days=1))
    late = await say(eva, page, email, "undo")
    assert late.status == 409
    assert "It is too late for that: the text of this mail has been erased." in late.text


@pytest.mark.parametrize("client", ["0", "-1", "x", "9" * 30])
async def test_a_form_that_nobody_wrote_changes_nothing(site: Site, office: Office, client: str) -> None:
    email, eva = await office.asks(), await site.signed_in(office.eva)
    before = await places(email)
    refused = await say(eva, await eva.get("/"), email, "decision", client=client)
    assert refused.status in (400, 409)
    assert await places(email) == before
    assert (await eva.get("/")).heading == "1 mail needs your eye"


async def test_the_queue_is_read_page_by_page(site: Site, office: Office) -> None:
    """Newest mail first; the heading counts all."""
    mails = []
    for number in range(23):
        mails.append(await office.asks(f"mail {number:02}", subject=f"Subject {number:02}"))
        office.later()
    eva = await site.signed_in(office.eva)
    first, second = await eva.get("/"), await eva.get("/?queue=mine&page=2")
    assert first.heading == "23 mails need your eye"
    assert cards(first) == mails[:2:-1]
    assert cards(second) == mails[2::-1]
    assert (await eva.get("/?queue=mine&page=9")).status == 404
