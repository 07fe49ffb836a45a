"""The command line: every role and every act of administration; what an operator does stands in modules of its own."""

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from postroom import clients_command, eval_command, explain_command, keys_command, letters_command, operating
from postroom.command import AsJson, fail, in_database, plainly, tell
from postroom.local import located
from settings import Settings, load

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Postroom files a firm's Gmail under its clients."
)
firm_app = typer.Typer(no_args_is_help=True, help="Firms.")
user_app = typer.Typer(no_args_is_help=True, help="The people of a firm.")

ROLES, ADMINISTRATION, OPERATING = "Roles", "Administration", "Operating"
app.add_typer(firm_app, name="firm", rich_help_panel=ADMINISTRATION)
app.add_typer(user_app, name="user", rich_help_panel=ADMINISTRATION)
app.add_typer(clients_command.client_app, name="client", rich_help_panel=ADMINISTRATION)


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

    done = in_database(work, migrating=True)
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

    firm = in_database(work)
    tell(
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

    user = in_database(work)
    said = {"id": user.id, "email": user.email, "role": user.role, "firm": firm}
    tell(said, f"Added {user.email} to {firm} as {user.role}. Next: postroom user sign-in-link {user.email}", as_json)


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

    url = f"{settings.app.base_url.rstrip('/')}/sign-in/{in_database(work)}"
    tell({"url": url}, f"{url}\nGood once, for {settings.portal.sign_in_link_minutes:.0f} minutes.", as_json)


@app.command("import", rich_help_panel=ADMINISTRATION)
@plainly
def import_clients(
    file: Annotated[Path, typer.Argument(help="CSV: client_id, client_name, client_number, contact_name, address, nominated.")],
    firm: Annotated[str, typer.Option(help="The firm's name.")],
    as_json: AsJson = False,
) -> None:
    """Import clients and contacts: all lines, or, if any is broken, none."""
    from models.client_file import decoded, read
    from models.database import database_clock
    from models.firms import Firm
    from models.importing import Imported, import_entries

    try:
        content = file.read_bytes()
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.")
    given = read(decoded(content).text)
    if given.broken:
        lines = "\n".join(f"  line {wrong.line}: {wrong.because}" for wrong in given.broken[:50])
        fail(f"Nothing was imported. Mend these and import the file again:\n{lines}")

    async def work() -> Imported:
        theirs = await Firm.get_or_none(name=firm)
        if theirs is None:
            fail(f"There is no firm {firm}: add it with `postroom firm add`.")
        return await import_entries(theirs.id, given.entries, await database_clock())

    new = in_database(work)
    said = {"lines": len(given.entries), "new_clients": new.clients, "new_contacts": new.contacts, "new_addresses": new.addresses}
    tell(
        said,
        f"Read {len(given.entries)} line(s): {new.clients} new client(s), {new.contacts} new contact(s), {new.addresses} new address(es).",
        as_json,
    )


app.add_typer(operating.dead_letters_app, name="dead-letters", rich_help_panel=OPERATING)
app.add_typer(letters_command.letters_app, name="letters", rich_help_panel=OPERATING)
app.add_typer(keys_command.key_app, name="key", rich_help_panel=OPERATING)
app.command("eval", rich_help_panel=OPERATING)(eval_command.evaluate)
for command in (operating.queues, explain_command.explain, operating.backfill):
    app.command(rich_help_panel=OPERATING)(command)
