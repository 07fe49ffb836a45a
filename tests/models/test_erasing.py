"""Erasing: a day after it was dismissed nothing is left of what a mail said. Before that, and of other mails, everything is."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from tortoise.models import Model

from models.activities import Activity, Review
from models.database import connection
from models.emails import Attachment, Email, Participant, Receipt
from models.erasing import AT_ONCE, erase_all_dismissed, erase_dismissed
from models.firms import Firm
from models.mailboxes import Mailbox
from telemetry import metrics
from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.models.emails import an_email, files

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


@pytest.fixture
async def firm(database: None) -> Firm:
    return await a_firm()


@pytest.fixture
async def eva(firm: Firm, now: datetime) -> Mailbox:
    return await a_mailbox(await a_user(firm), at=now)


async def every(name: str, table: type[Model] = Email, **which: Any) -> list[Any]:
    """This column of all rows, in the order of their ids."""
    return [getattr(row, name) for row in await table.filter(**which).order_by("id")]


async def dismissed(mailbox: Mailbox, now: datetime, count: int, at: datetime) -> list[int]:
    """So many mails that were in doubt, and dismissed at that moment: as rows. Their ids."""
    clients = [(await a_client(await Firm.get(id=mailbox.firm_id))).id for _ in range(2)]
    known = set(await every("id"))
    for first in range(0, count, 25):
        mails = [an_email(f"{clients[0]} {n}", now, in_doubt=(*clients,)) for n in range(first, min(count, first + 25))]
        await files(mailbox, *mails, now=now)
    ids = [id for id in await every("id") if id not in known]
    said: dict[str, Any] = {"decided_by_id": mailbox.user_id, "decided_at": at}
    await Email.filter(id__in=ids).update(dismissed_at=at, html="<p>Text</p>")
    await Activity.filter(email_id__in=ids).update(status="dismissed", title="A title", note="A note", **said)
    await Review.filter(email_id__in=ids).update(outcome="dismissed", **said)
    return ids


async def test_a_day_later_its_content_is_gone_and_that_it_was_there_is_known(eva: Mailbox, now: datetime) -> None:
    (dropped,) = await dismissed(eva, now, 1, now)
    (kept,) = await dismissed(eva, now, 1, now + SECOND)
    before, told = await Email.get(id=dropped), metrics.ERASED._value.get()
    assert await erase_dismissed(DAY, now + DAY) == 1
    assert metrics.ERASED._value.get() == told + 1
    email = await Email.get(id=dropped)
    assert [email.subject, email.text, email.html, email.headers, email.erased_at] == ["", "", None, [], now + DAY]
    for name in ("identity", "thread_root", "message_id", "version", "dismissed_at", "sent_at", "kind", "trust"):
        assert getattr(email, name) == getattr(before, name), name
    activity, review = await Activity.get(email_id=dropped), await Review.get(email_id=dropped)
    assert [activity.status, activity.reason, activity.title, activity.note] == ["dismissed", "", None, None]
    first, second = await every("client_id", Activity)
    assert review.candidates == [{"client": first, "reasons": []}, {"client": first + 1, "reasons": []}]
    assert second > first + 1
    for table in (Participant, Attachment):
        assert set(await every("email_id", table)) == {kept}
    assert await every("email_id", Receipt) == [dropped, kept]
    whole = await Email.get(id=kept)
    assert (whole.text, whole.html, whole.erased_at) == ("Text", "<p>Text</p>", None)
    assert (await Activity.get(email_id=kept)).note == "A note"


async def test_it_is_erased_once(eva: Mailbox, now: datetime) -> None:
    (dropped,) = await dismissed(eva, now, 1, now)
    assert await erase_dismissed(DAY, now + DAY) == 1
    assert await erase_dismissed(DAY, now + 2 * DAY) == 0
    assert (await Email.get(id=dropped)).erased_at == now + DAY


async def test_what_was_had_back_stays(eva: Mailbox, now: datetime) -> None:
    """And what was never dismissed, however old."""
    (dropped,) = await dismissed(eva, now, 1, now)
    await files(eva, an_email("another", now, (await a_client(await Firm.get())).id), now=now)
    await Email.filter(id=dropped).update(dismissed_at=None)
    assert await erase_dismissed(DAY, now + 100 * DAY) == 0
    assert await Email.filter(text="Text").count() == 2


async def test_the_first_ones_are_erased_first_and_never_too_many_at_once(eva: Mailbox, now: datetime) -> None:
    late, early = await dismissed(eva, now, 2, now), await dismissed(eva, now, 2, now - DAY)
    assert await erase_dismissed(DAY, now + DAY, 3) == 3
    assert await every("id", erased_at=now + DAY) == [late[0], *early]
    assert await erase_dismissed(DAY, now + DAY, 3) == 1


async def test_all_are_erased_however_many_there_are(eva: Mailbox, now: datetime) -> None:
    await dismissed(eva, now, AT_ONCE + 1, now)
    assert await erase_all_dismissed(DAY, now + DAY) == AT_ONCE + 1
    assert not await Email.filter(erased_at=None).exists()


async def test_two_processes_share_the_work_and_wait_for_nobody(eva: Mailbox, now: datetime) -> None:
    """One that a person is just having back is let alone."""
    ids = await dismissed(eva, now, 7, now)
    async with connection() as held, held.transaction():
        await held.execute("UPDATE email SET dismissed_at = NULL WHERE id = $1", ids[0])
        async with asyncio.timeout(5):
            erased = await asyncio.gather(*(erase_dismissed(DAY, now + DAY, 3) for _ in range(2)))
            assert sum(erased) + await erase_dismissed(DAY, now + DAY) == 6
    assert await erase_dismissed(DAY, now + DAY) == 0
    assert await Email.filter(erased_at=None).values_list("id", "text") == [(ids[0], "Text")]


async def test_who_decides_about_its_client_meanwhile_and_the_eraser_do_not_wait_for_each_other_for_ever(
    eva: Mailbox, now: datetime
) -> None:
    """Filing a further copy, which locks the e-mail, its activities and its question, beside erasing."""
    ids = await dismissed(eva, now, 3, now)
    copies = [an_email(email.identity, now, in_doubt=(1, 2)) for email in await Email.filter(id__in=ids)]
    colleague = await a_mailbox(await a_user(await Firm.get()), at=now)
    new, _ = await asyncio.gather(files(colleague, *copies, now=now), erase_dismissed(DAY, now + DAY))
    await erase_dismissed(DAY, now + DAY)
    assert new == 0
    assert set(await Email.all().values_list("text", "subject")) == {("", "")}
    assert await Participant.all().count() + await Attachment.all().count() == 0
    assert await Activity.exclude(status="dismissed").count() == 0
