"""The command line as people run it: a process of its own, with the settings that a test gives it and none of its surroundings."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from tests.servers import Server

CHECKOUT = Path(__file__).parents[2]
PATIENCE = 60  # seconds for one command


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(**settings: object) -> dict[str, str]:
    """This process's, without the settings in it, and with these: `GOOGLE__CLIENT_ID="…"`."""
    ours = {name: value for name, value in os.environ.items() if "__" not in name and name != "POSTROOM_SETTINGS"}
    return ours | {name: str(value) for name, value in settings.items()}


def postroom(*arguments: object, **settings: object) -> Said:
    """`postroom ARGUMENTS`, under these settings."""
    argv = [sys.executable, "-m", "postroom", *map(str, arguments)]
    done = subprocess.run(
        argv,
        cwd=CHECKOUT,
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return Said(done.returncode, done.stdout, done.stderr)


async def a_database(server: Server, name: str) -> str:
    """A new database without tables; its URL."""
    connection = await asyncpg.connect(server.url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    return f"{server.url.rpartition('/')[0]}/{name}"


def a_redis(server: Server, number: int) -> str:
    """One of the server's numbered databases; its URL. The tests of the session use number 0."""
    return f"{server.url.rpartition('/')[0]}/{number}"


@dataclass(frozen=True, slots=True)
class Deployment:
    """Settings, and the command line under them."""

    settings: dict[str, str]

    async def postroom(self, *arguments: object, **settings: object) -> Said:
        return await asyncio.to_thread(postroom, *arguments, **(self.settings | settings))

    async def ask(self, query: str) -> Any:
        """The database itself: one value."""
        connection = await asyncpg.connect(self.settings["DATABASE__URL"])
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()
