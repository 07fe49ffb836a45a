"""What people say about a mail. Each form tells which version of it was seen: who comes second is told, and nothing is done twice."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from starlette.responses import Response

from models import decisions, never_file, privacy
from models.never_file import NotListed
from models.outcomes import Outcome, outcome
from models.verdicts import NotDecided, NotThere, Overtaken, Seen
from portal import answers, choosing
from portal.refusals import AdminsOnly, NotHere, Unreadable
from portal.rules import never_filed_not
from portal.visit import Visit, number, to

LARGEST_VERSION = 2**31 - 1
TWICE = timedelta(seconds=10)  # who sends the same once more within this time has clicked twice


async def decide(visit: Visit) -> Response:
    """`act`: file (under `client`, in the place of `instead`), also, or dismiss (of one `client`, or of all)."""
    by, client, instead = visit.user, await _id(visit, "client"), await _id(visit, "instead")
    match await visit.field("act"), client:
        case "" | "file", int():
            return await _say(
                visit,
                lambda seen: decisions.file_under(by, seen, client, visit.now, instead_of=instead),
                lambda found: found.is_under(client) and not found.open,
                client,
            )
        case "also", int():
            return await _say(
                visit, lambda seen: decisions.also_under(by, seen, client, visit.now), lambda found: found.is_under(client), client
            )
        case "dismiss", _:
            return await _say(
                visit, lambda seen: decisions.dismiss(by, seen, visit.now, client_id=client), lambda found: found.act == "dismissed"
            )
    raise Unreadable


async def undo(visit: Visit) -> Response:
    return await _say(visit, lambda seen: decisions.undo(visit.user, seen, visit.now), lambda found: found.act == "undone")


async def same_for_thread(visit: Visit) -> Response:
    """What was said of this mail, for the rest of its thread. Without a client: that it is nobody's."""
    by, client = visit.user, await _id(visit, "client")
    found = await _outcome(visit)
    if not (found.is_under(client) if client is not None else found.dismissed_at):
        raise NotHere
    return await _say(visit, lambda seen: decisions.whole_thread(by, seen, client, visit.now), lambda _: False, client)


async def hand_over(visit: Visit) -> Response:
    """To the colleague `to`; to nobody: back to who received it."""
    to_user = await _id(visit, "to")
    return await _say(visit, lambda seen: privacy.hand_over(visit.user, seen, to_user, visit.now), lambda _: False)


async def make_private(visit: Visit) -> Response:
    private = await visit.field("private") == "yes"
    found = await _outcome(visit)
    if not found.places:
        raise NotHere
    some = found.places[0].activity_id
    return await _say(
        visit, lambda seen: privacy.make_private(visit.user, seen, some, private, visit.now), lambda _: False, await _id(visit, "client")
    )


async def never_file_sender(visit: Visit) -> Response:
    """After a dismissal: nothing of its author comes in any more, for the user or (`whom`) for the firm."""
    user, for_firm = visit.user, await visit.field("whom") == "firm"
    if for_firm and not user.is_admin:
        raise AdminsOnly
    found = await _outcome(visit)
    if not (found.dismissed_at and found.author):
        raise NotHere
    try:
        await never_file.add(user.firm_id, None if for_firm else user.id, found.author, user.id, visit.now)
    except NotListed as because:
        return await answers.warned(visit, never_filed_not(found.author, because).says)
    return await answers.told(visit)


async def decide_several(visit: Visit) -> Response:
    """`act`: approve (each its guess), dismiss, file (all under `client`), or choose: which client is asked first."""
    seens, back = [_seen(told) for told in await visit.fields("mail")], await answers.back_of(visit)
    act, client = await visit.field("act"), await _id(visit, "client")
    if not seens:
        return to(answers.address(back, []))
    match act, client:
        case "choose", None:
            return await choosing.for_several(visit, seens, back)
        case "approve", None:
            said = await decisions.several(visit.user, seens, "approve", None, visit.now)
        case "dismiss", None:
            said = await decisions.several(visit.user, seens, "dismiss", None, visit.now)
        case (("file" | "choose"), int()):
            said = await decisions.several(visit.user, seens, "file_under", client, visit.now)
        case _:
            raise Unreadable
    return to(answers.address(back, [seen.email_id for seen in seens], overtaken=said.overtaken, left=said.gone))


async def _say(
    visit: Visit, work: Callable[[Seen], Awaitable[object]], is_so: Callable[[Outcome], bool], client_id: int | None = None
) -> Response:
    """`is_so`: the e-mail stands as it was meant to, so that a second click is no second word. Raises `NotHere`, `Unreadable`."""
    seen = _seen(f"{visit.id}:{await visit.field('version')}")
    try:
        await work(seen)
    except NotThere:
        if visit.by_htmx and await outcome(visit.user, visit.id) is None:
            return await answers.refused(visit, NotThere())
        raise NotHere from None
    except Overtaken as because:
        found = await outcome(visit.user, visit.id)
        if not (found and found.by_id == visit.user.id and found.at and visit.now - found.at < TWICE and is_so(found)):
            return await answers.refused(visit, because)
    except NotDecided as because:
        return await answers.refused(visit, because)
    return await answers.told(visit, client_id)


async def _outcome(visit: Visit) -> Outcome:
    """Raises `NotHere` for what this person may not see."""
    found = await outcome(visit.user, visit.id)
    if found is None:
        raise NotHere
    return found


async def _id(visit: Visit, name: str) -> int | None:
    """None where the form says nothing. Raises `Unreadable`."""
    told = await visit.field(name)
    found = number(told)
    if told and found is None:
        raise Unreadable
    return found


def _seen(told: str) -> Seen:
    """`12:3`. Raises `Unreadable`."""
    id, _, version = told.partition(":")
    email_id, seen = number(id), number(version)
    if email_id is None or seen is None or seen > LARGEST_VERSION:
        raise Unreadable
    return Seen(email_id, seen)
