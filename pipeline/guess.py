"""The educated guess: an e-mail in doubt, and which client it is most likely for. Pure and deterministic."""

from dataclasses import dataclass

from pipeline.match import Match


@dataclass(frozen=True, slots=True)
class Candidate:
    client_id: int
    reasons: tuple[str, ...]  # in words for a person


def guess(in_doubt: tuple[Match, ...]) -> tuple[Candidate, ...]:
    """All candidates, best first. Without evidence the lowest id comes first: the same mail gives the same guess, whoever receives it."""
    ranked = sorted(in_doubt, key=lambda match: match.client_id)
    return tuple(Candidate(match.client_id, (f"{match.party.address} is a contact of this client, and of others",)) for match in ranked)
