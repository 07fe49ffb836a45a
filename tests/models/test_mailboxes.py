"""The lease, the epoch and the cursor: what makes a mailbox ours, and when it ceases to be."""

from datetime import timedelta

import pytest

from models import mailboxes
from models.history import record_last_page
from models.ledger import Debt
from models.mailboxes import LeaseLost, Mailbox, NotTaken
from tests.builders import a_firm, a_mailbox, a_user, held


async def test_only_one_worker_takes_a_mailbox(database, now):
    mailbox = await a_mailbox(await a_user(await a_firm()))
    await held(mailbox, now)
    assert await mailboxes.take(mailbox.id, "another", timedelta(seconds=20), now) == NotTaken("held")
