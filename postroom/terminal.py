"""What the terminal of `postroom run` shows: where to go, whom to sign in as, and each mail as it is filed."""

import asyncio
import contextlib
import json
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from settings import Settings

LOGS = ("worker-fresh.log", "worker-background.log")
GLANCE = 0.2  # seconds between two looks at the logs

console = Console(highlight=False, soft_wrap=True)


class Greeting:
    """Told once all is up; then it shows what happens until the end."""

    def __init__(self, settings: Settings, home: Path, sandbox: str, *, sample: bool) -> None:
        self._settings, self._home, self._sandbox, self._sample = settings, home, sandbox, sample

    async def go(self) -> None:
        base = self._settings.app.base_url.rstrip("/")
        following = asyncio.create_task(self._follow())
        try:
            if self._sandbox and self._sample:
                from postroom.samples import Sample

                sample = Sample(base, self._sandbox, self._home)
                async with sample:
                    people = await sample.prepare()
                    self._greet(base, people)
                    await sample.play(self._say)
                console.print("[dim]That was the sample's mail. Send more from the simulated Google's page.[/]")
            else:
                console.print(f"[bold]Postroom is up:[/] open {base}. A sign-in link: postroom user sign-in-link ADDRESS")
                self._say_where_letters_land()
            await following
        finally:
            following.cancel()

    def _greet(self, base: str, people: list[tuple[str, str, str]]) -> None:
        console.print(f"\n[bold]Postroom is up:[/] open {base}, sign in as")
        for name, role, link in people:
            console.print(f"  {name} ({role}): [link={link}]{link}[/link]")
        console.print(f"The simulated Google, where you can send mails yourself: {self._sandbox}")
        self._say_where_letters_land()
        console.print(f"Logs: {self._home / 'logs'}. Ctrl-C stops everything; the next `make run` goes on from here.\n")

    def _say_where_letters_land(self) -> None:
        if self._sandbox and not self._settings.mail.smtp_host:
            console.print(f"Letters that Postroom sends land there: {self._sandbox}/sandbox/console#letters")

    def _say(self, kind: str, what: str) -> None:
        """The sandbox's own sample mail, so its words may be shown."""
        console.print(f"[dim]{kind:<6}[/] {escape(what)}")

    async def _follow(self) -> None:
        """Each line that a worker logs for a mail filed, in a person's words; ids and counts only."""
        places = {name: _end(self._home / "logs" / name) for name in LOGS}
        while True:
            for name in LOGS:
                places[name] = self._show(self._home / "logs" / name, places[name])
            await asyncio.sleep(GLANCE)

    def _show(self, log: Path, start: int) -> int:
        with contextlib.suppress(OSError), log.open("rb") as file:
            file.seek(start)
            for line in file.read().splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    break
                start += len(line)
                with contextlib.suppress(ValueError):
                    _tell(json.loads(line))
        return start


def _end(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def _tell(event: dict[str, object]) -> None:
    match event:
        case {"event": "sync", "filed": int(filed), "mailbox": mailbox, "trigger": trigger, "ms": ms} if filed:
            console.print(f"[green]filed [/] {filed} from mailbox {mailbox} [dim]({trigger}, {ms} ms)[/]")
        case {"event": "sync", "looked": int(looked), "filed": 0, "mailbox": mailbox} if looked:
            console.print(f"[dim]looked at {looked} from mailbox {mailbox}: nothing new to file[/]")
        case {"level": "error" | "warning", "event": what, **facts}:
            console.print(
                f"[yellow]{what}[/] [dim]{facts.get('error', '')} {facts.get('word', '') or ''} mailbox={facts.get('mailbox', '-')}[/]"
            )
