"""The smoke test: all roles on free ports and an empty data folder, and one mail's way from Google to the client's page.

`python -m tools.smoke` (or `make smoke`). Everything by the doors that people use: the command line, the pages, Google's consent over HTTP.
Prints push-to-filed milliseconds as its last line; any step that fails ends it with exit code 1 and what went wrong.
"""

import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiohttp

from postroom import local
from postroom.embedded import default_home
from postroom.embedded.ports import free_port
from postroom.newcomer import Lost, Newcomer

CHECKOUT = Path(__file__).parent.parent
FIRM, PERSON, CLIENT, SUBJECT = "Smoke & Co", "sam@sample.test", "Harbour Bakery Ltd", "Smoke test: quarterly figures"
CLIENTS = f"client_id,client_name,contact_name,address\n1,{CLIENT},Pat Example,pat@client.example\n"
PATIENCE = 45.0  # seconds for each step
ONE_PUSH = 1.1  # seconds: connecting makes Google push, and it drops a second push of a mailbox within a second


class Failed(Exception):
    """A step did not do what it should; the text says which."""


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="postroom-smoke-"))
    folder.chmod(0o755)  # ours: as root, PostgreSQL's account must be able to enter it
    try:
        with all_roles(folder) as environment:
            milliseconds = asyncio.run(one_mail(folder, environment))
    except (Failed, Lost, aiohttp.ClientError, OSError) as error:
        print(f"smoke test failed: {error or repr(error)}", file=sys.stderr)
        _show_logs(folder)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{milliseconds:.1f}")
    return 0


@contextlib.contextmanager
def all_roles(folder: Path, *, sample: bool = False, **settings: str) -> Iterator[dict[str, str]]:
    """`postroom run`, with the sample or without, up and ready; afterwards stopped, all of it. `settings` as in the environment."""
    web, metrics = free_port(), 0
    environment = os.environ | {
        "APP__MODE": "demo",
        "APP__DATA_DIR": str(folder),
        "APP__BASE_URL": f"http://127.0.0.1:{web}",
        "WEBHOOK__BIND": f"127.0.0.1:{web}",
        "PORTAL__BIND": f"127.0.0.1:{web}",
        "METRICS__BIND": f"127.0.0.1:{metrics}",
        "PYTHONUNBUFFERED": "1",
        **settings,
    }
    said = folder / "run.log"
    ours = _postroom("run", *(() if sample else ("--no-sample",)))
    with said.open("wb") as output:
        run = subprocess.Popen(ours, cwd=CHECKOUT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + PATIENCE
        while "Postroom is up" not in said.read_text():
            if run.poll() is not None or time.monotonic() > until:
                raise Failed(f"the roles did not come up: {said.read_text().strip()[-2000:]}")
            time.sleep(0.05)
        yield environment
    finally:
        run.terminate()
        code = run.wait(60)
    if code:
        raise Failed(f"`postroom run` ended with {code}: {said.read_text().strip()[-2000:]}")


async def one_mail(folder: Path, environment: dict[str, str]) -> float:
    """Firm, person and clients by command; a mailbox by consent; a mail by the sandbox; the activity by the pages."""
    run = json.loads((default_home(folder) / local.FILE).read_text())
    google = run["environment"]["GOOGLE__GMAIL_API"]
    clients = folder / "clients.csv"
    clients.write_text(CLIENTS)
    command(environment, "firm", "add", FIRM)
    command(environment, "user", "add", PERSON, "--firm", FIRM, "--admin")
    command(environment, "import", "--firm", FIRM, str(clients))
    link = json.loads(command(environment, "user", "sign-in-link", PERSON, "--json"))["url"]
    async with Newcomer(environment["APP__BASE_URL"], google) as newcomer, aiohttp.ClientSession() as session:
        await _post(session, f"{google}/sandbox/accounts", json={"address": PERSON, "name": "Sam Sample"})
        await newcomer.sign_in(link)
        await newcomer.connect(PERSON)
        await asyncio.sleep(ONE_PUSH)
        await _post(session, f"{google}/sandbox/mail", params={"mailbox": PERSON}, data=_mail())
        page = await _client_page(newcomer)
        activity = re.search(r'href="(/activities/\d+)"', page)
        if activity is None or SUBJECT not in page:
            raise Failed(f"the page of {CLIENT} does not show the mail")
        if SUBJECT not in await newcomer.page(activity[1]):
            raise Failed("the activity's own page does not show the mail")
        return await _push_to_filed(session, run["metrics"]["worker-fresh"])


async def _client_page(newcomer: Newcomer) -> str:
    """The client's activities, found as a person finds them: Clients, then the client; looked at until the mail is there."""
    listed = re.search(rf'href="(/clients/\d+/activities)"[^>]*>(?:(?!</a>).)*{CLIENT}', await newcomer.page("/clients"), re.S)
    if listed is None:
        raise Failed(f"{CLIENT} is not among the clients")
    until = time.monotonic() + PATIENCE
    while SUBJECT not in (page := await newcomer.page(listed[1])) and time.monotonic() < until:
        await asyncio.sleep(0.05)
    return page


async def _push_to_filed(session: aiohttp.ClientSession, bind: str) -> float:
    """Milliseconds, as the worker that filed it measured them."""
    async with session.get(f"http://{bind}/metrics") as answer:
        told = dict(re.findall(r"^postroom_push_to_filed_seconds_(sum|count) (\S+)$", await answer.text(), re.M))
    if float(told.get("count", 0)) != 1:
        raise Failed(f"one mail was filed after a push, and the worker counts {told.get('count')}")
    return float(told["sum"]) * 1000


def _mail() -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Pat Example <pat@client.example>", PERSON, SUBJECT
    mail["Message-ID"] = "<smoke@client.example>"
    mail.set_content("All is well.")
    return mail.as_bytes()


async def _post(session: aiohttp.ClientSession, url: str, **what: Any) -> None:
    async with session.post(url, **what) as answer:
        if answer.status >= 300:
            raise Failed(f"the sandbox refused {answer.url.path}: {await answer.text()}")


def command(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(_postroom(*arguments), cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"postroom {' '.join(arguments[:2])}: {done.stderr.strip()}")
    return done.stdout


def _postroom(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "postroom", *arguments]


def _show_logs(folder: Path) -> None:
    for log in sorted(default_home(folder).glob("logs/*.log")):
        print(f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
