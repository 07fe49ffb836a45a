"""Push health: what only the sweep finds makes a mailbox silent, and is an alarm if nobody hears of anything; and what is none."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from models import connections
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from models.sweeps import Sweep, figures
from pipeline.jobs import SWEEP
from pipeline.sync import Trigger, sync
from reconcile import clock
from reconcile.watches import renew
from telemetry import metrics
from tests.builders import a_client, a_mail
from tests.pipeline.stage import Stage
from tests.reconcile.fleet import a_fleet

INTERVAL = timedelta(minutes=10)
SECOND = timedelta(seconds=1)
TEN_MINUTES = INTERVAL.total_seconds()


class NoQueue:
    """Takes whatever the chores queue, and nobody works it off."""

    async def waiting(self, queue: str) -> int:
        return 0

    async def send(self, job: str, *arguments: Any) -> None:
        pass


async def a_quiet_mailbox(stage: Stage, address: str = "eva@sample.test") -> Mailbox:
    """Looked at, with nothing in it, and never pushed."""
    mailbox = await stage.mailbox(address)
    await stage.sweep(mailbox)
    return mailbox


async def silent(stage: Stage) -> int:
    return (await figures(INTERVAL, stage.clock.moment)).silent


async def found_by(gmail_id: str) -> str:
    return (await LedgerEntry.get(gmail_id=gmail_id)).found_by


async def missed_mail(stage: Stage, mailbox: Mailbox) -> str:
    """Comes without a push, and is found by the sweep."""
    gmail_id = await stage.mail(mailbox, a_mail())
    await stage.time_passes(TEN_MINUTES)
    await stage.sweep(mailbox)
    return gmail_id


async def what_is_owed_is_looked_at(stage: Stage, mailbox: Mailbox) -> None:
    assert await stage.pending() == [mailbox.id]
    await sync(mailbox.id, Trigger("pending", SWEEP, "trace"), stage.tools)


async def closed(stage: Stage) -> Sweep:
    """The sweep's interval is over."""
    await stage.time_passes(TEN_MINUTES)
    assert await Sweep.turn(INTERVAL, stage.clock.moment)
    last = await Sweep.last_closed()
    assert last is not None
    return last


def gauge(metric: Any) -> float:
    (sample,) = metric.collect()[0].samples
    return float(sample.value)


# silent


async def test_a_mailbox_whose_mail_only_the_sweep_finds_is_silent_until_a_push_comes(stage):
    """Scenario 80."""
    eva, client = await a_quiet_mailbox(stage), await a_client(stage.firm, "", "pat@client.example")
    missed = await missed_mail(stage, eva)
    assert (await found_by(missed), len(await stage.filed(client)), await silent(stage)) == ("sweep", 1, 1)
    await stage.mail(eva, a_mail())
    await stage.push(eva)
    assert await silent(stage) == 0


async def test_a_mailbox_that_was_pushed_before_and_is_no_more_is_silent(stage):
    """Scenario 80. The subscription ended after weeks."""
    eva = await a_quiet_mailbox(stage)
    await stage.mail(eva, a_mail())
    await stage.push(eva)
    await stage.time_passes(TEN_MINUTES)
    await stage.sweep(eva)
    assert await silent(stage) == 0
    await missed_mail(stage, eva)
    assert await silent(stage) == 1


async def test_somebody_elses_push_does_not_make_up_for_it(stage):
    """Scenario 80."""
    eva, bob = await a_quiet_mailbox(stage), await a_quiet_mailbox(stage, "bob@sample.test")
    await missed_mail(stage, eva)
    await stage.mail(bob, a_mail())
    await stage.push(bob)
    assert await silent(stage) == 1


async def test_a_mailbox_without_mail_is_not_silent(stage):
    """Scenario 80. Nobody has anything to tell of it."""
    eva = await a_quiet_mailbox(stage)
    for _ in range(6):
        await stage.time_passes(TEN_MINUTES)
        await stage.sweep(eva)
    assert await silent(stage) == 0


async def test_what_google_drops_of_a_burst_makes_no_mailbox_silent(stage):
    """Scenario 80. Of two mails within a second only the first is pushed; the second is found when the cursor settles."""
    eva = await a_quiet_mailbox(stage)
    await stage.mail(eva, a_mail())
    await stage.push(eva)
    dropped = await stage.mail(eva, a_mail())
    await stage.time_passes(stage.tools.limits.settle.total_seconds())
    await what_is_owed_is_looked_at(stage, eva)
    assert (await found_by(dropped), await silent(stage)) == ("sweep", 0)


async def test_mail_that_is_indexed_long_after_its_push_was_found_by_that(stage):
    """Scenarios 80, 113. Its record lies below what the push told of."""
    eva = await a_quiet_mailbox(stage)
    await stage.sandbox.aio.fault("history_late", s=60)
    late = await stage.mail(eva, a_mail())
    await stage.push(eva)
    assert not await LedgerEntry.filter(gmail_id=late).exists()
    await stage.time_passes(60)
    stage.wait(hours=1)  # nobody looked for so long that the push is no excuse any more
    await stage.sweep(eva)
    assert (await found_by(late), await silent(stage)) == ("push", 0)


async def throttled(stage: Stage, eva: Mailbox) -> None:
    await stage.sandbox.aio.fault("status", mailbox=eva.address, method="history.list", count=1, code=429, retry_after=300)


async def broken(stage: Stage, eva: Mailbox) -> None:
    await stage.sandbox.aio.fault("status", mailbox=eva.address, method="history.list", count=2, code=500)


@pytest.mark.parametrize("trouble", [throttled, broken])
async def test_a_push_that_cannot_be_followed_yet_was_heard_all_the_same(
    stage: Stage, valkey, trouble: Callable[[Stage, Mailbox], Awaitable[None]]
) -> None:
    """Scenario 80. Google wants to be left alone, or its calls fail; then even the mark is lost."""
    eva = await a_quiet_mailbox(stage)
    await trouble(stage, eva)
    await stage.sweep(eva)
    told = await stage.mail(eva, a_mail())
    await stage.push(eva)
    assert not await LedgerEntry.filter(gmail_id=told).exists()
    valkey.flushall()
    await stage.time_passes(3 * TEN_MINUTES)
    await stage.sweep(eva)
    assert (await found_by(told), await silent(stage)) == ("push", 0)


async def test_a_renewed_watch_makes_google_push_and_that_heals(stage):
    """Scenario 80. Though no mail comes."""
    eva = await a_quiet_mailbox(stage)
    await missed_mail(stage, eva)
    push = stage.tools.settings.push.model_copy(update={"project": "sandbox"})
    settings = stage.tools.settings.model_copy(update={"push": push})
    await renew([eva.id], "trace", replace(stage.tools, settings=settings))
    (told,) = (await stage.sandbox.aio.state(eva.address))["pushes"]
    assert await silent(stage) == 1, "that a watch was renewed proves nothing"
    await stage.push(eva, int(told["historyId"]))
    assert await silent(stage) == 0


async def test_label_changes_of_old_mail_make_no_mailbox_silent(stage):
    """Scenario 80. People put mail into the trash and back; no push is missed for that."""
    eva = await a_quiet_mailbox(stage)
    gmail_id = await stage.mail(eva, a_mail())
    await stage.push(eva)
    await stage.time_passes(3 * TEN_MINUTES)
    for change in ({"add": ("TRASH",)}, {"remove": ("TRASH",)}, {"add": ("STARRED",)}):
        await stage.sandbox.aio.labels(eva.address, gmail_id, **change)
        await stage.time_passes(TEN_MINUTES)
        await stage.sweep(eva)
    await stage.sandbox.aio.delete(eva.address, gmail_id)
    await stage.time_passes(TEN_MINUTES)
    await stage.sweep(eva)
    assert len(await stage.looks(eva)) > 1, "the sweep did look at it again"
    assert await silent(stage) == 0


# what an interval found


async def test_an_interval_tells_what_was_found_filed_and_pushed_in_it(stage):
    """Scenarios 80, 83."""
    assert await Sweep.turn(INTERVAL, stage.clock.moment)
    await a_client(stage.firm, "", "pat@client.example")
    eva, bob = await a_quiet_mailbox(stage), await a_quiet_mailbox(stage, "bob@sample.test")
    ((late, *_),) = await a_fleet(stage.clock.moment, 2, unseen_for=timedelta(0))
    await Mailbox.filter(id=late).update(last_checked_at=stage.clock.moment - 0.6 * INTERVAL)
    for mail in (a_mail(), a_mail(), a_mail(sender="friend@nobody.example")):
        await stage.mail(eva, mail)
    await stage.sweep(eva)
    await stage.mail(bob, a_mail())
    await stage.push(bob)
    entry = {"mailbox_id": bob.id, "found_by": "audit", "found_at": stage.clock.moment, "seen_history_id": 0}
    await LedgerEntry.create(**entry, gmail_id="lost", outcome="filed")
    one = await closed(stage)
    assert (one.found, one.filed, one.audited, one.pushed, one.silent, one.late) == (3, 2, 1, 1, 1, 1)

    two = await closed(stage)
    assert (two.found, two.filed, two.audited, two.pushed, two.silent) == (0, 0, 0, 0, 0)
    assert await silent(stage) == 1, "the mailbox is silent still"


async def test_push_is_dead_where_the_sweep_finds_mail_and_nobody_hears_of_any(stage):
    """Scenario 80. The operator is told by a gauge and a line in the log. In a quiet night, mail lost in the evening is no news."""
    eva, bob = await a_quiet_mailbox(stage), await a_quiet_mailbox(stage, "bob@sample.test")

    async def tick() -> list[Any]:
        """What it tells of push as an error."""
        await stage.time_passes(TEN_MINUTES)
        with capture_logs() as told:
            await clock.tick(stage.tools.settings, stage.clock, NoQueue())
        return [(line["event"], line["mailboxes"], line["found_by_sweep"]) for line in told if line["log_level"] == "error"]

    await tick()
    await stage.mail(eva, a_mail())
    await stage.sweep(eva)
    await stage.mail(bob, a_mail())
    await stage.push(bob)
    assert (await tick(), gauge(metrics.SILENT), gauge(metrics.PUSH_DEAD)) == ([], 1, 0), "a push came for somebody"
    assert (await tick(), gauge(metrics.SILENT), gauge(metrics.PUSH_DEAD)) == ([], 1, 0), "nothing was found, and nothing told"

    await stage.mail(bob, a_mail())
    await stage.sweep(bob)
    assert (await tick(), gauge(metrics.SILENT), gauge(metrics.PUSH_DEAD)) == ([("push is dead", 1, 1)], 2, 1)
    assert (await tick(), gauge(metrics.SILENT), gauge(metrics.PUSH_DEAD)) == ([("push is dead", 1, 0)], 2, 1), "until a push comes"

    for mailbox in (eva, bob):
        await stage.mail(mailbox, a_mail())
        await stage.push(mailbox)
    assert (await tick(), gauge(metrics.SILENT), gauge(metrics.PUSH_DEAD)) == ([], 0, 0)


# lapses


async def test_many_lapses_within_an_hour_are_no_doing_of_so_many_people(stage):
    limit = stage.tools.settings.sweep.surge_limit
    (fleet,) = await a_fleet(stage.clock.moment, limit)

    async def surges() -> float:
        await clock.tick(stage.tools.settings, stage.clock, NoQueue())
        return gauge(metrics.LAPSE_SURGE)

    for mailbox_id in fleet[1:]:
        assert await connections.lapse(mailbox_id, 1, "invalid_grant", stage.clock.moment)
    assert await surges() == 0
    stage.wait(minutes=59)
    assert await connections.lapse(fleet[0], 1, "invalid_grant", stage.clock.moment)
    assert await surges() == 1
    stage.wait(minutes=1)
    assert await surges() == 0
