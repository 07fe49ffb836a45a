"""Which client, if none of the candidates; which colleague. Each is a part that opens in a card, and a page for who has no scripts."""

from dataclasses import dataclass

from starlette.responses import Response

from models.client_search import Choice, living
from models.firms import User
from models.outcomes import Outcome, outcome
from models.reviews import questions
from models.verdicts import Seen
from portal.answers import Back
from portal.refusals import NotHere, Unreadable
from portal.visit import Visit, number

SHOWN = 8
LONGEST = 200
Fields = tuple[tuple[str, object], ...]


@dataclass(frozen=True, slots=True)
class Choosing:
    """A search among the clients, and the form whose buttons are those found."""

    heading: str
    method: str  # of the search
    search: str  # its address
    asked: Fields  # what the search keeps
    done: str  # the address of the choice
    said: Fields  # what goes with it
    target: str  # what the answer is swapped for; empty: a page follows
    words: str  # what was written
    found: list[Choice]
    more: bool


async def clients(visit: Visit) -> Response:
    """For one mail: `act` is file or also, `instead` the client whose place it takes."""
    mail, given = await _mail(visit), visit.request.query_params
    act, back = given.get("act", "file"), given.get("back", "mine")
    where = given.get("in", "card" if visit.by_htmx and back != "mail" else "page")
    kept: Fields = (("act", act), ("instead", given.get("instead", "")), ("back", back), ("version", given.get("version", mail.version)))
    if act not in ("file", "also") or back not in ("mine", "everyone", "mail"):
        raise Unreadable
    found, words = await _found(visit, given.get("q", ""))
    choosing = Choosing(
        heading="Also file under" if act == "also" else "File under another client",
        method="get",
        search=f"/mails/{mail.email_id}/clients",
        asked=(*kept, ("in", where)),
        done=f"/mails/{mail.email_id}/decision",
        said=kept,
        target=f"#q{mail.email_id}" if where == "card" else "",
        words=words,
        found=found[:SHOWN],
        more=len(found) > SHOWN,
    )
    return visit.render("choose.html" if visit.by_htmx else "choose_page.html", choosing=choosing, subject=mail.subject, count=1)


async def for_several(visit: Visit, seens: list[Seen], back: Back) -> Response:
    """For all that are ticked; nothing is changed before a client is chosen."""
    found, words = await _found(visit, await visit.field("q"))
    kept: Fields = (("back", back), *(("mail", f"{seen.email_id}:{seen.version}") for seen in seens))
    choosing = Choosing(
        heading="File under one client",
        method="post",
        search="/mails/decisions",
        asked=(*kept, ("act", "choose")),
        done="/mails/decisions",
        said=(*kept, ("act", "file")),
        target="",
        words=words,
        found=found[:SHOWN],
        more=len(found) > SHOWN,
    )
    return visit.render("choose.html" if visit.by_htmx else "choose_page.html", choosing=choosing, subject="", count=len(seens))


async def colleagues(visit: Visit) -> Response:
    """Who could answer an open question instead."""
    question = (await questions(visit.user, [visit.id])).get(visit.id)
    if question is None:
        raise NotHere
    back = visit.request.query_params.get("back", "mine")
    return visit.render(
        "hand_over.html" if visit.by_htmx else "hand_over_page.html",
        question=question,
        back=back if back in ("mine", "everyone", "mail") else "mine",
        version=number(visit.request.query_params.get("version", "")) or question.version,
        colleagues=await User.filter(firm_id=visit.user.firm_id, active=True).exclude(id=visit.user.id).order_by("name", "id"),
        swaps=visit.by_htmx and back != "mail",
    )


async def _mail(visit: Visit) -> Outcome:
    """What is shown somewhere: a dismissed mail has no pages, and is had back by undoing."""
    found = await outcome(visit.user, visit.id)
    if found is None or not found.places:
        raise NotHere
    return found


async def _found(visit: Visit, written: str) -> tuple[list[Choice], str]:
    words = written.replace("\0", "").strip()[:LONGEST]
    return await living(visit.user.firm_id, words, SHOWN + 1), words
