"""The watchdog: what it decides; and a real worker that is made ill, ends itself, and is started again by the supervisor."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import dramatiq
import pytest
import redis
import yaml

from models.database import LIMITS, tortoise_config
from pipeline.broker import WakingBroker
from pipeline.jobs import FRESH
from postroom.embedded.ports import free_port, http_ready
from postroom.supervisor import Restart, Role, Supervisor
from postroom.watchdog import PACE, Look, Silence, illness
from tests.postroom import frail_worker as frail
from tests.postroom.deployment import CHECKOUT, environment, postroom
from tests.postroom.waiting import eventually
from tests.servers import Server, open_folder, running_postgres, running_valkey

WELL = Look()
STUCK = Look(loop_turned=False)
LEAKED = Look(pool_gave=False, database_answers=True)
OUTAGE = Look(pool_gave=False, database_answers=False)

START = 30.0  # seconds for a process on a busy machine
LONGER = 1.3 * frail.PACE.longest.total_seconds()  # than the watchdog's patience


# What it decides


def judged(*looks: Look) -> str | None:
    """After these, one after the other."""
    silence = Silence()
    for look in looks:
        silence = silence.after(look)
    return illness(looks[-1], silence, patience=3)


@pytest.mark.parametrize(
    "looks",
    [
        [WELL] * 9,
        [STUCK, STUCK, WELL, STUCK, STUCK],
        [LEAKED, LEAKED, WELL, LEAKED, LEAKED],
        [OUTAGE] * 9,
        [OUTAGE, OUTAGE, LEAKED, LEAKED],
        [LEAKED, LEAKED, OUTAGE, LEAKED, LEAKED],
        [STUCK, STUCK, LEAKED, LEAKED],
        [Look(loop_turned=False, pool_gave=False, database_answers=True)] * 2,
    ],
)
def test_what_passes_by_itself_is_let_pass(looks: list[Look]) -> None:
    assert judged(*looks) is None


@pytest.mark.parametrize(
    ("looks", "because"),
    [
        ([WELL, Look(ended=("consumer of fresh",))], "ended: consumer of fresh"),
        ([STUCK] * 3, "the event loop does not turn"),
        ([LEAKED, WELL, LEAKED, LEAKED, LEAKED], "the pool gives out no connection although PostgreSQL takes new ones"),
        ([OUTAGE, LEAKED, LEAKED, LEAKED], "the pool gives out no connection although PostgreSQL takes new ones"),
    ],
)
def test_what_only_a_restart_cures_is_named(looks: list[Look], because: str) -> None:
    assert judged(*looks) == because


def test_it_waits_longer_than_whatever_a_living_job_may_keep_from_the_pool() -> None:
    """A transaction that stands idle; a query that gets no answer, and then the attempt to clean up behind it."""
    database = tortoise_config("postgres://nobody@127.0.0.1:1/none")["connections"]["default"]["credentials"]
    idle, query = int(LIMITS["idle_in_transaction_session_timeout"]) / 1000, database["command_timeout"]
    assert PACE.longest >= 1.5 * timedelta(seconds=max(idle, 2 * query))


def test_docker_starts_every_role_again_however_it_ended() -> None:
    services = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())["services"]
    again = {name for name, service in services.items() if service.get("restart") in ("unless-stopped", "always")}
    assert {"webhook", "portal", "worker-fresh", "worker-background", "reconcile"} <= again


# A real worker


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Server]:
    """One to stop and to freeze."""
    with running_postgres() as server:
        assert postroom("migrate", DATABASE__URL=server.url, REDIS__URL="redis://127.0.0.1:1").code == 0
        yield server


@pytest.fixture(scope="module")
def own_valkey() -> Iterator[Server]:
    with running_valkey() as server:
        yield server


class Patient:
    """A worker under a supervisor, and somebody who sends it jobs."""

    def __init__(self, postgres: Server, valkey: Server, log: Path) -> None:
        self.postgres, self.valkey, self.log = postgres, valkey, log
        self.said = list[str]()  # by the supervisor: one line each time that the worker ended
        self._metrics, self._jobs_sent = f"127.0.0.1:{free_port()}", 0
        self.role = Role("worker", self._command, http_ready(f"http://{self._metrics}/readyz"), output=log)

    def _command(self) -> tuple[list[str], dict[str, Any]]:
        told = {"DATABASE__URL": self.postgres.url, "REDIS__URL": self.valkey.url, "METRICS__BIND": self._metrics, "DATABASE__POOL": 2}
        how = environment(**told, dramatiq_restart_delay=100, dramatiq_worker_timeout=100)  # milliseconds that Dramatiq sleeps
        return [sys.executable, "-m", "tests.postroom.frail_worker"], {"env": how, "cwd": CHECKOUT}

    def sends(self, job: Callable[..., object], *arguments: object) -> None:
        broker = WakingBroker(url=self.valkey.url, middleware=[])
        broker.enqueue(dramatiq.Message(FRESH, job.__name__, arguments, {}, {}))
        broker.client.connection_pool.disconnect()

    def sends_work(self, seconds: float = 0) -> int:
        """A job that is done if the worker is well; its number."""
        self._jobs_sent += 1
        self.sends(frail.works, self._jobs_sent, seconds)
        return self._jobs_sent

    def done(self) -> list[int]:
        with redis.Redis.from_url(self.valkey.url) as client:
            return [int(number) for number in client.lrange(frail.DONE, 0, -1)]

    async def works(self) -> None:
        number = self.sends_work()

        async def is_done() -> bool:
            return number in self.done()

        await eventually(is_done, "the worker works")

    async def is_started_again(self, times_before: int) -> None:
        async def is_ready() -> bool:
            return len(self.said) > times_before and await asyncio.to_thread(self.role.ready)

        await eventually(is_ready, "the worker ended and its successor is ready")


@pytest.fixture(scope="module")
async def patient_until_the_end(own_postgres: Server, own_valkey: Server) -> AsyncIterator[Patient]:
    with open_folder() as folder:
        patient, up = Patient(own_postgres, own_valkey, folder / "log"), asyncio.Event()

        async def on_up() -> None:
            up.set()

        at_once = Restart(first=timedelta(milliseconds=10), longest=timedelta(milliseconds=10))
        supervisor = Supervisor([patient.role], secrets.token_hex(6), on_up=on_up, say=patient.said.append, restart=at_once)
        running = asyncio.ensure_future(supervisor.run())
        await asyncio.wait_for(up.wait(), START)
        yield patient
        supervisor.stop()
        assert await asyncio.wait_for(running, START) == 0


@pytest.fixture
def patient(patient_until_the_end: Patient) -> Patient:
    """With nothing to do: jobs of workers that died stay dead."""
    with redis.Redis.from_url(patient_until_the_end.valkey.url) as client:
        client.flushall()
    return patient_until_the_end


@pytest.mark.parametrize(
    ("falls_ill", "because"),
    [
        (frail.consumer_ends, "ended: consumer of fresh.DQ"),
        (frail.worker_thread_ends, "ended: worker thread "),
        (frail.loop_ends, "ended: event loop"),
        (frail.loop_hangs, "the event loop does not turn"),
        (frail.pool_leaks, "the pool gives out no connection although PostgreSQL takes new ones"),
        (frail.interpreter_is_kept, "in interpreter_is_kept"),  # no line of ours: nothing of ours could run
    ],
)
async def test_an_ill_worker_says_why_ends_and_is_started_again(patient: Patient, falls_ill: Callable[..., object], because: str) -> None:
    before, written = len(patient.said), patient.log.stat().st_size
    patient.sends(falls_ill)
    await patient.is_started_again(before)
    assert patient.said[before:] == [f"worker ended with 1; started again in 0.01 s (its log: {patient.log})"]
    assert because in patient.log.read_text()[written:]
    await patient.works()


async def test_jobs_that_run_may_end_before_the_worker_does(patient: Patient) -> None:
    before, number = len(patient.said), patient.sends_work(seconds=1.0)
    await asyncio.sleep(0.05)
    patient.sends(frail.consumer_ends)
    await patient.is_started_again(before)
    assert patient.done() == [number]


async def test_a_busy_worker_is_left_alone(patient: Patient) -> None:
    before = len(patient.said)
    patient.sends(frail.is_busy, LONGER)
    await asyncio.sleep(LONGER)
    await patient.works()
    assert patient.said[before:] == []


@pytest.mark.parametrize("outage", ["stopped", "frozen"])
@pytest.mark.parametrize("server", ["postgres", "valkey"])
async def test_an_outage_is_left_to_pass(patient: Patient, server: str, outage: str) -> None:
    """With a job under way; then jobs go on by themselves."""
    before, gone = len(patient.said), {"postgres": patient.postgres, "valkey": patient.valkey}[server]
    patient.sends_work(seconds=0.3)
    if outage == "stopped":
        gone.stop()
        await asyncio.sleep(LONGER)
        gone.start()
    else:
        with frozen([gone.pid, *(await backends(gone) if server == "postgres" else [])]):
            await asyncio.sleep(LONGER)
    await patient.works()
    assert patient.said[before:] == []


async def backends(postgres: Server) -> list[int]:
    """The processes at the other end of others' connections."""
    connection = await asyncpg.connect(postgres.url)
    try:
        rows = await connection.fetch("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
        return [row["pid"] for row in rows]
    finally:
        await connection.close()


@contextmanager
def frozen(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
