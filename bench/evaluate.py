"""Measures the guess on the made-up firms 51 to 100, which fit.py never saw: `make eval`.

First the guess beside what one could do without it, then what each kind of sign is worth: how many points the guess loses without it.
Fails (exit code 1) where the guess is not ten points better than the best of the others, in either column; or where a kind of sign earns
less than half a point of the mails that ask a person.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from time import perf_counter

from bench.played import on_two_cores, steps
from pipeline.guess import WEIGHTS, Weights, in_order
from pipeline.replay import Step
from pipeline.signs import KINDS, signs
from pipeline.yardsticks import GUESS, Tally, ranks
from postroom.command import show

SEEDS = range(51, 101)
MARGIN = 10.0  # points
EARNS = 0.5  # points
PARTS = ("all in doubt", "asked about")  # the latter: nobody has decided about the thread, so a person is asked
WITHOUT: Mapping[str, Weights] = {kind: {**WEIGHTS, kind: 0.0} for kind in KINDS}


@dataclass(slots=True)
class Counts:
    """Of one firm or several. `of`: mails, by part. `right`: by part, and by what guessed or what kind the guess had to do without."""

    mails: int = 0
    wrongly_filed: int = 0
    missed: int = 0
    among: int = 0
    seconds: float = 0
    of: Counter[str] = field(default_factory=Counter)
    right: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, other: "Counts") -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def share(self, part: str, name: str) -> float:
        """In per cent."""
        return 100 * self.right[part, name] / (self.of[part] or 1)

    def lost(self, part: str, kind: str) -> float:
        """In points."""
        return self.share(part, GUESS) - self.share(part, kind)

    def margin(self, part: str) -> float:
        """In points."""
        return self.share(part, GUESS) - max(self.share(part, name) for name in ranks(0) if name != GUESS)


def counted(seed: int) -> Counts:
    """One firm."""
    tally, counts = Tally(ranks(seed), perf_counter), Counts()
    for step in steps(seed):
        tally.add(step)
        _without(step, counts)
    counts.mails, counts.wrongly_filed, counts.missed, counts.among = tally.mails, tally.wrongly_filed, tally.missed, tally.among
    counts.seconds, counts.of = tally.seconds, Counter(dict(zip(PARTS, (tally.ambiguous, tally.new), strict=True)))
    for name in tally.ranks:
        counts.right[PARTS[0], name], counts.right[PARTS[1], name] = tally.right[name], tally.right_new[name]
    return counts


def _without(step: Step, counts: Counts) -> None:
    if step.asked is None or not step.left:
        return
    found = tuple(signs(step.asked.doubt, step.asked.evidence))
    for kind, weights in WITHOUT.items():
        if in_order(step.asked.doubt, step.asked.evidence, found, weights)[0].client_id in step.left:
            counts.right.update((part, kind) for part in PARTS[: 2 if step.asked.is_new else 1])


def complaints(total: Counts) -> Iterator[str]:
    """What must not be."""
    for part in PARTS:
        if total.margin(part) < MARGIN:
            yield f"{part}: the guess is only {total.margin(part):.1f} points better than the best of the others; it must be {MARGIN:.0f}."
    for kind in KINDS:
        if total.lost(PARTS[1], kind) < EARNS:
            yield f"{kind} earns only {total.lost(PARTS[1], kind):.2f} points: it must earn {EARNS}, or go."


def told(total: Counts) -> Iterator[str]:
    every, asked = (total.of[part] for part in PARTS)
    among, each = 100 * total.among / (every or 1), 1e6 * total.seconds / (every or 1)
    better = [f"{total.margin(part):.1f}" for part in PARTS]
    yield f"{total.mails:,} mails of {len(SEEDS)} made-up firms: {every:,} in doubt, {asked:,} of them asked about."
    yield f"The truth is among the candidates of {among:.1f}%. One guess takes {each:.0f} µs."
    yield f"Filed as certain, but wrongly: {total.wrongly_filed:,}. A client's, but missed: {total.missed:,}."
    yield f"Better than the best of the others by {better[0]} points of all, by {better[1]} of what is asked about."


def main() -> int:
    """The exit code."""
    started, total = perf_counter(), Counts()
    for counts in on_two_cores(counted, SEEDS):
        total.add(counts)
    show(("right at once", *PARTS), [(name, *(f"{total.share(part, name):.1f}%" for part in PARTS)) for name in ranks(0)])
    print("", *told(total), "", sep="\n")
    show(("points lost without", *PARTS), [(kind, *(f"{total.lost(part, kind):.2f}" for part in PARTS)) for kind in KINDS])
    wrong = list(complaints(total))
    print("", *wrong, f"{perf_counter() - started:.0f} seconds.", sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
