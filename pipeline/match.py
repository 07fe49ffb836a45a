"""Whose mail is it? The matching rule: which clients a message concerns, by the addresses it names. Pure.

An address stands for every client of every contact that has it. An address with one client makes that client *certain*. One with several
is in doubt, unless one of its clients is certain anyway.

Sender and recipients decide, as the headers name them: an address in the text is nobody's, so of a forwarded mail the one who forwards it
counts, and those who get it. Staff are never a client's, though they be somebody's contact; and who is never to be filed is as if no
contact. Where Google found that the sender is forged nothing is certain: all clients of all addresses are the candidates of one question.
Nor is an author certain of whom only a foreign list tells.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from gmail.message import Address, Headers, addresses
from models.address import key_of, untagged
from models.emails import Trust
from pipeline.real_author import real_author

Where = Literal["from", "to", "cc", "bcc"]
Standing = Literal["", "staff", "never file"]
HEADERS: tuple[tuple[str, Where], ...] = (("From", "from"), ("To", "to"), ("Cc", "cc"), ("Bcc", "bcc"))
PLACES: tuple[Where, ...] = tuple(where for _, where in HEADERS)
Directory = Mapping[str, frozenset[int]]  # address key → the clients it stands for


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody named in a message's headers."""

    where: Where
    name: str
    address: str
    key: str | None  # None: no address that could be anybody's
    via: str = ""  # of a list's real author: the list's address, which stands in From
    standing: Standing = ""  # what the firm's rules say of this address
    claimed: bool = False  # a list that is not the firm's own says that they wrote it: anybody has a list, and lets it say anything


@dataclass(frozen=True, slots=True)
class Match:
    client_id: int
    party: Party


@dataclass(frozen=True, slots=True)
class Doubtful:
    """An address that stands for several clients, or is not believed to be its owner's."""

    party: Party
    clients: frozenset[int]


@dataclass(frozen=True, slots=True)
class Concerns:
    """`certain`: one activity each. `in_doubt`: their clients together are the candidates of one question; empty if there is none."""

    certain: tuple[Match, ...]
    in_doubt: tuple[Doubtful, ...]
    trust: Trust = "unknown"  # what Google found of the sender

    @property
    def matched(self) -> int:
        """How many clients there are by an address that is theirs alone, whether or not that is believed."""
        alone = (client for found in self.in_doubt if len(found.clients) == 1 for client in found.clients)
        return len({*alone, *(match.client_id for match in self.certain)})


@dataclass(frozen=True, slots=True)
class NotAClients:
    reason: Literal["no client", "no address"]


def parties(headers: Headers) -> tuple[Party, ...]:
    """Everybody named in From, To, Cc and Bcc, in that order; after From the real author of what a list has put its own address on."""
    named = [(where, address) for name, where in HEADERS for address in addresses(headers, name)]
    written = [_party(where, address) for where, address in named if where == "from"]
    author = real_author(headers)
    behind = [_party("from", author, via=written[0].address)] if author else []
    return (*written, *behind, *(_party(where, address) for where, address in named if where != "from"))


def place(person: Party) -> int:
    """Where somebody is named, the author's place first."""
    return PLACES.index(person.where)


def look_up_keys(people: Iterable[Party]) -> frozenset[str]:
    """What to ask the directory for: every address that may be a client's, as it is, and without its plus-tag."""
    keys = {person.key for person in people if person.key and not person.standing}
    return frozenset(keys | {untagged(key) for key in keys})


def concerns(people: Iterable[Party], directory: Directory, trust: Trust = "unknown") -> Concerns | NotAClients:
    """The clients that these people stand for. The order of people changes nothing: each client is named by its foremost match."""
    named = sorted((person for person in people if person.key), key=_order)
    if not named:
        return NotAClients("no address")
    found = [(person, clients) for person in named if not person.standing and (clients := _clients_of(person, directory))]
    if not found:
        return NotAClients("no client")
    sure = [(person, clients) for person, clients in found if len(clients) == 1 and trust != "forged" and not person.claimed]
    certain = _foremost(sure)
    in_doubt: dict[str | None, Doubtful] = {}
    for person, clients in found:
        if (person, clients) not in sure and not clients & certain.keys():
            in_doubt.setdefault(person.key, Doubtful(person, clients))
    return Concerns(_sorted(certain), tuple(in_doubt[key] for key in sorted(in_doubt, key=str)), trust)


def _party(where: Where, found: Address, via: str = "") -> Party:
    return Party(where, found.name, found.address, key_of(found.address), via)


def _order(person: Party) -> tuple[object, ...]:
    return place(person), person.key, person.via, person.name, person.address


def _clients_of(person: Party, directory: Directory) -> frozenset[int]:
    """The exact address counts first; only where nobody has it, the address without its plus-tag."""
    key = person.key or ""
    return directory.get(key) or directory.get(untagged(key)) or frozenset()


def _foremost(found: Iterable[tuple[Party, frozenset[int]]]) -> dict[int, Match]:
    matches: dict[int, Match] = {}
    for person, clients in found:
        for client in clients:
            matches.setdefault(client, Match(client, person))
    return matches


def _sorted(matches: dict[int, Match]) -> tuple[Match, ...]:
    return tuple(matches[client] for client in sorted(matches))
