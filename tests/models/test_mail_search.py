"""Filed mail as rows: threads together, a search among them, and pages that begin where others ended."""

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.activities import Activity
from models.directory import Client
from models.emails import Email
from models.erasing import erase_dismissed
from models.firms import User
from models.mail_search import FoundMail, Mark, Sought, find
from models.mailboxes import Mailbox
from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.portal.mails import NOW, an_attachment, file_mail

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Office:
    """Sam with a mailbox, Robin with another, and two clients."""

    sam: User
    robin: User
    box: Mailbox
    other: Mailbox
    bakery: Client
    garage: Client

    async def open(self) -> "Office":
        firm = await a_firm()
        self.sam, self.robin = await a_user(firm), await a_user(firm)
        self.box, self.other = await a_mailbox(self.sam), await a_mailbox(self.robin)
        self.bakery, self.garage = await a_client(firm, "Harbour Bakery"), await a_client(firm, "Specimen Garage")
        return self

    async def mail(self, subject: str, *, ago: timedelta = HOUR, client: Client | None = None, **how: object) -> Activity:
        return await file_mail(self.box, client or self.bakery, subject=subject, sent_at=NOW - ago, **how)  # type: ignore[arg-type]

    async def subjects(self, sought: Sought = Sought(), **how: object) -> list[str]:  # noqa: B008  # a frozen value
        return [mail.subject for mail in await self.found(sought, **how)]

    async def found(self, sought: Sought = Sought(), **how: object) -> tuple[FoundMail, ...]:  # noqa: B008
        return (await find(self.sam, sought, 50, **how)).mails  # type: ignore[arg-type]


@pytest.fixture
async def office(database: None) -> Office:
    return await Office().open()


async def test_a_thread_is_one_row_where_its_newest_mail_stands(office: Office) -> None:
    await office.mail("Lease", ago=3 * DAY, thread="lease")
    await office.mail("Payroll", ago=2 * DAY)
    await office.mail("Re: Lease", ago=DAY, thread="lease")
    found = await office.found()
    assert [(mail.subject, mail.mails) for mail in found] == [("Re: Lease", 2), ("Payroll", 1)]
    of_thread = Sought(thread_of=found[0].activity_id)
    assert await office.subjects(of_thread) == ["Re: Lease", "Lease"]


async def test_a_thread_under_two_clients_is_a_row_of_each(office: Office) -> None:
    await office.mail("Lease", ago=2 * DAY, thread="lease")
    await office.mail("Re: Lease", ago=DAY, thread="lease", client=office.garage)
    assert await office.subjects(client_id=office.bakery.id) == ["Lease"]
    assert await office.subjects(client_id=office.garage.id) == ["Re: Lease"]
    assert await office.subjects() == ["Re: Lease", "Lease"]


async def test_words_are_found_wherever_they_stand(office: Office) -> None:
    await office.mail("Quarterly figures")
    await office.mail("Two", text="the deposit of Millpond")
    await office.mail("Three", sender=("Ada Byron", "ada@analytical.example"))
    await office.mail("Four", attachments=(an_attachment("invoice-77.pdf"),))
    edited = await office.mail("Five")
    await Activity.filter(id=edited.id).update(title="Renamed", note="rang about the boiler", text="shortened", edition=1)
    for words, subject in (
        ("quarter", "Quarterly figures"),
        ("FIGURES quarterly", "Quarterly figures"),
        ("millpond deposit", "Two"),
        ("ada", "Three"),
        ("ada@analytical.example", "Three"),
        ("analytical", "Three"),
        ("invoice-77", "Four"),
        ("boiler", "Renamed"),
        ("shortened", "Renamed"),
        ("renam", "Renamed"),
    ):
        assert await office.subjects(Sought(words=words)) == [subject], words
    assert await office.subjects(Sought(words="quarterly millpond")) == [], "all words, not any"


async def test_a_search_lists_mails_one_by_one_and_counts_them(office: Office) -> None:
    await office.mail("Lease", ago=2 * DAY, thread="lease")
    await office.mail("Re: Lease", ago=DAY, thread="lease")
    found = await find(office.sam, Sought(words="lease"), 50)
    assert ([mail.subject for mail in found.mails], found.total) == (["Re: Lease", "Lease"], 2)


SIGNS = ("'", "a & b", ":*", "!", "\\", "a'b:*", "(", "lease | x", "<->", '"lease"', "läse", "租", "a" * 200, "' ' '", "%", "\\' or 1")


@pytest.mark.parametrize("typed", SIGNS)
async def test_no_sign_is_an_operator(office: Office, typed: str) -> None:
    await office.mail("Lease")
    await find(office.sam, Sought(words=typed), 50)
    await find(office.sam, Sought(person=typed), 50)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(typed=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60))
async def test_whatever_is_typed_is_a_search(office: Office, typed: str) -> None:
    await find(office.sam, Sought(words=typed, person=typed), 50)


async def test_each_filter_leaves_out_what_is_not_like_that(office: Office) -> None:
    await office.mail("Old", ago=9 * DAY)
    await office.mail("Files", ago=3 * DAY, attachments=(an_attachment(),))
    await office.mail("Sent", ago=2 * DAY, outgoing=True)
    await office.mail("Copied", ago=DAY, cc=(("Lee Example", "lee@example.com"),))
    await file_mail(office.other, office.bakery, subject="Robin's", sent_at=NOW - HOUR)
    asked = await file_mail(office.box, doubt=(office.bakery, office.garage), subject="Asked", sent_at=NOW)
    assert asked.status == "review"
    everything = ["Asked", "Robin's", "Copied", "Sent", "Files", "Old"]
    assert await office.subjects() == everything
    for sought, subjects in (
        (Sought(files=True), ["Files"]),
        (Sought(direction="sent"), ["Sent"]),
        (Sought(direction="received", files=True), ["Files"]),
        (Sought(person="lee"), ["Copied"]),
        (Sought(person="lee@example.com"), ["Copied"]),
        (Sought(colleague=office.robin.id), ["Robin's"]),
        (Sought(for_review=True), ["Asked"]),
        (Sought(until=NOW - 8 * DAY), ["Old"]),
        (Sought(since=NOW - 2 * DAY, until=NOW - DAY), ["Sent"]),
        (Sought(words="payroll", person="nobody"), []),
    ):
        assert await office.subjects(sought) == subjects, sought


async def test_who_took_part_is_no_word_of_the_text(office: Office) -> None:
    await office.mail("About Lee", text="Lee rang.")
    assert await office.subjects(Sought(person="lee")) == []


async def test_pages_lead_on_and_back_without_a_gap(office: Office) -> None:
    for n in range(7):
        await office.mail(f"Mail {n}", ago=n // 2 * HOUR)  # some at the same moment
    seen, mark, pages = list[str](), None, 0
    while True:
        page = await find(office.sam, Sought(), 3, before=mark)
        seen += [mail.subject for mail in page.mails]
        pages += 1
        if not page.older:
            break
        mark = page.mails[-1].mark
    assert (len(seen), len(set(seen)), pages) == (7, 7, 3)
    back = await find(office.sam, Sought(), 3, after=page.mails[0].mark)
    assert [mail.subject for mail in back.mails] == seen[3:6]
    assert (back.newer, back.older) == (True, True)
    first = await find(office.sam, Sought(), 3, after=back.mails[0].mark)
    assert ([mail.subject for mail in first.mails], first.newer) == (seen[:3], False)


async def test_what_is_private_to_others_is_neither_found_nor_counted(office: Office) -> None:
    """Scenario 75."""
    hidden = await file_mail(office.other, office.bakery, subject="Private lease", sent_at=NOW)
    await Activity.filter(id=hidden.id).update(private=True)
    shown = await office.mail("Lease")
    for sought in (Sought(), Sought(words="lease"), Sought(person="pat"), Sought(colleague=office.robin.id), Sought(thread_of=hidden.id)):
        found = await find(office.sam, sought, 50)
        assert hidden.id not in {mail.activity_id for mail in found.mails}, sought
        assert found.total == len(found.mails) <= 1
    theirs = await find(office.robin, Sought(words="lease"), 50)
    assert [mail.activity_id for mail in theirs.mails] == [hidden.id, shown.id]
    assert [mail.private for mail in theirs.mails] == [True, False]


async def test_another_firms_mail_is_never_found(office: Office) -> None:
    """Scenario 75."""
    theirs = await Office().open()
    mail = await theirs.mail("Lease")
    for sought in (Sought(), Sought(words="lease"), Sought(thread_of=mail.id), Sought(colleague=theirs.sam.id)):
        assert await office.subjects(sought) == []
    assert await office.subjects(client_id=theirs.bakery.id) == []


async def test_a_mark_needs_no_mail_that_is_still_there(office: Office) -> None:
    await office.mail("Old", ago=2 * DAY)
    await office.mail("New", ago=HOUR)
    gone = Mark(NOW - DAY, 10**15)
    assert [mail.subject for mail in (await find(office.sam, Sought(), 5, before=gone)).mails] == ["Old"]
    assert [mail.subject for mail in (await find(office.sam, Sought(), 5, after=gone)).mails] == ["New"]


async def test_the_erased_is_found_by_none_of_its_words(office: Office, now: datetime) -> None:
    mail = await office.mail("Lease", sender=("Ada", "ada@analytical.example"))
    await Email.filter(id=mail.email_id).update(dismissed_at=now - DAY)
    assert await erase_dismissed(DAY, now) == 1
    assert await office.subjects(Sought(words="ada")) == []
    assert await office.subjects(Sought(words="lease")) == []
