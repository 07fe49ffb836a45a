"""History is gone: a baseline, then a listing by date. What concerns clients is filed once, with the mail's own times."""

from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from models.activities import Activity
from models.emails import Email, Receipt
from models.gaps import MARGIN, OVERLAP, Gap, backfill
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from models.sweeps import figures
from pipeline.recover import recover
from tests.builders import a_client, a_firm, a_mail, a_user
from tests.pipeline.recovery import DAY, INTERVAL, recover_and_sync, to_what_is_due_next, until_whole, work
from tests.pipeline.stage import Stage

PAT = "pat@client.example"
STRANGER = "stranger@elsewhere.example"


async def eva_and_client(stage: Stage):
    return await stage.mailbox(), await a_client(stage.firm, "", PAT)


async def calls(stage: Stage, mailbox: Mailbox) -> list[str]:
    """Methods of Gmail's, in the order in which they were called."""
    return [call["method"] for call in (await stage.sandbox.aio.state(mailbox.address))["calls"]]


def opened(reason: str) -> float:
    return REGISTRY.get_sample_value("postroom_gaps_opened_total", {"reason": reason}) or 0.0


async def forget(stage: Stage, mailbox: Mailbox) -> None:
    await stage.sandbox.aio.fault("history_expired", mailbox=mailbox.address)


# What was missed


async def test_what_expired_history_no_longer_tells_is_filed_once_and_the_gap_is_shown(stage: Stage) -> None:
    """Scenario 25. Also what comes between any two answers of Google's: before the baseline, behind it, and while it is listed by date."""
    eva, client = await eva_and_client(stage)
    known = await stage.mail(eva, a_mail(subject="Known"))
    await stage.push(eva)
    last_good_look = stage.clock.moment
    lost = []
    for day in range(4):
        await stage.time_passes(DAY.total_seconds())
        lost.append(await stage.mail(eva, a_mail(subject=f"Day {day}")))
        lost.append(await stage.mail(eva, a_mail(STRANGER)))
    lost.append(await stage.mail(eva, a_mail(subject="In the last second")))
    await forget(stage, eva)
    for number, answer in enumerate(("/history?", "/profile", "/messages?", "format=metadata", "format=full")):
        stage.wire.after(answer, partial(stage.mail, eva, a_mail(subject=f"In between {number}")))

    shown = opened("history expired")
    await stage.push(eva)
    gap = await Gap.get()
    assert (gap.reason, gap.closed_at, gap.opened_at) == ("history expired", None, stage.clock.moment)
    assert (gap.since, gap.until) == (last_good_look - OVERLAP, stage.clock.moment + MARGIN)
    assert ((await figures(INTERVAL, stage.clock.moment)).gaps, opened("history expired")) == (1, shown + 1)

    await until_whole(stage)
    await stage.push(eva)
    between = [f"In between {number}" for number in range(5)]
    assert await stage.filed(client) == ["Day 0", "Day 1", "Day 2", "Day 3", *between, "In the last second", "Known"]
    assert await Email.all().count() == await Receipt.all().count() == await Activity.all().count() == 11
    asked = await calls(stage, eva)
    assert asked.index("getProfile") < asked.index("messages.list")
    looks = await stage.looks(eva)
    assert looks.count(known) == 1
    assert [looks.count(one) for one in lost] == [1] * len(lost)
    gap = await Gap.get()
    assert gap.closed_at is not None
    assert gap.found >= len(lost)
    assert (await figures(INTERVAL, stage.clock.moment)).gaps == 0


async def test_a_gap_reaches_two_days_behind_the_last_good_look(stage: Stage) -> None:
    """Scenario 25. What that look should have told, and did not."""
    eva, client = await eva_and_client(stage)
    await stage.sandbox.aio.fault("history_late", s=10 * DAY.total_seconds(), count=1)
    await stage.mail(eva, a_mail(subject="Never listed"))
    await stage.time_passes(3600)
    await stage.mail(eva, a_mail(subject="Listed"))
    for _ in range(2):
        await stage.push(eva)
        await stage.time_passes(DAY.total_seconds() * 0.9)
    assert await stage.filed(client) == ["Listed"]
    await forget(stage, eva)
    await stage.sweep(eva)
    await until_whole(stage)
    assert await stage.filed(client) == ["Listed", "Never listed"]


async def test_mail_that_came_during_a_long_run_lies_within_the_gap(stage: Stage) -> None:
    """Scenario 116. A run of half an hour; its listing's head becomes the cursor, and the listing's beginning is the last good look."""
    eva, client = await eva_and_client(stage)
    await stage.mail(eva, a_mail(subject="Before"))
    began = stage.clock.moment

    async def a_quarter_of_an_hour_passes() -> None:
        await stage.mail(eva, a_mail(subject="Meanwhile"))
        await stage.time_passes(900)

    stage.wire.after("/history?", a_quarter_of_an_hour_passes)
    stage.wire.after("format=full", a_quarter_of_an_hour_passes)
    await stage.sweep(eva)
    assert stage.clock.moment == began + timedelta(minutes=30)
    await stage.sandbox.aio.fault("history_late", s=10 * DAY.total_seconds())  # nothing that comes now is ever listed
    await stage.sweep(eva)
    assert (await Mailbox.get(id=eva.id)).history_at == began
    await forget(stage, eva)
    await stage.time_passes(3 * DAY.total_seconds())
    await stage.sweep(eva)
    assert (await Gap.get()).since == began - OVERLAP
    await until_whole(stage)
    assert await stage.filed(client) == ["Before", "Meanwhile", "Meanwhile"]


@pytest.mark.parametrize("days", [3, 9])
async def test_after_days_of_standing_still_everything_is_caught_up_with_the_mails_own_times(stage: Stage, days: int) -> None:
    """Scenario 84. Gmail remembers seven days of history."""
    eva, client = await eva_and_client(stage)
    sent: dict[str, datetime] = {}
    for hour in range(6, 24 * days, 12):
        await stage.time_passes(12 * 3600)
        sent[f"Hour {hour:03}"] = stage.clock.moment.replace(microsecond=0)
        await stage.mail(eva, a_mail(subject=f"Hour {hour:03}", Date=format_datetime(stage.clock.moment)))
        await stage.mail(eva, a_mail(STRANGER))
    await stage.sweep(eva)
    assert await Gap.all().count() == (0 if days == 3 else 1)
    took = await until_whole(stage)
    assert took < timedelta(minutes=10)
    assert await stage.filed(client) == sorted(sent)
    assert {str(a.email.subject): a.sent_at for a in await Activity.all().select_related("email")} == sent
    for receipt in await Receipt.all().select_related("email"):
        assert abs(receipt.received_at - sent[str(receipt.email.subject)]) < timedelta(minutes=1)
    assert not await LedgerEntry.exclude(owed_at=None).exists()


# A cursor that never was one


@pytest.mark.parametrize("cursor", ["its baseline", 0])
async def test_a_mailbox_that_was_never_synced_starts_at_a_baseline(stage: Stage, cursor: str | int) -> None:
    """Scenario 26. It neither crashes nor asks in circles; what came since it was connected is filed."""
    eva, client = await eva_and_client(stage)
    if cursor == 0:
        await Mailbox.all().update(cursor=0)
    await stage.mail(eva, a_mail(subject="Since it was connected"))
    await forget(stage, eva)
    for _ in range(40):
        await work(stage)
        await to_what_is_due_next(stage)
    assert await stage.filed(client) == ["Since it was connected"]
    assert (await Mailbox.get(id=eva.id)).cursor == await stage.head(eva)
    asked = await calls(stage, eva)
    assert (asked.count("getProfile"), await Gap.all().count()) == (1, 1)
    assert asked.count("history.list") < 8


async def test_a_gmail_that_never_tells_history_again_makes_one_gap_and_its_mail_is_filed_all_the_same(stage: Stage) -> None:
    """Scenario 26. An hour of it: a mail every five minutes, pushed and swept."""
    eva, client = await eva_and_client(stage)
    await stage.time_passes(300)
    await stage.sandbox.aio.fault("status", mailbox=eva.address, method="history.list", code=404, reason="notFound")
    for number in range(60):
        if number % 5 == 0:
            await stage.mail(eva, a_mail(subject=f"Minute {number:02}"))
            await stage.push(eva)
        if number % 10 == 0:
            await stage.sweep(eva)
        for _ in range(4):
            await stage.time_passes(15)
            await work(stage)
    asked = await calls(stage, eva)
    assert await Gap.all().count() == 1
    assert asked.count("history.list") < 60
    assert asked.count("getProfile") < 20
    assert len(await stage.filed(client)) >= 10

    await stage.sandbox.aio.clear_faults()
    await stage.time_passes(600)
    await stage.sweep(eva)
    await until_whole(stage)
    assert await stage.filed(client) == [f"Minute {number:02}" for number in range(0, 60, 5)]
    await stage.mail(eva, a_mail(subject="New"))
    await stage.push(eva)
    assert len(await stage.filed(client)) == 13
    assert await Receipt.all().count() == 13


INVALID: dict[str, dict[str, Any]] = {  # the fault that makes Google answer so, if it takes one
    "400": {"kind": "status", "method": "history.list", "code": 400, "reason": "invalidArgument", "message": "Invalid startHistoryId: 12"},
    "a head below": {},
    "404 and a baseline below": {"kind": "history_expired"},
}


@pytest.mark.parametrize("answer", INVALID)
async def test_an_invalid_cursor_is_recovered_from_under_a_new_epoch_and_the_operator_is_told(stage: Stage, answer: str) -> None:
    """Scenario 27."""
    eva, client = await eva_and_client(stage)
    known = await stage.mail(eva, a_mail(subject="Known"))
    await stage.push(eva)
    await stage.time_passes(600)
    head = await stage.head(eva)
    if answer != "400":  # as if they were another mailbox's: everything that we saw lies above
        await Mailbox.all().update(cursor=head + 10**6, head=None, head_at=None, pushed_id=head + 10**6)
        await LedgerEntry.all().update(seen_history_id=head + 10**6, view_history_id=head + 10**6)
    if INVALID[answer]:
        await stage.sandbox.aio.fault(**INVALID[answer], count=1)
    await stage.mail(eva, a_mail(subject="Missed"))
    shown = opened("invalid cursor")
    with capture_logs() as logs:
        await stage.sweep(eva)
    assert [line["log_level"] for line in logs if line["event"] == "gap opened"] == ["error"]
    assert opened("invalid cursor") == shown + 1
    now = await Mailbox.get(id=eva.id)
    assert now.epoch == eva.epoch + 1
    assert now.cursor == await stage.head(eva)
    assert (await Gap.get()).reason == "invalid cursor"
    await until_whole(stage)
    assert await stage.filed(client) == ["Known", "Missed"]

    await stage.sandbox.aio.labels(eva.address, known, add=("SENT",))  # under an id that lies below what was seen of it
    new = await stage.mail(eva, a_mail(subject="New"))
    await stage.time_passes(600)
    await stage.sweep(eva)
    assert await stage.filed(client) == ["Known", "Missed", "New"]
    assert (await stage.looks(eva)).count(known) == 2
    assert (await LedgerEntry.get(gmail_id=new)).found_by == "sweep"
    assert (await figures(INTERVAL, stage.clock.moment)).silent == 1


# What is judged again


async def rescued(stage: Stage, eva: Mailbox) -> str:
    return await stage.mail(eva, a_mail(subject="It"), labels="SPAM")


async def trashed(stage: Stage, eva: Mailbox) -> str:
    return await stage.mail(eva, a_mail(subject="It"), labels="TRASH")


async def withdrawn(stage: Stage, eva: Mailbox) -> str:
    sent = await stage.mail(eva, a_mail(subject="It"))
    await stage.push(eva)
    await stage.sandbox.aio.labels(eva.address, sent, add=("TRASH",), remove=("INBOX",))
    return sent


async def missing(stage: Stage, eva: Mailbox) -> str:
    sent = await stage.mail(eva, a_mail(subject="It"))
    await stage.sandbox.aio.fault("message_404_first", mailbox=eva.address, id=sent, s=120)
    await stage.push(eva)
    await stage.time_passes(60)
    return sent


async def written(stage: Stage, eva: Mailbox) -> str:
    return str((await stage.sandbox.aio.draft(eva.address, a_mail(eva.address, PAT, subject="It").as_bytes()))["id"])


BEFORE = {
    "spam that is rescued": (rescued, ("skipped", "spam", False)),
    "mail that is taken out of the trash": (trashed, ("skipped", "trash", False)),
    "mail that was withdrawn and is taken out of the trash": (withdrawn, ("withdrawn", "trash", False)),
    "a message that answered 404": (missing, ("gone", "missing", False)),
    "a draft that is sent": (written, ("skipped", "draft", False)),
}


@pytest.mark.parametrize("what", BEFORE)
async def test_what_changed_while_history_was_gone_is_judged_again(stage: Stage, what: str) -> None:
    """Scenario 25. Once; what is filed stays filed once."""
    stage.firm.file_all_sent = True
    await stage.firm.save()
    eva, client = await eva_and_client(stage)
    comes, fate = BEFORE[what]
    sent = await comes(stage, eva)
    await stage.push(eva)
    assert (await stage.fate(eva, sent), await stage.filed(client)) == (fate, [])
    await stage.time_passes(3600)
    await stage.sandbox.aio.labels(eva.address, sent, add=("SENT",) if comes is written else ("INBOX",), remove=("SPAM", "TRASH", "DRAFT"))
    for _ in range(2):
        await forget(stage, eva)
        await stage.sweep(eva)
        await until_whole(stage)
        assert (await stage.fate(eva, sent), await stage.filed(client)) == (("filed", "client", False), ["It"])
        assert await Receipt.all().count() == 1
        await stage.time_passes(3600)
    assert len(await stage.looks(eva, "full")) <= 2


async def test_what_a_person_dismissed_stays_dismissed(stage: Stage) -> None:
    """Scenarios 25, 71. A colleague's recovery brings the same mail; its own is brought once more."""
    eva, client = await eva_and_client(stage)
    bob = await stage.mailbox("bob@sample.test")
    mail = a_mail(subject="Dismissed")
    await stage.mail(eva, mail)
    await stage.push(eva)
    await Activity.all().update(status="dismissed", decided_by_id=eva.user_id, decided_at=stage.clock.moment)
    await stage.mail(bob, mail)
    await LedgerEntry.all().delete()  # as if nothing were known of it
    await stage.time_passes(3600)
    for mailbox in (eva, bob):
        await forget(stage, mailbox)
        await stage.sweep(mailbox)
    await until_whole(stage)
    assert await Receipt.all().count() == 2
    activity = await Activity.get(client=client)
    assert (activity.status, activity.decided_by_id) == ("dismissed", eva.user_id)  # type: ignore[attr-defined]


# Before the connection


async def old_mail(stage: Stage, mailbox: Mailbox, days: int, **more: str) -> str:
    at = stage.clock.moment - days * DAY
    mail = a_mail(subject=f"{days} days old", Date=format_datetime(at), **more)
    return await stage.mail(mailbox, mail, internal_date=int(at.timestamp() * 1000))


async def test_a_backfill_files_the_mail_of_so_many_days_before_the_connection(stage: Stage) -> None:
    """Scenario 40. What history had shown too, and was skipped for its age, is judged again; older mail stays where it is."""
    account, client = "eva@sample.test", await a_client(stage.firm, "", PAT)
    await stage.sandbox.aio.account(account)
    before = a_mailbox_to_be(account)
    unseen = await old_mail(stage, before, 3)
    eva = await stage.mailbox(account)
    skipped = [await old_mail(stage, eva, days) for days in (5, 20, 40)]
    await stage.push(eva)
    assert [await stage.fate(eva, one) for one in skipped] == [("skipped", "old", False)] * 3
    assert not await LedgerEntry.filter(gmail_id=unseen).exists()

    for days, filed in ((30, ["20 days old", "3 days old", "5 days old"]), (30, None), (50, None)):
        assert await backfill(eva.id, eva.firm_id, eva.started_at - days * DAY, stage.clock.moment)
        await until_whole(stage)
        if filed:
            assert await stage.filed(client) == filed
    assert await stage.filed(client) == ["20 days old", "3 days old", "40 days old", "5 days old"]
    assert len(await stage.looks(eva, "full")) == 4


def a_mailbox_to_be(address: str) -> Mailbox:
    """Of an account that is not connected yet."""
    return Mailbox(address=address)


async def test_a_backfill_that_is_ordered_while_another_gap_is_worked_on_is_listed_in_full(stage: Stage) -> None:
    """Scenario 115. Whoever works on the mailbox then knows its old start only, and must not close the new gap by it."""
    eva, client = await eva_and_client(stage)
    await old_mail(stage, eva, 5)
    await stage.sweep(eva)
    await stage.time_passes(300)
    await forget(stage, eva)
    await stage.sweep(eva)
    stage.wire.after("/messages?", lambda: backfill(eva.id, eva.firm_id, eva.started_at - 10 * DAY, stage.clock.moment))
    await recover_and_sync(stage, eva.id)
    await until_whole(stage)
    assert await stage.filed(client) == ["5 days old"]


async def test_nobody_orders_a_backfill_of_another_firms_or_a_disconnected_mailbox(stage: Stage) -> None:
    """Scenario 75."""
    eva, _ = await eva_and_client(stage)
    since, now = eva.started_at - 30 * DAY, stage.clock.moment
    other = await a_user(await a_firm())
    assert not await backfill(eva.id, other.firm_id, since, now)
    await Mailbox.all().update(state="lapsed")
    assert not await backfill(eva.id, eva.firm_id, since, now)
    assert await Gap.all().count() == 0
    assert (await Mailbox.get(id=eva.id)).started_at == eva.started_at
    assert not await recover(eva.id, "trace", stage.tools)
