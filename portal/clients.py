"""The firm's clients, by name, and a search among them; and a client by hand."""

import secrets
from typing import Any

from starlette.responses import Response

from models import client_changes
from models.client_changes import IdTaken, NoClientName, NotSaved, TooLongFor
from models.client_list import clients
from models.directory import Client
from models.firms import User
from models.import_drafts import ImportDraft
from portal.visit import Visit, to

SIZE = 50
LONGEST_SEARCH = 200
FIELDS = {"client_name": "name", "client_number": "number", "client_id": "id"}


async def show(visit: Visit) -> Response:
    given = visit.request.query_params
    search, archived = given.get("q", "").replace("\0", "").strip()[:LONGEST_SEARCH], given.get("archived") == "yes"
    found = await clients(visit.user, search, (visit.page - 1) * SIZE, SIZE + 1, archived=archived)
    has_clients = bool(found.living or found.archived) or (bool(search) and await Client.any_in(visit.user.firm_id))
    return visit.render(
        "clients.html",
        found=found,
        clients=found.clients[:SIZE],
        more=len(found.clients) > SIZE,
        page=visit.page,
        search=search,
        archived=archived,
        has_clients=has_clients,
        admins=[] if has_clients or visit.user.is_admin else await admins(visit.user),
        draft=await ImportDraft.of(visit.user, visit.now) if visit.user.is_admin else None,
        told=await told(visit),
    )


async def new(visit: Visit) -> Response:
    return _form(visit)


async def add(visit: Visit) -> Response:
    """The form brings an id along for who has none: sent twice it adds one client."""
    fields = {name: " ".join((await visit.field(name)).replace("\0", "").split()) for name in ("name", "number", "external_id", "made_up")}
    try:
        client_id = await client_changes.add(
            visit.user.firm_id, fields["name"], fields["number"], fields["external_id"] or fields["made_up"], visit.user.id, visit.now
        )
    except NotSaved as because:
        return _form(visit, 400, fields=fields, refused=in_words(because), taken=because.args[0] if isinstance(because, IdTaken) else None)
    return to(f"/clients/{client_id}")


async def told(visit: Visit) -> client_changes.Told | None:
    """What the visitor has just done, where an address says so."""
    given = visit.request.query_params.get("told", "")
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        return None
    return await client_changes.told(visit.user.firm_id, visit.user.id, int(given))


async def admins(user: User) -> list[str]:
    """Whom to ask."""
    return [one.name for one in await User.filter(firm_id=user.firm_id, role="admin", active=True).order_by("name")]


def in_words(because: NotSaved) -> str:
    match because:
        case NoClientName():
            return "Write the client’s name."
        case TooLongFor():
            field, most = because.args
            return f"The {FIELDS[field]} is longer than {most} characters. Shorten it."
        case IdTaken():
            return f"{because.args[1]} has this id: an id is one client’s. Write another one, or leave it empty."
        case _:
            name, number = because.args
            now = f"{name}, {number}" if number else name
            return f"Somebody else has changed it meanwhile: it is “{now}” now. Save again to write yours over it."


def _form(visit: Visit, status: int = 200, **more: Any) -> Response:
    made_up = f"postroom-{secrets.token_hex(4)}"
    empty = {"fields": {"name": "", "number": "", "external_id": "", "made_up": made_up}, "refused": "", "taken": None}
    return visit.render("client_new.html", status, **empty | more)
