"""What one more copy of an e-mail adds to what the firm knows of it: who is certain, and what is still in doubt. Pure.

In whatever order the copies come, the same is filed and asked in the end. What a person decided stands.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from models.activities import How, Status
from models.emails import Kind, Trust
from models.evidence import Doubt

Addresses = Mapping[str, frozenset[int]]  # address key → the clients that it stands for
TRUSTS: tuple[Trust, ...] = ("unknown", "forged", "proven")  # the last that any copy says counts: it is one text by one author


@dataclass(frozen=True, slots=True)
class Copy:
    """One mailbox's copy of a recorded e-mail. `certain`: clients, and why. `doubt`: without addresses where nothing is in doubt."""

    email_id: int
    thread_root: str
    sent_at: datetime
    kind: Kind
    trust: Trust
    certain: Mapping[int, str]
    doubt: Doubt


@dataclass(frozen=True, slots=True)
class Place:
    """An activity that is there. `by_person`: a person put it there or took it away. `touched`: somebody wrote something on it."""

    id: int
    client_id: int
    status: Status
    how: How
    by_person: bool
    touched: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of the e-mail from earlier copies. `addresses`: what was in doubt. `spoken`: a person has said something about it."""

    trust: Trust = "unknown"
    kind: Kind | None = None
    dismissed: bool = False
    spoken: bool = False
    places: tuple[Place, ...] = ()
    review_id: int | None = None
    answered: bool = False
    addresses: Addresses = field(default_factory=dict)

    @property
    def guess(self) -> Place | None:
        return next((place for place in self.places if place.status == "review"), None)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about another mail of the thread: under which clients it is, and from which it was moved there."""

    by: str
    clients: frozenset[int]
    moved_from: frozenset[int]

    @property
    def reason(self) -> str:
        return f"{self.by} filed this thread here"

    @property
    def refusal(self) -> str:
        return f"{self.by} filed this thread elsewhere"


@dataclass(frozen=True, slots=True)
class Put:
    how: How
    reason: str


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done. `filed`, `refused`: new activities, by client. `demoted`: activities that were certain while nobody knew that the
    sender was forged. `question`: the addresses that are in doubt. `inherits`: the decision that answers it."""

    copy: Copy
    standing: Standing
    trust: Trust
    kind: Kind
    filed: Mapping[int, Put]
    refused: Mapping[int, Put] = field(default_factory=dict)
    demoted: tuple[int, ...] = ()
    question: Addresses = field(default_factory=dict)
    inherits: Decision | None = None

    @property
    def closes(self) -> bool:
        """Nobody needs to be asked any more."""
        return self.standing.guess is not None and (not self.question or self.inherits is not None)

    @property
    def heir(self) -> int | None:
        """The client to whom the guess's activity goes for good, with all that a person wrote on it."""
        guess = self.standing.guess
        if guess is None or not self.filed:
            return None
        if guess.client_id in self.filed:
            return guess.client_id
        return min(self.filed) if self.closes or guess.client_id in self.refused else None


def together(copies: Iterable[Copy]) -> list[Copy]:
    """One of each e-mail: a mailbox may hold several."""
    found: dict[int, Copy] = {}
    for copy in copies:
        other = found.get(copy.email_id)
        found[copy.email_id] = _both(other, copy) if other else copy
    return list(found.values())


def change(standing: Standing, copy: Copy, decision: Decision | None) -> Change | None:
    """What this copy changes; None where a person said that the e-mail is no client's."""
    if standing.dismissed:
        return None
    trust, kind = _surer(standing.trust, copy.trust), _louder(standing.kind, copy.kind)
    forged = trust == "forged"
    demoted = [place for place in standing.places if forged and place.how == "certain" and place.status == "filed" and not place.touched]
    places = {place.client_id: place for place in standing.places if place.status != "review" and place not in demoted}
    fresh = {} if forged else {client: Put("certain", why) for client, why in copy.certain.items() if client not in places}
    thread = None if forged or standing.spoken else decision
    moved = thread.moved_from & fresh.keys() if thread else frozenset()
    question: Addresses = {}
    if not standing.answered and (standing.review_id or not standing.spoken):
        named = _union(standing.addresses, copy.doubt.addresses)
        if forged:
            named = _union(named, {"": frozenset(copy.certain) | {place.client_id for place in demoted}})
        question = _in_doubt(named, places, frozenset(fresh))
    found = Change(copy, standing, trust, kind, fresh, {}, tuple(place.id for place in demoted) if question else (), question)
    return _inherited(found, thread, moved, places) if thread else found


def _inherited(found: Change, thread: Decision, moved: frozenset[int], places: Mapping[int, Place]) -> Change:
    """As a person decided about the thread: an open question is answered, and what would be filed where that person took it away is not."""
    candidates = frozenset[int]().union(*found.question.values())
    answers = bool(candidates) and not thread.clients <= places.keys() | found.filed.keys()
    if not answers and not moved:
        return found
    certain = {client: put for client, put in found.filed.items() if client not in moved}
    filed = {client: Put("inherited", thread.reason) for client in thread.clients - places.keys()} | certain
    away = moved | candidates if answers else moved
    refused = {client: Put("inherited", thread.refusal) for client in away - filed.keys() - places.keys()}
    return replace(found, filed=filed, refused=refused, inherits=thread if answers else None)


def _in_doubt(named: Addresses, places: Mapping[int, Place], fresh: frozenset[int]) -> Addresses:
    """An address asks nothing where one of its clients is certain. Who was refused is no candidate. Those of a forged mail that had been
    certain are of several addresses, and each is asked about."""
    settled = fresh | {client for client, place in places.items() if place.status == "filed" or place.how == "inherited"}
    left = {key: clients - places.keys() - fresh for key, clients in named.items() if not (key and clients & settled)}
    return {key: clients for key, clients in left.items() if clients}


def _both(one: Copy, other: Copy) -> Copy:
    doubt = replace(
        other.doubt,
        addresses=_union(one.doubt.addresses, other.doubt.addresses),
        people=one.doubt.people | other.doubt.people,
        claims={**one.doubt.claims, **other.doubt.claims},
    )
    trust, kind = _surer(one.trust, other.trust), _louder(one.kind, other.kind)
    return replace(other, trust=trust, kind=kind, certain={**one.certain, **other.certain}, doubt=doubt)


def _union(one: Addresses, other: Addresses) -> dict[str, frozenset[int]]:
    return {key: one.get(key, frozenset()) | other.get(key, frozenset()) for key in one.keys() | other.keys()}


def _surer(one: Trust, other: Trust) -> Trust:
    return max(one, other, key=TRUSTS.index)


def _louder(one: Kind | None, other: Kind) -> Kind:
    """Where one copy came as an ordinary mail, it is one."""
    return other if one is None else "mail" if "mail" in (one, other) else min(one, other)
