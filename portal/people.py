"""A person of the firm, as its admins see them: how their mailboxes do, and all that an admin can do for or against it."""

from dataclasses import dataclass

from starlette.responses import Response

from models import people
from models.firms import Role, User
from models.invitations import Outcome, invite_who_never_connected
from models.listings import person
from models.mailboxes import Mailbox
from models.people import AddressTaken, AllowedAddress, HasLeft, LastAdmin, NoAddress, NotPossible
from models.sessions import Session
from portal.integrations import HERE as EVERYBODY
from portal.integrations import words
from portal.refusals import NotHere, Unreadable
from portal.session import forget
from portal.visit import LARGEST_ID, Visit, to

ROLES: dict[str, Role] = {"staff": "staff", "admin": "admin"}


@dataclass(frozen=True, slots=True)
class Refused:
    """What the page says of something that was not done. `asked`: what the form held, to be sent again with a word more."""

    heading: str
    says: str
    asked: dict[str, str] | None = None


async def show(visit: Visit) -> Response:
    return await _page(visit, await _person(visit))


async def change(visit: Visit) -> Response:
    """Who takes the rights of an admin from themselves is asked once more."""
    theirs = await _person(visit)
    fields = {name: await visit.field(name) for name in ("name", "role", "email")}
    role = ROLES.get(fields["role"])
    if role is None:
        raise Unreadable
    if theirs.id == visit.user.id and theirs.is_admin and role == "staff" and await visit.field("sure") != "yes":
        return await _page(visit, theirs, Refused("Nothing is saved yet.", "You are about to give up your own rights as an admin.", fields))
    try:
        await people.change(theirs, fields["name"], role, fields["email"])
    except NotPossible as because:
        return await _page(visit, theirs, _in_words(because, theirs, visit))
    return to(_address(theirs) if theirs.id != visit.user.id or role == "admin" else "/settings/account")


async def disconnect(visit: Visit) -> Response:
    """Only the connection that the page showed: one that was made meanwhile stays. Its person is written to, if they did not do it
    themselves."""
    theirs = await _person(visit)
    mailbox = await Mailbox.get_or_none(id=_number(await visit.field("mailbox")), user_id=theirs.id, firm_id=theirs.firm_id)
    if mailbox is None:
        raise NotHere
    if await visit.field("epoch") in ("", str(mailbox.epoch)):
        await visit.portal.connections.disconnect(mailbox, by="" if theirs.id == visit.user.id else visit.user.name)
    return to(_address(theirs))


async def allow(visit: Visit) -> Response:
    theirs, address = await _person(visit), await visit.field("address")
    try:
        await people.allow(theirs, address)
    except NotPossible as because:
        return await _page(visit, theirs, _in_words(because, theirs, visit))
    return to(_address(theirs))


async def disallow(visit: Visit) -> Response:
    """Disconnects nothing."""
    theirs = await _person(visit)
    if not await people.disallow(theirs, min(visit.request.path_params["allowed"], LARGEST_ID)):
        raise NotHere
    return to(_address(theirs))


async def invite(visit: Visit) -> Response:
    """From their page, or from the list of all."""
    theirs = await _person(visit)
    became = await invite_who_never_connected(theirs.firm_id, visit.user.name, visit.now, theirs.id)
    if Outcome.LATELY in became:
        return await _page(visit, theirs, Refused("No letter was sent.", f"{theirs.name} was invited within the last day."))
    return to(EVERYBODY if await visit.field("from") == "everybody" else _address(theirs))


async def sign_out(visit: Visit) -> Response:
    theirs = await _person(visit)
    await Session.end_all(theirs.id, visit.now)
    return _door(visit) if theirs.id == visit.user.id else to(_address(theirs))


async def leave(visit: Visit) -> Response:
    """Google is told right away, or by the chore that tells it what is owed."""
    theirs = await _person(visit)
    try:
        ended = await people.leave(theirs, visit.now)
    except NotPossible as because:
        return await _page(visit, theirs, _in_words(because, theirs, visit))
    for mailbox_id in ended:
        await visit.portal.connections.part(mailbox_id)
    return _door(visit) if theirs.id == visit.user.id else to(_address(theirs))


async def come_back(visit: Visit) -> Response:
    theirs = await _person(visit)
    await people.come_back(theirs)
    return to(_address(theirs))


async def _person(visit: Visit) -> User:
    """Raises `NotHere` for somebody of another firm."""
    theirs = await User.get_or_none(id=visit.id, firm_id=visit.user.firm_id)
    if theirs is None:
        raise NotHere
    return theirs


def _number(given: str) -> int:
    """Raises `Unreadable`."""
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        raise Unreadable
    return int(given)


def _address(theirs: User) -> str:
    return f"/settings/people/{theirs.id}"


def _door(visit: Visit) -> Response:
    """Who ended their own sessions signs in again, if they may."""
    gone = to("/sign-in")
    forget(gone, visit.portal.settings)
    return gone


async def _page(visit: Visit, theirs: User, refused: Refused | None = None) -> Response:
    shown = await person(theirs.firm_id, theirs.id)
    if shown is None:
        raise NotHere
    allowed = await AllowedAddress.filter(user_id=theirs.id).order_by("address_key")
    return visit.render(
        "person.html",
        409 if refused else 200,
        person=shown,
        own=theirs.id == visit.user.id,
        allowed=allowed,
        may_connect={theirs.email_key, *(one.address_key for one in allowed)},
        sessions=len(await Session.of_user(theirs.id, visit.now)),
        refused=refused,
        **words(visit),
    )


def _in_words(because: NotPossible, theirs: User, visit: Visit) -> Refused:
    match because:
        case LastAdmin():
            who = "You are" if theirs.id == visit.user.id else f"{theirs.name} is"
            return Refused(
                "Nothing was changed.",
                f"{who} the only admin of {visit.user.firm.name}: without one nobody could invite people or see how connections do. "
                "Make somebody else an admin first.",
            )
        case NoAddress():
            return Refused("Nothing was changed.", "That is not an e-mail address.")
        case AddressTaken(by=""):
            return Refused(
                "Nothing was changed.",
                "That address signs in elsewhere already, and an address signs in to one firm. Ask whoever runs Postroom.",
            )
        case AddressTaken():
            return Refused("Nothing was changed.", f"That address is {because.by}’s already: see their page.")
        case HasLeft() | _:
            return Refused("Nothing was changed.", f"{theirs.name} has left {visit.user.firm.name}.")
