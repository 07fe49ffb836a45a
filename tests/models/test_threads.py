"""What a person decides about one mail of a thread: open questions follow at once, the rest where they say so."""

import asyncio
from typing import Any

import pytest

from models import privacy
from models.activities import Activity, Review
from models.audit_log import POSTROOM, history_of
from models.clients import archive
from models.database import connection
from models.decisions import NoSuchClient, Overtaken, Seen, also_under, dismiss, file_under, whole_thread
from models.emails import Email
from models.never_file import OwnDomain
from tests.models.office import Office, acts, an_office, answered, ids_of, outcome, places, seen, shown

LEE, KIM, EVA = "lee@other.example", "kim@third.example", "eva@sample.test"


@pytest.fixture
async def office(now: Any) -> Office:
    return await an_office(now)


async def test_open_questions_of_the_thread_follow(office: Office) -> None:
    """Scenario 55. They leave everybody's queue; who has an old page of them is told; strangers' threads are left alone."""
    a, b, c = office.ids
    first = await office.asks("first", thread="t")
    follows = await office.files("follows", in_doubt=(a, b, c), thread="t")
    elsewhere = await office.asks("elsewhere")
    old, before = await seen(follows), answered("inherited")
    decided = await file_under(office.eva, await seen(first), b, office.later())
    assert (decided.settled, answered("inherited") - before) == (1, 1)
    assert await places(follows) == {a: ("dismissed", "inherited"), b: ("filed", "inherited"), c: ("dismissed", "inherited")}
    assert (await Activity.get(email_id=follows, client_id=b)).reason == "Eva filed this thread here"
    assert await outcome(follows) == ("inherited", None, office.now)
    assert (await acts(follows), await acts(elsewhere)) == ([("inherited", None)], [])
    assert (await history_of(office.firm.id, follows))[0].who is None
    assert await ids_of(Email.filter(review__decided_at=None)) == [elsewhere]
    with pytest.raises(Overtaken) as told:
        await file_under(office.bob, old, a, office.now)
    assert (told.value.by, told.value.at) == (POSTROOM, office.now)


async def test_what_follows_is_a_question_of_this_client_by_somebody_who_shares_the_mail(office: Office) -> None:
    """Scenarios 55, 57, 67. Not one of others, of strangers, of a forger, one that is private, dismissed, or answered."""
    a, b, c = office.ids
    first = await office.asks("first", thread="t", cc=(LEE,))
    lees = await office.asks("lees", thread="t", sender=LEE)
    left = [
        await office.files("of others", in_doubt=(a, c), thread="t"),
        await office.asks("a stranger's", thread="t", sender=KIM),
        await office.asks("forged", thread="t", trust="forged"),
        await office.asks("private", thread="t"),
        await office.asks("of another thread"),
    ]
    private = await Activity.get(email_id=left[3])
    await privacy.make_private(office.eva, await seen(left[3]), private.id, True, office.now)
    gone, said = await office.asks("gone", thread="t"), await office.asks("said", thread="t")
    await dismiss(office.bob, await seen(gone), office.now)
    refused = await office.asks("refused", thread="t")
    await dismiss(office.bob, await seen(refused), office.now, client_id=a)
    await also_under(office.bob, await seen(said), a, office.now)
    assert (await file_under(office.eva, await seen(first), b, office.later())).settled == 2
    assert (await outcome(lees))[0] == (await outcome(refused))[0] == "inherited"
    assert [(await outcome(mail))[0] for mail in left] == [None] * len(left)
    assert await shown(gone) == set()
    assert await shown(said) == {a}


@pytest.mark.parametrize("who", [EVA, KIM])
async def test_staff_who_are_on_both_mails_prove_nothing(office: Office, who: str) -> None:
    """Scenario 57. Eva is on all of them; Kim is at a domain of the firm's own."""
    _, b, _ = office.ids
    await OwnDomain.create(firm=office.firm, domain="third.example")
    first = await office.asks("first", thread="t", cc=(who,))
    other = await office.asks("other", thread="t", sender=LEE, cc=(who,))
    assert (await file_under(office.eva, await seen(first), b, office.now)).settled == 0
    assert (await outcome(other))[0] is None


@pytest.mark.parametrize("doubtful", [True, False])
async def test_a_blind_copy_shares_only_where_it_is_itself_in_doubt(office: Office, doubtful: bool) -> None:
    """Scenario 57. As for mail that comes later: other copies of the mail do not show it."""
    _, b, _ = office.ids
    first = await office.asks("first", thread="t")
    blind = await office.asks("blind", thread="t", sender=LEE, bcc=("pat@client.example",))
    if doubtful:
        review = await Review.get(email_id=blind)
        for candidate in review.candidates:
            candidate["addresses"] = [LEE, "pat@client.example"]
        await review.save()
    assert (await file_under(office.eva, await seen(first), b, office.now)).settled == doubtful


@pytest.mark.parametrize("what", ["forged", "private", "added", "dismissed"])
async def test_what_says_nothing_about_the_thread_settles_nothing(office: Office, what: str) -> None:
    """Scenario 67."""
    _, b, _ = office.ids
    first = await office.asks("first", thread="t", trust="forged" if what == "forged" else "unknown")
    other = await office.asks("other", thread="t")
    if what == "private":
        await privacy.make_private(office.eva, await seen(first), (await Activity.get(email_id=first)).id, True, office.now)
    match what:
        case "added":
            decided = await also_under(office.eva, await seen(first), b, office.now)
        case "dismissed":
            decided = await dismiss(office.eva, await seen(first), office.now)
        case _:
            decided = await file_under(office.eva, await seen(first), b, office.now)
    assert decided.settled == 0
    assert (await outcome(other))[0] is None


async def test_a_question_is_answered_where_somebody_moves_a_certain_mail_of_the_thread(office: Office) -> None:
    """Scenario 55."""
    a, b, _ = office.ids
    first, other = await office.files("first", a, thread="t"), await office.asks("other", thread="t")
    assert (await file_under(office.eva, await seen(first), b, office.now, instead_of=a)).settled == 1
    assert await shown(other) == {b}


async def test_a_reply_that_is_just_being_filed_waits_for_the_decision_and_follows_it(office: Office) -> None:
    """Scenarios 55, 72. Nobody is asked what is just being answered."""
    a, b, _ = office.ids
    first = await office.asks("first", thread="t")
    saw = await seen(first)
    async with connection() as rival, rival.transaction():
        await rival.execute(
            "SELECT 1 FROM activity WHERE email_id = $1 FOR UPDATE", first
        )  # the decision has claimed the e-mail, and waits
        deciding = asyncio.create_task(file_under(office.eva, saw, b, office.now))
        await waits(rival, 1)
        filing = asyncio.create_task(office.asks("reply", thread="t"))
        await waits(rival, 2)
    assert (await deciding).settled == 0
    reply = await filing
    assert await places(reply) == {a: ("dismissed", "inherited"), b: ("filed", "inherited")}


async def test_a_decision_waits_for_a_reply_that_is_just_being_filed_and_settles_it(office: Office) -> None:
    """Scenarios 55, 72. The other way round."""
    a, b, _ = office.ids
    first = await office.asks("first", thread="t")
    saw = await seen(first)
    async with connection() as rival, rival.transaction():
        await rival.execute("SELECT 1 FROM activity WHERE email_id = $1 FOR UPDATE", first)
        filing = asyncio.create_task(office.asks("first", thread="t", box=office.bobs))  # it has the e-mail, and waits
        await waits(rival, 1)
        deciding = asyncio.create_task(file_under(office.eva, saw, b, office.now))
        await waits(rival, 2)
        await rival.execute(
            """
            INSERT INTO email (firm_id, identity, thread_root, outgoing, subject, text, headers, sent_at, filed_at)
            SELECT firm_id, 'reply', thread_root, false, '', '', '[]', sent_at, filed_at FROM email WHERE id = $1
            """,
            first,
        )
        reply = await rival.fetchval("SELECT id FROM email WHERE identity = 'reply'")
        await rival.execute(
            "INSERT INTO participant (email_id, header, position, name, address, key) SELECT $2, header, position, name, address, key "
            "FROM participant WHERE email_id = $1",
            first,
            reply,
        )
        await rival.execute(
            "INSERT INTO review (firm_id, email_id, candidates, asked_at) SELECT firm_id, $2, candidates, asked_at "
            "FROM review WHERE email_id = $1",
            first,
            reply,
        )
        await rival.execute(
            """
            INSERT INTO activity (firm_id, email_id, client_id, status, how, reason, sent_at, filed_at)
            SELECT firm_id, $2, client_id, status, how, reason, sent_at, filed_at FROM activity WHERE email_id = $1
            """,
            first,
            reply,
        )
    await filing
    assert (await deciding).settled == 1
    assert await places(reply) == {a: ("dismissed", "inherited"), b: ("filed", "inherited")}


async def waits(held: Any, many: int) -> None:
    while await held.fetchval("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted") < many:
        await asyncio.sleep(0.005)


async def test_decisions_about_one_thread_at_once_meet_no_deadlock(office: Office) -> None:
    """Scenarios 72, 122. Each mail has one answer; each decision, and each filing beside it, comes through or is told."""
    a, b, _ = office.ids
    mails = [await office.asks(f"{n}", thread="t") for n in range(6)]
    seens = [await seen(mail) for mail in mails]
    decisions = [file_under((office.eva, office.bob)[n % 2], saw, (a, b)[n % 2], office.now) for n, saw in enumerate(reversed(seens))]
    ends = await asyncio.gather(*decisions, office.asks("new", thread="t"), return_exceptions=True)
    assert all(isinstance(end, Overtaken) for end in ends if isinstance(end, BaseException)), ends
    assert await Review.filter(decided_at=None).count() == 0
    assert {len(await shown(mail)) for mail in await ids_of(Email.all())} == {1}


# The whole thread


async def test_the_rest_of_the_thread_is_filed_there_too(office: Office) -> None:
    """Scenario 55. Questions, and what was certainly the client's from whom the mail was moved; what is others' too stays theirs."""
    a, b, c = office.ids
    first = await office.files("first", a, thread="t")
    certain, both = await office.files("certain", a, thread="t"), await office.files("both", a, c, thread="t")
    asked, forged = await office.files("asked", in_doubt=(a, c), thread="t"), await office.asks("forged", thread="t", trust="forged")
    strangers, only = await office.files("strangers", a, thread="t", sender=KIM), await office.files("only", c, thread="t")
    said = await office.files("said", a, thread="t")
    await privacy.hand_over(office.eva, await seen(asked), office.bob.id, office.now)  # that is no word about it
    await also_under(office.bob, await seen(said), c, office.now)
    decided = await file_under(office.eva, await seen(first), b, office.now, instead_of=a)
    version = await seen(first)
    followed = await whole_thread(office.eva, Seen(first, decided.version), b, office.later())
    assert {one.email_id: set(one.client_ids) for one in followed} == {certain: {b}, both: {b, c}, asked: {b}, only: {b, c}}
    assert await places(certain) == {a: ("dismissed", "person"), b: ("filed", "person")}
    assert ((await acts(asked))[1:], (await outcome(asked))[:2]) == ([("reassigned", office.eva.id)], ("reassigned", office.eva.id))
    assert (await shown(strangers), await shown(said), (await outcome(forged))[0]) == ({a}, {a, c}, None)
    assert (await seen(first), await acts(only)) == (version, [("added", office.eva.id)])
    assert await whole_thread(office.eva, version, b, office.now) == []


async def test_who_agreed_with_a_guess_takes_nothing_from_the_other_candidate(office: Office) -> None:
    a, b, _ = office.ids
    first, others = await office.asks("first", thread="t"), await office.files("others", b, thread="t")
    follows = await office.asks("follows", thread="t")
    await file_under(office.eva, await seen(first), a, office.now)
    followed = await whole_thread(office.eva, await seen(first), a, office.now)
    assert [(one.email_id, one.client_ids) for one in followed] == [(others, (a, b))]  # the question has followed already
    assert await shown(follows) == {a}


async def test_the_rest_of_the_thread_is_nobodys_either(office: Office) -> None:
    a, b, c = office.ids
    first, asked = await office.asks("first", thread="t"), await office.asks("asked", thread="t")
    certain, forged = await office.files("certain", c, thread="t"), await office.asks("forged", thread="t", trust="forged")
    said, private = await office.asks("said", thread="t"), await office.asks("private", thread="t", box=office.bobs)
    await also_under(office.bob, await seen(said), b, office.now)
    await privacy.make_private(office.bob, await seen(private), (await Activity.get(email_id=private)).id, True, office.now)
    await dismiss(office.eva, await seen(first), office.now)
    followed = await whole_thread(office.eva, await seen(first), None, office.now)
    assert {one.email_id: one.client_ids for one in followed} == {asked: (), certain: (), forged: ()}
    assert await ids_of(Email.filter(dismissed_at=None)) == [said, private]
    assert await shown(said) == {a, b}


async def test_it_is_said_of_the_thread_only_by_who_has_seen_the_mail_as_it_is(office: Office) -> None:
    """Scenario 72."""
    a, b, _ = office.ids
    first, other = await office.files("first", a, thread="t"), await office.files("other", a, thread="t")
    old = await seen(first)
    await file_under(office.bob, old, b, office.now)
    with pytest.raises(Overtaken):
        await whole_thread(office.eva, old, None, office.now)
    await archive(office.firm.id, b, office.now)
    with pytest.raises(NoSuchClient):
        await whole_thread(office.eva, await seen(first), b, office.now)
    assert await shown(other) == {a}
