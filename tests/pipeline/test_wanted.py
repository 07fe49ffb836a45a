"""File it anyway: a person's word, which the sync carries out whatever the rules say, and which stands."""

from datetime import timedelta

import pytest

from gmail.message import Headers
from models import clients, connections, never_file
from models.activities import Activity
from models.audit_log import AuditEntry
from models.database import transaction
from models.decisions import Seen, dismiss
from models.directory import Client
from models.emails import Email, Participant
from models.erasing import erase_dismissed
from models.firms import Firm, User
from models.ledger import LedgerEntry, Owed, settle
from models.mailboxes import Mailbox
from models.wanted import ACT, NoSuchClient, NotReading, look_again, want
from pipeline import verdicts
from pipeline.sync import Trigger, sync
from tests.builders import a_client, a_firm, a_mail, a_user
from tests.pipeline.stage import Stage

EVA, BOB, PAT = "eva@sample.test", "bob@sample.test", "pat@client.example"
STRANGER = "stranger@elsewhere.example"


async def user_of(mailbox: Mailbox) -> User:
    return await User.get(id=mailbox.user_id)


async def wants(stage: Stage, mailbox: Mailbox, gmail_id: str, client: Client) -> None:
    await want(await user_of(mailbox), mailbox.id, gmail_id, client.id, stage.clock.moment)


async def places(client: Client) -> list[tuple[str, str, str, int | None]]:
    rows = Activity.filter(client=client).order_by("id").values_list("email__subject", "status", "how", "decided_by_id")
    return [tuple(row) for row in await rows]


async def pays(stage: Stage, mailbox: Mailbox) -> None:
    """What the job that was announced does: it is no push, and nobody marked the mailbox."""
    told_at = stage.clock.moment.timestamp() - 3600
    await sync(mailbox.id, Trigger("push", "fresh", "trace", told_at), stage.tools)


async def test_a_strangers_mail_is_filed_by_a_persons_word_and_audited(stage: Stage):
    eva, client = await stage.mailbox(EVA), await a_client(stage.firm)
    sent = await stage.mail(eva, a_mail(STRANGER, EVA, "A new address"))
    await stage.push(eva)
    assert await stage.fate(eva, sent) == ("skipped", "no client", False)
    await wants(stage, eva, sent, client)
    assert await stage.pending() == [eva.id]  # whoever loses the job loses nothing
    await pays(stage, eva)
    assert await places(client) == [("A new address", "filed", "person", eva.user_id)]
    assert await stage.fate(eva, sent) == ("filed", "person", False)
    entry = await LedgerEntry.get(mailbox=eva, gmail_id=sent)
    assert (entry.wanted_for_id, entry.wanted_by_id) == (None, None)
    activity = await Activity.get(client=client)
    assert activity.reason == "Eva filed it here"
    assert [(said.act, said.user_id) for said in await AuditEntry.filter(email_id=activity.email_id)] == [(ACT, eva.user_id)]


async def test_it_needs_no_row_of_the_ledger_before(stage: Stage):
    """What the history never told of, and what was pruned."""
    eva, client = await stage.mailbox(EVA), await a_client(stage.firm)
    sent = await stage.mail(eva, a_mail(STRANGER, EVA, "Never told of"))
    await wants(stage, eva, sent, client)
    await pays(stage, eva)
    assert await stage.filed(client) == ["Never told of"]


@pytest.mark.parametrize("rule", ["never file", "internal", "old", "outgoing", "another client's"])
async def test_it_works_against_every_rule_that_is_the_firms_own(stage: Stage, rule):
    eva, client = await stage.mailbox(EVA), await a_client(stage.firm)
    other = await a_client(stage.firm, "", PAT)
    sender, to, labels = {
        "internal": (BOB, EVA, "INBOX"),
        "outgoing": (EVA, STRANGER, "SENT"),
    }.get(rule, (PAT, EVA, "INBOX"))
    if rule == "never file":
        await never_file.add(stage.firm.id, None, PAT, eva.user_id, stage.clock.moment)
    if rule == "internal":
        await a_user(stage.firm, BOB)
    if rule == "old":
        await Mailbox.filter(id=eva.id).update(started_at=stage.clock.moment + timedelta(days=1))
    sent = await stage.mail(eva, a_mail(sender, to, "All the same"), labels)
    if rule != "another client's":
        await stage.push(eva)
        assert (await stage.fate(eva, sent))[:2] == ("skipped", rule)
    await wants(stage, eva, sent, client)
    await pays(stage, eva)
    assert (await stage.filed(client), await stage.filed(other)) == (["All the same"], [])


@pytest.mark.parametrize("label", ["SPAM", "TRASH", "DRAFT", "SCHEDULED"])
async def test_what_gmail_itself_puts_away_is_not_filed_and_the_wish_is_over(stage: Stage, label):
    eva, client = await stage.mailbox(EVA), await a_client(stage.firm)
    sent = await stage.mail(eva, a_mail(STRANGER, EVA), label)
    await wants(stage, eva, sent, client)
    await pays(stage, eva)
    assert await stage.filed(client) == []
    assert await stage.fate(eva, sent) == ("skipped", label.lower(), False)
    assert (await LedgerEntry.get(mailbox=eva, gmail_id=sent)).wanted_for_id is None


async def test_two_clicks_file_once(stage: Stage):
    eva, client = await stage.mailbox(EVA), await a_client(stage.firm)
    sent = await stage.mail(eva, a_mail(STRANGER, EVA, "Once"))
    await wants(stage, eva, sent, client)
    await wants(stage, eva, sent, client)
    await pays(stage, eva)
    await wants(stage, eva, sent, client)
    await pays(stage, eva)
    assert await stage.filed(client) == ["Once"]
    assert await AuditEntry.filter(act=ACT).count() == 1
    assert not (await LedgerEntry.get(mailbox=eva, gmail_id=sent)).owed_at


async def test_it_stands_whatever_is_looked_at_later(stage: Stage):
    """Scenario 71. A further look, a label, and a colleague's copy, which is a contact's by then."""
    eva, bob, client = await stage.mailbox(EVA), await stage.mailbox(BOB), await a_client(stage.firm)
    mail = a_mail(STRANGER, f"{EVA}, {BOB}", "Stands")
    sent = await stage.mail(eva, mail)
    await wants(stage, eva, sent, client)
    await pays(stage, eva)
    await look_again(await user_of(eva), eva.id, sent, stage.clock.moment)
    await stage.push(eva)
    await stage.mail(bob, mail)
    await stage.push(bob)
    assert await stage.filed(client) == ["Stands"]
    await stage.sandbox.aio.post("labels", mailbox=EVA, id=sent, add=["TRASH"], remove=["INBOX"])
    await stage.push(eva)
    assert await places(client) == [("Stands", "filed", "person", eva.user_id)]


async def test_a_wish_that_comes_while_the_message_is_looked_at_is_not_forgotten(stage: Stage):
    """Scenario 119."""
    eva, client = await stage.mailbox(EVA), await a_client(stage.firm)
    sent = await stage.mail(eva, a_mail(STRANGER, EVA, "In between"))

    async def click() -> None:
        await wants(stage, eva, sent, client)

    stage.wire.after(f"/messages/{sent}", click)
    await stage.push(eva)
    await pays(stage, eva)
    assert await stage.filed(client) == ["In between"]


async def test_a_client_that_is_archived_meanwhile_gets_nothing(stage: Stage):
    eva, client = await stage.mailbox(EVA), await a_client(stage.firm)
    sent = await stage.mail(eva, a_mail(STRANGER, EVA))
    await wants(stage, eva, sent, client)
    await clients.archive(stage.firm.id, client.id, stage.clock.moment)
    await pays(stage, eva)
    assert await stage.fate(eva, sent) == ("skipped", "no client", False)
    assert await stage.filed(client) == []


async def test_a_client_that_is_archived_between_the_look_and_the_filing_gets_nothing(stage: Stage):
    """Scenario 73."""
    eva, client = await stage.mailbox(EVA), await a_client(stage.firm)
    sent = await stage.mail(eva, a_mail(STRANGER, EVA))
    await wants(stage, eva, sent, client)

    async def archive() -> None:
        await clients.archive(stage.firm.id, client.id, stage.clock.moment)

    stage.wire.after("format=full", archive)
    await pays(stage, eva)
    await pays(stage, eva)
    assert await stage.filed(client) == []
    assert (await stage.fate(eva, sent))[2] is False


async def test_what_was_dismissed_and_erased_is_read_anew(stage: Stage):
    eva, pats, client = await stage.mailbox(EVA), await a_client(stage.firm, "", PAT), await a_client(stage.firm)
    sent = await stage.mail(eva, a_mail(PAT, EVA, "After all", "The text of it."))
    await stage.push(eva)
    email = await Email.get()
    await dismiss(await user_of(eva), Seen(email.id, email.version), stage.clock.moment)
    await erase_dismissed(timedelta(0), stage.clock.moment)
    assert (await Email.get()).subject == ""
    await wants(stage, eva, sent, client)
    await pays(stage, eva)
    email = await Email.get()
    assert (email.subject, email.text.strip(), email.erased_at, email.dismissed_at) == ("After all", "The text of it.", None, None)
    assert await Participant.filter(email=email, address=PAT).exists()
    assert await places(client) == [("After all", "filed", "person", eva.user_id)]
    assert [status for _, status, *_ in await places(pats)] == ["dismissed"]


async def test_nobody_wants_anything_of_a_colleagues_mailbox_or_for_another_firms_client(stage: Stage):
    """Scenario 75."""
    eva, bob = await stage.mailbox(EVA), await stage.mailbox(BOB)
    client, foreign = await a_client(stage.firm), await a_client(await a_firm())
    with pytest.raises(NotReading):
        await want(await user_of(bob), eva.id, "1a", client.id, stage.clock.moment)
    with pytest.raises(NotReading):
        await look_again(await user_of(bob), eva.id, "1a", stage.clock.moment)
    with pytest.raises(NoSuchClient):
        await want(await user_of(bob), bob.id, "1a", foreign.id, stage.clock.moment)
    assert await LedgerEntry.all().count() == 0


@pytest.mark.parametrize("how", ["paused", "disconnected", "lapsed", "provider off"])
async def test_a_mailbox_that_is_not_read_takes_no_wishes(stage: Stage, how):
    eva, client, now = await stage.mailbox(EVA), await a_client(stage.firm), stage.clock.moment
    match how:
        case "paused":
            await connections.pause(eva.id, eva.firm_id, now)
        case "disconnected":
            await connections.disconnect(eva.id, eva.firm_id, now)
        case "lapsed":
            await connections.lapse(eva.id, eva.epoch, "invalid_grant", now)
        case _:
            await Firm.choose_provider(eva.firm_id, "none", now)
    with pytest.raises(NotReading):
        await wants(stage, eva, "1a", client)


async def test_a_look_that_saw_no_wish_leaves_it_owed(stage: Stage):
    eva, client = await stage.mailbox(EVA), await a_client(stage.firm)
    await wants(stage, eva, "1a", client)
    row = await LedgerEntry.get(mailbox=eva)
    seen = Owed(row.id, "1a", 0, 0, None, "person", 0)
    skipped = verdicts.skipped(
        seen,
        Headers("1a", "1a", frozenset(), 5, None, 0, ()),
        "no client",
        verdicts.Patience(timedelta(1), timedelta(1), stage.clock.moment),
    )
    await transaction(lambda held: settle(held, [skipped], stage.clock.moment))  # type: ignore[list-item]
    row = await LedgerEntry.get(mailbox=eva)
    assert (row.owed_at is not None, row.wanted_for_id) == (True, client.id)
