"""A batch that the database refuses: one message fails alone, and what passes is not held against any of them."""

import pytest

from models.activities import Activity
from models.emails import Email
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from tests.builders import a_client, a_mail
from tests.models.obstacles import obstacle
from tests.pipeline.stage import Stage


@pytest.fixture
async def eva(stage: Stage) -> Mailbox:
    return await stage.mailbox()


@pytest.fixture
async def client(stage: Stage):
    return await a_client(stage.firm, "", "pat@client.example")


@pytest.mark.parametrize("what", ["constraint", "wrong value"])
async def test_a_message_that_the_database_refuses_fails_alone(stage, eva, client, what):
    """Scenario 29. The others of its batch are filed at once; it is parked after five tries."""
    poison = await stage.mail(eva, a_mail(subject="Poison"))
    private = await stage.mail(eva, a_mail("stranger@elsewhere.example"))
    for number in range(3):
        await stage.mail(eva, a_mail(subject=f"Good {number}"))
    async with obstacle("email", what, where="NEW.subject = 'Poison'"):
        await stage.push(eva)
        assert await stage.filed(client) == ["Good 0", "Good 1", "Good 2"]
        assert await stage.fate(eva, private) == ("skipped", "no client", False)
        assert (await stage.fate(eva, poison))[0::2] == (None, True)
        assert (await LedgerEntry.get(gmail_id=poison)).tries == 1
        for tries in range(1, 5):
            stage.wait(seconds=30 * 2**tries)
            await stage.sweep(eva)
    assert (await stage.fate(eva, poison))[0::2] == ("parked", False)
    assert "Poison" not in str((await stage.fate(eva, poison))[1])
    assert (await Mailbox.get(id=eva.id)).failures == 0


async def test_mail_of_a_client_that_was_deleted_meanwhile_is_matched_anew(stage, eva, client):
    """Scenario 73. At once, and the others of its batch are filed."""
    other = await a_client(stage.firm, "", "lee@other.example")
    doomed = await stage.mail(eva, a_mail("lee@other.example", subject="Doomed"))
    await stage.mail(eva, a_mail(subject="Good"))
    stage.wire.after("format=full", other.delete)
    await stage.push(eva)
    assert await stage.filed(client) == ["Good"]
    assert await stage.fate(eva, doomed) == ("skipped", "no client", False)
    assert (await LedgerEntry.get(gmail_id=doomed)).tries == 0


@pytest.mark.parametrize("what", ["deadlock", "terminated"])
async def test_what_passes_is_held_against_no_message(stage, eva, client, what):
    """Scenarios 31, 122."""
    sent = [await stage.mail(eva, a_mail(subject=f"Mail {number}")) for number in range(3)]
    async with obstacle("activity", what, times=1):
        await stage.push(eva)
    assert await stage.filed(client) == ["Mail 0", "Mail 1", "Mail 2"]
    assert [(entry.outcome, entry.tries) for entry in await LedgerEntry.filter(gmail_id__in=sent)] == [("filed", 0)] * 3
    assert (await Email.all().count(), await Activity.all().count()) == (3, 3)
