"""Servers of Google's that lag: an answer older than what we know already, or than the change that made us look, is asked for once more."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from gmail.client import Gmail
from models.database import connection
from models.emails import Email
from models.leases import release
from models.ledger import Debt, LedgerEntry, record
from models.mailboxes import Mailbox
from pipeline.file import file_owed
from tests.builders import a_client, a_mailbox, a_user
from tests.gmail.google import Google, a_google, a_message
from tests.pipeline.stage import Stage
from tests.pipeline.test_pages import Anybody

PAT = ("From", "pat@client.example")


@pytest.fixture
async def google() -> AsyncIterator[Google]:
    async with a_google() as running:
        yield running


@pytest.fixture
async def mailbox(stage: Stage) -> Mailbox:
    await a_client(stage.firm, "", "pat@client.example")
    return await a_mailbox(await a_user(stage.firm), at=stage.clock.moment)


async def told(mailbox: Mailbox, stage: Stage, history_id: int) -> None:
    async with connection() as held:
        await record(held, mailbox.id, [Debt("m1", history_id, "look")], "push", stage.clock.moment)


async def look(mailbox: Mailbox, stage: Stage, google: Google, history_id: int, *labels: str) -> tuple[str | None, str | None, bool]:
    """The message as a server shows it; what becomes of it."""
    google.answers(a_message(PAT, historyId=str(history_id), labelIds=list(labels), internalDate=str(2**41)))
    async with aiohttp.ClientSession() as session:
        taken = await stage.held(mailbox)
        await file_owed(taken, Gmail(session, google.url).mailbox(Anybody(), 1), stage.tools)
        await release(taken, stage.tools.limits.settle)
    return await stage.fate(mailbox, "m1")


async def test_a_label_that_is_gone_already_does_not_lose_rescued_mail(stage, mailbox, google):
    """Scenario 119. History tells the rescue, the message's server does not know of it yet."""
    await told(mailbox, stage, 120)
    assert await look(mailbox, stage, google, 100, "SPAM") == (None, "stale", True)
    assert await look(mailbox, stage, google, 120, "INBOX") == (None, "stale", True)  # not asked before its time
    stage.wait(seconds=30)
    assert await look(mailbox, stage, google, 120, "INBOX") == ("filed", "client", False)


async def test_a_server_that_lags_for_long_is_believed_at_the_second_look(stage, mailbox, google):
    """Scenario 119. Nothing waits for ever; a later change is told again."""
    await told(mailbox, stage, 120)
    await look(mailbox, stage, google, 100, "SPAM")
    stage.wait(seconds=30)
    assert await look(mailbox, stage, google, 100, "SPAM") == ("skipped", "spam", False)
    await told(mailbox, stage, 130)
    assert await look(mailbox, stage, google, 130, "INBOX") == ("filed", "client", False)


async def test_an_answer_older_than_the_one_the_outcome_rests_on_files_nothing(stage, mailbox, google):
    """Scenario 119. It was in spam, as a newer answer said."""
    await told(mailbox, stage, 100)
    assert await look(mailbox, stage, google, 150, "SPAM") == ("skipped", "spam", False)
    await told(mailbox, stage, 160)
    assert await look(mailbox, stage, google, 140, "INBOX") == ("skipped", "stale", True)
    assert await Email.all().count() == 0
    stage.wait(seconds=30)
    assert await look(mailbox, stage, google, 160, "SPAM") == ("skipped", "spam", False)
    assert int((await LedgerEntry.get()).view_history_id or 0) == 160
