"""The schema: migrated once however many deployments start at once, and never out of step with the models."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from tortoise import Tortoise
from tortoise.migrations.autodetector import MigrationAutodetector

from models.database import APPS, MIGRATION_LOCK, ensure_current
from tests.servers import Server

CHECKOUT = Path(__file__).parent.parent.parent
NEW = "a_new_deployment"

# A process of its own, as each deployment is: says whether it may start, then migrates, then says again.
DEPLOYMENT = """
import asyncio, sys
from models.database import Behind, close_pool, ensure_current, migrate, open_pool

async def may_start():
    try:
        await ensure_current()
    except Behind:
        return "behind"
    return "current"

async def main():
    await open_pool(sys.argv[1], 2)
    before, ran = await may_start(), await migrate(lambda line: None)
    print(before, ran, await may_start())
    await close_pool()

asyncio.run(main())
"""


@pytest.fixture
async def empty(postgres: Server) -> AsyncIterator[str]:
    """The address of an empty database."""
    server = await asyncpg.connect(postgres.url)
    await server.execute(f"CREATE DATABASE {NEW}")
    yield urlsplit(postgres.url)._replace(path=f"/{NEW}").geturl()
    await server.execute(f"DROP DATABASE {NEW} WITH (FORCE)")
    await server.close()


async def deployment(url: str) -> tuple[str, ...]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DEPLOYMENT, url, cwd=CHECKOUT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, complained = await process.communicate()
    assert process.returncode == 0, complained.decode()
    return tuple(said.decode().split())


async def test_of_two_deployments_that_migrate_at_once_one_does(empty):
    """No role starts on an empty database; both are started together, and both find it current afterwards."""
    holder = await asyncpg.connect(empty)
    await holder.fetchval("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
    both = [asyncio.create_task(deployment(empty)) for _ in range(2)]
    async with asyncio.timeout(30):
        while await holder.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") < 2:
            assert not any(task.done() for task in both), [task.result() for task in both if task.done()]
            await asyncio.sleep(0.02)
    await holder.fetchval("SELECT pg_advisory_unlock($1)", MIGRATION_LOCK)
    migrations = str(len(list((CHECKOUT / "models" / "migrations").glob("0*.py"))))
    assert sorted(await asyncio.gather(*both)) == [("behind", "0", "current"), ("behind", migrations, "current")]
    await holder.close()


async def test_a_migrated_database_is_current(database):
    await ensure_current()


async def test_models_and_migrations_agree(database):
    """Whoever changes a table writes its migration: Tortoise finds nothing left to write."""
    assert Tortoise.apps is not None
    assert await MigrationAutodetector(Tortoise.apps, APPS).changes() == []
