"""Made-up accountants: clients, their people, the staff. The same seed gives the same firm, byte for byte. Shares no code with the guess.

A firm has 20 to 80 clients. Owners have 2 to 5 companies, most named after their family, a third of them under one domain; one in four
of these families has a company that is called nothing but the family's name, which stands in all the others'. Bookkeepers keep the books
of 2 to 5 clients that have nothing else in common. Couples are two clients and share an address; half of them have a company, too. Other
contacts belong to one client. Lawyers and banks are nobody's contact: three of five serve one client, the others several. Noise among
people:

- 40% of contacts with several clients are nominated for none, and of those who are, 25% for the wrong one;
- 30% of them move on: from some day on most of their mail is another client's, while directory and nomination stay as they were;
- 30% of clients have no number, 40% no domain of their own.

mails.py writes their mail and tells its noise. `python -m bench.firms SEED FOLDER` writes the two files for `postroom eval`.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from bench.words import FAMILY, FANCY, FIRST, FORMS, TOPICS, TRADES

FIRM_DOMAIN = "reckon.test"
DAYS = 270
EVERYBODYS = 6  # topics that every client has


@dataclass(slots=True)
class Client:
    id: int
    name: str
    short: list[str]  # what people call it, if they name it
    number: str
    domain: str
    lead: str  # the member of staff who looks after it
    topics: list[str]
    listed: list[dict[str, Any]] = field(default_factory=list)  # contacts, as the directory has them
    colleagues: list[str] = field(default_factory=list)  # at its domain, unknown to the directory
    third_parties: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Person:
    """A contact. `shares`: how much of their mail is which client's; after `moves_on_day` the first two have changed places."""

    name: str
    address: str
    clients: list[Client]
    shares: list[float]
    moves_on_day: float
    habit: str  # the member of staff whom they write to, whatever it is about
    sticky: float  # how often the next thread is the same client's as the one before
    threads: int
    signature: str


@dataclass(slots=True)
class Firm:
    random: Random
    staff: list[str] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    third_parties: list[str] = field(default_factory=list)

    def directory(self) -> dict[str, Any]:
        """As `postroom eval` reads it."""
        clients = [{"id": c.id, "name": c.name, "number": c.number, "contacts": c.listed} for c in self.clients]
        return {"clients": clients, "staff": self.staff}


def firm(seed: int) -> Firm:
    """Clients and people, from a seed."""
    random = Random(seed)  # noqa: S311  # the same again is what is wanted
    made = Firm(random)
    made.staff = [f"{first.lower()}@{FIRM_DOMAIN}" for first in random.sample(FIRST[:20], random.randint(4, 8))]
    size = random.randint(20, 80)
    while len(made.clients) < size:
        kind = random.random()
        if kind < 0.22:
            _owner(made)
        elif kind < 0.28:
            _couple(made)
        else:
            _company(made, random.choice(FAMILY + FANCY))
    for _ in range(max(2, size // 15)):
        _bookkeeper(made)
    for client in made.clients:
        _plain_people(made, client)
    for n in range(size // 3):
        _third_party(made, n)
    return made


def _company(firm: Firm, family: str, domain: str = "", lead: str = "", *, plain: bool = False) -> Client:
    """`plain`: no word of its name says what it does."""
    random = firm.random
    trade = "" if plain else random.choice(TRADES)
    name = " ".join(f"{family} {trade} {random.choice(FORMS)}".split())
    if any(client.name == name for client in firm.clients):
        name = f"{name} {len(firm.clients)}"
    own = domain or (f"{_ascii(family)}{trade.lower()}{len(firm.clients)}.example" if random.random() < 0.6 else "")
    called = [family] if plain else [f"{family} {trade}", trade, f"the {trade.lower()}", family, family[0] + trade[0]]
    return _add(firm, name, called, own, lead)


def _add(firm: Firm, name: str, short: list[str], domain: str, lead: str = "") -> Client:
    random = firm.random
    number = str(1000 + len(firm.clients) * 7 + random.randint(0, 6)) if random.random() < 0.7 else ""
    topics = [*TOPICS[:EVERYBODYS], *random.sample(TOPICS[EVERYBODYS:], 3)]
    firm.clients.append(Client(len(firm.clients) + 1, name, short, number, domain, lead or random.choice(firm.staff), topics))
    return firm.clients[-1]


def _owner(firm: Firm) -> None:
    """With several companies; a colleague who looks after one of them mostly looks after all."""
    random = firm.random
    family, first, lead = random.choice(FAMILY), random.choice(FIRST), random.choice(firm.staff)
    domain = f"{_ascii(family)}{len(firm.clients)}.example" if random.random() < 0.33 else ""
    after_family = random.random() < 0.6
    plain = after_family and random.random() < 0.25
    clients = [
        _company(
            firm,
            family if after_family else random.choice(FAMILY + FANCY),
            domain,
            lead if random.random() < 0.7 else "",
            plain=plain and number == 0,
        )
        for number in range(random.choice([2, 2, 2, 3, 3, 4, 5]))
    ]
    at = clients[0].domain if clients[0].domain and random.random() < 0.6 else "gmail.com"
    _shared(firm, f"{first} {family}", f"{_ascii(first)}.{_ascii(family)}.sample{len(firm.people)}@{at}", clients)


def _couple(firm: Firm) -> None:
    """Two people, each a client, one address, and often a company."""
    random = firm.random
    family, lead = random.choice(FAMILY), random.choice(firm.staff)
    firsts = random.sample(FIRST, 2)
    clients = [_add(firm, f"{first} {family}", [f"{first} {family}", first, "my tax"], "", lead) for first in firsts]
    if random.random() < 0.5:
        clients.append(_company(firm, family, "", lead))
    _shared(firm, f"{family} family", f"{_ascii(family)}.family.sample{len(firm.people)}@gmail.com", clients)


def _bookkeeper(firm: Firm) -> None:
    random = firm.random
    clients = random.sample(firm.clients, random.randint(2, 5))
    name = f"{random.choice(FIRST)} {random.choice(FAMILY)}"
    _shared(firm, name, f"{_ascii(name.partition(' ')[0])}@books{len(firm.people)}.example", clients, busy=True)


def _shared(firm: Firm, name: str, address: str, clients: Sequence[Client], *, busy: bool = False) -> None:
    """`clients`: in no order that tells anything to the directory."""
    random = firm.random
    order = random.sample(list(clients), len(clients))
    nominated = order[0] if random.random() < 0.75 else order[1]
    is_nominated, skew = random.random() < 0.6, random.uniform(0.3, 1.7)
    for client in clients:
        client.listed.append({"name": name, "addresses": [address], "nominated": is_nominated and client is nominated})
    firm.people.append(
        Person(
            name=name,
            address=address,
            clients=order,
            shares=[1 / (n + 1) ** skew for n in range(len(order))],
            moves_on_day=random.uniform(0.3, 0.8) * DAYS if random.random() < 0.3 else DAYS,
            habit=order[0].lead,
            sticky=random.uniform(0.1, 0.5),
            threads=random.randint(15, 80) if busy else random.randint(6, 35),
            signature=f"{name}\n{order[0].name}" if random.random() < 0.45 and not busy else name,
        )
    )


def _plain_people(firm: Firm, client: Client) -> None:
    random = firm.random
    for _ in range(random.choice([0, 1, 1, 2])):
        name = f"{random.choice(FIRST)} {random.choice(FAMILY)}"
        address = f"{_ascii(name.partition(' ')[0])}.sample{len(firm.people)}@{client.domain or 'gmail.com'}"
        client.listed.append({"name": name, "addresses": [address], "nominated": False})
        firm.people.append(Person(name, address, [client], [1.0], DAYS, client.lead, 0, random.randint(1, 6), f"{name}\n{client.name}"))
    if client.domain:
        client.colleagues = [f"{_ascii(random.choice(FIRST))}.office{n}@{client.domain}" for n in range(random.randint(0, 4))]


def _third_party(firm: Firm, number: int) -> None:
    random = firm.random
    address = f"{_ascii(random.choice(FIRST))}@{random.choice(['law', 'bank', 'notary'])}{number // 2}.example"
    firm.third_parties.append(address)
    for client in random.sample(firm.clients, 1 if random.random() < 0.6 else random.randint(2, 5)):
        client.third_parties.append(address)


def _ascii(word: str) -> str:
    plain = word.lower().translate(str.maketrans("üöáéñ", "uoaen"))
    return "".join(letter for letter in plain if letter.isascii())


if __name__ == "__main__":
    from bench.mails import mails_of

    made, folder = firm(int(sys.argv[1])), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "clients.json").write_text(json.dumps(made.directory(), indent=1, ensure_ascii=False), encoding="utf-8")
    (folder / "mails.jsonl").write_text("".join(json.dumps(m, ensure_ascii=False) + "\n" for m in mails_of(made)), encoding="utf-8")
