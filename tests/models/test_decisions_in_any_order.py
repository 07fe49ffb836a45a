"""Whatever people say and whatever comes, in any order: the e-mail is in one state, everybody's next page shows it, and words stand."""

import asyncio
import itertools
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.activities import Activity, Review
from models.decisions import NotDecided, also_under, dismiss, file_under, several, undo, whole_thread
from models.emails import Email
from tests.models.office import Office, an_office, rows, seen

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LEE = "lee@other.example"
NUMBERS = itertools.count()
MAILS = ("one", "two")
which, client = st.sampled_from(MAILS), st.sampled_from([0, 1, 2])
some = st.sets(client, min_size=2)
ACTS = st.one_of(
    st.tuples(st.just("file"), which, client, st.none() | client),
    st.tuples(st.just("add"), which, client),
    st.tuples(st.just("dismiss"), which, st.none() | client),
    st.tuples(st.just("undo"), which),
    st.tuples(st.just("thread"), which, st.none() | client),
    st.tuples(st.just("approve"), which),
)
COPIES = st.tuples(st.just("copy"), which, st.booleans(), st.sets(client, max_size=1), some, st.sampled_from(["unknown", "forged"]))
often = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def comes(office: Office, name: str, his: bool, certain: set[int], in_doubt: set[int], trust: Any) -> None:
    doubtful = tuple(office.ids[n] for n in in_doubt - certain)
    more: dict[str, Any] = {"in_doubt": doubtful} if len(doubtful) > 1 else {}
    box = office.bobs if his else office.evas
    await office.files(name, *(office.ids[n] for n in certain), box=box, thread="t", trust=trust, cc=(LEE,), **more)


async def does(office: Office, act: tuple[Any, ...]) -> None:
    """Somebody says it, with the page of now before their eyes; or a copy comes."""
    match act:
        case "copy", *told:
            await comes(office, *told)
            return
    mail = await Email.get_or_none(firm=office.firm, identity=act[1])
    if mail is None:
        return
    by, saw, now = office.eva, await seen(mail.id), office.later()
    id_of = dict(enumerate(office.ids))
    with suppress(NotDecided):
        match act:
            case "file", _, n, instead_of:
                await file_under(by, saw, id_of[n], now, instead_of=id_of.get(instead_of))
            case "add", _, n:
                await also_under(by, saw, id_of[n], now)
            case "dismiss", _, n:
                await dismiss(by, saw, now, client_id=id_of.get(n))
            case "undo", _:
                await undo(by, saw, now)
            case "thread", _, n:
                await whole_thread(by, saw, id_of.get(n), now)
            case "approve", _:
                await several(by, [saw], "approve", None, now)


async def states(office: Office) -> dict[int, tuple[Any, ...]]:
    """Of each e-mail: its version, and what people see of it."""
    found: dict[int, tuple[Any, ...]] = {}
    for mail in await Email.filter(firm=office.firm):
        places = await Activity.filter(email=mail).order_by("client_id").values_list("client_id", "status")
        answer = await Review.filter(email=mail).values_list("outcome", "decided_at")
        found[mail.id] = (mail.version, (places, mail.dismissed_at, answer))
    return found


async def is_one_state(mail: int) -> None:
    email, activities = await Email.get(id=mail), await Activity.filter(email_id=mail)
    review = await Review.get_or_none(email_id=mail)
    statuses = [activity.status for activity in activities]
    assert statuses.count("review") == (1 if review is not None and review.decided_at is None else 0)
    assert (email.dismissed_at is None) == any(status in ("filed", "review") for status in statuses)
    refused = {activity.client_id for activity in activities if activity.status == "dismissed"}
    if review is not None and review.decided_at is None:
        guess = next(activity.client_id for activity in activities if activity.status == "review")
        assert guess in {candidate["client"] for candidate in review.candidates}
        assert guess not in refused


@often
@given(st.lists(ACTS | COPIES, min_size=1, max_size=12))
async def test_whatever_is_said_and_comes_the_mail_is_in_one_state(database: None, happens: list[tuple[Any, ...]]) -> None:
    """Scenarios 71, 72, 121. One question at most, one guess at most, and what is dismissed is nowhere. What a person sees changes only
    with the version; and no copy files what was refused, or moves what was decided."""
    office = await an_office(NOW, f"{next(NUMBERS)}")
    for name in MAILS:
        await comes(office, name, False, set(), {0, 1}, "unknown")
    before = await states(office)
    for act in happens:
        await does(office, act)
        after = await states(office)
        for mail, (version, shows) in after.items():
            was, showed = before[mail]
            assert version >= was
            assert version > was or shows == showed or act[0] == "copy"
            if act[0] == "copy":
                stands(showed, shows)
            await is_one_state(mail)
        before = after


def stands(before: tuple[Any, ...], after: tuple[Any, ...]) -> None:
    places, dismissed_at, answer = before
    there = dict(after[0])
    decided = [at for _, at in answer]
    for client_id, status in places:
        if status == "dismissed" or (None not in decided and status == "filed"):
            assert there[client_id] == status
    assert dismissed_at == after[1]
    assert dismissed_at is None or places == after[0]
    assert None in decided or answer == after[2]


@often
@given(ACTS, ACTS, st.none() | COPIES)
async def test_what_happens_at_once_is_as_if_one_came_after_the_other(database: None, hers: Any, his: Any, copy: Any) -> None:
    """Scenarios 72, 122. Nobody meets a deadlock, and the mails are in one state."""
    office = await an_office(NOW, f"{next(NUMBERS)}")
    for name in MAILS:
        await comes(office, name, False, set(), {0, 1}, "unknown")
    await asyncio.gather(*(does(office, act) for act in (hers, his, copy) if act))
    for mail in await Email.filter(firm=office.firm):
        await is_one_state(mail.id)


@often
@given(st.lists(ACTS, min_size=1, max_size=3), ACTS)
async def test_undo_brings_back_what_was_before(database: None, said: list[tuple[Any, ...]], last: tuple[Any, ...]) -> None:
    """Scenario 71. Whatever was said before, of the mail and of its thread."""
    office = await an_office(NOW, f"{next(NUMBERS)}")
    for name in MAILS:
        await comes(office, name, False, set(), {0, 1, 2}, "unknown")
    for act in said:
        await does(office, act)
    mail = await Email.get(firm=office.firm, identity=last[1])
    before, version = await places_and_answer(mail.id), (await seen(mail.id)).version
    if last[0] in ("undo", "thread"):
        return
    await does(office, last)
    if (await seen(mail.id)).version > version:
        await undo(office.bob, await seen(mail.id), office.later())
    assert await places_and_answer(mail.id) == before


async def places_and_answer(mail: int) -> tuple[Any, ...]:
    """But for what the audit does not keep: numbers of rows, reasons of what is dismissed, and which addresses stand for a candidate."""
    activities, reviews = await rows(mail)
    for review in reviews:
        review["candidates"] = [candidate["client"] for candidate in review["candidates"]]
    names = ("client_id", "status", "how", "decided_by_id", "decided_at")
    return [[activity[name] for name in names] for activity in activities], reviews, (await Email.get(id=mail)).dismissed_at
