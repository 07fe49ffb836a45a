"""There is more to do than one job has time for: each job goes on where the last one stopped, and Gmail is asked for nothing twice."""

import time
from dataclasses import replace

import pytest

from models.ledger import LedgerEntry
from pipeline.jobs import BULK, FRESH, SWEEP
from pipeline.sync import Trigger, sync
from tests.builders import a_client, a_mail
from tests.pipeline.stage import Stage

MAILS, BATCH = 24, 4
TRIGGERS = {
    "push": lambda: Trigger("push", FRESH, "trace", time.time()),
    "sweep": lambda: Trigger("sweep", SWEEP, "trace"),
    "backlog": lambda: Trigger("backlog", BULK, "trace"),
}


@pytest.mark.parametrize("batches_to_a_job", [1, 2])
@pytest.mark.parametrize("first", TRIGGERS)
async def test_a_backlog_of_many_jobs_is_read_once(stage: Stage, first: str, batches_to_a_job: int) -> None:
    """Scenario 35. Headers of every message once, the whole of those that concern a client once, and each job adds to what is done."""
    client, eva = await a_client(stage.firm, "", "pat@client.example"), await stage.mailbox()
    senders = ["pat@client.example", "stranger@elsewhere.example"] * (MAILS // 2)
    sent = [await stage.mail(eva, a_mail(sender, subject=f"Mail {number:2}")) for number, sender in enumerate(senders)]
    limits = stage.tools.limits.model_copy(update={"batch": BATCH})
    tools = replace(stage.tools, limits=limits)

    async def time_is_up() -> None:
        stage.wait(seconds=limits.job_budget.total_seconds() + 1)

    trigger, jobs, done = TRIGGERS[first](), 0, [0]
    while True:
        stage.wire.forget()
        stage.wire.after("format=full", time_is_up, nth=batches_to_a_job * BATCH // 2)
        rest = await sync(eva.id, trigger, tools)
        jobs, trigger = jobs + 1, TRIGGERS["backlog"]()
        done.append(await LedgerEntry.exclude(outcome=None).count())
        if rest is None:
            break
        assert rest == "backlog"
        assert await stage.pending() == []  # its successor is queued
    assert jobs >= MAILS // BATCH // batches_to_a_job
    assert done[:-1] == [job * batches_to_a_job * BATCH for job in range(len(done) - 1)]
    assert len(await stage.filed(client)) == MAILS // 2
    assert sorted(await stage.looks(eva)) == sorted(sent)
    assert sorted(await stage.looks(eva, "full")) == sorted(sent[::2])


async def test_a_push_between_two_jobs_of_a_backlog_finds_what_is_new_and_reads_nothing_twice(stage: Stage) -> None:
    """Scenario 35."""
    client, eva = await a_client(stage.firm, "", "pat@client.example"), await stage.mailbox()
    sent = [await stage.mail(eva, a_mail(subject=f"Mail {number}")) for number in range(3 * BATCH)]
    tools = replace(stage.tools, limits=stage.tools.limits.model_copy(update={"batch": BATCH}))

    async def time_is_up() -> None:
        stage.wait(seconds=30)

    stage.wire.after("format=full", time_is_up, nth=BATCH)
    assert await sync(eva.id, TRIGGERS["push"](), tools) == "backlog"
    sent.append(await stage.mail(eva, a_mail(subject="New")))
    await stage.tell(eva)
    assert await sync(eva.id, TRIGGERS["push"](), tools) is None
    assert len(await stage.filed(client)) == 3 * BATCH + 1
    assert sorted(await stage.looks(eva, "full")) == sorted(await stage.looks(eva)) == sorted(sent)
    stage.wait(minutes=3)
    for _ in await stage.pending():  # the successor that was queued, and the cursor's candidate
        await sync(eva.id, TRIGGERS["backlog"](), tools)
    assert len(await stage.looks(eva)) == len(sent)
