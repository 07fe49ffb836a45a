"""What came since the queue was opened: only how much, asked again every half minute. Nothing is put into a page that is being read."""

from starlette.responses import Response

from models import reviews
from portal.refusals import Unreadable
from portal.visit import Visit, number


async def show(visit: Visit) -> Response:
    """`after`: the newest question that the page knows. Raises `Unreadable`."""
    given = visit.request.query_params
    after, whose = number(given.get("after", "")), given.get("queue")
    if after is None or whose not in ("mine", "everyone"):
        raise Unreadable
    found = await reviews.news(visit.user, after)
    return visit.render("news.html", count=found.mine if whose == "mine" else found.everyone, whose=whose)
