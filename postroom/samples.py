"""The sample firm of the demo: a small accounting firm, its clients, and a script of mails that the sandbox delivers. Plainly sample.

It comes in by the same doors as a real one: the import, sign-in links, the pages, and Google's consent over HTTP.
"""

import asyncio
import itertools
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path
from typing import Self

import aiohttp

from models.address import key_of
from models.database import close_pool, database_clock, open_pool
from models.directory import import_entries
from models.firms import Firm, User
from models.mailboxes import Mailbox
from models.sessions import SignInLink
from postroom import importing
from postroom.local import located
from postroom.newcomer import Newcomer

FIRM = "Sample & Co"
PEOPLE = (("sam@sample.test", "Sam Sample", "admin"), ("robin@sample.test", "Robin Sample", "staff"))
FOLDER = Path(__file__).parent / "sample"
BETWEEN = 4.0  # seconds between two mails of the script
POSITION = "sample.position"


@dataclass(frozen=True, slots=True)
class Scripted:
    """One mail of the script, as it will be delivered."""

    mailbox: str
    raw: bytes
    subject: str


class Sample:
    """An async context: the database's pool and an HTTP session are open while it is used."""

    def __init__(self, base: str, sandbox: str, home: Path) -> None:
        self._base, self._sandbox, self._home = base, sandbox, home

    async def __aenter__(self) -> Self:
        database = located().database
        await open_pool(database.url, 2)
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await close_pool()

    async def prepare(self) -> list[tuple[str, str, str]]:
        """Firm, clients and people, and their mailboxes connected; what is there already stays. Returns name, role and sign-in link."""
        firm, _ = await Firm.get_or_create(name=FIRM)
        entries, broken = importing.read((FOLDER / "clients.csv").read_bytes())
        if broken:
            raise ValueError(f"the sample's line {broken[0].line}: {broken[0].because}")
        await import_entries(firm.id, entries)
        people = []
        for address, name, role in PEOPLE:
            user, _ = await User.get_or_create(
                email_key=key_of(address), defaults={"firm": firm, "email": address, "name": name, "role": role}
            )
            await self._connected(user)
            people.append((name, role, await self._link(user)))
        return people

    async def play(self, say: Callable[[str, str], None]) -> None:
        """Delivers the script, mail by mail, going on where the last run stopped; afterwards it begins again, as new mails."""
        script = json.loads((FOLDER / "mails.json").read_text())
        for number in itertools.count(self._position()):
            await asyncio.sleep(BETWEEN if number % len(script) else BETWEEN / 2)
            mail = scripted(script[number % len(script)], number, number // len(script), time.time())
            async with self._session.post(
                f"{self._sandbox}/sandbox/mail", params={"mailbox": mail.mailbox}, data=mail.raw, headers={"content-type": "message/rfc822"}
            ) as answer:
                answer.raise_for_status()
            (self._home / POSITION).write_text(str(number + 1))
            say(mail.mailbox, mail.subject)
            if (number + 1) % len(script) == 0:
                return

    def _position(self) -> int:
        noted = self._home / POSITION
        return int(noted.read_text()) if noted.exists() else 0

    async def _link(self, user: User) -> str:
        valid_for = timedelta(minutes=located().portal.sign_in_link_minutes)
        return f"{self._base}/sign-in/{await SignInLink.issue(user, valid_for, await database_clock(), mailed=False)}"

    async def _connected(self, user: User) -> None:
        async with self._session.post(f"{self._sandbox}/sandbox/accounts", json={"address": user.email, "name": user.name}) as answer:
            answer.raise_for_status()
        if await Mailbox.filter(user_id=user.id).exists():
            return  # connected in an earlier run, or disconnected by hand: both stay
        async with Newcomer(self._base, self._sandbox) as newcomer:
            await newcomer.sign_in(await self._link(user))
            await newcomer.connect(user.email)


def scripted(line: dict[str, str], number: int, round_: int, at: float) -> Scripted:
    """A line of the script as bytes, with an id and a date of its own; in later rounds its subject says which one it is."""
    subject = line["subject"] if round_ == 0 else f"{line['subject']} (no. {round_ + 1})"
    mail = EmailMessage()
    mail["Subject"] = subject
    for header in ("From", "To", "Cc"):
        if header.lower() in line:
            mail[header] = line[header.lower()]
    mail["Date"] = formatdate(at)
    mail["Message-ID"] = f"<sample-{number}-{int(at)}@{re.sub('[^a-z.]', '', line['from'].rpartition('@')[2])}>"
    mail.set_content(line["text"])
    return Scripted(line["mailbox"], mail.as_bytes(), subject)
