"""How well a guess does on replayed mail, beside what one could do without it. Pure but for the clock that is passed in."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from models.evidence import Doubt, Evidence, Rank, Ranked, Sighting
from pipeline.guess import guess
from pipeline.replay import Asked, Step
from pipeline.signs import bare

NEVER = datetime.min.replace(tzinfo=UTC)
GUESS = "guess"


def ranks(seed: int) -> dict[str, Rank]:
    """The guess, and what it must beat."""
    return {
        GUESS: guess,
        "most recent": most_recent,
        "most frequent": most_frequent,
        "same subject, else recent": same_subject,
        "random": at_random(Random(seed)),  # noqa: S311  # a yardstick, and the same in every run
    }


def most_recent(doubt: Doubt, evidence: Evidence) -> tuple[Ranked, ...]:
    """Where the last mail with an address in doubt went."""
    newest = _newest(_of_doubtful(doubt, evidence))
    return _ranked(evidence, lambda client: newest.get(client, NEVER))


def most_frequent(doubt: Doubt, evidence: Evidence) -> tuple[Ranked, ...]:
    """Where most of the recent mail with the addresses in doubt went."""
    often = Counter(sighting.client_id for sighting in _of_doubtful(doubt, evidence))
    return _ranked(evidence, lambda client: often[client])


def same_subject(doubt: Doubt, evidence: Evidence) -> tuple[Ranked, ...]:
    """Where the last mail with this subject went; if there was none, the last mail at all."""
    seen = _of_doubtful(doubt, evidence)
    alike = _newest(sighting for sighting in seen if bare(sighting.subject) == bare(doubt.subject))
    newest = _newest(seen)
    return _ranked(evidence, lambda client: (alike.get(client, NEVER), newest.get(client, NEVER)))


def at_random(random: Random) -> Rank:
    def rank(doubt: Doubt, evidence: Evidence) -> tuple[Ranked, ...]:
        return tuple(Ranked(known.client_id, ()) for known in random.sample(evidence.known, len(evidence.known)))

    return rank


@dataclass(slots=True)
class Tally:
    """Counts over replayed mails. `right`: first guesses that were true, by what guessed; `right_new`: of these, where nobody had decided
    about the thread: only such mail asks a person. `clock`: seconds."""

    ranks: Mapping[str, Rank]
    clock: Callable[[], float]
    mails: int = 0
    ambiguous: int = 0  # in doubt, and truly a client's that is not certain anyway
    new: int = 0  # of these, where nobody had decided about the thread
    among: int = 0  # of the ambiguous: the truth is one of the candidates
    asked_for_nothing: int = 0  # in doubt, but no client's, or none's but what is certain
    wrongly_filed: int = 0  # certain of a client whose it is not
    missed: int = 0  # a client's, but neither filed nor asked about
    seconds: float = 0  # for guessing
    right: Counter[str] = field(default_factory=Counter)
    right_new: Counter[str] = field(default_factory=Counter)

    def add(self, step: Step) -> None:
        self.mails += 1
        self.wrongly_filed += bool(step.certain - step.mail.truth)
        self.missed += bool(step.mail.truth) and not (step.certain or step.asked)
        if step.asked and step.left:
            self._guessed(step.asked, step.left)
        elif step.asked:
            self.asked_for_nothing += 1

    def _guessed(self, asked: Asked, truth: frozenset[int]) -> None:
        self.ambiguous += 1
        self.new += asked.is_new
        self.among += any(known.client_id in truth for known in asked.evidence.known)
        for name, rank in self.ranks.items():
            started = self.clock()
            first = rank(asked.doubt, asked.evidence)[0].client_id
            self.seconds += self.clock() - started if name == GUESS else 0
            self.right[name] += first in truth
            self.right_new[name] += asked.is_new and first in truth

    @property
    def microseconds(self) -> float:
        """For one guess."""
        return 1e6 * self.seconds / self.ambiguous if self.ambiguous else 0.0


def _of_doubtful(doubt: Doubt, evidence: Evidence) -> frozenset[Sighting]:
    return frozenset(sighting for key in doubt.addresses for sighting in evidence.sightings.get(key, ()))


def _newest(sightings: Iterable[Sighting]) -> dict[int, datetime]:
    newest: dict[int, datetime] = {}
    for sighting in sightings:
        newest[sighting.client_id] = max(sighting.at, newest.get(sighting.client_id, NEVER))
    return newest


def _ranked(evidence: Evidence, score: Callable[[int], Any]) -> tuple[Ranked, ...]:
    """Highest score first, then lowest id."""
    ids = sorted(known.client_id for known in evidence.known)
    return tuple(Ranked(client, ()) for client in sorted(ids, key=score, reverse=True))
