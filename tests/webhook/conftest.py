"""What the tests of webhook/ share: one server for the endpoint, one for Google's keys, and the queue in which a push ends."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
import redis

from gmail.certs import Certs
from models.mailboxes import Mailbox
from pipeline.jobs import send_sync_jobs
from pipeline.marks import Marks
from pipeline.marks import connection as marks_connection
from sandbox.keys import Keys
from settings import load
from tests.builders import a_firm, a_mailbox, a_user
from tests.gmail.google import Google, Reply, a_google
from tests.pipeline.conftest import sandbox_process, stage, workshop  # noqa: F401  # fixtures: a mailbox at the simulated Google
from tests.servers import Server
from tests.webhook.hook import SAM, SAMS, Hook, Parts, a_hook


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Google's, in these tests."""
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture(scope="session")
async def certs_server() -> AsyncIterator[Google]:
    async with a_google() as server:
        yield server


@pytest.fixture
def google(certs_server: Google, keys: Keys) -> Google:
    """Where Google's keys are served; it counts who asked."""
    certs_server.asked.clear()
    certs_server.answers(Reply(body=keys.certificates()))
    return certs_server


@pytest.fixture(scope="session")
async def server(session: aiohttp.ClientSession, keys: Keys) -> AsyncIterator[Hook]:
    async with a_hook(session, keys) as running:
        yield running


@pytest.fixture
async def marks(valkey: redis.Redis, valkey_server: Server) -> AsyncIterator[Marks]:
    async with marks_connection(valkey_server.url) as client:
        yield Marks(client, load().limits.mark)


@pytest.fixture
def hook(server: Hook, session: aiohttp.ClientSession, google: Google, marks: Marks) -> Hook:
    """The endpoint, new for this test. It knows of one mailbox, Sam's, which has the id 7."""

    async def look_up(address: str) -> tuple[tuple[int, ...], bool]:
        return ((SAMS,), True) if address == SAM else ((), False)

    server.made_of(Parts(Certs(session, f"{google.url}/certs"), marks, look_up, send_sync_jobs))
    return server


@pytest.fixture
async def sam(database: None, hook: Hook) -> Mailbox:
    """Sam's mailbox in the database, and the endpoint looks there."""
    hook.with_other(look_up=Mailbox.connected_ids)
    return await a_mailbox(await a_user(await a_firm(), SAM))
