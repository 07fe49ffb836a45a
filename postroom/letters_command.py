"""What an operator does about letters: sees what waits, looks into a surge, lets its letters go or drops them. Counts only."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from postroom.command import AsJson, counted_as, fail, in_database, plainly, show, tell
from postroom.local import located
from settings import load

if TYPE_CHECKING:
    from collections import Counter

    from models.outbox import Outbox
    from postroom.recheck import Found
    from settings import Mail

letters_app = typer.Typer(no_args_is_help=True, help="Letters to people: what waits, what a surge of lapses holds back.")

HOUR = timedelta(hours=1)
LONGEST_LOOK = 24 * 365  # hours
WHAT_TO_DO = (
    "So many lapses at once are rarely the doing of so many people. Find out what happened; `postroom letters recheck` connects again "
    "whoever's access still works. Then send the other letters with `postroom letters release`, or drop them with `postroom letters drop`."
)
CLIENT_REFUSED = (
    "Google refuses this deployment's OAuth client: check google.client_id and google.client_secret, and that the client still exists. The "
    "letters go out by themselves a quarter of an hour after the last refusal, unless what they tell of is over."
)


@letters_app.command("status")
@plainly
def status(as_json: AsJson = False) -> None:
    """What is due, what is held back and why, what the mail server does not take."""
    outbox, mail = in_database(_state), located().mail
    if as_json:
        typer.echo(json.dumps(_facts(outbox) | {"mail_server": bool(mail.smtp_host)}))
        return
    told = list(_lines(outbox, mail))
    show(("what", "how it stands"), [(what, words) for what, words, _ in told], [n for n, (*_, wrong) in enumerate(told) if wrong])
    for advice in _advice(outbox):
        typer.echo(advice)


async def _state() -> "Outbox":
    from models import outbox
    from models.database import database_clock

    return await outbox.state_of(await database_clock())


def _facts(outbox: "Outbox") -> dict[str, object]:
    held, refused = outbox.held_at, outbox.client_refused_at
    return {
        **{name: getattr(outbox, name) for name in ("due", "held", "failing")},
        "held_at": held.isoformat() if held else None,
        "client_refused_at": refused.isoformat() if refused else None,
    }


def _lines(outbox: "Outbox", mail: "Mail") -> Iterator[tuple[str, str, bool]]:
    """What, in words, and whether it is alarming."""
    yield "due", counted_as(outbox.due, "letter"), False
    yield "held back", _held_in_words(outbox), outbox.held_at is not None or outbox.client_refused_at is not None
    yield "failing", f"{counted_as(outbox.failing, 'letter')} that the mail server did not take", outbox.failing > 0
    server = f"{mail.smtp_host}:{mail.smtp_port}" if mail.smtp_host else "none is set: letters stay owed until mail.smtp_host is"
    yield "mail server", server, not mail.smtp_host and outbox.due > 0


def _held_in_words(outbox: "Outbox") -> str:
    held = counted_as(outbox.held, "letter")
    if outbox.held_at:
        return f"{held}, since {_moment(outbox.held_at)}: too many mailboxes lapsed within an hour"
    if outbox.client_refused_at:
        return f"{held}: Google refuses the OAuth client, last at {_moment(outbox.client_refused_at)}"
    return "nothing"


def _advice(outbox: "Outbox") -> Iterator[str]:
    if outbox.held_at:
        yield WHAT_TO_DO
    if outbox.client_refused_at:
        yield CLIENT_REFUSED
    if outbox.failing:
        yield "The log of the reconcile process says what the mail server answered; each letter is tried again by itself."


@letters_app.command("release")
@plainly
def release(as_json: AsJson = False) -> None:
    """You have looked: the letters that are held go out. Lapses until now count as no surge any more."""

    async def work() -> int:
        from models import outbox
        from models.database import database_clock

        now = await database_clock()
        held = _held(await outbox.state_of(now))
        await outbox.release(now)
        return held

    count = in_database(work)
    goes = "goes" if count == 1 else "go"
    tell({"released": count}, f"{counted_as(count, 'letter')} {goes} out now, save those whose matter is over.", as_json)


@letters_app.command("drop")
@plainly
def drop(as_json: AsJson = False) -> None:
    """You have looked: the letters that are held are not sent. What people see on their pages, and later reminders, remain."""

    async def work() -> int:
        from models import outbox
        from models.database import database_clock

        now = await database_clock()
        _held(await outbox.state_of(now))
        return await outbox.drop_held(now)

    count = in_database(work)
    tell({"dropped": count}, f"{counted_as(count, 'letter')} dropped. Pages still say what is wrong, and reminders come in time.", as_json)


def _held(outbox: "Outbox") -> int:
    if outbox.held_at is None and outbox.client_refused_at is None:
        fail("No letters are held: there is nothing to decide. `postroom letters status` shows what waits.")
    return outbox.held


@letters_app.command("recheck")
@plainly
def recheck(
    hours: Annotated[
        int | None, typer.Option(help="How far to look back; without it to an hour before letters were held.", min=1, max=LONGEST_LOOK)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask Google once for each mailbox that lapsed in a surge, and connect again whoever's access still works. Safe to repeat."""
    since, found = in_database(lambda: _recheck(hours))
    facts = {"since": since.isoformat()} | {name: found[name] for name in ("alive", "dead", "unknown", "changed")}
    said = [
        f"{counted_as(found.total(), 'mailbox')} lapsed since {_moment(since)}. Google was asked for each:",
        f"{found['alive']:,} alive, connected again and about to catch up",
        f"{found['dead']:,} dead: their people must reconnect",
        f"{found['unknown']:,} unknown, as Google did not say{': ask again later' if found['unknown'] else ''}",
        f"{found['changed']:,} changed by their people meanwhile",
    ]
    tell(facts, "\n  ".join(said), as_json)


async def _recheck(hours: int | None) -> "tuple[datetime, Counter[Found]]":
    from models import outbox
    from models.database import database_clock
    from pipeline.tools import open_tools
    from postroom.recheck import recheck
    from postroom.resources import ensure_keys

    now = await database_clock()
    held_at = (await outbox.state_of(now)).held_at
    if hours is None and held_at is None:
        fail("No letters are held: say with --hours how far to look back for lapses.")
    settings = located()
    await ensure_keys(settings)
    since = now - timedelta(hours=hours) if hours else (held_at or now) - HOUR
    opened = open_tools(settings)
    try:
        return since, await recheck(since, opened.tools)
    finally:
        await opened.close()


@letters_app.command("preview")
@plainly
def preview(
    folder: Annotated[Path, typer.Argument(help="Where to write them; made if it is not there.", file_okay=False)], as_json: AsJson = False
) -> None:
    """Write a sample of each letter, as HTML and as text, with the words of mail.templates."""
    from letters.compose import NoAddress
    from letters.samples import preview
    from letters.words import Broken

    try:
        written = preview(folder, load())
    except NoAddress:
        fail("mail.sender is no address that letters could come from.")
    except Broken as broken:
        fail(f"{broken}.")
    except OSError as error:
        fail(f"{folder} cannot be written: {error.strerror}.")
    tell({"files": [str(path) for path in written]}, f"{counted_as(len(written), 'file')} written: open {folder} in a browser.", as_json)


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
