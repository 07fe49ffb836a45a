"""The contacts of a client: added, nominated, removed, and their addresses. Admins only; each form answers to the client's page."""

from collections.abc import Awaitable
from dataclasses import dataclass

from starlette.responses import Response

from models import contacts
from models.clients import NoSuchClient
from models.contacts import MOST_ADDRESSES, NoAddress, NoName, NoSuchContact, NotPossible, TooLong
from portal.client import address, here, page
from portal.refusals import NotHere, Unreadable
from portal.visit import LARGEST_ID, Visit, to


@dataclass(frozen=True, slots=True)
class Refused:
    """What the page says beside a form that was not done. `contact_id`: whose form; 0 for the one that adds a contact."""

    contact_id: int
    says: str
    name: str
    addresses: str


async def add(visit: Visit) -> Response:
    client = await here(visit)
    name, written = _plain(await visit.field("name")), (await visit.field("addresses")).replace("\0", "")
    try:
        lines = [line for line in written.replace(",", "\n").replace(";", "\n").splitlines() if line.strip()]
        entry = await contacts.add_contact(client.firm_id, client.id, name, lines, visit.user.id, visit.now)
    except NoSuchClient:
        raise NotHere from None
    except NotPossible as because:
        return await page(visit, client, 400, refused=Refused(0, _in_words(because), name, written))
    return to(address(client.id, entry))


async def add_address(visit: Visit) -> Response:
    client, contact_id, written = await here(visit), _id(visit, "contact"), _plain(await visit.field("address"))
    try:
        entry = await contacts.add_address(client.firm_id, client.id, contact_id, written, visit.user.id, visit.now)
    except (NoSuchClient, NoSuchContact):
        raise NotHere from None
    except NotPossible as because:
        return await page(visit, client, 400, refused=Refused(contact_id, _in_words(because), "", written))
    return to(address(client.id, entry))


async def remove_address(visit: Visit) -> Response:
    client = await here(visit)
    return await _done(
        contacts.remove_address(client.firm_id, client.id, _id(visit, "contact"), _id(visit, "address"), visit.user.id, visit.now),
        client.id,
    )


async def remove(visit: Visit) -> Response:
    client = await here(visit)
    return await _done(contacts.remove_contact(client.firm_id, client.id, _id(visit, "contact"), visit.user.id, visit.now), client.id)


async def nominate(visit: Visit) -> Response:
    client, wanted = await here(visit), {"yes": True, "no": False}.get(await visit.field("nominated"))
    if wanted is None:
        raise Unreadable
    return await _done(contacts.nominate(client.firm_id, client.id, _id(visit, "contact"), wanted, visit.user.id, visit.now), client.id)


async def _done(work: Awaitable[int], client_id: int) -> Response:
    try:
        return to(address(client_id, await work))
    except (NoSuchClient, NoSuchContact):
        raise NotHere from None


def _plain(written: str) -> str:
    return " ".join(written.replace("\0", "").split())


def _id(visit: Visit, name: str) -> int:
    return min(int(visit.request.path_params[name]), LARGEST_ID)


def _in_words(because: NotPossible) -> str:
    match because:
        case NoAddress():
            return f"“{because.args[0].strip()}” is not an e-mail address. Write it as in pat@example.com."
        case NoName():
            return "Write a name, or at least an address."
        case TooLong():
            return f"The name is longer than {because.args[0]} characters. Shorten it."
        case _:
            return f"A contact has {MOST_ADDRESSES} addresses at most. Make a second contact for the others."
