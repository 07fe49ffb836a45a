"""`postroom run`, as a newcomer starts it: everything on one machine, from an empty data folder; and again."""

import asyncio
import json
import os
import re
import shutil
import signal
import smtplib
import subprocess
import sys
import sysconfig
import urllib.request
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bs4 import BeautifulSoup

from postroom.embedded.account import Account, account_for, can_enter, can_run
from postroom.embedded.ports import free_port
from postroom.newcomer import Newcomer
from postroom.role import die_with_parent
from tests.postroom.deployment import CHECKOUT, environment, postroom
from tests.postroom.waiting import eventually
from tests.servers import open_folder, processes_of

START = 90.0  # seconds: initdb waits for the disk
ROOT = os.geteuid() == 0
ELSEWHERE = "stop it there with Ctrl-C, or give this one a folder of its own (APP__DATA_DIR)."


class Launched:
    """A `postroom run` and what its terminal shows."""

    def __init__(
        self, home: Path, python: str = sys.executable, checkout: Path = CHECKOUT, user: Account | None = None, **told: str
    ) -> None:
        port = free_port()
        self.home, self.base = home, f"http://127.0.0.1:{port}"
        self.settings = {
            "APP__DATA_DIR": str(home),
            "APP__BASE_URL": self.base,
            "WEBHOOK__BIND": f"127.0.0.1:{port}",
            "PORTAL__BIND": f"127.0.0.1:{port}",
            "METRICS__BIND": "127.0.0.1:0",
        }
        self._terminal = home.with_suffix(f".{port}.terminal")
        how = {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}
        with self._terminal.open("wb") as terminal, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 minds preexec_fn beside threads
            self.process = subprocess.Popen(  # type: ignore[call-overload]
                [python, "-m", "postroom", "run"],
                cwd=checkout, env=environment(**self.settings, **told, PYTHONUNBUFFERED="1"), stdin=subprocess.DEVNULL, stdout=terminal,
                stderr=terminal, start_new_session=True, preexec_fn=die_with_parent(signal.SIGTERM), **how,  # noqa: PLW1509
            )  # fmt: skip

    @property
    def shown(self) -> str:
        return self._terminal.read_text()

    @property
    def mark(self) -> str:
        """What every process of this run carries."""
        return str(json.loads((self.home / "running.json").read_text())["run"])

    async def shows(self, pattern: str, patience: float = START) -> re.Match[str]:
        async def found() -> re.Match[str] | None:
            assert self.process.poll() is None, self.shown
            return re.search(pattern, self.shown)

        match = await eventually(found, f"the terminal shows {pattern!r}: {self.shown}", patience)
        assert match is not None
        return match

    async def ctrl_c(self) -> int:
        """The exit code."""
        self.process.send_signal(signal.SIGINT)
        return await asyncio.to_thread(self.process.wait, START)

    @asynccontextmanager
    async def visited(self) -> AsyncIterator[Newcomer]:
        """A browser signed in as the admin, by the link on the terminal."""
        link = (await self.shows(r"Sam Sample \(admin\): (\S+)"))[1]
        async with Newcomer(self.base, "") as browser:
            await browser.sign_in(link)
            yield browser


@asynccontextmanager
async def launched(home: Path, **how: object) -> AsyncIterator[Launched]:
    """Up; and ended by force if a test leaves it running."""
    run = Launched(home, **how)  # type: ignore[arg-type]
    try:
        await run.shows("Postroom is up")
        yield run
    finally:
        run.process.terminate()
        await asyncio.to_thread(run.process.wait, START)


async def filed(browser: Newcomer) -> set[str]:
    """The mails under "Filed last"."""
    page = BeautifulSoup(await browser.page("/"), "html.parser")
    return {str(link["href"]) for link in page.select('main a[href^="/activities/"]')}


async def states(browser: Newcomer) -> list[str]:
    page = BeautifulSoup(await browser.page("/settings/integrations"), "html.parser")
    return [tag.get_text(strip=True) for tag in page.select(".connections .what .tag")]


async def stops_without_a_trace(run: Launched) -> None:
    mark = run.mark
    assert len(processes_of(mark)) >= 7, "PostgreSQL, Valkey, sandbox, web, two workers, reconcile"
    assert await run.ctrl_c() == 0
    assert "Stopping." in run.shown
    assert processes_of(mark) == []
    assert not (run.home / "running.json").exists()


def a_letter_lands(run: Launched) -> None:
    """What is sent where the roles are told to send letters, a person finds where the greeting says."""
    told = json.loads((run.home / "running.json").read_text())["environment"]
    assert told["MAIL__SMTP_TLS"] == "none"
    with smtplib.SMTP(told["MAIL__SMTP_HOST"], int(told["MAIL__SMTP_PORT"]), timeout=5) as post:
        post.sendmail("postroom@sample.test", "sam@sample.test", b"Subject: A letter for Sam\r\n\r\nHello\r\n")
    where = re.search(r"Letters that Postroom sends land there: (\S+)", run.shown)
    assert where is not None
    with urllib.request.urlopen(where[1], timeout=5) as page:
        assert "A letter for Sam" in page.read().decode()


async def test_a_first_run_files_mail_ctrl_c_ends_all_of_it_and_a_second_run_goes_on() -> None:
    """Scenario 127."""
    with open_folder() as folder:
        async with launched(folder / "home") as first:
            await first.shows(r"filed +1 from mailbox \d+ \(push, ")
            async with first.visited() as browser:
                before = await filed(browser)
                assert "VAT registration certificate" in await browser.page("/")
            beside = await asyncio.to_thread(postroom, "run", **first.settings)
            assert (beside.code, beside.out, beside.err) == (1, "", f"Postroom is already running in {folder / 'home'}: {ELSEWHERE}\n")
            link = await asyncio.to_thread(postroom, "user", "sign-in-link", "robin@sample.test", **first.settings)
            assert link.out.startswith(f"{first.base}/sign-in/"), "another terminal finds the embedded database"
            await asyncio.to_thread(a_letter_lands, first)
            await stops_without_a_trace(first)
        async with launched(folder / "home") as second, second.visited() as browser:
            assert await states(browser) == ["connected", "connected"]
            await second.shows(r"filed +1 from mailbox")
            assert await filed(browser) > before
            assert "VAT registration certificate" in await browser.page("/"), "the first run's own"
            await stops_without_a_trace(second)


if ROOT:  # an ordinary user's run is the test above where the tests run as one

    async def test_an_ordinary_user_runs_it_too() -> None:
        with open_folder() as folder:
            user = account_for(folder / "none")
            assert user is not None
            (folder / "theirs").mkdir()
            os.chown(folder / "theirs", user.uid, user.gid)
            python, told = a_python_for(user, folder)
            how = {"python": python, "checkout": within_reach(CHECKOUT, user, folder / "checkout", ".git", ".venv", "data"), "user": user}
            async with launched(folder / "theirs" / "home", **how, **told, HOME=str(folder / "theirs")) as run:
                await run.shows(r"filed +1 from mailbox")
                running = processes_of(run.mark)
                assert {Path(f"/proc/{process}").stat().st_uid for process in running} == {user.uid}
                await stops_without_a_trace(run)

    def a_python_for(user: Account, folder: Path) -> tuple[str, dict[str, str]]:
        """Ours with what is installed, or a copy where only root reaches it; and what the copy must be told."""
        installed = within_reach(Path(sysconfig.get_path("purelib")), user, folder / "installed")
        if can_run(Path(sys.executable), user):
            return sys.executable, {"PYTHONPATH": str(installed)}
        home = folder / "python"
        standard, copy = Path(sysconfig.get_path("stdlib")), home / "lib" / f"python{sysconfig.get_python_version()}"
        library = within_reach(standard, user, copy, "site-packages", "test")
        for shared in Path(sysconfig.get_config_var("LIBDIR")).glob("libpython3*.so*"):
            shutil.copy(shared, library.parent)
        (home / "bin").mkdir()
        shutil.copy(Path(sys.executable).resolve(), home / "bin" / "python")
        return str(home / "bin" / "python"), {"PYTHONHOME": str(home), "PYTHONPATH": str(installed), "LD_LIBRARY_PATH": str(library.parent)}

    def within_reach(tree: Path, user: Account, copy: Path, *left_out: str) -> Path:
        """The folder; or a copy, where this user cannot enter it."""
        if can_enter(tree, user):
            return tree
        shutil.copytree(tree, copy, ignore=shutil.ignore_patterns(*left_out))
        copy.chmod(0o755)
        return copy
