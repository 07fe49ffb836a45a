"""Google's pushes stop while everything looks green: the sweep files all mail, and says that it had to."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.builders import a_mail
from tests.journeys.house import House
from tests.postroom.deployment import a_database, a_redis
from tests.postroom.process import Process
from tests.postroom.waiting import eventually
from tests.servers import Server, open_folder

INTERVAL = 6.0  # seconds between two looks at a mailbox that nobody pushed
SETTLE = 0.5  # seconds; a push excuses for twice as long what it did not tell of
BUSY = 6.0  # seconds that a busy machine may add
CLIENTS, NOBODIES = 6, 4  # mails to each mailbox: of clients, of nobody
HARBOUR = "client_id,client_name,address\n1,Harbour Bakery,pat@harbour.example\n"
LANTERN = "client_id,client_name,address\n1,Lantern Bookshop,bea@lantern.example\n"


@pytest.fixture
async def house(postgres: Server, valkey_server: Server) -> AsyncIterator[House]:
    with open_folder() as folder:
        made = House(folder, await a_database(postgres, "silence"), a_redis(valkey_server, 3))
        made.settings |= {"SWEEP__INTERVAL": str(INTERVAL), "LIMITS__SETTLE": str(SETTLE)}
        try:
            await made.open()
            yield made
        finally:
            await made.close()


async def told_by(house: House, process: Process, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(await house.metrics(process))
    return sum(s.value for family in families for s in family.samples if s.name == name and labels.items() <= s.labels.items())


def said(process: Process, event: str) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in process.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


async def told_by_sweeps(house: House) -> dict[str, int] | None:
    """What those that are closed found, once that is everything."""
    (row,) = await house.ask("SELECT sum(found)::int AS found, sum(filed)::int AS filed, max(silent) AS silent FROM sweep")
    return dict(row) if row["found"] >= 5 * (CLIENTS + NOBODIES) else None


async def pushes_do(house: House, state: str) -> dict[str, Any]:
    """What `postroom queues` tells, once it tells that."""

    async def told() -> dict[str, Any] | None:
        seen: dict[str, Any] = (await house.postroom("queues", "--json")).json
        return seen if seen["push"]["state"] == state else None

    return await eventually(told, f"push health is {state}", 3 * INTERVAL + BUSY) or {}


async def test_mail_that_no_push_tells_of_is_filed_by_one_sweep_and_push_is_called_dead_until_it_comes_back(house: House) -> None:
    """Scenario 80. Fifty mails in five mailboxes of two firms."""
    harbour = await house.firm("Harbour and Sons", HARBOUR, admins=("ann@harbour.test",), staff=("ben@harbour.test", "cem@harbour.test"))
    lantern = await house.firm("Lantern Tax", LANTERN, admins=("dee@lantern.test",), staff=("eli@lantern.test",))
    people = [*((person, "pat@harbour.example") for person in harbour), *((person, "bea@lantern.example") for person in lantern)]
    clients = {"pat@harbour.example": (harbour[0], "Harbour Bakery"), "bea@lantern.example": (lantern[0], "Lantern Bookshop")}

    async def heard() -> bool:
        return all(push["status"] == "delivered" for push in (await house.google.aio.state())["pushes"])

    await eventually(heard, "the pushes of connecting are over")
    await house.google.aio.fault("push_lost")
    ((cut_at,),) = await house.ask("SELECT now()")
    for person, _ in people:
        await house.quiet(person)

    async def a_silent_interval_is_over() -> bool:
        return bool(await house.ask("SELECT FROM sweep WHERE pushed = 0 AND closed_at IS NOT NULL AND opened_at >= $1", cut_at))

    await eventually(a_silent_interval_is_over, "an interval without a push is over", 3 * INTERVAL + BUSY)

    began, subjects = time.monotonic(), {sender: set[str]() for sender in clients}
    for number in range(CLIENTS + NOBODIES):
        for person, client in people:
            subject = f"{person.address} {number}"
            sender = client if number < CLIENTS else f"stranger{number}@nobody.example"
            await house.deliver(person, a_mail(sender, person.address, subject))
            if number < CLIENTS:
                subjects[client].add(subject)

    async def all_filed() -> bool:
        return subjects == {sender: set(await reader.subjects_of(name)) for sender, (reader, name) in clients.items()}

    await eventually(all_filed, "every client's mail is filed", 1.5 * INTERVAL + BUSY)
    took = time.monotonic() - began
    for sender, (reader, name) in clients.items():
        assert sorted(await reader.subjects_of(name)) == sorted(subjects[sender])  # none twice

    # red
    async def all_told() -> dict[str, int] | None:
        rows = await house.ask("SELECT sum(found)::int AS found, sum(filed)::int AS filed, max(silent) AS silent FROM sweep")
        return dict(rows[0]) if rows[0]["found"] == len(people) * (CLIENTS + NOBODIES) else None

    swept = await eventually(all_told, "the sweeps tell of every mail that they found", 2 * INTERVAL + BUSY)
    dead = await pushes_do(house, "dead")
    background = house.background
    counted = {
        how: await told_by(house, background, "postroom_messages_total", finder="sweep", outcome=how) for how in ("filed", "skipped")
    }
    print(f"{sum(map(len, subjects.values()))} mails of clients filed {took:.1f} s after the first of {sum(counted.values()):.0f} came")
    print(f"sweeps: {swept}; found by sweep, as metrics tell: {counted}; {dead['push']}")
    assert swept == {"found": 50, "filed": 30, "silent": 5}
    assert counted == {"filed": 30, "skipped": 20}
    assert await told_by(house, house.reconcile, "postroom_push_silent_mailboxes") == 5
    assert await told_by(house, house.reconcile, "postroom_push_dead") == 1
    assert said(house.reconcile, "push is dead")
    assert "No mail is lost" in await harbour[0].browser.page("/settings/email-sync")

    # green again
    await house.google.aio.clear_faults()
    for person, sender in people:
        await house.deliver(person, a_mail(sender, person.address, f"pushed to {person.address}"))
    for person, sender in people:
        reader, name = clients[sender]
        await reader.finds(name, f"pushed to {person.address}")
    await pushes_do(house, "works")

    async def is_green() -> bool:
        silent = await told_by(house, house.reconcile, "postroom_push_silent_mailboxes")
        return silent + await told_by(house, house.reconcile, "postroom_push_dead") == 0

    await eventually(is_green, "the gauges are green", BUSY)
    assert "No mail is lost" not in await harbour[0].browser.page("/settings/email-sync")
