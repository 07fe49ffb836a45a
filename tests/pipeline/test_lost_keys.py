"""A key that is missing while everything runs: loud, and nobody's access is called over."""

from structlog.testing import capture_logs

from gmail.vault import Vault
from models.mailboxes import Mailbox
from models.notices import Notice
from pipeline.jobs import SWEEP
from pipeline.sync import Trigger, sync_many
from tests.builders import a_client, a_mail
from tests.pipeline.stage import Stage

LOST = Vault(["a sample secret that is lost, and long enough"])
TOKENS = ("refresh_token", "access_token")


async def test_a_token_that_no_key_opens_is_no_lapse_and_the_mailbox_goes_on_once_the_key_is_back(stage: Stage) -> None:
    """Scenario 102."""
    eva, client = await stage.mailbox(), await a_client(stage.firm, "", "pat@client.example")
    await stage.mail(eva, a_mail(subject="new"))
    await Mailbox.filter(id=eva.id).update(**{name: LOST.seal("token") for name in TOKENS})
    with capture_logs() as logs:
        await sync_many([eva.id], Trigger("sweep", SWEEP, "trace"), stage.tools)
    assert [(line["event"], line["error"]) for line in logs if line["log_level"] == "error"] == [("token unreadable", "WrongKey")]
    await stage.sweep(eva)
    failing = await Mailbox.get(id=eva.id)
    assert (failing.state, failing.failures, failing.lease_owner) == ("connected", 2, None)
    assert failing.next_attempt_at is not None
    assert not await Notice.exists()

    await Mailbox.filter(id=eva.id).update(**{name: getattr(eva, name) for name in TOKENS})
    await stage.sweep(eva)
    assert await stage.filed(client) == ["new"]
