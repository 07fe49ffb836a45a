"""Letters that are owed: of a lapse and its reminders, of what an admin did, to admins; and when none is any more."""

from datetime import datetime, timedelta

import pytest

from models import connections, outbox
from models.firms import Firm, User
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from models.notices import Notice, Schedule, owe_digests, owe_letter
from models.outbox import Letter
from tests.builders import VAULT, a_firm, a_mailbox, a_user

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WAIT = Schedule().wait


@pytest.fixture
async def firm(database: None) -> Firm:
    return await a_firm()


@pytest.fixture
async def eva(firm: Firm, now: datetime) -> Mailbox:
    return await a_mailbox(await a_user(firm, "eva@sample.test"), at=now - 30 * DAY)


async def lapsed(mailbox: Mailbox, now: datetime, because: str = "invalid_grant") -> None:
    assert await connections.lapse(mailbox.id, (await Mailbox.get(id=mailbox.id)).epoch, because, now)


async def reconnected(mailbox: Mailbox, now: datetime) -> Mailbox:
    tokens = VAULT.seal("refresh"), VAULT.seal("access"), now + HOUR
    who = mailbox.firm_id, mailbox.user_id, mailbox.google_sub, mailbox.address
    return await Mailbox.get(id=await connections.connect(connections.Connect(*who, *tokens, 9000, now), now))


async def goes_out(now: datetime) -> list[Letter]:
    """What a round at this moment sends."""
    await outbox.hold_in_a_surge(20, now)
    await outbox.drop_what_is_over(now)
    letters = []
    while letter := await outbox.claim_letter(now):
        await outbox.sent(letter, now)
        letters.append(letter)
    return letters


async def what_goes_out(now: datetime) -> list[tuple[str, int, str]]:
    return [(letter.kind, letter.day, letter.email) for letter in await goes_out(now)]


# lapses


async def test_a_lapse_is_told_at_once_then_on_days_three_seven_and_fourteen_then_never_again(eva, now):
    """Scenarios 87, 97."""
    await lapsed(eva, now)
    assert await goes_out(now) == []  # a surge would show itself first
    moments = [now + WAIT, now + HOUR, *(now + days * DAY for days in range(1, 100))]
    told = {moment - now: sent for moment in moments if (sent := await what_goes_out(moment))}
    eva_s = "eva@sample.test"
    assert told == {
        WAIT: [("lapse", 0, eva_s)],
        3 * DAY: [("reminder", 3, eva_s)],
        7 * DAY: [("reminder", 7, eva_s)],
        14 * DAY: [("reminder", 14, eva_s)],
    }


async def test_the_letter_says_since_when_why_and_whom_to_ask(eva, firm, now):
    await a_user(firm, "ada@sample.test", role="admin")
    await a_user(firm, "left@sample.test", role="admin", active=False)
    await lapsed(eva, now, "admin_policy")
    (letter,) = await goes_out(now + WAIT)
    assert (letter.address, letter.because, letter.since, letter.firm) == (eva.address, "admin_policy", now, firm.name)
    assert (letter.admins, letter.holder) == (("Ada",), (await User.get(id=eva.user_id)).name)


async def test_who_reconnects_hears_no_more_of_the_lapse(eva, now):
    """Scenario 97."""
    await lapsed(eva, now)
    await reconnected(eva, now + MINUTE)
    assert [await what_goes_out(now + days * DAY) for days in range(20)] == [[]] * 20
    assert {notice.dropped_because for notice in await Notice.all()} == {"reconnected"}


@pytest.mark.parametrize("end", ["disconnect", "leave", "provider"])
async def test_nobody_is_written_to_about_what_they_gave_up(eva, firm, now, end):
    """Scenario 97. Disconnected on purpose, left the firm, or the firm switched the sync off."""
    await lapsed(eva, now)
    match end:
        case "disconnect":
            await connections.disconnect(eva.id, eva.firm_id, now)
        case "leave":
            await User.filter(id=eva.user_id).update(active=False)
        case "provider":
            await Firm.choose_provider(firm.id, "none", now)
    assert [await what_goes_out(now + days * DAY) for days in range(20)] == [[]] * 20


async def test_a_provider_switched_off_for_a_while_silences_no_lapse(eva, firm, now):
    """Scenario 97. Nothing is sent meanwhile, and nothing is forgotten."""
    await lapsed(eva, now)
    await Firm.choose_provider(firm.id, "none", now)
    assert await goes_out(now + WAIT) == []
    await Firm.choose_provider(firm.id, "google", now + HOUR)
    assert [kind for kind, _, _ in await what_goes_out(now + HOUR)] == ["lapse"]
    assert [kind for kind, _, _ in await what_goes_out(now + 3 * DAY)] == ["reminder"]


async def test_one_whose_access_ends_every_few_hours_is_told_once_in_seven_days(eva, now):
    """Scenario 129. And when they stay away, the reminders come."""
    told = []
    for hour in range(0, 7 * 24, 6):
        await lapsed(eva, now + hour * HOUR, "invalid_rapt")
        told += await goes_out(now + hour * HOUR + WAIT)
        await reconnected(eva, now + hour * HOUR + 3 * HOUR)
    assert [letter.kind for letter in told if letter.kind != "caught_up"] == ["lapse"]
    later = now + 8 * DAY
    await lapsed(eva, later, "invalid_rapt")
    assert [kind for kind, _, _ in await what_goes_out(later + WAIT)] == ["lapse"]
    await reconnected(eva, later + HOUR)
    await lapsed(eva, later + 2 * HOUR, "invalid_rapt")
    assert await what_goes_out(later + 2 * DAY) == []
    assert [kind for kind, _, _ in await what_goes_out(later + 4 * DAY)] == ["reminder"]


async def test_a_letter_that_was_dropped_unsent_does_not_count_as_told(eva, now):
    """Scenario 129."""
    await lapsed(eva, now)
    await reconnected(eva, now + MINUTE)
    await lapsed(eva, now + HOUR)
    assert [kind for kind, _, _ in await what_goes_out(now + 2 * HOUR)] == ["lapse"]


async def test_only_one_of_several_mailboxes_lapses_and_only_it_is_told_of(eva, now):
    """Scenario 87. Other mailboxes of that person go on."""
    shared = await a_mailbox(await User.get(id=eva.user_id), address="accounts@sample.test", at=now)
    await lapsed(eva, now)
    assert [letter.address for letter in await goes_out(now + WAIT)] == [eva.address]
    assert (await Mailbox.get(id=shared.id)).state == "connected"


async def test_letters_that_waited_long_go_out_as_one(eva, now):
    """Scenario 98. The mail server was away for four days: the reminder alone, not both."""
    await lapsed(eva, now)
    assert [(kind, day) for kind, day, _ in await what_goes_out(now + 4 * DAY)] == [("reminder", 3)]


@pytest.mark.parametrize("because", ["account_disabled", "no_mail_service"])
async def test_the_admins_hear_of_an_account_that_was_switched_off(eva, firm, now, because):
    """Scenario 99. Its person may not read letters any more."""
    await a_user(firm, "ada@sample.test", role="admin")
    await a_user(firm, "colleague@sample.test")
    await a_user(await a_firm(), "elsewhere@sample.test", role="admin")
    await lapsed(eva, now, because)
    assert sorted(await what_goes_out(now + WAIT)) == [("account", 0, "ada@sample.test"), ("lapse", 0, "eva@sample.test")]


async def test_the_admins_do_not_hear_of_a_password_change(eva, firm, now):
    await a_user(firm, "ada@sample.test", role="admin")
    await lapsed(eva, now)
    assert [to for _, _, to in await what_goes_out(now + WAIT)] == ["eva@sample.test"]


# what follows


async def test_who_was_told_that_mail_stopped_is_told_that_it_came(eva, now):
    """Once all of the time in between was looked at."""
    await lapsed(eva, now)
    await goes_out(now + WAIT)
    back_at = now + DAY
    back = await reconnected(eva, back_at)
    assert await goes_out(back_at + MINUTE) == []
    await Mailbox.filter(id=eva.id).update(last_checked_at=back_at + MINUTE)
    entry = await LedgerEntry.create(
        mailbox=back, gmail_id="m", found_by="push", found_at=back_at, owed_at=back_at, seen_history_id=1, next_attempt_at=back_at
    )
    assert await goes_out(back_at + 2 * MINUTE) == []
    await LedgerEntry.filter(id=entry.id).update(owed_at=None, outcome="skipped")
    (letter,) = await goes_out(back_at + 3 * MINUTE)
    assert (letter.kind, letter.since, letter.until, letter.count) == ("caught_up", now, back_at, 0)
    assert await goes_out(back_at + 30 * DAY) == []


async def test_who_was_told_nothing_is_told_nothing_more(eva, now):
    await lapsed(eva, now)
    await reconnected(eva, now + MINUTE)
    await Mailbox.filter(id=eva.id).update(last_checked_at=now + HOUR)
    assert await goes_out(now + DAY) == []


async def test_a_person_hears_who_disconnected_them(eva, now):
    assert await connections.disconnect(eva.id, eva.firm_id, now, by="Ada Admin")
    (letter,) = await goes_out(now)
    assert (letter.kind, letter.by, letter.email, letter.address) == ("disconnected", "Ada Admin", "eva@sample.test", eva.address)
    assert not await connections.disconnect(eva.id, eva.firm_id, now, by="Ada Admin")
    assert await goes_out(now + DAY) == []


async def test_a_letter_asked_for_twice_under_one_key_is_one(eva, now):
    user = await User.get(id=eva.user_id)
    for _ in range(2):
        await owe_letter(user, "sign_in", "one click", now)
    assert len(await goes_out(now)) == 1


# the digest


async def test_admins_hear_once_of_everybody_who_was_away_for_a_week(eva, firm, now):
    await a_user(firm, "ada@sample.test", role="admin")
    other = await a_mailbox(await a_user(firm, "otto@sample.test"), at=now)
    await lapsed(eva, now)
    await lapsed(other, now + 2 * DAY)
    assert [await owe_digests(now + days * DAY) for days in range(7)] == [0] * 7
    assert await owe_digests(now + 7 * DAY) == 1
    digests = [letter for letter in await goes_out(now + 7 * DAY) if letter.kind == "digest"]
    assert [(d.email, [(a.address, a.since, a.because) for a in d.absent]) for d in digests] == [
        ("ada@sample.test", [(eva.address, now, "invalid_grant")])
    ]
    # The other's week is over on the ninth day, the admins' on the fourteenth. Then nobody has joined them, and nothing more is said.
    assert [await owe_digests(now + days * DAY) for days in range(8, 40)] == [0] * 6 + [1] + [0] * 25
    (digest,) = [letter for letter in await goes_out(now + 14 * DAY) if letter.kind == "digest"]
    assert [absent.address for absent in digest.absent] == [eva.address, other.address]


async def test_who_is_no_admin_any_more_reads_nothing_of_colleagues(eva, firm, now):
    """Scenario 99."""
    ada = await a_user(firm, "ada@sample.test", role="admin")
    await lapsed(eva, now, "account_disabled")
    await owe_digests(now + 7 * DAY)
    await User.filter(id=ada.id).update(role="staff")
    assert "ada@sample.test" not in [email for _, _, email in await what_goes_out(now + 8 * DAY)]


async def test_no_digest_of_who_is_back(eva, firm, now):
    await a_user(firm, "ada@sample.test", role="admin")
    await lapsed(eva, now)
    await reconnected(eva, now + 6 * DAY)
    assert await owe_digests(now + 10 * DAY) == 0


# a surge


async def fleet(firm: Firm, count: int, now: datetime) -> list[Mailbox]:
    return [await a_mailbox(await a_user(firm), at=now) for _ in range(count)]


async def test_a_surge_holds_the_letters_until_an_operator_has_looked(firm, now):
    """Scenario 90. They go out then, but to nobody who is connected again."""
    many = await fleet(firm, 20, now)
    for mailbox in many:
        await lapsed(mailbox, now)
    await owe_letter(await User.get(id=many[0].user_id), "sign_in", "one", now)
    assert [kind for kind, _, _ in await what_goes_out(now + WAIT)] == ["sign_in"]  # what a person asks for is not held
    assert await what_goes_out(now + 2 * DAY) == []  # nor does it end by itself
    state = await outbox.state_of(now + WAIT)
    assert (state.held_at, state.due, state.held) == (now + WAIT, 20, 20)
    await reconnected(many[0], now + DAY)
    await outbox.release(now + 2 * DAY)
    assert len(await goes_out(now + 2 * DAY)) == 19
    assert (await outbox.state_of(now + 2 * DAY)).held_at is None


async def test_fewer_lapses_are_no_surge_nor_those_of_another_hour_nor_an_organisations_own(firm, now):
    """Scenario 90."""
    *few, last = await fleet(firm, 40, now)
    for mailbox in few[:19]:
        await lapsed(mailbox, now)
    await lapsed(last, now - HOUR)
    for mailbox in few[19:]:
        await lapsed(mailbox, now, "invalid_rapt")
    assert len(await goes_out(now + WAIT)) == 40


async def test_an_operator_may_drop_the_letters_and_the_reminders_still_come(firm, now):
    """Scenario 90."""
    for mailbox in await fleet(firm, 20, now):
        await lapsed(mailbox, now)
    assert await goes_out(now + WAIT) == []
    assert await outbox.drop_held(now + HOUR) == 20
    assert await goes_out(now + HOUR) == []
    assert len(await goes_out(now + 3 * DAY)) == 20


async def test_the_surge_that_an_operator_has_seen_is_no_new_one(firm, now):
    """Scenario 90. But the next is."""
    many = await fleet(firm, 41, now)
    for mailbox in many[:20]:
        await lapsed(mailbox, now)
    assert await goes_out(now + WAIT) == []
    await outbox.release(now + 3 * MINUTE)
    await lapsed(many[20], now + 4 * MINUTE)
    assert len(await goes_out(now + 10 * MINUTE)) == 21
    for mailbox in many[21:]:
        await lapsed(mailbox, now + 20 * MINUTE)
    assert await goes_out(now + 30 * MINUTE) == []


async def test_while_google_refuses_our_client_nothing_is_written_about_lapses(eva, now):
    """Scenario 90. It ends with the refusals."""
    await lapsed(eva, now)
    await outbox.client_refused(now + MINUTE)
    assert await goes_out(now + WAIT) == []
    assert (await outbox.state_of(now + WAIT)).client_refused_at == now + MINUTE
    assert len(await goes_out(now + 20 * MINUTE)) == 1


async def test_two_senders_never_claim_one_letter_and_a_claim_runs_out(eva, now):
    """Scenario 98. The same Message-ID, whoever sends it."""
    await lapsed(eva, now)
    first = await outbox.claim_letter(now + WAIT)
    assert first is not None
    assert await outbox.claim_letter(now + WAIT) is None
    again = await outbox.claim_letter(now + WAIT + outbox.CLAIM)
    assert again is not None
    assert (again.id, again.message_id, again.tries) == (first.id, first.message_id, 2)


async def test_a_late_failure_of_the_old_connection_owes_no_letter(eva, now):
    """Scenarios 92, 120."""
    await reconnected(eva, now)
    assert not await connections.lapse(eva.id, eva.epoch, "invalid_grant", now)
    assert await Notice.all().count() == 0
