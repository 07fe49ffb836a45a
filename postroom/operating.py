"""What an operator does: sees what waits, decides about dead letters, fetches older mail. Ids and counts only, never content."""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from postroom.command import AsJson, counted_as, fail, in_database, plainly, show, tell

if TYPE_CHECKING:
    from models.dead_letters import DeadLetter

LONGEST_BACKFILL = 3650  # days

dead_letters_app = typer.Typer(no_args_is_help=True, help="Messages that failed too often: they wait for your decision.")

Ids = Annotated[list[int] | None, typer.Argument(help="As `postroom dead-letters list` shows them.", min=1, max=2**63 - 1)]


@plainly
def queues(as_json: AsJson = False) -> None:
    """What waits, whether push and sweep do their work, and what Google still allows."""
    from models.database import database_clock
    from postroom.local import located
    from postroom.overview import Overview, facts, lines, look

    async def work() -> Overview:
        return await look(located(), await database_clock())

    seen = in_database(work)
    if as_json:
        typer.echo(json.dumps(facts(seen)))
        return
    told = list(lines(seen))
    show(("what", "how it stands"), [(line.what, line.words) for line in told], [n for n, line in enumerate(told) if line.alarming])


@dead_letters_app.command("list")
@plainly
def dead_letters_list(as_json: AsJson = False) -> None:
    """All there are, longest first."""
    from models.dead_letters import dead_letters

    letters = in_database(dead_letters)
    if as_json:
        typer.echo(json.dumps([asdict(letter) | {"since": letter.since.isoformat()} for letter in letters]))
    elif not letters:
        typer.echo("There are no dead letters.")
    else:
        show(("id", "mailbox", "firm", "Gmail id", "reason", "tries", "strikes", "since"), [_row(letter) for letter in letters])


@dead_letters_app.command("retry")
@plainly
def dead_letters_retry(
    ids: Ids = None,
    every: Annotated[bool, typer.Option("--all", help="Every dead letter there is.")] = False,
    as_json: AsJson = False,
) -> None:
    """Owe them another look at once, as if they had just come."""
    from models.database import database_clock
    from models.dead_letters import retry

    if every == bool(ids):
        fail("Name dead letters by their ids, or all of them with --all.")

    async def work() -> list[int]:
        return await retry(None if every else ids, await database_clock())

    _tell_which(in_database(work), ids or (), "retried", "owed another look", as_json)


@dead_letters_app.command("discard")
@plainly
def dead_letters_discard(ids: Ids = None, as_json: AsJson = False) -> None:
    """Give them up: they are not filed, and it stays known why."""
    from models.database import database_clock
    from models.dead_letters import discard

    if not ids:
        fail("Name dead letters by their ids: `postroom dead-letters list` shows them.")

    async def work() -> list[int]:
        return await discard(ids, await database_clock())

    _tell_which(in_database(work), ids, "discarded", "given up", as_json)


def _row(letter: "DeadLetter") -> tuple[str, ...]:
    numbers = (letter.id, letter.mailbox_id, letter.firm_id)
    return (*map(str, numbers), letter.gmail_id, letter.reason, str(letter.tries), str(letter.strikes), _moment(letter.since))


def _tell_which(done: Sequence[int], asked: Collection[int], key: str, in_words: str, as_json: bool) -> None:
    """Those that were none are named, and the exit code is 1; the others are done all the same."""
    none = sorted(set(asked) - set(done))
    if done or as_json or not none:
        sentence = f"{counted_as(len(done), 'message')} {'is' if len(done) == 1 else 'are'} {in_words}."
        tell({key: list(done), "unknown": none}, sentence, as_json)
    if none:
        letters = "letter" if len(none) == 1 else "letters"
        fail(f"No dead {letters}: {', '.join(map(str, none))}. `postroom dead-letters list` shows those there are.")


@plainly
def backfill(
    email: Annotated[str, typer.Argument(help="The user's login address.")],
    days: Annotated[int, typer.Option(help="How many days before the mailbox was connected.")],
    as_json: AsJson = False,
) -> None:
    """File the mail that came before a user's mailbox was connected. Safe to repeat."""
    if not 0 < days <= LONGEST_BACKFILL:
        fail(f"{days} days cannot be fetched: choose from 1 to {LONGEST_BACKFILL}.")
    mailbox_id, since, is_new = in_database(lambda: _backfill(email, timedelta(days=days)))
    said = f"The mail of {email} since {_moment(since)} "
    said += "is fetched from now on, latest first, behind everybody's new mail." if is_new else "counts already: there is nothing to fetch."
    tell({"mailbox_id": mailbox_id, "since": since.isoformat(), "is_new": is_new}, said, as_json)


async def _backfill(email: str, before: timedelta) -> tuple[int, datetime, bool]:
    """The mailbox, since when its mail counts, and whether that is news."""
    from models.database import database_clock
    from models.firms import User
    from models.gaps import backfill
    from models.mailboxes import Mailbox

    user = await User.by_login(email)
    if user is None:
        fail(f"Nobody signs in as {email}: add them with `postroom user add`.")
    mailbox = await Mailbox.of_user(user.id)
    if mailbox is None:
        fail(f"{email} has not connected Google yet: they do so under Google Email Sync.")
    if user.firm.provider != "google":
        fail(f"The firm of {email} does not sync with Google now: an admin chooses it under Integrations.")
    since = mailbox.connected_at - before
    if not await backfill(mailbox.id, mailbox.firm_id, since, await database_clock()):
        fail(f"The mailbox of {email} is {(await Mailbox.get(id=mailbox.id)).state}: they must connect Google again first.")
    return mailbox.id, min(since, mailbox.started_at), since < mailbox.started_at


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
