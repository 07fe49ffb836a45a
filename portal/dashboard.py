"""The first page: what needs a person, then what was filed last."""

from starlette.responses import Response

from letters.lapses import LAPSES
from models.directory import Client
from models.listings import newest_mails
from models.mailboxes import Mailbox
from portal import queue
from portal.items import Item
from portal.visit import Visit, number

NEWEST = 15


async def show(visit: Visit) -> Response:
    return await page(visit, 200)


async def page(visit: Visit, status: int, said: list[Item] | None = None) -> Response:
    """`said`: lines to begin with, if not those that the address names. Raises `NotHere`."""
    given = visit.request.query_params
    return visit.render(
        "dashboard.html",
        status,
        newest=await newest_mails(visit.user, NEWEST),
        has_clients=await Client.any_in(visit.user.firm_id),
        mailbox=_in_need(await Mailbox.held_by(visit.user.id)),
        lapses=LAPSES,
        overtaken=number(given.get("overtaken", "")) or 0,
        left=number(given.get("left", "")) or 0,
        **await queue.facts(visit, said),
    )


def _in_need(held: list[Mailbox]) -> Mailbox | None:
    """The one that its person must do something about, or else any that is read."""
    order = {"lapsed": 0, "connected": 1, "paused": 2, "disconnected": 3}
    return min(held, key=lambda mailbox: order[mailbox.state], default=None)
