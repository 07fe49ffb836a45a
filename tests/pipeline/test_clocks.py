"""A worker's clock is an hour off: leases and schedules go by the database's, and a token that Google refuses is renewed once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gmail.client import Gmail, GmailMailbox
from gmail.tokens import MailboxAccess
from models.mailboxes import Mailbox
from models.tokens import MailboxTokens
from pipeline.jobs import FRESH
from pipeline.sync import Trigger, sync
from tests.builders import VAULT, a_client, a_mail
from tests.pipeline.stage import Stage

HOUR = timedelta(hours=1)
WRONG = pytest.mark.parametrize("wrong", [-HOUR, HOUR], ids=["behind", "ahead"])


def wrong_by(how_far: timedelta) -> Callable[[], datetime]:
    return lambda: datetime.now(UTC) + how_far


class Worker:
    """One whose own clock is wrong, and that of whoever heard the push."""

    def __init__(self, stage: Stage, wrong: timedelta) -> None:
        self._stage, self._clock = stage, wrong_by(wrong)
        self.tools = replace(stage.tools, gmail=Gmail(stage.tools.gmail._session, stage.sandbox.url, clock=self._clock))

    async def is_pushed(self, mailbox: Mailbox) -> None:
        await self._stage.tell(mailbox)
        await sync(mailbox.id, Trigger("push", FRESH, "trace", self._clock().timestamp()), self.tools)


async def row(mailbox: Mailbox) -> Mailbox:
    return await Mailbox.get(id=mailbox.id)


@WRONG
async def test_lease_and_schedule_go_by_the_databases_clock(stage: Stage, wrong: timedelta) -> None:
    """Scenario 86."""
    client, eva = await a_client(stage.firm, "", "pat@client.example"), await stage.mailbox()
    worker, leases = Worker(stage, wrong), list[datetime | None]()

    async def note() -> None:
        leases.append((await row(eva)).lease_until)

    stage.wire.after("/history?", note)
    await stage.mail(eva, a_mail(subject="First"))
    await worker.is_pushed(eva)
    assert leases == [stage.clock.moment + stage.tools.limits.lease]
    done = await row(eva)
    assert (done.last_checked_at, done.head_at, done.lease_until) == (stage.clock.moment, stage.clock.moment, None)
    assert done.next_attempt_at == stage.clock.moment + stage.tools.limits.settle
    stage.wait(seconds=5)
    await stage.mail(eva, a_mail(subject="Second"))
    await worker.is_pushed(eva)
    assert await stage.filed(client) == ["First", "Second"]


@WRONG
@pytest.mark.parametrize("code", [429, 403], ids=["in a header", "in the sentence"])
async def test_a_cool_down_lasts_as_long_as_google_says(stage: Stage, wrong: timedelta, code: int) -> None:
    """Scenarios 86, 103. Also where Google names a moment, which the worker's clock would read wrongly."""
    eva = await stage.mailbox()
    await stage.mail(eva, a_mail())
    await stage.sandbox.aio.fault("status", method="history.list", code=code, reason="rateLimitExceeded", retry_after=60, count=1)
    await Worker(stage, wrong).is_pushed(eva)
    until = (await row(eva)).cool_down_until
    assert until is not None
    assert 59 <= (until - stage.clock.moment).total_seconds() <= 68


@WRONG
async def test_what_failed_is_tried_again_by_the_databases_clock(stage: Stage, wrong: timedelta) -> None:
    """Scenario 86."""
    client, eva = await a_client(stage.firm, "", "pat@client.example"), await stage.mailbox()
    await stage.mail(eva, a_mail(subject="Second try"))
    await stage.sandbox.aio.fault("status", method="history.list", code=503, count=2)
    await Worker(stage, wrong).is_pushed(eva)
    assert (await row(eva)).next_attempt_at == stage.clock.moment + stage.tools.limits.retry
    assert await stage.pending() == []
    stage.wait(seconds=30)
    assert await stage.pending() == [eva.id]
    await stage.sweep(eva)
    assert await stage.filed(client) == ["Second try"]


# Access tokens: the one thing that is read by the machine's own clock, since Google says how many seconds they last


def read_by(stage: Stage, mailbox: Mailbox, clock: Callable[[], datetime]) -> GmailMailbox:
    access = MailboxAccess(MailboxTokens(mailbox.id, mailbox.epoch, VAULT), stage.tools.refresher, clock)
    return stage.tools.gmail.mailbox(access, 1)


async def refreshes(stage: Stage) -> int:
    return int((await stage.sandbox.aio.state())["calls_by_method"].get("token", 0))


async def test_a_token_that_a_slow_clock_takes_for_valid_is_renewed_once_when_google_refuses_it(stage: Stage) -> None:
    """Scenarios 86, 91. And all calls go on with the new one."""
    eva = await stage.mailbox()
    await stage.sandbox.aio.clock(2 * HOUR.total_seconds())  # it ended an hour ago; the clock that is behind does not know
    gmail, before = read_by(stage, eva, wrong_by(-HOUR)), await refreshes(stage)
    assert [(await gmail.profile()).address for _ in range(3)] == [eva.address] * 3
    assert await refreshes(stage) == before + 1
    assert (await stage.sandbox.aio.state())["calls_by_status"]["401"] == 1


async def test_a_token_that_a_worker_with_a_slow_clock_has_kept_is_renewed_once_by_the_next(stage: Stage) -> None:
    """Scenario 86. The moment at which it ends was reckoned by the slow clock, so that it seems to be over; what is kept then is right."""
    eva = await stage.mailbox()
    await Mailbox.filter(id=eva.id).update(access_expires_at=datetime.now(UTC) - timedelta(seconds=1))
    before = await refreshes(stage)
    for _ in range(3):
        await read_by(stage, eva, wrong_by(timedelta(0))).profile()
    assert await refreshes(stage) == before + 1
    assert "401" not in (await stage.sandbox.aio.state())["calls_by_status"]
