"""What becomes of a firm's clients: archived and restored, merged when they are one, removed with their mail."""

from typing import TYPE_CHECKING, Annotated

import typer

from postroom.command import AsJson, counted_as, fail, in_database, plainly, tell

if TYPE_CHECKING:
    from models.clients import Changed
    from models.directory import Client

client_app = typer.Typer(no_args_is_help=True, help="The clients of a firm.")

Named = Annotated[str, typer.Argument(metavar="CLIENT", help="The client's id in the practice-management system, as it was imported.")]
OfFirm = Annotated[str, typer.Option(help="The firm's name.")]


@client_app.command("archive")
@plainly
def archive(client: Named, firm: OfFirm, as_json: AsJson = False) -> None:
    """File nothing new under a client. What is filed stays; questions go on without it. Safe to repeat."""
    from models import clients
    from models.database import database_clock

    async def work() -> "tuple[Client, Changed]":
        one = await _one(firm, client)
        return one, await clients.archive(one.firm_id, one.id, await database_clock())

    one, done = in_database(work)
    said = f"{one.name} is archived. {_mails(done, 'stays', 'stay')} there; {_questions(done)} without it."
    tell(_facts(one) | {"activities": done.activities, "questions": done.questions}, said, as_json)


@client_app.command("restore")
@plainly
def restore(client: Named, firm: OfFirm, as_json: AsJson = False) -> None:
    """File under an archived client again, what came meanwhile included. Safe to repeat."""
    from models import clients
    from models.database import database_clock

    async def work() -> "Client":
        one = await _one(firm, client)
        await clients.restore(one.firm_id, one.id, await database_clock())
        return one

    one = in_database(work)
    was = one.archived_at is not None
    said = f"{one.name} is back. What came meanwhile is looked for now." if was else f"{one.name} was not archived: nothing is to be done."
    tell(_facts(one) | {"was_archived": was}, said, as_json)


@client_app.command("merge")
@plainly
def merge(
    client: Named,
    into: Annotated[str, typer.Option(metavar="CLIENT", help="The client that stays.")],
    firm: OfFirm,
    as_json: AsJson = False,
) -> None:
    """Make two clients one: contacts and mail of the first go to the other, and the first is gone. This cannot be taken back."""
    from models import clients
    from models.database import database_clock

    async def work() -> "tuple[Client, Client, Changed]":
        gone, stays = await _one(firm, client), await _one(firm, into)
        try:
            return gone, stays, await clients.merge(gone.firm_id, gone.id, stays.id, await database_clock())
        except clients.ItIsTheSame:
            fail(f"{client} cannot be merged into itself: name another client with --into.")
        except clients.IsArchived:
            fail(f"{stays.name} is archived: restore it with `postroom client restore`, or merge the other way round.")

    gone, stays, done = in_database(work)
    said = f"{gone.name} is one with {stays.name} now. {_mails(done, 'went', 'went')} along. "
    said += f"{counted_as(done.questions, 'question')} about them: {done.settled:,} settled by that."
    told = {"activities": done.activities, "questions": done.questions, "settled": done.settled}
    tell(_facts(gone) | {"into": stays.external_id, "into_id": stays.id} | told, said, as_json)


@client_app.command("remove")
@plainly
def remove(
    client: Named,
    firm: OfFirm,
    yes: Annotated[bool, typer.Option("--yes", help="Really: it cannot be taken back.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove a client for good, with the contacts and the mail that are nobody else's."""
    from models import clients
    from models.activities import Activity
    from models.database import database_clock

    async def work() -> "tuple[Client, Changed]":
        one = await _one(firm, client)
        if not yes:
            mails = counted_as(await Activity.count_of_client(one.firm_id, one.id), "mail")
            fail(f"{one.name} has {mails}; what is nobody else's would be erased for good. Say --yes, or use `postroom client archive`.")
        return one, await clients.remove(one.firm_id, one.id, await database_clock())

    one, done = in_database(work)
    said = f"{one.name} is removed. {_mails(done, 'was', 'were')} there; {done.emails:,} that had no other client erased. "
    told = {"activities": done.activities, "questions": done.questions, "emails_erased": done.emails}
    tell(_facts(one) | told, f"{said}{_questions(done)} without it.", as_json)


async def _one(firm: str, external_id: str) -> "Client":
    from models.directory import Client
    from models.firms import Firm

    theirs = await Firm.get_or_none(name=firm)
    if theirs is None:
        fail(f"There is no firm {firm}: add it with `postroom firm add`.")
    found = await Client.get_or_none(firm=theirs, external_id=external_id)
    if found is None:
        fail(f"{firm} has no client {external_id}: name it by its client_id, as it was imported.")
    return found


def _facts(client: "Client") -> dict[str, object]:
    return {"id": client.id, "client": client.external_id, "name": client.name}


def _mails(done: "Changed", verb: str, verbs: str) -> str:
    return f"{counted_as(done.activities, 'mail')} {verb if done.activities == 1 else verbs}"


def _questions(done: "Changed") -> str:
    return f"{counted_as(done.questions, 'question')} {'goes' if done.questions == 1 else 'go'} on"
