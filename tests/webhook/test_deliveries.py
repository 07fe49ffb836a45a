"""Pub/Sub delivers more than once, and out of order."""

import asyncio

from models.mailboxes import Mailbox
from pipeline.marks import Marks
from tests.webhook.hook import SAMS, Hook, news
from tests.webhook.queue import jobs


async def test_one_push_five_times_at_once_is_one_job(hook: Hook, marks: Marks) -> None:
    """Scenario 13."""
    answers = await asyncio.gather(*(hook.post(news(), hook.bearer()) for _ in range(5)))
    assert [status for status, *_ in answers] == [204] * 5
    assert [job[0] for job in jobs()] == [SAMS]
    assert await marks.take(SAMS) == 2000


async def test_however_many_pushes_come_before_its_job_starts_there_is_one_and_it_knows_the_highest(hook: Hook, marks: Marks) -> None:
    """Scenarios 13, 14."""
    for history_id in (2000, 99_999, 100_000, 3000, 2**63 + 1, 2**63):
        assert (await hook.push(news(history_id=history_id))).status == 204
    assert [job[0] for job in jobs()] == [SAMS]
    assert await marks.take(SAMS) == 2**63 + 1


async def test_a_push_that_comes_after_the_job_took_the_mark_is_a_job_of_its_own(hook: Hook, marks: Marks) -> None:
    """Scenario 14."""
    await hook.push()
    await marks.take(SAMS)
    await hook.push(news(history_id=2001))
    assert [job[0] for job in jobs()] == [SAMS, SAMS]


async def test_a_push_from_behind_the_cursor_is_acknowledged_and_the_cursor_is_not_touched(hook: Hook, sam: Mailbox) -> None:
    """Scenario 15."""
    answer = await hook.push(news(history_id=int(sam.cursor) - 1))
    assert (answer.status, answer.counted) == (204, {"queued": 1})
    now = await Mailbox.get(id=sam.id)
    assert (now.cursor, now.head, now.lease_owner) == (sam.cursor, None, None)
