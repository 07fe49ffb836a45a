"""What the tests of the pages share."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.pipeline.conftest import sandbox_process, stage, workshop  # noqa: F401  # fixtures: mail as it is filed by the recipe
from tests.portal.mail_page import office  # noqa: F401  # a fixture
from tests.portal.site import Site, a_site
from tests.sandbox_server import CLIENT_ID, CLIENT_SECRET, SandboxServer
from tests.servers import open_folder

NOWHERE = "http://127.0.0.1:9"  # a port on which nobody listens: these tests do not speak to Google


@pytest.fixture(scope="session")
def google() -> Iterator[SandboxServer]:
    with open_folder() as folder, SandboxServer(folder, client_id=CLIENT_ID, client_secret=CLIENT_SECRET) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
async def pages() -> AsyncIterator[Site]:
    async with a_site(NOWHERE) as running:
        yield running


@pytest.fixture
async def site(database: None, pages: Site) -> AsyncIterator[Site]:
    async with pages.afresh() as site:
        yield site
