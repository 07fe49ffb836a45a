"""The audit: mail that Gmail shows and the ledger does not know is found, filed and told, whatever interrupts it."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from dramatiq import Message

from gmail import client as gmail_client
from models import connections
from models.audits import claim_audits
from models.emails import Email
from models.gaps import Gap
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from models.project import ProjectState
from pipeline.recover import recover
from pipeline.tools import Opened, equip
from reconcile.audit import SOON, audit
from tests.builders import a_mail
from tests.pipeline.stage import Killed, Stage, killed
from tests.reconcile.desk import Desk, due, found
from tests.reconcile.fleet import a_fleet

DAY, HOUR, MINUTE, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


# a loss


async def test_mail_that_neither_push_nor_sweep_ever_saw_is_found_filed_and_told(desk: Desk) -> None:
    """Scenario 83. History did not show it until the cursor had gone by."""
    known = await desk.stage.mail(desk.eva, a_mail(subject="known"))
    lost, before = await desk.lost(), found()
    assert await desk.filed() == ["known"]
    assert await desk.audited() == "found"
    assert await desk.filed() == ["known", "lost"]
    assert (await LedgerEntry.get(gmail_id=lost)).found_by == "audit"
    assert (await LedgerEntry.get(gmail_id=known)).found_by != "audit"
    assert found() == before + 1
    assert [alarm["messages"] for alarm in desk.alarms] == [1]
    assert timedelta(hours=21) < await desk.due_in() <= DAY

    assert await desk.audited() == "whole"
    assert (found(), await desk.filed()) == (before + 1, ["known", "lost"])


async def test_what_the_database_forgot_is_filed_again(desk: Desk) -> None:
    """Scenario 83. Say, a backup was restored under a cursor that is further on."""
    forgotten = [await desk.stage.mail(desk.eva, a_mail(subject=f"mail {number}")) for number in range(3)]
    await desk.an_hour_passes()
    await LedgerEntry.filter(gmail_id__in=forgotten[:2]).delete()
    await Email.filter(subject__in=["mail 0", "mail 1"]).delete()
    before = found()
    assert await desk.audited() == "found"
    assert await desk.filed() == ["mail 0", "mail 1", "mail 2"]
    assert found() == before + 2
    assert await Email.all().count() == 3


async def test_every_page_of_what_gmail_shows_is_compared(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenario 83."""
    await desk.lost("oldest")
    for number in range(5):
        await desk.stage.mail(desk.eva, a_mail(subject=f"mail {number}"))
    await desk.an_hour_passes()
    monkeypatch.setattr(gmail_client, "LONGEST_PAGE", 2)
    before = await desk.calls("messages.list")
    assert await desk.audited() == "found"
    assert await desk.calls("messages.list") == before + 3
    assert "oldest" in await desk.filed()


async def test_lost_mail_of_a_stranger_is_told_but_not_filed(desk: Desk) -> None:
    """Scenario 83. That it was missed is the alarm, not whose it is."""
    await desk.stage.sandbox.aio.fault("history_late", s=86400)
    lost = await desk.stage.mail(desk.eva, a_mail(sender="nobody@stranger.example"))
    await desk.an_hour_passes()
    assert await desk.audited() == "found"
    assert await desk.stage.fate(desk.eva, lost) == ("skipped", "no client", False)
    assert len(desk.alarms) == 1


# when


async def test_an_audit_is_due_soon_after_a_connect_then_daily(stage: Stage) -> None:
    """Scenario 83."""
    eva = await stage.mailbox()
    assert await due(stage, timedelta(minutes=14)) == []
    stage.wait(minutes=15)
    assert await due(stage) == [eva.id]
    await audit(eva.id, "trace", stage.tools)
    seen = set()
    for _ in range(5):
        audit_at = (await Mailbox.get(id=eva.id)).audit_at
        assert audit_at is not None
        seen.add(audit_at - stage.clock.moment)
        stage.clock.moment = audit_at
        await audit(eva.id, "trace", stage.tools)
    assert all(timedelta(hours=21) < wait <= DAY for wait in seen)
    assert len(seen) == 5, "spread"


async def test_no_audit_while_a_gap_is_open_and_one_soon_after_the_recovery(desk: Desk) -> None:
    """Scenarios 25, 83."""
    await audit(desk.eva.id, "trace", desk.stage.tools)
    await desk.stage.sandbox.aio.fault("history_expired")
    await desk.stage.sweep(desk.eva)
    assert await Gap.filter(closed_at=None).count() == 1
    assert await due(desk.stage, 2 * DAY) == []
    assert await desk.audited() == "not proven"
    await recover(desk.eva.id, "trace", desk.stage.tools)
    assert await Gap.filter(closed_at=None).count() == 0
    await desk.stage.time_passes(15 * 60)
    assert await due(desk.stage) == [desk.eva.id]
    assert await desk.audited() == "whole"


async def test_of_several_processes_that_claim_at_once_no_two_audit_the_same_mailbox(now: datetime) -> None:
    """Scenario 83."""
    (fleet,) = await a_fleet(now, 100)
    for hour in range(5):
        moment = now + hour * HOUR
        claims = await asyncio.gather(*(claim_audits(HOUR, limit, moment) for limit in (100, 100, 40, 40, 7, 7)))
        assert Counter(id for ids in [*claims, await claim_audits(HOUR, 100, moment)] for id in ids) == Counter(fleet)


async def test_what_is_not_connected_or_must_wait_is_not_audited(desk: Desk) -> None:
    stage = desk.stage
    stage.wait(days=1)
    before = await desk.calls("messages.list")
    for change in ({"state": "lapsed"}, {"state": "connected", "cool_down_until": stage.clock.moment + HOUR}):
        await Mailbox.filter(id=desk.eva.id).update(**change)
        assert await due(stage) == []
        await audit(desk.eva.id, "trace", stage.tools)
    await Mailbox.filter(id=desk.eva.id).update(cool_down_until=None)
    await ProjectState.create(id=1, bulk_after=stage.clock.moment + MINUTE)
    assert await due(stage) == []
    await audit(desk.eva.id, "trace", stage.tools)
    assert await desk.calls("messages.list") == before
    assert await due(stage, MINUTE) == [desk.eva.id]


# trouble


async def test_a_throttled_audit_waits_and_the_mailbox_with_it(desk: Desk) -> None:
    """Scenario 103."""
    await desk.lost()
    await desk.stage.sandbox.aio.fault("status", method="messages.list", code=429, reason="rateLimitExceeded", retry_after=600, count=1)
    assert await desk.audited() == "rate limited"
    it = await desk.row()
    assert 598 <= (await desk.due_in()).total_seconds() <= 660
    assert it.cool_down_until == it.audit_at
    listings = await desk.stage.listings(desk.eva)
    await desk.stage.mail(desk.eva, a_mail(subject="meanwhile"))
    await desk.stage.push(desk.eva)
    assert await desk.stage.listings(desk.eva) == listings
    await desk.stage.time_passes(661)
    assert await desk.stage.pending() == [desk.eva.id]
    assert await due(desk.stage) == [desk.eva.id]
    assert await desk.audited() == "found"
    assert await desk.filed() == ["lost", "meanwhile"]


async def test_when_the_project_is_throttled_audits_wait_longest(desk: Desk) -> None:
    """Scenario 105."""
    await desk.stage.sandbox.aio.fault("status", method="messages.list", code=403, reason="dailyLimitExceeded", count=1)
    assert await desk.audited() == "rate limited"
    state = await ProjectState.get()
    assert state.fresh_after is not None
    assert state.bulk_after is not None
    assert state.bulk_after > state.fresh_after
    assert await due(desk.stage, state.fresh_after - desk.stage.clock.moment) == []
    assert await due(desk.stage, state.bulk_after - desk.stage.clock.moment) == [desk.eva.id]


async def test_an_audit_that_google_fails_is_made_again_soon(desk: Desk) -> None:
    """Scenario 83."""
    await desk.stage.sandbox.aio.fault("status", method="messages.list", code=500, reason="backendError", count=1)
    assert await desk.audited() == "failed"
    assert await desk.due_in() == SOON
    assert await desk.audited() == "whole"


async def test_access_that_is_over_lapses(desk: Desk) -> None:
    """Scenario 87."""
    await desk.stage.sandbox.aio.revoke(desk.eva.address)
    assert await desk.audited() == "lapsed"
    it = await desk.row()
    assert (it.state, it.lapse_reason) == ("lapsed", "invalid_grant")


@pytest.mark.parametrize(("at_clock", "outcome"), [(2, "over"), (3, "not proven"), (6, "not proven")])
async def test_an_audit_writes_nothing_into_a_connection_that_is_not_its_own(desk: Desk, at_clock: int, outcome: str) -> None:
    """Scenarios 92, 120. Its user reconnects before the listing, after it, or during the sync."""
    await desk.lost()
    left: list[dict[str, Any]] = []
    looks_at_the_clock = 0

    async def clock() -> datetime:
        nonlocal looks_at_the_clock
        looks_at_the_clock += 1
        if looks_at_the_clock == at_clock:
            await desk.stage.mailbox(desk.eva.address)
            left.append(await Mailbox.get(id=desk.eva.id).values())
        return desk.stage.clock.moment

    before = found()
    assert await desk.audited(clock) == outcome
    now = await Mailbox.get(id=desk.eva.id).values()
    assert (now["epoch"], now["audit_at"]) == (left[0]["epoch"], left[0]["audit_at"])
    assert (found(), desk.alarms) == (before, [])
    assert await LedgerEntry.filter(found_by="audit").count() == 0


async def test_after_a_disconnect_nothing_more_is_found(desk: Desk) -> None:
    """Scenario 120."""
    await desk.lost()
    desk.stage.wire.after("/messages?", lambda: connections.disconnect(desk.eva.id, desk.eva.firm_id, desk.stage.clock.moment))
    assert await desk.audited() == "not proven"
    assert await LedgerEntry.filter(found_by="audit").count() == 0
    assert await due(desk.stage, DAY) == []


@pytest.mark.parametrize("part", ["/messages?", "/history"])
async def test_an_audit_that_is_killed_before_it_compared_is_due_again(desk: Desk, part: str) -> None:
    """Scenario 83."""
    await desk.lost()
    assert await due(desk.stage) == [desk.eva.id]
    desk.stage.wire.after(part, killed)
    with pytest.raises(Killed):
        await audit(desk.eva.id, "trace", desk.stage.tools)
    assert await due(desk.stage, HOUR - SECOND) == []
    await desk.stage.time_passes(3600)
    assert await due(desk.stage) == [desk.eva.id]
    assert await desk.audited() == "found"
    assert await desk.filed() == ["lost"]


@pytest.mark.parametrize(("part", "nth"), [("/history", 2), ("format=metadata", 1), ("format=full", 1)])
async def test_what_an_audit_found_before_it_was_killed_is_filed(desk: Desk, part: str, nth: int) -> None:
    """Scenario 83. It is owed by then, as anything else is."""
    await desk.lost()
    desk.stage.wire.after(part, killed, nth)
    with pytest.raises(Killed):
        await audit(desk.eva.id, "trace", desk.stage.tools)
    await desk.stage.time_passes(60)
    assert await desk.stage.pending() == [desk.eva.id]
    await desk.stage.sweep(desk.eva)
    assert await desk.filed() == ["lost"]


async def test_what_its_sync_had_no_time_for_another_job_goes_on_with(desk: Desk, valkey: redis.Redis) -> None:
    """Scenario 35."""
    from pipeline.jobs import BROKER, BULK
    from reconcile.jobs import audit_mailbox

    limits = desk.stage.tools.limits.model_copy(update={"batch": 1})
    for number in range(3):
        await desk.stage.mail(desk.eva, a_mail(subject=f"mail {number}"))

    async def slow() -> None:
        desk.stage.wait(seconds=limits.job_budget.total_seconds())

    desk.stage.wire.after("format=full", slow)
    equip(Opened(replace(desk.stage.tools, limits=limits), desk.stage.logins, None))  # type: ignore[arg-type]
    try:
        await audit_mailbox.fn.__wrapped__(desk.eva.id, "trace")  # type: ignore[attr-defined]
    finally:
        equip(None)
    assert len(await desk.filed()) == 1
    (queued,) = valkey.hvals(f"{BROKER.namespace}:{BULK}.msgs")
    assert isinstance(queued, bytes)
    assert Message.decode(queued).actor_name == "sync_backlog"
