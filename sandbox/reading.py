"""The console's reading room: the letters, a mailbox's newest mails, and one of them on a page, whose buttons work."""

from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox import letters
from sandbox.answers import settled, world_of
from sandbox.clock import iso
from sandbox.pages import page
from sandbox.refusals import Misused
from sandbox.rfc822 import shape
from sandbox.state import Message
from sandbox.world import World

PLACE = "/sandbox/console"
NEWEST = 50
TO_THE_WINDOW = '<base target="_top">'  # at the end of the HTML: a browser heeds it there too, and what comes first stays first
HEADERS = ("From", "To", "Date", "Reply-To")


def routes() -> list[Route]:
    return [
        Route(f"{PLACE}/letters/{{number}}", settled(show_letter)),
        Route(f"{PLACE}/mailboxes/{{mailbox}}", settled(show_mailbox)),
        Route(f"{PLACE}/mailboxes/{{mailbox}}/{{id}}", settled(show_mail)),
    ]


def some_letters(world: World, count: int) -> list[dict[str, Any]]:
    """The newest first, for a list."""
    newest = list(world.letters.values())[: -count - 1 : -1]
    return [
        {
            "at": iso(letter.at),
            "to": letter.to,
            "elsewhere": letter.elsewhere,
            "subject": shape(letter.raw).searched("subject"),
            "link": f"{PLACE}/letters/{letter.number}",
        }
        for letter in newest
    ]


async def show_letter(request: Request) -> Response:
    letter = letters.known(world_of(request), request.path_params["number"])
    return _mail(request, letter.raw, f"Letter to {letter.to}", PLACE)


async def show_mailbox(request: Request) -> Response:
    mailbox = world_of(request).account(request.path_params["mailbox"])
    address = mailbox.account.address
    mails = [_row(address, message) for message in mailbox.newest_first()[:NEWEST]]
    return page(request, "mailbox.html", {"address": address, "mails": mails, "back": PLACE})


def _row(address: str, message: Message) -> dict[str, Any]:
    return {
        "at": iso(message.internal_date),
        "sender": message.sender,
        "subject": message.subject,
        "labels": ", ".join(message.labels),
        "link": f"{PLACE}/mailboxes/{quote(address)}/{message.id}",
    }


async def show_mail(request: Request) -> Response:
    world, id = world_of(request), request.path_params["id"]
    mailbox = world.account(request.path_params["mailbox"])
    address = mailbox.account.address
    if id not in mailbox.messages:
        raise Misused(404, f"{address} has no message {id}")
    return _mail(request, world.raw(mailbox, id), f"In the mailbox of {address}", f"{PLACE}/mailboxes/{quote(address)}")


def _mail(request: Request, raw: bytes, where: str, back: str) -> Response:
    """Its HTML stands in a frame of its own, which inherits this page's policy: no script, nothing loaded; its links open in the window."""
    shaped = shape(raw)
    html = shaped.text("text/html")
    told = {
        "where": where,
        "back": back,
        "subject": shaped.searched("subject"),
        "headers": [(name, value) for name in HEADERS if (value := shaped.searched(name.lower()))],
        "framed": html + TO_THE_WINDOW if html else "",
        "text": shaped.text("text/plain"),
    }
    return page(request, "mail.html", told)
