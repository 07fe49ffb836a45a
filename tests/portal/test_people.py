"""A person's page: what an admin sees and does there, what it does to them, and what is refused."""

from datetime import timedelta

import pytest

from models import people
from models.firms import Firm, User
from models.mailboxes import Mailbox
from models.notices import Notice
from models.people import AllowedAddress
from models.sessions import Session, SignInLink
from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.portal.browser import Browser, Page
from tests.portal.mails import NOW, file_mail
from tests.portal.site import Site

DAY = timedelta(days=1)


@pytest.fixture
async def firm(database: None) -> Firm:
    return await a_firm("Sample & Co")


@pytest.fixture
async def ann(firm: Firm) -> User:
    return await a_user(firm, "ann@sample.test", role="admin")


@pytest.fixture
async def robin(firm: Firm) -> User:
    return await a_user(firm, "robin@sample.test")


@pytest.fixture
async def browser(site: Site, ann: User) -> Browser:
    return await site.signed_in(ann)


def page_of(user: User) -> str:
    return f"/settings/people/{user.id}"


async def again(user: User) -> User:
    return await User.get(id=user.id)


def buttons(page: Page) -> list[str]:
    return [" ".join(button.get_text(" ").split()) for button in page.dom.select("main button")]


async def test_a_person_is_seen_with_all_that_they_hold(site: Site, browser: Browser, robin: User) -> None:
    await a_mailbox(robin, at=NOW - DAY)
    shared = await a_mailbox(robin, address="accounts@sample.test")
    await Mailbox.filter(id=shared.id).update(last_push_at=NOW - timedelta(minutes=2), last_checked_at=NOW, last_filed_at=NOW - DAY)
    await User.filter(id=robin.id).update(created_at=NOW - 30 * DAY)
    for _ in range(2):
        await site.signed_in(robin)
    page = await browser.get(page_of(robin))
    assert page.heading == "Robin"
    for said in (
        "Signs in as robin@sample.test Role Staff Here since 3 February 2026 Signed in on 2 devices",
        "robin@sample.test connected Since 4 March 2026.",
        "Last push from Google 2 min ago Last look just now Last mail filed Wed 10:45",
        "accounts@sample.test connected",
    ):
        assert said in page.text
    assert page.text.count("This is neither the address that Robin signs in with nor one that is allowed below") == 1
    for closed in page.dom.select("details"):
        assert not closed.has_attr("open")


# name, role, login address


async def test_name_role_and_login_address_are_changed(browser: Browser, robin: User) -> None:
    page = await browser.get(page_of(robin))
    done = await browser.press(page, "Save", name="Robin Sample", role="admin", email="r.sample@sample.test")
    assert (done.status, done.target) == (303, page_of(robin))
    changed = await again(robin)
    assert (changed.name, changed.role, changed.email_key) == ("Robin Sample", "admin", "r.sample@sample.test")
    assert (await browser.follow(done)).heading == "Robin Sample admin"
    await browser.press(await browser.get(page_of(robin)), "Save", role="staff")
    assert not (await again(robin)).is_admin


@pytest.mark.parametrize(
    ("email", "said"),
    [
        ("nonsense", "That is not an e-mail address."),
        ("ann@sample.test", "That address is Ann’s already: see their page."),
        ("zoe@theirs.test", "That address signs in elsewhere already, and an address signs in to one firm."),
    ],
)
async def test_an_address_that_cannot_be_is_refused_in_words(browser: Browser, robin: User, email: str, said: str) -> None:
    await a_user(await a_firm("Theirs Ltd"), "zoe@theirs.test")
    refused = await browser.press(await browser.get(page_of(robin)), "Save", name="New", email=email)
    assert refused.status == 409
    assert f"Nothing was changed. {said}" in refused.text
    assert "Theirs Ltd" not in refused.body
    assert (await again(robin)).name == "Robin"


async def test_a_role_that_there_is_not_is_refused(browser: Browser, robin: User) -> None:
    page = await browser.get(page_of(robin))
    assert (await browser.press(page, "Save", role="operator")).status == 400
    assert (await again(robin)).role == "staff"


async def test_an_admin_gives_up_their_own_rights_only_when_they_are_sure(browser: Browser, ann: User, robin: User) -> None:
    await User.filter(id=robin.id).update(role="admin")
    asked = await browser.press(await browser.get(page_of(ann)), "Save", role="staff", name="Ann Other")
    assert asked.status == 409
    assert "You are about to give up your own rights as an admin. You could not see this page any more" in asked.text
    assert (await again(ann)).is_admin
    done = await browser.press(asked, "Make me staff")
    assert ((await again(ann)).role, (await again(ann)).name) == ("staff", "Ann Other")
    assert (await browser.follow(done)).status == 200, "and lands where they may be"
    assert (await browser.get(page_of(robin))).status == 403


async def test_the_last_admin_neither_steps_down_nor_leaves(browser: Browser, ann: User) -> None:
    page = await browser.get(page_of(ann))
    stepped = await browser.press(await browser.press(page, "Save", role="staff"), "Make me staff")
    left = await browser.press(page, "I have left Sample & Co")
    for refused in (stepped, left):
        assert refused.status == 409
        assert "You are the only admin of Sample & Co" in refused.text
        assert "Make somebody else an admin first." in refused.text
    assert (await again(ann)).is_admin
    assert (await browser.get("/")).status == 200, "still signed in"


# mailboxes


async def test_a_mailbox_is_disconnected_and_its_person_written_to(browser: Browser, robin: User) -> None:
    """Scenario 100."""
    own, shared = await a_mailbox(robin), await a_mailbox(robin, address="accounts@sample.test")
    page = await browser.get(page_of(robin))
    assert "Robin is told by letter that you did it." in page.text
    done = await browser.press(page, "Disconnect accounts@sample.test")
    assert (done.status, done.target) == (303, page_of(robin))
    row = await Mailbox.get(id=shared.id)
    assert (row.state, row.epoch) == ("disconnected", shared.epoch + 1)
    assert (await Mailbox.get(id=own.id)).state == "connected"
    assert await Notice.all().values_list("kind", "user_id", "mailbox_id", "by") == [("disconnected", robin.id, shared.id, "Ann")]
    assert "Disconnect accounts@sample.test" not in buttons(await browser.follow(done))
    assert (await browser.press(page, "Disconnect accounts@sample.test")).status == 303
    assert await Notice.all().count() == 1


async def test_an_admin_who_disconnects_their_own_gets_no_letter(browser: Browser, ann: User) -> None:
    await a_mailbox(ann)
    page = await browser.get(page_of(ann))
    assert "by letter" not in page.text
    await browser.press(page, "Disconnect ann@sample.test")
    assert (await Mailbox.get(user=ann)).state == "disconnected"
    assert not await Notice.all().exists()


async def test_a_connection_made_after_the_page_was_shown_stays(browser: Browser, robin: User) -> None:
    """Scenario 120."""
    mailbox = await a_mailbox(robin)
    page = await browser.get(page_of(robin))
    await a_mailbox(robin, sub=mailbox.google_sub)
    await browser.press(page, "Disconnect robin@sample.test")
    assert (await Mailbox.get(id=mailbox.id)).state == "connected"


@pytest.mark.parametrize(("whose", "status"), [("a colleague's", 404), ("another firm's", 404), ("", 400), ("-1", 400), ("9" * 30, 400)])
async def test_only_a_mailbox_of_this_person_is_disconnected(browser: Browser, firm: Firm, robin: User, whose: str, status: int) -> None:
    """Scenario 75."""
    await a_mailbox(robin)
    holder = await a_user(firm if whose == "a colleague's" else await a_firm())
    named = await a_mailbox(holder) if " " in whose else None
    page = await browser.get(page_of(robin))
    answer = await browser.press(page, "Disconnect robin@sample.test", mailbox=str(named.id) if named else whose, epoch="")
    assert answer.status == status
    assert {mailbox.state for mailbox in await Mailbox.all()} == {"connected"}


async def test_a_shared_mailbox_is_allowed_and_taken_back_without_disconnecting_it(browser: Browser, robin: User) -> None:
    mailbox = await a_mailbox(robin, address="accounts@sample.test")
    done = await browser.press(await browser.get(page_of(robin)), "Allow it", address="Accounts@sample.test")
    assert (done.status, done.target) == (303, page_of(robin))
    page = await browser.follow(done)
    assert "Accounts@sample.test shared, allowed by an admin" in page.text
    assert "Removing an address disconnects nothing" in page.text
    assert "This is neither the address" not in page.text
    done = await browser.press(page, "Remove Accounts@sample.test")
    assert (done.status, done.target) == (303, page_of(robin))
    assert "it goes on until it is disconnected, but cannot be connected again" in (await browser.follow(done)).text
    assert (await Mailbox.get(id=mailbox.id)).state == "connected"
    assert (await browser.press(page, "Remove Accounts@sample.test")).status == 404


async def test_what_cannot_be_allowed_is_refused_in_words(browser: Browser, firm: Firm, ann: User, robin: User) -> None:
    await people.allow(ann, "accounts@sample.test")
    page = await browser.get(page_of(robin))
    for address, said in (
        ("nonsense", "That is not an e-mail address."),
        ("accounts@sample.test", "That address is Ann’s already"),
        ("ann@sample.test", "That address is Ann’s already"),
    ):
        refused = await browser.press(page, "Allow it", address=address)
        assert refused.status == 409
        assert said in refused.text
    assert await AllowedAddress.all().values_list("user_id", flat=True) == [ann.id]


async def test_an_address_of_somebody_else_is_not_taken_back(browser: Browser, ann: User, robin: User) -> None:
    await people.allow(ann, "accounts@sample.test")
    await people.allow(robin, "tax@sample.test")
    theirs = await AllowedAddress.get(user=ann)
    proof = str((await browser.get("/")).form("Sign out").find("input")["value"])  # type: ignore[index]
    answer = await browser.post(f"{page_of(robin)}/allowed-addresses/{theirs.id}/removal", {"form_proof": proof})
    assert answer.status == 404
    assert await AllowedAddress.all().count() == 2


# invited, signed out


async def test_who_never_connected_is_invited_again_once_a_day(site: Site, browser: Browser, robin: User) -> None:
    page = await browser.get(page_of(robin))
    assert "Robin was never connected. Not invited yet." in page.text
    done = await browser.press(page, "Invite Robin")
    assert (done.status, done.target) == (303, page_of(robin))
    assert await Notice.all().values_list("kind", "user_id", "by") == [("invitation", robin.id, "Ann")]
    invited = await browser.follow(done)
    assert "Invited on Thursday, 5 March 2026, 10:45 UTC; the letter is on its way." in invited.text
    assert not [button for button in buttons(invited) if button.startswith("Invite")]
    refused = await browser.press(page, "Invite Robin")
    assert (refused.status, "Robin was invited within the last day." in refused.text) == (409, True)
    assert await Notice.all().count() == 1
    site.clock.now += DAY
    assert (await browser.press(await browser.get(page_of(robin)), "Invite Robin again")).status == 303
    assert (await again(robin)).invited_at == NOW + DAY


async def test_a_person_is_signed_out_everywhere(site: Site, browser: Browser, robin: User) -> None:
    theirs = await site.signed_in(robin)
    link = await SignInLink.issue(robin, DAY, NOW, mailed=True)
    mailbox = await a_mailbox(robin)
    done = await browser.press(await browser.get(page_of(robin)), "Sign Robin out everywhere")
    assert "Signed in nowhere" in (await browser.follow(done)).text
    assert (await theirs.get("/")).status == 303
    assert await SignInLink.usable(link, NOW) is None
    assert (await browser.get("/")).status == 200, "the admin is not"
    assert (await Mailbox.get(id=mailbox.id)).state == "connected"
    assert (await site.signed_in(robin)).cookies


async def test_an_admin_who_signs_themselves_out_everywhere_is_at_the_door(browser: Browser, ann: User) -> None:
    done = await browser.press(await browser.get(page_of(ann)), "Sign me out everywhere")
    assert (done.status, done.target) == (303, "/sign-in")
    assert not await Session.filter(user=ann).exists()
    assert not browser.cookies


# gone, and back


async def test_whoever_has_left_is_shut_out_and_their_filed_mail_stays(site: Site, browser: Browser, firm: Firm, robin: User) -> None:
    """Scenarios 99, 100."""
    theirs, mailbox = await site.signed_in(robin), await a_mailbox(robin)
    client = await a_client(firm, "Harbour Bakery")
    activity = await file_mail(mailbox, client)
    await file_mail(mailbox, doubt=(client, await a_client(firm)), subject="Whose is it?")
    page = await browser.get(page_of(robin))
    assert "What was filed stays, and so do questions about it: they are the firm’s." in page.text
    done = await browser.press(page, "Robin has left")
    assert (done.status, done.target) == (303, page_of(robin))
    assert (await theirs.get("/")).status == 303
    row = await Mailbox.get(id=mailbox.id)
    assert row.state == "disconnected"
    assert row.parting_at
    assert row.parting_at > NOW, "Google was asked at once, was not there, and is asked again"
    assert not await Notice.all().exists()
    assert (await browser.get(f"/activities/{activity.id}")).status == 200
    assert "1 mail needs your eye" in (await browser.get("/")).text
    left = await browser.follow(done)
    assert left.heading == "Robin has left"
    assert "Left 5 March 2026" in left.text
    assert buttons(left) == ["Robin is back"]


async def test_whoever_is_back_may_sign_in_and_is_invited(site: Site, browser: Browser, robin: User) -> None:
    await people.leave(robin, NOW)
    done = await browser.press(await browser.get(page_of(robin)), "Robin is back")
    assert (done.status, done.target) == (303, page_of(robin))
    assert "Invite Robin" in buttons(await browser.follow(done))
    assert (await (await site.signed_in(robin)).get("/")).status == 200


async def test_forms_that_were_shown_before_somebody_left_change_nothing(browser: Browser, robin: User) -> None:
    page = await browser.get(page_of(robin))
    await people.leave(robin, NOW)
    for button, changed in (("Save", {"name": "New"}), ("Allow it", {"address": "accounts@sample.test"})):
        refused = await browser.press(page, button, **changed)
        assert (refused.status, "Robin has left Sample & Co." in refused.text) == (409, True)
    assert (await browser.press(page, "Invite Robin")).status == 303
    assert (await browser.press(page, "Robin has left")).status == 303
    assert not await Notice.all().exists()
    assert not await AllowedAddress.all().exists()
    assert ((await again(robin)).name, (await again(robin)).left_at) == ("Robin", NOW)


async def test_an_admin_who_leaves_is_out_at_once(browser: Browser, ann: User, robin: User) -> None:
    await User.filter(id=robin.id).update(role="admin")
    page = await browser.get(page_of(ann))
    assert "You cannot sign in any more, starting now, and only another admin can undo it." in page.text
    done = await browser.press(page, "I have left Sample & Co")
    assert (done.status, done.target) == (303, "/sign-in")
    assert not (await again(ann)).active
    assert (await browser.get("/")).status == 303
