"""A dead letter that the operator has tried again: as a message that had just come, with all its tries before it."""

from datetime import timedelta
from typing import Any

from models.dead_letters import dead_letters, discard, retry
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from tests.builders import a_client, a_mail
from tests.pipeline.stage import Stage

DAY = timedelta(days=1)


async def until_it_is_parked(stage: Stage, mailbox: Mailbox) -> int:
    """Sweeps a mailbox as often as something is owed there; how often that was."""
    looks = len(await stage.looks(mailbox))
    for _ in range(20):
        if await dead_letters():
            return len(await stage.looks(mailbox)) - looks
        due = (await Mailbox.get(id=mailbox.id)).next_attempt_at
        assert due is not None
        stage.clock.moment = max(due, stage.clock.moment)
        assert await stage.pending() == [mailbox.id]
        await stage.sweep(mailbox)
    raise AssertionError("it is never parked")


async def test_one_that_still_fails_is_parked_again_and_one_that_can_be_read_again_is_filed(stage: Stage) -> None:
    """Scenario 29."""
    client = await a_client(stage.firm, "", "pat@client.example")
    eva = await stage.mailbox()
    await stage.mail(eva, a_mail(subject="Whole"))
    broken = await stage.mail(eva, a_mail(subject="Broken"))
    await stage.sandbox.aio.fault("message_broken", id=broken)
    await stage.push(eva)
    await until_it_is_parked(stage, eva)
    (letter,) = await dead_letters()
    assert (letter.gmail_id, letter.mailbox_id, letter.firm_id, letter.tries) == (broken, eva.id, eva.firm_id, stage.tools.limits.tries)

    stage.clock.moment += DAY
    assert await retry([letter.id], stage.clock.moment) == [letter.id]
    tries = await until_it_is_parked(stage, eva)
    assert tries >= stage.tools.limits.tries
    assert [again.id for again in await dead_letters()] == [letter.id]
    assert await stage.filed(client) == ["Whole"]

    await stage.sandbox.aio.clear_faults()
    await retry([letter.id], stage.clock.moment)
    assert await stage.pending() == [eva.id]
    await stage.sweep(eva)
    assert await stage.filed(client) == ["Broken", "Whole"]
    assert await dead_letters() == []


async def test_one_that_kills_workers_is_read_again_only_because_a_person_asked_for_it(stage: Stage) -> None:
    """Scenario 32. Given up, it is never read again."""
    client = await a_client(stage.firm, "", "pat@client.example")
    eva = await stage.mailbox()
    sent = await stage.mail(eva, a_mail(subject="Feared"))
    entry: dict[str, Any] = {"found_by": "sweep", "found_at": stage.clock.moment, "seen_history_id": 0, "owed_at": stage.clock.moment}
    await LedgerEntry.create(mailbox=eva, gmail_id=sent, strikes=stage.tools.limits.strikes, **entry)
    await Mailbox.filter(id=eva.id).update(cursor=await stage.head(eva))
    await stage.sweep(eva)
    (letter,) = await dead_letters()
    assert (letter.reason, letter.strikes, await stage.looks(eva)) == ("kills workers", 3, [])

    await retry([letter.id], stage.clock.moment)
    await stage.sweep(eva)
    assert await stage.filed(client) == ["Feared"]

    await LedgerEntry.filter(id=letter.id).update(outcome="parked")
    await discard([letter.id], stage.clock.moment)
    looks = len(await stage.looks(eva))
    stage.clock.moment += DAY
    await stage.sweep(eva)
    assert len(await stage.looks(eva)) == looks
