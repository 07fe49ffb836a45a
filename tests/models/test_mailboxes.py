"""The lease and the epoch: what makes a mailbox ours, and when it ceases to be."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from models import connections, leases
from models.connections import Connect
from models.gaps import MARGIN, OVERLAP, Gap
from models.leases import Held, LeaseLost, NotTaken
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from models.parting import claim_partings, parted, to_part
from models.tokens import MailboxTokens, Tokens
from tests.builders import VAULT, a_firm, a_mailbox, a_user, held

LEASE = timedelta(seconds=20)
SETTLE = timedelta(minutes=2)


@pytest.fixture
async def mailbox(now: datetime) -> Mailbox:
    return await a_mailbox(await a_user(await a_firm()), at=now)


async def again(
    mailbox: Mailbox, now: datetime, *, sub: str = "", history_id: int = 9000, firm_id: int = 0, in_between: bool = True
) -> Mailbox:
    """The person consents once more."""
    tokens = VAULT.seal("refresh 2"), VAULT.seal("access 2"), datetime.now(UTC) + timedelta(hours=1)
    account = firm_id or mailbox.firm_id, mailbox.user_id, sub or mailbox.google_sub, mailbox.address
    return await Mailbox.get(id=await connections.connect(Connect(*account, *tokens, history_id, now, in_between), now))


async def row(mailbox: Mailbox) -> Mailbox:
    return await Mailbox.get(id=mailbox.id)


# the lease


async def test_of_many_workers_at_once_one_takes_a_mailbox(mailbox, now):
    """Scenarios 81, 112."""
    taken = await asyncio.gather(*(leases.take(mailbox.id, f"worker {number}", LEASE, now) for number in range(10)))
    assert sum(isinstance(each, Held) for each in taken) == 1
    assert [each for each in taken if not isinstance(each, Held)] == [NotTaken("held")] * 9


async def test_a_lease_that_is_over_can_be_taken(mailbox, now):
    """Scenario 33."""
    await held(mailbox, now)
    assert await leases.take(mailbox.id, "another", LEASE, now + LEASE - timedelta(seconds=1)) == NotTaken("held")
    assert isinstance(await leases.take(mailbox.id, "another", LEASE, now + LEASE), Held)


async def test_a_worker_that_was_thought_dead_cannot_release_its_successors_lease(mailbox, now):
    """Scenario 112."""
    zombie = await held(mailbox, now)
    await held(mailbox, now + LEASE, "successor")
    await leases.release(zombie, SETTLE, again_at=now)
    assert ((await row(mailbox)).lease_owner, (await row(mailbox)).next_attempt_at) == ("successor", now)


async def test_a_write_renews_the_lease_and_never_shortens_it(mailbox, now):
    """Scenario 86. A clock that jumped back takes nothing away."""
    run = await held(mailbox, now)
    for moment in (now + timedelta(seconds=10), now - timedelta(hours=1)):
        await leases.renew(run, moment)
        assert (await row(mailbox)).lease_until == now + timedelta(seconds=30)


async def test_a_write_under_a_lost_lease_leaves_nothing(mailbox, now):
    """Scenario 33."""
    zombie = await held(mailbox, now)
    await held(mailbox, now + LEASE, "successor")

    async def work(connection):
        raise AssertionError("must not be reached")

    with pytest.raises(LeaseLost):
        await leases.writing(zombie, now + LEASE, work)


async def test_why_a_mailbox_was_not_taken_is_said(mailbox, now):
    """Scenario 11."""
    assert await leases.take(mailbox.id + 1, "me", LEASE, now) == NotTaken("unknown")
    await leases.release(await held(mailbox, now), SETTLE, again_at=now, cool_down_until=now + timedelta(minutes=1))
    assert await leases.take(mailbox.id, "me", LEASE, now) == NotTaken("cooling")
    assert isinstance(await leases.take(mailbox.id, "me", LEASE, now + timedelta(minutes=1)), Held)
    await connections.disconnect(mailbox.id, mailbox.firm_id, now)
    assert await leases.take(mailbox.id, "me", LEASE, now) == NotTaken("not connected")


async def test_a_release_notes_what_is_owed_first(mailbox, now):
    """Scenario 111. The next look at a message, the cursor's candidate, or what the run asks for: whichever comes first."""
    second, minute = timedelta(seconds=1), timedelta(minutes=1)

    async def owed_at(again_at: datetime | None = None, *, failed: bool = False) -> datetime | None:
        await leases.release(await held(mailbox, now), SETTLE, again_at=again_at, failed=failed)
        return (await row(mailbox)).next_attempt_at

    assert await owed_at() is None
    await Mailbox.filter(id=mailbox.id).update(head=2000, head_at=now)
    assert await owed_at() == now + SETTLE
    entry = await LedgerEntry.create(
        mailbox=mailbox, gmail_id="m", found_by="push", found_at=now, owed_at=now, seen_history_id=1, next_attempt_at=now + minute
    )
    assert await owed_at() == now + minute
    assert await owed_at(now + second) == now + second
    await LedgerEntry.filter(id=entry.id).update(owed_at=None)
    assert await owed_at() == now + SETTLE
    assert await owed_at(now + timedelta(hours=1), failed=True) == now + timedelta(hours=1)


# the connection


async def test_a_lapsed_mailbox_comes_back_to_its_cursor(mailbox, now):
    """Scenario 92. Nothing in between is missed."""
    assert await connections.lapse(mailbox.id, mailbox.epoch, "invalid_grant", now)
    lapsed = await row(mailbox)
    assert [lapsed.state, lapsed.lapse_reason, lapsed.access_token] == ["lapsed", "invalid_grant", None]
    back = await again(mailbox, now)
    assert (back.id, back.state, back.cursor, back.history_at) == (mailbox.id, "connected", mailbox.cursor, mailbox.history_at)
    assert (back.lapsed_at, back.lapse_reason, back.epoch) == (None, None, mailbox.epoch + 2)


async def test_a_disconnected_mailbox_is_parted_from_then_its_tokens_are_erased(mailbox, now):
    """Scenario 100. Its jobs do nothing from the click on; what Google is owed is a row."""
    assert await connections.disconnect(mailbox.id, mailbox.firm_id, now)
    off = await row(mailbox)
    assert (off.state, off.epoch, off.stopped_at, off.parting_at) == ("disconnected", mailbox.epoch + 1, now, now)
    assert await claim_partings(timedelta(minutes=1), 10, now) == [mailbox.id]
    assert await claim_partings(timedelta(minutes=1), 10, now) == []
    parting = await to_part(mailbox.id, now)
    assert parting is not None
    assert (parting.for_good, parting.grant_is_shared, parting.watch_is_shared, parting.on_the_way) == (True, False, False, False)
    assert await parted(parting)
    off = await row(mailbox)
    assert [off.refresh_token, off.access_token, off.access_expires_at, off.parting_at] == [None] * 4
    assert await to_part(mailbox.id, now) is None


async def test_a_disconnected_mailbox_comes_back_with_a_fresh_baseline_and_a_gap(mailbox, now):
    """Scenario 100. The gap begins where the mailbox was known, and the mail of before stays wanted."""
    await Mailbox.filter(id=mailbox.id).update(head=1500, head_at=now)
    await connections.disconnect(mailbox.id, mailbox.firm_id, now)
    later = now + timedelta(days=9)
    back = await again(mailbox, later)
    assert (back.id, int(back.cursor), back.head, back.head_at, back.started_at) == (mailbox.id, 9000, None, None, mailbox.started_at)
    assert (back.away_since, back.stopped_at, back.parting_at, back.recover_at) == (now, None, None, later)
    (gap,) = await Gap.filter(mailbox_id=mailbox.id)
    assert (gap.since, gap.until, gap.reason) == (mailbox.history_at - OVERLAP, later + MARGIN, "disconnected")


async def test_who_does_not_want_the_mail_in_between_is_owed_that_of_before_all_the_same(mailbox, now):
    """Scenario 100. What was owed when it stopped was not asked about."""
    await Gap.create(mailbox_id=mailbox.id, since=now - OVERLAP, until=now, reason="history expired", opened_at=now)
    await connections.disconnect(mailbox.id, mailbox.firm_id, now)
    later = now + timedelta(days=1)
    back = await again(mailbox, later, in_between=False)
    assert (int(back.cursor), back.started_at, back.away_since) == (9000, mailbox.started_at, None)
    assert (back.unwanted_from, back.unwanted_until) == (now, later)
    gaps = await Gap.filter(mailbox_id=mailbox.id, closed_at=None).order_by("id")
    assert [(gap.since, gap.until) for gap in gaps] == [(now - OVERLAP, now), (mailbox.history_at - OVERLAP, now + MARGIN)]


async def test_another_google_account_and_another_firm_are_rows_of_their_own(mailbox, now):
    """Scenarios 17, 94, 125. An old cursor is never used for another account."""
    other_firm = await again(mailbox, now, firm_id=(await a_firm()).id)
    assert (await row(mailbox)).state == "connected"
    other_account = await again(mailbox, now, sub="another")
    assert len({mailbox.id, other_account.id, other_firm.id}) == 3
    assert (int(other_account.cursor), int(other_firm.cursor)) == (9000, 9000)
    # The address is the other account's now: what had it before is over, and nobody is written to about it.
    before = await row(mailbox)
    assert (before.state, before.cursor, before.parting_at) == ("disconnected", mailbox.cursor, now)


async def test_only_the_connection_that_failed_lapses(mailbox, now):
    """Scenarios 92, 120."""
    back = await again(mailbox, now)
    assert not await connections.lapse(mailbox.id, mailbox.epoch, "invalid_grant", now)
    assert (await row(mailbox)).state == "connected"
    assert await connections.lapse(mailbox.id, back.epoch, "invalid_grant", now)
    assert not await connections.lapse(mailbox.id, back.epoch, "invalid_grant", now)  # once


@pytest.mark.parametrize("change", ["connect", "disconnect", "lapse"])
async def test_whatever_ends_a_connection_ends_its_lease(mailbox, now, change):
    """Scenarios 92, 100, 120."""
    run = await held(mailbox, now)
    match change:
        case "connect":
            await again(mailbox, now)
        case "disconnect":
            await connections.disconnect(mailbox.id, mailbox.firm_id, now)
        case "lapse":
            await connections.lapse(mailbox.id, mailbox.epoch, "invalid_grant", now)
    with pytest.raises(LeaseLost):
        await leases.renew(run, now)
    before = await row(mailbox)
    await leases.release(run, SETTLE, again_at=now, failed=True)
    after = await row(mailbox)
    assert (after.next_attempt_at, after.failures, after.lease_owner) == (before.next_attempt_at, 0, None)


async def test_tokens_belong_to_one_connection(mailbox, now):
    """Scenario 92."""
    old = MailboxTokens(mailbox.id, mailbox.epoch, VAULT)
    assert (await old.load()).refresh_token == "refresh"
    await old.save_access("fresh", now)
    assert await old.load() == Tokens("refresh", "fresh", now)
    back = await again(mailbox, now)
    with pytest.raises(LeaseLost):
        await old.load()
    with pytest.raises(LeaseLost):
        await old.save_access("stale", now)
    assert (await MailboxTokens(mailbox.id, back.epoch, VAULT).load()).access_token == "access 2"
    assert "refresh" not in str((await row(mailbox)).refresh_token)  # sealed


async def test_a_push_finds_the_connected_mailboxes_of_its_address_in_every_firm(mailbox, now):
    """Scenarios 10, 11, 17."""
    other = await again(mailbox, now, firm_id=(await a_firm()).id)
    upper = mailbox.address.upper()
    assert await Mailbox.connected_ids(upper) == (tuple(sorted((mailbox.id, other.id))), True)
    await connections.disconnect(other.id, other.firm_id, now)
    assert await Mailbox.connected_ids(upper) == ((mailbox.id,), True)
    assert await Mailbox.connected_ids("nobody@sample.test") == ((), False)
    assert await Mailbox.connected_ids("nonsense") == ((), False)
