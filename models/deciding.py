"""What each decision makes of an e-mail: under which clients it is then, and what has become of its question. Pure.

Who decides takes nobody else's word away: what a decision is not about stays as it is. A client that was refused keeps a dismissed
activity, so that nothing files the e-mail there again.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from models.activities import SHOWN, How, Outcome, Status
from models.emails import Trust
from models.verdicts import NoSuchClient, TooLate

WORDS = ("approved", "reassigned", "moved", "filed", "added", "dismissed")  # what a person says of a mail, as the audit names it
SAID = (*WORDS, "undone")  # says whose it is, or that what was said counts no more: not a client's end, a private mark or a hand-over
Candidate = Mapping[str, Any]  # as filing keeps it: client, reasons, addresses


@dataclass(frozen=True, slots=True)
class Place:
    """What an activity says. `reason`: new words for it; None where it keeps what it has."""

    status: Status
    how: How
    by: int | None = None
    at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    outcome: Outcome
    by: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Mail:
    """An e-mail as it stands: its places by client, and its question with the best candidate first; `candidates` is None where it never
    asked."""

    id: int
    version: int
    thread_root: str
    trust: Trust
    private: bool
    dismissed_at: datetime | None
    erased_at: datetime | None
    places: Mapping[int, Place]
    candidates: tuple[Candidate, ...] | None = None
    answer: Answer | None = None

    @property
    def shown(self) -> tuple[int, ...]:
        """The clients under which it is shown."""
        return tuple(sorted(client for client, place in self.places.items() if place.status in SHOWN))

    @property
    def is_open(self) -> bool:
        return self.candidates is not None and self.answer is None

    @property
    def guess(self) -> frozenset[int]:
        """The client that is the guess; one at most."""
        return frozenset(client for client, place in self.places.items() if place.status == "review")

    @property
    def asked(self) -> frozenset[int]:
        """The candidates."""
        return frozenset(candidate["client"] for candidate in self.candidates or ())


@dataclass(frozen=True, slots=True)
class Voice:
    """Whose word it is. `by_thread`: they said it of another mail of the thread, which this one follows; then it is no person's."""

    user_id: int | None
    name: str
    at: datetime
    by_thread: bool = False

    def for_(self, client: int, mail: Mail) -> Place:
        """Filed. Who only agrees with the addresses or with the guess leaves it to them that they put it there, and why."""
        if self.by_thread:
            return Place("filed", "inherited", reason=f"{self.name} filed this thread here")
        if client in mail.shown and (there := mail.places[client].how) in ("certain", "guess"):
            return Place("filed", there, self.user_id, self.at)
        return Place("filed", "person", self.user_id, self.at, f"{self.name} filed it here")

    def against(self, client: int, mail: Mail) -> Place:
        """Dismissed. What is there keeps its reason: who undoes the decision finds it again."""
        if self.by_thread:
            return Place("dismissed", "inherited", reason=None if client in mail.places else f"{self.name} filed this thread elsewhere")
        reason = None if client in mail.places else f"{self.name} did not file it here"
        return Place("dismissed", "person", self.user_id, self.at, reason)

    def answers(self, outcome: Outcome) -> Answer:
        return Answer("inherited", None, self.at) if self.by_thread else Answer(outcome, self.user_id, self.at)


def filed(mail: Mail, client: int, voice: Voice, instead_of: Collection[int] | None = None) -> tuple[str, Mail]:
    """The act's name, and the e-mail under this client: as the answer to its question, or in the place of `instead_of`; without either,
    of whatever else it is under. What is there already is agreed with. Raises `TooLate`, `NoSuchClient`."""
    if mail.erased_at:
        raise TooLate
    if not set(instead_of or ()) <= set(mail.shown):
        raise NoSuchClient
    answers = mail.is_open and (instead_of is None or not mail.guess.isdisjoint(instead_of) or client in mail.asked)
    away = set(_replaced(mail, client) if instead_of is None else instead_of)
    after = _placed(mail, {client}, (away | _refused(mail) if answers else away) - {client}, voice)
    if answers or (mail.answer and (not mail.shown or not mail.asked.isdisjoint({client, *away}))):
        best = mail.guess or {candidate["client"] for candidate in (mail.candidates or ())[:1]}
        after = replace(after, answer=voice.answers("approved" if client in best else "reassigned"))
    return _name(mail, after, client, answers=answers), after


def also_filed(mail: Mail, client: int, voice: Voice) -> tuple[str, Mail]:
    """Under one more client. If that is one of the candidates the question is answered: it is the guess's, and this one's, too. Raises
    `TooLate`."""
    if mail.erased_at or not mail.shown:
        return filed(mail, client, voice)
    if not mail.is_open or client not in mail.asked | mail.guess:
        return "added", _placed(mail, {client}, (), voice)
    both = mail.guess | {client}
    return "added", replace(_placed(mail, both, _refused(mail) - both, voice), answer=voice.answers("approved"))


def dismissed(mail: Mail, client: int | None, voice: Voice) -> tuple[str, Mail]:
    """No client's; or not this one's. Where the guess is refused, the next candidate is the guess; where nothing is left, the whole e-mail
    is dismissed. Raises `NoSuchClient` where there is nothing to dismiss."""
    away = frozenset(mail.shown if client is None else {client})
    if not away or not away <= set(mail.shown):
        raise NoSuchClient
    after = _placed(mail, (), away, voice)
    refused = mail.is_open and not mail.guess.isdisjoint(away)
    if refused and client is not None:
        after = _guessed_anew(after, client)
    if (refused and not after.guess) or (mail.candidates is not None and not after.shown):
        after = replace(_placed(after, (), _refused(after), voice), answer=voice.answers("dismissed"))
    return "dismissed", after if after.shown else replace(after, dismissed_at=voice.at)


def of_thread(mail: Mail, said: Mail, client: int, voice: Voice) -> tuple[str, Mail] | None:
    """Under the same client as another mail of the thread, and no more under those from which a person moved that one. None where it is so
    already."""
    moved = client in said.places and said.places[client].how == "person"
    instead = {other for other in mail.shown if moved and other in said.places and said.places[other].status == "dismissed"}
    if client in mail.shown and not instead and not mail.is_open:
        return None
    return filed(mail, client, voice, instead | mail.guess if mail.is_open else instead)


def _replaced(mail: Mail, client: int) -> Collection[int]:
    """What goes if nobody says what: an open question's guess, or else all, unless the client has it already."""
    if mail.is_open:
        return mail.guess
    return () if client in mail.shown else mail.shown


def _refused(mail: Mail) -> set[int]:
    """The guess, and the candidates under which it is not: once the question is answered, nothing may file it there."""
    return {client for client in mail.asked | mail.guess if client not in mail.places or client in mail.guess}


def _placed(mail: Mail, chosen: Collection[int], away: Collection[int], voice: Voice) -> Mail:
    places = dict(mail.places) | {client: voice.against(client, mail) for client in away}
    places |= {client: voice.for_(client, mail) for client in chosen}
    return replace(mail, places=places, dismissed_at=None)


def _guessed_anew(mail: Mail, refused: int) -> Mail:
    """The best of the candidates that nobody has refused becomes the guess."""
    left = tuple(candidate for candidate in mail.candidates or () if candidate["client"] != refused)
    best = next((candidate for candidate in left if candidate["client"] not in mail.places), None)
    if best is None:
        return mail
    return replace(mail, places={**mail.places, best["client"]: guessed(best)}, candidates=left)


def guessed(best: Candidate) -> Place:
    return Place("review", "guess", reason="; ".join(best["reasons"]))


def _name(before: Mail, after: Mail, client: int, *, answers: bool) -> str:
    if answers and after.answer:
        return after.answer.outcome
    if set(before.shown) - set(after.shown):
        return "moved"
    if client in before.shown:
        return "approved"
    return "added" if before.shown else "filed"
