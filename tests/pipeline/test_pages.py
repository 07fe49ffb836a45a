"""Discover, page by page, with a Google that answers exactly what a test says: pages of different moments, ids shared across an edge."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from gmail.client import Gmail
from gmail.errors import TryAgain
from models.gaps import Gap
from models.leases import release
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from pipeline.discover import StartedAnew, discover
from tests.builders import a_mailbox, a_user
from tests.gmail.google import Google, a_google
from tests.pipeline.stage import Stage

START = 1000


@dataclass
class Anybody:
    async def token(self) -> str:
        return "token"

    async def renew(self, refused: str) -> str:
        return "another"


@pytest.fixture
async def google() -> AsyncIterator[Google]:
    async with a_google() as running:
        yield running


def page(head: int, *records: dict[str, Any], more: str = "") -> dict[str, Any]:
    return {"historyId": str(head)} | ({"history": list(records)} if records else {}) | ({"nextPageToken": more} if more else {})


def record(at: int, kind: str, *ids: str, labels: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"id": str(at), kind: [{"message": {"id": id}} | ({"labelIds": list(labels)} if labels else {}) for id in ids]}


async def run(stage: Stage, mailbox: Mailbox, google: Google, *pages: dict[str, Any]) -> int:
    """One complete run over these pages; how many messages are newly owed a look."""
    google.answers(*pages)
    async with aiohttp.ClientSession() as session:
        taken = await stage.held(mailbox)
        try:
            found = await discover(taken, Gmail(session, google.url).mailbox(Anybody(), 1), "push", stage.tools)
        finally:
            await release(taken, stage.tools.limits.settle)
        return found.found


async def where(mailbox: Mailbox) -> tuple[int, int | None]:
    """The cursor and its candidate."""
    now = await Mailbox.get(id=mailbox.id)
    return int(now.cursor), None if now.head is None else int(now.head)


async def ids(mailbox: Mailbox) -> set[str]:
    return set(await LedgerEntry.filter(mailbox=mailbox).exclude(owed_at=None).values_list("gmail_id", flat=True))  # type: ignore[arg-type]


@pytest.fixture
async def mailbox(stage: Stage) -> Mailbox:
    return await a_mailbox(await a_user(stage.firm), cursor=START, at=stage.clock.moment)


async def test_an_empty_first_page_that_points_to_another_is_not_the_end(stage, mailbox, google):
    """Scenario 21."""
    found = await run(stage, mailbox, google, page(1100, more="2"), page(1100, more="3"), page(1100, record(1050, "messagesAdded", "a")))
    assert (found, await ids(mailbox)) == (1, {"a"})


async def test_every_page_is_asked_from_one_start_and_the_first_head_becomes_the_candidate(stage, mailbox, google):
    """Scenario 23."""
    pages = page(1100, record(1010, "messagesAdded", "a"), more="2"), page(1200, more="3"), page(1300, record(1250, "messagesAdded", "b"))
    await run(stage, mailbox, google, *pages)
    assert [(asked.all("startHistoryId"), asked.all("pageToken")) for asked in google.asked] == [
        ([str(START)], []),
        ([str(START)], ["2"]),
        ([str(START)], ["3"]),
    ]
    assert (await ids(mailbox), await where(mailbox)) == ({"a", "b"}, (START, 1100))


async def test_the_cursor_moves_to_the_candidate_once_it_is_two_minutes_old_and_the_run_is_complete(stage, mailbox, google):
    """Scenarios 23, 113."""
    await run(stage, mailbox, google, page(1100))
    stage.wait(seconds=119)
    await run(stage, mailbox, google, page(1150))
    assert await where(mailbox) == (START, 1100)
    stage.wait(seconds=1)
    asked_at = stage.clock.moment
    await run(stage, mailbox, google, page(1200, more="2"), page(1300))
    assert await where(mailbox) == (1100, 1200)
    stage.wait_to_settle()
    await run(stage, mailbox, google, page(1200))
    assert await where(mailbox) == (1200, None)
    assert (await Mailbox.get(id=mailbox.id)).history_at == asked_at  # a gap would begin before the listing that told of this head
    assert google.asked[-1].all("startHistoryId") == ["1100"]


async def test_a_head_below_a_young_cursor_is_a_server_that_lags(stage, mailbox, google):
    """Below one that has settled it is another history: a fresh baseline, and a gap that owes the rest by date."""
    with pytest.raises(TryAgain, match="head_behind_cursor"):
        await run(stage, mailbox, google, page(START - 1))
    assert (await where(mailbox), await Gap.all().count()) == ((START, None), 0)
    stage.wait_to_settle()
    with pytest.raises(StartedAnew):
        await run(stage, mailbox, google, page(START - 1), {"emailAddress": mailbox.address, "historyId": "500"})
    assert (await where(mailbox), (await Gap.get()).reason) == ((500, None), "invalid cursor")


async def test_records_that_share_an_id_across_the_edge_of_a_page_are_all_kept(stage, mailbox, google):
    """Scenario 114."""
    shared = [record(1010, "messagesAdded", id) for id in "abcd"]
    await run(stage, mailbox, google, page(1020, *shared[:2], more="2"), page(1020, *shared[2:]))
    assert await ids(mailbox) == set("abcd")


async def test_pages_of_different_moments_skip_nothing(stage, mailbox, google):
    """Scenario 114. What one listing told with an old id after newer ones, and what the next one tells again, is kept once."""
    await run(
        stage, mailbox, google, page(1020, record(1010, "messagesAdded", "a"), more="2"), page(1090, record(1080, "messagesAdded", "c"))
    )
    stage.wait_to_settle()
    again = page(1100, record(1010, "messagesAdded", "a"), record(1015, "messagesAdded", "b"), record(1080, "messagesAdded", "c"))
    assert await run(stage, mailbox, google, again) == 1
    assert (await ids(mailbox), await where(mailbox)) == (set("abc"), (1020, 1100))


@pytest.mark.parametrize("kind", ["labelsAdded", "labelsRemoved"])
@pytest.mark.parametrize("label", ["SPAM", "TRASH", "DRAFT", "SENT"])
async def test_a_label_that_decides_about_filing_owes_a_look_at_what_is_known(stage, mailbox, google, label, kind):
    """Scenarios 43, 44."""
    await run(stage, mailbox, google, page(1100, record(1010, "messagesAdded", "a")))
    await LedgerEntry.all().update(owed_at=None, outcome="skipped")
    assert await run(stage, mailbox, google, page(1100, record(1020, kind, "a", labels=(label, "IMPORTANT")))) == 1
    assert await ids(mailbox) == {"a"}


@pytest.mark.parametrize(
    ("kind", "label"), [("labelsRemoved", "SPAM"), ("labelsRemoved", "TRASH"), ("labelsAdded", "SENT"), ("labelsRemoved", "DRAFT")]
)
async def test_old_mail_that_is_rescued_or_sent_owes_a_look(stage, mailbox, google, kind, label):
    """Scenarios 42, 43."""
    await run(stage, mailbox, google, page(1100, record(1010, kind, "a", labels=(label,))))
    assert await ids(mailbox) == {"a"}


@pytest.mark.parametrize("label", ["SPAM", "TRASH"])
async def test_a_clean_up_of_old_mail_owes_nothing(stage, mailbox, google, label):
    """Scenario 117. What was never known is not worth a look when it is put away; what is rescued from there is."""
    cleaned = record(1010, "labelsAdded", *(f"m{number}" for number in range(500)), labels=(label,))
    assert await run(stage, mailbox, google, page(1100, cleaned)) == 0
    assert await run(stage, mailbox, google, page(1100, cleaned, record(1020, "labelsRemoved", "m7", labels=(label,)))) == 1
    assert await ids(mailbox) == {"m7"}


async def test_other_labels_owe_nothing_however_many(stage, mailbox, google):
    """Scenario 117."""
    archived = record(1010, "labelsRemoved", *(f"m{number}" for number in range(5000)), labels=("INBOX", "UNREAD"))
    assert await run(stage, mailbox, google, page(1100, archived)) == 0
    assert (await LedgerEntry.all().count(), await where(mailbox)) == (0, (START, 1100))
