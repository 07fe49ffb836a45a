"""The sweep at scale: thousands of mailboxes, all of one firm's failing, swept by real processes; the calls to Google tell what came of it.

`python -m tools.fleet` (or `make fleet ARGS=…`; `--help`). One interval in which all is well, then some in which the one firm fails: half
of its mailboxes answer 500, half do not answer. Mails come to some mailboxes of the other firms all the while. Prints the figures; exit
code 1 if a healthy mailbox was not visited in an interval, or later than one and a half after its last visit, or if the others' mail took
twice as long as before.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from statistics import quantiles

import asyncpg

from models.database import close_pool, open_pool
from models.sweeps import Sweep
from postroom import local
from postroom.embedded import default_home
from tools.moving_in import SENDER, Google, google_at, moved_in, pushed
from tools.processes import cpu_seconds
from tools.smoke import Failed, all_roles

INTERVAL = 600.0  # seconds, in production: all that waits is shortened by the same factor
FIRM = 200  # mailboxes of a healthy one
MAILS = 4.0  # a second
LATEST = 1.5  # intervals between two visits
TELLS = """
CREATE FUNCTION fleet_told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_notify('filed', NEW.subject); RETURN NULL; END $$;
CREATE TRIGGER fleet_tells AFTER INSERT ON email FOR EACH ROW EXECUTE FUNCTION fleet_told()
"""


@dataclass(frozen=True, slots=True)
class Plan:
    healthy: int
    failing: int
    interval: float  # seconds
    intervals: int  # while the one firm fails
    told: float  # pushes a second that tell of mailboxes which fail
    timeout: float  # seconds that a call to Google may take

    def settings(self) -> dict[str, str]:
        """As in production, but quicker."""
        by = self.interval / INTERVAL
        seconds = {"SWEEP__INTERVAL": 600, "SWEEP__TICK": 5, "LIMITS__SETTLE": 120, "LIMITS__RETRY": 30, "LIMITS__FIRST_MISSING": 30}
        return {name: str(value * by) for name, value in seconds.items()} | {"GOOGLE__TIMEOUT": str(self.timeout)}

    def firms(self) -> list[list[str]]:
        """The addresses of each firm's mailboxes; the last firm is the one that fails."""
        sizes = [min(FIRM, self.healthy - at) for at in range(0, self.healthy, FIRM)]
        return [[f"m{n}@firm{firm}.test" for n in range(size)] for firm, size in enumerate([*sizes, self.failing])]


@dataclass(slots=True)
class Seen:
    """What is noted while it runs. Moments are seconds since 1970, of this machine."""

    visits: dict[str, list[float]] = field(default_factory=dict)
    asked: int = 0  # calls for mailboxes of the failing firm, while it fails
    sent: dict[str, float] = field(default_factory=dict)  # subject → delivered at Google
    filed: dict[str, float] = field(default_factory=dict)

    def took(self, since: float, until: float) -> list[float]:
        """Milliseconds from delivered to filed, of the mails of that time. Raises `Failed` where one is not filed."""
        subjects = [subject for subject, at in self.sent.items() if since <= at < until]
        if missing := [subject for subject in subjects if subject not in self.filed]:
            raise Failed(f"{len(missing)} of {len(subjects)} mails were not filed")
        return sorted(1000 * (self.filed[subject] - self.sent[subject]) for subject in subjects)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.fleet", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--healthy", type=int, default=1800, help="mailboxes of firms where all is well (1800)")
    parser.add_argument("--failing", type=int, default=200, help="mailboxes of the one firm that fails (200)")
    parser.add_argument("--interval", type=float, default=30.0, help="seconds of one (30)")
    parser.add_argument("--intervals", type=int, default=3, help="how many, while that firm fails (3)")
    parser.add_argument("--told", type=float, default=2.0, help="pushes a second that tell of mailboxes which fail (2)")
    parser.add_argument("--timeout", type=float, default=2.0, help="seconds that a call to Google may take; in production 20 (2)")
    plan = Plan(**vars(parser.parse_args(arguments)))
    folder = Path(tempfile.mkdtemp(prefix="postroom-fleet-"))
    folder.chmod(0o755)  # ours: as root, PostgreSQL's account must be able to enter it
    try:
        with all_roles(folder, sample=False, **plan.settings()):
            broken = asyncio.run(watched(plan, folder))
    except* Failed as failed:
        broken = [str(one) for one in failed.exceptions]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for promise in broken:
        print(f"BROKEN: {promise}", file=sys.stderr)
    return 1 if broken else 0


async def watched(plan: Plan, folder: Path) -> list[str]:
    """Sets up the fleet, lets it run, prints the figures; returns the promises that were broken."""
    run = json.loads((default_home(folder) / local.FILE).read_text())["environment"]
    firms, seen = plan.firms(), Seen()
    dead = set(firms[-1])
    async with google_at(run["GOOGLE__GMAIL_API"]) as google, database_at(run["DATABASE__URL"], seen):
        began = await moved_in(firms, google)
        async with asyncio.TaskGroup() as tasks:
            noting = tasks.create_task(note_calls(google, seen, dead))
            sending = tasks.create_task(send_mails(firms, google, seen))
            await asyncio.sleep(began + plan.interval - time.time())
            cpu = cpu_seconds()
            await google.fail(sorted(dead))
            failing, asked = time.time(), seen.asked
            telling = tasks.create_task(tell_of(sorted(dead), plan.told, google))
            await asyncio.sleep(plan.interval * plan.intervals)
            ended, spent = time.time(), {name: now - cpu.get(name, 0.0) for name, now in cpu_seconds().items()}
            sending.cancel()
            telling.cancel()
            await asyncio.sleep(2)
            noting.cancel()
        sweeps = await Sweep.exclude(closed_at=None).order_by("id")
    healthy = {address: seen.visits.get(address, []) for firm in firms[:-1] for address in firm}
    broken = tell_visits(plan, healthy, began, ended)
    broken += tell_mails(seen.took(began, began + plan.interval), seen.took(failing, ended))
    retries = (seen.asked - asked) / len(dead) / plan.intervals if dead else 0.0
    print(f"calls for each failing mailbox in an interval: {retries:.1f}")
    print("sweeps (queued, pending, late):", ", ".join(f"{sweep.queued} {sweep.pending} {sweep.late}" for sweep in sweeps))
    print("CPU seconds a second:", ", ".join(f"{name} {used / (ended - failing):.2f}" for name, used in sorted(spent.items())))
    return broken


def tell_visits(plan: Plan, visits: dict[str, list[float]], began: float, ended: float) -> list[str]:
    """How far apart they were, and in which intervals one is missing."""
    moments = [[began, *(at for at in times if at < ended), ended] for times in visits.values()]
    distances = sorted(later - earlier for times in moments for earlier, later in itertools.pairwise(times))
    starts = [began + n * plan.interval for n in range(plan.intervals + 1)]
    missed = sum(not any(start <= at < start + plan.interval for at in times) for times in visits.values() for start in starts)
    print(f"{plan.healthy} healthy and {plan.failing} failing mailboxes, an interval of {plan.interval:g} s, {plan.intervals + 1} of them")
    print(f"visits: {sum(map(len, visits.values()))}; seconds between two: {_spread(distances)}; intervals without one: {missed}")
    broken = [f"{missed} times a healthy mailbox was not visited in an interval"] if missed else []
    if distances[-1] > LATEST * plan.interval:
        broken.append(f"a healthy mailbox waited {distances[-1] / plan.interval:.2f} intervals")
    return broken


def tell_mails(before: list[float], meanwhile: list[float]) -> list[str]:
    print(f"mail of other firms, milliseconds from delivered to filed: {_spread(before)} ({len(before)} mails)")
    print(f"  while the one firm fails: {_spread(meanwhile)} ({len(meanwhile)} mails)")
    slower = _percentile(meanwhile, 50) / _percentile(before, 50)
    return [f"the others' mail took {slower:.1f} times as long"] if slower >= 2 else []


def _spread(ascending: list[float]) -> str:
    return f"p50 {_percentile(ascending, 50):.1f}, p99 {_percentile(ascending, 99):.1f}, longest {ascending[-1]:.1f}"


def _percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


@contextlib.asynccontextmanager
async def database_at(url: str, seen: Seen) -> AsyncIterator[None]:
    """The models' own, and a connection that notes each mail when its filing is committed."""
    await open_pool(url, 2)
    listening = await asyncpg.connect(url)
    try:
        await listening.execute(TELLS)
        await listening.add_listener("filed", lambda _connection, _pid, _channel, subject: seen.filed.setdefault(subject, time.time()))
        yield
    finally:
        await listening.close()
        await close_pool()


async def send_mails(firms: list[list[str]], google: Google, seen: Seen) -> None:
    """In turn, so that no mailbox gets two within the second in which Google would push but one."""
    for number, address in enumerate(itertools.cycle(pushed(firms))):
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = SENDER, address, f"Fleet {number}"
        mail["Message-ID"] = f"<fleet-{number}@client.example>"
        mail.set_content("All is well.")
        seen.sent[f"Fleet {number}"] = time.time()
        await google.post("/sandbox/mail", params={"mailbox": address}, data=mail.as_bytes())
        await asyncio.sleep(1 / MAILS)


async def tell_of(addresses: Sequence[str], each_second: float, google: Google) -> None:
    """Pushes for one mailbox after the other, each of something that is still to be listed."""
    for number, address in enumerate(itertools.cycle(addresses) if each_second else ()):
        await google.post("/sandbox/push", json={"mailbox": address, "historyId": 10**12 + number})
        await asyncio.sleep(1 / each_second)


async def note_calls(google: Google, seen: Seen, dead: set[str]) -> None:
    last = 0
    while True:
        told = await google.get(f"calls?after={last}")
        if told["last"] - last > len(told["calls"]):
            raise Failed("the sandbox has forgotten calls before they were noted")
        last = told["last"]
        for call in told["calls"]:
            seen.asked += call["mailbox"] in dead
            if (call["method"], call["status"]) == ("history.list", 200):
                seen.visits.setdefault(call["mailbox"], []).append(call["at"] / 1000)
        await asyncio.sleep(2)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main(sys.argv[1:]))
