"""The supervisor with real processes: in this one where a call will do, in one of its own where signals matter."""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from postroom.supervisor import Restart, Role, Step, Supervisor
from tests.servers import open_folder, processes_of

AT_ONCE = Restart(first=timedelta(milliseconds=10))
IDLE = "while :; do sleep 0.02; done"


@pytest.fixture
def run_id() -> str:
    return secrets.token_hex(6)


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as made:
        yield made


def a_role(name: str, script: str = IDLE, **how: Any) -> Role:
    return Role(name, lambda: (["/bin/sh", "-c", script], {"env": {"PATH": "/usr/bin:/bin"}}), **how)


def a_role_that_notes(name: str, notes: Path, **how: Any) -> Role:
    """It writes `NAME up` and, when stopped, `NAME down`; it is ready a little after it began."""
    script = f"trap 'echo {name} down >> {notes}; exit 0' TERM; sleep 0.05; echo {name} up >> {notes}; {IDLE}"
    return a_role(name, script, ready=lambda: notes.exists() and f"{name} up" in notes.read_text(), **how)


async def eventually(question: Callable[[], bool], patience: float = 10) -> None:
    until = time.monotonic() + patience
    while not question():
        assert time.monotonic() < until, "it never came true"
        await asyncio.sleep(0.01)


async def all_gone(run_id: str) -> None:
    await eventually(lambda: processes_of(run_id) == [], patience=3)


@asynccontextmanager
async def all_up(roles: list[Role], run_id: str, **how: Any) -> AsyncIterator[Supervisor]:
    """A supervisor whose roles are all ready; stopped after the block, and then nothing of it is left."""
    up = asyncio.Event()

    async def on_up() -> None:
        up.set()

    supervisor = Supervisor(roles, run_id, on_up=on_up, restart=AT_ONCE, **how)
    running = asyncio.ensure_future(supervisor.run())
    try:
        await asyncio.wait_for(up.wait(), 10)
        yield supervisor
    finally:
        supervisor.stop()
        assert await asyncio.wait_for(running, 10) == 0
        await all_gone(run_id)


async def test_layers_start_upwards_each_when_the_last_is_ready_and_stop_downwards(folder: Path, run_id: str) -> None:
    notes = folder / "notes"
    roles = [a_role_that_notes(name, notes, layer=layer) for name, layer in (("web", 2), ("database", 0), ("worker", 1))]

    async def migrate() -> None:
        with notes.open("a") as file:
            file.write("migrated\n")

    async with all_up(roles, run_id, steps=[Step("migrate", migrate, after=0)]):
        pass
    ups = ["database up", "migrated", "worker up", "web up"]
    assert notes.read_text().splitlines() == [*ups, "web down", "worker down", "database down"]


async def test_a_role_that_dies_is_started_again_with_the_command_of_that_moment(run_id: str) -> None:
    said: list[str] = []
    asked: list[int] = []

    def command() -> tuple[list[str], dict[str, Any]]:
        asked.append(len(asked))
        return ["sleep", f"{1000 + len(asked)}"], {}

    async with all_up([Role("web", command)], run_id, say=said.append):
        (first,) = processes_of(run_id)
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: any("\x001002" in Path(f"/proc/{pid}/cmdline").read_text() for pid in processes_of(run_id)))
        assert first not in processes_of(run_id)
    assert said == ["web was ended by signal 9 (Killed); started again in 0.01 s"]


def test_the_wait_before_a_restart_doubles_to_a_limit_and_is_forgiven_after_a_steady_life() -> None:
    restart = Restart(first=timedelta(seconds=1), longest=timedelta(seconds=3), steady=timedelta(seconds=60))
    short = timedelta(seconds=5)
    waits = [restart.next(None, short)]
    for _ in range(3):
        waits.append(restart.next(waits[-1], short))
    assert [wait.total_seconds() for wait in waits] == [1, 2, 3, 3]
    assert restart.next(waits[-1], timedelta(seconds=60)) == restart.first


async def test_what_a_role_started_dies_with_it(run_id: str) -> None:
    async with all_up([a_role("leaves a child behind", f"sleep 1000 & trap 'exit 0' TERM; {IDLE}")], run_id):
        await eventually(lambda: len(processes_of(run_id)) > 1)


async def test_a_role_that_is_deaf_to_sigterm_is_killed_after_its_grace_with_all_that_it_started(folder: Path, run_id: str) -> None:
    said: list[str] = []
    deaf = a_role(
        "deaf",
        f"trap '' TERM; sleep 1000 & echo > {folder}/deaf; {IDLE}",
        ready=(folder / "deaf").exists,
        grace=timedelta(milliseconds=100),
    )
    async with all_up([deaf], run_id, say=said.append):
        pass
    assert said == ["deaf did not stop in 0.1 s and is killed."]


async def test_a_role_that_ends_by_the_signal_that_it_was_sent_ended_well(run_id: str) -> None:
    said: list[str] = []
    async with all_up([a_role("like uvicorn")], run_id, say=said.append):
        pass
    assert said == []


async def test_a_failed_start_stops_the_rest_and_tells_the_end_of_its_log(folder: Path, run_id: str) -> None:
    said: list[str] = []
    log = folder / "logs" / "worker.log"
    log.parent.mkdir()
    log.write_text("of an earlier run\n")
    notes = folder / "notes"
    worker = a_role("worker", "echo no database >&2; exit 3", ready=lambda: False, output=log)
    code = await Supervisor([a_role_that_notes("database", notes, layer=0), a_role("web"), worker], run_id, say=said.append).run()
    assert code == 1
    assert said == ["worker ended with 3 before it was ready\n    no database"]
    assert notes.read_text().splitlines() == ["database up", "database down"]
    await all_gone(run_id)


async def test_a_program_that_is_not_there_is_a_failed_start(run_id: str) -> None:
    said: list[str] = []
    code = await Supervisor([a_role("database", layer=0), Role("web", lambda: (["/not/there"], {}))], run_id, say=said.append).run()
    assert (code, len(said)) == (1, 1)
    assert "web cannot be started" in said[0]
    assert "/not/there" in said[0]
    await all_gone(run_id)


async def test_a_role_that_is_never_ready_is_a_failed_start(run_id: str) -> None:
    said: list[str] = []
    slow = a_role("slow", ready=lambda: False, patience=timedelta(milliseconds=50))
    assert await Supervisor([slow], run_id, say=said.append).run() == 1
    assert said == ["slow was not ready after 0.05 s"]
    await all_gone(run_id)


async def test_a_failed_step_stops_everything_and_the_next_layer_never_starts(folder: Path, run_id: str) -> None:
    said: list[str] = []
    notes = folder / "notes"

    async def migrate() -> None:
        raise ValueError("the schema is newer than this program")

    roles = [a_role_that_notes("database", notes, layer=0), a_role_that_notes("web", notes)]
    assert await Supervisor(roles, run_id, steps=[Step("migrate", migrate)], say=said.append).run() == 1
    assert said == ["migrate failed: the schema is newer than this program"]
    assert notes.read_text().splitlines() == ["database up", "database down"]


async def test_a_step_is_given_up_when_the_end_is_asked_for(run_id: str) -> None:
    begun = asyncio.Event()

    async def migrate() -> None:
        begun.set()
        await asyncio.Event().wait()

    supervisor = Supervisor([a_role("database", layer=0), a_role("web")], run_id, steps=[Step("migrate", migrate)])
    running = asyncio.ensure_future(supervisor.run())
    await asyncio.wait_for(begun.wait(), 10)
    supervisor.stop()
    assert await asyncio.wait_for(running, 10) == 0
    await all_gone(run_id)


async def test_a_terminal_that_is_gone_does_not_end_us_before_our_children(run_id: str) -> None:
    def closed(line: str) -> None:
        raise OSError("the terminal is gone")

    async with all_up([a_role("web")], run_id, say=closed):
        (first,) = processes_of(run_id)[:1]
        for pid in processes_of(run_id):
            os.kill(pid, signal.SIGKILL)
        await eventually(lambda: processes_of(run_id) != [] and first not in processes_of(run_id))


async def test_a_log_is_for_our_eyes_only_and_kept_across_restarts(folder: Path, run_id: str) -> None:
    log = folder / "logs" / "web.log"
    async with all_up([a_role("web", "echo once more; sleep 0.02; exit 1", output=log)], run_id, say=lambda line: None):
        await eventually(lambda: log.exists() and log.read_text().count("once more") > 1)
    assert log.stat().st_mode & 0o777 == 0o600


SCRIPT = """
import asyncio, signal, sys
from datetime import timedelta
from pathlib import Path
from postroom.embedded import Postgres, Valkey
from postroom.supervisor import Role, Supervisor

home, run_id, kind = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

def deaf():
    ready = (home / "deaf").exists
    return [Role("deaf", lambda: (["/bin/sh", "-c", f"trap '' TERM; echo > {home}/deaf; while :; do sleep 1; done"], {}), ready)]

def as_role(server):
    return Role(server.data.name, server.command, server.ready, server.STOP, layer=0, output=home / "log")

def servers():
    postgres = Postgres(home, settings={"fsync": "off", "cluster_name": f"POSTROOM_RUN={run_id}"})
    valkey = Valkey(home)
    for server in (postgres, valkey):
        server.prepare()
    return [*map(as_role, (postgres, valkey)), Role("web", lambda: (["sleep", "1000"], {}))]

async def greet():
    print("up", flush=True)

sys.exit(asyncio.run(Supervisor({"deaf": deaf, "servers": servers}[kind](), run_id, on_up=greet).run()))
"""


@pytest.fixture
def launch(folder: Path, run_id: str) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    launched = []

    def start(kind: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", SCRIPT, str(folder), run_id, kind]
        launcher = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True)
        launched.append(launcher)
        assert launcher.stdout is not None
        assert launcher.stdout.readline() == "up\n"
        return launcher

    yield start
    for launcher in launched:
        launcher.kill()
    for pid in processes_of(run_id):
        os.kill(pid, signal.SIGKILL)
    for launcher in launched:
        launcher.communicate()


async def test_a_killed_supervisor_leaves_no_orphan(launch: Callable[[str], subprocess.Popen[str]], run_id: str) -> None:
    launcher = launch("servers")
    assert len(processes_of(run_id)) > 5  # PostgreSQL's own children are found too
    launcher.kill()
    await all_gone(run_id)


async def test_ctrl_c_from_the_terminal_stops_everything_in_order(
    launch: Callable[[str], subprocess.Popen[str]], run_id: str, folder: Path
) -> None:
    launcher = launch("servers")
    os.killpg(launcher.pid, signal.SIGINT)
    assert launcher.communicate(timeout=10)[0] == "Stopping. Ctrl-C again stops at once.\n"
    assert launcher.returncode == 0
    await all_gone(run_id)
    assert "database system is shut down" in (folder / "log").read_text()


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
async def test_a_second_ctrl_c_stops_at_once(second: signal.Signals, launch: Callable[[str], subprocess.Popen[str]], run_id: str) -> None:
    launcher = launch("deaf")
    assert launcher.stdout is not None
    launcher.send_signal(signal.SIGINT)
    assert launcher.stdout.readline().startswith("Stopping")
    assert processes_of(run_id) != []
    launcher.send_signal(second)
    assert launcher.wait(5) == 0
    await all_gone(run_id)


async def test_a_terminal_that_hangs_up_twice_still_gives_grace(launch: Callable[[str], subprocess.Popen[str]], run_id: str) -> None:
    launcher = launch("deaf")
    assert launcher.stdout is not None
    launcher.send_signal(signal.SIGHUP)
    assert launcher.stdout.readline().startswith("Stopping")
    launcher.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        launcher.wait(0.1)
    launcher.send_signal(signal.SIGINT)
    launcher.wait(5)
    await all_gone(run_id)
