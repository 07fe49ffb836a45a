"""What the processes tell operators of all the stories: figures and events, and nothing that people wrote.

The last file by name, so that it has the mails of all others to look for; alone, it has its own.
"""

import json
from functools import partial
from typing import Any

import pytest

from tests.builders import VAULT, a_mail
from tests.journeys.house import House
from tests.journeys.person import Colleagues
from tests.postroom.process import Process
from tests.postroom.waiting import eventually

SHORT = 5  # a word of so many letters may stand in a log by chance


@pytest.fixture(scope="module")
async def told(house: House, firm: Colleagues) -> set[str]:
    """Everything that must stay among the firm's own people, after one mail more of each kind, and a sweep."""
    await house.an_interval_passes(firm.kit)
    await house.deliver(firm.sam, a_mail("pat@harbour.example", "sam@sample.test", "Said aloud"))
    await firm.sam.finds("Harbour Bakery", "Said aloud")
    unwanted = await house.deliver(firm.sam, a_mail("A Friend <friend@nobody.example>", "sam@sample.test", "Whispered to nobody"))
    await house.deliver(firm.sam, a_mail("lou@sundry.example", "sam@sample.test", "Whispered to Sundry Flowers"))
    await firm.sam.finds("Sundry Flowers", "Whispered to Sundry Flowers")
    assert await house.fate(firm.sam, unwanted) == ("skipped", "no client")
    rows = await house.ask("SELECT refresh_token, access_token FROM mailbox")
    everything = house.told | {VAULT.open(sealed) for row in rows for sealed in row}
    return {word for word in everything if len(word) > SHORT}


def lines(process: Process) -> list[dict[str, Any]]:
    return [json.loads(line) for line in process.log.read_text().splitlines()]


async def test_logs_hold_events_and_nothing_that_people_wrote(house: House, told: set[str]) -> None:
    """Scenario 110."""
    assert {"Whispered to nobody", "friend@nobody.example", "Please find the figures below.", "Sundry Flowers"} <= told
    assert {"ready", "connected", "push"} <= {line["event"] for line in lines(house.web)}
    assert {"ready", "sync"} <= {line["event"] for line in lines(house.fresh)}
    for process in house.processes:
        log = process.log.read_text().lower()
        assert [word for word in told if word.lower() in log] == [], process.name


async def test_metrics_of_every_process_count_and_quote_nobody(house: House, told: set[str]) -> None:
    """Scenario 110."""
    for process, figure in (
        (house.web, 'postroom_pushes_total{outcome="queued"}'),
        (house.fresh, 'postroom_messages_total{finder="push",outcome="filed"}'),
        (house.background, 'postroom_jobs_total{actor="sync_stragglers",outcome="ok"}'),
        (house.reconcile, 'postroom_mailboxes{state="connected"}'),
    ):
        counted = await eventually(partial(_metrics_with, house, process, figure), f"{process.name} counts {figure}")
        assert [word for word in told if word.lower() in counted.lower()] == [], process.name


async def _metrics_with(house: House, process: Process, figure: str) -> str:
    """The process's metrics once the figure is above nought; empty before."""
    text = await house.metrics(process)
    return text if any(line.startswith(f"{figure} ") and float(line.rpartition(" ")[2]) > 0 for line in text.splitlines()) else ""


async def test_one_correlation_id_leads_from_the_push_to_the_job(house: House, told: set[str]) -> None:
    pushes = {line["trace"] for line in lines(house.web) if line["event"] == "push" and line["outcome"] == "queued"}
    syncs = {line["trace"] for line in lines(house.fresh) if line["event"] == "sync" and line["trigger"] == "push"}
    assert pushes & syncs
