"""Whose mail is it? The matching rule: which clients a message concerns, by the addresses it names. Pure.

An address stands for every client of every contact that has it. An address with one client makes that client *certain*. One with several
is in doubt, unless one of its clients is certain anyway.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from gmail.message import Headers, addresses
from models.address import key_of, untagged

Where = Literal["from", "to", "cc", "bcc"]
HEADERS: tuple[tuple[str, Where], ...] = (("From", "from"), ("To", "to"), ("Cc", "cc"), ("Bcc", "bcc"))
Directory = Mapping[str, frozenset[int]]  # address key → the clients it stands for


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody named in a message's headers."""

    where: Where
    name: str
    address: str
    key: str | None  # None: no address that could be anybody's


@dataclass(frozen=True, slots=True)
class Match:
    client_id: int
    party: Party


@dataclass(frozen=True, slots=True)
class Concerns:
    """`certain`: one activity each. `in_doubt`: together they are the candidates of one question; empty if there is none."""

    certain: tuple[Match, ...]
    in_doubt: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class NotAClients:
    reason: Literal["no client", "no address"]


def parties(headers: Headers) -> tuple[Party, ...]:
    """Everybody named in From, To, Cc and Bcc, in that order."""
    return tuple(
        Party(where, found.name, found.address, key_of(found.address)) for name, where in HEADERS for found in addresses(headers, name)
    )


def look_up_keys(people: Iterable[Party]) -> frozenset[str]:
    """What to ask the directory for: every address as it is, and without its plus-tag."""
    keys = {person.key for person in people if person.key}
    return frozenset(keys | {untagged(key) for key in keys})


def concerns(people: Iterable[Party], directory: Directory) -> Concerns | NotAClients:
    """The clients that these people stand for. The order of people never changes which clients; each client is named by its first match."""
    named = [person for person in people if person.key]
    if not named:
        return NotAClients("no address")
    found = [(person, clients) for person in named if (clients := _clients_of(person, directory))]
    if not found:
        return NotAClients("no client")
    certain = _first_matches((person, clients) for person, clients in found if len(clients) == 1)
    in_doubt = _first_matches((person, clients) for person, clients in found if len(clients) > 1 and not clients & certain.keys())
    return Concerns(_sorted(certain), _sorted(in_doubt))


def _clients_of(person: Party, directory: Directory) -> frozenset[int]:
    """The exact address counts first; only where nobody has it, the address without its plus-tag."""
    key = person.key or ""
    return directory.get(key) or directory.get(untagged(key)) or frozenset()


def _first_matches(found: Iterable[tuple[Party, frozenset[int]]]) -> dict[int, Match]:
    matches: dict[int, Match] = {}
    for person, clients in found:
        for client in clients:
            matches.setdefault(client, Match(client, person))
    return matches


def _sorted(matches: dict[int, Match]) -> tuple[Match, ...]:
    return tuple(matches[client] for client in sorted(matches))
