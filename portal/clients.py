"""The firm's clients, by name, and a search among them."""

from starlette.responses import Response

from models.directory import Client
from models.listings import clients
from portal.visit import Visit

SIZE = 50
LONGEST_SEARCH = 200


async def show(visit: Visit) -> Response:
    search = visit.request.query_params.get("q", "").replace("\0", "").strip()[:LONGEST_SEARCH]
    found = await clients(visit.user, search, (visit.page - 1) * SIZE, SIZE + 1)
    return visit.render(
        "clients.html",
        clients=found[:SIZE],
        more=len(found) > SIZE,
        page=visit.page,
        search=search,
        has_clients=bool(found) or await Client.any_in(visit.user.firm_id),
    )
