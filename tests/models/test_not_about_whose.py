"""What a person says of a mail that is no word about whose it is: who may see it, and who is to answer. It stands beside decisions."""

from collections.abc import Awaitable, Callable
from datetime import datetime

import pytest

from models.activities import Activity, Review
from models.clients import archive
from models.decisions import NothingToUndo, Seen, also_under, dismiss, file_under, undo, whole_thread
from models.emails import Email
from models.privacy import hand_over, make_private
from tests.models.emails import decided
from tests.models.office import Office, acts, an_office, outcome, places, seen, shown

Say = Callable[[Office, int], Awaitable[None]]


@pytest.fixture
async def office(now: datetime) -> Office:
    return await an_office(now)


async def hands_over(office: Office, mail: int) -> None:
    await hand_over(office.eva, await seen(mail), office.bob.id, office.later())


async def takes_back(office: Office, mail: int) -> None:
    await hands_over(office, mail)
    await hand_over(office.eva, await seen(mail), None, office.later())


async def makes_private(office: Office, mail: int) -> None:
    await make_private(office.eva, await seen(mail), (await Activity.filter(email_id=mail).first()).id, True, office.later())  # type: ignore[union-attr]


async def shares_again(office: Office, mail: int) -> None:
    await makes_private(office, mail)
    await make_private(office.eva, await seen(mail), (await Activity.filter(email_id=mail).first()).id, False, office.later())  # type: ignore[union-attr]


async def archives_another(office: Office, mail: int) -> None:
    """Which was a candidate."""
    await archive(office.firm.id, office.ids[2], office.later())


ABOUT_IT = [hands_over, takes_back, makes_private, shares_again]


@pytest.mark.parametrize("says", [*ABOUT_IT, archives_another])
async def test_a_further_copy_follows_the_thread(office: Office, says: Say) -> None:
    """Scenarios 55, 73. As if nobody had said anything."""
    a, b, c = office.ids
    first, mail = await office.asks("first", thread="t"), await office.files("mail", in_doubt=(a, b, c), thread="t")
    await says(office, mail)
    await decided(await Email.get(id=first), b, office.eva.id, office.later())
    await office.files("mail", in_doubt=(a, b), thread="t", box=office.bobs)
    assert ((await outcome(mail))[0], await shown(mail)) == ("inherited", {b})


@pytest.mark.parametrize("says", [makes_private, shares_again])
async def test_a_further_copy_may_ask(office: Office, says: Say) -> None:
    """Scenario 121. It shows somebody whom the first one did not; what is private stays private under every client."""
    a, b, c = office.ids
    mail = await office.files("mail", c)
    await says(office, mail)
    await office.files("mail", c, in_doubt=(a, b), sender="lee@other.example", box=office.bobs)
    assert await places(mail) == {c: ("filed", "certain"), a: ("review", "guess")}
    assert (await Review.get()).decided_at is None
    assert {activity.private for activity in await Activity.all()} == {says is makes_private}


@pytest.mark.parametrize("how", ["certain", "guess", "inherited"])
async def test_what_is_filed_of_a_private_mail_is_private(office: Office, how: str) -> None:
    """Scenario 75. It is evidence of nothing for anybody else's mail."""
    a, b, c = office.ids
    first = await office.asks("first", thread="t")
    mail = await office.files("mail", c, thread="t")
    await makes_private(office, mail)
    if how == "inherited":
        await decided(await Email.get(id=first), b, office.eva.id, office.later())
    await office.files(
        "mail", *((c, a) if how == "certain" else (c,)), in_doubt=() if how == "certain" else (a, b), box=office.bobs, thread="t"
    )
    assert how in {how for _, how in (await places(mail)).values()}
    assert all(await Activity.filter(email_id=mail).values_list("private", flat=True))
    assert not any(await Activity.filter(email_id=first).values_list("private", flat=True))


@pytest.mark.parametrize("says", [makes_private, shares_again])
async def test_the_whole_thread_goes_along(office: Office, says: Say) -> None:
    """Scenario 55."""
    _, b, c = office.ids
    first, mail = await office.asks("first", thread="t"), await office.files("mail", c, thread="t")
    await says(office, mail)
    await file_under(office.eva, await seen(first), b, office.later())
    assert [one.email_id for one in await whole_thread(office.eva, await seen(first), b, office.now)] == [mail]
    assert await shown(mail) == {b, c}


# Undo


@pytest.mark.parametrize("says", [makes_private, shares_again])
async def test_a_decision_is_taken_back_that_was_made_before(office: Office, says: Say) -> None:
    """Scenario 71. Who may see it stays as it was said."""
    _, b, _ = office.ids
    mail = await office.asks()
    before = await places(mail)
    await file_under(office.eva, await seen(mail), b, office.later())
    await says(office, mail)
    await undo(office.eva, await seen(mail), office.later())
    assert (await places(mail), (await outcome(mail))[0]) == (before, None)
    assert {activity.private for activity in await Activity.all()} == {says is makes_private}
    assert (await acts(mail))[-1] == ("undone", office.eva.id)


@pytest.mark.parametrize("says", [hands_over, takes_back])
async def test_a_candidate_that_was_refused_before_the_question_was_handed_over_is_back(office: Office, says: Say) -> None:
    """Scenario 71. The question waits for whom it was given to."""
    a, b, c = office.ids
    mail = await office.files("mail", in_doubt=(a, b, c))
    await dismiss(office.eva, await seen(mail), office.later(), client_id=a)
    await says(office, mail)
    await undo(office.eva, await seen(mail), office.later())
    assert await places(mail) == {a: ("review", "guess")}
    assert (await Review.get()).holder_id == (office.bob.id if says is hands_over else None)


async def test_each_decision_is_told_apart(office: Office) -> None:
    """Scenario 71. The last one alone is taken back, whatever was said between."""
    a, _, c = office.ids
    mail = await office.asks()
    await file_under(office.eva, await seen(mail), a, office.later())
    await makes_private(office, mail)
    await also_under(office.eva, await seen(mail), c, office.later())
    await shares_again(office, mail)
    await undo(office.eva, await seen(mail), office.later())
    assert await shown(mail) == {a}
    await makes_private(office, mail)
    with pytest.raises(NothingToUndo):
        await undo(office.eva, await seen(mail), office.later())


@pytest.mark.parametrize("when", ["before", "after"])
async def test_what_else_has_happened_since_is_not_passed_over(office: Office, when: str) -> None:
    """Scenario 71. A copy that changed the mail, of which the audit tells nothing."""
    a, b, _ = office.ids
    mail = await office.asks()
    await dismiss(office.eva, await seen(mail), office.later(), client_id=a)
    for act in (makes_private, changes) if when == "after" else (changes, makes_private):
        await act(office, mail)
    with pytest.raises(NothingToUndo):
        await undo(office.eva, await seen(mail), office.later())
    assert await places(mail) == {a: ("dismissed", "person"), b: ("filed", "certain")}


async def changes(office: Office, mail: int) -> None:
    saw = await seen(mail)
    await office.files("mail", office.ids[1], box=office.bobs)
    assert await seen(mail) == Seen(mail, saw.version + 1)
