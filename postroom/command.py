"""How a command of the command line speaks and fails: in sentences, or in JSON for scripts."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Container, Coroutine, Mapping, Sequence
from functools import wraps
from typing import Annotated, Any, NoReturn, ParamSpec, TypeVar

import typer

from postroom.local import located
from settings import Misconfigured

P = ParamSpec("P")
R = TypeVar("R")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def fail(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(1)


def plainly(command: Callable[P, R]) -> Callable[P, R]:
    """What a person can mend is told as a sentence, not as a traceback."""

    @wraps(command)
    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        from postroom.embedded import EmbeddedFault
        from postroom.resources import CannotStart

        try:
            return command(*args, **kwargs)
        except (Misconfigured, CannotStart, EmbeddedFault) as wrong:
            fail(str(wrong))

    return told


def in_database(work: Callable[[], Coroutine[Any, Any, R] | Awaitable[R]], *, migrating: bool = False) -> R:
    """Runs `work` with the database open; except to migrate, only on a schema that this version knows."""
    from models.database import Behind, close_pool, ensure_current, open_pool
    from postroom.resources import FAULTS

    settings = located()

    async def session() -> R:
        try:
            await open_pool(settings.database.url, settings.database.pool, patient=migrating)
        except FAULTS as error:
            fail(f"The database cannot be reached ({type(error).__name__}): check database.url, and that PostgreSQL runs.")
        try:
            if not migrating:
                await ensure_current()
            return await work()
        except Behind as behind:
            fail(str(behind))
        finally:
            await close_pool()

    return asyncio.run(session())


def tell(facts: Mapping[str, object], sentence: str, as_json: bool) -> None:
    typer.echo(json.dumps(facts) if as_json else sentence)


def show(columns: Sequence[str], rows: Sequence[Sequence[str]], alarming: Container[int] = (), *, terminal: bool | None = None) -> None:
    """A table where a person looks; elsewhere lines with tabs between the columns. The rows whose numbers are `alarming` stand out.

    `terminal`: None asks the output.
    """
    from rich.console import Console
    from rich.table import Table

    console = Console(force_terminal=terminal, markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        typer.echo("\t".join(columns))
        for number, row in enumerate(rows):
            typer.echo(("! " if number in alarming else "") + "\t".join(row))
        return
    table = Table(*columns)
    for number, row in enumerate(rows):
        table.add_row(*row, style="bold red" if number in alarming else "")
    console.print(table)


def counted_as(number: int, thing: str) -> str:
    """`1 message`, `2 messages`, `3 mailboxes`."""
    plural = f"{thing}es" if thing.endswith("x") else f"{thing}s"
    return f"{number:,} {thing if number == 1 else plural}"
