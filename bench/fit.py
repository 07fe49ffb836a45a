"""Finds the weights of the guess, on the made-up firms 1 to 50: `python -m bench.fit` prints what stands in pipeline/guess.py.

A candidate's chance is taken for a softmax of its weighted signs; the weights are those under which the truth is likeliest, and none is
negative: a sign that speaks against a client could not be told to a person as a reason.
"""

from math import exp, fsum

from bench.played import on_two_cores, steps
from pipeline.signs import KINDS, signs

SEEDS = range(1, 51)
ROUNDS = 150
STEP = 1.0
DECAY = 0.0005  # draws a weight that hardly helps towards nothing

Candidate = tuple[bool, tuple[tuple[int, float], ...]]  # whether it is the truth; kinds by number, and strengths
Question = tuple[Candidate, ...]


def questions(seed: int) -> list[Question]:
    found: list[Question] = []
    for step in steps(seed):
        if step.asked and step.left:
            told: dict[int, list[tuple[int, float]]] = {known.client_id: [] for known in step.asked.evidence.known}
            for sign in signs(step.asked.doubt, step.asked.evidence):
                told[sign.client_id].append((KINDS.index(sign.kind), sign.strength))
            question = tuple((client in step.left, tuple(seen)) for client, seen in told.items())
            if any(true for true, _ in question):
                found.append(question)
    return found


def fitted(asked: list[Question]) -> list[float]:
    """Gradient ascent with momentum."""
    weights, speed = [1.0] * len(KINDS), [0.0] * len(KINDS)
    for _ in range(ROUNDS):
        slope = _slope(asked, weights)
        for kind in range(len(KINDS)):
            speed[kind] = 0.9 * speed[kind] + STEP * (slope[kind] / len(asked) - DECAY * weights[kind])
            weights[kind] = max(0.0, weights[kind] + speed[kind])
    return weights


def _slope(asked: list[Question], weights: list[float]) -> list[float]:
    slope = [0.0] * len(weights)
    for question in asked:
        chances = [exp(fsum(weights[kind] * strength for kind, strength in seen)) for _, seen in question]
        total, true = fsum(chances), sum(is_true for is_true, _ in question)
        for chance, (is_true, seen) in zip(chances, question, strict=True):
            missing = is_true / true - chance / total
            for kind, strength in seen:
                slope[kind] += missing * strength
    return slope


def right(asked: list[Question], weights: list[float]) -> float:
    """How often the best candidate is true; of equals the first one counts."""
    hits = 0
    for question in asked:
        scores = [fsum(weights[kind] * strength for kind, strength in seen) for _, seen in question]
        hits += question[scores.index(max(scores))][0]
    return hits / len(asked)


def main() -> None:
    asked = [question for found in on_two_cores(questions, SEEDS) for question in found]
    weights = fitted(asked)
    print(f"{len(asked):,} questions, {right(asked, weights):.1%} right")
    for kind, weight in zip(KINDS, weights, strict=True):
        print(f'    "{kind}": {weight:.1f},')


if __name__ == "__main__":
    main()
