"""What entries of a file would change in a firm's directory. Pure: the preview shows it, the import writes it.

A contact is known by its address and name within the firm: the same person on the lines of two clients becomes one contact of both. The
same name at the same client is the same person with a second address. Nothing is ever taken away: what a file does not name stays.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from models.client_file import Entry

What = Literal[
    "new client", "renamed", "new number", "new contact", "new address", "contact of this client, too", "nominated", "not nominated"
]


@dataclass(frozen=True, slots=True)
class KnownClient:
    id: int
    name: str
    number: str
    archived: bool


@dataclass(slots=True)
class Directory:
    """As much of a firm's as entries may touch; a plan adds to it. What is new has ids below zero."""

    clients: dict[str, KnownClient]  # by external id
    contacts: dict[int, str]  # names
    addresses: set[tuple[str, int]]  # key and contact
    links: dict[tuple[int, int], bool]  # contact and client: nominated
    archived: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Change:
    """What a line would change."""

    line: int
    client: str
    contact: str
    address: str
    whats: tuple[What, ...]


@dataclass(slots=True)
class Plan:
    """`new_` and changed rows by id, in the order in which they come; all of it can be written at once."""

    new_clients: dict[int, str] = field(default_factory=dict)  # external ids
    clients: dict[int, tuple[str, str]] = field(default_factory=dict)  # name and number, of new and of changed ones
    new_contacts: dict[int, str] = field(default_factory=dict)  # names
    new_addresses: dict[tuple[str, int], str] = field(default_factory=dict)  # as written
    new_links: dict[tuple[int, int], bool] = field(default_factory=dict)
    nominations: dict[tuple[int, int], bool] = field(default_factory=dict)  # of links that are there
    changes: list[Change] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)  # clients that the file names
    archived: list[str] = field(default_factory=list)  # names of clients of the file that are archived
    shared: dict[str, int] = field(default_factory=dict)  # address keys of the file that stand for several living clients: how many

    @property
    def changed_clients(self) -> int:
        return len(self.clients) - len(self.new_clients)

    @property
    def unchanged_clients(self) -> int:
        return len(self.touched) - len(self.clients)


def plan(entries: Iterable[Entry], known: Directory) -> Plan:
    """`known` is changed by it."""
    made = _Planning(known)
    for entry in entries:
        made.take(entry)
    made.plan.shared = made.shared()
    return made.plan


class _Planning:
    def __init__(self, known: Directory) -> None:
        self.known, self.plan = known, Plan()
        self.keys: list[str] = []
        self.by_address = defaultdict[tuple[str, str], list[int]](list)  # key and name
        self.by_client = defaultdict[tuple[int, str], list[int]](list)  # client and name
        for key, contact in sorted(known.addresses):
            self.by_address[key, known.contacts[contact]].append(contact)
        for contact, client in sorted(known.links):
            self.by_client[client, known.contacts[contact]].append(contact)

    def take(self, entry: Entry) -> None:
        client, whats = self._client(entry)
        name = ""
        if entry.address_key:
            name = entry.contact_name or entry.address
            whats += self._contact(entry, entry.address_key, name, client)
        if whats:
            self.plan.changes.append(Change(entry.line, entry.client_name, name, entry.address, tuple(whats)))

    def _client(self, entry: Entry) -> tuple[int, list[What]]:
        was = self.known.clients.get(entry.client_id)
        number = entry.client_number if entry.client_number is not None else was.number if was else ""
        client_id = was.id if was else -1 - len(self.plan.new_clients)
        if was and was.archived and client_id not in self.plan.touched:
            self.plan.archived.append(entry.client_name)
        self.plan.touched.add(client_id)
        if was and (was.name, was.number) == (entry.client_name, number):
            return client_id, []
        self.known.clients[entry.client_id] = KnownClient(client_id, entry.client_name, number, bool(was and was.archived))
        self.plan.clients[client_id] = (entry.client_name, number)
        if was is None:
            self.plan.new_clients[client_id] = entry.client_id
            return client_id, ["new client"]
        changed: list[What] = ["renamed"] if was.name != entry.client_name else []
        return client_id, [*changed, "new number"] if was.number != number else changed

    def _contact(self, entry: Entry, key: str, name: str, client: int) -> list[What]:
        whats: list[What] = []
        contact = _oldest(self.by_address[key, name]) or _oldest(self.by_client[client, name])
        if contact is None:
            contact = -1 - len(self.plan.new_contacts)
            self.plan.new_contacts[contact] = self.known.contacts[contact] = name
            whats.append("new contact")
        if (key, contact) not in self.known.addresses:
            self.known.addresses.add((key, contact))
            self.by_address[key, name].append(contact)
            self.plan.new_addresses[key, contact] = entry.address
            whats += ["new address"] if "new contact" not in whats else []
        self.keys.append(key)
        return whats + self._link(contact, client, name, entry.nominated, is_new="new contact" in whats)

    def _link(self, contact: int, client: int, name: str, nominated: bool | None, *, is_new: bool) -> list[What]:
        link, was = (contact, client), self.known.links.get((contact, client))
        if was is None:
            self.known.links[link] = self.plan.new_links[link] = bool(nominated)
            self.by_client[client, name].append(contact)
            whats: list[What] = [] if is_new else ["contact of this client, too"]
            return [*whats, "nominated"] if nominated else whats
        if nominated is None or nominated == was:
            return []
        self.known.links[link] = nominated
        (self.plan.new_links if link in self.plan.new_links else self.plan.nominations)[link] = nominated
        return ["nominated" if nominated else "not nominated"]

    def shared(self) -> dict[str, int]:
        of_contact = defaultdict[int, set[int]](set)
        for contact, client in self.known.links:
            if client not in self.known.archived:
                of_contact[contact].add(client)
        of_key = defaultdict[str, set[int]](set)
        for key, contact in self.known.addresses:
            of_key[key] |= of_contact[contact]
        return {key: len(of_key[key]) for key in dict.fromkeys(self.keys) if len(of_key[key]) > 1}


def _oldest(contacts: list[int]) -> int | None:
    """Of those that are there the lowest id; of those that are new the first."""
    return min(contacts, key=lambda contact: (contact < 0, abs(contact)), default=None)
