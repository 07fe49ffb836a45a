"""E-mails as the queue shows them: a question as a card, and what has become of one as a line in its place."""

from collections.abc import Collection
from dataclasses import dataclass

from models.firms import User
from models.outcomes import Outcome, outcomes, rest_of_thread
from models.reviews import Question, questions


@dataclass(frozen=True, slots=True)
class Item:
    """A card if it has a question, or else a line. `notice`: why nothing was done; `rest`: other mails of the thread for which the same
    could be said."""

    email_id: int
    question: Question | None = None
    outcome: Outcome | None = None
    notice: str = ""
    rest: int = 0


def cards(found: list[Question]) -> list[Item]:
    return [Item(question.email_id, question) for question in found]


async def item(user: User, email_id: int, notice: str = "") -> Item | None:
    """As it stands now; None where this user may not see it."""
    return next(iter(await items(user, [email_id], notice, with_rest=True)), None)


async def items(user: User, email_ids: Collection[int], notice: str = "", *, with_rest: bool = False) -> list[Item]:
    """In that order; those are left out that this user may not see."""
    open_, stand = await questions(user, email_ids), await outcomes(user, email_ids)
    return [
        Item(one, open_.get(one), stand[one], notice, await _rest(user, stand[one]) if with_rest else 0)
        for one in dict.fromkeys(email_ids)
        if one in stand
    ]


async def _rest(user: User, outcome: Outcome) -> int:
    """Where one client, or none, was said, and there is a rest to which it can be said."""
    said = not outcome.open and outcome.by_id is not None and outcome.act != "undone" and not outcome.erased_at and len(outcome.places) <= 1
    return await rest_of_thread(user, outcome.email_id, tuple(place.client_id for place in outcome.places)) if said else 0
