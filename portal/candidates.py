"""What Postroom guessed about an e-mail in doubt, with the clients' names."""

from collections.abc import Iterable
from dataclasses import dataclass

from models.activities import Review
from models.directory import Client


@dataclass(frozen=True, slots=True)
class Candidate:
    name: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Guess:
    """Candidates, best first: the first is where the mail stands until a person decides."""

    candidates: tuple[Candidate, ...]


async def in_names(firm_id: int, reviews: Iterable[Review]) -> dict[int, Guess]:
    """The guess of each review, by its id. A candidate that is no client any more is left out."""
    reviews = list(reviews)
    names = await Client.names(firm_id, {_client(found) for review in reviews for found in review.candidates})
    return {review.id: Guess(_named(review, names)) for review in reviews}


def _named(review: Review, names: dict[int, str]) -> tuple[Candidate, ...]:
    return tuple(Candidate(names[_client(found)], _reasons(found)) for found in review.candidates if _client(found) in names)


def _client(candidate: dict[str, object]) -> int:
    return int(str(candidate["client"]))


def _reasons(candidate: dict[str, object]) -> tuple[str, ...]:
    reasons = candidate["reasons"]
    return tuple(str(reason) for reason in reasons) if isinstance(reasons, list) else ()
