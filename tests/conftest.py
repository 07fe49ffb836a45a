"""What all tests share: one PostgreSQL and one Valkey for the whole session, emptied before each test that uses them."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from datetime import datetime

import pytest
import redis

import settings
from models.database import close_pool, connection, database_clock, migrate, open_pool
from tests.servers import Server, running_postgres, running_valkey

_servers = ExitStack()
_valkey = _servers.enter_context(running_valkey())  # before anything else is imported: the jobs' broker reads its address when it is
os.environ |= {"REDIS__URL": _valkey.url, "METRICS__BIND": "127.0.0.1:0"}


def pytest_unconfigure(config: pytest.Config) -> None:
    _servers.close()


@pytest.fixture(scope="session")
def valkey_server() -> Server:
    return _valkey


@pytest.fixture
def valkey(valkey_server: Server) -> Iterator[redis.Redis]:
    """An empty Valkey."""
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
        yield client


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    with running_postgres() as server:
        os.environ["DATABASE__URL"] = server.url
        settings.load.cache_clear()
        yield server


@pytest.fixture(scope="session")
async def pool(postgres: Server) -> AsyncIterator[None]:
    await open_pool(postgres.url, 10)
    await migrate(lambda _: None)
    yield
    await close_pool()


@pytest.fixture
async def database(pool: None) -> None:
    """A migrated and empty database."""
    async with connection() as held:
        tables = [row["tablename"] for row in await held.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'tortoise_migrations'")]  # fmt: skip
        await held.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")


@pytest.fixture
async def now(database: None) -> datetime:
    """The database's moment."""
    return await database_clock()
