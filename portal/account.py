"""Settings → You: who one is here, where one is signed in, and out of all of it at once."""

from starlette.responses import Response

from models.firms import User
from models.sessions import Session, digest
from portal.refusals import Unreadable
from portal.session import forget
from portal.times import zones
from portal.visit import Visit, to

SHOWN = 10  # devices; more only ever come from sessions that were left to end by themselves


async def show(visit: Visit) -> Response:
    here = digest(visit.session)
    sessions = sorted(await Session.of_user(visit.user.id, visit.now), key=lambda session: session.token_hash != here)
    return visit.render(
        "account.html", sessions=sessions[:SHOWN], more=len(sessions[SHOWN:]), zones=zones(), saved="saved" in visit.request.query_params
    )


async def choose_zone(visit: Visit) -> Response:
    """Raises `Unreadable` for what is no zone's name; nothing chosen: the browser's."""
    chosen = await visit.field("zone")
    if chosen and chosen not in zones():
        raise Unreadable
    await User.filter(id=visit.user.id).update(time_zone=chosen or None)
    return to("/settings/account?saved=zone#zone")


async def sign_out_everywhere(visit: Visit) -> Response:
    await Session.end_all(visit.user.id, visit.now)
    signed_out = to("/sign-in")
    forget(signed_out, visit.portal.settings)
    return signed_out
