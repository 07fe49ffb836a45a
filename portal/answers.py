"""What somebody is shown once they have said something about a mail: what has become of it, or why nothing was done.

A card of the queue is swapped for what there is now, together with what followed in its thread and with the numbers above; whoever comes
without scripts, or from the mail's own page, is led to where it is shown.
"""

from collections.abc import Iterable
from typing import Literal
from urllib.parse import urlencode

from starlette.responses import Response

from models.outcomes import Outcome, mates, outcome
from models.reviews import Whose
from models.verdicts import NoSuchClient, NoSuchColleague, NotDecided, NothingToUndo, NotReceived, Overtaken, TooLate
from portal import dashboard, queue
from portal.items import item, items
from portal.refusals import NotHere
from portal.visit import Visit, to

Back = Literal["mine", "everyone", "mail"]


async def back_of(visit: Visit) -> Back:
    """From where the form was sent."""
    match await visit.field("back"):
        case "mail":
            return "mail"
        case "everyone":
            return "everyone"
    return "mine"


async def told(visit: Visit, client_id: int | None = None) -> Response:
    """It is done. Raises `NotHere`."""
    back = await back_of(visit)
    if visit.by_htmx:
        return await _swapped(visit, back)
    found = await outcome(visit.user, visit.id)
    if found is None:
        raise NotHere
    if back == "mail" and found.places:
        return to(f"/activities/{_page_of(found, client_id)}")
    return to(address(back, [visit.id]))


async def refused(visit: Visit, because: NotDecided) -> Response:
    """Nothing was done, and this is why. Raises `NotHere` where there is nothing to show."""
    return await warned(visit, words(because))


async def warned(visit: Visit, notice: str) -> Response:
    if visit.by_htmx:
        return await _swapped(visit, await back_of(visit), notice)
    found = await item(visit.user, visit.id, notice)
    if found is None:
        raise NotHere
    return await dashboard.page(visit, 409, [found])


def address(back: Back, said: Iterable[int], **more: int) -> str:
    """Of the queue, with these lines first."""
    shown = [("queue", back)] if back != "mail" else []
    return "/?" + urlencode([*shown, *(("said", id) for id in said), *((name, count) for name, count in more.items() if count)])


def words(because: NotDecided) -> str:
    match because:
        case Overtaken(by=by) if by != "Postroom":
            return f"{by} was faster. What you chose was not done."
        case Overtaken():
            return "This mail has changed since you saw it. What you chose was not done."
        case NoSuchClient():
            return "That client is archived or gone, or the mail is not filed there any more. Nothing was changed: choose another one."
        case NoSuchColleague():
            return "They cannot answer this: they have left, or the mail is private. It waits as before."
        case NotReceived():
            return "Only who received a mail can make it private. Nothing was changed."
        case NothingToUndo():
            return "There is nothing to undo: something else has happened since. Nothing was changed."
        case TooLate() | _:
            return "It is too late for that: the text of this mail has been erased. Nothing was changed."


async def _swapped(visit: Visit, back: Back, notice: str = "") -> Response:
    main = await item(visit.user, visit.id, notice)
    if main is None:
        return visit.render("answer.html", 404, main=None, followed=[], email_id=visit.id)
    whose: Whose = "everyone" if back == "everyone" else "mine"
    followed = await items(visit.user, await mates(visit.user, visit.id))
    return visit.render(
        "answer.html", 409 if notice else 200, main=main, followed=followed, email_id=visit.id, **await queue.heading(visit, whose)
    )


def _page_of(found: Outcome, client_id: int | None) -> int:
    return next((place for place in found.places if place.client_id == client_id), found.places[0]).activity_id
