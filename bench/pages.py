"""How long the pages take at 100,000 mails and 2,000 questions, beside a small firm's in the same run: `make pages`.

All roles run as `postroom run` starts them; a firm of each size is written into the database, and a person of each opens every page, the
two firms in alternation. Prints the median and the slowest of twenty, in milliseconds; the ratio of the big firm's median to the small
firm's; and that to the floor's, the page of the door, which asks the database for next to nothing. Exit code 1 if a page is not there.
"""

import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import aiohttp
import asyncpg

from bench.crowd import Crowd, fill
from postroom import local
from postroom.command import show
from postroom.embedded import default_home
from postroom.newcomer import Lost, Newcomer
from tools.smoke import Failed, all_roles, command

SMALL, BIG = Crowd(people=3, clients=50, mails=500, questions=50), Crowd(people=10, clients=5_000, mails=100_000, questions=2_000)
TIMES = 20


@dataclass(slots=True)
class Firm:
    """A firm, somebody of it who is signed in, and what their pages took, in milliseconds."""

    name: str
    crowd: Crowd
    visitor: Newcomer
    ids: dict[str, int] = field(default_factory=dict)
    took: dict[str, list[float]] = field(default_factory=dict)

    async def opens(self, title: str, path: str) -> None:
        began = time.perf_counter()
        await self.visitor.page(path.format(**self.ids))
        self.took.setdefault(title, []).append(1000 * (time.perf_counter() - began))


def pages() -> Iterator[tuple[str, str]]:
    """What is opened: what it is, and its address; `{client}` has half of all mails."""
    yield "the door (floor)", "/sign-in?next=/"
    yield "dashboard, everyone's queue", "/?queue=everyone"
    yield "dashboard, mine", "/?queue=mine"
    yield "queue, second page", "/?queue=everyone&page=2"
    yield "clients", "/clients"
    yield "clients, a search", "/clients?q=Client+4"
    yield "client, its mail", "/clients/{client}/activities"
    yield "client, a frequent word", "/clients/{client}/activities?q=figures"
    yield "client, a rare word", "/clients/{client}/activities?q=rare"
    yield "client, a word of no mail", "/clients/{client}/activities?q=nowhere"
    yield "a mail", "/activities/{activity}"
    yield "settings: integrations", "/settings/integrations"
    yield "settings: email sync", "/settings/email-sync"


async def measured(environment: dict[str, str], folder: Path) -> list[Firm]:
    run = json.loads((default_home(folder) / local.FILE).read_text())["environment"]
    firms = []
    held = await asyncpg.connect(run["DATABASE__URL"])
    try:
        for name, crowd in (("Small & Co", SMALL), ("Big & Co", BIG)):
            firms.append(await _moved_in(held, environment, name, crowd, run["GOOGLE__GMAIL_API"]))
        for firm in firms:
            for title, path in pages():
                await firm.opens(title, path)
            firm.took.clear()  # what is asked for the first time is not counted
        for _ in range(TIMES):
            for title, path in pages():
                for firm in firms:
                    await firm.opens(title, path)
    finally:
        await held.close()
        for firm in firms:
            await firm.visitor.__aexit__(None, None, None)
    return firms


async def _moved_in(held: asyncpg.Connection, environment: dict[str, str], name: str, crowd: Crowd, google: str) -> Firm:
    """Filled, and its first person signed in, an admin."""
    command(environment, "firm", "add", name)
    firm_id = await held.fetchval("SELECT id FROM firm WHERE name = $1", name)
    admin = f"p1@firm{firm_id}.test"
    began = time.perf_counter()
    await fill(held, firm_id, crowd)
    print(f"{name}: {crowd.mails:,} mails written in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    visitor = await Newcomer(environment["APP__BASE_URL"], google).__aenter__()
    await visitor.sign_in(json.loads(command(environment, "user", "sign-in-link", admin, "--json"))["url"])
    client = await held.fetchval("SELECT min(id) FROM client WHERE firm_id = $1", firm_id)
    activity = await held.fetchval("SELECT max(id) FROM activity WHERE client_id = $1", client)
    return Firm(name, crowd, visitor, {"client": client, "activity": activity})


def rows(firms: list[Firm]) -> list[list[str]]:
    small, big = firms
    floor = median(next(iter(big.took.values())))
    told = []
    for title in big.took:
        few, many = median(small.took[title]), median(big.took[title])
        figures = (few, max(small.took[title]), many, max(big.took[title]))
        told.append([title, *(f"{figure:.1f}" for figure in figures), f"{many / few:.1f}", f"{many / floor:.1f}"])
    return told


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="postroom-pages-"))
    folder.chmod(0o755)  # ours: as root, PostgreSQL's account must be able to enter it
    try:
        with all_roles(folder) as environment:
            firms = asyncio.run(measured(environment, folder))
    except (Failed, Lost, aiohttp.ClientError, OSError) as error:
        print(f"pages failed: {error or repr(error)}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    show(("page", f"{SMALL.mails:,} mails", "slowest", f"{BIG.mails:,} mails", "slowest", "big : small", "big : floor"), rows(firms))
    return 0


if __name__ == "__main__":
    sys.exit(main())
