"""The review queue on the first page: whose questions are shown, how many there are, and what was said lately."""

from datetime import timedelta

from models import reviews
from models.mailboxes import Mailbox
from models.outcomes import lately
from models.reviews import Counts, Question, Whose
from portal.items import Item, cards, items
from portal.refusals import NotHere
from portal.visit import Visit, number

SIZE = 20
LATELY, SINCE = 10, timedelta(days=1)
MOST_SAID = 50


async def facts(visit: Visit, said: list[Item] | None = None) -> dict[str, object]:
    """All that the queue's templates want. `said`: lines to begin with, if not those that the address names. Raises `NotHere`."""
    counts = await reviews.counts(visit.user)
    whose, quiet = await _whose(visit, counts), visit.request.query_params.get("kind") == "quiet"
    page = visit.page if said is None else 1
    found = await _read(visit, whose, page, quiet=quiet)
    if page > 1 and not found:
        raise NotHere
    behind = not quiet and page == 1 and (counts.mine_quiet if whose == "mine" else counts.everyone_quiet)
    lines = await items(visit.user, _said(visit), with_rest=True) if said is None else said
    before = {line.email_id for line in lines}
    recent = [one for one in await lately(visit.user, visit.now - SINCE, LATELY) if one not in before]
    return await _heading(visit, counts, whose) | {
        "latest": (await reviews.news(visit.user)).newest,
        "said": lines,
        "questions": [card for card in cards(found[:SIZE]) if card.email_id not in before],
        "quiet": cards(await _read(visit, whose, 1, quiet=True))[:SIZE] if behind else [],
        "only_quiet": quiet,
        "page": page,
        "more": len(found) > SIZE,
        "lately": [line for line in await items(visit.user, recent) if not line.question],
    }


async def heading(visit: Visit, whose: Whose) -> dict[str, object]:
    """What stands above the queue, and what its lines want."""
    return await _heading(visit, await reviews.counts(visit.user), whose)


async def _heading(visit: Visit, counts: Counts, whose: Whose) -> dict[str, object]:
    """Who holds no mailbox looks after everyone's."""
    need = counts.mine if await _has_own(visit, counts) else counts.everyone
    return {"counts": counts, "whose": whose, "need": need, "keeps": visit.portal.settings.privacy.undo}


async def _whose(visit: Visit, counts: Counts) -> Whose:
    match visit.request.query_params.get("queue"):
        case "mine":
            return "mine"
        case "everyone":
            return "everyone"
    return "mine" if await _has_own(visit, counts) else "everyone"


async def _has_own(visit: Visit, counts: Counts) -> bool:
    return counts.mine + counts.mine_quiet > 0 or bool(await Mailbox.held_by(visit.user.id))


async def _read(visit: Visit, whose: Whose, page: int, *, quiet: bool) -> list[Question]:
    read = reviews.mine if whose == "mine" else reviews.everyones
    return await read(visit.user, (page - 1) * SIZE, SIZE + 1, quiet=quiet)


def _said(visit: Visit) -> list[int]:
    """The e-mails about which something was just said."""
    return [id for told in visit.request.query_params.getlist("said")[:MOST_SAID] if (id := number(told)) is not None]
