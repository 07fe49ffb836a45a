"""A mailbox that was never synced, or whose cursor is none of Gmail's: it takes a baseline and starts there."""

from decimal import Decimal

import pytest

from models.gaps import Gap
from models.mailboxes import Mailbox
from tests.builders import a_client, a_mail
from tests.pipeline.stage import Stage


async def calls(stage: Stage, mailbox: Mailbox, method: str) -> int:
    told = (await stage.sandbox.aio.state(mailbox.address))["calls_by_mailbox"]
    return int(told.get(mailbox.address, {}).get(method, 0))


async def look(stage: Stage, mailbox: Mailbox, how: str) -> None:
    await (stage.push(mailbox) if how == "push" else stage.sweep(mailbox))


async def what_is_owed(stage: Stage) -> None:
    """For ten minutes only what the rows say."""
    for _ in range(10):
        stage.wait(minutes=1)
        for mailbox_id in await stage.pending():
            await stage.sweep(await Mailbox.get(id=mailbox_id))


@pytest.mark.parametrize("answer", ["404", "400"])
@pytest.mark.parametrize("how", ["push", "sweep"])
async def test_a_cursor_of_zero_becomes_a_baseline_and_what_comes_then_is_filed(stage: Stage, how: str, answer: str) -> None:
    """Scenario 26. Whether Gmail calls it unknown or invalid; it is not asked about it in circles."""
    client, eva = await a_client(stage.firm, "", "pat@client.example"), await stage.mailbox()
    await Mailbox.filter(id=eva.id).update(cursor=Decimal(0), head=None, head_at=None)
    if answer == "400":
        await stage.sandbox.aio.fault(
            "status", method="history.list", code=400, reason="invalidArgument", message="Invalid startHistoryId: 0"
        )
        stage.wire.after("/profile", stage.sandbox.aio.clear_faults)  # from the baseline on it is a history id of Gmail's
    baseline = await stage.head(eva)
    await look(stage, eva, how)
    await what_is_owed(stage)
    started = await Mailbox.get(id=eva.id)
    assert (int(started.cursor), started.failures, started.state) == (baseline, 0, "connected")
    assert (await calls(stage, eva, "getProfile"), await Gap.all().count()) == (1, 1)
    assert await calls(stage, eva, "history.list") <= 8

    await stage.mail(eva, a_mail(subject="After the baseline"))
    await look(stage, eva, how)
    assert await stage.filed(client) == ["After the baseline"]
    assert await calls(stage, eva, "getProfile") == 1


@pytest.mark.parametrize("how", ["push", "sweep"])
async def test_a_mailbox_whose_first_listing_is_refused_files_what_comes_after_its_baseline(stage: Stage, how: str) -> None:
    """Scenario 26. Its history is gone before it was ever asked for, and goes once more: each time one baseline, and no crash."""
    client, eva = await a_client(stage.firm, "", "pat@client.example"), await stage.mailbox()
    assert (await Mailbox.get(id=eva.id)).last_checked_at is None
    for number in range(2):
        await stage.sandbox.aio.fault("history_expired", mailbox=eva.address)
        await stage.mail(eva, a_mail("stranger@elsewhere.example"))
        await look(stage, eva, how)
        assert (await Mailbox.get(id=eva.id)).cursor == await stage.head(eva)
        await stage.mail(eva, a_mail(subject=f"Mail {number}"))
        await look(stage, eva, how)
        assert len(await stage.filed(client)) == number + 1
        stage.wait_to_settle()
    assert (await calls(stage, eva, "getProfile"), (await Mailbox.get(id=eva.id)).failures) == (2, 0)
