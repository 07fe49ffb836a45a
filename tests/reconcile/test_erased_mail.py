"""What a person dismissed, a day later: no word of it is left anywhere, and nothing brings it back."""

from datetime import datetime, timedelta
from typing import Any

import pytest

import settings
from models.activities import Activity, Review
from models.decisions import dismiss, file_under, undo
from models.emails import Attachment, Email, Participant, Receipt
from models.firms import User
from models.mailboxes import Mailbox
from models.sweeps import Sweep
from models.verdicts import Seen, TooLate
from pipeline.recover import recover
from reconcile import clock
from tests.builders import a_client, a_mail, a_user
from tests.pipeline.stage import Stage
from tests.pipeline.test_withdrawal import holding

WORDS = ["wordinsubject", "wordintext", "wordinname", "wordinfrom", "wordincopy", "wordinfile", "wordinheader", "wordinnote"]
PAT, LEE = "wordinfrom@client.example", "wordincopy@other.example"
EVA, BOB = "eva@sample.test", "bob@sample.test"
DAY = timedelta(days=1)


class Nobody:
    """A queue that holds nothing and takes everything: what is queued is somebody else's."""

    async def waiting(self, name: str) -> int:
        return 0

    async def send(self, job: str, *arguments: Any) -> None:
        return None


def a_worded_mail() -> bytes:
    """With a word of its own in all that is kept of it; one and the same for whoever receives it."""
    mail = a_mail(
        f"Wordinname <{PAT}>",
        f"{EVA}, {BOB}",
        "Wordinsubject",
        "A wordintext.",
        Cc=LEE,
        Message_ID="<whose@client.example>",
        Date="Tue, 03 Nov 2026 09:00:00 +0000",
        X_Sample="wordinheader",
    )
    mail.add_alternative("<p>A <b>wordintext</b>.</p>", subtype="html")
    mail.add_attachment(b"sample", maintype="application", subtype="pdf", filename="wordinfile.pdf")
    return mail.as_bytes()


async def comes(stage: Stage, mailbox: Mailbox) -> str:
    sent = await stage.mail(mailbox, a_worded_mail())
    await stage.push(mailbox)
    return sent


async def dismissed(stage: Stage) -> User:
    """A person says that it is no client's mail; somebody had written something on it."""
    robin, email = await a_user(stage.firm), await Email.get()
    await Activity.all().update(title="Wordinnote", note="wordinnote")
    await dismiss(robin, Seen(email.id, email.version), stage.clock.moment)
    return robin


async def an_interval_passes(stage: Stage, after: timedelta) -> None:
    """The reconcile process closes a sweep's interval at that moment."""
    stage.clock.moment += after
    await Sweep.all().delete()
    opened = stage.clock.moment - timedelta(hours=1)
    for moment in (opened, stage.clock.moment):
        await clock.tick(settings.load(), at(moment), Nobody())


def at(moment: datetime) -> clock.Clock:
    async def told() -> datetime:
        return moment

    return told


@pytest.fixture
async def clients(stage: Stage) -> list[int]:
    """The mail's sender is a contact of the first alone, the one in copy of all."""
    first, *others = [await a_client(stage.firm, "", LEE) for _ in range(3)]
    return [first.id, *(client.id for client in others)]


@pytest.mark.parametrize("certain", [True, False])
async def test_a_day_after_it_was_dismissed_no_word_of_a_mail_is_left_in_the_database(
    stage: Stage, clients: list[int], certain: bool
) -> None:
    """Scenario 71. Subject, text, names, addresses, headers, files, reasons, and what a person wrote on it."""
    if certain:
        await a_client(stage.firm, "", PAT)
    eva = await stage.mailbox(EVA)
    await comes(stage, eva)
    assert await Review.all().count() == 1
    await dismissed(stage)
    stored = {word: await holding(word) for word in WORDS}
    assert all(stored.values())

    await an_interval_passes(stage, DAY - timedelta(minutes=1))
    assert {word: await holding(word) for word in WORDS} == stored, "a day is a day"
    await an_interval_passes(stage, timedelta(minutes=1))
    contacts = {word: [table for table in await holding(word) if table not in ("contact", "contact_address")] for word in WORDS}
    assert contacts == {word: [] for word in WORDS}
    assert (await Email.get()).erased_at == stage.clock.moment


async def test_a_colleagues_copy_of_what_was_erased_is_not_filed_asked_about_or_stored(stage: Stage, clients: list[int]) -> None:
    """Scenario 71. Nor is the first one, seen again: pushed, listed by date, with more contacts in the directory."""
    await a_client(stage.firm, "", PAT)
    eva, bob = await stage.mailbox(EVA), await stage.mailbox(BOB)
    hers = await comes(stage, eva)
    await dismissed(stage)
    await an_interval_passes(stage, DAY)
    before = await Email.get()

    his = await comes(stage, bob)
    await a_client(stage.firm, "", PAT, LEE)
    for add, remove in ((("TRASH",), ()), ((), ("TRASH",))):
        await stage.time_passes(3600)
        await stage.sandbox.aio.labels(eva.address, hers, add, remove)
        await stage.push(eva)
    await stage.sandbox.aio.fault("history_expired")
    await stage.sweep(eva)
    await recover(eva.id, "trace", stage.tools)

    email = await Email.get()
    names = ("identity", "version", "dismissed_at", "erased_at", "subject", "text", "html", "headers")
    assert [getattr(email, name) for name in names] == [getattr(before, name) for name in names]
    assert (email.text, email.subject) == ("", "")
    assert [await table.all().count() for table in (Participant, Attachment)] == [0, 0]
    assert set(await Activity.all().values_list("status", "reason")) == {("dismissed", "")}
    assert await Review.filter(decided_at=None).count() == 0
    assert {receipt.gmail_id for receipt in await Receipt.all()} == {hers, his}
    assert await holding("wordintext") == []


async def test_what_was_had_back_in_time_is_not_erased(stage: Stage, clients: list[int]) -> None:
    """Scenario 71."""
    await comes(stage, await stage.mailbox(EVA))
    robin = await dismissed(stage)
    await an_interval_passes(stage, DAY - timedelta(minutes=1))
    email = await Email.get()
    await undo(robin, Seen(email.id, email.version), stage.clock.moment)
    await an_interval_passes(stage, 10 * DAY)
    email = await Email.get()
    assert [email.subject, email.text, email.erased_at] == ["Wordinsubject", "A wordintext.\n", None]
    assert await Activity.filter(status="review", title="Wordinnote").count() == 1


async def test_what_is_erased_cannot_be_had_back(stage: Stage, clients: list[int]) -> None:
    """Scenario 71. Whoever tries is told that it is too late, and nothing of it is shown anywhere."""
    await comes(stage, await stage.mailbox(EVA))
    robin = await dismissed(stage)
    await an_interval_passes(stage, DAY)
    email = await Email.get()
    seen = Seen(email.id, email.version)
    for tried in (undo(robin, seen, stage.clock.moment), file_under(robin, seen, clients[0], stage.clock.moment)):
        with pytest.raises(TooLate):
            await tried
    assert await Activity.exclude(status="dismissed").count() == 0


async def test_how_long_a_dismissed_mail_can_be_had_back_is_a_setting(stage: Stage, clients: list[int]) -> None:
    await comes(stage, await stage.mailbox(EVA))
    await dismissed(stage)
    told = settings.load()
    hour = told.model_copy(update={"privacy": told.privacy.model_copy(update={"undo": timedelta(hours=1)})})
    await Sweep.all().delete()
    for minutes in (30, 61):
        await clock.tick(hour, at(stage.clock.moment + timedelta(minutes=minutes)), Nobody())
    assert (await Email.get()).text == ""
