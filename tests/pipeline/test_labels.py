"""Gmail's labels decide what is filed, and they change: drafts that are sent, mail that is scheduled, mail that is rescued from spam."""

import itertools
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest

from models.activities import Activity
from models.emails import Email
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from tests.builders import a_client, a_mail
from tests.pipeline.stage import Stage

PAT = "pat@client.example"
SAVES = 6
LOOKS = ("push", "old push", "sweep", "half a minute", "two minutes")
UNDER_WAY = ("/history?", "format=metadata")  # an answer of Google's after which a draft is saved, or sent, before we have heard it


async def eva_and_client(stage: Stage, *, file_all_sent: bool = True):
    stage.firm.file_all_sent = file_all_sent
    await stage.firm.save()
    return await stage.mailbox(), await a_client(stage.firm, "", PAT)


async def until_nothing_is_owed(stage: Stage) -> None:
    """No push any more: only what the rows say."""
    for _ in range(4):
        await stage.time_passes(120)
        for mailbox_id in await stage.pending():
            await stage.sweep(await Mailbox.get(id=mailbox_id))


# Drafts


class Writer:
    """Somebody writes to Pat, and Gmail saves what is there every few words; then it is sent."""

    def __init__(self, stage: Stage, mailbox: Mailbox, *, same_id: bool) -> None:
        self._stage, self._mailbox, self._same_id = stage, mailbox, same_id
        self._draft: str | None = None
        self.steps, self.sent = 0, ""

    async def goes_on(self) -> None:
        google, address = self._stage.sandbox.aio, self._mailbox.address
        self.steps += 1
        if self.steps <= SAVES:
            words = a_mail(address, PAT, "Offer", f"{self.steps} words", Message_ID="<offer@sample.test>")
            self._draft = (await google.draft(address, words.as_bytes(), self._draft))["draft"]
        else:
            self.sent = str((await google.post(f"drafts/{address}/{self._draft}/send", same_id=self._same_id))["id"])


async def look(stage: Stage, mailbox: Mailbox, how: str) -> None:
    match how:
        case "push":
            await stage.push(mailbox)
        case "old push":
            await stage.push(mailbox, int(mailbox.cursor))
        case "sweep":
            await stage.sweep(mailbox)
        case "half a minute":
            stage.wait(seconds=30)
        case "two minutes":
            stage.wait(minutes=2)


@pytest.mark.parametrize("file_all_sent", [True, False])
@pytest.mark.parametrize("same_id", [True, False])
@pytest.mark.parametrize("seed", range(6))
async def test_of_a_draft_saved_six_times_and_sent_only_the_sent_mail_is_filed_wherever_the_looks_fall(stage, file_all_sent, same_id, seed):
    """Scenario 41. Gmail gives the sent mail another id or the draft's own; looks fall between the saves, and saves into looks."""
    chance = random.Random(seed)
    eva, client = await eva_and_client(stage, file_all_sent=file_all_sent)
    writer = Writer(stage, eva, same_id=same_id)
    for number in range(SAVES + 1):
        under_way = chance.choice((None, None, *UNDER_WAY))
        if under_way:
            stage.wire.after(under_way, writer.goes_on)
        else:
            await writer.goes_on()
        for how in chance.choices(LOOKS, k=chance.randrange(3)):
            await look(stage, eva, how)
            assert writer.sent or not await Email.all().exists()
        stage.wire.forget()
        if writer.steps == number:  # nothing was asked of Google meanwhile
            await writer.goes_on()
    await look(stage, eva, chance.choice(("push", "sweep")))
    await until_nothing_is_owed(stage)
    fates = await LedgerEntry.filter(mailbox=eva).exclude(gmail_id=writer.sent).values_list("outcome", "reason")
    assert set(fates) <= {("skipped", "draft"), ("gone", "deleted"), ("gone", "missing")}
    assert await stage.fate(eva, writer.sent) == (("filed", "client", False) if file_all_sent else ("skipped", "outgoing", False))
    filed = await Activity.filter(client=client).values_list("email__text", "email__outgoing", "status")
    assert filed == ([(f"{SAVES} words\n", True, "filed")] if file_all_sent else [])


# Scheduled sends. How Gmail shows them is not documented: docs/google.md, What we do not know.

WAITS = timedelta(days=4)


async def sent_as_another(stage: Stage, address: str, draft: str) -> str:
    return str((await stage.sandbox.aio.send_draft(address, draft))["id"])


async def sent_as_itself(stage: Stage, address: str, draft: str) -> str:
    return str((await stage.sandbox.aio.post(f"drafts/{address}/{draft}/send", same_id=True))["id"])


Send = Callable[[Stage, str, str], Awaitable[str]]
WAYS: dict[str, tuple[Send, timedelta]] = {  # and how long after it was written its Date says that it was sent
    "another id, Date of when it was written": (sent_as_another, timedelta(0)),
    "another id, Date of when it was sent": (sent_as_another, WAITS),
    "the same id, Date of when it was sent": (sent_as_itself, WAITS),
}


async def scheduled(stage: Stage, address: str, way: str) -> tuple[str, str]:
    """The draft, and its message."""
    written = a_mail(address, PAT, "Happy new quarter", Date=format_datetime(stage.clock.moment + WAYS[way][1]))
    draft = (await stage.sandbox.aio.draft(address, written.as_bytes()))["draft"]
    return draft, (await stage.sandbox.aio.post(f"drafts/{address}/{draft}/schedule"))["id"]


def is_about(moment: datetime, other: datetime) -> bool:
    return abs(moment - other) < timedelta(minutes=1)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("file_all_sent", [True, False])
async def test_a_scheduled_mail_is_nothing_until_it_is_sent_and_carries_the_time_at_which_it_was(stage, way, file_all_sent):
    """Scenario 42."""
    eva, client = await eva_and_client(stage, file_all_sent=file_all_sent)
    due = stage.clock.moment + WAITS
    draft, waiting = await scheduled(stage, eva.address, way)
    await stage.push(eva)
    assert await stage.fate(eva, waiting) == ("skipped", "scheduled", False)
    await stage.mail(eva, a_mail(subject="Newer"))
    await stage.push(eva)
    await until_nothing_is_owed(stage)
    assert await stage.filed(client) == ["Newer"]
    assert (await Mailbox.get(id=eva.id)).cursor == await stage.head(eva)

    await stage.time_passes((due - stage.clock.moment).total_seconds())
    sent = await WAYS[way][0](stage, eva.address, draft)
    await stage.push(eva)
    await until_nothing_is_owed(stage)
    if file_all_sent:
        activity = await Activity.get(email__subject="Happy new quarter").select_related("email")
        assert (activity.status, activity.email.outgoing, activity.client_id) == ("filed", True, client.id)
        assert is_about(activity.sent_at, due)
    else:
        assert await stage.fate(eva, sent) == ("skipped", "outgoing", False)
        assert await stage.filed(client) == ["Newer"]


async def test_a_mail_that_is_no_longer_scheduled_is_judged_again_whatever_else_changes(stage):
    """Scenario 42. Should Gmail have called it sent all the time."""
    eva, client = await eva_and_client(stage)
    waiting = await stage.mail(eva, a_mail(eva.address, PAT, "Later"), labels="SENT,SCHEDULED")
    await stage.push(eva)
    assert await stage.fate(eva, waiting) == ("skipped", "scheduled", False)
    await stage.sandbox.aio.labels(eva.address, waiting, remove=("SCHEDULED",))
    await stage.push(eva)
    assert await stage.filed(client) == ["Later"]


@pytest.mark.parametrize("way", WAYS)
async def test_what_was_scheduled_before_the_mailbox_was_connected_and_sent_afterwards_is_not_old(stage, way):
    """Scenarios 40, 42."""
    await stage.sandbox.aio.account("eva@sample.test")
    draft, _ = await scheduled(stage, "eva@sample.test", way)
    await stage.time_passes(WAITS.total_seconds() / 2)
    eva, client = await eva_and_client(stage)
    await stage.time_passes(WAITS.total_seconds() / 2)
    await WAYS[way][0](stage, eva.address, draft)
    await stage.push(eva)
    assert await stage.filed(client) == ["Happy new quarter"]


async def test_an_absurd_date_of_our_own_is_not_when_a_mail_was_sent(stage):
    """Scenarios 42, 108."""
    eva, client = await eva_and_client(stage)
    for date in ("Fri, 31 Dec 2049 10:00:00 +0000", "no date"):
        await stage.mail(eva, a_mail(eva.address, PAT, Date=date), labels="SENT")
    await stage.push(eva)
    assert [is_about(activity.sent_at, stage.clock.moment) for activity in await Activity.filter(client=client)] == [True, True]


# Spam and trash


async def moved(stage: Stage, mailbox: Mailbox, gmail_id: str, *, to: str, off: str) -> None:
    await stage.sandbox.aio.labels(mailbox.address, gmail_id, add=(to,), remove=(off,))


@pytest.mark.parametrize("told", ["push", "sweep"])
@pytest.mark.parametrize("place", ["SPAM", "TRASH"])
async def test_mail_that_comes_into_spam_or_trash_is_filed_once_it_is_moved_to_the_inbox(stage, place, told):
    """Scenario 43."""
    eva, client = await eva_and_client(stage)
    sent = await stage.mail(eva, a_mail(subject="Rescued"), labels=f"{place},UNREAD")
    await look(stage, eva, told)
    await until_nothing_is_owed(stage)
    assert await stage.fate(eva, sent) == ("skipped", place.lower(), False)
    assert (await Email.all().count(), await stage.looks(eva, "full")) == (0, [])

    await moved(stage, eva, sent, to="INBOX", off=place)
    await look(stage, eva, told)
    await until_nothing_is_owed(stage)
    assert await stage.filed(client) == ["Rescued"]
    assert await stage.fate(eva, sent) == ("filed", "client", False)


@pytest.mark.parametrize("place", ["SPAM", "TRASH"])
@pytest.mark.parametrize("looked", list(itertools.product([True, False], repeat=3)))
async def test_mail_that_goes_to_and_fro_and_ends_in_the_inbox_is_one_activity(stage, place, looked):
    """Scenario 43. Whichever of the moves a look sees."""
    eva, client = await eva_and_client(stage)
    sent = await stage.mail(eva, a_mail(subject="To and fro"), labels=place)
    for seen, (to, off) in zip(looked, [("INBOX", place), (place, "INBOX"), ("INBOX", place)], strict=True):
        if seen:
            await stage.push(eva)
        await moved(stage, eva, sent, to=to, off=off)
    await stage.push(eva)
    await until_nothing_is_owed(stage)
    assert await Activity.filter(client=client).values_list("email__subject", "status") == [("To and fro", "filed")]


@pytest.mark.parametrize("at", UNDER_WAY)
@pytest.mark.parametrize("place", ["SPAM", "TRASH"])
async def test_mail_that_is_rescued_while_we_look_is_not_lost(stage, place, at):
    """Scenario 43. Google has just shown it in spam; no push tells of the move."""
    eva, client = await eva_and_client(stage)
    sent = await stage.mail(eva, a_mail(subject="Just in time"), labels=place)
    stage.wire.after(at, lambda: moved(stage, eva, sent, to="INBOX", off=place))
    await stage.push(eva)
    assert await stage.filed(client) == (["Just in time"] if at == "/history?" else [])
    await until_nothing_is_owed(stage)
    assert await stage.filed(client) == ["Just in time"]
    assert await stage.fate(eva, sent) == ("filed", "client", False)
