"""Whose mailbox is it?"""

import asyncio
from datetime import UTC, datetime

import pytest

from models import connections
from models.mailboxes import Mailbox
from tests.builders import a_firm, a_mailbox, a_user
from tests.webhook.hook import SAM, Hook, news
from tests.webhook.queue import jobs
from webhook import addresses
from webhook.addresses import Addresses


class Directory:
    """Who has which mailboxes, and who was asked for."""

    def __init__(self, **mailboxes: int) -> None:
        self.mailboxes, self.asked = mailboxes, list[str]()

    async def __call__(self, address: str) -> tuple[tuple[int, ...], bool]:
        self.asked.append(address)
        return ((self.mailboxes[address],), True) if address in self.mailboxes else ((), False)


@pytest.mark.parametrize(("connected", "pushed"), [
    ("Sam.Sample@Firm.Test", "sam.sample@firm.test"),
    ("sam.sample@firm.test", "SAM.SAMPLE@FIRM.TEST"),
    ("sam.sample@googlemail.com", "samsample@gmail.com"),
    ("samsample@gmail.com", "Sam.Sample@GoogleMail.com"),
    ("sam@bücher.test", "sam@XN--BCHER-KVA.test"),
])  # fmt: skip
async def test_an_address_finds_its_mailbox_however_it_is_written(hook: Hook, sam: Mailbox, connected: str, pushed: str) -> None:
    """Scenario 10."""
    mailbox = await a_mailbox(await a_user(await a_firm()), address=connected)
    answer = await hook.push(news(pushed))
    assert (answer.status, [job[0] for job in jobs()]) == (204, [mailbox.id])


async def test_nobodys_address_is_acknowledged_and_counted(hook: Hook, sam: Mailbox) -> None:
    """Scenario 11."""
    for address in ("nobody@sample.test", "s.am@sample.test", "no address", "\x00", "@", "a" * 5_000 + "@sample.test"):
        answer = await hook.push(news(address))
        assert (answer.status, answer.counted) == (204, {"nobody": 1})
    assert jobs() == []


@pytest.mark.parametrize("state", ["disconnected", "lapsed", "paused"])
async def test_a_watch_that_outlived_its_mailbox_is_acknowledged_and_seen_in_the_metrics(hook: Hook, sam: Mailbox, state: str) -> None:
    """Scenario 11."""
    await Mailbox.filter(id=sam.id).update(state=state)
    answer = await hook.push()
    assert (answer.status, answer.counted) == (204, {"not connected": 1})
    assert jobs() == []


async def test_a_mailbox_that_two_firms_connected_is_queued_for_both(hook: Hook, sam: Mailbox) -> None:
    """Scenario 17."""
    second = await a_mailbox(await a_user(await a_firm()), address=SAM.title(), sub=sam.google_sub)
    third = await a_mailbox(await a_user(await a_firm()), address=SAM, sub=sam.google_sub)
    await connections.lapse(third.id, third.epoch, "invalid_grant", datetime.now(UTC))
    answer = await hook.push()
    assert (answer.status, answer.counted, sorted(job[0] for job in jobs())) == (204, {"queued": 1}, [sam.id, second.id])


async def test_a_mailbox_connected_this_second_is_found_this_second(hook: Hook, sam: Mailbox) -> None:
    assert (await hook.push(news("new@sample.test"))).counted == {"nobody": 1}
    new = await a_mailbox(await a_user(await a_firm(), "new@sample.test"))
    assert (await hook.push(news("new@sample.test"))).counted == {"queued": 1}
    assert [job[0] for job in jobs()] == [new.id]


async def test_what_was_found_is_remembered_for_a_minute() -> None:
    now, directory = 1000.0, Directory(sam=7)
    remembered = Addresses(directory, lambda: now)
    for later in (0, 30, 29.9):
        now += later
        assert await remembered.find("sam") == ((7,), True)
    assert directory.asked == ["sam"]
    now, directory.mailboxes = now + 0.1, {"sam": 8}
    assert await remembered.find("sam") == ((8,), True)
    assert directory.asked == ["sam", "sam"]


async def test_who_was_not_found_is_asked_for_again() -> None:
    directory = Directory()
    remembered = Addresses(directory)
    assert await remembered.find("sam") == ((), False)
    directory.mailboxes = {"sam": 7}
    assert await remembered.find("sam") == ((7,), True)


async def test_the_longest_remembered_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "MOST_REMEMBERED", 2)
    directory = Directory(ann=1, ben=2, cid=3)
    remembered = Addresses(directory)
    for name in ("ann", "ben", "cid", "cid", "ben", "ann"):
        await remembered.find(name)
    assert directory.asked == ["ann", "ben", "cid", "ann"]


async def test_a_database_that_hangs_is_not_waited_for_and_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenario 12."""
    asked, answers = list[str](), asyncio.Event()

    async def hanging(address: str) -> tuple[tuple[int, ...], bool]:
        asked.append(address)
        await answers.wait()
        return (7,), True

    monkeypatch.setattr(addresses, "MOST_ASKING", 2)
    found = Addresses(hanging, patience=0.01)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await found.find("sam@sample.test")
    with pytest.raises(TimeoutError):
        await found.find("robin@sample.test")
    with pytest.raises(TimeoutError):
        await found.find("one-too-many@sample.test")
    assert asked == ["sam@sample.test", "robin@sample.test"]
    answers.set()
    await asyncio.sleep(0.01)
    assert await found.find("sam@sample.test") == ((7,), True)
