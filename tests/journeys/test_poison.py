"""A message that kills every worker that reads it, two mailboxes in one worker, and workers that really die."""

import asyncio

from tests.builders import a_mail
from tests.journeys.conftest import FIRM
from tests.journeys.house import House
from tests.journeys.person import Colleagues, Person
from tests.postroom.process import Process
from tests.postroom.waiting import eventually

CLIENT = "Heavy Haulage"
CLIENTS = f"client_id,client_name,contact_name,address\n32,{CLIENT},Mo Heavy,mo@heavy.example\n"
LONG = 15.0  # seconds that Google takes for the answer over which the worker dies


async def test_after_three_dead_workers_the_message_is_parked_and_whoever_was_beside_it_is_filed(house: House, firm: Colleagues) -> None:
    """Scenario 32."""
    (house.folder / "heavy.csv").write_text(CLIENTS)
    await house.postroom("import", house.folder / "heavy.csv", "--firm", FIRM)
    assert (await house.fresh.stop(), await house.background.stop()) == (0, 0)
    poison = await house.deliver(firm.robin, a_mail("mo@heavy.example", "robin@sample.test", "Too heavy", "Heavy. " * 20_000))
    innocent = await house.deliver(firm.kit, a_mail("mo@heavy.example", "kit@sample.test", "Light"))
    await slow_after(house, firm.robin, 1)
    await slow_after(house, firm.kit, 1)  # its message is under way when the worker dies
    worker = start(house, 1)
    try:
        await dies(house, worker, {poison: 1, innocent: 1})
        await house.deliver(firm.robin, a_mail("mo@heavy.example", "robin@sample.test", "Later"))
        await slow_after(house, firm.robin, 3)  # both looks at the later one, and the headers of the poison
        worker = start(house, 2)
        await dies(house, worker, {poison: 2})
        assert await strikes(house, innocent) <= 1
        await slow_after(house, firm.robin, 1)
        worker = start(house, 3)
        await dies(house, worker, {poison: 3})
        assert await strikes(house, innocent) <= 1
        worker = start(house, 4)
        assert await house.fate(firm.robin, poison) == ("parked", "kills workers")
        assert await house.fate(firm.kit, innocent) == ("filed", "client")
        assert sorted(await firm.sam.subjects_of(CLIENT)) == ["Later", "Light"]
    finally:
        await house.google.aio.clear_faults()
        if worker.runs:
            await worker.stop()
        house.fresh = house.start("worker-fresh-again", "worker", "--queues", "fresh")
        house.background = house.start("worker-background-again", "worker", "--queues", "background")
    await asyncio.gather(house.fresh.ready(), house.background.ready())


def start(house: House, number: int) -> Process:
    """A worker for everything: whatever is under way in it dies with it."""
    return house.start(f"worker-all-{number}", "worker")


async def slow_after(house: House, person: Person, gets: int) -> None:
    """After so many more messages of that mailbox, Google takes long for one."""
    for count, seconds in ((gets, 0.0), (1, LONG)):
        await house.google.aio.fault("timeout", mailbox=person.account, method="messages.get", s=seconds, count=count)


async def dies(house: House, worker: Process, when: dict[str, int]) -> None:
    """It is killed while it reads these, as the strikes in the database tell."""

    async def reads() -> bool:
        return [await strikes(house, gmail_id) for gmail_id in when] == list(when.values())

    await eventually(reads, f"the worker reads {list(when)}", patience=40)
    worker.kill()


async def strikes(house: House, gmail_id: str) -> int:
    rows = await house.ask("SELECT strikes FROM ledger_entry WHERE gmail_id = $1", gmail_id)
    return int(rows[0]["strikes"]) if rows else 0
