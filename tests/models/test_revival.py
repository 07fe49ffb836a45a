"""A lapse that was none: the mailbox goes on where it was."""

from datetime import datetime, timedelta

import pytest

from models import connections
from models.mailboxes import Mailbox
from models.notices import Notice
from models.revival import Lapsed, lapsed_since, revive
from tests.builders import a_firm, a_mailbox, a_user

HOUR = timedelta(hours=1)


@pytest.fixture
async def eva(now: datetime) -> Mailbox:
    return await a_mailbox(await a_user(await a_firm()), cursor=4711, at=now - HOUR)


async def lapsed(mailbox: Mailbox, at: datetime) -> int:
    """The epoch of the lapse."""
    assert await connections.lapse(mailbox.id, mailbox.epoch, "invalid_grant", at)
    return (await Mailbox.get(id=mailbox.id)).epoch


async def test_a_mailbox_whose_grant_still_works_goes_on_at_its_cursor_and_nobody_is_written_to(eva: Mailbox, now: datetime) -> None:
    """Scenario 90."""
    await Mailbox.filter(id=eva.id).update(watch_due_at=now + HOUR, failures=3, digested_at=now)
    epoch = await lapsed(eva, now - timedelta(minutes=5))
    assert await revive(eva.id, epoch, now)
    again = await Mailbox.get(id=eva.id)
    assert (again.state, again.epoch, int(again.cursor)) == ("connected", epoch + 1, 4711)
    assert (again.next_attempt_at, again.watch_due_at) == (now, None)
    assert (again.lapsed_at, again.lapse_reason, again.failures, again.digested_at) == (None, None, 0, None)
    assert (again.away_since, again.connected_at) == (now - timedelta(minutes=5), now)
    assert again.refresh_token == eva.refresh_token
    assert set(await Notice.all().values_list("kind", "dropped_because")) == {("lapse", "still alive"), ("reminder", "still alive")}


async def test_whoever_was_told_that_mail_stopped_is_told_that_it_came(eva: Mailbox, now: datetime) -> None:
    epoch = await lapsed(eva, now - HOUR)
    await Notice.filter(kind="lapse").update(sent_at=now - HOUR)
    assert await revive(eva.id, epoch, now)
    letter = await Notice.get(kind="caught_up")
    assert (letter.epoch, letter.since, letter.until, letter.sent_at) == (epoch + 1, now - HOUR, now, None)


@pytest.mark.parametrize("meanwhile", ["reconnected", "disconnected", "revived", "another lapse", "without a grant"])
async def test_who_acted_meanwhile_is_left_alone(eva: Mailbox, now: datetime, meanwhile: str) -> None:
    epoch = await lapsed(eva, now)
    match meanwhile:
        case "reconnected" | "another lapse":
            await Mailbox.filter(id=eva.id).update(epoch=epoch + 2, state="connected" if meanwhile == "reconnected" else "lapsed")
        case "disconnected":
            await connections.disconnect(eva.id, eva.firm_id, now)
        case "revived":
            assert await revive(eva.id, epoch, now)
        case _:
            await Mailbox.filter(id=eva.id).update(refresh_token=None)
    before = await Mailbox.get(id=eva.id).values()
    assert not await revive(eva.id, epoch, now + HOUR)
    assert await Mailbox.get(id=eva.id).values() == before


async def test_only_lapses_since_then_that_may_be_tried_are_listed_the_first_first(now: datetime) -> None:
    firm = await a_firm()
    early, old, late, bare = [await a_mailbox(await a_user(firm), at=now - 9 * HOUR) for _ in range(4)]
    epochs = {box.id: await lapsed(box, now - ago * HOUR) for box, ago in ((early, 2), (old, 3), (late, 1))}
    left, none = await a_user(await a_firm()), await a_user(await a_firm())
    for box in (await a_mailbox(left), await a_mailbox(none), bare):
        await lapsed(box, now)
    await Mailbox.filter(id=bare.id).update(refresh_token=None)
    await left.filter(id=left.id).update(active=False)
    await (await none.firm).filter(id=none.firm_id).update(provider="none")
    assert await lapsed_since(now - 2 * HOUR) == [Lapsed(early.id, epochs[early.id]), Lapsed(late.id, epochs[late.id])]
