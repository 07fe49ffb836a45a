"""Settings → Integrations: the firm's provider, and how everybody's connection does. Admins only."""

from starlette.responses import Response

from models.firms import Firm, Provider
from models.listings import connections
from portal.lapses import LAPSES
from portal.refusals import Unreadable
from portal.visit import Visit, to

PROVIDERS: dict[str, Provider] = {"none": "none", "google": "google"}


async def show(visit: Visit) -> Response:
    return visit.render("integrations.html", connections=await connections(visit.user.firm_id), lapses=LAPSES)


async def choose(visit: Visit) -> Response:
    provider = PROVIDERS.get(await visit.field("provider"))
    if provider is None:
        raise Unreadable
    await Firm.choose_provider(visit.user.firm_id, provider)
    return to("/settings/integrations")
