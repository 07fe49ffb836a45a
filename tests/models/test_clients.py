"""Clients that are archived, restored, merged or removed while their mail is filed, in question, or being decided about."""

import asyncio
import json
import random
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from models import leases
from models.activities import Activity, Review
from models.audit_log import AuditEntry
from models.client_file import Entry
from models.clients import Changed, IsArchived, ItIsTheSame, NoSuchClient, archive, merge, remove, restore
from models.database import connection
from models.directory import Client, ClientContact, Contact, ContactAddress, clients_by_address
from models.emails import Attachment, Email, Participant, Receipt
from models.filing import ClientsGone, file_batch
from models.firms import Firm
from models.gaps import DAY, Gap
from models.importing import import_entries
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from tests.builders import a_client, a_firm, a_mailbox, a_user, held
from tests.models.emails import an_email, debts_for, filed

PAT, LEE = "pat@client.example", "lee@client.example"


@dataclass(frozen=True)
class House:
    """A firm with a mailbox and three clients, and what is filed there."""

    firm: Firm
    mailbox: Mailbox
    clients: list[Client]
    now: datetime

    @property
    def ids(self) -> tuple[int, int, int]:
        one, two, three = (client.id for client in self.clients)
        return one, two, three

    async def files(self, name: str, *certain: int, in_doubt: tuple[int, ...] = ()) -> int:
        """An e-mail; its id."""
        email = an_email(name, self.now, *certain, in_doubt=in_doubt)
        owed = await debts_for(self.mailbox, [email], self.now)
        run = await held(self.mailbox, self.now)
        await file_batch(run, [email], list(filed(owed)), 5, self.now)
        await leases.release(run, timedelta(0))
        return int((await Email.get(identity=name)).id)

    async def under(self, email_id: int) -> dict[int, str]:
        """Client to status."""
        return dict(await Activity.filter(email_id=email_id).values_list("client_id", "status"))

    async def asks(self, email_id: int) -> list[object]:
        """The candidates, and how it ended."""
        review = await Review.get(email_id=email_id)
        return [*(candidate["client"] for candidate in review.candidates), review.outcome]

    async def version(self, email_id: int) -> int:
        return int((await Email.get(id=email_id)).version)


@pytest.fixture
async def house(now: datetime) -> House:
    firm = await a_firm()
    mailbox = await a_mailbox(await a_user(firm), at=now - 200 * DAY)
    clients = [await a_client(firm, "One", PAT), await a_client(firm, "Two", PAT, LEE), await a_client(firm, "Three", PAT)]
    return House(firm, mailbox, clients, now)


# archived, restored


async def test_an_archived_client_keeps_its_mail_and_gets_no_more(house: House) -> None:
    """Scenario 73."""
    one, two, three = house.ids
    email = await house.files("filed", one)
    assert await archive(house.firm.id, one, house.now) == Changed(activities=1)
    assert await clients_by_address(house.firm.id, [PAT]) == {PAT: {two, three}}
    assert (await house.under(email), await house.version(email)) == ({one: "filed"}, 0)
    assert await archive(house.firm.id, one, house.now + DAY) == Changed(activities=1)
    assert (await Client.get(id=one)).archived_at == house.now


async def test_the_next_candidate_takes_the_place_of_an_archived_guess(house: House) -> None:
    """Scenario 73."""
    one, two, three = house.ids
    guess, other = await house.files("guess", in_doubt=(one, three)), await house.files("other", in_doubt=(two, three))
    certain = await house.files("certain", two, in_doubt=(one, three))
    assert await archive(house.firm.id, three, house.now) == Changed(questions=3)
    assert await archive(house.firm.id, one, house.now) == Changed(activities=2)
    assert (await house.under(guess), await house.asks(guess)) == ({one: "review"}, [one, None])  # nobody else: it stays as it is
    assert (await house.under(other), await house.asks(other)) == ({two: "review"}, [two, None])
    assert (await house.under(certain), await house.asks(certain)) == ({one: "review", two: "filed"}, [one, None])
    assert [await house.version(email) for email in (guess, other, certain)] == [1, 1, 1]


async def test_a_candidate_that_a_person_refused_takes_nobodys_place(house: House) -> None:
    """Scenarios 70, 73."""
    one, two, three = house.ids
    email = await house.files("mail", in_doubt=(one, two, three))
    await Activity.create(
        firm=house.firm, email_id=email, client_id=two, status="dismissed", reason="", sent_at=house.now, filed_at=house.now
    )
    await archive(house.firm.id, one, house.now)
    assert await house.under(email) == {two: "dismissed", three: "review"}
    activity = await Activity.get(email_id=email, client_id=three)
    assert (activity.how, activity.reason) == ("guess", "one of the clients that an address stands for")


async def test_a_question_that_was_answered_is_left_alone(house: House) -> None:
    """Scenarios 71, 73."""
    one, two, _ = house.ids
    email = await house.files("mail", in_doubt=(one, two))
    await Review.all().update(decided_at=house.now, outcome="approved")
    await Activity.all().update(status="filed", how="person")
    await archive(house.firm.id, one, house.now)
    assert (await house.under(email), await house.asks(email), await house.version(email)) == ({one: "filed"}, [one, two, "approved"], 0)


async def test_what_came_while_a_client_was_archived_is_owed_when_it_is_back(house: House) -> None:
    """Scenarios 70, 73. Once."""
    one, _, _ = house.ids
    await archive(house.firm.id, one, house.now)
    for _ in range(2):
        await restore(house.firm.id, one, house.now + 9 * DAY)
    assert (await Client.get(id=one)).archived_at is None
    gap = await Gap.get()
    assert (gap.since, gap.addresses, gap.reason) == (house.now, [PAT], "contact")
    assert one in (await clients_by_address(house.firm.id, [PAT]))[PAT]
    assert [entry.act for entry in await AuditEntry.all().order_by("id")] == ["archived", "restored"]


# merged


async def test_mail_contacts_and_refusals_go_along(house: House) -> None:
    """Scenario 73."""
    one, two, _ = house.ids
    await ClientContact.filter(client_id=one).update(nominated=True)
    mails = [await house.files(name, one) for name in ("filed", "refused")]
    await Activity.filter(email_id=mails[1]).update(status="dismissed")
    assert await merge(house.firm.id, one, two, house.now) == Changed(activities=1)
    assert [await house.under(email) for email in mails] == [{two: "filed"}, {two: "dismissed"}]
    assert [await house.version(email) for email in mails] == [1, 1]
    assert not await Client.exists(id=one)
    links = await ClientContact.filter(client_id=two).values_list("contact__addresses__address_key", "nominated")
    assert sorted(links) == [(LEE, False), (PAT, True)]


@pytest.mark.parametrize(
    ("of_one", "of_two", "kept"),
    [
        ("filed", "review", "filed"),
        ("filed", "dismissed", "filed"),
        ("review", "dismissed", "review"),
        ("review", "filed", "filed"),
        ("dismissed", "filed", "filed"),
        ("dismissed", "dismissed", "dismissed"),
        ("withdrawn", "dismissed", "dismissed"),
    ],
)
async def test_of_two_activities_the_stronger_one_stays_with_what_was_written_on_either(house: House, of_one, of_two, kept) -> None:
    """Scenario 73."""
    one, two, _ = house.ids
    email = await house.files("mail", one, two)
    await Activity.filter(client_id=one).update(status=of_one, title="Of one", private=True)
    await Activity.filter(client_id=two).update(status=of_two, note="Of two")
    await merge(house.firm.id, one, two, house.now)
    assert await house.under(email) == {two: kept}
    activity = await Activity.get()
    assert (activity.title, activity.note, activity.private) == ("Of one", "Of two", True)


async def test_a_question_between_merged_clients_is_settled(house: House) -> None:
    """Scenario 73."""
    one, two, three = house.ids
    between, wider = await house.files("between", in_doubt=(one, two)), await house.files("wider", in_doubt=(one, two, three))
    assert await merge(house.firm.id, one, two, house.now) == Changed(activities=2, questions=2, settled=1)
    assert (await house.under(between), await house.asks(between)) == ({two: "filed"}, [two, "merged"])
    assert (await house.under(wider), await house.asks(wider)) == ({two: "review"}, [two, three, None])
    review, activity = await Review.get(email_id=between), await Activity.get(email_id=between)
    assert (review.decided_at, activity.how, activity.reason) == (
        house.now, "certain", "the clients between which it was in doubt were merged")  # fmt: skip
    assert [await house.version(email) for email in (between, wider)] == [1, 1]


async def test_a_guess_that_is_filed_for_the_other_one_already_is_no_question_any_more(house: House) -> None:
    """Scenario 73."""
    one, two, three = house.ids
    email = await house.files("mail", in_doubt=(one, three))
    await Activity.create(
        firm=house.firm, email_id=email, client_id=two, status="filed", how="person", reason="", sent_at=house.now, filed_at=house.now
    )
    assert (await merge(house.firm.id, one, two, house.now)).settled == 1
    assert (await house.under(email), await house.asks(email)) == ({two: "filed"}, [two, three, "merged"])
    assert (await Activity.get()).how == "person"


async def test_what_filing_keeps_of_a_candidate_is_kept_of_both(house: House) -> None:
    """Scenario 73. Which addresses stand for it, so that further copies are judged rightly."""
    one, two, three = house.ids
    email = await house.files("mail", in_doubt=(one, two, three))
    told = [(three, ["c"], ["x"]), (one, ["a"], ["x", "y"]), (two, ["b", "a"], ["z", "y"])]
    await Review.all().update(candidates=[{"client": c, "reasons": reasons, "addresses": a} for c, reasons, a in told])
    await merge(house.firm.id, one, two, house.now)
    assert (await Review.get(email_id=email)).candidates == [
        {"client": three, "reasons": ["c"], "addresses": ["x"]},
        {"client": two, "reasons": ["a", "b"], "addresses": ["x", "y", "z"]},
    ]


async def test_a_forged_mail_is_asked_about_though_only_one_client_is_left(house: House) -> None:
    """Scenarios 67, 73."""
    one, two, _ = house.ids
    email = await house.files("forged", in_doubt=(one, two))
    await Email.all().update(trust="forged")
    assert await merge(house.firm.id, one, two, house.now) == Changed(activities=1, questions=1)
    assert (await house.under(email), await house.asks(email)) == ({two: "review"}, [two, None])


async def test_a_question_whose_clients_were_all_archived_is_settled_by_the_one_that_takes_its_mail(house: House) -> None:
    """Scenario 73. And no other one is."""
    one, two, three = house.ids
    await house.files("hers", in_doubt=(one, three))
    await archive(house.firm.id, three, house.now)
    await archive(house.firm.id, one, house.now)
    assert await merge(house.firm.id, three, two, house.now) == Changed()
    assert await merge(house.firm.id, one, two, house.now) == Changed(activities=1, questions=1, settled=1)
    assert (await Gap.all().order_by("-id").first()).addresses == [PAT]  # type: ignore[union-attr]  # what came meanwhile is the other one's


async def test_only_two_living_clients_of_one_firm_are_merged(house: House) -> None:
    """Scenarios 73, 75."""
    one, two, _ = house.ids
    another_firms = (await a_client(await a_firm(), "")).id
    for from_id, into_id in ((one, another_firms), (another_firms, one), (one, 10**9)):
        with pytest.raises(NoSuchClient):
            await merge(house.firm.id, from_id, into_id, house.now)
    with pytest.raises(ItIsTheSame):
        await merge(house.firm.id, one, one, house.now)
    await archive(house.firm.id, two, house.now)
    with pytest.raises(IsArchived):
        await merge(house.firm.id, one, two, house.now)
    for act in (archive, restore, remove):
        with pytest.raises(NoSuchClient):
            await act(house.firm.id, another_firms, house.now)
    assert await Client.all().count() == 4


# removed


async def test_a_removed_client_leaves_nothing_that_was_its_alone(house: House) -> None:
    """Scenario 73."""
    one, two, three = house.ids
    await a_client(house.firm, "", "alone@client.example")
    alone = (await Client.all().order_by("-id").first()).id  # type: ignore[union-attr]
    gone, shared, refused = [await house.files(name, alone) for name in ("gone", "shared", "refused")]
    for email, status in ((shared, "filed"), (refused, "dismissed")):
        await Activity.create(
            firm=house.firm, email_id=email, client_id=one, status=status, reason="", sent_at=house.now, filed_at=house.now
        )
    asked = await house.files("asked", in_doubt=(two, three, alone))
    assert await remove(house.firm.id, alone, house.now) == Changed(activities=3, questions=1, emails=1)
    assert not await Client.exists(id=alone)
    assert not await ContactAddress.exists(address="alone@client.example")
    assert (await Contact.all().count(), await Client.all().count()) == (2, 3)
    assert {email.id for email in await Email.all()} == {shared, refused, asked}
    assert await house.asks(asked) == [two, three, None]
    for table in (Receipt, Participant, Attachment):
        assert not await table.filter(email_id=gone).exists()
    entry = await LedgerEntry.get(gmail_id="gone")
    assert (entry.outcome, entry.reason) == ("skipped", "no client")  # a later client's it may still be


async def test_a_removed_guess_is_followed_by_the_next_one_and_a_question_without_candidates_goes(house: House) -> None:
    """Scenario 73."""
    one, two, three = house.ids
    email, both = await house.files("mail", in_doubt=(one, two)), await house.files("both", three, in_doubt=(one, two))
    await remove(house.firm.id, one, house.now)
    assert (await house.under(email), await house.asks(email), await house.version(email)) == ({two: "review"}, [two, None], 1)
    await remove(house.firm.id, two, house.now)
    assert not await Email.exists(id=email)
    assert await house.under(both) == {three: "filed"}
    assert not await Review.exists()


async def test_that_a_person_dismissed_a_mail_is_remembered_without_its_client(house: House) -> None:
    """Scenarios 70, 73."""
    one, _, _ = house.ids
    email = await house.files("mail", one)
    await Email.all().update(dismissed_at=house.now)
    await Activity.all().update(status="dismissed")
    await remove(house.firm.id, one, house.now)
    assert await Email.exists(id=email)
    assert (await LedgerEntry.get()).outcome == "filed"


# told


async def test_the_audit_tells_who_did_what_and_where_each_mail_was(house: House) -> None:
    """Scenarios 71, 73."""
    one, two, three = house.ids
    admin = await a_user(house.firm, role="admin")
    email = await house.files("mail", in_doubt=(one, two))
    elsewhere = await house.files("elsewhere", three)
    await merge(house.firm.id, one, two, house.now, admin.id)
    client, mail = await AuditEntry.all().order_by("id")
    assert (client.act, client.email_id, client.user_id, client.before, client.after) == (
        "merged", None, admin.id, {"client": one},
        {"client": two, "mails": 1, "questions": 1, "settled": 1, "emails": 0})  # fmt: skip
    assert (mail.act, mail.email_id, mail.user_id, mail.at) == ("merged", email, admin.id, house.now)
    assert (mail.before["activities"], mail.after["activities"]) == ({str(one): {"status": "review"}}, {str(two): {"status": "filed"}})
    assert await house.version(elsewhere) == 0
    assert "example" not in json.dumps([mail.before, mail.after])


# at once


@pytest.mark.parametrize("seed", range(6))
async def test_what_happens_to_clients_at_once_comes_one_after_the_other(house: House, seed: int) -> None:
    """Scenario 73. Nobody meets a deadlock or a foreign key; imports at the same time included."""
    one, two, three = house.ids
    mails = [await house.files(f"{n}", in_doubt=(one, two, three)) for n in range(20)]
    line = Entry(house.clients[1].external_id, "Two", "", "Lee", LEE, LEE, nominated=True)
    acts: list[Awaitable[object]] = [
        archive(house.firm.id, one, house.now),
        merge(house.firm.id, one, two, house.now),
        merge(house.firm.id, three, two, house.now),
        remove(house.firm.id, three, house.now),
        import_entries(house.firm.id, [line], house.now),
        restore(house.firm.id, one, house.now),
    ]
    random.Random(seed).shuffle(acts)
    ends = await asyncio.gather(*acts, return_exceptions=True)
    assert all(isinstance(end, NoSuchClient) for end in ends if isinstance(end, BaseException)), ends
    assert {(*await house.under(email),) for email in mails} == {(two,)}
    assert {tuple((await house.asks(email))[:-1]) for email in mails} == {(two,)}


@pytest.mark.parametrize("gone_by", ["merge", "remove"])
async def test_what_is_just_being_filed_is_waited_for_and_heard(house: House, gone_by: str) -> None:
    """Scenario 73."""
    one, two, three = house.ids
    email = await house.files("mail", three)
    async with connection() as filing, filing.transaction():
        await filing.execute("SELECT 1 FROM email WHERE id = $1 FOR KEY SHARE", email)
        await filing.execute(
            """
                INSERT INTO activity (firm_id, email_id, client_id, status, reason, sent_at, filed_at)
                VALUES ($1, $2, $3, 'filed', '', $4, $4)
                """,
            house.firm.id,
            email,
            one,
            house.now,
        )
        change = merge(house.firm.id, one, two, house.now) if gone_by == "merge" else remove(house.firm.id, one, house.now)
        changing = asyncio.create_task(change)
        while not await filing.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.005)
        assert not changing.done()
    assert (await changing).activities == 1
    assert await house.under(email) == ({two: "filed", three: "filed"} if gone_by == "merge" else {three: "filed"})
    assert await house.version(email) == 1


@pytest.mark.parametrize("act", ["archive", "merge", "remove"])
async def test_filing_at_the_same_moment_loses_nothing_and_nothing_stays_under_who_is_gone(house: House, act: str) -> None:
    """Scenarios 73, 122. Whoever files by the directory of a moment ago files anew by that of now."""
    one, two, three = house.ids
    boxes = [await a_mailbox(await a_user(house.firm), at=house.now - DAY) for _ in range(3)]
    acts = {
        "archive": lambda: archive(house.firm.id, one, house.now),
        "merge": lambda: merge(house.firm.id, one, two, house.now),
        "remove": lambda: remove(house.firm.id, one, house.now),
    }

    async def files(box: Mailbox, number: int) -> None:
        names = [f"m{n:02}" for n in range(number, number + 6)]
        known = [two, three] if number % 2 else [one, three]  # some know already
        for clients in (known, [two, three]):
            emails = [an_email(name, house.now, clients[0], in_doubt=(clients[0], three)) for name in names]
            run = await held(box, house.now, f"{box.id}-{number}")
            try:
                await file_batch(run, emails, list(filed(await debts_for(box, emails, house.now))), 5, house.now)
                return
            except ClientsGone:
                continue
            finally:
                await leases.release(run, timedelta(0))
        raise AssertionError("refused though the directory was asked anew")

    async def works(box: Mailbox) -> None:
        for number in range(0, 30, 5):
            await files(box, number)

    async def changes() -> None:
        await asyncio.sleep(0.05)
        await acts[act]()

    await asyncio.gather(*(works(box) for box in boxes), changes())
    rows = await Activity.all().values_list("email__identity", "client_id")
    assert act == "archive" or one not in {client for _, client in rows}
    assert {identity for identity, _ in rows} == {email.identity for email in await Email.all()}
    assert act == "remove" or await Email.all().count() == 31
    for review in await Review.filter(decided_at=None):
        assert await Activity.filter(email_id=review.email_id, status="review").count() == 1
