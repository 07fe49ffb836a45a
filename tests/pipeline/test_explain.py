"""The answer is made of what files: what it says live is what the sync does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gmail.errors import MessageMissing
from models import never_file
from models.explaining import Entry, Filed, Place
from models.firms import User
from models.mailboxes import Mailbox
from pipeline.asking import Asking, CannotAsk, FromDay, find
from pipeline.connection import Connections
from pipeline.explain import Answer, Judged, explain, judge, kind_of
from pipeline.file import rules_of
from pipeline.gmail_links import ByMessageId, Conversation, OneMessage
from tests.builders import a_client, a_mail, a_user
from tests.pipeline.stage import Stage

EVA, BOB, PAT, STRANGER = "eva@sample.test", "bob@sample.test", "pat@client.example", "stranger@elsewhere.example"
NOW = datetime(2026, 3, 5, 10, 45, tzinfo=UTC)


def an_entry(outcome=None, reason=None, *, owed=False, wanted_for=None, strikes=0) -> Entry:
    return Entry(outcome, reason, NOW if owed else None, NOW, NOW, None, 0, strikes, wanted_for, wanted_for and "A")


def a_filed(*, dismissed=False, places=True) -> Filed:
    shown = (Place(1, 1, "A", "filed", "because"),) if places else ()
    return Filed(1, 0, "mail", NOW if dismissed else None, None, None, shown)


NOBODYS, SPAM, CLIENTS = Judged((), "no client"), Judged((), "spam"), Judged((), None, frozenset({1}))


@pytest.mark.parametrize(
    ("entry", "mail", "judged", "kind"),
    [
        (None, a_filed(), NOBODYS, "here"),
        (an_entry("filed", "client"), a_filed(), SPAM, "here"),
        (an_entry("skipped", "no client", owed=True, wanted_for=1), None, NOBODYS, "wanted"),
        (an_entry("skipped", "no client", wanted_for=1), None, NOBODYS, "left out"),
        (an_entry("filed", "client"), a_filed(dismissed=True, places=False), CLIENTS, "dismissed"),
        (an_entry(owed=True), None, NOBODYS, "waiting"),
        (an_entry(owed=True), None, SPAM, "left out"),
        (an_entry("parked", "broken"), None, CLIENTS, "parked"),
        (an_entry("withdrawn", "trash"), None, SPAM, "withdrawn"),
        (an_entry("withdrawn", "trash"), None, CLIENTS, "withdrawn"),
        (an_entry("withdrawn", "trash", owed=True), None, CLIENTS, "waiting"),
        (an_entry("skipped", "no client"), None, NOBODYS, "left out"),
        (an_entry("skipped", "no client"), None, CLIENTS, "changed"),
        (an_entry("gone", "missing"), None, CLIENTS, "changed"),
        (None, None, NOBODYS, "left out"),
        (None, None, CLIENTS, "not told"),
    ],
)
def test_one_thing_is_said_first(entry, mail, judged, kind):
    assert kind_of(entry, mail, judged) == kind


def test_what_killed_its_workers_is_nobodys_to_try_again_and_what_is_too_old_is_not_filed():
    parked = Answer("parked", None, CLIENTS, an_entry("parked", "broken"), None, (), (), None, too_old=False)  # type: ignore[arg-type]
    assert (parked.may_be_looked_at, parked.may_be_filed) == (True, True)
    killer = replace(parked, entry=an_entry("parked", "kills workers", strikes=3))
    assert (killer.may_be_looked_at, killer.may_be_filed) == (False, False)
    left = replace(parked, kind="left out", judged=NOBODYS)
    assert (left.may_be_filed, replace(left, too_old=True).may_be_filed, replace(left, judged=SPAM).may_be_filed) == (True, False, False)


def asking(stage: Stage, mailbox: Mailbox) -> Asking:
    return Asking(Connections.of(stage.tools), mailbox, stage.tools.settings, stage.clock.moment)


async def of(stage: Stage, mailbox: Mailbox, gmail_id: str) -> Answer:
    user = await User.get(id=mailbox.user_id).select_related("firm")
    async with asking(stage, mailbox) as gmail:
        return await explain(user, mailbox, await gmail.headers(gmail_id), gmail, stage.tools.settings, stage.clock.moment)


@pytest.mark.parametrize(
    ("sender", "to", "labels"),
    [
        (PAT, EVA, "INBOX"),
        (STRANGER, EVA, "INBOX"),
        (BOB, EVA, "INBOX"),
        ("doctor@clinic.example", EVA, "INBOX"),
        (EVA, STRANGER, "SENT"),
        (PAT, EVA, "SPAM"),
        (PAT, EVA, "TRASH"),
        ("nobody", EVA, "INBOX"),
        ("two@client.example", EVA, "INBOX"),
    ],
)
async def test_what_it_says_live_is_what_the_sync_does(stage: Stage, sender, to, labels):
    eva = await stage.mailbox(EVA)
    await a_user(stage.firm, BOB)
    for _ in range(2):
        await a_client(stage.firm, "", "two@client.example")
    await a_client(stage.firm, "", PAT)
    await never_file.add(stage.firm.id, None, "clinic.example", eva.user_id, stage.clock.moment)
    sent = await stage.mail(eva, a_mail(sender, to), labels)
    headers = await stage.gmail(await stage.held(eva)).headers(sent)
    said = await judge(eva, headers, await rules_of(eva, stage.tools.settings))
    stage.wait(minutes=1)
    await stage.push(eva)
    outcome, reason, _ = await stage.fate(eva, sent)
    assert (outcome, reason) == (("filed", "client") if said.because is None else ("skipped", said.because))
    assert said.in_doubt == (sender == "two@client.example")


async def test_a_contact_that_came_later_makes_a_difference_that_is_told(stage: Stage):
    eva = await stage.mailbox(EVA)
    sent = await stage.mail(eva, a_mail(PAT, EVA))
    await stage.push(eva)
    assert (await of(stage, eva, sent)).kind == "left out"
    await a_client(stage.firm, "Harbour Bakery", PAT)
    answer = await of(stage, eva, sent)
    assert (answer.kind, answer.clients, answer.entry and answer.entry.reason) == ("changed", ("Harbour Bakery",), "no client")


async def test_a_colleagues_copy_is_found_only_if_it_is_the_very_mail(stage: Stage):
    """Scenario 53. A Message-ID alone proves nothing."""
    eva, bob = await stage.mailbox(EVA), await stage.mailbox(BOB)
    await a_client(stage.firm, "Harbour Bakery", PAT)
    mail = a_mail(PAT, f"{EVA}, {BOB}", Message_ID="<one@client.example>")
    await stage.mail(eva, mail)
    await stage.push(eva)
    same = await stage.mail(bob, mail)
    forged = await stage.mail(bob, a_mail(PAT, f"{EVA}, {BOB}", text="Send the money elsewhere.", Message_ID="<one@client.example>"))
    assert [(await of(stage, bob, sent)).kind for sent in (same, forged)] == ["here", "not told"]


async def test_a_mail_is_found_by_each_way_of_naming_it(stage: Stage):
    eva = await stage.mailbox(EVA)
    first = await stage.mail(eva, a_mail(PAT, EVA, "One", Message_ID="<one@client.example>"))
    second = await stage.mail(
        eva, a_mail(PAT, EVA, "Re: One", Message_ID="<two@client.example>", References="<one@client.example>"), "SPAM"
    )
    other = await stage.mail(eva, a_mail("Lee Sample <lee@other.example>", EVA, "Other"), "TRASH")
    noon = stage.clock.moment
    async with asking(stage, eva) as gmail:
        thread = (await gmail.headers(first)).thread_id

        async def ids(asked) -> list[str]:
            return [headers.id for headers in await find(gmail, asked)]

        assert await ids(OneMessage(second)) == [second]
        assert await ids(Conversation(thread)) == [second, first]
        assert await ids(Conversation(second)) == [second]  # an old link, whose id is a message's
        assert await ids(ByMessageId("two@client.example")) == [second]
        assert await ids(FromDay("lee@other.example", noon - timedelta(days=1), noon + timedelta(days=1))) == [other]
        assert await ids(FromDay('Lee "Sample) OR {', noon - timedelta(days=1), noon + timedelta(days=1))) == [other]
        for asked in (OneMessage("abc"), Conversation("abc"), ByMessageId("x@y"), FromDay(PAT, noon, noon + timedelta(days=9))):
            with pytest.raises(MessageMissing):
                await find(gmail, FromDay(PAT, noon + timedelta(days=5), noon + timedelta(days=9)) if isinstance(asked, FromDay) else asked)


async def test_what_google_refuses_is_said_and_remembered(stage: Stage):
    eva = await stage.mailbox(EVA)
    await stage.sandbox.aio.post("faults", kind="status", method="messages.get", code=429, reason="rateLimitExceeded", mailbox=EVA, count=1)
    with pytest.raises(CannotAsk) as caught:
        async with asking(stage, eva) as gmail:
            await gmail.headers("1a")
    assert caught.value.because == "cooling"
    assert caught.value.until
    with pytest.raises(CannotAsk, match="cooling"):  # nobody asks before
        async with asking(stage, eva):
            raise AssertionError
    stage.clock.moment = caught.value.until + timedelta(seconds=1)
    await stage.sandbox.aio.post("faults", kind="status", method="messages.get", code=503, mailbox=EVA, count=1)
    with pytest.raises(CannotAsk, match="no answer"):
        async with asking(stage, eva) as gmail:
            await gmail.headers("1a")


async def test_a_grant_that_is_dead_lapses_when_it_is_asked(stage: Stage):
    eva = await stage.mailbox(EVA)
    await stage.sandbox.aio.post(f"revoke?mailbox={EVA}")
    with pytest.raises(CannotAsk, match="stopped"):
        async with asking(stage, eva) as gmail:
            await gmail.headers("1a")
    assert (await Mailbox.get(id=eva.id)).state == "lapsed"
