"""One house and one Chromium for all stories; each visitor has a browser profile of their own, and must have had nothing to mind."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright

from tests.browser.chromium import find_chromium
from tests.browser.visitor import DESKTOP, Visitor
from tests.journeys.house import House
from tests.letters.letterbox import Letterbox
from tests.postroom.deployment import a_database, a_redis
from tests.postroom.waiting import PATIENCE
from tests.servers import Server, open_folder

Visitors = Callable[..., Awaitable[Visitor]]
FIRM = "Sample and Partners"
CLIENTS = "client_id,client_name,address\n1,Harbour Bakery,pat@harbour.example\n2,Lantern Bookshop,bea@lantern.example\n"
SWEEP = {"interval": 2.0, "letter_wait": 0.2}  # seconds


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", type=Path, metavar="FOLDER", help="tests/browser: leave a picture of each page there")


@pytest.fixture(scope="package")
async def chromium() -> AsyncIterator[Browser]:
    path = find_chromium()
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to start otherwise
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=as_root)
        yield browser
        await browser.close()


@pytest.fixture(scope="package")
def letterbox() -> Iterator[Letterbox]:
    box = Letterbox()
    yield box
    box.close()


@pytest.fixture(scope="package")
async def house(chromium: Browser, postgres: Server, valkey_server: Server, letterbox: Letterbox) -> AsyncIterator[House]:
    mail = {"smtp_host": "127.0.0.1", "smtp_port": letterbox.port}
    with open_folder() as folder:
        made = House(folder, await a_database(postgres, "browser"), a_redis(valkey_server, 2), sweep=SWEEP, mail=mail)
        try:
            await made.open()
            await made.firm(FIRM, CLIENTS)
            yield made
        finally:
            await made.close()


@pytest.fixture
async def visitors(chromium: Browser, house: House, pytestconfig: pytest.Config) -> AsyncIterator[Visitors]:
    """Makes visitors: `await visitors(color_scheme="dark")`, with options of Playwright's `new_context`."""
    folder: Path | None = pytestconfig.getoption("--screenshots", None)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    made = list[Visitor]()

    async def visitor(**options: Any) -> Visitor:
        desk = {"viewport": dict(zip(("width", "height"), DESKTOP, strict=True)), "color_scheme": "light"}
        context = await chromium.new_context(**(desk | options))
        context.set_default_timeout(PATIENCE * 1000)
        made.append(Visitor(context, await context.new_page(), (house.url, house.google.url), folder))
        return made[-1]

    yield visitor
    assert [complaint for one in made for complaint in await one.leaves()] == []


@pytest.fixture
async def visitor(visitors: Visitors) -> Visitor:
    """Somebody at a desk."""
    return await visitors()
