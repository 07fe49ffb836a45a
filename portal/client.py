"""A client: what it is called, its contacts, and what may become of it. Everybody sees it, admins change it."""

from typing import Any

from starlette.responses import Response

from models import client_changes, clients
from models.client_changes import Meanwhile, NotSaved, foresee, merged_into
from models.client_search import living
from models.clients import IsArchived, ItIsTheSame, NoSuchClient
from models.contacts import contacts_of
from models.directory import Client
from models.staff import staff_among
from portal.clients import LONGEST_SEARCH, in_words, told
from portal.refusals import NotHere
from portal.visit import Visit, number, to

SIZE = 50  # contacts
SHOWN = 8  # clients to choose from


async def show(visit: Visit) -> Response:
    return await page(visit, await here(visit))


async def change(visit: Visit) -> Response:
    """Name and number; what was seen comes along, so that nobody overwrites what they have not read."""
    client = await here(visit)
    name, number_, seen_name, seen_number = [
        " ".join((await visit.field(field)).replace("\0", "").split()) for field in ("name", "number", "seen_name", "seen_number")
    ]
    try:
        entry = await client_changes.change(client.firm_id, client.id, (seen_name, seen_number), name, number_, visit.user.id, visit.now)
    except NoSuchClient:
        raise NotHere from None
    except NotSaved as because:
        seen = because.args if isinstance(because, Meanwhile) else (seen_name, seen_number)
        status = 409 if isinstance(because, Meanwhile) else 400
        return await page(visit, client, status, written=(name, number_), seen=seen, renamed_not=in_words(because))
    return to(address(client.id, entry))


async def archive(visit: Visit) -> Response:
    client = await here(visit)
    try:
        done = await clients.archive(client.firm_id, client.id, visit.now, visit.user.id)
    except NoSuchClient:
        raise NotHere from None
    return to(address(client.id, done.entry))


async def restore(visit: Visit) -> Response:
    client = await here(visit)
    try:
        done = await clients.restore(client.firm_id, client.id, visit.now, visit.user.id)
    except NoSuchClient:
        raise NotHere from None
    return to(address(client.id, done.entry))


async def choose_merge(visit: Visit) -> Response:
    """Into which client; and, once one is chosen, what that would do."""
    client, into_id = await here(visit), number(visit.request.query_params.get("into", ""))
    if into_id is not None:
        return await _merge_page(visit, client, await _other(visit, client, into_id))
    words = visit.request.query_params.get("q", "").replace("\0", "").strip()[:LONGEST_SEARCH]
    found = [one for one in await living(client.firm_id, words, SHOWN + 2) if one.id != client.id]
    return visit.render("client_merge.html", client=client, into=None, words=words, found=found[:SHOWN], more=len(found) > SHOWN)


async def merge(visit: Visit) -> Response:
    """To merge once more leads to where the client went."""
    client = await Client.one(visit.user.firm_id, visit.id)
    if client is None:
        if into_id := await merged_into(visit.user.firm_id, visit.id):
            return to(address(into_id))
        raise NotHere
    into = await _other(visit, client, number(await visit.field("into")) or 0)
    try:
        done = await clients.merge(client.firm_id, client.id, into.id, visit.now, visit.user.id)
    except NoSuchClient:
        raise NotHere from None
    except (IsArchived, ItIsTheSame):
        return await _merge_page(visit, client, await _other(visit, client, into.id), 409)
    return to(address(into.id, done.entry))


async def ask_removal(visit: Visit) -> Response:
    return await _removal_page(visit, await here(visit))


async def remove(visit: Visit) -> Response:
    """The second step: only with the box ticked."""
    client = await here(visit)
    if await visit.field("sure") != "yes":
        return await _removal_page(visit, client, 400)
    try:
        done = await clients.remove(client.firm_id, client.id, visit.now, visit.user.id)
    except NoSuchClient:
        raise NotHere from None
    return to(f"/clients?told={done.entry}")


async def here(visit: Visit) -> Client:
    """The client of the address. Raises `NotHere`."""
    client = await Client.one(visit.user.firm_id, visit.id)
    if client is None:
        raise NotHere
    return client


def address(client_id: int, entry: int = 0) -> str:
    """Of a client's page; with what was done there, if anything was."""
    return f"/clients/{client_id}?told={entry}" if entry else f"/clients/{client_id}"


async def page(visit: Visit, client: Client, status: int = 200, **more: Any) -> Response:
    """`more`: what was written and not saved, and why."""
    contacts = await contacts_of(client.firm_id, client.id, (visit.page - 1) * SIZE, SIZE + 1)
    if visit.page > 1 and not contacts:
        raise NotHere
    shown = contacts[:SIZE]
    staff = await staff_among(client.firm_id, [one.key for contact in shown for one in contact.addresses]) if shown else frozenset()
    return visit.render(
        "client.html",
        status,
        client=client,
        contacts=shown,
        more=len(contacts) > SIZE,
        page=visit.page,
        staff=staff,
        foreseen=await foresee(client.firm_id, client.id) if visit.user.is_admin else None,
        told=await told(visit),
        **{"written": None, "seen": (client.name, client.number), "renamed_not": "", "refused": None} | more,
    )


async def _other(visit: Visit, client: Client, into_id: int) -> Client:
    into = await Client.one(visit.user.firm_id, into_id) if into_id != client.id else None
    if into is None:
        raise NotHere
    return into


async def _merge_page(visit: Visit, client: Client, into: Client, status: int = 200) -> Response:
    foreseen = await foresee(client.firm_id, client.id, into.id)
    return visit.render("client_merge.html", 409 if into.archived_at else status, client=client, into=into, foreseen=foreseen)


async def _removal_page(visit: Visit, client: Client, status: int = 200) -> Response:
    return visit.render(
        "client_removal.html", status, client=client, foreseen=await foresee(client.firm_id, client.id), unsure=status != 200
    )
