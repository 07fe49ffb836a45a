"""Delivery: what is owed goes out, over SMTP to a real receiver, from rows in a real PostgreSQL. On a clock that only the test moves."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from email.message import EmailMessage

import pytest
from structlog.testing import capture_logs
from tortoise.expressions import Q

from letters import delivery
from letters.delivery import Delivered, deliver, wait
from letters.post import Refused, Unreachable, post
from models import connections, outbox
from models.database import connection, transaction
from models.firms import Firm, User
from models.gaps import owe_gap
from models.mailboxes import Mailbox
from models.notices import Notice, Schedule, owe_digests, owe_letter
from models.sessions import Session, SignInLink
from settings import Mail, Settings
from telemetry import metrics
from tests.builders import a_firm, a_mailbox, a_user
from tests.letters.letterbox import Letterbox
from tests.letters.reading import in_one_line, text_of

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


class Killed(BaseException):
    """The process dies at this very point."""


class Clock:
    """Stands still unless a test moves it."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    async def __call__(self) -> datetime:
        return self.moment


@pytest.fixture
def clock(now: datetime) -> Clock:
    return Clock(now)


@pytest.fixture
async def firm(now: datetime) -> Firm:
    return await a_firm("Sample & Co")


@pytest.fixture
async def mailbox(firm: Firm) -> Mailbox:
    await a_user(firm, "robin@sample.test", "admin")
    return await a_mailbox(await a_user(firm, "sam@sample.test"))


async def lapses(mailbox: Mailbox, clock: Clock, because: str = "invalid_grant", days: tuple[int, ...] = (3, 7, 14)) -> None:
    """And the time in which a surge may show itself goes by."""
    assert await connections.lapse(mailbox.id, mailbox.epoch, because, clock.moment, Schedule(2 * MINUTE, days))
    clock.moment += 2 * MINUTE


async def reconnects(mailbox: Mailbox, clock: Clock) -> None:
    grant = connections.Connect(
        *(mailbox.firm_id, mailbox.user_id, mailbox.google_sub, mailbox.address, "sealed", "sealed", clock.moment, 2000, clock.moment)
    )
    await connections.connect(grant, clock.moment)


async def fates() -> list[tuple[str, int, str | None]]:
    """Of the letters that are over: kind, day, and why one was not sent."""
    over = Notice.filter(Q(sent_at__isnull=False) | Q(dropped_at__isnull=False))
    return [(notice.kind, notice.day, notice.dropped_because) for notice in await over.order_by("id")]


def counted(kind: str, outcome: str) -> float:
    return float(metrics.LETTERS.labels(kind, outcome)._value.get())


async def away(_message: EmailMessage, _mail: Mail) -> None:
    raise Unreachable("connection")


def answering(*outcomes: Exception | None) -> Callable[[EmailMessage, Mail], Awaitable[None]]:
    """A mail server that does these, one after the other."""
    left = list(outcomes)

    async def answer(_message: EmailMessage, _mail: Mail) -> None:
        if outcome := left.pop(0):
            raise outcome

    return answer


# Once, and only while it is so


async def test_a_lapse_is_told_once(posted: Settings, letterbox: Letterbox, mailbox, clock) -> None:
    """Scenarios 87, 97."""
    await lapses(mailbox, clock)
    before = counted("lapse", "sent")
    assert await deliver(posted, clock) == Delivered(sent=1, failed=0, held=False)
    assert await deliver(posted, clock) == Delivered(sent=0, failed=0, held=False)
    (letter,) = letterbox.letters
    assert letter["Subject"] == "Gmail for sam@sample.test is disconnected"
    assert str(letter["To"]) == "Sam <sam@sample.test>"
    assert "Ask Robin at Sample & Co." in text_of(letter)
    assert counted("lapse", "sent") == before + 1


async def test_no_letter_goes_out_before_a_surge_could_show_itself(posted, letterbox, mailbox, clock) -> None:
    """Scenario 90."""
    await lapses(mailbox, clock)
    clock.moment -= timedelta(seconds=1)
    assert (await deliver(posted, clock)).sent == 0


async def test_reminders_come_on_their_days_and_then_silence(posted, letterbox, mailbox, clock) -> None:
    """Scenario 97."""
    await lapses(mailbox, clock)
    came = []
    for day in range(60):
        before = len(letterbox.letters)
        await deliver(posted, clock)
        came += [(day, letter["Subject"]) for letter in letterbox.letters[before:]]
        clock.moment += DAY
    assert came == [
        (0, "Gmail for sam@sample.test is disconnected"),
        (3, "Gmail for sam@sample.test is still disconnected"),
        (7, "Gmail for sam@sample.test is still disconnected"),
        (14, "Last reminder: Gmail for sam@sample.test is disconnected"),
    ]


@pytest.mark.parametrize("end", ["reconnected", "disconnected", "switched off", "left"])
async def test_nobody_is_written_to_about_what_is_over(posted, letterbox, mailbox, clock, end) -> None:
    """Scenario 97."""
    await lapses(mailbox, clock)
    match end:
        case "reconnected":
            await reconnects(mailbox, clock)
        case "disconnected":
            await connections.disconnect(mailbox.id, mailbox.firm_id, clock.moment)
        case "switched off":
            await Firm.choose_provider(mailbox.firm_id, "none", clock.moment)
        case "left":
            await User.filter(id=mailbox.user_id).update(active=False)
    for _ in range(20):
        await deliver(posted, clock)
        clock.moment += DAY
    assert letterbox.letters == []


async def test_after_a_long_silence_of_ours_one_letter_goes_out_not_four(posted, letterbox, mailbox, clock) -> None:
    """Postroom was off for a month."""
    await lapses(mailbox, clock)
    clock.moment += 30 * DAY
    assert (await deliver(posted, clock)).sent == 1
    assert letterbox.letters[0]["Subject"].startswith("Last reminder: ")


async def test_the_admins_hear_of_an_account_that_ended(posted, letterbox, mailbox, clock) -> None:
    """Scenario 99."""
    await lapses(mailbox, clock, "account_disabled")
    await deliver(posted, clock)
    assert {letter["To"].addresses[0].addr_spec: letter["Subject"] for letter in letterbox.letters} == {
        "sam@sample.test": "Gmail for sam@sample.test is disconnected",
        "robin@sample.test": "The Google account sam@sample.test is disabled",
    }


async def test_the_closing_letter_waits_until_all_is_caught_up(posted, letterbox, mailbox, clock) -> None:
    await lapses(mailbox, clock)
    await deliver(posted, clock)
    clock.moment += DAY
    await reconnects(mailbox, clock)
    await owe_gap_now(mailbox, clock)
    assert (await deliver(posted, clock)).sent == 0
    clock.moment += MINUTE
    await close_gaps(mailbox, clock)
    assert (await deliver(posted, clock)).sent == 1
    assert letterbox.letters[-1]["Subject"] == "Gmail for sam@sample.test is back"


async def owe_gap_now(mailbox: Mailbox, clock: Clock) -> None:

    await transaction(lambda held: owe_gap(held, mailbox.id, clock.moment - DAY, clock.moment, "expired", clock.moment))


async def close_gaps(mailbox: Mailbox, clock: Clock) -> None:

    async with connection() as held:
        await held.execute("UPDATE gap SET closed_at = $2 WHERE mailbox_id = $1", mailbox.id, clock.moment)
        await held.execute("UPDATE mailbox SET last_checked_at = $2 WHERE id = $1", mailbox.id, clock.moment)


async def test_a_digest_of_nobody_is_not_sent(posted, letterbox, mailbox, clock) -> None:
    """All have come back between owing and sending."""
    await lapses(mailbox, clock, days=())
    await deliver(posted, clock)
    clock.moment += 8 * DAY
    assert await owe_digests(clock.moment) == 1
    await reconnects(mailbox, clock)
    assert await deliver(posted, clock) == Delivered(sent=0, failed=0, held=False)
    assert ("digest", 0, "over") in await fates()


async def test_a_digest_names_who_is_away(posted, letterbox, mailbox, clock) -> None:
    await lapses(mailbox, clock, days=())
    await deliver(posted, clock)
    clock.moment += 8 * DAY
    await owe_digests(clock.moment)
    assert (await deliver(posted, clock)).sent == 1
    assert "- Sam (sam@sample.test), since" in text_of(letterbox.letters[-1])


# Claimed before, marked after


async def test_two_deliverers_never_both_send(posted, letterbox, firm, clock) -> None:
    """Scenario 98."""
    for _ in range(12):
        await lapses(await a_mailbox(await a_user(firm)), clock)
    rounds = await asyncio.gather(*(deliver(posted, clock) for _ in range(4)))
    assert sum(one.sent for one in rounds) == 12
    assert len({taken.readers for taken in letterbox.taken}) == len(letterbox.taken) == 12


async def test_a_letter_is_claimed_while_it_is_sent_and_marked_only_after(posted, mailbox, clock) -> None:
    """Scenario 98."""
    await lapses(mailbox, clock)
    seen = []

    async def looks(_message: EmailMessage, _mail: Mail) -> None:
        seen.append((await Notice.get(kind="lapse"), await outbox.claim_letter(clock.moment)))

    await deliver(posted, clock, post=looks)
    ((during, another),) = seen
    assert during.claimed_until is not None
    assert during.claimed_until > clock.moment
    assert (during.sent_at, another) == (None, None)
    assert (await Notice.get(kind="lapse")).sent_at == clock.moment


async def test_after_a_crash_between_sending_and_marking_it_goes_again_with_the_same_message_id(posted, letterbox, mailbox, clock) -> None:
    """Scenario 98."""
    await lapses(mailbox, clock)

    async def and_dies(message: EmailMessage, mail: Mail) -> None:
        await post(message, mail)
        raise Killed

    with pytest.raises(Killed):
        await deliver(posted, clock, post=and_dies)
    assert (await deliver(posted, clock)).sent == 0  # its claim lasts
    clock.moment += outbox.CLAIM
    assert (await deliver(posted, clock)).sent == 1
    first, again = letterbox.letters
    assert first["Message-ID"] == again["Message-ID"]
    clock.moment += outbox.CLAIM
    assert (await deliver(posted, clock)).sent == 0


# The mail server


async def test_a_letter_waits_for_a_mail_server_that_is_down(posted, letterbox, mailbox, clock) -> None:
    """Scenario 98."""
    await lapses(mailbox, clock)
    letterbox.refuse(421, "down", at="mail")
    assert await deliver(posted, clock) == Delivered(sent=0, failed=1, held=False)
    assert await deliver(posted, clock) == Delivered(sent=0, failed=0, held=False)  # not before its time
    letterbox.refuse(None)
    clock.moment += MINUTE
    assert (await deliver(posted, clock)).sent == 1
    assert len(letterbox.letters) == 1


async def test_the_waits_double_up_to_an_hour_and_end_after_five_days(posted, mailbox, clock) -> None:
    """Scenario 98."""
    await lapses(mailbox, clock, days=())
    began, tries, before = clock.moment, [], counted("lapse", "given up")
    while (notice := await Notice.get(kind="lapse")).dropped_at is None:
        clock.moment = notice.due_at
        tries.append(clock.moment)
        assert (await deliver(posted, clock, post=away)).failed == 1
    waits = [(later - earlier) // MINUTE for earlier, later in itertools.pairwise(tries)]
    assert waits[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert set(waits[8:]) == {60}
    assert timedelta(days=4.9) < tries[-1] - began < timedelta(days=5.1)
    assert await fates() == [("lapse", 0, "unreachable")]
    assert counted("lapse", "given up") == before + 1


async def test_whoever_asked_for_a_link_an_hour_ago_has_asked_again(posted, mailbox, clock) -> None:
    await owe_letter(await User.get(id=mailbox.user_id), "sign_in", "1", clock.moment)
    began = clock.moment
    while (notice := await Notice.get(kind="sign_in")).dropped_at is None:
        clock.moment = notice.due_at
        await deliver(posted, clock, post=away)
    assert timedelta(minutes=50) < clock.moment - began < timedelta(minutes=70)


async def test_while_the_server_is_away_the_others_keep_their_time(posted, letterbox, firm, clock) -> None:
    """Scenario 98."""
    for _ in range(3):
        await lapses(await a_mailbox(await a_user(firm)), clock)
    assert (await deliver(posted, clock, post=away)).failed == 1
    assert sorted(notice.tries for notice in await Notice.filter(kind="lapse")) == [0, 0, 1]
    assert (await deliver(posted, clock)).sent == 2


async def test_who_is_refused_for_good_is_not_asked_again_and_stops_nobody(posted, letterbox, firm, clock) -> None:
    """Scenario 98."""
    for _ in range(2):
        await lapses(await a_mailbox(await a_user(firm)), clock, days=())
    assert await deliver(posted, clock, post=answering(Refused(550), None)) == Delivered(sent=1, failed=1, held=False)
    clock.moment += 10 * DAY
    assert await deliver(posted, clock) == Delivered(sent=0, failed=0, held=False)
    assert await fates() == [("lapse", 0, "refused"), ("lapse", 0, None)]


async def test_an_address_that_is_none_is_given_up(posted, letterbox, mailbox, clock) -> None:
    await User.filter(id=mailbox.user_id).update(email="nobody")
    await lapses(mailbox, clock, days=())
    assert (await deliver(posted, clock)).failed == 1
    assert await fates() == [("lapse", 0, "refused")]


async def test_without_a_mail_server_letters_stay_owed_and_it_is_said_once(settings, mailbox, clock) -> None:
    assert settings.mail.smtp_host == ""
    delivery._warn_of_no_server.cache_clear()
    await lapses(mailbox, clock)
    with capture_logs() as logs:
        for _ in range(3):
            assert await deliver(settings, clock) == Delivered(sent=0, failed=0, held=False)
    assert [line["log_level"] for line in logs] == ["warning"]
    notice = await Notice.get(kind="lapse")
    assert (notice.tries, notice.claimed_until) == (0, None)
    assert metrics.LETTERS_DUE._value.get() == 1


async def test_a_round_is_no_longer_than_a_minute(posted, firm, clock) -> None:
    """What comes after it must not wait for a server that takes letters slowly."""
    for _ in range(5):
        await lapses(await a_mailbox(await a_user(firm)), clock)

    async def slow(_message: EmailMessage, _mail: Mail) -> None:
        clock.moment += timedelta(seconds=25)

    assert (await deliver(posted, clock, post=slow)).sent == 3
    assert (await deliver(posted, clock, post=slow, most=1)).sent == 1


# Words that cannot be filled in


async def test_broken_words_stop_only_their_own_letters_and_wait_to_be_mended(posted, letterbox, mailbox, clock, tmp_path) -> None:
    (tmp_path / "lapse.txt").write_text("Subject: x\n\n{{ mistake }}\n\n[Go]")
    own = posted.model_copy(update={"mail": posted.mail.model_copy(update={"templates": str(tmp_path)})})
    await lapses(mailbox, clock)
    await owe_letter(await User.get(email="robin@sample.test"), "invitation", "1", clock.moment, by="Kim")
    with capture_logs() as logs:
        assert await deliver(own, clock) == Delivered(sent=1, failed=1, held=False)
    (said,) = [line for line in logs if line["log_level"] == "error"]
    assert said["template"] == f"{tmp_path}/lapse.txt:3"
    assert [letter["Subject"] for letter in letterbox.letters] == ["Kim invites robin@sample.test to Postroom"]
    (tmp_path / "lapse.txt").write_text("Subject: Mended\n\n[Go]")
    clock.moment += 10 * MINUTE - timedelta(seconds=1)
    assert (await deliver(own, clock)).sent == 0
    clock.moment += timedelta(seconds=1)
    assert (await deliver(own, clock)).sent == 1
    assert letterbox.letters[-1]["Subject"] == "Mended"


async def test_words_that_nobody_mends_are_given_up_in_the_end(posted, mailbox, clock, tmp_path) -> None:
    (tmp_path / "lapse.txt").write_text("no subject")
    own = posted.model_copy(update={"mail": posted.mail.model_copy(update={"templates": str(tmp_path)})})
    await lapses(mailbox, clock, days=())
    await Notice.filter(kind="lapse").update(tries=delivery.TRIES - 1)
    await deliver(own, clock)
    assert await fates() == [("lapse", 0, "broken")]


# Held


async def test_in_a_surge_letters_wait_for_the_operator_and_what_somebody_asked_for_does_not(posted, letterbox, firm, clock) -> None:
    """Scenario 90."""
    few = posted.model_copy(update={"sweep": posted.sweep.model_copy(update={"surge_limit": 3})})
    for _ in range(3):
        await lapses(await a_mailbox(await a_user(firm)), clock, days=())
    await owe_letter(await a_user(firm, "pat@sample.test"), "sign_in", "1", clock.moment)
    assert await deliver(few, clock) == Delivered(sent=1, failed=0, held=True)
    assert [letter["To"].addresses[0].addr_spec for letter in letterbox.letters] == ["pat@sample.test"]
    assert (metrics.LETTERS_DUE._value.get(), metrics.LETTERS_HELD._value.get()) == (3, 3)
    await outbox.release(clock.moment)
    assert await deliver(few, clock) == Delivered(sent=3, failed=0, held=False)
    assert (metrics.LETTERS_DUE._value.get(), metrics.LETTERS_HELD._value.get()) == (0, 0)


async def test_while_google_refuses_our_client_nobody_is_told_to_reconnect(posted, letterbox, mailbox, clock) -> None:
    """Scenario 90."""
    await lapses(mailbox, clock)
    await outbox.client_refused(clock.moment)
    assert await deliver(posted, clock) == Delivered(sent=0, failed=0, held=True)
    clock.moment += outbox.CLIENT_REFUSED
    assert await deliver(posted, clock) == Delivered(sent=1, failed=0, held=False)


# Links to sign in


async def test_a_sign_in_link_is_made_when_it_is_sent_and_works_once(posted, letterbox, mailbox, clock) -> None:
    await owe_letter(await User.get(id=mailbox.user_id), "sign_in", "1", clock.moment, by="/clients?q=a b")
    clock.moment += 3 * MINUTE
    assert (await deliver(posted, clock)).sent == 1
    (line,) = [line for line in text_of(letterbox.letters[0]).splitlines() if line.startswith("https://")]
    address, _, after = line.partition("?")
    assert after == "next=/clients%3Fq%3Da%20b"
    token = address.removeprefix("https://postroom.example/sign-in/")
    link = await SignInLink.usable(token, clock.moment)
    assert link is not None
    assert (link.mailed, link.expires_at) == (True, clock.moment + timedelta(minutes=posted.portal.sign_in_link_minutes))
    assert await SignInLink.redeem(token, clock.moment) == mailbox.user_id
    assert await SignInLink.redeem(token, clock.moment) is None


async def test_nothing_that_is_owed_holds_a_secret(posted, letterbox, mailbox, clock) -> None:
    """Scenario 97: the letter about a lapse signs nobody in, and no link is made for it."""
    await lapses(mailbox, clock)
    await deliver(posted, clock)
    assert len(letterbox.letters) == 1
    assert await SignInLink.all().count() == await Session.all().count() == 0


# What is said of it


async def test_logs_tell_ids_and_outcomes_and_no_address(posted, letterbox, firm, clock) -> None:
    for email in ("secret-one@sample.test", "secret-two@sample.test", "secret-three@sample.test"):
        await lapses(await a_mailbox(await a_user(firm, email)), clock, days=())
    letterbox.refuse(550, "secret-one@sample.test is unknown")
    with capture_logs() as logs:
        await deliver(posted, clock, most=1)
        letterbox.refuse(451, "secret-two@sample.test later")
        await deliver(posted, clock, most=1)
        letterbox.refuse(None)
        await deliver(posted, clock)
    assert [(line["kind"], line["outcome"]) for line in logs if line["event"] == "letter"] == [
        *(("lapse", "refused"), ("lapse", "postponed"), ("lapse", "sent"))
    ]
    assert "secret" not in str(logs)
    assert "Gmail for" not in str(logs)


def test_waits_never_grow_past_an_hour() -> None:
    assert [wait(tries) // MINUTE for tries in (1, 2, 7, 8, 10_000)] == [1, 2, 60, 60, 60]


async def test_what_each_letter_needs_is_in_its_row(posted, letterbox, mailbox, clock) -> None:
    """From lapse to back, and an admin's hand: each letter of a mailbox's life reads as what happened."""
    lapsed_at = clock.moment
    await lapses(mailbox, clock)
    await deliver(posted, clock)
    clock.moment += DAY
    await reconnects(mailbox, clock)
    clock.moment += MINUTE
    await close_gaps(mailbox, clock)
    await deliver(posted, clock)
    await connections.disconnect(mailbox.id, mailbox.firm_id, clock.moment, by="Robin")
    await deliver(posted, clock)
    told, back, disconnected = (in_one_line(text_of(letter)) for letter in letterbox.letters)
    assert f"Since {lapsed_at:%A}, {lapsed_at.day} {lapsed_at:%B %Y, %H:%M} UTC" in told
    assert f"All mail since {lapsed_at:%A}, {lapsed_at.day} {lapsed_at:%B %Y, %H:%M} UTC was looked through" in back
    assert "Robin disconnected sam@sample.test" in disconnected
