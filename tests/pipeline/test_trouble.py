"""Trouble stays where it belongs: of one message, of one mailbox, of Google; and what is owed stays owed."""

import time
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gmail import client as gmail_client
from models.activities import Activity, Review
from models.gaps import Gap
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from pipeline.jobs import FRESH
from pipeline.sync import Trigger, sync
from tests.builders import a_client, a_mail
from tests.pipeline.stage import Stage

HOSTILE = (
    b'Content-Type: text/plain; name*0="a"; name*="b"',
    b"Content-Type: text/plain\r\nContent-Disposition: attachment; filename*=undefined''%ff",
    b"Content-Type: text/plain; a*=punycode''%ff%80",
)


async def eva_and_pats_client(stage: Stage):
    return await stage.mailbox(), await a_client(stage.firm, "", "pat@client.example")


async def again_and_again(stage: Stage, mailbox: Mailbox, runs: int) -> None:
    for _ in range(runs):
        await stage.sweep(mailbox)
        stage.wait(minutes=61)


@pytest.mark.parametrize("header", HOSTILE)
async def test_no_header_that_a_sender_can_write_stops_a_mailbox(stage: Stage, header: bytes):
    """Scenarios 29, 107."""
    eva, client = await eva_and_pats_client(stage)
    await stage.mail(
        eva, b"From: pat@client.example\r\nTo: eva@sample.test\r\nSubject: odd\r\nMessage-ID: <h@x.test>\r\n" + header + b"\r\n\r\nhi"
    )
    await stage.mail(eva, a_mail(subject="honest"))
    await stage.sweep(eva)
    assert await stage.filed(client) == ["honest", "odd"]


async def test_an_outage_of_google_parks_nothing_however_long_it_lasts(stage: Stage):
    """Scenario 30."""
    eva, client = await eva_and_pats_client(stage)
    await stage.mail(eva, a_mail(subject="new"))
    await stage.sandbox.aio.fault("status", method="messages.get", code=503, reason="backendError")
    await again_and_again(stage, eva, 12)
    assert (await LedgerEntry.get()).tries == 0
    assert (await Mailbox.get(id=eva.id)).failures == 12
    await stage.sandbox.aio.clear_faults()
    await stage.sweep(eva)
    assert await stage.filed(client) == ["new"]


async def test_many_messages_that_cannot_be_read_are_parked_and_do_not_stand_in_the_way(stage: Stage):
    """Scenario 29."""
    eva, client = await eva_and_pats_client(stage)
    await stage.mail(eva, a_mail(subject="before"))
    await stage.sweep(eva)
    for number in range(26):
        await stage.sandbox.aio.fault("message_broken", id=await stage.mail(eva, a_mail(subject=f"broken {number}")))
    await stage.mail(eva, a_mail(subject="behind"))
    await stage.sweep(eva)
    assert await stage.filed(client) == ["before", "behind"]
    await again_and_again(stage, eva, 5)
    assert await LedgerEntry.filter(outcome="parked").count() == 26


async def test_what_was_found_is_filed_though_the_listing_never_ends(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    """Scenario 22."""
    monkeypatch.setattr(gmail_client, "LONGEST_PAGE", 2)
    eva, client = await eva_and_pats_client(stage)
    for number in range(5):
        await stage.mail(eva, a_mail(subject=f"mail {number}"))

    async def refuse() -> None:
        await stage.sandbox.aio.fault("status", method="history.list", code=503, reason="backendError", count=2)

    stage.wire.after("/history", refuse)
    await stage.sweep(eva)
    assert await stage.filed(client) == ["mail 0", "mail 1"]
    await stage.sweep(eva)
    assert len(await stage.filed(client)) == 5


async def test_one_refused_page_is_asked_for_again_at_once(stage: Stage):
    """Scenario 22."""
    eva, client = await eva_and_pats_client(stage)
    await stage.mail(eva, a_mail(subject="new"))
    await stage.sandbox.aio.fault("status", method="history.list", code=503, reason="backendError", count=1)
    await stage.sweep(eva)
    assert await stage.filed(client) == ["new"]


async def test_a_listing_that_takes_all_of_a_jobs_time_still_files(stage: Stage):
    eva, client = await eva_and_pats_client(stage)
    await stage.mail(eva, a_mail(subject="new"))

    async def slow() -> None:
        stage.wait(seconds=60)

    stage.wire.after("/history", slow)
    await stage.sweep(eva)
    assert await stage.filed(client) == ["new"]


async def test_a_late_or_doubled_push_does_not_forget_what_a_failed_run_owes(stage: Stage):
    """Scenario 13."""
    eva, _ = await eva_and_pats_client(stage)
    await stage.sweep(eva)
    stage.wait(minutes=1)
    await stage.mail(eva, a_mail(subject="new"))
    await stage.tell(eva)
    await stage.sandbox.aio.fault("status", method="history.list", code=503, reason="backendError", count=2)
    await stage.sweep(eva)  # takes the mark, and fails
    owed = await Mailbox.get(id=eva.id)
    assert owed.next_attempt_at == stage.clock.moment + stage.tools.limits.retry
    await sync(eva.id, Trigger("push", FRESH, "trace", time.time()), stage.tools)  # its own job: the mark is gone
    await stage.push(eva, int(eva.cursor))  # and one that tells nothing new
    kept = await Mailbox.get(id=eva.id)
    assert (kept.next_attempt_at, kept.failures) == (owed.next_attempt_at, 1)


async def test_gmail_that_does_not_show_yet_what_it_told_of_is_asked_again_soon(stage: Stage):
    """Scenario 20."""
    eva, client = await eva_and_pats_client(stage)
    await stage.sweep(eva)
    stage.wait_to_settle()
    await stage.sweep(eva)
    await stage.push(eva, await stage.head(eva) + 100)
    assert (await Mailbox.get(id=eva.id)).next_attempt_at == stage.clock.moment + stage.tools.limits.first_missing
    await stage.mail(eva, a_mail(subject="late"))
    stage.wait(seconds=30)
    assert await stage.pending() == [eva.id]
    await stage.sweep(eva)
    assert await stage.filed(client) == ["late"]


async def test_a_gap_ends_behind_its_baseline(stage: Stage):
    eva, _ = await eva_and_pats_client(stage)
    await stage.sandbox.aio.fault("history_expired", count=1)

    async def later() -> None:
        stage.wait(seconds=10)

    stage.wire.after("/profile", later)
    await stage.sweep(eva)
    assert (await Gap.get()).until > stage.clock.moment


async def test_a_cursor_that_is_ahead_of_the_server_that_answers_is_no_reason_to_start_anew(stage: Stage):
    eva, _ = await eva_and_pats_client(stage)
    await Mailbox.filter(id=eva.id).update(cursor=eva.cursor + 1000)
    await stage.sweep(eva)
    assert await Gap.all().count() == 0
    stage.wait_to_settle()
    await stage.sweep(eva)
    assert await Gap.all().count() == 1


async def test_a_storm_of_trash_costs_no_look_at_mail_that_we_never_knew(stage: Stage):
    """Scenario 117."""
    eva, client = await eva_and_pats_client(stage)
    old = [await stage.mail(eva, a_mail(subject=f"old {number}")) for number in range(5)]
    await Mailbox.filter(id=eva.id).update(cursor=await stage.head(eva))
    for gmail_id in old:
        await stage.sandbox.aio.labels(eva.address, gmail_id, add=("TRASH",), remove=("INBOX",))
    await stage.sweep(eva)
    assert await stage.looks(eva) == []
    await stage.sandbox.aio.labels(eva.address, old[0], remove=("TRASH",), add=("INBOX",))
    await stage.sweep(eva)
    assert await stage.looks(eva) == [old[0]]
    assert await stage.filed(client) == ["old 0"]


async def test_a_job_ends_when_its_time_is_up_though_news_keeps_coming(stage: Stage):
    eva, _ = await eva_and_pats_client(stage)
    turns = 0

    async def more_news() -> None:
        nonlocal turns
        turns += 1
        stage.wait(seconds=5)
        await stage.mail(eva, a_mail(sender="nobody@elsewhere.example"))
        await stage.tell(eva)
        stage.wire.after("/history", more_news)

    stage.wire.after("/history", more_news)
    await stage.mail(eva, a_mail(sender="nobody@elsewhere.example"))
    await stage.tell(eva)
    assert await sync(eva.id, Trigger("push", FRESH, "trace", time.time()), stage.tools) == "news"
    assert turns == stage.tools.limits.job_budget / timedelta(seconds=5)


async def test_a_job_that_dies_before_it_looked_swallows_no_push(stage: Stage):
    """Scenarios 111, 112. Neither the next one, nor the one that whoever holds the mailbox is still to look for."""
    eva, client = await eva_and_pats_client(stage)

    async def away() -> datetime:
        raise ConnectionRefusedError

    async def a_push_whose_job_dies() -> None:
        await stage.mail(eva, a_mail(subject="in between"))
        await stage.tell(eva)
        with pytest.raises(ConnectionRefusedError):
            await sync(eva.id, Trigger("push", FRESH, "trace", time.time()), replace(stage.tools, clock=away))
        assert await stage.tools.marks.tell("another", {eva.id: 1}) == [eva.id]

    stage.wire.after("/history", a_push_whose_job_dies)
    await stage.sweep(eva)
    assert await stage.filed(client) == ["in between"]


async def test_pushes_during_an_outage_neither_hammer_nor_lengthen_it(stage: Stage):
    """Scenario 14."""
    eva, client = await eva_and_pats_client(stage)
    await stage.sandbox.aio.fault("status", method="history.list", code=503, reason="backendError")
    for second in range(8):
        await stage.mail(eva, a_mail(subject=f"mail {second}"))
        await stage.push(eva)
        stage.wait(seconds=1)
    assert (await Mailbox.get(id=eva.id)).failures == 1
    assert await stage.listings(eva) == 2  # one run, which asks twice
    await stage.sandbox.aio.clear_faults()
    stage.wait(seconds=30)
    assert await stage.pending() == [eva.id]
    await stage.sweep(eva)
    assert len(await stage.filed(client)) == 8


async def test_however_long_google_fails_a_mailbox_is_looked_at_within_minutes_of_its_recovery(stage: Stage):
    eva, _ = await eva_and_pats_client(stage)
    await stage.sandbox.aio.fault("status", method="history.list", code=503, reason="backendError")
    await again_and_again(stage, eva, 9)
    await stage.sweep(eva)
    assert (await Mailbox.get(id=eva.id)).next_attempt_at == stage.clock.moment + timedelta(minutes=5)


async def test_a_google_that_does_not_answer_holds_a_job_no_longer_than_a_few_requests(stage: Stage):
    """Scenario 124."""
    eva, _ = await eva_and_pats_client(stage)
    for number in range(25):
        await stage.mail(eva, a_mail(subject=f"mail {number}"))
    await stage.sandbox.aio.fault("timeout", method="messages.get", s=30)
    hurried = replace(stage.tools, gmail=gmail_client.Gmail(stage.tools.gmail._session, stage.sandbox.url, timeout=0.05))
    await sync(eva.id, Trigger("push", FRESH, "trace", time.time() - 3600), hurried)
    assert len(await stage.looks(eva)) <= stage.tools.parallel
    assert await LedgerEntry.filter(tries=0).exclude(owed_at=None).count() == 25


async def test_what_a_run_hands_on_is_owed_again_only_if_its_successor_is_lost(stage: Stage):
    """Scenario 111."""
    eva, _ = await eva_and_pats_client(stage)
    for number in range(30):
        await stage.mail(eva, a_mail(subject=f"mail {number}"))

    async def slow() -> None:
        stage.wait(seconds=60)

    stage.wire.after("/messages/", slow)
    assert await sync(eva.id, Trigger("push", FRESH, "trace", time.time() - 3600), stage.tools) == "backlog"
    assert await stage.pending() == []
    stage.wait(minutes=2)
    assert await stage.pending() == [eva.id]


async def test_what_is_certain_from_one_copy_is_not_asked_about_from_another(stage: Stage):
    """Scenario 50."""
    eva, bob = await stage.mailbox(), await stage.mailbox("bob@sample.test")
    await a_client(stage.firm, "Certain not", "both@client.example")
    certain = await a_client(stage.firm, "Certain", "both@client.example", "only@client.example")
    copy = {"sender": "bob@sample.test", "to": "eva@sample.test, both@client.example", "Message_ID": "<one@sample.test>"}
    copy |= {"Date": "Mon, 23 Nov 2026 10:00:00 +0000"}
    await stage.mail(bob, a_mail(**copy, Bcc="only@client.example"), labels="SENT")
    await stage.mail(eva, a_mail(**copy))
    await stage.push(bob)
    await stage.push(eva)
    assert await Activity.all().values_list("client_id", "status") == [(certain.id, "filed")]
    assert await Review.all().count() == 0
