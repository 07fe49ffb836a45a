"""The last thing that was said of an e-mail can be taken back by anybody of the firm, as long as nothing has happened to it since."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime

import pytest

from models import privacy
from models.activities import Activity, Review
from models.clients import archive, merge, remove
from models.decisions import (
    Decided,
    NothingToUndo,
    NotThere,
    Overtaken,
    Seen,
    TooLate,
    also_under,
    dismiss,
    file_under,
    undo,
    whole_thread,
)
from models.emails import Email
from models.erasing import erase_dismissed
from models.firms import User
from tests.builders import a_firm, a_user
from tests.models.office import Office, acts, an_office, answered, outcome, places, rows, seen, shown

Act = Callable[[User, Seen, datetime], Awaitable[Decided]]


@pytest.fixture
async def office(now: datetime) -> Office:
    return await an_office(now)


def says(office: Office) -> dict[str, Act]:
    a, b, c = office.ids
    return {
        "approved": lambda by, saw, now: file_under(by, saw, a, now),
        "reassigned": lambda by, saw, now: file_under(by, saw, b, now),
        "elsewhere": lambda by, saw, now: file_under(by, saw, c, now),
        "added": lambda by, saw, now: also_under(by, saw, c, now),
        "both": lambda by, saw, now: also_under(by, saw, b, now),
        "dismissed": dismiss,
        "refused": lambda by, saw, now: dismiss(by, saw, now, client_id=a),
    }


@pytest.mark.parametrize("act", ["approved", "reassigned", "elsewhere", "added", "both", "dismissed", "refused"])
async def test_a_question_is_open_again_as_it_was(office: Office, act: str) -> None:
    """Scenario 71. By anybody; with what a colleague had written on it. The audit keeps both."""
    mail = await office.asks()
    await Activity.all().update(title="Lease", note="Urgent")
    before, undone_before = await told(mail), answered("undone")
    decided = await says(office)[act](office.eva, await seen(mail), office.later())
    undone = await undo(office.bob, Seen(mail, decided.version), office.later())
    assert (undone.version, undone.client_ids, undone.settled) == (2, (office.ids[0],), 0)
    assert (await told(mail), (await Email.get()).dismissed_at) == (before, None)
    assert [name for name, _ in await acts(mail)] == [(await acts(mail))[0][0], "undone"]
    assert (await acts(mail))[1] == ("undone", office.bob.id)
    assert answered("undone") - undone_before == (act not in ("added", "refused"))


async def told(mail: int) -> object:
    """All but which of its addresses stand for a candidate: of one that was refused, the audit does not keep them."""
    activities, reviews = await rows(mail)
    for review in reviews:
        review["candidates"] = [(candidate["client"], candidate["reasons"]) for candidate in review["candidates"]]
    return [{name: value for name, value in activity.items() if name != "id"} for activity in activities], reviews


@pytest.mark.parametrize("act", ["approved", "reassigned", "elsewhere", "dismissed"])
async def test_certain_mail_is_where_it_was(office: Office, act: str) -> None:
    """Scenario 71."""
    mail = await office.files("mail", office.ids[0])
    before = await told(mail)
    await says(office)[act](office.eva, await seen(mail), office.later())
    await undo(office.bob, await seen(mail), office.later())
    assert await told(mail) == before


async def test_what_was_written_meanwhile_comes_back_with_it(office: Office) -> None:
    a, b, _ = office.ids
    mail = await office.asks()
    await file_under(office.eva, await seen(mail), b, office.now)
    await Activity.filter(client_id=b).update(title="Lease", note="Urgent")
    await undo(office.eva, await seen(mail), office.now)
    there = await Activity.get()
    assert (there.client_id, there.title, there.note) == (a, "Lease", "Urgent")


async def test_a_dismissal_is_taken_back_with_what_was_before(office: Office) -> None:
    """Scenario 71. Two decisions: only the last one is taken back, and that cannot be undone itself."""
    a, b, _ = office.ids
    mail = await office.asks()
    await file_under(office.eva, await seen(mail), b, office.later())
    at = office.now
    await dismiss(office.bob, await seen(mail), office.later())
    assert (await undo(office.eva, await seen(mail), office.later())).client_ids == (b,)
    assert await places(mail) == {a: ("dismissed", "person"), b: ("filed", "person")}
    assert (await outcome(mail), (await Email.get()).dismissed_at) == (("reassigned", office.eva.id, at), None)
    with pytest.raises(NothingToUndo):
        await undo(office.eva, await seen(mail), office.later())
    assert await shown(mail) == {b}


async def test_what_came_since_and_changed_nothing_stays(office: Office) -> None:
    """A further copy, certainly of another client."""
    a, b, c = office.ids
    mail = await office.asks()
    await file_under(office.eva, await seen(mail), b, office.now)
    await office.files("mail", c, in_doubt=(a, b), box=office.bobs)
    assert (await undo(office.eva, await seen(mail), office.now)).client_ids == (a, c)
    assert await places(mail) == {a: ("review", "guess"), c: ("filed", "certain")}


async def test_a_question_that_is_open_again_is_asked_anew_by_the_next_copy_and_follows_no_thread(office: Office) -> None:
    """Scenario 71. Somebody wants to be asked."""
    _, b, _ = office.ids
    first, mail = await office.asks("first", thread="t"), await office.asks("mail", thread="t")
    await file_under(office.eva, await seen(first), b, office.now)
    assert await shown(mail) == {b}
    await undo(office.bob, await seen(mail), office.now)
    await office.asks("mail", thread="t", box=office.bobs)
    assert ((await outcome(mail))[0], len(await shown(mail))) == (None, 1)


async def test_with_a_decision_goes_what_followed_it(office: Office) -> None:
    """Scenario 55. But not what somebody has touched since."""
    a, b, c = office.ids
    first, follows, touched = [await office.asks(name, thread="t") for name in ("first", "follows", "touched")]
    before = await told(follows)
    assert (await file_under(office.eva, await seen(first), b, office.later())).settled == 2
    await also_under(office.bob, await seen(touched), c, office.later())
    undone = await undo(office.eva, await seen(first), office.later())
    assert (undone.settled, await told(follows), (await seen(follows)).version) == (1, before, 2)
    assert await acts(follows) == [("inherited", None), ("undone", office.eva.id)]
    assert (await shown(touched), (await outcome(touched))[0]) == ({b, c}, "inherited")
    assert await shown(first) == {a}


async def test_each_mail_of_a_thread_is_taken_back_for_itself(office: Office) -> None:
    a, b, _ = office.ids
    first, other = await office.files("first", a, thread="t"), await office.files("other", a, thread="t")
    await file_under(office.eva, await seen(first), b, office.now)
    await whole_thread(office.eva, await seen(first), b, office.now)
    await undo(office.bob, await seen(first), office.now)
    assert (await shown(first), await shown(other)) == ({a}, {b})
    await undo(office.bob, await seen(other), office.now)
    assert await shown(other) == {a}


# What cannot be taken back


async def test_there_must_be_something(office: Office) -> None:
    mail = await office.asks()
    for _ in range(2):
        with pytest.raises(NothingToUndo):
            await undo(office.eva, await seen(mail), office.now)
    await privacy.hand_over(office.eva, await seen(mail), office.bob.id, office.now)
    with pytest.raises(NothingToUndo):
        await undo(office.eva, await seen(mail), office.now)
    assert (await seen(mail)).version == 1


async def test_what_somebody_else_said_since_is_not_taken_back_unseen(office: Office) -> None:
    """Scenario 72."""
    _, b, _ = office.ids
    mail = await office.asks()
    decided = await file_under(office.eva, await seen(mail), b, office.now)
    await dismiss(office.bob, await seen(mail), office.later())
    with pytest.raises(Overtaken) as told:
        await undo(office.eva, Seen(mail, decided.version), office.now)
    assert (told.value.by, await shown(mail)) == ("Bob", set())


async def test_nobody_else_s_decisions_are_undone(office: Office) -> None:
    """Scenario 75."""
    mail = await office.asks()
    await dismiss(office.eva, await seen(mail), office.now)
    with pytest.raises(NotThere):
        await undo(await a_user(await a_firm()), await seen(mail), office.now)
    assert await shown(mail) == set()


async def test_what_is_erased_does_not_come_back(office: Office) -> None:
    mail = await office.asks()
    await dismiss(office.eva, await seen(mail), office.now)
    office.later(days=1)
    await undo(office.eva, await seen(mail), office.now)  # until the moment it is erased
    await dismiss(office.eva, await seen(mail), office.now)
    await erase_dismissed(office.now - office.now, office.now)
    with pytest.raises(TooLate):
        await undo(office.eva, await seen(mail), office.now)
    assert await shown(mail) == set()


@pytest.mark.parametrize("gone_by", ["merge", "remove"])
@pytest.mark.parametrize("which", [0, 1, 2])
async def test_a_client_has_gone_since(office: Office, gone_by: str, which: int) -> None:
    """Scenario 73. What has to do with the mail overtakes the decision; another client's end does not."""
    a, b, c = office.ids
    mail = await office.asks()
    await file_under(office.eva, await seen(mail), b, office.now)
    gone = office.ids[which]
    if gone_by == "merge":
        await merge(office.firm.id, gone, c if gone != c else b, office.now)
    else:
        await remove(office.firm.id, gone, office.now)
    if gone == c:
        assert (await undo(office.eva, await seen(mail), office.now)).client_ids == (a,)
    else:
        with pytest.raises(NothingToUndo):
            await undo(office.eva, await seen(mail), office.now)


async def test_who_was_archived_since_is_no_candidate_any_more(office: Office) -> None:
    """Scenario 73. As if the question had been open all the time."""
    a, b, c = office.ids
    mail = await office.files("mail", in_doubt=(a, b, c))
    await file_under(office.eva, await seen(mail), c, office.now)
    await archive(office.firm.id, a, office.now)
    assert (await undo(office.eva, await seen(mail), office.now)).client_ids == (b,)
    assert ([one["client"] for one in (await Review.get()).candidates], await places(mail)) == ([b, c], {b: ("review", "guess")})


async def test_what_is_filed_under_an_archived_client_comes_back_there(office: Office) -> None:
    """Scenario 73. What is filed stays."""
    a, b, _ = office.ids
    mail = await office.files("mail", a)
    await file_under(office.eva, await seen(mail), b, office.now)
    await archive(office.firm.id, a, office.now)
    await undo(office.eva, await seen(mail), office.now)
    assert await places(mail) == {a: ("filed", "certain")}


@pytest.mark.parametrize("gone_by", ["archive", "merge", "remove"])
@pytest.mark.parametrize("which", [0, 1])
async def test_a_client_goes_while_somebody_takes_a_decision_back(office: Office, gone_by: str, which: int) -> None:
    """Scenario 73. One comes after the other: the mail is under a living client, or under none, and a question that is open has a guess."""
    _, b, c = office.ids
    gone = office.ids[which]
    mails = [await office.asks(f"{n}") for n in range(8)]
    for mail in mails:
        await file_under(office.eva, await seen(mail), b, office.now)
    ends = {
        "archive": lambda: archive(office.firm.id, gone, office.now),
        "merge": lambda: merge(office.firm.id, gone, c, office.now),
        "remove": lambda: remove(office.firm.id, gone, office.now),
    }

    async def takes_back(mail: int) -> None:
        with suppress(NothingToUndo, Overtaken):
            await undo(office.eva, await seen(mail), office.now)

    await asyncio.gather(*(takes_back(mail) for mail in mails[:4]), ends[gone_by](), *(takes_back(mail) for mail in mails[4:]))
    for mail in mails:
        there, review = await places(mail), await Review.get_or_none(email_id=mail)
        assert ("review" in {status for status, _ in there.values()}) == (review is not None and review.decided_at is None)
        assert gone_by == "archive" or gone not in there
