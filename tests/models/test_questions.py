"""The one question of an e-mail: asked once, asked anew with every copy that comes, and closed as soon as it is none any more."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.activities import Activity, Review
from models.audit_log import AuditEntry
from models.database import Connection, connection
from models.emails import Email, Receipt
from models.evidence import Doubt
from models.firms import Firm
from models.mailboxes import Mailbox
from models.recording import NewEmail
from pipeline.guess import guess
from pipeline.match import Concerns, Party, concerns
from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.models.emails import PAT, an_email, decided, files

LEE, KIM = "lee@other.example", "kim@third.example"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
often = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass
class Team:
    """Two colleagues of one firm, and clients A, B and C."""

    firm: Firm
    eva: Mailbox
    bob: Mailbox
    clients: list[int]

    async def files(self, mailbox: Mailbox, *emails: NewEmail) -> int:
        return await files(mailbox, *emails, now=NOW, rank=guess)


async def a_team() -> Team:
    firm = await a_firm()
    eva, bob = [await a_mailbox(await a_user(firm), at=NOW) for _ in range(2)]
    return Team(firm, eva, bob, [(await a_client(firm)).id for _ in range(3)])


@pytest.fixture
async def team(database: None) -> Team:
    return await a_team()


async def places(identity: str = "mail") -> list[tuple[Any, ...]]:
    """Client, status, and who or what put it there."""
    return await Activity.filter(email__identity=identity).order_by("client_id").values_list("client_id", "status", "how")


async def candidates(identity: str = "mail") -> list[Any]:
    """Of the open question, the best first."""
    review = await Review.get_or_none(email__identity=identity, decided_at=None)
    return [candidate["client"] for candidate in review.candidates] if review else []


def mail(*clients: int, **more: Any) -> NewEmail:
    return an_email("mail", NOW, *clients, **more)


# Asking


@pytest.mark.parametrize(("kind", "quiet"), [("mail", False), ("automatic", True), ("mass", True)])
async def test_a_question_of_automatic_or_mass_mail_waits_behind_the_others(team, kind, quiet):
    """Scenarios 49, 74."""
    a, b, _ = team.clients
    assert await team.files(team.eva, mail(in_doubt=(a, b), kind=kind)) == 1
    assert (await Review.get()).quiet == quiet
    assert await places() == [(a, "review", "guess")]


async def test_what_came_to_a_colleague_as_ordinary_mail_is_no_mass_mail(team):
    """Scenario 121. Whoever syncs first."""
    a, b, _ = team.clients
    for kind in ("mass", "mail", "automatic"):
        await team.files(team.eva, mail(in_doubt=(a, b), kind=kind))
        assert ((await Review.get()).quiet, (await Email.get()).kind) == ((True, "mass") if kind == "mass" else (False, "mail"))


async def test_the_best_guess_is_by_the_history_of_those_who_are_on_the_mail(team):
    """Scenario 59. What is certain in the same batch is evidence, wherever in the batch it stands."""
    *_, c = team.clients
    for name in ("a", "z"):
        before = [an_email(f"{name}-certain", NOW - timedelta(days=1), c), an_email(f"m-{name}", NOW, in_doubt=tuple(team.clients))]
        assert await team.files(team.eva, *before) == 2
        assert (await candidates(f"m-{name}"))[0] == c
        assert await places(f"m-{name}") == [(c, "review", "guess")]


async def test_a_copy_that_says_the_same_again_changes_nothing(team):
    """Scenarios 13, 121. Not even its version: whoever looks at the question may still answer it."""
    a, b, _ = team.clients
    for mailbox in (team.eva, team.bob, team.eva):
        await team.files(mailbox, mail(in_doubt=(a, b)))
        assert (await candidates(), await places(), (await Email.get()).version) == ([a, b], [(a, "review", "guess")], 0)


async def test_every_further_copy_asks_anew_by_what_is_known_then(team):
    """Scenario 121. The guess goes to another client, with all that somebody wrote on it; and who still sees the former one is told."""
    a, b, _ = team.clients
    await team.files(team.eva, mail(in_doubt=(a, b)))
    await Activity.all().update(note="A note")
    await team.files(team.bob, an_email("before", NOW - timedelta(days=1), b))
    await team.files(team.bob, mail(in_doubt=(a, b)))
    assert (await candidates(), await places()) == ([b, a], [(b, "review", "guess")])
    activity = await Activity.get(email__identity="mail").prefetch_related("email__review")
    assert (activity.note, activity.email.version) == ("A note", 1)
    reasons: Any = activity.email.review.candidates[0]["reasons"]
    assert activity.reason == "; ".join(reasons) != ""


async def test_copies_that_show_different_people_in_doubt_ask_one_question_about_all(team):
    """Scenario 121. A blind copy shows in its sender's mailbox alone."""
    a, b, c = team.clients
    for copy in (mail(in_doubt=(a, b)), mail(in_doubt=(a, c), sender=LEE)):
        await team.files(team.eva, copy)
    assert (await candidates(), await places()) == ([a, b, c], [(a, "review", "guess")])
    assert await Review.all().count() == 1


# Closing


@pytest.mark.parametrize("which", [0, 1])
async def test_what_another_copy_is_certain_of_is_asked_no_more(team, which):
    """Scenario 121. Whether it was the best guess or not; what was written on the guess stays on what is filed."""
    client = team.clients[which]
    await team.files(team.eva, mail(in_doubt=tuple(team.clients[:2])))
    await Activity.all().update(note="A note")
    assert await team.files(team.bob, mail(client)) == 0
    assert (await Review.all().count(), await places()) == (0, [(client, "filed", "certain")])
    assert ((await Activity.get()).note, (await Email.get()).version) == ("A note", 1)


async def test_what_is_certain_settles_its_own_addresses_and_no_others(team):
    """Scenarios 61, 121."""
    a, b, c = team.clients
    await team.files(team.eva, mail(in_doubt=(a, b)))
    await team.files(team.bob, mail(a, in_doubt=(b, c), sender=LEE))
    assert (await candidates(), await places()) == ([b, c], [(a, "filed", "certain"), (b, "review", "guess")])


async def test_a_client_of_whom_another_copy_is_certain_is_no_answer_to_the_question(team):
    """Scenario 121. A blind copy to another client."""
    a, b, c = team.clients
    await team.files(team.eva, mail(in_doubt=(a, b)))
    assert await team.files(team.bob, mail(c, in_doubt=(a, b))) == 1
    assert (await candidates(), await places()) == ([a, b], [(a, "review", "guess"), (c, "filed", "certain")])


# A decision stands


async def test_nothing_is_added_to_a_mail_that_somebody_dismissed(team):
    """Scenario 71. Not what is certain, not a question; the colleague's receipt alone."""
    a, b, c = team.clients
    await team.files(team.eva, mail(a))
    await Activity.all().update(status="dismissed", decided_by_id=team.eva.user_id)
    await Email.all().update(dismissed_at=NOW)
    assert [await team.files(team.bob, copy) for copy in (mail(a), mail(b), mail(in_doubt=(b, c)))] == [0, 0, 0]
    assert (await Review.all().count(), await places(), await Receipt.all().count()) == (0, [(a, "dismissed", "certain")], 2)


@pytest.mark.parametrize("asked", [True, False])
async def test_what_a_person_moved_stays_there_whatever_a_further_copy_says(team, asked):
    """Scenarios 71, 121. A contact is edited meanwhile: now the address is A's for certain, or it is in doubt."""
    a, b, c = team.clients
    await team.files(team.eva, mail(in_doubt=(a, b)) if asked else mail(a))
    await decided(await Email.get(identity="mail"), b, team.eva.user_id, NOW)
    before = (await places(), await Review.all().values())
    for copy in (mail(a), mail(in_doubt=(a, b)), mail(in_doubt=(a, c)), mail(in_doubt=(a, b, c), trust="forged"), mail(b)):
        assert await team.files(team.bob, copy) == 0
    assert (await places(), await Review.all().values()) == before
    assert [(client, status) for client, status, _ in before[0]] == [(a, "dismissed"), (b, "filed")]


async def test_another_clients_certain_copy_is_filed_beside_what_a_person_decided(team):
    """Scenarios 60, 71. It is another address that says so."""
    a, b, c = team.clients
    await team.files(team.eva, mail(in_doubt=(a, b)))
    await decided(await Email.get(identity="mail"), b, team.eva.user_id, NOW)
    assert await team.files(team.bob, mail(c)) == 1
    assert [(client, status) for client, status, _ in await places()] == [(a, "dismissed"), (b, "filed"), (c, "filed")]


async def test_who_was_refused_is_no_candidate_any_more_while_the_question_stays(team):
    """Scenario 71. A person said: not this client's. Nothing else is answered."""
    a, b, c = team.clients
    await team.files(team.eva, mail(in_doubt=(a, b, c)))
    await Activity.all().update(status="dismissed", decided_by_id=team.eva.user_id)
    await team.files(team.bob, mail(in_doubt=(a, b, c)))
    assert (await candidates(), await places()) == ([b, c], [(a, "dismissed", "guess"), (b, "review", "guess")])


async def test_a_decision_that_is_being_written_is_waited_for_and_heard(team):
    """Scenarios 71, 72. The colleague's copy would move the guess at that very moment."""
    a, b, _ = team.clients
    await team.files(team.eva, mail(in_doubt=(a, b)))
    await team.files(team.bob, an_email("before", NOW - timedelta(days=1), b))
    async with connection() as person:
        async with person.transaction():
            await person.execute("UPDATE email SET version = version + 1 WHERE identity = 'mail'")
            filing = asyncio.ensure_future(team.files(team.bob, mail(in_doubt=(a, b))))
            await waits(person)
            await person.execute("UPDATE activity SET status = 'filed', how = 'person' WHERE status = 'review'")
            await person.execute("UPDATE review SET decided_at = now(), outcome = 'approved'")
        assert await filing == 0
    assert await places() == [(a, "filed", "person")]


async def test_a_decision_about_another_mail_of_the_thread_is_waited_for_and_heard(team):
    """Scenarios 55, 72. Nobody is asked what somebody is just answering."""
    a, b, _ = team.clients
    await team.files(team.eva, mail(in_doubt=(a, b)))
    async with connection() as person:
        async with person.transaction():
            await person.execute("UPDATE email SET version = version + 1 WHERE identity = 'mail'")
            filing = asyncio.ensure_future(team.files(team.bob, an_email("reply", NOW, in_doubt=(a, b), thread="mail")))
            await waits(person)
            await person.execute("UPDATE activity SET client_id = $1, status = 'filed', how = 'person'", b)
            await person.execute("UPDATE review SET decided_at = now(), outcome = 'reassigned'")
        assert await filing == 1
    assert await places("reply") == [(a, "dismissed", "inherited"), (b, "filed", "inherited")]


async def waits(person: Connection) -> None:
    """Until somebody waits for this person."""
    async with asyncio.timeout(5):
        while not await person.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            await asyncio.sleep(0.005)


# Forged


async def test_a_forged_mail_is_asked_about_until_a_copy_of_it_is_proven(team):
    """Scenario 67. A copy of which Google says nothing settles nothing; in what its author sent it is no forgery."""
    a, b, _ = team.clients
    await team.files(team.eva, mail(in_doubt=(a,), trust="forged"))
    await team.files(team.bob, mail(a, trust="unknown"))
    await team.files(team.bob, mail(b, trust="unknown"))
    assert (await candidates(), (await Email.get()).trust) == ([a, b], "forged")
    await team.files(team.bob, mail(a, b, outgoing=True))
    assert (await Review.all().count(), await places()) == (0, [(a, "filed", "certain"), (b, "filed", "certain")])


async def test_what_was_filed_before_a_copy_showed_the_forgery_is_asked_about(team):
    """Scenario 67. Unless somebody has written on it: that is a person's."""
    a, b, c = team.clients
    await team.files(team.eva, mail(a, b, c))
    await Activity.filter(client_id=c).update(title="A title")
    await team.files(team.bob, mail(in_doubt=(a,), trust="forged"))
    assert (await candidates(), await places()) == ([a, b], [(a, "review", "guess"), (c, "filed", "certain")])
    assert ((await Email.get()).trust, (await Email.get()).version) == ("forged", 1)
    told: Any = (await Review.get()).candidates
    assert told[0]["reasons"] == [f"{PAT} is a contact of this client"]
    assert told[1]["reasons"] == ["an address on this mail is a contact of this client"]  # no more is known by now


async def test_of_a_forged_mail_each_client_is_asked_about_though_a_copy_is_certain_of_one(team):
    """Scenario 67. A person has said whose it is, too; that settles nothing for the others."""
    a, b, c = team.clients
    await team.files(team.eva, mail(a, b))
    await Activity.filter(client_id=a).update(title="A title")
    await team.files(team.bob, mail(in_doubt=(c,), trust="forged", sender=LEE))
    await team.files(team.bob, mail(a, b))
    assert (await candidates(), (a, "filed", "certain") in await places()) == ([b, c], True)


# Any order


# Whose addresses, by number of the client: two of clients alone, and three of contacts of several.
DIRECTORY = {"ann@a.example": {0}, "zoe@c.example": {2}, PAT: {0, 1}, LEE: {0, 2}, KIM: {1, 2}}
SHOWN = st.sets(st.sampled_from(sorted(DIRECTORY)), min_size=1).map(sorted)
TRUSTS, KINDS = st.sampled_from(["unknown", "forged", "proven"]), st.sampled_from(["mail", "mass"])


def several(shown: st.SearchStrategy[list[str]], trusts: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    return st.lists(st.tuples(shown, trusts, KINDS, st.integers(0, 1)), min_size=2, max_size=4)


# Copies show different people, where some had it as a blind copy; or Google found different things about their sender.
ARRIVALS = TRUSTS.flatmap(lambda trust: several(SHOWN, st.just(trust))) | SHOWN.flatmap(lambda shown: several(st.just(shown), TRUSTS))


def a_copy(team: Team, shown: Sequence[str], trust: str, kind: str) -> NewEmail:
    """As matching has it."""
    stands_for = {key: frozenset(team.clients[number] for number in DIRECTORY[key]) for key in shown}
    whose = concerns([Party("cc", "", key, key) for key in shown], stands_for, trust)  # type: ignore[arg-type]
    assert isinstance(whose, Concerns)
    email = mail(*(match.client_id for match in whose.certain), sender="sam@client.example", cc=tuple(shown), trust=trust, kind=kind)
    addresses = {found.party.address: found.clients for found in whose.in_doubt}
    doubt = Doubt(addresses, email.people, "sam@client.example", email.subject, email.text, (), NOW)
    return replace(email, question=doubt if addresses else None)


def batches(arrivals: Iterable[tuple[Any, ...]], chance: Random) -> list[list[tuple[Any, ...]]]:
    """What comes into one mailbox, one after the other, may come at once."""
    found: list[list[tuple[Any, ...]]] = []
    for arrival in arrivals:
        if found and found[-1][0][-1] == arrival[-1] and chance.random() < 0.5:
            found[-1].append(arrival)
        else:
            found.append([arrival])
    return found


async def outcome(team: Team, arrivals: Sequence[Sequence[tuple[Any, ...]]], *, at_once: bool = False) -> list[Any]:
    """What is there in the end, in terms of clients A, B, C, whoever has had which copies in which order and in which batches."""
    mailboxes = (team.eva, team.bob)
    arriving = [
        team.files(mailboxes[batch[0][-1]], *(replace(a_copy(team, *copy), gmail_id=f"copy {n}") for n, (*copy, _) in enumerate(batch)))
        for batch in arrivals
    ]
    if at_once:
        await asyncio.gather(*arriving)
    else:
        for each in arriving:
            await each
    email = await Email.get(identity="mail", firm=team.firm).prefetch_related("activities")
    review = await Review.get_or_none(email=email)
    told: list[Any] = review.candidates if review else []
    asked = [(team.clients.index(candidate["client"]), candidate["addresses"]) for candidate in told]
    filed = sorted((team.clients.index(a.client_id), a.status, a.how) for a in email.activities)
    return [filed, asked, review and review.quiet, email.trust, email.kind]


@often
@given(arrivals=ARRIVALS, chance=st.randoms())
async def test_in_whatever_order_and_batches_the_copies_come_the_same_is_filed_and_asked(database: None, arrivals, chance):
    """Scenario 121."""
    other = batches(chance.sample(arrivals, len(arrivals)), chance)
    assert await outcome(await a_team(), [[each] for each in arrivals]) == await outcome(await a_team(), other)


@pytest.mark.parametrize(
    ("hers", "his"),
    [
        (([PAT], "unknown", "mail"), ([PAT], "unknown", "mail")),
        (([PAT], "unknown", "mail"), ([PAT, LEE], "unknown", "mail")),
        (([PAT, LEE], "unknown", "mass"), ([LEE, "ann@a.example"], "unknown", "mail")),
        (([PAT, LEE], "unknown", "mail"), ([PAT, "zoe@c.example"], "unknown", "mail")),
        (([PAT, "zoe@c.example"], "forged", "mail"), ([PAT, "zoe@c.example"], "unknown", "mail")),
        (([PAT, "zoe@c.example"], "forged", "mail"), ([PAT, "zoe@c.example"], "proven", "mail")),
    ],
)
async def test_copies_that_come_at_once_make_what_they_make_one_after_the_other(database, hers, his):
    """Scenario 121. In two mailboxes, whoever is first."""
    arrivals = [[(*hers, 0)], [(*his, 1)]]
    one_by_one = await outcome(await a_team(), arrivals)
    for order in (arrivals, arrivals[::-1]):
        assert await outcome(await a_team(), order, at_once=True) == one_by_one


async def test_two_copies_in_one_mailbox_are_one_mail(team):
    """Scenarios 50, 121. Gmail gives each an id of its own; in one batch they say the same as one after the other."""
    a, b, c = team.clients
    copies = [mail(in_doubt=(a, b)), replace(mail(b, in_doubt=(a, c), sender=LEE), gmail_id="again")]
    await team.files(team.eva, *copies)
    assert (await candidates(), await places()) == ([a, c], [(a, "review", "guess"), (b, "filed", "certain")])


@pytest.mark.parametrize("undone", [True, False])
async def test_what_somebody_took_back_is_not_settled_by_the_thread_again(team, undone):
    """Scenario 71. Where nobody has said anything about the mail itself, the thread's decision counts for it with the next copy."""
    a, b, _ = team.clients
    await team.files(team.eva, mail(in_doubt=(a, b)), an_email("other", NOW, in_doubt=(a, b), thread="mail"))
    await decided(await Email.get(identity="other"), b, team.eva.user_id, NOW)
    if undone:
        email = await Email.get(identity="mail")
        await AuditEntry.create(firm=team.firm, user_id=team.eva.user_id, at=NOW, act="undone", email_id=email.id, before={}, after={})
    await team.files(team.bob, mail(in_doubt=(a, b)))
    assert await candidates() == ([b, a] if undone else [])
    assert await places() == ([(b, "review", "guess")] if undone else [(a, "dismissed", "inherited"), (b, "filed", "inherited")])
