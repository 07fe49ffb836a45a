"""`postroom explain`: machine facts of one message, and nothing of what it says."""

import asyncio
import json

from models.emails import Receipt
from models.ledger import LedgerEntry
from postroom.explain_command import facts, lines
from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.portal.mails import NOW, file_mail
from tests.postroom.deployment import Deployment
from tests.postroom.test_operating import here, letters  # noqa: F401  # fixtures: a deployment with three dead letters


async def test_a_filed_message_is_told_by_ids_and_words(database: None):
    firm = await a_firm()
    mailbox, client = await a_mailbox(await a_user(firm)), await a_client(firm, "Harbour Bakery")
    activity = await file_mail(mailbox, client, subject="Payroll for March")
    gmail_id = (await Receipt.get()).gmail_id
    await LedgerEntry.create(mailbox=mailbox, gmail_id=gmail_id, found_by="push", found_at=NOW, outcome="filed", seen_history_id=1)
    found = await facts(mailbox.id, gmail_id)
    assert found is not None
    assert (found["ledger"]["outcome"], found["email"]) == ("filed", activity.email_id)
    assert [(place["id"], place["client_id"], place["status"]) for place in found["activities"]] == [(activity.id, client.id, "filed")]
    told = json.dumps(found) + str(lines(found))
    assert not any(content in told for content in ("Payroll", "Harbour", "pat@example.com", mailbox.address))


async def test_the_command_tells_scripts_and_people_the_same(here: Deployment, letters: list[int]):  # noqa: F811
    script, plain, none, gone = await asyncio.gather(
        here.postroom("explain", 1, "gmail-1", "--json"),
        here.postroom("explain", 1, "gmail-1"),
        here.postroom("explain", 1, "unknown"),
        here.postroom("explain", 77, "gmail-1"),
    )
    assert (script.json["ledger"]["outcome"], script.json["ledger"]["reason"], script.json["email"]) == ("parked", "http_500", None)
    assert "\nledger: outcome\tparked\nledger: reason\thttp_500\n" in plain.out
    assert "ledger: outcome\tnot in the ledger" in none.out
    assert (gone.code, gone.err) == (1, "There is no mailbox 77.\n")
