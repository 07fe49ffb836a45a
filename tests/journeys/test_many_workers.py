"""Workers that die half-way, and workers that work side by side: seven stay seven."""

import asyncio
import re

from tests.builders import a_mail
from tests.journeys.house import House
from tests.journeys.person import Colleagues
from tests.postroom.process import Process
from tests.postroom.waiting import eventually


async def test_a_worker_killed_while_it_files_seven_leaves_exactly_seven_to_its_successor(house: House, firm: Colleagues) -> None:
    """Scenario 31."""
    client, subjects = "Seven Bridges", [f"Bridge {number} of seven" for number in range(1, 8)]
    assert await house.fresh.stop() == 0
    doomed = house.start("worker-doomed", "worker", "--queues", "fresh", LIMITS__BATCH="1")  # a transaction for each: it dies in between
    try:
        await house.google.aio.fault("timeout", mailbox=firm.robin.account, method="messages.get", s=0.25)
        for subject in subjects:
            await house.deliver(firm.robin, a_mail("cas@sevenbridges.example", "robin@sample.test", subject))

        async def some() -> bool:
            return len(await firm.robin.subjects_of(client)) >= 3

        await eventually(some, "three of seven are filed", patience=40)
    finally:
        doomed.kill()
        house.fresh = house.start("worker-successor", "worker", "--queues", "fresh")
    assert 3 <= len(await firm.robin.subjects_of(client)) < 7, "it was killed in the middle"
    await house.google.aio.clear_faults()

    async def all_settled() -> bool:
        owed = await house.ask("SELECT count(*) AS n FROM ledger_entry WHERE owed_at IS NOT NULL")
        return len(await firm.robin.subjects_of(client)) >= 7 and owed[0]["n"] == 0

    await eventually(all_settled, "the rest is filed")
    await house.fresh.ready()
    assert sorted(await firm.robin.subjects_of(client)) == subjects


async def test_two_workers_on_one_mailbox_do_nothing_twice(house: House, firm: Colleagues) -> None:
    client, people = "Crowded Cafe", (firm.sam, firm.robin)
    second = house.start("worker-fresh-second", "worker", "--queues", "fresh")
    await second.ready()
    before = [await jobs(house, worker) for worker in (house.fresh, second)]
    delivered: dict[str, str] = {}
    subjects: list[str] = []

    async def both_worked() -> bool:
        """Each round: one mail more in both mailboxes, its pushes repeated."""
        subjects.append(f"Table {len(subjects)}")
        mail = a_mail("flo@crowded.example", "sam@sample.test, robin@sample.test", subjects[-1])
        for person in people:
            await house.google.aio.fault("push_repeated", mailbox=person.account, n=3, count=1)
        ids = await asyncio.gather(*(house.deliver(person, mail) for person in people))
        delivered.update({gmail_id: person.account for gmail_id, person in zip(ids, people, strict=True)})
        after = [await jobs(house, worker) for worker in (house.fresh, second)]
        return len(subjects) >= 10 and all(now > then for now, then in zip(after, before, strict=True))

    await eventually(both_worked, "both workers had jobs")

    async def all_filed() -> bool:
        return sum(mail.marks == ("Received by robin and sam",) for mail in await firm.sam.mails_of(client)) >= len(subjects)

    await eventually(all_filed, "every mail is filed with both receipts")
    assert sorted(await firm.sam.subjects_of(client)) == sorted(subjects)
    for person in people:
        for gmail_id in [gmail_id for gmail_id, account in delivered.items() if account == person.account]:
            assert await house.gets(person, gmail_id) == ["metadata", "full"]
    assert await second.stop() == 0


async def jobs(house: House, worker: Process) -> float:
    """How many syncs that were asked for by a push this worker has ended."""
    told = re.search(r'^postroom_jobs_total{actor="sync_mailbox",outcome="ok"} ([\d.e+]+)$', await house.metrics(worker), re.M)
    return float(told[1]) if told else 0.0
