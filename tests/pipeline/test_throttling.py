"""Google throttles one mailbox: it is left alone for as long as Google says, others go on, and nothing that is told meanwhile is lost."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from tests.builders import a_client, a_mail
from tests.pipeline.stage import Stage

MINUTE = 60
THROTTLED: dict[str, tuple[dict[str, Any], float]] = {  # what Google answers, and for how many seconds it wants to be left alone
    "429, in a header": ({"code": 429, "reason": "rateLimitExceeded", "retry_after": MINUTE}, MINUTE),
    "403, in the sentence": ({"code": 403, "reason": "rateLimitExceeded", "retry_after": MINUTE}, MINUTE),
    "403 of the user, in the sentence": ({"code": 403, "reason": "userRateLimitExceeded", "retry_after": MINUTE}, MINUTE),
    "429, too many at once": ({"code": 429, "reason": "rateLimitExceeded", "message": "Too many concurrent requests for user"}, 5),
    "403, without a time": ({"code": 403, "reason": "userRateLimitExceeded"}, 30),
}


async def calls(stage: Stage, mailbox: Mailbox) -> int:
    """Of Gmail, for this mailbox."""
    told = (await stage.sandbox.aio.state(mailbox.address))["calls_by_mailbox"]
    return sum(told.get(mailbox.address, {}).values())


async def throttle(stage: Stage, mailbox: Mailbox, method: str, count: int = 1, **answer: Any) -> None:
    await stage.sandbox.aio.fault("status", mailbox=mailbox.address, method=method, count=count, **answer)


async def until_it_may_be_asked_again(stage: Stage, mailbox: Mailbox) -> timedelta:
    """How long that took, for us and for Google."""
    cool_down_until = (await Mailbox.get(id=mailbox.id)).cool_down_until
    assert cool_down_until is not None
    wait = cool_down_until - stage.clock.moment
    await stage.time_passes(wait.total_seconds())
    return wait


@pytest.mark.parametrize("method", ["history.list", "messages.get"])
@pytest.mark.parametrize("how", THROTTLED)
async def test_a_throttled_mailbox_waits_as_long_as_google_says_and_others_go_on(stage: Stage, how: str, method: str) -> None:
    """Scenario 103. A push in the meantime is kept: what it told of is filed by what the row owes, without another push."""
    client = await a_client(stage.firm, "", "pat@client.example")
    eva, bob = await stage.mailbox("eva@sample.test"), await stage.mailbox("bob@sample.test")
    answer, seconds = THROTTLED[how]
    await throttle(stage, eva, method, **answer)
    await stage.mail(eva, a_mail(subject="Eva's first"))
    await stage.mail(bob, a_mail(subject="Bob's first"))
    await asyncio.gather(stage.sweep(eva), stage.push(bob))
    asked = await calls(stage, eva)

    await stage.time_passes(seconds * 0.9)
    await stage.mail(eva, a_mail(subject="Eva's second"))
    await stage.mail(bob, a_mail(subject="Bob's second"))
    await asyncio.gather(stage.push(eva), stage.push(bob))
    await asyncio.gather(stage.sweep(eva), stage.push(eva))
    assert await stage.filed(client) == ["Bob's first", "Bob's second"]
    assert eva.id not in await stage.pending()
    assert await calls(stage, eva) == asked

    left = await until_it_may_be_asked_again(stage, eva)
    assert seconds * 0.99 <= left.total_seconds() + seconds * 0.9 <= seconds * 1.1 + 1.5
    assert eva.id in await stage.pending()
    await stage.sweep(eva)
    assert await stage.filed(client) == ["Bob's first", "Bob's second", "Eva's first", "Eva's second"]
    assert not await stage.tools.marks.told(eva.id)


async def test_who_is_throttled_for_hours_is_asked_nothing_for_hours(stage: Stage) -> None:
    """Scenario 103. However many sweeps and pushes come."""
    client = await a_client(stage.firm, "", "pat@client.example")
    eva = await stage.mailbox()
    await throttle(stage, eva, "messages.get", code=403, reason="rateLimitExceeded", retry_after=2 * 3600)
    await stage.mail(eva, a_mail(subject="First"))
    await stage.push(eva)
    asked = await calls(stage, eva)
    for number in range(11):
        await stage.time_passes(600)
        await stage.mail(eva, a_mail(subject=f"Mail {number:2}"))
        await stage.push(eva)
        assert await stage.pending() == []
        await stage.sweep(eva)
    assert await calls(stage, eva) == asked
    await until_it_may_be_asked_again(stage, eva)
    assert await stage.pending() == [eva.id]
    await stage.sweep(eva)
    assert len(await stage.filed(client)) == 12


async def test_what_was_read_before_the_throttling_is_filed_and_only_the_rest_is_asked_for_again(stage: Stage) -> None:
    """Scenarios 30, 103."""
    client = await a_client(stage.firm, "", "pat@client.example")
    eva = await stage.mailbox()
    sent = [await stage.mail(eva, a_mail(subject=f"Mail {number:2}")) for number in range(25)]

    async def enough() -> None:
        await stage.sandbox.aio.fault("status", method="messages.get", code=429, reason="rateLimitExceeded", retry_after=MINUTE)

    stage.wire.after("format=full", enough, nth=2)
    await stage.push(eva)
    filed = len(await stage.filed(client))
    assert 2 <= filed < len(sent)
    assert await LedgerEntry.exclude(owed_at=None).filter(tries=0).count() == len(sent) - filed
    await stage.sandbox.aio.clear_faults()
    await until_it_may_be_asked_again(stage, eva)
    await stage.sweep(eva)
    assert len(await stage.filed(client)) == len(sent)
    asked = (await stage.sandbox.aio.state(eva.address))["calls"]
    answered = [call["id"] for call in asked if call["method"] == "messages.get" and call["format"] == "full" and call["status"] == 200]
    assert sorted(answered) == sorted(sent)


async def test_a_message_that_is_throttled_again_and_again_stays_owed_until_it_is_read(stage: Stage) -> None:
    """Scenario 30. However often; it costs no try, the cursor does not wait for it, and newer mail is found."""
    client = await a_client(stage.firm, "", "pat@client.example")
    eva = await stage.mailbox()
    sent = await stage.mail(eva, a_mail(subject="Throttled"))
    for _ in range(stage.tools.limits.tries + 2):
        await throttle(stage, eva, "messages.get", code=429, reason="rateLimitExceeded", retry_after=MINUTE)
        await stage.push(eva)
        assert await stage.fate(eva, sent) == (None, "throttled", True)
        await until_it_may_be_asked_again(stage, eva)
        assert await stage.pending() == [eva.id]
    assert (await LedgerEntry.get(gmail_id=sent)).tries == 0
    assert (await Mailbox.get(id=eva.id)).cursor == await stage.head(eva)
    await stage.mail(eva, a_mail(subject="Newer"))
    await stage.sweep(eva)
    assert await stage.filed(client) == ["Newer", "Throttled"]
