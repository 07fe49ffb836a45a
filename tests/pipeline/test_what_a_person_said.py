"""What a person said of a mail stands, whatever Gmail tells afterwards: pushes, copies of colleagues, searches for new contacts."""

import pytest

from models.activities import Activity, Review
from models.audit_log import Placed, history_of
from models.client_file import Entry
from models.decisions import dismiss, file_under, undo
from models.directory import Client, ClientContact
from models.emails import Email
from models.importing import import_entries
from models.mailboxes import Mailbox
from tests.builders import a_client, a_mail, a_user
from tests.models.office import outcome, places, rows, seen, shown
from tests.pipeline.recovery import until_whole
from tests.pipeline.stage import Stage

PAT, EVA, BOB = "pat@client.example", "eva@sample.test", "bob@sample.test"
ROOT = "<root@client.example>"


async def everything_again(stage: Stage, eva: Mailbox, sent: str, mail: bytes, client: Client) -> None:
    """The mail is pushed twice, put away and brought back, swept, reaches a colleague; its contact is edited, so that it is this client's
    alone, and past mail of theirs is searched for."""
    await stage.push(eva)
    await stage.push(eva)
    for change in ({"add": ("TRASH",)}, {"remove": ("TRASH",)}, {"add": ("STARRED",)}):
        await stage.sandbox.aio.labels(EVA, sent, **change)
        stage.wait(minutes=1)
        await stage.push(eva)
    await ClientContact.exclude(client=client).delete()
    edited = [Entry(client.external_id, client.name, "", address, address, address, nominated=True) for address in (PAT, f"new{PAT}")]
    await import_entries(stage.firm.id, edited, stage.clock.moment)
    bob = await stage.mailbox(BOB)
    await stage.mail(bob, mail)
    await stage.push(bob)
    await stage.sweep(eva)
    await until_whole(stage)


@pytest.mark.parametrize("certain", [True, False])
async def test_moved_from_a_to_b_it_stays_at_b_and_the_audit_tells(stage: Stage, certain: bool) -> None:
    """Scenarios 71, 121. Be it that addresses had said A for certain, or that A was the guess."""
    a, b = await a_client(stage.firm, "A", PAT), await a_client(stage.firm, "B", *([] if certain else [PAT]))
    eva, robin = await stage.mailbox(EVA), await a_user(stage.firm, "robin@sample.test")
    mail = a_mail(PAT, f"{EVA}, {BOB}, new{PAT}", "Figures", Date="Mon, 02 Nov 2026 09:00:00 +0000").as_bytes()
    sent = await stage.mail(eva, mail)
    await stage.push(eva)
    email = await Email.get()
    assert await shown(email.id) == {a.id}
    stage.wait(minutes=1)
    said_at = stage.clock.moment
    await file_under(robin, await seen(email.id), b.id, said_at, instead_of=a.id)
    before = await rows(email.id)
    await everything_again(stage, eva, sent, mail, a)
    assert await rows(email.id) == before
    assert await places(email.id) == {a.id: ("dismissed", "person"), b.id: ("filed", "person")}
    assert await Review.filter(decided_at=None).count() == 0
    assert await Email.all().count() == 1
    (act,) = await history_of(stage.firm.id, email.id)
    assert (act.who, act.at) == ("Robin", said_at)
    assert act.before[0] == Placed("A", "filed" if certain else "review")
    assert act.after == (Placed("A", "dismissed"), Placed("B", "filed"))


async def test_dismissed_it_stays_dismissed(stage: Stage) -> None:
    """Scenarios 70, 71."""
    a = await a_client(stage.firm, "A", PAT)
    eva, robin = await stage.mailbox(EVA), await a_user(stage.firm, "robin@sample.test")
    mail = a_mail(PAT, f"{EVA}, {BOB}, new{PAT}", "Figures", Date="Mon, 02 Nov 2026 09:00:00 +0000").as_bytes()
    sent = await stage.mail(eva, mail)
    await stage.push(eva)
    email = await Email.get()
    await dismiss(robin, await seen(email.id), stage.clock.moment)
    await everything_again(stage, eva, sent, mail, a)
    assert await places(email.id) == {a.id: ("dismissed", "person")}
    assert await Activity.all().count() == await Email.all().count() == 1


async def test_the_next_mail_of_the_thread_follows_what_was_said_last(stage: Stage) -> None:
    """Scenario 55. What was taken back counts for nothing; an answer settles what was asked meanwhile, and what comes after it."""
    a, b = await a_client(stage.firm, "A", PAT), await a_client(stage.firm, "B", PAT)
    eva, robin = await stage.mailbox(EVA), await a_user(stage.firm, "robin@sample.test")

    async def comes(text: str) -> int:
        headers = {"References": ROOT} if await Email.all().exists() else {"Message_ID": ROOT}
        await stage.mail(eva, a_mail(PAT, EVA, "Figures", text, **headers))
        await stage.push(eva)
        return int((await Email.get(text=f"{text}\n")).id)

    first = await comes("One")
    await file_under(robin, await seen(first), a.id, stage.clock.moment)
    await undo(robin, await seen(first), stage.clock.moment)
    second = await comes("Two")
    assert (await outcome(second))[0] is None
    stage.wait(minutes=1)
    assert (await file_under(robin, await seen(second), b.id, stage.clock.moment)).settled == 1
    third = await comes("Three")
    assert [await shown(mail) for mail in (first, second, third)] == [{b.id}] * 3
    assert [(await outcome(mail))[0] for mail in (first, second, third)] == ["inherited", "reassigned", "inherited"]
