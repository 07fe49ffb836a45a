"""The sample firm of the demo: a small accounting firm, its clients, and a script of what happens. Plainly sample.

It comes in by the same doors as a real one: the import, sign-in links, the pages, and Google's consent over HTTP. Then the sandbox delivers
its mails, and a colleague decides about one of them.
"""

import asyncio
import contextlib
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
from typing import Any, Self

import aiohttp

from models import reviews
from models.address import key_of
from models.client_file import decoded, read
from models.database import close_pool, database_clock, open_pool
from models.decisions import NotDecided, file_under
from models.directory import Client
from models.firms import Firm, User
from models.importing import import_entries
from models.mailboxes import Mailbox
from models.sessions import SignInLink
from postroom.local import located
from postroom.newcomer import Newcomer

FIRM = "Sample & Co"
PEOPLE = (("sam@sample.test", "Sam Sample", "admin"), ("robin@sample.test", "Robin Sample", "staff"))
FOLDER = Path(__file__).parent / "sample"
BETWEEN = 3.0  # seconds between two lines of the script
GLANCES = 20  # at the queue, for what somebody of the sample firm decides
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
        file = read(decoded((FOLDER / "clients.csv").read_bytes()).text)
        if file.broken:
            raise ValueError(f"the sample's line {file.broken[0].line}: {file.broken[0].because}")
        await import_entries(firm.id, file.entries, await database_clock())
        people = []
        for address, name, role in PEOPLE:
            user, _ = await User.get_or_create(
                email_key=key_of(address), defaults={"firm": firm, "email": address, "name": name, "role": role}
            )
            await self._connected(user)
            people.append((name, role, await self._link(user)))
        return people

    async def play(self, say: Callable[[str, str], None]) -> None:
        """The script, line by line, going on where the last run stopped; afterwards it begins again, as new mails. `say`: told the kind of
        what was done, and what."""
        script = json.loads((FOLDER / "mails.json").read_text())
        for number in itertools.count(self._position()):
            await asyncio.sleep(BETWEEN if number % len(script) else BETWEEN / 2)
            line, round_ = script[number % len(script)], number // len(script)
            if "by" in line:
                await self._decides(line, round_, say)
            else:
                await self._delivers(scripted(line, number, round_, time.time()), say)
            (self._home / POSITION).write_text(str(number + 1))
            if (number + 1) % len(script) == 0:
                return

    async def _delivers(self, mail: Scripted, say: Callable[[str, str], None]) -> None:
        async with self._session.post(
            f"{self._sandbox}/sandbox/mail", params={"mailbox": mail.mailbox}, data=mail.raw, headers={"content-type": "message/rfc822"}
        ) as answer:
            answer.raise_for_status()
        say("mail", f"to {mail.mailbox}: {mail.subject}")

    async def _decides(self, line: dict[str, Any], round_: int, say: Callable[[str, str], None]) -> None:
        """Somebody of the sample firm says whose mail it is, once it is asked. Nothing, if it is asked no more: whoever plays with the demo
        may have said it."""
        user, client = await User.get(email_key=key_of(line["by"])), await Client.get(firm__name=FIRM, name=line["client"])
        for _ in range(GLANCES):
            asked = [one for one in await reviews.everyones(user, 0, 50) if one.subject == titled(line["subject"], round_)]
            with contextlib.suppress(NotDecided):
                for question in asked[:1]:
                    await file_under(user, question.seen, client.id, await database_clock())
                    say("said", f"by {user.name}: “{question.subject}” is {client.name}’s")
            if asked:
                return
            await asyncio.sleep(BETWEEN / 4)

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


def scripted(line: dict[str, Any], number: int, round_: int, at: float) -> Scripted:
    """A line of the script as bytes, with an id and a date of its own. `thread`: lines with the same one answer the same mail. `files`:
    what is attached, text by name."""
    mail = EmailMessage()
    mail["Subject"] = titled(line["subject"], round_)
    for header in ("From", "To", "Cc"):
        if header.lower() in line:
            mail[header] = line[header.lower()]
    if "thread" in line:
        mail["References"] = f"<sample-{line['thread']}-{round_}@sample.test>"
    for header, value in line.get("headers", {}).items():
        mail[header] = value
    mail["Date"] = formatdate(at)
    mail["Message-ID"] = f"<sample-{number}-{int(at)}@{re.sub('[^a-z.]', '', line['from'].rpartition('@')[2])}>"
    mail.set_content(line["text"])
    if "html" in line:
        mail.add_alternative(line["html"], subtype="html")
    for name, text in line.get("files", {}).items():
        mail.add_attachment(text, filename=name, subtype="csv")
    return Scripted(line["mailbox"], mail.as_bytes(), str(mail["Subject"]))


def titled(subject: str, round_: int) -> str:
    """In later rounds a subject says which one it is."""
    return subject if round_ == 0 else f"{subject} (no. {round_ + 1})"
