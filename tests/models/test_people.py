"""The people of a firm: changed, gone and back, and never without an admin."""

import asyncio
from datetime import datetime, timedelta

import pytest

from models import connections, leases, people
from models.attempts import OAuthAttempt, Wish
from models.firms import Firm, User
from models.invitations import Guest, Outcome, invite
from models.leases import LeaseLost, NotTaken
from models.listings import person
from models.mailboxes import Mailbox
from models.notices import Notice, owe_letter
from models.parting import to_part
from models.people import AddressTaken, AllowedAddress, HasLeft, LastAdmin, NoAddress
from models.sessions import Session, SignInLink
from tests.builders import a_firm, a_mailbox, a_user, held

DAY = timedelta(days=1)
LEASE = timedelta(seconds=20)


@pytest.fixture
async def firm(database: None) -> Firm:
    return await a_firm()


async def again(user: User) -> User:
    return await User.get(id=user.id)


async def admins(firm: Firm) -> int:
    return await User.filter(firm=firm, role="admin", active=True).count()


# the last admin


@pytest.mark.parametrize("how", ["demoted", "gone"])
async def test_the_last_admin_stays_one(firm: Firm, now: datetime, how: str) -> None:
    """Scenario 99. Somebody is there to be told; an admin who has left, or of another firm, is none to rely on."""
    last = await a_user(firm, role="admin")
    await a_user(firm, role="admin", active=False)
    await a_user(await a_firm(), role="admin")
    await Session.begin(last.id, DAY, now)
    mailbox = await a_mailbox(last)
    with pytest.raises(LastAdmin):
        await (people.change(last, last.name, "staff", last.email) if how == "demoted" else people.leave(last, now))
    assert (await again(last)).active
    assert (await again(last)).is_admin
    assert await Session.of_user(last.id, now)
    assert (await Mailbox.get(id=mailbox.id)).state == "connected"


@pytest.mark.parametrize("how", ["demoted", "gone", "one of each"])
async def test_two_admins_who_unseat_each_other_at_once_leave_one(firm: Firm, now: datetime, how: str) -> None:
    """Scenario 99."""
    for _ in range(5):
        await User.filter(firm=firm).delete()
        one, other = await a_user(firm, role="admin"), await a_user(firm, role="admin")
        first = people.leave(one, now) if how != "demoted" else people.change(one, one.name, "staff", one.email)
        second = people.leave(other, now) if how == "gone" else people.change(other, other.name, "staff", other.email)
        done = await asyncio.gather(first, second, return_exceptions=True)
        assert [type(each) for each in done if isinstance(each, BaseException)] == [LastAdmin]
        assert await admins(firm) == 1


async def test_an_admin_among_others_may_go(firm: Firm, now: datetime) -> None:
    one, other, third = [await a_user(firm, role="admin") for _ in range(3)]
    await people.change(one, one.name, "staff", one.email)
    await people.leave(other, now)
    assert await admins(firm) == 1
    await people.change(third, "Another Name", "admin", third.email)
    assert await admins(firm) == 1


# name, role, login address


async def test_a_change_is_cleaned_and_kept(firm: Firm, now: datetime) -> None:
    user = await a_user(firm, "robin@sample.test")
    token = await Session.begin(user.id, DAY, now)
    await people.change(user, "  Robin\n  Sample\u202e\x00 ", "admin", " Robin.New@Sample.test ")
    changed = await again(user)
    assert (changed.name, changed.role) == ("Robin Sample", "admin")
    assert (changed.email, changed.email_key) == ("Robin.New@Sample.test", "robin.new@sample.test")
    assert await Session.user_of(token, now), "still signed in"
    await people.change(changed, " ", "admin", changed.email)
    assert (await again(user)).name == "Robin Sample"


async def test_a_login_address_signs_in_one_person_of_all_firms(firm: Firm) -> None:
    user, colleague, stranger = await a_user(firm), await a_user(firm, "bob@sample.test"), await a_user(await a_firm(), "zoe@theirs.test")
    with pytest.raises(AddressTaken) as ours:
        await people.change(user, "New Name", "staff", "BOB@sample.test")
    with pytest.raises(AddressTaken) as theirs:
        await people.change(user, "New Name", "staff", stranger.email)
    assert (ours.value.by, theirs.value.by) == (colleague.name, "")
    with pytest.raises(NoAddress):
        await people.change(user, "New Name", "staff", "nonsense")
    assert (await again(user)).name == user.name


async def test_links_that_went_to_the_old_address_sign_in_nobody(firm: Firm, now: datetime) -> None:
    user = await a_user(firm, "tpyo@sample.test")
    await invite(firm.id, [Guest("Typo", user.email, user.email_key)], "Ann", now)
    link = await SignInLink.issue(user, DAY, now, mailed=True)
    await people.change(user, "Other Name", "staff", user.email)
    assert await SignInLink.usable(link, now)
    await people.change(user, "Typo", "staff", "typo@sample.test")
    assert await SignInLink.redeem(link, now) is None
    key = "typo@sample.test"
    assert await invite(firm.id, [Guest("Typo", key, key)], "Ann", now) == {key: Outcome.AGAIN}, "the day's letter went astray"


# shared mailboxes


async def test_what_a_person_may_connect(firm: Firm) -> None:
    user = await a_user(firm, "Robin@sample.test")
    for address in ("Tax@sample.test", " Accounts@Sample.test", "accounts@sample.test", user.email):
        await people.allow(user, address)
    assert await people.addresses_of(user) == [
        ("Robin@sample.test", "robin@sample.test"),
        ("Accounts@Sample.test", "accounts@sample.test"),
        ("Tax@sample.test", "tax@sample.test"),
    ]
    with pytest.raises(NoAddress):
        await people.allow(user, "accounts")


async def test_a_shared_mailbox_has_one_holder_in_a_firm(firm: Firm, now: datetime) -> None:
    robin, bob, cas = await a_user(firm), await a_user(firm, "bob@sample.test"), await a_user(firm, "cas@sample.test")
    stranger = await a_user(await a_firm(), "zoe@theirs.test")
    await people.allow(robin, "accounts@sample.test")
    for address, by in (("ACCOUNTS@sample.test", robin.name), (bob.email, bob.name)):
        with pytest.raises(AddressTaken) as taken:
            await people.allow(cas, address)
        assert taken.value.by == by
    for address in ("accounts@sample.test", "zoe@theirs.test"):
        await people.allow(stranger if "accounts" in address else robin, address)  # what another firm does is not told
    await people.leave(bob, now)
    await people.allow(cas, bob.email)  # a leaver's mailbox may be taken over
    with pytest.raises(HasLeft):
        await people.allow(bob, "tax@sample.test")


async def test_taking_back_an_address_disconnects_nothing(firm: Firm) -> None:
    robin = await a_user(firm)
    await people.allow(robin, "accounts@sample.test")
    mailbox = await a_mailbox(robin, address="accounts@sample.test")
    allowed = await AllowedAddress.get(user=robin)
    assert not await people.disallow(await a_user(firm), allowed.id)
    assert await people.disallow(robin, allowed.id)
    assert not await people.disallow(robin, allowed.id)
    assert await people.addresses_of(robin) == [(robin.email, robin.email_key)]
    assert (await Mailbox.get(id=mailbox.id)).state == "connected"


# gone, and back


async def test_whoever_leaves_has_no_way_in_and_nothing_of_theirs_is_read(firm: Firm, now: datetime) -> None:
    """Scenarios 99, 100."""
    admin, user = await a_user(firm, role="admin"), await a_user(firm)
    own, shared, colleagues = await a_mailbox(user), await a_mailbox(user, address="accounts@sample.test"), await a_mailbox(admin)
    session = await Session.begin(user.id, DAY, now)
    link = await SignInLink.issue(user, DAY, now, mailed=True)
    state = await OAuthAttempt.begin(session, user.id, Wish(), code_verifier="sealed", nonce="nonce", valid_for=DAY, now=now)
    await people.allow(user, "accounts@sample.test")
    assert sorted(await people.leave(user, now)) == [own.id, shared.id]
    gone = await again(user)
    assert (gone.active, gone.left_at) == (False, now)
    assert await Session.user_of(session, now) is None
    assert await SignInLink.redeem(link, now) is None
    assert await OAuthAttempt.redeem(state, session, user.id, now) is None
    for mailbox in (own, shared):
        row = await Mailbox.get(id=mailbox.id)
        assert (row.state, row.stopped_at, row.parting_at) == ("disconnected", now, now)
        parting = await to_part(row.id, now)
        assert parting
        assert parting.for_good
        assert not parting.on_the_way
    assert (await Mailbox.get(id=colleagues.id)).state == "connected"
    await people.allow(admin, "accounts@sample.test")
    assert await people.leave(user, now + DAY) == []
    assert (await again(user)).left_at == now


async def test_what_runs_for_a_leaver_writes_nothing_more(firm: Firm, now: datetime) -> None:
    """Scenario 120."""
    user = await a_user(firm)
    mailbox = await a_mailbox(user)
    run = await held(mailbox, now)
    await people.leave(user, now)
    with pytest.raises(LeaseLost):
        await leases.renew(run, now)
    assert await leases.take(mailbox.id, "another", LEASE, now) == NotTaken("not connected")


async def test_no_letter_follows_a_leaver(firm: Firm, now: datetime) -> None:
    """Scenarios 97, 99. Neither to them nor, about their mailbox, to the admins; what others are owed stays."""
    admin, user, colleague = await a_user(firm, role="admin"), await a_user(firm), await a_user(firm)
    for each in (user, colleague):
        mailbox = await a_mailbox(each)
        assert await connections.lapse(mailbox.id, mailbox.epoch, "account_disabled", now)
        await owe_letter(each, "sign_in", "key", now)
    assert await Notice.filter(user=admin, kind="account").count() == 2
    await people.leave(user, now)
    left = await Notice.filter(dropped_at=None).values_list("user_id", flat=True)
    assert sorted(set(left)) == sorted([admin.id, colleague.id])
    assert await Notice.filter(user=admin, kind="account", dropped_at=None).count() == 1
    assert not await Notice.filter(kind="disconnected").exists()
    assert {notice.dropped_because for notice in await Notice.exclude(dropped_at=None)} == {"left"}


async def test_who_comes_back_signs_in_as_staff_and_connects_anew(firm: Firm, now: datetime) -> None:
    """Scenario 99. What was theirs before opens nothing."""
    await a_user(firm, role="admin")
    user = await a_user(firm, role="admin")
    mailbox, old = await a_mailbox(user), await Session.begin(user.id, DAY, now)
    link = await SignInLink.issue(user, DAY, now, mailed=True)
    await people.leave(user, now)
    await people.come_back(user)
    back = await again(user)
    assert (back.active, back.left_at, back.role) == (True, None, "staff")
    assert await Session.user_of(old, now) is None
    assert await SignInLink.usable(link, now) is None
    assert (await Mailbox.get(id=mailbox.id)).state == "disconnected"
    await people.change(back, back.name, "admin", back.email)
    await people.come_back(back)
    assert (await again(user)).role == "admin", "who is here does not come back"


async def test_nothing_is_changed_of_who_has_left(firm: Firm, now: datetime) -> None:
    await a_user(firm, role="admin")
    user = await a_user(firm)
    await people.leave(user, now)
    with pytest.raises(HasLeft):
        await people.change(user, "New Name", "admin", "new@sample.test")
    assert (await again(user)).email == user.email


# as the admins see them


async def test_the_letters_about_a_lapse_are_told(firm: Firm, now: datetime) -> None:
    """Scenarios 97, 129. Of one whose access ends again and again, also the letter that went out before."""
    user = await a_user(firm)
    mailbox = await a_mailbox(user)
    await connections.lapse(mailbox.id, mailbox.epoch, "invalid_rapt", now)

    async def told() -> tuple[datetime | None, datetime | None]:
        seen = await person(firm.id, user.id)
        assert seen
        return seen.mailboxes[0].told_at, seen.mailboxes[0].next_letter_at

    assert await told() == (None, now + timedelta(minutes=2))
    await Notice.filter(kind="lapse").update(sent_at=now)
    assert await told() == (now, now + 3 * DAY)
    await Mailbox.filter(id=mailbox.id).update(state="connected")
    await connections.lapse(mailbox.id, mailbox.epoch + 1, "invalid_rapt", now + DAY)
    assert await told() == (now, now + 4 * DAY)
    await Mailbox.filter(id=mailbox.id).update(lapsed_at=now + 400 * DAY)
    assert (await told())[0] is None


async def test_another_firms_person_is_not_seen(firm: Firm) -> None:
    """Scenario 75."""
    assert await person(firm.id, (await a_user(await a_firm())).id) is None
