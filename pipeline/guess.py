"""The educated guess: an e-mail in doubt, and which client it is most likely for. Pure and deterministic.

Evidence is a weighted sum of signs (signs.py). The weights come from made-up firms (bench/fit.py), and docs/eval.md tells how well they do.
"""

from collections.abc import Iterable, Mapping
from math import fsum

from models.evidence import Doubt, Evidence, Ranked
from pipeline.signs import Kind, Sign, signs

Weights = Mapping[Kind, float]
# How much each kind of sign counts at its full strength; 0 leaves it out, and its reason too.
WEIGHTS: Weights = {
    "conversation": 3.3,
    "history": 1.3,
    "others": 3.0,
    "standing": 2.5,
    "named_subject": 2.6,
    "named_text": 1.8,
    "named_file": 2.4,
    "own": 3.9,
}


def guess(doubt: Doubt, evidence: Evidence, weights: Weights = WEIGHTS) -> tuple[Ranked, ...]:
    """All candidates, best first, each with its reasons, the strongest first. Without evidence the lowest id comes first: the same mail
    gives the same guess, whoever receives it."""
    return in_order(doubt, evidence, signs(doubt, evidence), weights)


def in_order(doubt: Doubt, evidence: Evidence, found: Iterable[Sign], weights: Weights) -> tuple[Ranked, ...]:
    """The same where the signs have been found."""
    weighed: dict[int, list[tuple[float, Sign]]] = {known.client_id: [] for known in evidence.known}
    for sign in found:
        if sign.client_id in weighed and (weight := weights[sign.kind] * sign.strength) > 0:
            weighed[sign.client_id].append((weight, sign))
    return tuple(
        Ranked(client, (*_said(weighed[client]), *_because(doubt, client)))
        for client in sorted(weighed, key=lambda client: (-_total(weighed[client]), client))
    )


def _total(weighed: Iterable[tuple[float, Sign]]) -> float:
    """Rounded: what differs by less than that is a tie."""
    return round(fsum(weight for weight, _ in weighed), 9)


def _said(weighed: Iterable[tuple[float, Sign]]) -> tuple[str, ...]:
    return tuple(sign.reason for _, sign in sorted(weighed, key=lambda each: (-round(each[0], 9), each[1].kind)))


def _because(doubt: Doubt, client: int) -> tuple[str, ...]:
    """Why it is a candidate at all."""
    keys = [key for key, clients in sorted(doubt.addresses.items()) if client in clients]
    said = []
    for key in [key for key in keys if key] or keys:
        also = ", and of others" if key and len(doubt.addresses[key]) > 1 else ""
        claimed = f"the list {doubt.claims[key]} says that {key} wrote it, who" if key in doubt.claims else key or "an address on this mail"
        said.append(f"{claimed} is a contact of this client{also}")
    return tuple(said)
