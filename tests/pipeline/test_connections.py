"""Connecting, disconnecting and coming back, with a real consent at the simulated Google: who may, what Google is told, what is fetched."""

import asyncio
from datetime import timedelta

import pytest

from gmail.errors import TryAgain
from gmail.oauth import Grant
from models import connections as lifecycle
from models.attempts import OAuthAttempt, Wish
from models.firms import Firm, User
from models.gaps import Gap
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from models.parting import claim_partings, end_kept_grants
from models.people import AllowedAddress
from models.turns import Busy, Turn, turn_of
from pipeline.connection import Connections, NoRefreshToken, WrongAccount
from pipeline.recover import recover
from reconcile.audit import audit
from tests.builders import a_client, a_firm, a_mail, a_user
from tests.pipeline.stage import Stage

EVA, OTHER, SHARED = "eva@sample.test", "other@sample.test", "accounts@sample.test"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def eva(stage: Stage) -> User:
    return await a_user(stage.firm, EVA)


async def granted(stage: Stage, address: str, *, refresh: bool = True, verified: bool = True) -> Grant:
    """What the person's consent is worth."""
    account = await stage.sandbox.aio.account(address)
    refresh_token, access_token = await stage.consent(address)
    expires_at = stage.clock.moment + HOUR
    return Grant(refresh_token if refresh else None, access_token, expires_at, frozenset(), account["sub"], address, verified)


async def connected(stage: Stage, user: User, address: str = "", wish: Wish | None = None) -> Mailbox:
    grant = await granted(stage, address or user.email)
    return await Mailbox.get(id=await Connections.of(stage.tools).complete(user, grant, wish))


async def calls(stage: Stage, address: str, method: str) -> list[int]:
    """The statuses that Google answered with."""
    told = (await stage.sandbox.aio.state(address))["calls"]
    return [call["status"] for call in told if call["method"] == method]


async def works(stage: Stage, mailbox: Mailbox) -> bool:
    """Whether the grant still opens the mailbox."""
    row = await Mailbox.get(id=mailbox.id)
    try:
        await stage.tools.connection(row.id, row.epoch).profile()
    except TryAgain:
        return False
    return True


async def on_the_way(stage: Stage, user: User) -> str:
    """They clicked Connect Google, and are not back yet."""
    return await OAuthAttempt.begin(
        "browser", user.id, Wish(), code_verifier="sealed", nonce="n", valid_for=timedelta(minutes=15), now=stage.clock.moment
    )


async def recovered(stage: Stage, mailbox: Mailbox) -> None:
    """Everything that a gap owes, however long that takes."""
    for _ in range(50):
        await recover(mailbox.id, "trace", stage.tools)
        if not await Gap.filter(mailbox_id=mailbox.id, closed_at=None).exists():
            return
        stage.wait(minutes=1)
    raise AssertionError("the gap never closes")


# who may connect what


async def test_only_ones_own_account_or_an_allowed_one_is_connected(stage: Stage, eva: User) -> None:
    """Scenario 94."""
    with pytest.raises(WrongAccount) as wrong:
        await connected(stage, eva, OTHER)
    assert (wrong.value.address, wrong.value.meant) == (OTHER, EVA)
    with pytest.raises(WrongAccount):  # wished for, but nobody allowed it
        await connected(stage, eva, SHARED, Wish(SHARED))
    assert await Mailbox.all().count() == 0
    await AllowedAddress.create(firm=stage.firm, user=eva, address=SHARED, address_key=SHARED)
    shared = await connected(stage, eva, SHARED, Wish(SHARED))
    own = await connected(stage, eva)
    assert [(m.address, m.user_id, m.state) for m in (own, shared)] == [(EVA, eva.id, "connected"), (SHARED, eva.id, "connected")]
    with pytest.raises(WrongAccount) as wrong:  # the shared one was meant, another was chosen
        await connected(stage, eva, EVA, Wish(SHARED))
    assert (wrong.value.address, wrong.value.meant) == (EVA, SHARED)


async def test_an_address_that_google_does_not_vouch_for_is_not_connected(stage: Stage, eva: User) -> None:
    """Scenario 94."""
    with pytest.raises(WrongAccount):
        await Connections.of(stage.tools).complete(eva, await granted(stage, EVA, verified=False))


async def test_a_grant_that_is_not_taken_is_given_back_unless_a_mailbox_lives_by_it(stage: Stage, eva: User) -> None:
    """Scenarios 94, 101."""
    with pytest.raises(WrongAccount):
        await connected(stage, eva, OTHER)
    assert await calls(stage, OTHER, "revoke") == [200]
    colleague = await connected(stage, await a_user(stage.firm, OTHER))
    with pytest.raises(WrongAccount):
        await connected(stage, eva, OTHER)
    assert await calls(stage, OTHER, "revoke") == [200]
    assert await works(stage, colleague)


async def test_without_a_new_refresh_token_the_old_one_is_kept_while_it_works(stage: Stage, eva: User) -> None:
    """Scenario 95."""
    with pytest.raises(NoRefreshToken):
        await Connections.of(stage.tools).complete(eva, await granted(stage, EVA, refresh=False))
    before = await connected(stage, eva)
    kept = stage.tools.vault.open(str(before.refresh_token))
    grant = await granted(stage, EVA, refresh=False)
    after = await Mailbox.get(id=await Connections.of(stage.tools).complete(eva, grant))
    assert (after.id, after.epoch) == (before.id, before.epoch + 1)
    assert stage.tools.vault.open(str(after.refresh_token)) == kept
    await stage.sandbox.aio.revoke(EVA)
    with pytest.raises(NoRefreshToken):
        await Connections.of(stage.tools).complete(eva, await granted(stage, EVA, refresh=False))


async def test_an_account_renamed_at_google_stays_the_same_mailbox(stage: Stage, eva: User) -> None:
    """Scenario 96. Its pushes come under the new address, late ones under the old."""
    before = await connected(stage, eva)
    await stage.sandbox.aio.rename(EVA, "eva.new@sample.test")
    await stage.time_passes(60)
    await stage.sweep(before)
    await audit(before.id, "trace", stage.tools)
    renamed = await Mailbox.get(id=before.id)
    assert (renamed.address, renamed.former_key, renamed.epoch) == ("eva.new@sample.test", EVA, before.epoch)
    for address in (EVA, "eva.new@sample.test"):
        assert await Mailbox.connected_ids(address) == ((before.id,), True)
    refresh, access = await stage.consent("eva.new@sample.test")
    grant = Grant(refresh, access, stage.clock.moment + HOUR, frozenset(), before.google_sub, "eva.new@sample.test", True)
    assert await Connections.of(stage.tools).complete(eva, grant) == before.id


async def test_the_same_address_with_another_google_account_is_another_mailbox(stage: Stage, eva: User) -> None:
    """Scenario 125. The old one's cursor is not used; it is over, and nobody is written to about it."""
    before = await connected(stage, eva)
    await stage.sandbox.aio.remove(EVA)
    after = await connected(stage, eva)
    assert after.google_sub != before.google_sub
    old = await Mailbox.get(id=before.id)
    assert (after.id != before.id, old.state, old.cursor) == (True, "disconnected", before.cursor)
    assert await Mailbox.connected_ids(EVA) == ((after.id,), True)


async def test_whoever_left_the_firm_while_they_were_at_google_is_not_connected(stage: Stage, eva: User) -> None:
    """Scenario 99. And the grant is given back."""
    grant = await granted(stage, EVA)
    await User.filter(id=eva.id).update(active=False)
    with pytest.raises(lifecycle.NobodyThere):
        await Connections.of(stage.tools).complete(eva, grant)
    assert await Mailbox.all().count() == 0
    assert await calls(stage, EVA, "revoke") == [200]


# disconnecting


async def test_google_is_told_in_the_right_order_and_the_tokens_are_erased(stage: Stage, eva: User) -> None:
    """Scenario 100. The watch is stopped while the token lives, then the grant is revoked."""
    mailbox = await connected(stage, eva)
    await Connections.of(stage.tools).disconnect(mailbox)
    told = [call["method"] for call in (await stage.sandbox.aio.state(EVA))["calls"]]
    assert told[-2:] == ["stop", "revoke"]
    off = await Mailbox.get(id=mailbox.id)
    assert [off.state, off.refresh_token, off.access_token, off.parting_at] == ["disconnected", None, None, None]


async def test_an_access_token_that_is_over_is_refreshed_to_stop_the_watch(stage: Stage, eva: User) -> None:
    """Scenario 100."""
    mailbox = await connected(stage, eva)
    await Mailbox.filter(id=mailbox.id).update(access_expires_at=stage.clock.moment - DAY)
    await Connections.of(stage.tools).disconnect(mailbox)
    assert await calls(stage, EVA, "stop") == [204]
    assert await calls(stage, EVA, "revoke") == [200]


@pytest.mark.parametrize("method", ["stop", "revoke"])
async def test_what_google_does_not_answer_stays_owed_and_is_told_later(stage: Stage, eva: User, method: str) -> None:
    """Scenario 100. The person is disconnected at once all the same."""
    mailbox = await connected(stage, eva)
    await stage.sandbox.aio.fault("status", method=method, code=503, count=20)
    await Connections.of(stage.tools).disconnect(mailbox)
    off = await Mailbox.get(id=mailbox.id)
    assert off.state == "disconnected"
    assert off.refresh_token is not None
    assert await claim_partings(HOUR, 10, stage.clock.moment) == []
    await stage.sandbox.aio.clear_faults()
    stage.wait(minutes=5)
    assert await claim_partings(HOUR, 10, stage.clock.moment) == [mailbox.id]
    await Connections.of(stage.tools).part(mailbox.id)
    assert (await Mailbox.get(id=mailbox.id)).refresh_token is None
    assert (await calls(stage, EVA, "revoke"))[-1] == 200


async def test_after_a_day_without_an_answer_the_tokens_are_erased_all_the_same(stage: Stage, eva: User) -> None:
    """Scenario 100."""
    mailbox = await connected(stage, eva)
    await stage.sandbox.aio.fault("status", method="revoke", code=503, count=20)
    await Connections.of(stage.tools).disconnect(mailbox)
    stage.wait(days=1, minutes=1)
    await Connections.of(stage.tools).part(mailbox.id)
    off = await Mailbox.get(id=mailbox.id)
    assert [off.refresh_token, off.parting_at] == [None, None]


async def test_a_shared_account_goes_on_for_the_firm_that_stays(stage: Stage, eva: User) -> None:
    """Scenario 101. Stop and revoke would be for both; the last one who leaves takes the grant along."""
    other_firm = await a_firm()
    here = await connected(stage, eva)
    grant = await granted(stage, EVA)
    await AllowedAddress.create(firm=other_firm, user=(theirs := await a_user(other_firm, OTHER)), address=EVA, address_key=EVA)
    there = await Mailbox.get(id=await Connections.of(stage.tools).complete(theirs, grant, Wish(EVA)))
    assert here.google_sub == there.google_sub
    await Connections.of(stage.tools).disconnect(here)
    assert (await Mailbox.get(id=here.id)).refresh_token is None
    assert [await calls(stage, EVA, method) for method in ("stop", "revoke")] == [[], []]
    client = await a_client(other_firm, "", "pat@client.example")
    await stage.mail(there, a_mail(subject="For the firm that stays"))
    await stage.push(there)
    assert await stage.filed(client) == ["For the firm that stays"]
    await Connections.of(stage.tools).disconnect(there)
    assert [await calls(stage, EVA, method) for method in ("stop", "revoke")] == [[204], [200]]


async def test_a_grant_that_its_person_is_just_giving_anew_is_not_revoked(stage: Stage, eva: User) -> None:
    """Scenario 100. A click on Disconnect, Google slow, and the person already on Google's page to connect again."""
    mailbox = await connected(stage, eva)
    await stage.sandbox.aio.fault("status", method="stop", code=503, count=20)
    await Connections.of(stage.tools).disconnect(mailbox)
    await stage.sandbox.aio.clear_faults()
    state = await on_the_way(stage, eva)
    stage.wait(minutes=5)
    await Connections.of(stage.tools).part(mailbox.id)
    assert await calls(stage, EVA, "revoke") == []
    await OAuthAttempt.redeem(state, "browser", eva.id, stage.clock.moment)
    back = await connected(stage, eva)
    stage.wait(hours=1)
    await Connections.of(stage.tools).part(mailbox.id)
    assert await calls(stage, EVA, "revoke") == []
    assert (back.id, back.parting_at) == (mailbox.id, None)
    assert await works(stage, back)


async def test_an_attempt_that_came_to_nothing_does_not_keep_the_grant(stage: Stage, eva: User) -> None:
    """Scenario 100."""
    mailbox = await connected(stage, eva)
    await on_the_way(stage, eva)
    await Connections.of(stage.tools).disconnect(mailbox)
    assert await calls(stage, EVA, "revoke") == []
    stage.wait(minutes=16)
    assert await claim_partings(HOUR, 10, stage.clock.moment) == [mailbox.id]
    await Connections.of(stage.tools).part(mailbox.id)
    assert await calls(stage, EVA, "revoke") == [200]


async def test_connecting_waits_while_the_same_account_is_parted_from(stage: Stage, eva: User) -> None:
    """Scenario 100. Revoking would end the new grant, too: one at a time, by Google account."""
    mailbox = await connected(stage, eva)
    grant = await granted(stage, EVA)
    async with turn_of(mailbox.google_sub, stage.clock):
        connecting = asyncio.create_task(Connections.of(stage.tools).complete(eva, grant))
        await asyncio.sleep(0.05)
        assert (await Mailbox.get(id=mailbox.id)).epoch == mailbox.epoch
    await connecting
    assert (await Mailbox.get(id=mailbox.id)).epoch == mailbox.epoch + 1
    assert await Turn.all().count() == 0


async def test_a_turn_is_taken_by_one_and_ends_with_the_process_that_died(stage: Stage) -> None:
    """Scenario 100."""

    async def no_wait(_seconds: float) -> None:
        return

    async with turn_of("sub", stage.clock):
        with pytest.raises(Busy):
            async with turn_of("sub", stage.clock, no_wait, looks=3):
                raise AssertionError("two at a time")
        stage.wait(minutes=3)  # whoever has it is taken for dead
        async with turn_of("sub", stage.clock, no_wait, looks=3):
            pass
    assert await Turn.all().count() == 0


# coming back


async def test_disconnected_and_connected_again_the_mail_in_between_is_filed(stage: Stage, eva: User) -> None:
    """Scenario 100. Not lost, not twice: a gap from where the mailbox was known."""
    client = await a_client(stage.firm, "", "pat@client.example")
    mailbox = await connected(stage, eva)
    await stage.mail(mailbox, a_mail(subject="1 Before"))
    await stage.push(mailbox)
    await Connections.of(stage.tools).disconnect(mailbox)
    await stage.time_passes(3 * 86400)
    for number in range(3):
        await stage.mail(mailbox, a_mail(subject=f"2 In between {number}"))
    await stage.time_passes(86400)
    back = await connected(stage, eva)
    assert back.id == mailbox.id
    await stage.mail(mailbox, a_mail(subject="3 After"))
    await stage.sweep(mailbox)
    assert await stage.filed(client) == ["1 Before", "3 After"]
    await recovered(stage, mailbox)
    assert await stage.filed(client) == ["1 Before", *[f"2 In between {number}" for number in range(3)], "3 After"]


async def test_who_wants_no_mail_of_in_between_gets_none(stage: Stage, eva: User) -> None:
    """Scenario 100."""
    client = await a_client(stage.firm, "", "pat@client.example")
    mailbox = await connected(stage, eva)
    await Connections.of(stage.tools).disconnect(mailbox)
    await stage.time_passes(86400)
    await stage.mail(mailbox, a_mail(subject="In between"))
    await stage.time_passes(86400)
    await connected(stage, eva, wish=Wish(in_between=False))
    await stage.sweep(mailbox)
    await recovered(stage, mailbox)
    assert await stage.filed(client) == []


async def test_a_first_connection_reaches_back_as_many_days_as_were_asked_for(stage: Stage, eva: User) -> None:
    client = await a_client(stage.firm, "", "pat@client.example")
    await stage.sandbox.aio.account(EVA)
    await stage.sandbox.aio.mail(EVA, a_mail(subject="Ten days old").as_bytes())
    await stage.time_passes(6 * 86400)
    await stage.sandbox.aio.mail(EVA, a_mail(subject="Four days old").as_bytes())
    await stage.time_passes(4 * 86400)
    mailbox = await connected(stage, eva, wish=Wish(days=7))
    await stage.sweep(mailbox)
    await recovered(stage, mailbox)
    assert await stage.filed(client) == ["Four days old"]


async def test_paused_nothing_is_read_and_resumed_all_of_it(stage: Stage, eva: User) -> None:
    client = await a_client(stage.firm, "", "pat@client.example")
    mailbox = await connected(stage, eva)
    assert await lifecycle.pause(mailbox.id, mailbox.firm_id, stage.clock.moment)
    assert not await lifecycle.pause(mailbox.id, mailbox.firm_id, stage.clock.moment)
    await stage.mail(mailbox, a_mail(subject="Meanwhile"))
    await stage.push(mailbox)
    await stage.sweep(mailbox)
    assert await stage.filed(client) == []
    stage.wait(hours=1)
    assert await lifecycle.resume(mailbox.id, mailbox.firm_id, stage.clock.moment)
    assert mailbox.id in await stage.pending()
    await stage.sweep(mailbox)
    assert await stage.filed(client) == ["Meanwhile"]


async def test_a_firm_without_a_provider_is_pushed_no_more_and_resumes_where_it_stopped(stage: Stage, eva: User) -> None:
    """Watches stop, grants are kept for thirty days, and Google again means: as if nothing had been."""
    client = await a_client(stage.firm, "", "pat@client.example")
    mailbox = await connected(stage, eva)
    await Firm.choose_provider(stage.firm.id, "none", stage.clock.moment)
    assert await claim_partings(HOUR, 10, stage.clock.moment) == [mailbox.id]
    await Connections.of(stage.tools).part(mailbox.id)
    assert [await calls(stage, EVA, method) for method in ("stop", "revoke")] == [[204], []]
    off = await Mailbox.get(id=mailbox.id)
    assert (off.state, off.watch_expires_at, off.parting_at, off.refresh_token) == ("connected", None, None, mailbox.refresh_token)
    await stage.mail(mailbox, a_mail(subject="Meanwhile"))
    stage.wait(days=1)
    await Firm.choose_provider(stage.firm.id, "google", stage.clock.moment)
    assert mailbox.id in await stage.pending()
    await stage.sweep(mailbox)
    assert await stage.filed(client) == ["Meanwhile"]


async def test_grants_of_a_firm_without_a_provider_end_after_thirty_days(stage: Stage, eva: User) -> None:
    mailbox = await connected(stage, eva)
    await Firm.choose_provider(stage.firm.id, "none", stage.clock.moment)
    await Connections.of(stage.tools).part(mailbox.id)
    stage.wait(days=29)
    assert await end_kept_grants(stage.clock.moment) == 0
    stage.wait(days=1)
    assert await end_kept_grants(stage.clock.moment) == 1
    await Connections.of(stage.tools).part(mailbox.id)
    assert await calls(stage, EVA, "revoke") == [200]
    assert (await Mailbox.get(id=mailbox.id)).refresh_token is None


async def test_what_was_owed_when_it_stopped_comes_though_the_mail_in_between_is_not_wanted(stage: Stage, eva: User) -> None:
    """Scenario 100. The page asks about the mail since the disconnect, and about nothing else."""
    client = await a_client(stage.firm, "", "pat@client.example")
    mailbox = await connected(stage, eva)
    await stage.time_passes(600)
    await stage.mail(mailbox, a_mail(subject="Before, its push was late"))
    await stage.time_passes(900)
    await Connections.of(stage.tools).disconnect(await Mailbox.get(id=mailbox.id))
    await stage.time_passes(3600)
    await stage.mail(mailbox, a_mail(subject="In between"))
    await stage.time_passes(3600)
    await connected(stage, eva, wish=Wish(in_between=False))
    await stage.sweep(mailbox)
    await recovered(stage, mailbox)
    assert await stage.filed(client) == ["Before, its push was late"]
    await stage.time_passes(3600)
    await audit(mailbox.id, "trace", stage.tools)
    assert await stage.filed(client) == ["Before, its push was late"]


async def test_a_goodbye_left_over_does_not_stop_a_mailbox_that_is_read_again(stage: Stage, eva: User) -> None:
    """Switched off while Google was away, paused, switched on, resumed."""
    mailbox, now = await connected(stage, eva), stage.clock.moment
    await Firm.choose_provider(stage.firm.id, "none", now)
    await stage.sandbox.aio.fault("status", method="stop", code=503, count=20)
    await Connections.of(stage.tools).part(mailbox.id)
    await stage.sandbox.aio.clear_faults()
    await lifecycle.pause(mailbox.id, mailbox.firm_id, now)
    await Firm.choose_provider(stage.firm.id, "google", now)
    await lifecycle.resume(mailbox.id, mailbox.firm_id, now)
    stage.wait(minutes=10)
    assert await claim_partings(HOUR, 10, stage.clock.moment) == []
    await Connections.of(stage.tools).part(mailbox.id)
    assert 204 not in await calls(stage, EVA, "stop")


async def test_kept_grants_are_revoked_though_google_stumbles_first(stage: Stage, eva: User) -> None:
    """Scenario 100. The day of tries begins when the goodbye is owed, not when the provider was switched off."""
    mailbox = await connected(stage, eva)
    await Firm.choose_provider(stage.firm.id, "none", stage.clock.moment)
    await Connections.of(stage.tools).part(mailbox.id)
    stage.wait(days=30)
    await end_kept_grants(stage.clock.moment)
    await stage.sandbox.aio.fault("status", method="revoke", code=503, count=1)
    await Connections.of(stage.tools).part(mailbox.id)
    assert (await Mailbox.get(id=mailbox.id)).refresh_token is not None
    stage.wait(minutes=5)
    await Connections.of(stage.tools).part(mailbox.id)
    assert (await calls(stage, EVA, "revoke"))[-1] == 200


async def test_mail_of_the_time_away_is_no_sign_that_pushes_are_dead(stage: Stage, eva: User) -> None:
    """Scenario 80. Nobody was to push while it was paused."""
    mailbox = await connected(stage, eva)
    await lifecycle.pause(mailbox.id, mailbox.firm_id, stage.clock.moment)
    await stage.mail(mailbox, a_mail())
    stage.wait(hours=1)
    await lifecycle.resume(mailbox.id, mailbox.firm_id, stage.clock.moment)
    await stage.sweep(mailbox)
    assert (await Mailbox.get(id=mailbox.id)).silent_at is None
    assert [entry.found_by for entry in await LedgerEntry.filter(mailbox_id=mailbox.id)] == ["return"]


async def test_our_own_letters_are_never_filed(stage: Stage, eva: User) -> None:
    """Whoever else is among the recipients. But a mail that names a client as its writer is not ours."""
    client = await a_client(stage.firm, "", "pat@client.example")
    mailbox = await connected(stage, eva)
    await stage.mail(mailbox, a_mail("Postroom <postroom@sample.test>", f"{EVA}, pat@client.example", "Gmail stopped"))
    await stage.mail(mailbox, a_mail("pat@client.example, postroom@sample.test", EVA, "A client's"))
    await stage.sweep(mailbox)
    assert await stage.filed(client) == ["A client's"]
