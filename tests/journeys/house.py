"""All of Postroom as processes of their own on free ports, with a simulated Google that pushes to them."""

import asyncio
import itertools
import json
import tomllib
from contextlib import AsyncExitStack
from email.message import EmailMessage
from email.utils import getaddresses
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from postroom.embedded.ports import free_port
from postroom.newcomer import Newcomer
from settings import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, DEMO_SERVICE_ACCOUNT
from tests.journeys.person import Person
from tests.postroom.deployment import CHECKOUT, Said, postroom
from tests.postroom.process import Process
from tests.postroom.waiting import eventually
from tests.sandbox_server import SandboxServer

WAITS = {"limits": {"lease": 2.0}, "sweep": {"tick": 0.2}}  # what is shortened, in seconds; the rest is as in settings.toml


class House:
    """`start` adds a role, `deliver` a mail at Google; `people` come in by the command line and connect over HTTP.

    `House(…, sweep={"interval": 2.0})`: other settings than the manual's, by section.
    """

    def __init__(self, folder: Path, database_url: str, redis_url: str, **sections: dict[str, Any]) -> None:
        self.folder, self.processes = folder, list[Process]()
        self.told: set[str] = set()  # what must not be found in logs and metrics
        self.database_url, self._redis_url = database_url, redis_url
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.google = SandboxServer(
            folder / "google",
            f"{self.url}/webhook/gmail",
            push_interval=0,  # or a second mail within a second would wait for the sweep, as it does at Google
            service_account=DEMO_SERVICE_ACCOUNT,
            client_id=DEMO_CLIENT_ID,
            client_secret=DEMO_CLIENT_SECRET,
            project="demo-project",
        )
        self.settings = {"POSTROOM_SETTINGS": str(folder / "settings.toml")}
        (folder / "settings.toml").write_text(self._settings(sections))
        self._open = AsyncExitStack()

    def _settings(self, sections: dict[str, dict[str, Any]]) -> str:
        """The manual's values, and what makes this house one of its own."""
        chosen: dict[str, dict[str, Any]] = tomllib.loads((CHECKOUT / "settings.toml").read_text())
        google, bind = self.google.url, f"127.0.0.1:{self.port}"
        ours: dict[str, dict[str, Any]] = {
            "app": {"base_url": self.url, "data_dir": str(self.folder)},
            "webhook": {"bind": bind},
            "portal": {"bind": bind},
            "database": {"url": self.database_url},
            "redis": {"url": self._redis_url},
            "push": {"certs_url": f"{google}/oauth2/v1/certs"},
            "google": {
                "auth_uri": f"{google}/o/oauth2/v2/auth",
                "token_uri": f"{google}/token",
                "revoke_uri": f"{google}/revoke",
                "oidc_certs_url": f"{google}/oauth2/v1/certs",
                "gmail_api": google,
            },
        }
        for changes in (ours, WAITS, sections):
            for section, values in changes.items():
                chosen[section] |= values
        return "\n".join(
            f"[{section}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
            for section, values in chosen.items()
        )

    # processes

    async def open(self) -> None:
        await self.postroom("migrate")
        self.web = self.start("web", "web")
        self.fresh = self.start("worker-fresh", "worker", "--queues", "fresh")
        self.background = self.start("worker-background", "worker", "--queues", "background")
        self.reconcile = self.start("reconcile", "reconcile")
        await asyncio.gather(*(process.ready() for process in self.processes))

    def start(self, name: str, *arguments: str, **settings: str) -> Process:
        self.processes.append(Process(name, arguments, self.folder, self.settings | settings))
        return self.processes[-1]

    async def close(self) -> None:
        """Stops everything, and says how each ended."""
        await self._open.aclose()
        running = [process for process in self.processes if process.runs]
        codes = await asyncio.gather(*(process.stop() for process in running))
        self.google.stop()
        assert dict(zip([process.name for process in running], codes, strict=True)) == {process.name: 0 for process in running}

    async def postroom(self, *arguments: object) -> Said:
        """The command line, which must have no objection."""
        said = await asyncio.to_thread(postroom, *arguments, **self.settings)
        assert said.code == 0, said.err
        return said

    async def metrics(self, process: Process) -> str:
        async with aiohttp.ClientSession() as session, session.get(f"{process.metrics}/metrics") as answer:
            assert answer.status == 200
            return await answer.text()

    # people

    async def firm(self, name: str, clients: str = "", admins: tuple[str, ...] = (), staff: tuple[str, ...] = ()) -> list[Person]:
        """A firm with its clients and contacts (CSV), and its people, each with a connected mailbox."""
        await self.postroom("firm", "add", name)
        if clients:
            file = self.folder / "clients.csv"
            file.write_text(clients)
            await self.postroom("import", file, "--firm", name)
            self.told |= {cell for line in clients.splitlines()[1:] for cell in line.split(",")}
        grades = [*((address, True) for address in admins), *((address, False) for address in staff)]
        return list(await asyncio.gather(*(self.person(name, address, admin=admin) for address, admin in grades)))

    async def person(self, firm: str, address: str, *, admin: bool = False, account: str = "") -> Person:
        """Added, signed in, and connected to the Gmail account of that address (or of `account`, spelt otherwise)."""
        account = account or address
        link = await self.add_person(firm, address, admin=admin, account=account)
        browser = await self._open.enter_async_context(Newcomer(self.url, self.google.url))
        await browser.sign_in(link)
        await browser.connect(account)
        return Person(address, account, browser)

    async def add_person(self, firm: str, address: str, *, admin: bool = False, account: str = "") -> str:
        """Added, with an account at Google, and not here yet: the link by which they sign in."""
        await self.postroom("user", "add", address, "--firm", firm, *(["--admin"] if admin else []))
        await self.google.aio.account(account or address)
        link: str = (await self.postroom("user", "sign-in-link", address, "--json")).json["url"]
        self.told |= {address, account or address, link.rpartition("/")[2]}
        return link

    # mail

    async def deliver(self, person: Person, mail: EmailMessage | bytes, labels: str = "INBOX,UNREAD") -> str:
        """Into that person's Gmail; the id there."""
        if isinstance(mail, EmailMessage):
            people = getaddresses([str(mail[name]) for name in ("From", "To", "Cc") if mail[name]])
            self.told |= {mail["Subject"], mail["Message-ID"].strip("<>"), mail.get_content().strip(), *itertools.chain(*people)}
        raw = mail if isinstance(mail, bytes) else mail.as_bytes()
        return str((await self.google.aio.mail(person.account, raw, labels))["id"])

    async def gets(self, person: Person, gmail_id: str) -> list[str]:
        """In which formats that message was fetched from Google, in order."""
        calls = (await self.google.aio.state(person.account))["calls"]
        return [call["format"] for call in calls if call["method"] == "messages.get" and call["id"] == gmail_id]

    async def fate(self, person: Person, gmail_id: str) -> tuple[str, str]:
        """Outcome and reason in the ledger, once the message has one. No page shows it yet."""

        async def settled() -> tuple[str, str] | None:
            rows = await self.ask(
                """
                SELECT outcome, reason FROM ledger_entry l JOIN mailbox m ON m.id = l.mailbox_id
                WHERE m.address = $1 AND l.gmail_id = $2 AND l.outcome IS NOT NULL AND l.owed_at IS NULL
                """,
                person.account,
                gmail_id,
            )
            return (rows[0]["outcome"], rows[0]["reason"]) if rows else None

        return await eventually(settled, f"the ledger knows what became of {gmail_id}") or ("", "")

    async def quiet(self, person: Person) -> None:
        """Returns when nobody looks at that mailbox and the last look is over for a while: no more comes of earlier mail."""

        async def is_quiet() -> bool:
            told = "SELECT FROM mailbox WHERE address = $1 AND lease_owner IS NULL AND last_checked_at < now() - interval '1 second'"
            return bool(await self.ask(told, person.account))

        await eventually(is_quiet, f"the mailbox {person.account} is quiet")

    async def an_interval_passes(self, person: Person) -> None:
        """Since anybody looked at that mailbox: ten minutes that no test waits for."""
        await self.ask(
            "UPDATE mailbox SET last_checked_at = last_checked_at - interval '1 hour', claimed_at = NULL WHERE address = $1", person.account
        )

    async def ask(self, query: str, *given: object) -> list[Any]:
        """The database itself, for what no page shows."""
        connection = await asyncpg.connect(self.database_url)
        try:
            return list(await connection.fetch(query, *given))
        finally:
            await connection.close()
