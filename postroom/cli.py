"""The command line: every role and every act of administration. Each says what it did; `--json` for scripts."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, NoReturn, ParamSpec, TypeVar

import typer

from postroom.local import located
from settings import Misconfigured, Settings, load

P = ParamSpec("P")
R = TypeVar("R")

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Postroom files a firm's Gmail under its clients."
)
firm_app = typer.Typer(no_args_is_help=True, help="Firms.")
user_app = typer.Typer(no_args_is_help=True, help="The people of a firm.")
app.add_typer(firm_app, name="firm", rich_help_panel="Administration")
app.add_typer(user_app, name="user", rich_help_panel="Administration")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
ROLES, ADMINISTRATION = "Roles", "Administration"


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


def _role(name: str) -> Settings:
    from telemetry import logs

    settings = located()
    logs.begin(name, terminal=sys.stderr.isatty())
    return settings


@app.command(rich_help_panel=ROLES)
@plainly
def run(
    sample: Annotated[bool, typer.Option(help="In demo mode: with the sample firm, its clients and its mails.")] = True,
) -> None:
    """All roles on this machine, with embedded servers where none are set."""
    from postroom.launcher import launch

    raise typer.Exit(launch(load(), sample=sample))


@app.command(rich_help_panel=ROLES)
@plainly
def webhook() -> None:
    """The endpoint that Google's pushes reach."""
    from postroom.processes import serve

    serve(_role("webhook"), webhook=True, portal=False)


@app.command(rich_help_panel=ROLES)
@plainly
def portal() -> None:
    """The pages."""
    from postroom.processes import serve

    serve(_role("portal"), webhook=False, portal=True)


@app.command(hidden=True)
@plainly
def web() -> None:
    """Webhook and portal from one process, on one address."""
    from postroom.processes import serve

    serve(_role("web"), webhook=True, portal=True)


@app.command(rich_help_panel=ROLES)
@plainly
def worker(
    queues: Annotated[str, typer.Option(help="fresh, background (sweep and bulk), or queue names with commas.")] = "fresh,sweep,bulk",
) -> None:
    """The jobs: run one for fresh mail and one for the background, on as many machines as needed."""
    from postroom.processes import BACKGROUND, work

    settings = _role(f"worker {queues}")
    named = BACKGROUND if queues == "background" else tuple(name.strip() for name in queues.split(","))
    if unknown := set(named) - {"fresh", *BACKGROUND}:
        fail(f"There is no queue {', '.join(sorted(unknown))}: choose from fresh, sweep, bulk, or background for the last two.")
    threads = settings.limits.fresh_threads if "fresh" in named else settings.limits.background_threads
    work(settings, named, threads)


@app.command(rich_help_panel=ROLES)
@plainly
def reconcile() -> None:
    """The sweep: what push missed, what is owed, what was never finished."""
    from postroom.processes import reconcile as run_reconcile

    run_reconcile(_role("reconcile"))


@app.command(rich_help_panel=ADMINISTRATION)
@plainly
def migrate() -> None:
    """Bring the database up to date. Safe to run twice, and by two deployments at once."""
    from models.database import migrate as run_migrations

    async def work() -> int:
        return await run_migrations(typer.echo)

    done = _in_database(work, migrating=True)
    typer.echo(f"{done} migration(s) ran." if done else "The database is up to date.")


@firm_app.command("add")
@plainly
def firm_add(name: str, as_json: AsJson = False) -> None:
    """Add a firm."""
    from models.firms import Firm

    name = name.strip() or fail("A firm needs a name.")

    async def work() -> Firm:
        if await Firm.exists(name=name):
            fail(f"There is a firm {name} already.")
        return await Firm.create(name=name)

    firm = _in_database(work)
    _tell(
        {"id": firm.id, "name": firm.name},
        f"Added the firm {firm.name}. Next: postroom user add --firm {json.dumps(firm.name)} --admin ADDRESS",
        as_json,
    )


@user_app.command("add")
@plainly
def user_add(
    email: Annotated[str, typer.Argument(help="The login address; also the Google account that may be connected.")],
    firm: Annotated[str, typer.Option(help="The firm's name.")],
    name: Annotated[str, typer.Option(help="Shown to colleagues; the address's first part if left out.")] = "",
    admin: Annotated[bool, typer.Option("--admin", help="May change the firm's settings.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add a person to a firm."""
    from models.address import key_of
    from models.firms import Firm, User

    key = key_of(email)
    if key is None:
        fail(f"{email} is not an e-mail address.")

    async def work() -> User:
        theirs = await Firm.get_or_none(name=firm)
        if theirs is None:
            fail(f"There is no firm {firm}: add it with `postroom firm add`.")
        if await User.exists(email_key=key):
            fail(f"{email} has an account already: an address signs in to one firm.")
        return await User.create(
            firm=theirs, email=email.strip(), email_key=key, name=name or email.partition("@")[0], role="admin" if admin else "staff"
        )

    user = _in_database(work)
    said = {"id": user.id, "email": user.email, "role": user.role, "firm": firm}
    _tell(said, f"Added {user.email} to {firm} as {user.role}. Next: postroom user sign-in-link {user.email}", as_json)


@user_app.command("sign-in-link")
@plainly
def user_sign_in_link(email: str, as_json: AsJson = False) -> None:
    """A one-time link that signs a person in."""
    from models.database import database_clock
    from models.firms import User
    from models.sessions import SignInLink

    settings = located()
    valid_for = timedelta(minutes=settings.portal.sign_in_link_minutes)

    async def work() -> str:
        user = await User.by_login(email)
        if user is None:
            fail(f"Nobody signs in as {email}: add them with `postroom user add`.")
        return await SignInLink.issue(user, valid_for, await database_clock(), mailed=False)

    url = f"{settings.app.base_url.rstrip('/')}/sign-in/{_in_database(work)}"
    _tell({"url": url}, f"{url}\nGood once, for {settings.portal.sign_in_link_minutes:.0f} minutes.", as_json)


@app.command("import", rich_help_panel=ADMINISTRATION)
@plainly
def import_clients(
    file: Annotated[Path, typer.Argument(help="CSV: client_id, client_name, client_number, contact_name, address, nominated.")],
    firm: Annotated[str, typer.Option(help="The firm's name.")],
    as_json: AsJson = False,
) -> None:
    """Import clients and contacts: all lines, or, if any is broken, none."""
    from models.directory import Imported, import_entries
    from models.firms import Firm
    from postroom.importing import read

    try:
        content = file.read_bytes()
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.")
    entries, broken = read(content)
    if broken:
        lines = "\n".join(f"  line {wrong.line}: {wrong.because}" for wrong in broken[:50])
        fail(f"Nothing was imported. Mend these and import the file again:\n{lines}")

    async def work() -> Imported:
        theirs = await Firm.get_or_none(name=firm)
        if theirs is None:
            fail(f"There is no firm {firm}: add it with `postroom firm add`.")
        return await import_entries(theirs.id, entries)

    new = _in_database(work)
    said = {"lines": len(entries), "new_clients": new.clients, "new_contacts": new.contacts, "new_addresses": new.addresses}
    _tell(
        said,
        f"Read {len(entries)} line(s): {new.clients} new client(s), {new.contacts} new contact(s), {new.addresses} new address(es).",
        as_json,
    )


def _in_database(work: Callable[[], Coroutine[Any, Any, R] | Awaitable[R]], *, migrating: bool = False) -> R:
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


def _tell(facts: Mapping[str, object], sentence: str, as_json: bool) -> None:
    typer.echo(json.dumps(facts) if as_json else sentence)
