"""The stage: one sandbox, one set of tools for the whole session; an empty Google, database and Valkey for each test."""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import aiohttp
import pytest
import redis.asyncio

from gmail.tokens import Refresher
from models.database import database_clock
from tests.builders import a_firm
from tests.sandbox_server import CLIENT_ID, CLIENT_SECRET, SandboxServer
from tests.servers import Server

if TYPE_CHECKING:  # it imports the jobs, whose broker reads its address at once: pytest may load this file before there is one
    from tests.pipeline.stage import Stage, Workshop


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with SandboxServer(tmp_path_factory.mktemp("sandbox"), user_units=0, project_units=0) as server:
        yield server


@pytest.fixture(scope="session")
async def workshop(sandbox_process: SandboxServer, valkey_server: Server, pool: None) -> "AsyncIterator[Workshop]":
    from tests.pipeline.stage import Clock, Wire, Workshop, tools_for

    wire, clock = Wire(), Clock(await database_clock())
    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(wire.answered)
    refresher = Refresher(f"{sandbox_process.url}/token", CLIENT_ID, CLIENT_SECRET)
    async with (
        aiohttp.ClientSession(trace_configs=[trace]) as session,
        aiohttp.ClientSession() as logins,
        redis.asyncio.Redis.from_url(valkey_server.url) as marks,
    ):
        tools = tools_for(sandbox_process.url, session, refresher, marks, clock)
        yield Workshop(sandbox_process, wire, clock, tools, logins)
    refresher.close()


@pytest.fixture
async def stage(workshop: "Workshop", database: None, valkey: redis.Redis) -> "Stage":
    from tests.pipeline.stage import Stage

    await workshop.sandbox.aio.post("reset", seed=1)
    workshop.wire.forget()
    workshop.clock.moment = await database_clock()
    return Stage(workshop.sandbox, workshop.wire, workshop.clock, workshop.tools, workshop.logins, await a_firm())
