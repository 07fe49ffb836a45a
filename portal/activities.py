"""Filed mail, newest first: a client's, or all of the firm's; threads together, or what a search finds."""

from starlette.responses import Response

from models import mail_search
from models.directory import Client
from models.firms import User
from portal.refusals import NotHere
from portal.searching import Search, asked, marks
from portal.visit import Visit

SIZE = 50


async def show(visit: Visit) -> Response:
    """A client's."""
    client = await Client.one(visit.user.firm_id, visit.id)
    if client is None:
        raise NotHere
    return await _page(visit, client)


async def show_all(visit: Visit) -> Response:
    """All clients'."""
    return await _page(visit, None)


async def _page(visit: Visit, client: Client | None) -> Response:
    search = asked(visit)
    before, after = marks(visit)
    found = mail_search.Found((), False, False, 0)
    if not search.wrong:
        client_id = client.id if client else None
        found = await mail_search.find(visit.user, search.sought, SIZE, client_id=client_id, before=before, after=after)
    colleagues = await User.filter(firm_id=visit.user.firm_id, mailboxes__id__isnull=False).distinct().order_by("name", "id")
    address = f"/clients/{client.id}/activities" if client else "/mail"
    return visit.render(
        "activities.html",
        400 if search.wrong else 200,
        client=client,
        found=found,
        search=search,
        chips=search.chips(address, {one.id: one.name for one in colleagues}),
        colleagues=colleagues,
        address=address,
        newer=_beyond(address, search, "after", found.mails[0].mark) if found.newer and found.mails else None,
        older=_beyond(address, search, "before", found.mails[-1].mark) if found.older and found.mails else None,
        past=before is not None or after is not None,
        counted=mail_search.COUNTED,
        has_clients=client is not None or await Client.any_in(visit.user.firm_id),
    )


def _beyond(address: str, search: Search, way: str, mark: mail_search.Mark) -> str:
    return search.address(address, **{way: f"{mark.sent_at.isoformat()}_{mark.activity_id}"})
