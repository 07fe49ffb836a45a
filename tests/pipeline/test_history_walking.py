"""From Gmail's history to debts in the ledger, over the real HTTP of the simulated Google: nothing is skipped, and the cursor trails."""

import contextlib
import random
from datetime import timedelta

import pytest

from models.gaps import Gap
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from tests.builders import a_client, a_mail
from tests.pipeline.stage import Killed, Stage, killed

LONGEST_PAGE = 500


async def eva_and_client(stage: Stage):
    return await stage.mailbox(), await a_client(stage.firm, "", "pat@client.example")


async def cursor(mailbox: Mailbox) -> int:
    return int((await Mailbox.get(id=mailbox.id)).cursor)


async def old_mails(stage: Stage, mailbox: Mailbox) -> list[str]:
    """Fifty that concern nobody, and the cursor stands behind them."""
    old = [await stage.mail(mailbox, a_mail("stranger@elsewhere.example")) for _ in range(50)]
    await stage.sweep(mailbox)
    stage.wait_to_settle()
    await stage.sweep(mailbox)
    return old


async def a_page_of_stars(stage: Stage, mailbox: Mailbox, old: list[str]) -> None:
    """As many changes as fit a page of history, and they owe nothing: the old mails are starred, unstarred, and so on."""
    for turn in range(LONGEST_PAGE // len(old)):
        await stage.sandbox.aio.post("labels", mailbox=mailbox.address, ids=old, **{"remove" if turn % 2 else "add": ["STARRED"]})


async def test_news_that_comes_while_a_sync_runs_is_not_left_behind(stage):
    """Scenario 19. The second push finds the lease taken and leaves its mark: whoever holds the lease goes round again."""
    eva, client = await eva_and_client(stage)

    async def another_mail() -> None:
        await stage.mail(eva, a_mail(subject="While you were listing"))
        await stage.push(eva)
        assert not await stage.filed(client)

    await stage.mail(eva, a_mail(subject="First"))
    stage.wire.after("/history?", another_mail)
    await stage.push(eva)
    assert await stage.filed(client) == ["First", "While you were listing"]


@pytest.mark.parametrize("later", ["push", "sweep"])
async def test_a_pushed_id_never_becomes_the_cursor(stage, later):
    """Scenario 20. Gmail lists nothing up to the pushed id; the message is listed seconds later."""
    eva, client = await eva_and_client(stage)
    await stage.sandbox.aio.fault("history_late", s=5, count=1)
    told = await stage.arrives(eva, a_mail(subject="Late"))
    await stage.push(eva, told["historyId"])
    assert await stage.filed(client) == []
    assert await cursor(eva) < told["historyId"]
    await stage.time_passes(5)
    await (stage.push(eva, told["historyId"]) if later == "push" else stage.sweep(eva))
    assert await stage.filed(client) == ["Late"]


async def test_a_push_that_tells_of_more_than_gmails_head_is_looked_after_soon(stage):
    """Scenario 20. Gmail's own head lags behind what it pushed."""
    eva, client = await eva_and_client(stage)
    ahead = await stage.head(eva) + 50
    await stage.push(eva, ahead)
    assert await cursor(eva) < ahead
    await stage.mail(eva, a_mail(subject="Now it is there"))
    stage.wait(seconds=29)
    assert await stage.pending() == []
    stage.wait(seconds=1)
    assert await stage.pending() == [eva.id]
    await stage.sweep(eva)
    assert await stage.filed(client) == ["Now it is there"]


async def test_a_record_that_is_listed_late_below_the_head_is_found_by_the_owed_relisting(stage):
    """Scenario 113. The head is above the pushed id, the listing tells nothing of it, and no push will ever come again."""
    eva, client = await eva_and_client(stage)
    before = await stage.mail(eva, a_mail("stranger@elsewhere.example"))
    await stage.sandbox.aio.fault("history_late", s=5, count=1)
    late = (await stage.arrives(eva, a_mail(subject="Late")))["historyId"]
    await stage.sandbox.aio.labels(eva.address, before, add=("STARRED",))
    assert await stage.head(eva) > late

    await stage.push(eva, late)
    assert await stage.filed(client) == []
    assert await cursor(eva) < late
    await stage.time_passes(3)
    await stage.mail(eva, a_mail(subject="In between"))
    await stage.push(eva)
    assert await stage.filed(client) == ["In between"]
    assert await cursor(eva) < late

    assert await stage.pending() == []
    await stage.time_passes(117)  # two minutes after the first listing
    assert await stage.pending() == [eva.id]
    await stage.sweep(eva)
    assert await stage.filed(client) == ["In between", "Late"]


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_gmail_lists_late_by_less_than_two_minutes_is_found(stage, seed):
    """Scenario 113. Mails and pushes at random; afterwards only what the rows say is owed is done."""
    chance = random.Random(seed)
    eva, client = await eva_and_client(stage)
    sent = []
    for number in range(12):
        if chance.random() < 0.5:
            await stage.sandbox.aio.fault("history_late", s=chance.uniform(1, 110), count=1)
        sent.append(f"Mail {number}")
        told = await stage.arrives(eva, a_mail(subject=sent[-1]))
        if chance.random() < 0.7:
            await stage.push(eva, told["historyId"])
        await stage.time_passes(chance.uniform(0, 70))
    await stage.push(eva)
    for _ in range(3):
        await stage.time_passes(120)
        for _ in await stage.pending():
            await stage.sweep(eva)
    assert sorted(await stage.filed(client)) == sorted(sent)
    assert await cursor(eva) == await stage.head(eva)


async def test_a_page_that_owes_nothing_does_not_end_the_listing(stage):
    """Scenario 21."""
    eva, client = await eva_and_client(stage)
    await a_page_of_stars(stage, eva, await old_mails(stage, eva))
    await stage.mail(eva, a_mail(subject="On the second page"))
    pages = await stage.listings(eva)
    await stage.push(eva)
    assert await stage.filed(client) == ["On the second page"]
    assert await stage.listings(eva) == pages + 2


@pytest.mark.parametrize(("end", "after_page"), [("unavailable", 1), ("killed", 2), ("killed", 3)])
async def test_a_run_that_ends_between_two_pages_skips_nothing(stage, end, after_page):
    """Scenario 22. What the first page told is recorded; what lies behind it is not taken for read; the next run records nothing twice."""
    eva, client = await eva_and_client(stage)
    old = await old_mails(stage, eva)
    start = await Mailbox.get(id=eva.id)
    first = await stage.mail(eva, a_mail(subject="Page 1"))
    await a_page_of_stars(stage, eva, old)
    await stage.mail(eva, a_mail(subject="Page 2"))
    await a_page_of_stars(stage, eva, old)
    third = await stage.mail(eva, a_mail(subject="Page 3"))

    async def unavailable() -> None:
        await stage.sandbox.aio.fault("status", method="history.list", code=503)

    stage.wire.after("/history?", unavailable if end == "unavailable" else killed, nth=after_page)
    with pytest.raises(Killed) if end == "killed" else contextlib.nullcontext():
        await stage.push(eva)
    left = await Mailbox.get(id=eva.id)
    assert (left.cursor, left.head, left.last_checked_at) == (start.cursor, start.head, start.last_checked_at)
    # What a page told is filed even though the listing does not end; a killed worker leaves it owed.
    assert await stage.fate(eva, first) == (("filed", "client", False) if end == "unavailable" else (None, None, True))
    assert not await LedgerEntry.exists(mailbox=eva, gmail_id=third)
    recorded = await LedgerEntry.get(mailbox=eva, gmail_id=first)

    await stage.sandbox.aio.clear_faults()
    stage.wait(seconds=60)
    assert await stage.pending() == [eva.id]
    await stage.sweep(eva)
    assert await stage.filed(client) == ["Page 1", "Page 2", "Page 3"]
    assert (await LedgerEntry.get(mailbox=eva, gmail_id=first)).found_at == recorded.found_at
    assert (await stage.looks(eva)).count(first) == 1


async def test_one_page_that_fails_once_is_asked_for_again_at_once(stage):
    """Scenario 22. A listing of many pages would otherwise begin anew."""
    eva, client = await eva_and_client(stage)
    await a_page_of_stars(stage, eva, await old_mails(stage, eva))
    await stage.mail(eva, a_mail(subject="Page 2"))
    pages = await stage.listings(eva)
    await stage.sandbox.aio.fault("status", method="history.list", code=503, count=1)
    await stage.push(eva)
    assert await stage.filed(client) == ["Page 2"]
    assert await stage.listings(eva) == pages + 3


async def test_weeks_of_label_changes_move_the_cursor(stage):
    """Scenario 24."""
    eva, _ = await eva_and_client(stage)
    old = await stage.mail(eva, a_mail("stranger@elsewhere.example"))
    await stage.push(eva)
    for day in range(3):
        stage.wait(days=5)
        await stage.sandbox.aio.labels(eva.address, old, **{"remove" if day % 2 else "add": ("STARRED",)})
        before = await cursor(eva)
        await stage.sweep(eva)
        assert await cursor(eva) > before
    assert await LedgerEntry.filter(mailbox=eva).count() == 1


async def test_a_mailbox_whose_history_is_gone_starts_anew_and_does_not_ask_in_circles(stage):
    """Scenario 26. A gap says what is owed by date; new mail is filed meanwhile."""
    eva, client = await eva_and_client(stage)
    await stage.sandbox.aio.fault("history_expired", mailbox=eva.address)
    baseline = await stage.head(eva)
    await stage.push(eva, baseline + 1)
    assert await cursor(eva) == baseline
    gap = await Gap.get()
    assert (gap.reason, gap.since, gap.closed_at) == ("history expired", stage.clock.moment - timedelta(days=2), None)
    assert gap.until > stage.clock.moment
    await stage.mail(eva, a_mail(subject="New"))
    await stage.push(eva)
    assert await stage.filed(client) == ["New"]
    assert await Gap.all().count() == 1


async def test_archiving_and_starring_owe_no_look(stage):
    """Scenario 117."""
    eva, _ = await eva_and_client(stage)
    old = [await stage.mail(eva, a_mail("stranger@elsewhere.example")) for _ in range(20)]
    await stage.push(eva)
    looked = await stage.looks(eva)
    await stage.sandbox.aio.post("labels", mailbox=eva.address, ids=old, remove=["INBOX"])
    await stage.sandbox.aio.post("labels", mailbox=eva.address, ids=old, add=["Projects", "STARRED"])
    await stage.push(eva)
    assert await stage.looks(eva) == looked
    assert await LedgerEntry.filter(mailbox=eva).exclude(owed_at=None).count() == 0


async def test_a_message_added_and_deleted_in_one_listing_is_not_fetched(stage):
    """Scenario 36."""
    eva, client = await eva_and_client(stage)
    brief = await stage.mail(eva, a_mail(subject="Recalled"))
    await stage.sandbox.aio.delete(eva.address, brief)
    await stage.push(eva)
    assert await stage.looks(eva) == []
    assert await stage.filed(client) == []
    assert await stage.fate(eva, brief) == ("gone", "deleted", False)


async def test_a_message_in_several_records_is_fetched_once(stage):
    """Scenario 37."""
    eva, client = await eva_and_client(stage)
    sent = await stage.mail(eva, a_mail(subject="Restless"))
    for _ in range(3):
        await stage.sandbox.aio.labels(eva.address, sent, add=("TRASH",))
        await stage.sandbox.aio.labels(eva.address, sent, remove=("TRASH",))
    await stage.push(eva)
    assert (await stage.looks(eva), await stage.looks(eva, "full")) == ([sent], [sent])
    assert await stage.filed(client) == ["Restless"]


async def test_the_stub_in_the_history_is_not_what_a_message_is_judged_by(stage):
    """Scenario 38. A stub shows the labels of its own moment, or none at all."""
    eva, client = await eva_and_client(stage)
    rescued = await stage.mail(eva, a_mail(subject="Rescued"), labels="SPAM")
    await stage.sandbox.aio.labels(eva.address, rescued, add=("INBOX",), remove=("SPAM",))
    spam = [await stage.mail(eva, a_mail(subject="Spam"), labels="SPAM") for _ in range(20)]
    gmail = stage.tools.mailbox(await stage.held(eva))
    stubs = [change async for page in gmail.history(await cursor(eva)) for change in page.changes if change.kind == "added"]
    assert {frozenset(), frozenset({"SPAM"})} <= {stub.labels for stub in stubs}
    stage.wait(seconds=60)
    await stage.push(eva)
    assert await stage.filed(client) == ["Rescued"]
    assert [await stage.fate(eva, one) for one in spam] == [("skipped", "spam", False)] * len(spam)
