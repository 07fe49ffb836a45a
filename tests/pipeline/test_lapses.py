"""When a connection lapses, and when it does not: by what Google's token endpoint says, through the whole recipe."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models import outbox
from models.mailboxes import Mailbox
from models.notices import Notice
from tests.builders import a_client, a_mail, a_user
from tests.pipeline.stage import Stage

DEAD = [
    ("invalid_grant", "invalid_grant"),
    ("invalid_rapt", "invalid_rapt"),
    ("rapt_required", "invalid_rapt"),
    ("admin_policy_enforced", "admin_policy"),
]
PASSING: list[tuple[str, dict[str, Any]]] = [
    ("refresh_fails", {"error": "server_error"}),
    ("refresh_fails", {"error": "temporarily_unavailable"}),
    ("refresh_fails", {"error": "rate_limited", "code": 429}),
    ("refresh_fails", {"error": "something_new"}),
    ("status", {"method": "token", "code": 500}),
    ("status", {"method": "token", "code": 502, "html": True}),
    ("status", {"method": "token", "code": 503, "html": True}),
    ("status", {"method": "token", "code": 200, "html": True}),
]


async def needs_a_token(stage: Stage, address: str = "eva@sample.test", user: Any = None) -> Mailbox:
    """A mailbox whose access token is over: the next run asks Google for another."""
    mailbox = await stage.mailbox(address, user=user)
    await Mailbox.filter(id=mailbox.id).update(access_expires_at=datetime.now(UTC) - timedelta(hours=1))
    return mailbox


async def tokens_asked(stage: Stage, mailbox: Mailbox) -> int:
    calls = (await stage.sandbox.aio.state(mailbox.address))["calls"]
    return sum(call["method"] == "token" and call.get("grant_type") == "refresh_token" for call in calls)


async def owed(mailbox: Mailbox) -> list[tuple[str, int]]:
    return [(notice.kind, notice.day) for notice in await Notice.filter(mailbox_id=mailbox.id).order_by("due_at")]


@pytest.mark.parametrize(("said", "reason"), DEAD)
async def test_a_clear_word_of_googles_lapses_the_mailbox_once_and_owes_its_letters(stage: Stage, said: str, reason: str) -> None:
    """Scenarios 87, 88. Nothing more is asked of Google; the person's other mailbox goes on."""
    eva = await needs_a_token(stage)
    user = await eva.user
    other = await stage.mailbox("accounts@sample.test", user=user)
    await stage.sandbox.aio.fault("refresh_fails", mailbox=eva.address, error=said, count=100)
    await stage.mail(eva, a_mail())
    await stage.push(eva)
    row = await Mailbox.get(id=eva.id)
    assert (row.state, row.lapse_reason, row.lapsed_at) == ("lapsed", reason, stage.clock.moment)
    assert await owed(eva) == [("lapse", 0), ("reminder", 3), ("reminder", 7), ("reminder", 14)]
    asked = await tokens_asked(stage, eva)
    for _ in range(3):
        stage.wait(minutes=10)
        await stage.push(eva)
        await stage.sweep(eva)
    assert await tokens_asked(stage, eva) == asked
    assert len(await owed(eva)) == 4
    client = await a_client(stage.firm, "", "pat@client.example")
    await stage.mail(other, a_mail(to=other.address, subject="Other"))
    await stage.push(other)
    assert await stage.filed(client) == ["Other"]


@pytest.mark.parametrize(("kind", "fault"), PASSING)
async def test_trouble_of_the_token_endpoint_is_no_lapse_and_no_letter(stage: Stage, kind: str, fault: dict[str, Any]) -> None:
    """Scenario 89. Whatever Google does not call dead is asked again, and nothing is missing then."""
    client = await a_client(stage.firm, "", "pat@client.example")
    eva = await needs_a_token(stage)
    await stage.sandbox.aio.fault(kind, count=100, **fault)
    await stage.mail(eva, a_mail(subject="Meanwhile"))
    await stage.push(eva)
    await stage.sweep(eva)
    row = await Mailbox.get(id=eva.id)
    assert (row.state, row.lapsed_at, row.epoch) == ("connected", None, eva.epoch)
    assert row.failures > 0
    assert await Notice.all().count() == 0
    await stage.sandbox.aio.clear_faults()
    stage.wait(minutes=10)
    await stage.sweep(eva)
    assert await stage.filed(client) == ["Meanwhile"]


@pytest.mark.parametrize("said", ["invalid_client", "deleted_client", "unauthorized_client"])
async def test_a_fault_of_our_own_client_writes_to_nobody_and_holds_what_is_owed(stage: Stage, said: str) -> None:
    """Scenario 90. The letter of somebody whose access really ended waits, too, until Google takes our client again."""
    gone = await needs_a_token(stage, "gone@sample.test")
    await stage.sandbox.aio.fault("refresh_fails", mailbox=gone.address, error="invalid_grant", count=100)
    await stage.sweep(gone)
    many = [await needs_a_token(stage, f"eva{number}@sample.test") for number in range(3)]
    await stage.sandbox.aio.fault("refresh_fails", error=said, count=100)
    for mailbox in many:
        await stage.sweep(mailbox)
    assert {(row.state, row.lapsed_at) for row in await Mailbox.exclude(id=gone.id)} == {("connected", None)}
    stage.wait(minutes=5)
    assert await outbox.claim_letter(stage.clock.moment) is None
    state = await outbox.state_of(stage.clock.moment)
    assert (state.due, state.held, state.held_at) == (1, 1, None)
    stage.wait(minutes=15)
    letter = await outbox.claim_letter(stage.clock.moment)
    assert letter is not None
    assert letter.address == gone.address


async def test_a_job_that_fails_after_the_person_is_back_changes_nothing(stage: Stage) -> None:
    """Scenarios 92, 120. Google refused the old refresh token while its owner was giving a new one."""
    client = await a_client(stage.firm, "", "pat@client.example")
    eva = await needs_a_token(stage)
    await stage.sandbox.aio.revoke(eva.address)

    async def comes_back() -> None:
        await stage.mailbox(eva.address)

    stage.wire.after("/history?", comes_back)
    await Mailbox.filter(id=eva.id).update(access_expires_at=datetime.now(UTC) + timedelta(hours=1))  # 401 mid-run, then the refresh
    await stage.mail(eva, a_mail(subject="Meanwhile"))
    await stage.push(eva)
    back = await Mailbox.get(id=eva.id)
    assert (back.state, back.lapsed_at, back.epoch) == ("connected", None, eva.epoch + 1)
    assert await Notice.all().count() == 0
    await stage.sweep(eva)
    assert await stage.filed(client) == ["Meanwhile"]


async def test_a_suspended_accounts_admins_are_told(stage: Stage) -> None:
    """Scenario 99. Google says so with a 401 that names the account's state, a fresh token notwithstanding."""
    admin = await a_user(stage.firm, "ada@sample.test", role="admin")
    eva = await stage.mailbox()
    await stage.sandbox.aio.fault("status", method="history.list", code=401, reason="ACCOUNT_STATE_INVALID", count=10)
    await stage.sweep(eva)
    row = await Mailbox.get(id=eva.id)
    assert (row.state, row.lapse_reason) == ("lapsed", "account_disabled")
    assert await Notice.filter(kind="account", user=admin).count() == 1
