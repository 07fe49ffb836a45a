"""Gear → Google Email Sync: a person's own connections, which prove themselves; connecting, pausing, testing, disconnecting; and whose mail
is never to be filed from their mailboxes."""

import secrets
from dataclasses import dataclass
from datetime import timedelta

from starlette.responses import Response

from gmail.errors import AccessRevoked, NotAllowed
from letters.lapses import LAPSES
from models import connections, never_file
from models.address import key_of
from models.attempts import OAuthAttempt, Wish
from models.gaps import backfill
from models.mailboxes import Mailbox
from models.never_file import NotListed
from models.people import AllowedAddress
from models.progress import Progress, progress_of
from portal.refusals import NotHere, Unreadable
from portal.rules import Refused, never_filed_not
from portal.session import ATTEMPT
from portal.visit import LARGEST_ID, Visit, to

HERE = "/settings/email-sync"
LOOK_BACK = {"0": "from now on", "7": "7 days back", "30": "30 days back", "90": "90 days back", "365": "a year back"}


@dataclass(frozen=True, slots=True)
class Place:
    """An address that this person may connect, and the mailbox if they did."""

    address: str
    own: bool
    mailbox: Mailbox | None
    progress: Progress | None


async def show(visit: Visit) -> Response:
    return await _page(visit)


async def show_progress(visit: Visit) -> Response:
    """The part of the page that changes while something is under way, asked for again and again."""
    return visit.render("email_sync_live.html", **await _facts(visit))


async def _page(visit: Visit, refused: Refused | None = None) -> Response:
    user = visit.user
    return visit.render(
        "email_sync.html",
        409 if refused else 200,
        own_list=await never_file.patterns(user.firm_id, user.id),
        firm_list=await never_file.patterns(user.firm_id, None),
        refused=refused,
        **await _facts(visit),
    )


async def _facts(visit: Visit) -> dict[str, object]:
    places = await _places(visit)
    return {
        "places": places,
        "under_way": any(place.progress and place.progress.under_way for place in places),
        "lapses": LAPSES,
        "look_back": LOOK_BACK,
        "not_asked": visit.request.query_params.get("test") == "failed",
        "interval": f"{visit.portal.settings.sweep.interval / timedelta(minutes=1):g}",
    }


async def _places(visit: Visit) -> list[Place]:
    """The login address first, then what an admin allowed, then what is held beside these."""
    user, held = visit.user, await Mailbox.held_by(visit.user.id)
    wanted = [user.email, *await AllowedAddress.filter(user_id=user.id).order_by("id").values_list("address", flat=True)]
    places = []
    for number, address in enumerate(wanted):
        key = key_of(str(address))
        theirs = sorted((m for m in held if key in (m.address_key, m.former_key)), key=lambda m: m.connected_at)
        held = [mailbox for mailbox in held if mailbox not in theirs]
        places.append(await _place(visit, str(address), theirs[-1] if theirs else None, own=number == 0))
    return places + [await _place(visit, mailbox.address, mailbox, own=False) for mailbox in held if mailbox.state != "disconnected"]


async def _place(visit: Visit, address: str, mailbox: Mailbox | None, *, own: bool) -> Place:
    return Place(address, own, mailbox, await progress_of(mailbox, visit.now) if mailbox else None)


async def connect(visit: Visit) -> Response:
    """Off to Google, with everything that proves the way back."""
    if visit.user.firm.provider != "google":
        return to(HERE)
    days = await visit.field("days") or "0"
    if days not in LOOK_BACK:
        raise Unreadable
    address = await visit.field("address")
    return await depart(visit, Wish(address if key_of(address) else "", await visit.field("in_between") != "no", int(days)))


async def depart(visit: Visit, wish: Wish) -> Response:
    """To Google's page, for the mailbox that is wished for."""
    portal, verifier, nonce = visit.portal, secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    state = await OAuthAttempt.begin(
        visit.session, visit.user.id, wish, code_verifier=portal.vault.seal(verifier), nonce=nonce, valid_for=ATTEMPT, now=visit.now
    )
    return to(portal.oauth.authorization_url(portal.settings.redirect_uri, state, verifier, wish.address or visit.user.email, nonce))


async def disconnect(visit: Visit) -> Response:
    """Only the connection that the page showed: one that was made meanwhile stays."""
    mailbox, shown = await _mine(visit), await visit.field("epoch")
    if mailbox and shown in ("", str(mailbox.epoch)):
        await visit.portal.connections.disconnect(mailbox)
    return to(HERE)


async def pause(visit: Visit) -> Response:
    if mailbox := await _mine(visit):
        await connections.pause(mailbox.id, mailbox.firm_id, visit.now)
    return to(HERE)


async def resume(visit: Visit) -> Response:
    if mailbox := await _mine(visit):
        await connections.resume(mailbox.id, mailbox.firm_id, visit.now)
    return to(HERE)


async def test_push(visit: Visit) -> Response:
    """Google is asked to push now; the page shows when that push arrives."""
    mailbox = await _mine(visit)
    trouble = await visit.portal.connections.test_push(mailbox) if mailbox else None
    return to(HERE if trouble is None or isinstance(trouble, AccessRevoked | NotAllowed) else f"{HERE}?test=failed")


async def fetch_older(visit: Visit) -> Response:
    """Mail of before the connection, as many days back as the form says."""
    days = await visit.field("days")
    if days not in LOOK_BACK:
        raise Unreadable
    if mailbox := await _mine(visit):
        await backfill(mailbox.id, mailbox.firm_id, mailbox.connected_at - timedelta(days=int(days)), visit.now)
    return to(HERE)


async def add_never_file(visit: Visit) -> Response:
    user, written = visit.user, await visit.field("pattern")
    try:
        await never_file.add(user.firm_id, user.id, written, user.id, visit.now)
    except NotListed as because:
        return await _page(visit, never_filed_not(written, because))
    return to(f"{HERE}#never-file")


async def remove_never_file(visit: Visit) -> Response:
    """From their own list, and no other."""
    user, listed_id = visit.user, min(visit.request.path_params["listed"], LARGEST_ID)
    if not await never_file.remove(user.firm_id, listed_id, user.id, user.id, visit.now):
        raise NotHere
    return to(f"{HERE}#never-file")


async def _mine(visit: Visit) -> Mailbox | None:
    """The mailbox that the form names, or the one connected last, if there is one. Raises `NotHere` for what this person does not hold."""
    named = await visit.field("mailbox")
    if not named:
        return await Mailbox.of_user(visit.user.id)
    if not (named.isascii() and named.isdigit() and len(named) < 19):
        raise Unreadable
    mailbox = await Mailbox.get_or_none(id=int(named), user_id=visit.user.id)
    if mailbox is None:
        raise NotHere
    return mailbox
