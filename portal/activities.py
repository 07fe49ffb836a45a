"""A client's activities: its filed mail, newest first."""

from starlette.responses import Response

from models.directory import Client
from models.listings import count_of_client, mails_of_client
from portal.refusals import NotHere
from portal.visit import Visit

SIZE = 50


async def show(visit: Visit) -> Response:
    page = visit.page
    client = await Client.one(visit.user.firm_id, visit.id)
    if client is None:
        raise NotHere
    mails = await mails_of_client(visit.user, client.id, (page - 1) * SIZE, SIZE)
    if page > 1 and not mails:
        raise NotHere
    total = await count_of_client(visit.user, client.id)
    return visit.render("activities.html", client=client, mails=mails, page=page, total=total, more=page * SIZE < total)
