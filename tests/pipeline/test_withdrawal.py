"""Mail that its owner put away right after it came: not filed, or taken back with every trace of its text. What is put away later stays."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest

from gmail.client import Gmail
from models.activities import Activity, Review
from models.database import connection
from models.emails import Attachment, Email, Participant, Receipt
from models.firms import User
from models.leases import release
from models.ledger import Debt, LedgerEntry, record, record_listed
from models.mailboxes import Mailbox
from pipeline.file import file_owed
from pipeline.recover import recover
from tests.builders import a_client, a_mail, a_mailbox, a_user
from tests.gmail.google import Google, a_google, a_message
from tests.pipeline.stage import Killed, Stage, killed
from tests.pipeline.test_pages import Anybody

PLACES = {"trash": "TRASH", "spam": "SPAM"}
WAYS = ["trash", "spam", "deleted"]
INTERVAL = 600  # seconds
DAY = 86_400


@pytest.fixture
async def eva(stage: Stage) -> Mailbox:
    return await stage.mailbox()


@pytest.fixture
async def client(stage: Stage):
    return await a_client(stage.firm, "", "pat@client.example")


async def put_away(stage: Stage, mailbox: Mailbox, gmail_id: str, way: str) -> None:
    if way == "deleted":
        await stage.sandbox.aio.delete(mailbox.address, gmail_id)
    else:
        await stage.sandbox.aio.labels(mailbox.address, gmail_id, add=(PLACES[way],), remove=("INBOX",))


async def brought_back(stage: Stage, mailbox: Mailbox, gmail_id: str, way: str) -> None:
    await stage.sandbox.aio.labels(mailbox.address, gmail_id, add=("INBOX",), remove=(PLACES[way],))


async def look(stage: Stage, mailbox: Mailbox, told: str) -> None:
    await (stage.push(mailbox) if told == "push" else stage.sweep(mailbox))


async def filed(stage: Stage, mailbox: Mailbox, subject: str = "Figures") -> str:
    """A mail that came and was filed at once."""
    sent = await stage.mail(mailbox, a_mail(subject=subject))
    await stage.push(mailbox)
    assert await stage.fate(mailbox, sent) == ("filed", "client", False)
    return sent


async def text_is_left() -> bool:
    return any([await table.all().exists() for table in (Email, Receipt, Participant, Attachment, Activity, Review)])


# Put away at once


@pytest.mark.parametrize("told", ["push", "sweep"])
@pytest.mark.parametrize("way", WAYS)
async def test_mail_that_is_put_away_before_the_first_look_is_not_filed(stage, eva, client, way, told):
    """Scenario 44. Its content is never asked for."""
    sent = await stage.mail(eva, a_mail())
    await put_away(stage, eva, sent, way)
    await look(stage, eva, told)
    assert await stage.fate(eva, sent) == (("gone", "deleted", False) if way == "deleted" else ("skipped", way, False))
    assert (await stage.looks(eva, "full"), await text_is_left()) == ([], False)


@pytest.mark.parametrize("at", ["format=metadata", "format=full"])
@pytest.mark.parametrize("way", WAYS)
async def test_mail_that_is_put_away_while_we_look_is_not_kept(stage, eva, client, way, at):
    """Scenarios 44, 130. After the next sync nothing is left of it, whichever answer Google had just given."""
    sent = await stage.mail(eva, a_mail())
    stage.wire.after(at, lambda: put_away(stage, eva, sent, way))
    await stage.push(eva)
    await stage.time_passes(30)
    await stage.push(eva)
    assert not await text_is_left()
    outcome, reason, owed = await stage.fate(eva, sent)
    assert (outcome in ("skipped", "withdrawn", "gone"), reason, owed) == (True, way, False)


@pytest.mark.parametrize("told", ["push", "sweep"])
@pytest.mark.parametrize("way", WAYS)
async def test_mail_that_is_put_away_seconds_after_it_was_filed_is_withdrawn(stage, eva, client, way, told):
    """Scenarios 44, 130."""
    sent = await filed(stage, eva)
    kept = await filed(stage, eva, "Kept")
    await stage.time_passes(20)
    await put_away(stage, eva, sent, way)
    await look(stage, eva, told)
    assert await stage.fate(eva, sent) == ("withdrawn", way, False)
    assert await stage.fate(eva, kept) == ("filed", "client", False)
    assert await stage.filed(client) == ["Kept"]
    assert [email.subject for email in await Email.all()] == ["Kept"]


async def holding(word: str) -> list[str]:
    """The tables in which that word is anywhere."""
    async with connection() as held:
        tables = [row["tablename"] for row in await held.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")]
        rows = await held.fetch(
            " UNION ALL ".join(f"SELECT '{table}' AS name WHERE EXISTS (SELECT FROM {table} t WHERE t::text ILIKE $1)" for table in tables),
            f"%{word}%",
        )
    return [row["name"] for row in rows]


@pytest.mark.parametrize("clients", [1, 2])
@pytest.mark.parametrize("told", ["push", "sweep"])
@pytest.mark.parametrize("way", WAYS)
async def test_of_a_reply_trashed_twenty_seconds_after_it_came_no_word_is_left_in_the_database(stage, eva, way, told, clients):
    """Scenario 130. Subject, text, addresses, names, files; and no colleague is asked about it."""
    for _ in range(clients):
        await a_client(stage.firm, "", "pat@client.example")
    await a_user(stage.firm, "bob@sample.test")
    words = ["wordinsubject", "wordintext", "wordinname", "wordincopy", "wordinfile", "wordinmessageid", "wordinheader"]
    mail = a_mail(
        "Wordinname <pat@client.example>",
        subject="Wordinsubject",
        text="A wordintext.",
        Cc="wordincopy@elsewhere.example",
        Message_ID="<wordinmessageid@client.example>",
        X_Sample="wordinheader",
    )
    mail.add_alternative("<p>A <b>wordintext</b>.</p>", subtype="html")
    mail.add_attachment(b"sample", maintype="application", subtype="pdf", filename="wordinfile.pdf")
    sent = await stage.mail(eva, mail)
    await stage.push(eva)
    assert all([await holding(word) for word in words])
    assert await Review.filter(decided_at=None).count() == clients - 1

    await stage.time_passes(20)
    await put_away(stage, eva, sent, way)
    await look(stage, eva, told)
    assert {word: await holding(word) for word in words} == {word: [] for word in words}
    assert (await Review.all(), await text_is_left()) == ([], False)
    assert await holding(sent) == ["ledger_entry"]


# Put away later


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_put_away_later_than_an_interval_after_it_came_stays_as_a_push_tells(stage, eva, client, way):
    """Scenario 44."""
    sent = await filed(stage, eva)
    await stage.time_passes(INTERVAL + 40)
    await put_away(stage, eva, sent, way)
    await stage.push(eva)
    assert await stage.fate(eva, sent) == ("filed", "client", False)
    assert await stage.filed(client) == ["Figures"]


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_put_away_later_than_an_interval_after_it_came_stays_as_the_sweep_sees(stage, eva, client, way):
    """Scenario 44. The sweep has seen it in its place when the interval was over."""
    sent = await filed(stage, eva)
    await stage.time_passes(INTERVAL + 10)
    await stage.sweep(eva)
    await stage.time_passes(10)
    await put_away(stage, eva, sent, way)
    await stage.time_passes(60)
    await stage.sweep(eva)
    assert await stage.fate(eva, sent) == ("filed", "client", False)
    assert await stage.filed(client) == ["Figures"]


@pytest.mark.parametrize("way", WAYS)
async def test_what_no_push_told_was_put_away_at_once_the_sweep_withdraws(stage, eva, client, way):
    """Scenarios 44, 130."""
    sent = await filed(stage, eva)
    await stage.time_passes(20)
    await put_away(stage, eva, sent, way)
    await stage.time_passes(INTERVAL - 10)
    await stage.sweep(eva)
    assert await stage.fate(eva, sent) == ("withdrawn", way, False)
    assert not await text_is_left()


@pytest.mark.parametrize("told", ["push", "sweep"])
@pytest.mark.parametrize("way", WAYS)
async def test_what_is_put_away_while_we_are_down_for_two_days_stays(stage, eva, client, way, told):
    """Scenario 44. Nobody knows whether it was put away at once: what a client's page showed for two days does not vanish."""
    sent = await filed(stage, eva)
    await stage.time_passes(DAY)
    await put_away(stage, eva, sent, way)
    await stage.time_passes(DAY)
    await look(stage, eva, told)
    assert await stage.fate(eva, sent) == ("filed", "client", False)
    assert await stage.filed(client) == ["Figures"]


@pytest.mark.parametrize("told", ["push", "sweep"])
@pytest.mark.parametrize("trouble", ["Google fails", "worker dies"])
async def test_trouble_between_learning_of_it_and_looking_does_not_make_it_stay(stage, eva, client, trouble, told):
    """Scenario 130. It is judged by what was known when we were told: looks since then saw nothing of it in its place."""
    sent = await filed(stage, eva)
    await stage.time_passes(20)
    await put_away(stage, eva, sent, "trash")
    await stage.time_passes(INTERVAL - 10 if told == "sweep" else 0)
    if trouble == "worker dies":
        stage.wire.after("format=metadata", killed)
        with pytest.raises(Killed):
            await look(stage, eva, told)
    else:
        await stage.sandbox.aio.fault("status", method="messages.get", code=503, reason="backendError")
        await look(stage, eva, told)
        await stage.time_passes(INTERVAL / 2)
        await stage.sweep(eva)
        await stage.sandbox.aio.clear_faults()
    assert await stage.fate(eva, sent) == ("filed", "client", True)
    await stage.time_passes(INTERVAL / 2)
    await stage.sweep(eva)
    assert await stage.fate(eva, sent) == ("withdrawn", "trash", False)
    assert not await text_is_left()


# Brought back


@pytest.mark.parametrize("way", PLACES)
async def test_what_is_brought_back_is_filed_again_as_one_activity(stage, eva, client, way):
    """Scenarios 43, 44."""
    sent = await filed(stage, eva)
    for _ in range(3):
        await put_away(stage, eva, sent, way)
        await stage.push(eva)
        assert await stage.fate(eva, sent) == ("withdrawn", way, False)
        await stage.time_passes(20)
        await brought_back(stage, eva, sent, way)
        await stage.push(eva)
        assert await stage.fate(eva, sent) == ("filed", "client", False)
    assert await Activity.filter(client=client).values_list("email__subject", "status") == [("Figures", "filed")]
    assert (await Email.all().count(), await Receipt.all().count(), await Participant.all().count()) == (1, 1, 2)


async def test_what_was_put_away_late_and_brought_back_is_one_activity(stage, eva, client):
    """Scenario 43."""
    sent = await filed(stage, eva)
    (before,) = await Activity.all().values_list("id", flat=True)
    await stage.time_passes(DAY)
    for move in (put_away, brought_back):
        await move(stage, eva, sent, "trash")
        await stage.push(eva)
    assert await Activity.all().values_list("id", flat=True) == [before]


# A person's word


async def approves(activity: Activity, user: User) -> None:
    await Activity.filter(id=activity.id).update(decided_by_id=user.id, status="filed")


async def dismisses(activity: Activity, user: User) -> None:
    await Activity.filter(id=activity.id).update(decided_by_id=user.id, decided_at=activity.filed_at, status="dismissed")


async def gives_a_title(activity: Activity, user: User) -> None:
    await Activity.filter(id=activity.id).update(title="A title")


async def writes_a_note(activity: Activity, user: User) -> None:
    await Activity.filter(id=activity.id).update(note="")


async def makes_it_private(activity: Activity, user: User) -> None:
    await Activity.filter(id=activity.id).update(private=True)


async def answers_the_question(activity: Activity, user: User) -> None:
    assert await Review.filter(email_id=activity.email_id).update(decided_at=activity.filed_at) == 1


SAYS = [approves, dismisses, gives_a_title, writes_a_note, makes_it_private, answers_the_question]


@pytest.mark.parametrize("says", SAYS)
@pytest.mark.parametrize("way", WAYS)
async def test_what_a_person_has_said_something_about_stays(stage, eva, way, says: Callable[[Activity, User], Awaitable[None]]):
    """Scenario 44. Also if only one of its activities was touched; the ledger keeps saying that it is filed."""
    for _ in range(2):
        await a_client(stage.firm, "", "pat@client.example")
    await a_client(stage.firm, "Certain", "lee@other.example")
    sent = await stage.mail(eva, a_mail(subject="Figures", Cc="lee@other.example"))
    await stage.push(eva)
    activity = await Activity.get(status="review")
    await says(activity, await User.get(id=eva.user_id))
    await put_away(stage, eva, sent, way)
    await stage.push(eva)
    assert await stage.fate(eva, sent) == ("filed", "client", False)
    assert (await Activity.all().count(), await Email.all().count()) == (2, 1)
    assert await Receipt.all().values_list("mailbox_id", "gmail_id") == [(eva.id, sent)]


# Colleagues


@pytest.mark.parametrize("clients", [1, 2])
@pytest.mark.parametrize("ways", [("trash", "trash"), ("spam", "deleted"), ("deleted", "trash")])
async def test_what_a_colleague_still_has_stays_until_he_puts_it_away_too(stage, eva, ways, clients):
    """Scenarios 44, 50, 130. His receipt is the only one then, and the question is still asked."""
    for _ in range(clients):
        await a_client(stage.firm, "", "pat@client.example")
    bob = await stage.mailbox("bob@sample.test")
    mail = a_mail(to="eva@sample.test, bob@sample.test", subject="To both")
    his, hers = await stage.mail(bob, mail), await stage.mail(eva, mail)
    await asyncio.gather(stage.push(bob), stage.push(eva))
    await put_away(stage, eva, hers, ways[0])
    await stage.push(eva)
    assert await stage.fate(eva, hers) == ("withdrawn", ways[0], False)
    assert await Receipt.all().values_list("mailbox_id", "gmail_id") == [(bob.id, his)]
    assert [activity.email.subject for activity in await Activity.all().select_related("email")] == ["To both"]
    assert await Review.filter(decided_at=None).count() == clients - 1
    await put_away(stage, bob, his, ways[1])
    await stage.push(bob)
    assert await stage.fate(bob, his) == ("withdrawn", ways[1], False)
    assert not await text_is_left()


async def test_of_two_copies_in_one_mailbox_the_one_that_is_left_keeps_the_mail(stage, eva, client):
    """Scenarios 44, 47."""
    note = a_mail(eva.address, eva.address, "Note", Cc="pat@client.example")
    copies = [await stage.mail(eva, note, labels=labels) for labels in ("SENT", "INBOX")]
    await stage.push(eva)
    await put_away(stage, eva, copies[1], "trash")
    await stage.push(eva)
    assert await stage.filed(client) == ["Note"]
    await put_away(stage, eva, copies[0], "trash")
    await stage.push(eva)
    assert not await text_is_left()


async def test_both_put_it_away_at_once_and_nothing_is_left(stage, client):
    """Scenarios 44, 130. Over the whole recipe; tests/models/test_withdrawal.py forces every order."""
    team = [await stage.mailbox(address) for address in ("ann@sample.test", "ben@sample.test", "cem@sample.test")]
    mails = [a_mail(subject=f"Mail {number}") for number in range(5)]
    ids = [[await stage.mail(mailbox, mail) for mail in mails] for mailbox in team]
    await asyncio.gather(*(stage.push(mailbox) for mailbox in team))
    assert await Receipt.all().count() == 15
    for mailbox, held in zip(team, ids, strict=True):
        for gmail_id in held:
            await put_away(stage, mailbox, gmail_id, "trash")
    await asyncio.gather(*(stage.push(mailbox) for mailbox in team))
    assert not await text_is_left()
    assert await LedgerEntry.filter(outcome="withdrawn", owed_at=None).count() == 15


# A withdrawal stands


@pytest.mark.parametrize("way", WAYS)
async def test_no_sync_that_comes_later_undoes_a_withdrawal(stage, eva, client, way):
    """Scenarios 13, 44. The same history again, the sweep, a gap's listing."""
    sent = await filed(stage, eva)
    await put_away(stage, eva, sent, way)
    await stage.push(eva)
    asked = await stage.looks(eva)
    for told in ("push", "sweep", "push"):
        await Mailbox.filter(id=eva.id).update(cursor=eva.cursor, head=None)
        await look(stage, eva, told)
        stage.wait_to_settle()
    await stage.sandbox.aio.fault("history_expired")
    await stage.sweep(eva)
    await recover(eva.id, "trace", stage.tools)
    assert await stage.looks(eva) == asked
    assert await stage.fate(eva, sent) == ("withdrawn", way, False)
    assert not await text_is_left()


async def test_a_search_of_gmails_that_lags_brings_nothing_back(stage, eva, client):
    """Scenario 44. It lists what is in trash by now: the message itself says so."""
    sent = await filed(stage, eva)
    await put_away(stage, eva, sent, "trash")
    await stage.push(eva)
    async with connection() as held:
        await record_listed(held, eva.id, [sent], "audit", stage.clock.moment)
    await stage.sweep(eva)
    assert await stage.fate(eva, sent) == ("skipped", "trash", False)
    assert not await text_is_left()


@pytest.fixture
async def google() -> AsyncIterator[Google]:
    async with a_google() as running:
        yield running


@pytest.fixture
async def mailbox(stage: Stage, client) -> Mailbox:
    return await a_mailbox(await a_user(stage.firm), at=stage.clock.moment)


async def shown(stage: Stage, mailbox: Mailbox, google: Google, history_id: int, label: str) -> tuple[str | None, str | None, bool]:
    """The message m1 as a server of Gmail's shows it, which may lag; what becomes of it."""
    received = int(stage.clock.moment.timestamp() * 1000)
    google.answers(a_message(("From", "pat@client.example"), historyId=str(history_id), labelIds=[label], internalDate=str(received)))
    async with aiohttp.ClientSession() as session:
        taken = await stage.held(mailbox)
        await file_owed(taken, Gmail(session, google.url).mailbox(Anybody(), 1), stage.tools)
        await release(taken, stage.tools.limits.settle)
    return await stage.fate(mailbox, "m1")


async def changed(stage: Stage, mailbox: Mailbox, history_id: int) -> None:
    async with connection() as held:
        await record(held, mailbox.id, [Debt("m1", history_id, "look")], "push", stage.clock.moment)


async def test_an_older_view_of_gmails_never_brings_back_what_was_withdrawn(stage, mailbox, google):
    """Scenarios 44, 119. However often it is shown; the view that has the change does."""
    await changed(stage, mailbox, 100)
    assert await shown(stage, mailbox, google, 100, "INBOX") == ("filed", "client", False)
    await changed(stage, mailbox, 120)
    assert await shown(stage, mailbox, google, 120, "TRASH") == ("withdrawn", "trash", False)
    await changed(stage, mailbox, 140)
    for _ in range(3):
        assert (await shown(stage, mailbox, google, 110, "INBOX"))[0::2] == ("withdrawn", True)
        assert not await text_is_left()
        stage.wait(minutes=5)
    assert await shown(stage, mailbox, google, 140, "INBOX") == ("filed", "client", False)


async def test_an_older_view_of_gmails_does_not_hide_that_a_filed_message_was_put_away(stage, mailbox, google):
    """Scenarios 119, 130. History tells of the trash, the message's server does not know of it yet."""
    await changed(stage, mailbox, 100)
    await shown(stage, mailbox, google, 100, "INBOX")
    await changed(stage, mailbox, 120)
    assert await shown(stage, mailbox, google, 100, "INBOX") == ("filed", "client", True)
    stage.wait(seconds=30)
    assert await shown(stage, mailbox, google, 120, "TRASH") == ("withdrawn", "trash", False)
    assert not await text_is_left()


async def test_a_server_that_never_learns_of_a_change_is_asked_no_more_and_what_is_filed_stays(stage, mailbox, google):
    """Scenario 119."""
    await changed(stage, mailbox, 100)
    await shown(stage, mailbox, google, 100, "INBOX")
    await changed(stage, mailbox, 120)
    await shown(stage, mailbox, google, 100, "INBOX")
    stage.wait(seconds=30)
    assert await shown(stage, mailbox, google, 100, "INBOX") == ("filed", "client", False)
