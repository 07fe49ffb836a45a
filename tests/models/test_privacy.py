"""Private mail is seen by who received it, and by nobody else; questions are handed over to who may see them."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from models import reviews
from models.activities import Activity, Review
from models.audit_log import AuditEntry, history_of
from models.client_list import clients
from models.database import connection
from models.emails import Email, Receipt
from models.firms import User
from models.listings import count_of_client, mails_of_client, newest_mails
from models.mailboxes import Mailbox
from models.privacy import ACTS, Privacy, hand_over, make_private, privacy_of
from models.reviews import Counts
from models.sight import sees
from models.verdicts import NoSuchColleague, NotDecided, NotReceived, NotThere, Overtaken, Seen, TooLate
from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.models.emails import an_email, files


@dataclass
class Office:
    """Eva received a mail; Robin, her colleague, did not. Ann is of another firm. Clients A and B are Eva's firm's."""

    eva: User
    robin: User
    ann: User
    mailbox: Mailbox
    robins: Mailbox
    a: int
    b: int
    now: datetime

    async def files(self, *clients: int, in_doubt: tuple[int, ...] = ()) -> Activity:
        await files(self.mailbox, an_email("mail", self.now, *clients, in_doubt=in_doubt), now=self.now)
        return (await Activity.all().order_by("id"))[0]

    async def marks(self, by: User, private: bool = True) -> None:
        activity = await Activity.first()
        assert activity
        await make_private(by, await seen(), activity.id, private, self.now)

    async def shown_to(self, user: User) -> set[str]:
        """Where this user meets the mail."""
        (email,), activities = await Email.all(), await Activity.all()
        async with connection() as held:
            found = {
                "the mail itself": await sees(held, user, email.id),
                "an activity": any([await Activity.one(user, activity.id) for activity in activities]),
            }
        found["a client's mails"] = any([await mails_of_client(user, client, 0, 5) for client in (self.a, self.b)])
        found["their number"] = any([await count_of_client(user, client) for client in (self.a, self.b)])
        found["the newest"] = bool(await newest_mails(user, 5))
        found["a client's newest"] = any(client.newest_at for client in (await clients(user, "", 0, 5)).clients)
        return {name for name, shown in found.items() if shown}


EVERYWHERE = {"the mail itself", "an activity", "a client's mails", "their number", "the newest", "a client's newest"}


@pytest.fixture
async def office(now: datetime) -> Office:
    firm = await a_firm()
    eva, robin, ann = await a_user(firm), await a_user(firm, role="admin"), await a_user(await a_firm())
    a, b = await a_client(firm), await a_client(firm)
    return Office(eva, robin, ann, await a_mailbox(eva), await a_mailbox(robin), a.id, b.id, now)


async def seen() -> Seen:
    """As a page shows it that is just loaded."""
    (email,) = await Email.all()
    return Seen(email.id, email.version)


# Private


async def test_private_mail_is_seen_by_who_received_it_and_by_no_colleague_not_even_an_admin(office: Office) -> None:
    """Scenario 75. For others it is not there, on no list and in no number; once it is shared, it is again."""
    await office.files(office.a)
    assert await office.shown_to(office.robin) == EVERYWHERE
    await office.marks(office.eva)
    assert await office.shown_to(office.robin) == set()
    assert await office.shown_to(office.eva) == EVERYWHERE
    await office.marks(office.eva, private=False)
    assert await office.shown_to(office.robin) == EVERYWHERE
    assert await office.shown_to(office.ann) == set()


async def test_a_private_mail_is_private_under_every_client_and_under_those_that_come_later(office: Office) -> None:
    await office.files(office.a)
    await office.marks(office.eva)
    await files(office.mailbox, an_email("mail", office.now, office.a, office.b), now=office.now)
    assert await Activity.all().count() == 2
    assert await office.shown_to(office.robin) == set()
    await office.marks(office.eva, private=False)
    assert await office.shown_to(office.robin) == EVERYWHERE
    await office.marks(office.eva)
    await Activity.filter(client_id=office.a).delete()
    assert await office.shown_to(office.robin) == set()


async def test_a_colleague_who_receives_it_later_sees_it(office: Office) -> None:
    await office.files(office.a)
    await office.marks(office.eva)
    await files(office.robins, an_email("mail", office.now, office.a), now=office.now)
    assert await office.shown_to(office.robin) == EVERYWHERE


async def test_who_marked_it_sees_it_when_their_receipt_is_gone_and_may_share_it_again(office: Office) -> None:
    await office.files(office.a)
    await office.marks(office.eva)
    await Receipt.all().delete()
    assert await office.shown_to(office.eva) == EVERYWHERE
    assert await privacy_of(office.eva, (await seen()).email_id) == Privacy(private=True, may_change=True)
    await office.marks(office.eva, private=False)
    assert await office.shown_to(office.robin) == EVERYWHERE
    with pytest.raises(NotReceived):
        await office.marks(office.eva)


async def test_a_question_can_be_private_too(office: Office) -> None:
    """Also for who was to answer it, and did not receive the mail: it waits for those who did."""
    await office.files(in_doubt=(office.a, office.b))
    await hand_over(office.eva, await seen(), office.robin.id, office.now)
    assert [question.seen for question in await reviews.mine(office.robin, 0, 9)] == [await seen()]
    await office.marks(office.eva)
    assert (await reviews.everyones(office.robin, 0, 9), await reviews.counts(office.robin)) == ([], Counts(0, 0, 0, 0))
    assert (len(await reviews.mine(office.eva, 0, 9)), await reviews.counts(office.eva)) == (1, Counts(1, 1, 0, 0))
    assert (await Review.get()).holder_id is None


async def test_a_question_stays_with_a_colleague_who_received_the_mail_as_well(office: Office) -> None:
    await office.files(in_doubt=(office.a, office.b))
    await files(office.robins, an_email("mail", office.now, in_doubt=(office.a, office.b)), now=office.now)
    await hand_over(office.eva, await seen(), office.robin.id, office.now)
    await office.marks(office.eva)
    assert (await Review.get()).holder_id == office.robin.id


async def test_only_who_received_a_mail_can_make_it_private(office: Office) -> None:
    await office.files(office.a)
    before = await seen()
    with pytest.raises(NotReceived):
        await office.marks(office.robin)
    assert await seen() == before
    assert await office.shown_to(office.robin) == EVERYWHERE
    assert await privacy_of(office.robin, before.email_id) == Privacy(private=False, may_change=False)
    assert await privacy_of(office.eva, before.email_id) == Privacy(private=False, may_change=True)


async def test_what_is_private_or_another_firms_or_somewhere_else_is_not_there(office: Office) -> None:
    """Scenario 75."""
    activity = await office.files(office.a)
    with pytest.raises(NotThere):
        await office.marks(office.ann)
    with pytest.raises(NotThere):
        await make_private(office.eva, await seen(), activity.id + 1, True, office.now)
    await office.marks(office.eva)
    for stranger in (office.robin, office.ann):
        for version in (0, 1):
            with pytest.raises(NotThere):
                await make_private(stranger, Seen(activity.email_id, version), activity.id, False, office.now)
            with pytest.raises(NotThere):
                await hand_over(stranger, Seen(activity.email_id, version), None, office.now)
    assert await office.shown_to(office.robin) == set()


async def test_who_saw_it_as_it_was_before_is_told_who_was_faster(office: Office) -> None:
    """Scenario 72."""
    activity = await office.files(office.a)
    before = await seen()
    await files(office.robins, an_email("mail", office.now, office.a), now=office.now)
    found = await asyncio.gather(
        *(make_private(by, before, activity.id, True, office.now) for by in (office.eva, office.robin)), return_exceptions=True
    )
    (overtaken,) = [told for told in found if told]
    assert isinstance(overtaken, Overtaken)
    winner = office.eva if found[1] else office.robin
    assert (overtaken.by, overtaken.at) == (winner.name, office.now)
    assert await AuditEntry.all().count() == 1


async def test_what_postroom_changed_meanwhile_is_postrooms(office: Office) -> None:
    activity = await office.files(office.a)
    await Email.all().update(version=1)
    with pytest.raises(Overtaken) as told:
        await make_private(office.eva, Seen(activity.email_id, 0), activity.id, True, office.now)
    assert told.value.by == "Postroom"


async def test_of_what_is_erased_nothing_is_private(office: Office) -> None:
    activity = await office.files(office.a)
    await Email.all().update(erased_at=office.now)
    with pytest.raises(TooLate):
        await make_private(office.eva, await seen(), activity.id, True, office.now)


async def test_the_audit_tells_who_did_it_and_when_and_no_more(office: Office) -> None:
    await office.files(in_doubt=(office.a, office.b))
    await hand_over(office.eva, await seen(), office.robin.id, office.now)
    await hand_over(office.robin, await seen(), None, office.now)
    await office.marks(office.eva)
    await office.marks(office.eva, private=False)
    (email,) = await Email.all()
    acts = await history_of(office.eva.firm_id, email.id)
    eva, robin = office.eva.name, office.robin.name
    assert [(act.act, act.who) for act in acts] == [("shared", eva), ("private", eva), ("taken back", robin), ("handed over", eva)]
    assert {act.act for act in acts} == set(ACTS)
    assert {(act.at, act.before, act.after) for act in acts} == {(office.now, (), ())}
    rows = [(entry.before, entry.after) for entry in await AuditEntry.all().order_by("id")]
    facts = [{"holder": None}, {"holder": office.robin.id}, {"holder": None}], [{"private": False}, {"private": True}, {"private": False}]
    told = [*pairwise(facts[0]), *pairwise(facts[1])]
    assert rows == [({"version": n} | was, {"version": n + 1} | then) for n, (was, then) in enumerate(told)]
    assert email.version == 4


# Handed over


async def test_a_question_waits_for_the_colleague_to_whom_it_was_handed_over(office: Office) -> None:
    await office.files(in_doubt=(office.a, office.b))
    await hand_over(office.eva, await seen(), office.robin.id, office.now)
    assert (await Review.get()).holder_id == office.robin.id
    await hand_over(office.robin, await seen(), office.eva.id, office.now)
    assert (await Review.get()).holder_id == office.eva.id


@pytest.mark.parametrize("who", ["of another firm", "gone", "unknown", "who may not see it"])
async def test_nothing_is_handed_over_to_who_could_not_answer(office: Office, who: str) -> None:
    """Scenario 75."""
    await office.files(in_doubt=(office.a, office.b))
    if who == "who may not see it":
        await office.marks(office.eva)
    if who == "gone":
        await User.filter(id=office.robin.id).update(active=False)
    to = {"of another firm": office.ann.id, "unknown": 10**9}.get(who, office.robin.id)
    with pytest.raises(NoSuchColleague):
        await hand_over(office.eva, await seen(), to, office.now)
    assert (await Review.get()).holder_id is None


@pytest.mark.parametrize("asked", [True, False])
async def test_there_is_nothing_to_hand_over_where_nobody_is_asked(office: Office, asked: bool) -> None:
    await office.files(*(() if asked else (office.a,)), in_doubt=(office.a, office.b) if asked else ())
    await Review.all().update(decided_at=office.now - timedelta(hours=1))
    with pytest.raises(NotDecided) as told:
        await hand_over(office.eva, await seen(), office.robin.id, office.now)
    assert type(told.value) is NotThere
