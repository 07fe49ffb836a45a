"""Mail of before, replayed in order: what the firm would have known of each when it came, from memory instead of the database.

The rule is the real one (match.py), and the evidence means what `models.evidence.gather` means by it. The truth stands in for what a person
decides.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any

from models.address import FREE_MAIL, is_among, key_of, untagged
from models.evidence import LOOKED_AT, MOST_OWN, OF_LATE, RECENT, Doubt, Evidence, Known, Sighting, people_looked_at
from pipeline.automatic import foremost
from pipeline.compose import author_of
from pipeline.match import NotAClients, Party, concerns


@dataclass(frozen=True, slots=True)
class Listed:
    """A contact, as a client's entry in the directory lists it."""

    addresses: tuple[str, ...]
    nominated: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    client_id: int
    name: str
    number: str = ""
    domains: frozenset[str] = frozenset()
    contacts: tuple[Listed, ...] = ()


@dataclass(frozen=True, slots=True)
class Directory:
    """`staff`: address keys and domain keys."""

    clients: tuple[Entry, ...]
    staff: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Mail:
    """`mailboxes`: in which it lies. `truth`: the clients whose it really is; none if it is no client's."""

    id: str
    at: datetime
    people: tuple[Party, ...]
    subject: str
    text: str
    thread: str
    truth: frozenset[int]
    mailboxes: frozenset[str] = frozenset()
    filenames: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a guess is given."""

    doubt: Doubt
    evidence: Evidence

    @property
    def is_new(self) -> bool:
        """Nobody has decided about the thread: only then a person is asked."""
        return not any(sighting.by_person for sighting in self.evidence.thread)


@dataclass(frozen=True, slots=True)
class Step:
    """What happened to one mail: filed under what is certain, asked about, both, or neither."""

    mail: Mail
    certain: frozenset[int]
    asked: Asked | None

    @property
    def left(self) -> frozenset[int]:
        """Whose the mail is, without what is certain: what the question is about."""
        return self.mail.truth - self.certain


def replay(directory: Directory, mails: Iterable[Mail]) -> Iterator[Step]:
    """By date, whatever the order in which they are given, which counts for mails of one moment only; after each, the truth is known."""
    memory = Memory(directory)
    for mail in sorted(mails, key=lambda mail: mail.at):
        step = memory.step(mail)
        yield step
        memory.decide(step)


@dataclass(frozen=True, slots=True)
class _Filed:
    sighting: Sighting
    people: frozenset[str]


def _some() -> deque[Any]:
    return deque(maxlen=LOOKED_AT)


@dataclass(slots=True)
class Memory:
    """What a firm knows so far: as much of each address, thread and client as a guess looks at."""

    directory: Directory
    _stands_for: Mapping[str, frozenset[int]] = field(init=False)
    _nominated: Mapping[str, frozenset[int]] = field(init=False)
    _known: Mapping[int, Known] = field(init=False)
    _seen: dict[str, deque[Sighting]] = field(default_factory=lambda: defaultdict(_some))
    _threads: dict[str, deque[_Filed]] = field(default_factory=lambda: defaultdict(_some))
    _received: dict[int, deque[tuple[datetime, frozenset[str]]]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=MOST_OWN))
    )

    def __post_init__(self) -> None:
        self._stands_for = _by_address(self.directory, only_nominated=False)
        self._nominated = _by_address(self.directory, only_nominated=True)
        self._known = {entry.client_id: _known(entry, self._stands_for) for entry in self.directory.clients}

    def step(self, mail: Mail) -> Step:
        people = tuple(self._placed(person) for person in mail.people)
        whose = concerns(people, self._stands_for)
        if isinstance(whose, NotAClients):
            return Step(mail, frozenset(), None)
        certain = frozenset(match.client_id for match in foremost(whose.certain))
        if not whose.in_doubt:
            return Step(mail, certain, None)
        doubt = Doubt(
            addresses={found.party.key: found.clients for found in whose.in_doubt if found.party.key},
            people=self._outsiders(mail),
            author=author_of(people),
            subject=mail.subject,
            text=mail.text,
            filenames=mail.filenames,
            sent_at=mail.at,
        )
        return Step(mail, certain, Asked(doubt, self.evidence(mail, doubt)))

    def evidence(self, mail: Mail, doubt: Doubt) -> Evidence:
        candidates = frozenset[int]().union(*doubt.addresses.values())
        people = people_looked_at(doubt)
        shared = (filed.sighting for filed in reversed(self._threads.get(mail.thread, ())) if not filed.people.isdisjoint(people))
        return Evidence(
            known=tuple(self._known[client] for client in sorted(candidates)),
            sightings={key: seen for key in people if (seen := _recent(reversed(self._seen.get(key, ())), candidates))},
            thread=_recent(shared, candidates),
            nominated={key: clients for key in doubt.addresses if (clients := self._nominated_for(key) & candidates)},
            own={client: counts for client in sorted(candidates) if (counts := self._had(mail, client))[1]},
        )

    def decide(self, step: Step) -> None:
        """The mail is where it belongs. What matched nobody was never shown to anybody."""
        mail = step.mail
        if not (step.certain or step.asked):
            return
        people = self._outsiders(mail)
        for client in sorted(mail.truth, reverse=True):  # the lowest is the newest
            sighting = Sighting(client, mail.at, mail.subject, client not in step.certain)
            self._threads[mail.thread].append(_Filed(sighting, people))
            for key in people:
                self._seen[key].append(sighting)
            self._received[client].append((mail.at, mail.mailboxes))

    def _placed(self, person: Party) -> Party:
        return replace(person, standing="staff") if person.key and is_among(person.key, self.directory.staff) else person

    def _outsiders(self, mail: Mail) -> frozenset[str]:
        return frozenset(person.key for person in mail.people if person.key and not is_among(person.key, self.directory.staff))

    def _nominated_for(self, key: str) -> frozenset[int]:
        return self._nominated.get(key) or self._nominated.get(untagged(key)) or frozenset()

    def _had(self, mail: Mail, client: int) -> tuple[int, int]:
        """How many of this client's mails of late lie in the same mailboxes, and how many there are."""
        late = [mailboxes for at, mailboxes in self._received.get(client, ()) if at > mail.at - OF_LATE]
        return sum(not mailboxes.isdisjoint(mail.mailboxes) for mailboxes in late), len(late)


def _by_address(directory: Directory, *, only_nominated: bool) -> dict[str, frozenset[int]]:
    stands_for: dict[str, set[int]] = defaultdict(set)
    for entry in directory.clients:
        for contact in entry.contacts:
            if contact.nominated or not only_nominated:
                for key in filter(None, map(key_of, contact.addresses)):
                    stands_for[key].add(entry.client_id)
    return {key: frozenset(clients) for key, clients in stands_for.items()}


def _known(entry: Entry, stands_for: Mapping[str, frozenset[int]]) -> Known:
    keys = [key for contact in entry.contacts for key in map(key_of, contact.addresses) if key and len(stands_for[key]) == 1]
    domains = frozenset(key.rpartition("@")[2] for key in keys) | entry.domains
    return Known(entry.client_id, entry.name, entry.number, domains - FREE_MAIL)


def _recent(newest_first: Iterable[Sighting], candidates: frozenset[int]) -> tuple[Sighting, ...]:
    return tuple(islice((sighting for sighting in newest_first if sighting.client_id in candidates), RECENT))
