"""Only clients' mail: of a message that concerns no client nothing is stored but its Gmail id and the reason, nor said in any log."""

from typing import Any

import pytest

from models.database import connection
from models.emails import Email
from tests.builders import a_client, a_mail
from tests.pipeline.stage import Stage

SECRETS = ("divorce", "Dr. Private", "private@clinic.example", "confidential words")
CASES: dict[str, dict[str, Any]] = {
    "no client": {"labels": "INBOX,UNREAD"},
    "spam": {"labels": "SPAM"},
    "trash": {"labels": "TRASH"},
    "draft": {"labels": "DRAFT"},
    "chat": {"labels": "CHAT"},
    "outgoing": {"labels": "SENT"},
    "old": {"labels": "INBOX", "internal_date": 1_000_000_000_000},
}


async def stored() -> str:
    """Every value in every table, but for what Google's account and the firm's own people are called."""
    async with connection() as held:
        tables = [row["tablename"] for row in await held.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        return "\n".join([row["row"] for table in tables for row in await held.fetch(f'SELECT t::text AS row FROM "{table}" t')])


def a_private_mail(sender: str = "Dr. Private <private@clinic.example>"):
    return a_mail(sender, subject="About your divorce", text="These are confidential words.", Cc="Dr. Private <private@clinic.example>")


@pytest.mark.parametrize("reason", CASES)
async def test_of_what_is_not_filed_only_id_and_reason_are_kept(stage: Stage, capsys, reason):
    """Scenarios 39, 110."""
    eva = await stage.mailbox()
    await a_client(stage.firm, "", "pat@client.example")
    sender = "Dr. Private <private@clinic.example>" if reason == "no client" else "Pat <pat@client.example>"
    sent = await stage.mail(eva, a_private_mail(sender), **CASES[reason])
    await stage.push(eva)
    assert await stage.fate(eva, sent) == ("skipped", reason, False)
    assert (await stage.looks(eva), await stage.looks(eva, "full")) == ([sent], [])
    rows, said = await stored(), "".join(capsys.readouterr())
    assert sent in rows
    assert [secret for secret in SECRETS if secret in rows or secret in said] == []


async def test_in_full_only_clients_mail_is_asked_for(stage: Stage):
    """Scenario 39. One of a batch, and the others are looked at by their headers alone."""
    eva = await stage.mailbox()
    await a_client(stage.firm, "", "pat@client.example")
    others = [await stage.mail(eva, a_private_mail()) for _ in range(5)]
    clients = await stage.mail(eva, a_mail())
    await stage.push(eva)
    assert sorted(await stage.looks(eva)) == sorted([*others, clients])
    assert await stage.looks(eva, "full") == [clients]


async def test_mail_that_is_trashed_between_the_two_looks_is_not_kept(stage: Stage):
    """Scenarios 44, 130."""
    eva = await stage.mailbox()
    await a_client(stage.firm, "", "pat@client.example")
    sent = await stage.mail(eva, a_private_mail("pat@client.example"))
    stage.wire.after("format=metadata", lambda: stage.sandbox.aio.labels(eva.address, sent, add=("TRASH",)))
    await stage.push(eva)
    assert (await stage.fate(eva, sent))[:2] == ("skipped", "trash")
    assert await Email.all().count() == 0
    assert "divorce" not in await stored()


async def test_a_message_that_fails_says_nothing_of_itself(stage: Stage, capsys):
    """Scenario 110."""
    eva = await stage.mailbox()
    await a_client(stage.firm, "", "pat@client.example")
    sent = await stage.mail(eva, a_private_mail("Pat <pat@client.example>"))
    await stage.mail(eva, a_mail())
    await stage.sandbox.aio.fault("message_broken", id=sent)
    await stage.push(eva)
    rows, said = await stored(), "".join(capsys.readouterr())
    assert [secret for secret in SECRETS if secret in rows or secret in said] == []
    assert await stage.fate(eva, sent) == (None, "backendError", True)
