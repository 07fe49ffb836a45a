"""Days of pushes come at once and in any order, through the endpoint into real marks and jobs, and from there through the recipe."""

import asyncio
import random
from collections.abc import Sequence

import pytest

from models.mailboxes import Mailbox
from pipeline.jobs import FRESH
from pipeline.sync import Trigger, sync
from tests.builders import a_client, a_mail
from tests.pipeline.stage import Stage
from tests.webhook.hook import Hook, news
from tests.webhook.queue import jobs

DAY = 24 * 3600
PEOPLE = ("ann", "ben", "cem", "dan", "eva")
DAYS, A_DAY = 3, 4  # and mails a day
AT_ONCE = 50  # deliveries


async def days_of_mail(stage: Stage, team: Sequence[Mailbox]) -> list[tuple[Mailbox, int]]:
    """What Pub/Sub kept meanwhile: a push for each mail, in order."""
    pushes = []
    for day in range(DAYS):
        for number in range(A_DAY):
            for mailbox in team:
                told = await stage.arrives(mailbox, a_mail(to=mailbox.address, subject=f"{mailbox.address} {day} {number}"))
                pushes.append((mailbox, told["historyId"]))
        await stage.time_passes(DAY)
    return pushes


async def delivered(hook: Hook, pushes: Sequence[tuple[Mailbox, int]]) -> list[int]:
    """The answers."""
    statuses = []
    for start in range(0, len(pushes), AT_ONCE):
        bodies = [news(mailbox.address, history_id) for mailbox, history_id in pushes[start : start + AT_ONCE]]
        statuses += [status for status, *_ in await asyncio.gather(*(hook.post(body, hook.bearer()) for body in bodies))]
    return statuses


@pytest.mark.parametrize("order", ["newest first", "shuffled"])
async def test_a_backlog_of_days_is_one_job_and_one_listing_for_each_mailbox(stage: Stage, hook: Hook, order: str) -> None:
    """Scenario 85. Pub/Sub delivers each push five times, and what is told finds everything."""
    hook.with_other(look_up=Mailbox.connected_ids)
    client = await a_client(stage.firm, "", "pat@client.example")
    team = [await stage.mailbox(f"{name}@sample.test") for name in PEOPLE]
    pushes = await days_of_mail(stage, team) * 5
    if order == "shuffled":
        random.Random(7).shuffle(pushes)
    else:
        pushes.reverse()

    assert await delivered(hook, pushes) == [204] * len(pushes)
    queued = jobs()
    assert sorted(mailbox_id for mailbox_id, *_ in queued) == sorted(mailbox.id for mailbox in team)
    for mailbox in team:
        highest = max(history_id for told, history_id in pushes if told is mailbox)
        assert highest == await stage.head(mailbox)
        await marked(stage, mailbox, highest)

    await asyncio.gather(*(sync(mailbox_id, Trigger("push", FRESH, trace, told_at), stage.tools) for mailbox_id, trace, told_at in queued))
    assert [await stage.listings(mailbox) for mailbox in team] == [1] * len(team)
    assert len(await stage.filed(client)) == len(PEOPLE) * DAYS * A_DAY
    assert jobs() == []
    assert [mailbox.address for mailbox in team if await stage.tools.marks.told(mailbox.id)] == []


async def marked(stage: Stage, mailbox: Mailbox, highest: int) -> None:
    """With the highest id. Looking takes the mark away, so it is told again."""
    assert await stage.tools.marks.take(mailbox.id) == highest
    await stage.tell(mailbox, highest)


async def test_pushes_that_are_delivered_again_after_the_sync_ask_gmail_nothing(stage: Stage, hook: Hook) -> None:
    """Scenario 85. The rest of the backlog comes later: the cursor is above it once it has settled."""
    hook.with_other(look_up=Mailbox.connected_ids)
    await a_client(stage.firm, "", "pat@client.example")
    eva = await stage.mailbox("eva@sample.test")
    pushes = await days_of_mail(stage, [eva])
    await stage.sweep(eva)
    stage.wait_to_settle()
    await stage.sweep(eva)
    listings = await stage.listings(eva)
    assert await delivered(hook, pushes[::-1]) == [204] * len(pushes)
    queued = jobs()
    assert len(queued) == 1
    for mailbox_id, trace, told_at in queued:
        await sync(mailbox_id, Trigger("push", FRESH, trace, told_at), stage.tools)
    assert await stage.listings(eva) == listings
