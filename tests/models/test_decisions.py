"""What a person says of an e-mail stands: it is answered, moved, dismissed, by the first who says so, and everybody can see by whom."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest

from models import privacy
from models.activities import Activity, Review
from models.audit_log import AuditEntry, Placed
from models.clients import archive, merge, remove
from models.decisions import (
    NoSuchClient,
    NotThere,
    Overtaken,
    Seen,
    TooLate,
    also_under,
    dismiss,
    file_under,
    history_of,
    several,
    undo,
)
from models.directory import ClientContact
from models.emails import Email
from tests.builders import a_client, a_firm, a_user
from tests.models.office import Office, acts, an_office, answered, outcome, places, rows, seen, shown


@pytest.fixture
async def office(now: datetime) -> Office:
    return await an_office(now)


# The question is answered


async def test_the_guess_is_approved_and_the_question_gone(office: Office) -> None:
    """Scenario 59. Who only agrees leaves the guess's reason where it was; nothing files it under the other one any more."""
    a, b, _ = office.ids
    mail = await office.asks()
    reason, before = (await Activity.get()).reason, answered("approved")
    decided = await file_under(office.bob, await seen(mail), a, office.now)
    assert (decided.email_id, decided.version, decided.client_ids, decided.settled) == (mail, 1, (a,), 0)
    assert await places(mail) == {a: ("filed", "guess"), b: ("dismissed", "person")}
    assert await outcome(mail) == ("approved", office.bob.id, office.now)
    kept = await Activity.get(client_id=a)
    assert (kept.reason, kept.decided_by_id, kept.decided_at) == (reason, office.bob.id, office.now)  # type: ignore[attr-defined]
    assert (await acts(mail), answered("approved") - before) == ([("approved", office.bob.id)], 1)


@pytest.mark.parametrize("candidate", [True, False])
async def test_another_client_is_chosen_than_the_guess(office: Office, candidate: bool) -> None:
    """Scenario 59. A candidate or any other client; what a colleague wrote on it goes along."""
    a, b, c = office.ids
    chosen, other = (b, c) if candidate else (c, b)
    mail = await office.asks()
    await Activity.all().update(title="Lease", note="Urgent")
    assert (await file_under(office.eva, await seen(mail), chosen, office.now)).client_ids == (chosen,)
    refused = {a, b} - {chosen}
    assert await places(mail) == {chosen: ("filed", "person")} | dict.fromkeys(refused, ("dismissed", "person"))
    assert other in refused or not await Activity.exists(client_id=other)
    there = await Activity.get(client_id=chosen)
    assert (there.title, there.note, there.reason) == ("Lease", "Urgent", "Eva filed it here")
    assert (await outcome(mail))[0] == "reassigned"


async def test_what_is_certain_beside_the_question_stays(office: Office) -> None:
    a, b, c = office.ids
    mail = await office.files("mail", c, in_doubt=(a, b))
    assert (await file_under(office.eva, await seen(mail), b, office.now)).client_ids == (b, c)
    assert await places(mail) == {a: ("dismissed", "person"), b: ("filed", "person"), c: ("filed", "certain")}


async def test_moving_what_is_certain_leaves_the_question_open(office: Office) -> None:
    a, b, c = office.ids
    other = (await a_client(office.firm)).id
    mail = await office.files("mail", c, in_doubt=(a, b))
    assert (await file_under(office.eva, await seen(mail), other, office.now, instead_of=c)).client_ids == (a, other)
    assert await outcome(mail) == (None, None, None)
    assert await acts(mail) == [("moved", office.eva.id)]
    await file_under(office.eva, await seen(mail), b, office.now, instead_of=other)  # a candidate: that answers it
    assert (await shown(mail), (await outcome(mail))[0]) == ({b}, "reassigned")


# What is filed is moved


async def test_certain_mail_is_moved_and_what_was_written_goes_along(office: Office) -> None:
    """Scenario 71. Where the other client has it already, both texts are kept as far as there is room."""
    a, b, c = office.ids
    mail = await office.files("mail", a, c)
    await Activity.filter(client_id=a).update(title="Lease", note="Urgent")
    await Activity.filter(client_id=c).update(note="Read")
    assert (await file_under(office.eva, await seen(mail), b, office.later(), instead_of=a)).client_ids == (b, c)
    assert (await file_under(office.eva, await seen(mail), c, office.later(), instead_of=b)).client_ids == (c,)
    assert await places(mail) == {a: ("dismissed", "person"), b: ("dismissed", "person"), c: ("filed", "certain")}
    there = await Activity.get(client_id=c)
    assert (there.title, there.note, await Review.exists()) == ("Lease", "Read", False)
    assert await acts(mail) == [("moved", office.eva.id)] * 2


async def test_agreeing_with_what_is_certain_changes_nothing_else(office: Office) -> None:
    a, _, c = office.ids
    mail = await office.files("mail", a, c)
    assert (await file_under(office.eva, await seen(mail), a, office.now)).client_ids == (a, c)
    assert await places(mail) == {a: ("filed", "certain"), c: ("filed", "certain")}
    assert (await Activity.get(client_id=a)).decided_by_id == office.eva.id  # type: ignore[attr-defined]


async def test_it_cannot_be_moved_from_where_it_is_not(office: Office) -> None:
    a, b, c = office.ids
    mail = await office.files("mail", a)
    with pytest.raises(NoSuchClient):
        await file_under(office.eva, await seen(mail), c, office.now, instead_of=b)
    assert (await places(mail), await acts(mail), (await seen(mail)).version) == ({a: ("filed", "certain")}, [], 0)


async def test_a_later_word_is_the_answer(office: Office) -> None:
    """How often the guess was right is told by what people say in the end."""
    a, b, c = office.ids
    mail = await office.asks()
    for client, told in ((a, "approved"), (b, "reassigned"), (c, "reassigned"), (a, "approved")):
        await file_under(office.eva, await seen(mail), client, office.later())
        assert (await outcome(mail), await shown(mail)) == ((told, office.eva.id, office.now), {client})


async def test_one_more_client(office: Office) -> None:
    a, b, c = office.ids
    mail = await office.asks()
    assert (await also_under(office.eva, await seen(mail), c, office.now)).client_ids == (a, c)
    assert (await places(mail), (await outcome(mail))[0]) == ({a: ("review", "guess"), c: ("filed", "person")}, None)
    assert (await also_under(office.eva, await seen(mail), b, office.now)).client_ids == (a, b, c)  # a candidate: that answers it
    assert await places(mail) == {a: ("filed", "guess"), b: ("filed", "person"), c: ("filed", "person")}
    assert (await outcome(mail))[0] == "approved"
    assert await acts(mail) == [("added", office.eva.id)] * 2


# No client's


async def test_a_dismissed_mail_is_gone_from_everywhere_and_comes_back_until_it_is_erased(office: Office) -> None:
    """Scenario 70. No further copy files it."""
    a, b, c = office.ids
    mail = await office.files("mail", c, in_doubt=(a, b))
    before = answered("dismissed")
    assert (await dismiss(office.eva, await seen(mail), office.now)).client_ids == ()
    assert await places(mail) == dict.fromkeys((a, b, c), ("dismissed", "person"))
    assert ((await Email.get(id=mail)).dismissed_at, answered("dismissed") - before) == (office.now, 1)
    assert await outcome(mail) == ("dismissed", office.eva.id, office.now)
    await office.files("mail", c, in_doubt=(a, b), box=office.bobs)
    assert await shown(mail) == set()
    with pytest.raises(NoSuchClient):
        await dismiss(office.eva, await seen(mail), office.now)
    assert (await file_under(office.bob, await seen(mail), b, office.now)).client_ids == (b,)
    assert ((await Email.get(id=mail)).dismissed_at, (await outcome(mail))[0]) == (None, "reassigned")


@pytest.mark.parametrize("act", [file_under, also_under])
async def test_what_is_erased_cannot_be_filed(office: Office, act: Any) -> None:
    a, _, _ = office.ids
    mail = await office.asks()
    await dismiss(office.eva, await seen(mail), office.now)
    assert (await act(office.eva, await seen(mail), a, office.now)).client_ids == (a,)
    await dismiss(office.eva, await seen(mail), office.now)
    await Email.all().update(erased_at=office.now)
    with pytest.raises(TooLate):
        await act(office.eva, await seen(mail), a, office.now)
    assert await shown(mail) == set()


async def test_only_not_this_clients(office: Office) -> None:
    a, b, c = office.ids
    mail = await office.files("mail", a, b)
    assert (await dismiss(office.eva, await seen(mail), office.now, client_id=a)).client_ids == (b,)
    assert (await places(mail), (await Email.get(id=mail)).dismissed_at) == ({a: ("dismissed", "person"), b: ("filed", "certain")}, None)
    for gone in (a, c):
        with pytest.raises(NoSuchClient):
            await dismiss(office.eva, await seen(mail), office.now, client_id=gone)
    await dismiss(office.eva, await seen(mail), office.now, client_id=b)
    assert (await Email.get(id=mail)).dismissed_at == office.now


async def test_where_the_guess_is_refused_the_next_candidate_is_asked_about(office: Office) -> None:
    a, b, c = office.ids
    mail = await office.files("mail", c, in_doubt=(a, b))
    assert (await dismiss(office.eva, await seen(mail), office.now, client_id=a)).client_ids == (b, c)
    assert await places(mail) == {a: ("dismissed", "person"), b: ("review", "guess"), c: ("filed", "certain")}
    review = await Review.get()
    assert ([one["client"] for one in review.candidates], review.decided_at) == ([b], None)
    assert (await Activity.get(client_id=b)).reason == "; ".join(review.candidates[0]["reasons"])  # type: ignore[arg-type]
    await dismiss(office.eva, await seen(mail), office.now, client_id=b)
    assert (await shown(mail), (await outcome(mail))[0], (await Email.get()).dismissed_at) == ({c}, "dismissed", None)


# It stands


async def test_moved_from_a_to_b_it_stays_there_whatever_comes(office: Office) -> None:
    """Scenarios 71, 121. The same mail reaches a colleague, comes again, is certainly A's or C's by another copy, and its contact becomes
    A's alone."""
    a, b, c = office.ids
    await a_client(office.firm, "", "pat@client.example")
    mail = await office.files("mail", in_doubt=office.ids)
    await file_under(office.eva, await seen(mail), b, office.later())
    before, version = await rows(mail), await seen(mail)
    await ClientContact.all().delete()
    await office.asks(box=office.bobs)
    for box in (office.evas, office.bobs, office.evas):
        await office.files("mail", a, c, box=box)
        await office.files("mail", in_doubt=(a, c), box=box)
    now_there = await rows(mail)
    assert (now_there, await seen(mail)) == (before, version)
    assert await shown(mail) == {b}


async def test_certain_mail_that_was_moved_is_not_certain_again(office: Office) -> None:
    """Scenario 71."""
    a, b, _ = office.ids
    mail = await office.files("mail", a)
    await file_under(office.eva, await seen(mail), b, office.now)
    await office.files("mail", a, box=office.bobs)
    assert await places(mail) == {a: ("dismissed", "person"), b: ("filed", "person")}


async def test_each_mail_shows_who_said_what_when_and_what_was_before(office: Office) -> None:
    """Scenario 71."""
    a, b, _ = office.ids
    mail = await office.asks()
    first = office.later()
    await file_under(office.eva, await seen(mail), a, first)
    await file_under(office.bob, await seen(mail), b, office.later())
    moved, approved = await history_of(office.firm.id, mail)
    assert (moved.who, moved.at, moved.act) == ("Bob", office.now, "moved")
    assert (moved.before, moved.after) == (
        (Placed("A", "filed"), Placed("B", "dismissed")),
        (Placed("A", "dismissed"), Placed("B", "filed")),
    )
    assert (approved.who, approved.at, approved.act) == ("Eva", first, "approved")
    assert (approved.before, approved.after) == ((Placed("A", "review"),), (Placed("A", "filed"), Placed("B", "dismissed")))
    told = json.dumps(await AuditEntry.all().values("before", "after"))
    assert "example" not in told
    assert "Subject" not in told


# The first word holds


@pytest.mark.parametrize("number", range(4))
async def test_of_two_who_decide_at_once_the_first_holds_and_the_other_is_told(office: Office, number: int) -> None:
    """Scenario 72. Whatever the two say."""
    a, b, c = office.ids
    mail = await office.asks()
    saw, at = await seen(mail), office.later()
    rivals: list[Callable[[], Any]] = [
        lambda: file_under(office.bob, saw, b, at),
        lambda: file_under(office.bob, saw, c, at),
        lambda: dismiss(office.bob, saw, at),
        lambda: also_under(office.bob, saw, c, at),
    ]
    ends = await asyncio.gather(file_under(office.eva, saw, a, at), rivals[number](), return_exceptions=True)
    decided, overtaken = sorted(ends, key=lambda end: isinstance(end, BaseException))
    assert not isinstance(decided, BaseException)
    assert isinstance(overtaken, Overtaken), overtaken
    first = "Eva" if decided is ends[0] else "Bob"
    assert (overtaken.by, overtaken.at) == (first, at)
    assert len(await acts(mail)) == 1
    assert await shown(mail) == set(decided.client_ids)


async def test_one_who_comes_later_with_an_old_page_is_told_by_whom(office: Office) -> None:
    """Scenario 72. Or that it was Postroom: what only they themselves said before was no surprise."""
    a, b, _ = office.ids
    mail = await office.asks()
    old = await seen(mail)
    await also_under(office.eva, old, office.ids[2], office.later())
    with pytest.raises(Overtaken) as told:
        await file_under(office.bob, old, b, office.now)
    assert (told.value.by, told.value.at) == ("Eva", office.now)
    now_seen = await seen(mail)
    await office.files("mail", b, box=office.bobs)  # the other copy is certainly B's: there is no question any more
    with pytest.raises(Overtaken) as told:
        await file_under(office.eva, now_seen, a, office.now)
    assert told.value.by == "Postroom"


async def test_what_is_not_there_for_somebody_is_not_there(office: Office) -> None:
    """Scenario 75. Another firm's mail, none at all, and a colleague's private one; an old page tells no more."""
    a, b, _ = office.ids
    mail = await office.asks()
    stranger = await a_user(await a_firm())
    saw = await seen(mail)
    for who, what in ((stranger, saw), (office.eva, Seen(10**9, 0))):
        for act in (file_under(who, what, a, office.now), dismiss(who, what, office.now), undo(who, what, office.now)):
            with pytest.raises(NotThere):
                await act
    await privacy.make_private(office.eva, saw, (await Activity.get()).id, True, office.now)
    for what in (saw, await seen(mail)):
        with pytest.raises(NotThere):
            await file_under(office.bob, what, b, office.now)
    await file_under(office.eva, await seen(mail), b, office.now)
    assert not await Activity.exists(private=False)


async def test_only_the_firms_living_clients_are_chosen(office: Office) -> None:
    """Scenarios 73, 75. An archived one may be confirmed where the mail is already."""
    a, b, c = office.ids
    another_firms = (await a_client(await a_firm())).id
    mail = await office.asks()
    await archive(office.firm.id, c, office.now)
    for client in (another_firms, c, 10**9):
        for act in (file_under, also_under):
            with pytest.raises(NoSuchClient):
                await act(office.eva, await seen(mail), client, office.now)
    assert (await seen(mail)).version == 0
    await archive(office.firm.id, b, office.now)
    await archive(office.firm.id, a, office.now)  # the last one stays: somebody has to look at it
    assert (await file_under(office.eva, await seen(mail), a, office.now)).client_ids == (a,)


@pytest.mark.parametrize("gone_by", ["archive", "merge", "remove"])
@pytest.mark.parametrize("client", ["guess", "candidate", "other"])
async def test_a_client_goes_while_somebody_chooses_it(office: Office, gone_by: str, client: str) -> None:
    """Scenario 73. One comes after the other; whichever is first, the mail is under a living client, and asks nothing that is answered."""
    a, b, c = office.ids
    chosen = {"guess": a, "candidate": b, "other": c}[client]
    into = (await a_client(office.firm)).id
    mails = [await office.asks(f"{n}") for n in range(8)]
    ends = {
        "archive": lambda: archive(office.firm.id, chosen, office.now),
        "merge": lambda: merge(office.firm.id, chosen, into, office.now),
        "remove": lambda: remove(office.firm.id, chosen, office.now),
    }

    async def decides(mail: int) -> None:
        with suppress(NoSuchClient, Overtaken):
            await file_under(office.eva, await seen(mail), chosen, office.now)

    await asyncio.gather(*(decides(mail) for mail in mails[:4]), ends[gone_by](), *(decides(mail) for mail in mails[4:]))
    for mail in mails:
        there, (answer, _, _) = await places(mail), await outcome(mail) if await Review.exists(email_id=mail) else ("none", None, None)
        assert ("review" in {status for status, _ in there.values()}) == (answer is None)
        assert gone_by == "archive" or chosen not in there


# Several at once


async def test_several_are_approved_each_under_its_own_guess(office: Office) -> None:
    """Scenario 67. A forged one wants a look of its own; what somebody has decided meanwhile is counted."""
    a, b, c = office.ids
    one, two = await office.asks("one"), await office.files("two", in_doubt=(b, c))
    forged, late, certain = await office.asks("forged", trust="forged"), await office.asks("late"), await office.files("certain", a)
    seens = [await seen(mail) for mail in (one, two, forged, late, certain)]
    await dismiss(office.bob, seens[3], office.now)
    told = await several(office.eva, [*seens, seens[0], Seen(10**9, 0)], "approve", None, office.now)
    assert [(decided.email_id, decided.client_ids) for decided in told.done] == [(one, (a,)), (two, (b,))]
    assert (told.overtaken, told.gone) == (1, 3)


async def test_several_are_filed_under_one_client_or_dismissed(office: Office) -> None:
    """Each was meant itself: none follows another in the thread."""
    _, b, _ = office.ids
    mails = [await office.asks(name, thread="t") for name in ("one", "two")]
    told = await several(office.eva, [await seen(mail) for mail in mails], "file_under", b, office.now)
    assert ([decided.client_ids for decided in told.done], told.overtaken, told.gone) == ([(b,), (b,)], 0, 0)
    assert [await outcome(mail) for mail in mails] == [("reassigned", office.eva.id, office.now)] * 2
    gone = await several(office.eva, [await seen(mail) for mail in mails], "file_under", None, office.now)
    assert (gone.done, gone.gone) == ((), 2)
    told = await several(office.bob, [await seen(mail) for mail in mails], "dismiss", None, office.now)
    assert ([decided.client_ids for decided in told.done], await Email.filter(dismissed_at=None).count()) == ([(), ()], 0)
