"""Invitations: who is made a user, who is written to, and how often."""

import asyncio
from datetime import datetime, timedelta

import pytest

from models import people
from models.firms import Firm, User
from models.invitations import ONE_A_DAY, Guest, Outcome, invite, invite_who_never_connected
from models.notices import Notice
from models.outbox import claim_letter, sent
from tests.builders import a_firm, a_mailbox, a_user


@pytest.fixture
async def firm(database: None) -> Firm:
    return await a_firm()


def guest(address: str) -> Guest:
    return Guest("Robin Sample", address, address.lower())


async def letters(user: User) -> list[Notice]:
    return await Notice.filter(user=user, kind="invitation", dropped_at=None).order_by("id")


async def test_a_new_person_becomes_staff_and_is_owed_a_letter(firm: Firm, now: datetime) -> None:
    assert await invite(firm.id, [guest("Robin@sample.test")], "Ann Admin", now) == {"robin@sample.test": Outcome.INVITED}
    user = await User.get(firm=firm)
    assert (user.email, user.email_key, user.name) == ("Robin@sample.test", "robin@sample.test", "Robin Sample")
    assert (user.role, user.active, user.invited_at, user.created_at) == ("staff", True, now, now)
    [letter] = await letters(user)
    assert (letter.by, letter.due_at, letter.firm_id) == ("Ann Admin", now, firm.id)
    going = await claim_letter(now)
    assert going
    assert (going.kind, going.email, going.by) == ("invitation", "Robin@sample.test", "Ann Admin")


async def test_each_kind_of_person_has_an_outcome_of_their_own(firm: Firm, now: datetime) -> None:
    other = await a_firm()
    await a_user(other, "theirs@sample.test")
    await a_mailbox(await a_user(firm, "here@sample.test"))
    await people.leave(await a_user(firm, "left@sample.test"), now)
    await a_user(firm, "waits@sample.test")
    lately = await a_user(firm, "lately@sample.test")
    await User.filter(id=lately.id).update(invited_at=now - ONE_A_DAY + timedelta(seconds=1))
    names = ("new", "waits", "lately", "here", "left", "theirs")
    done = await invite(firm.id, [guest(f"{name}@sample.test") for name in names], "Ann", now)
    assert [done[f"{name}@sample.test"] for name in names] == list(Outcome)
    written = await Notice.filter(kind="invitation").prefetch_related("user")
    assert {notice.user.email for notice in written} == {"new@sample.test", "waits@sample.test"}
    assert (await User.get(email_key="theirs@sample.test")).firm_id == other.id
    assert await User.filter(firm=firm).count() == 5


async def test_a_person_is_written_to_once_a_day_at_most_and_never_twice_at_once(firm: Firm, now: datetime) -> None:
    robin = guest("robin@sample.test")
    await asyncio.gather(*(invite(firm.id, [robin], "Ann", now) for _ in range(3)))
    user = await User.get(firm=firm)
    assert len(await letters(user)) == 1
    assert await invite(firm.id, [robin], "Ann", now + ONE_A_DAY - timedelta(seconds=1)) == {robin.key: Outcome.LATELY}
    assert await invite(firm.id, [robin], "Ann", now + ONE_A_DAY) == {robin.key: Outcome.AGAIN}
    [letter] = await letters(user)
    assert letter.owed_at == now + ONE_A_DAY, "the one that still waited for the mail server is not sent as well"
    claimed = await claim_letter(now + ONE_A_DAY)
    assert claimed
    await sent(claimed, now + ONE_A_DAY)
    await invite(firm.id, [robin], "Ann", now + 2 * ONE_A_DAY)
    assert len(await letters(user)) == 2


async def test_two_firms_that_invite_the_same_people_at_once_get_each_of_them_once(firm: Firm, now: datetime) -> None:
    other = await a_firm()
    crowd = [guest(f"person{number}@sample.test") for number in range(60)]
    ours, theirs = await asyncio.gather(invite(firm.id, crowd, "Ann", now), invite(other.id, crowd[::-1], "Zoe", now))
    for someone in crowd:
        assert {ours[someone.key], theirs[someone.key]} == {Outcome.INVITED, Outcome.ELSEWHERE}
    assert await User.all().count() == await Notice.all().count() == 60


async def test_an_invitation_that_fails_leaves_nothing_half_done(firm: Firm, now: datetime) -> None:
    with pytest.raises(Exception, match="value too long"):
        await invite(firm.id, [guest("robin@sample.test"), Guest("x" * 201, "long@sample.test", "long@sample.test")], "Ann", now)
    assert not await User.filter(firm=firm).exists()
    assert not await Notice.all().exists()


async def test_all_who_never_connected_are_invited_and_nobody_else(firm: Firm, now: datetime) -> None:
    await a_user(await a_firm(), "theirs@sample.test")
    await a_mailbox(await a_user(firm, "here@sample.test"))
    await people.leave(await a_user(firm, "left@sample.test"), now)
    waits = [await a_user(firm, "waits@sample.test"), await a_user(firm, "waits2@sample.test")]
    assert await invite_who_never_connected(firm.id, "Ann", now) == [Outcome.AGAIN, Outcome.AGAIN]
    assert await invite_who_never_connected(firm.id, "Ann", now) == [Outcome.LATELY, Outcome.LATELY]
    assert sorted(await Notice.all().values_list("user_id", flat=True)) == [user.id for user in waits]


async def test_one_person_is_invited_again_only_if_they_never_connected(firm: Firm, now: datetime) -> None:
    waits, here, left = await a_user(firm), await a_user(firm), await a_user(firm)
    theirs = await a_user(await a_firm())
    await a_mailbox(here)
    await people.leave(left, now)
    became = [await invite_who_never_connected(firm.id, "Ann", now, user.id) for user in (waits, here, left, theirs)]
    assert became == [[Outcome.AGAIN], [Outcome.HERE], [Outcome.LEFT], []]
    assert await Notice.all().values_list("user_id", flat=True) == [waits.id]
