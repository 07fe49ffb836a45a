"""Redis emptied or frozen, PostgreSQL restarted, Google hanging, 100,000 jobs waiting: every mail is filed all the same, and once.

In a house of its own, whose servers may be stopped, and where the sweep's interval is a few seconds.
"""

import asyncio
import os
import shutil
import signal
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import redis

from pipeline.jobs import BROKER, SWEEP, sync_stragglers
from tests.builders import a_mail
from tests.journeys.house import House
from tests.journeys.person import Person
from tests.postroom.waiting import eventually
from tests.servers import Server, open_folder, running_postgres, running_valkey

INTERVAL = 3.0  # seconds between two sweeps
HANGS = 6.0  # seconds that a call to Gmail may take
AGAIN = 5.0  # seconds after which Dramatiq asks again a Redis that was gone
BUSY = 5.0  # seconds that a busy machine may add
CLIENTS = """client_id,client_name,address
1,Emptied Estates,eve@emptied.example
2,Frozen Foods,fred@frozen.example
3,Restarted Repairs,ray@restarted.example
4,Crowded Canteen,cora@crowded.example
5,Hanging Gardens,hal@hanging.example
"""


@dataclass(frozen=True, slots=True)
class Servers:
    postgres: Server
    valkey: Server
    valkey_data: Path


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with open_folder() as folder, running_postgres() as postgres, running_valkey(folder) as valkey:
        yield Servers(postgres, valkey, folder / "valkey")


@pytest.fixture(scope="module")
async def house(servers: Servers) -> AsyncIterator[House]:
    with open_folder() as folder:
        made = House(folder, servers.postgres.url, servers.valkey.url)
        made.settings |= {"SWEEP__INTERVAL": str(INTERVAL), "LIMITS__RETRY": "1", "LIMITS__LISTING_GAP": "0", "GOOGLE__TIMEOUT": str(HANGS)}
        try:
            await made.open()
            yield made
        finally:
            await made.close()


@pytest.fixture(scope="module")
async def people(house: House) -> list[Person]:
    return await house.firm(
        "Patience and Daughters", CLIENTS, staff=tuple(f"{name}@sample.test" for name in ("sam", "robin", "kit", "lee"))
    )


@pytest.fixture(autouse=True)
async def nothing_restarts(house: House) -> AsyncIterator[None]:
    """Whatever happens to servers passes by itself: no process of ours ends, and no watchdog bites."""
    yield
    assert all(process.runs for process in (house.web, house.fresh, house.background, house.reconcile))


class Stream:
    """Mails of one client, one after the other, to the people whose turn it is."""

    def __init__(self, house: House, client: str, sender: str, people: list[Person]) -> None:
        self._house, self._client, self._sender = house, client, sender
        self._reader, self.struck, self.lucky = people[0], people[:2], people[2:]
        self.subjects: list[str] = []

    async def brings(self, person: Person) -> str:
        """The mail's Gmail id."""
        self.subjects.append(f"{self._client}, {len(self.subjects)}")
        return await self._house.deliver(person, a_mail(self._sender, person.address, self.subjects[-1]))

    async def flows(self, people: list[Person]) -> None:
        """Two mails for each. Who is struck gets none later, whose push would bring to light what was lost."""
        for person in [*people, *people]:
            await self.brings(person)
            await asyncio.sleep(0.1)

    async def all_heard(self) -> bool:
        return all(push["status"] == "delivered" for push in (await self._house.google.aio.state())["pushes"])

    async def is_filed(self, within: float) -> None:
        """Every mail once."""
        began = time.monotonic()

        async def all_filed() -> bool:
            return set(await self._reader.subjects_of(self._client)) >= set(self.subjects)

        await eventually(all_filed, f"{self._client} has every mail", within + BUSY)
        print(f"{self._client}: all {len(self.subjects)} filed {time.monotonic() - began:.1f} s after the outage")
        assert sorted(await self._reader.subjects_of(self._client)) == sorted(self.subjects)

    async def from_gmail_to_filed(self, mails: int) -> float:
        """Seconds, the median; one mail after the other."""
        took = []
        for _ in range(mails):
            began = time.monotonic()
            assert await self._house.fate(self._reader, await self.brings(self._reader)) == ("filed", "client")
            took.append(time.monotonic() - began)
        return statistics.median(took)


async def test_calls_to_google_that_hang_stop_no_other_mailbox(house: House, people: list[Person]) -> None:
    """Scenario 124. Of four mailboxes one hangs refreshing its token, one listing, one reading; the fourth goes on meanwhile."""
    sender, client, (sam, *hanging) = "hal@hanging.example", "Hanging Gardens", people
    await house.ask("UPDATE mailbox SET access_expires_at = now()")  # so that each refreshes its token first
    for person, method in zip(hanging, ("token", "history.list", "messages.get"), strict=True):
        await house.google.aio.fault("timeout", mailbox=person.account, method=method, s=15, count=1)  # seconds: more than anybody waits
        await house.deliver(person, a_mail(sender, person.address, f"Later, because of {method}"))

    async def all_hang() -> bool:
        return not (await house.google.aio.state())["faults"]

    await eventually(all_hang, "Google was asked and does not answer", BUSY)
    began = time.monotonic()
    await house.deliver(sam, a_mail(sender, sam.address, "Meanwhile"))
    await sam.finds(client, "Meanwhile")
    took = time.monotonic() - began
    print(f"Hanging Gardens: filed {took:.2f} s after it came, beside three calls that hang")
    assert took < HANGS / 2
    assert await sam.subjects_of(client) == ["Meanwhile"]
    for method in ("messages.get", "history.list", "token"):
        await sam.finds(client, f"Later, because of {method}")


async def test_redis_restarts_empty_amid_a_stream_of_mails(house: House, people: list[Person], servers: Servers) -> None:
    """Scenario 111. Of the first mails Google has been told that all is well, and what Redis knew of them is gone: one sweep finds them."""
    stream = Stream(house, "Emptied Estates", "eve@emptied.example", people)
    assert await house.fresh.stop() == 0
    await house.ask("UPDATE mailbox SET last_checked_at = now()")
    await stream.flows(stream.struck)
    await eventually(stream.all_heard, "Google was told that all is well")
    servers.valkey.kill()
    shutil.rmtree(servers.valkey_data / "appendonlydir")
    assert await people[0].subjects_of("Emptied Estates") == []
    await stream.flows(stream.lucky)
    house.fresh = house.start("worker-fresh-again", "worker", "--queues", "fresh")
    servers.valkey.start()
    await stream.flows(stream.lucky)
    await stream.is_filed(INTERVAL + AGAIN)
    assert await house.ask("SELECT FROM ledger_entry WHERE found_by = 'sweep'") != []


async def test_redis_freezes_amid_a_stream_of_mails(house: House, people: list[Person], servers: Servers) -> None:
    """Scenarios 12, 111. For longer than anybody waits for its answer: what was asked of it may or may not have been done."""
    stream = Stream(house, "Frozen Foods", "fred@frozen.example", people)
    await stream.flows(stream.lucky)
    os.kill(servers.valkey.pid, signal.SIGSTOP)
    try:
        await stream.flows(stream.struck)
        await asyncio.sleep(AGAIN)
    finally:
        os.kill(servers.valkey.pid, signal.SIGCONT)
    await stream.flows(stream.lucky)
    await stream.is_filed(INTERVAL + AGAIN)


async def test_postgresql_restarts_amid_a_stream_of_mails(house: House, people: list[Person], servers: Servers) -> None:
    """Jobs go on by themselves; what failed meanwhile is swept."""
    stream = Stream(house, "Restarted Repairs", "ray@restarted.example", people)
    await stream.flows(stream.lucky)
    servers.postgres.stop()
    await stream.flows(stream.struck)
    servers.postgres.start()
    await stream.flows(stream.lucky)
    await stream.is_filed(INTERVAL)


async def test_a_fresh_push_takes_its_usual_time_beside_100_000_sweep_jobs(house: House, people: list[Person], servers: Servers) -> None:
    """Scenario 123."""
    stream = Stream(house, "Crowded Canteen", "cora@crowded.example", people)
    usual = await stream.from_gmail_to_filed(9)
    with redis.Redis.from_url(servers.valkey.url) as client:
        flood(client, 100_000)
        crowded = await stream.from_gmail_to_filed(9)
        waiting = client.llen(f"{BROKER.namespace}:{SWEEP}")
        client.delete(f"{BROKER.namespace}:{SWEEP}", f"{BROKER.namespace}:{SWEEP}.msgs")
    print(f"Crowded Canteen: from Gmail to filed {usual * 1000:.0f} ms; beside {waiting} sweep jobs {crowded * 1000:.0f} ms")
    assert waiting > 50_000
    assert crowded < 5 * usual + 0.5


def flood(client: redis.Redis, jobs: int) -> None:
    """Jobs for a mailbox that nobody has, in Dramatiq's own form, a thousand at a time."""
    blank, queue = "0" * 36, f"{BROKER.namespace}:{SWEEP}"
    job = replace(sync_stragglers.message([10**9], "flood", 0.0), message_id=blank, options={"redis_message_id": blank}).encode()
    for first in range(0, jobs, 1000):
        ids = [f"{number:036}" for number in range(first + 1, first + 1001)]
        client.hset(f"{queue}.msgs", mapping={one: job.replace(blank.encode(), one.encode()) for one in ids})
        client.rpush(queue, *ids)
