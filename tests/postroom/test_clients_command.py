"""What becomes of clients, by command: what each does and says, and how it refuses."""

import pytest

from models.activities import Activity
from models.clients import archive
from models.database import database_clock
from models.directory import Client
from models.emails import Email
from models.firms import Firm
from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.portal.mails import NOW, file_mail
from tests.postroom.deployment import Deployment, Said
from tests.servers import Server

PAT = "pat@client.example"


@pytest.fixture
def here(postgres: Server, valkey_server: Server, database: None) -> Deployment:
    """The database of the test itself."""
    return Deployment({"DATABASE__URL": postgres.url, "REDIS__URL": valkey_server.url, "METRICS__BIND": "127.0.0.1:0"})


@pytest.fixture
async def firm(database: None) -> Firm:
    return await a_firm("Sample and Partners")


async def two_clients(firm: Firm) -> tuple[Client, Client]:
    """The first one with a mail, and a question between them."""
    one, two = await a_client(firm, "One", PAT), await a_client(firm, "Two", PAT)
    mailbox = await a_mailbox(await a_user(firm), at=NOW)
    await file_mail(mailbox, one)
    await file_mail(mailbox, doubt=(one, two))
    return one, two


def refuses(said: Said, sentence: str) -> None:
    assert (said.code, said.out, said.err.strip()) == (1, "", sentence)


async def test_a_client_is_archived_and_restored(here: Deployment, firm: Firm) -> None:
    """Scenario 73."""
    one, two = await two_clients(firm)
    words = one.external_id, "--firm", firm.name
    said = await here.postroom("client", "archive", *words)
    assert said.out.strip() == "One is archived. 1 mail stays there; 1 question goes on without it."
    assert (await Client.get(id=one.id)).archived_at is not None
    assert await Activity.filter(client=two, status="review").count() == 1
    again = await here.postroom("client", "archive", *words, "--json")
    assert again.json == {"id": one.id, "client": one.external_id, "name": "One", "activities": 1, "questions": 0}
    said = await here.postroom("client", "restore", *words)
    assert said.out.strip() == "One is back. What came meanwhile is looked for now."
    said = await here.postroom("client", "restore", *words)
    assert said.out.strip() == "One was not archived: nothing is to be done."
    assert (await Client.get(id=one.id)).archived_at is None


async def test_two_clients_are_merged(here: Deployment, firm: Firm) -> None:
    """Scenario 73."""
    one, two = await two_clients(firm)
    refuses(
        await here.postroom("client", "merge", one.external_id, "--into", one.external_id, "--firm", firm.name),
        f"{one.external_id} cannot be merged into itself: name another client with --into.",
    )
    await archive(firm.id, two.id, await database_clock())
    words = one.external_id, "--into", two.external_id, "--firm", firm.name
    refuses(
        await here.postroom("client", "merge", *words),
        "Two is archived: restore it with `postroom client restore`, or merge the other way round.",
    )
    await Client.all().update(archived_at=None)
    said = await here.postroom("client", "merge", *words)
    assert said.out.strip() == "One is one with Two now. 2 mails went along. 1 question about them: 1 settled by that."
    assert await Activity.filter(client=two, status="filed").count() == 2
    assert [client.name for client in await Client.all()] == ["Two"]


async def test_a_client_is_removed_only_by_who_says_so_twice(here: Deployment, firm: Firm) -> None:
    """Scenario 73."""
    one, two = await two_clients(firm)
    words = one.external_id, "--firm", firm.name
    refuses(
        await here.postroom("client", "remove", *words),
        "One has 2 mails; what is nobody else's would be erased for good. Say --yes, or use `postroom client archive`.",
    )
    assert await Client.all().count() == 2
    said = await here.postroom("client", "remove", *words, "--yes", "--json")
    facts = {"id": one.id, "client": one.external_id, "name": "One", "activities": 1, "questions": 1, "emails_erased": 1}
    assert said.json == facts
    assert await Activity.filter(client=two, status="review").count() == await Email.all().count() == 1


@pytest.mark.parametrize("act", [("archive",), ("restore",), ("merge", "--into", "C"), ("remove",)])
async def test_whom_nobody_knows_nothing_happens_to(here: Deployment, firm: Firm, act: tuple[str, ...]) -> None:
    """Scenario 75. Another firm's client included."""
    another = await a_client(await a_firm("Another firm"))
    refuses(
        await here.postroom("client", *act, another.external_id, "--firm", firm.name),
        f"{firm.name} has no client {another.external_id}: name it by its client_id, as it was imported.",
    )
    refuses(
        await here.postroom("client", *act, another.external_id, "--firm", "Nobody"),
        "There is no firm Nobody: add it with `postroom firm add`.",
    )
