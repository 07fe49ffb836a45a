"""What the guess is told: who is a candidate, and whose the mail of the same people was; whatever the size of the firm."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from models.activities import Activity
from models.copies import Copy
from models.database import Connection, connection
from models.directory import Client, ClientContact, Contact, ContactAddress
from models.emails import Email
from models.evidence import MOST_OWN, RECENT, Evidence, Known, Sighting, gather
from models.firms import Firm
from models.inheriting import decisions_of_threads
from models.mailboxes import Mailbox
from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.models.emails import PAT, a_doubt, an_email, files

LEE, KIM = "lee@other.example", "kim@third.example"
DAY = timedelta(days=1)


@dataclass
class Office:
    """A firm, a mailbox, and clients of whom Pat is a contact, each."""

    firm: Firm
    mailbox: Mailbox
    clients: list[Client]
    now: datetime

    @property
    def ids(self) -> list[int]:
        return [client.id for client in self.clients]

    async def asks(self, identity: str = "whose", people: Iterable[str] = (PAT,), thread: str = "", key: str = PAT) -> Evidence:
        """What is known of a mail of now that is in doubt between all of them."""
        email = an_email(identity, self.now, in_doubt=tuple(self.ids), cc=tuple(set(people) - {PAT}), thread=thread)
        await files(self.mailbox, email, now=self.now)
        return await self.gathers(identity, people, key)

    async def gathers(self, identity: str, people: Iterable[str] = (PAT,), key: str = PAT) -> Evidence:
        email = await Email.get(identity=identity, firm_id=self.firm.id)
        doubt = replace(a_doubt("Whose?", self.now, frozenset(self.ids), key), people=frozenset(people))
        async with connection() as database:
            return await gather(database, self.firm.id, email.id, doubt, self.now)

    async def before(self, identity: str, days: float, *clients: int, **more: Any) -> None:
        """A mail of so many days ago."""
        await files(self.mailbox, an_email(identity, self.now - days * DAY, *clients, **more), now=self.now)


@pytest.fixture
async def office(now: datetime) -> Office:
    firm = await a_firm()
    return Office(firm, await a_mailbox(await a_user(firm), at=now), [await a_client(firm, "", PAT) for _ in range(2)], now)


async def test_the_candidates_are_this_firms_clients_that_are_not_archived(office):
    """Scenario 59. With name and number, and the domains of contacts that are theirs alone; never a provider's that serves everybody."""
    one, two = office.clients
    await office.asks()
    archived = await a_client(office.firm, "Archived", PAT)
    foreign = await a_client(await a_firm(), "Foreign", PAT)
    office.clients += [archived, foreign]
    await Client.filter(id=archived.id).update(archived_at=office.now)
    await Client.filter(id=two.id).update(number="4711")
    await ClientContact.create(client=two, contact=await Contact.create(firm=office.firm, name="Kim"))
    for address in ("kim@third.example", "kim@gmail.com", "kim@gmx.de"):
        contact = await Contact.get(firm=office.firm, name="Kim")
        await ContactAddress.create(firm=office.firm, contact=contact, address=address, address_key=address)
    found = await office.gathers("whose")
    assert found.known == (Known(one.id, one.name), Known(two.id, two.name, "4711", frozenset({"third.example"})))


async def test_sightings_are_what_was_filed_under_candidates_newest_first(office):
    """Scenario 59. Of everybody on the mail; not other clients', not what waits for an answer, and not the mail itself."""
    one, two = office.ids
    other = await a_client(office.firm)
    await office.before("old", 9, one)
    await office.before("new", 1, two, sender=LEE, cc=(PAT,))
    await office.before("other's", 2, other.id)
    await office.before("waiting", 3, in_doubt=(one, two))
    found = await office.asks(people=(PAT, LEE, KIM))
    new = Sighting(two, office.now - DAY, "Subject new", by_person=False)
    assert found.sightings == {PAT: (new, Sighting(one, office.now - 9 * DAY, "Subject old", by_person=False)), LEE: (new,)}


@pytest.mark.parametrize(("change", "counts"), [("person", True), ("inherited", True), ("decided", True), ("certain", False)])
async def test_a_sighting_says_whether_a_person_has_spoken(office, change, counts):
    """Scenario 59."""
    await office.before("before", 1, office.ids[0])
    how = "certain" if change == "decided" else change
    await Activity.all().update(how=how, decided_by_id=office.mailbox.user_id if change == "decided" else None)
    assert [seen.by_person for seen in (await office.asks()).sightings[PAT]] == [counts]


@pytest.mark.parametrize("how", ["dismissed", "private", "forged", "foreign"])
async def test_what_was_dismissed_or_is_private_forged_or_another_firms_is_no_evidence(office, how):
    """Scenarios 51, 59, 67. Neither for an address nor for the thread, nor for what is one's own."""
    await office.before("before", 1, office.ids[0], thread="thread")
    if how == "foreign":
        await Email.all().update(firm_id=(await a_firm()).id)
    elif how == "forged":
        await Email.all().update(trust="forged")
    else:
        await Activity.all().update(**({"private": True} if how == "private" else {"status": "dismissed"}))
    found = await office.asks(thread="thread")
    assert (found.sightings, found.thread) == ({}, ())
    assert found.own == ({office.ids[0]: (1, 1)} if how in ("forged", "foreign") else {})


async def test_no_more_sightings_of_an_address_than_count_and_each_address_for_itself(office):
    """Scenario 59."""
    for number in range(RECENT + 5):
        await office.before(f"mail {number:02}", number, office.ids[0])
    await office.before("lee's", 50, office.ids[1], sender=LEE)
    found = await office.asks(people=(PAT, LEE))
    assert [seen.subject for seen in found.sightings[PAT]] == [f"Subject mail {number:02}" for number in range(RECENT)]
    assert len(found.sightings[LEE]) == 1


async def test_the_thread_is_its_other_mails_that_share_somebody_who_is_no_staff(office):
    """Scenarios 57, 59. A stranger who writes under the thread's root shares nobody; Eva, whom they all wrote to, does not count."""
    one, two = office.ids
    await office.before("shared", 2, one, thread="root", sender=LEE, cc=(PAT,))
    await office.before("newest", 1, two, thread="root")
    await office.before("stranger's", 1, two, thread="root", sender=KIM)
    await office.before("elsewhere", 1, two)
    found = await office.asks(thread="root")
    assert [(seen.client_id, seen.subject) for seen in found.thread] == [(two, "Subject newest"), (one, "Subject shared")]


@pytest.mark.parametrize(("key", "found"), [(PAT, True), ("pat+tax@client.example", True), ("pat@elsewhere.example", False)])
async def test_the_client_for_which_the_contact_was_nominated_is_told(office, key, found):
    """Scenario 59. A plus-tag is looked past, as in matching."""
    await ClientContact.filter(client=office.clients[1]).update(nominated=True)
    told = await office.asks(key=key)
    assert told.nominated == ({key: frozenset({office.ids[1]})} if found else {})


async def test_own_mail_is_what_the_mailboxes_that_hold_this_one_received_of_late(office):
    """Scenarios 59, 121. A further receipt makes the next colleague's mail count, too."""
    one, two = office.ids
    colleague = await a_mailbox(await a_user(office.firm), at=office.now)
    await office.before("hers", 3, one, sender=LEE)
    await office.before("long ago", 181, one, sender=LEE)
    await files(colleague, *(an_email(f"his {n}", office.now, two, sender=KIM) for n in range(2)), now=office.now)
    assert (await office.asks()).own == {one: (1, 1), two: (0, 2)}
    await files(colleague, an_email("whose", office.now, in_doubt=(one, two)), now=office.now)
    assert (await office.gathers("whose")).own == {one: (1, 1), two: (2, 2)}


async def test_own_mail_is_counted_only_so_far(office):
    """Scenario 59. Whoever has thousands waits no longer."""
    await office.before("own", 3, office.ids[0])
    async with connection() as database:
        await multiplied(database, 200)
    assert (await office.asks()).own == {office.ids[0]: (MOST_OWN, MOST_OWN)}


async def multiplied(database: Connection, times: int) -> None:
    """The one mail that there is comes again and again."""
    await database.execute(
        """
        INSERT INTO email (firm_id, identity, thread_root, outgoing, subject, text, headers, sent_at, filed_at)
        SELECT firm_id, n::text, 'thread ' || n % 500, false, 'Subject ' || n, '', '[]', sent_at - n * interval '1 second', filed_at
        FROM email, generate_series(1, $1::int) n
        """,
        times,
    )
    await database.execute(
        "INSERT INTO participant (email_id, header, position, name, address, key)"
        " SELECT e.id, p.header, p.position, p.name, p.address, p.key FROM email e, participant p WHERE e.text = ''"
    )
    await database.execute(
        "INSERT INTO participant (email_id, header, position, name, address, key) SELECT id, 'cc', 2, '', k, k FROM email e,"
        " LATERAL (SELECT 'guest' || id % 700 || '@guests.example' AS k) g WHERE e.text = ''"
    )
    await database.execute(
        "INSERT INTO activity (firm_id, email_id, client_id, reason, status, sent_at, filed_at) SELECT e.firm_id, e.id, a.client_id, '',"
        " 'filed', e.sent_at, e.filed_at FROM email e, activity a WHERE e.text = ''"
    )
    await database.execute(
        "INSERT INTO receipt (mailbox_id, email_id, gmail_id, gmail_thread_id, received_at) SELECT r.mailbox_id, e.id, e.id::text, '',"
        " r.received_at FROM email e, receipt r WHERE e.text = ''"
    )


class Explained:
    """A connection that has every query explained first."""

    def __init__(self, database: Connection) -> None:
        self._database = database
        self.plans: list[str] = []

    async def fetch(self, query: str, *values: object) -> list[Any]:
        plan = await self._database.fetch(f"EXPLAIN {query}", *values)
        self.plans.append("\n".join(row[0] for row in plan))
        return list(await self._database.fetch(query, *values))


async def test_however_many_mails_there_are_it_takes_few_queries_by_index(office):
    """Scenarios 55, 59. A contact who is on all six thousand of them costs no more than others; nor do decisions, for a whole batch."""
    await office.before("before", 3, office.ids[0], thread="thread 7")
    async with connection() as database:
        await multiplied(database, 6000)
        await database.execute("ANALYZE email, participant, activity, receipt")
    await files(office.mailbox, an_email("whose", office.now, in_doubt=tuple(office.ids), thread="thread 7"), now=office.now)
    doubt = replace(a_doubt("Whose?", office.now, frozenset(office.ids)), people=frozenset({PAT, LEE, "guest3@guests.example"}))
    async with connection() as database:
        explained = Explained(database)
        email = await Email.get(identity="whose")
        found = await gather(explained, office.firm.id, email.id, doubt, office.now)
        copies = [Copy(email.id, f"thread {n}", office.now, "mail", "unknown", {}, doubt) for n in range(25)]
        assert await decisions_of_threads(explained, office.firm.id, copies) == {}
    assert (len(explained.plans), len(found.sightings[PAT]), len(found.thread)) == (5 + 1, RECENT, 13)
    assert [plan for plan in explained.plans if any(f"Seq Scan on {table}" in plan for table in ("email", "participant", "activity"))] == []
    assert [plan for plan in explained.plans if "Seq Scan on receipt" in plan] == []
