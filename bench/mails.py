"""The mail of a made-up firm in nine months, with the truth beside each. Shares no code with the guess.

A contact writes in threads of one to eight mails, and staff answer: half within ten hours, one of ten after more than two days. A busy
bookkeeper's threads run side by side. What people say of whose it is, and how often it misleads:

- topics come in runs: every fourth new thread has the topic of the contact's last one, be it for the same client or the next one's turn;
- one in twelve answers changes the subject, half of them with "(was: …)"; with every third of these the matter turns to another client;
- the subject names the client in 22% of new threads and its number in 6%; in 4% it names another client of the contact instead;
- the text names the client in 28% of mails, its number in 4%, its domain in 2%; in 6% it names another of the contact's clients as well or
  instead; in 3% an ordinary word is one that some client is named by;
- one in seven of those who name it use initials, or the family's name that all its companies share;
- a fifth of mails have attachments, of which a third are named after the client and 3% after another;
- 45% of owners sign everything with the name of one of their companies; half of all signatures have no mark before them, and one in
  five no greeting either;
- 12% of replies come without their thread's id; 4% of new matters are written as an answer to an old thread, often another client's;
- 70% of replies quote what they answer; 8% of new threads quote a mail about something else;
- a lawyer or bank is in copy in 18% of threads where the client has one, a colleague from its domain in 20%; in 3% somebody else's;
- 12% of threads have a second contact of the client in copy, who may be another's contact as well;
- three in five mails go to the colleague who looks after the client, the others to whomever the contact always writes to, or to anybody;
- two of three subjects are what every client writes about (VAT, payroll), one of five says nothing at all ("Question");
- 3% of the threads of contacts with several clients are no client's; 8% of all mail is newsletters and strangers;
- 3% of other contacts' threads come from an address that nobody knows, and 1.5% are written for another client than their own.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from bench.firms import DAYS, FIRM_DOMAIN, Client, Firm, Person
from bench.words import BY_THE_WAY, FILES, GOODBYES, PERIODS, SENTENCES, TRADES, VAGUE

BEGIN = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
PREFIXES = ["Re: ", "Re: ", "Re: ", "RE: ", "AW: ", "Fwd: "]
Mail = dict[str, Any]


@dataclass(slots=True)
class Thread:
    id: str
    subject: str
    client: Client | None


def mails_of(firm: Firm) -> list[Mail]:
    """By date, as `postroom eval` reads them."""
    writer = _Writer(firm)
    for person in firm.people:
        writer.all_threads_of(person)
    writer.strangers()
    ordered = sorted(writer.mails, key=lambda mail: str(mail["date"]))
    return [{"id": f"m{number}"} | mail for number, mail in enumerate(ordered, 1)]


class _Writer:
    def __init__(self, firm: Firm) -> None:
        self.firm = firm
        self.random: Random = firm.random
        self.mails: list[Mail] = []
        self.threads = 0
        self.topic = ""  # of the contact's last thread

    def happens(self, rate: float) -> bool:
        return self.random.random() < rate

    def all_threads_of(self, person: Person) -> None:
        days = sorted(self.random.uniform(0, DAYS) for _ in range(person.threads))
        client: Client | None = None
        old: list[Thread] = []
        self.topic = ""
        for day in days:
            if client is None or not self.happens(person.sticky):
                client = self._whose(person, day)
            nobodys = len(person.clients) > 1 and self.happens(0.03)
            old.append(self.thread(person, None if nobodys else client, day, old))

    def _whose(self, person: Person, day: float) -> Client:
        order = list(person.clients)
        if day > person.moves_on_day:
            order[0], order[1] = order[1], order[0]
            if len(order) > 2:
                order[1], order[2] = order[2], order[1]
        if len(order) == 1 and self.happens(0.015):
            return self.random.choice(self.firm.clients)
        return self.random.choices(order, person.shares)[0]

    def thread(self, person: Person, client: Client | None, day: float, old: list[Thread]) -> Thread:
        thread = self._begun(person, client, old)
        company = self._company(person, client)
        unknown = f"new.{person.address}" if len(person.clients) == 1 and self.happens(0.03) else ""
        at = BEGIN + timedelta(days=day)
        quoted = self._text(person, self.random.choice(person.clients)) if self.happens(0.08) else ""
        for number in range(self._length()):
            if number and self.happens(1 / 12):
                client = self._turned(thread, person, client)
            broken = number > 0 and self.happens(0.12)
            if broken:
                self.threads += 1
            text = self._text(person, client)
            addressed = self._addressed(person, unknown, company, client, number)
            signed = person.signature if person.address in addressed["from"] else str(addressed["from"]).partition("@")[0].title()
            self.mails.append(
                addressed
                | {
                    "date": at.isoformat(),
                    "subject": self.random.choice(PREFIXES) + thread.subject if number or thread in old else thread.subject,
                    "text": self._whole(text, signed, quoted),
                    "thread": f"t{self.threads}" if broken else thread.id,
                    "attachments": self._files(person, client),
                    "truth": client.id if client else None,
                }
            )
            quoted = text if self.happens(0.7) else ""
            at += timedelta(hours=self.random.lognormvariate(2.3, 1.4))
        return thread

    def _begun(self, person: Person, client: Client | None, old: list[Thread]) -> Thread:
        if old and self.happens(0.04):
            return self.random.choice(old)
        self.threads += 1
        return Thread(f"t{self.threads}", self._subject(person, client), client)

    def _turned(self, thread: Thread, person: Person, client: Client | None) -> Client | None:
        """The same thread under another subject, now and then about another client."""
        if client and len(person.clients) > 1 and self.happens(1 / 3):
            client = self._another(person, client)
        thread.client, was = client, thread.subject.partition(" (was:")[0]
        thread.subject = self._subject(person, client) + (f" (was: {was})" if self.happens(0.5) else "")
        return client

    def _length(self) -> int:
        length = 1
        while length < 8 and self.happens(0.5):
            length += 1
        return length

    def _company(self, person: Person, client: Client | None) -> list[str]:
        """Who else is on the thread."""
        company = []
        if client and client.third_parties and self.happens(0.18):
            company.append(self.random.choice(client.third_parties))
        if client and client.colleagues and self.happens(0.2):
            company.append(self.random.choice(client.colleagues))
        if self.firm.third_parties and self.happens(0.03):
            company.append(self.random.choice(self.firm.third_parties))
        others = [address for contact in (client.listed if client else []) for address in contact["addresses"] if address != person.address]
        if others and self.happens(0.12):
            company.append(self.random.choice(others))
        return list(dict.fromkeys(company))

    def _addressed(self, person: Person, unknown: str, company: list[str], client: Client | None, number: int) -> Mail:
        """The contact writes first; then staff, the contact, and now and then one of the others."""
        kind = self.random.random()
        lead = client.lead if client and kind < 0.6 else person.habit if kind < 0.9 else self.random.choice(self.firm.staff)
        staff = [lead, *(self.random.sample(self.firm.staff, 1) if self.happens(0.15) else [])]
        contact = unknown or person.address
        author = lead if number and self.happens(0.4) else self.random.choice(company) if company and self.happens(0.2) else contact
        named = author == contact and not unknown
        to = [contact] if author == lead else [lead]
        cc = [*staff[1:], *company, *([contact] if contact not in to else [])]
        return {
            "from": f"{person.name} <{author}>" if named else author,
            "to": to,
            "cc": [address for address in dict.fromkeys(cc) if address not in (author, *to)],
            "mailbox": sorted(set(staff)),
        }

    def _subject(self, person: Person, client: Client | None) -> str:
        if not self.topic or not self.happens(0.25):
            topics = client.topics if client and self.happens(0.8) else VAGUE
            self.topic = self.random.choice(topics) + (f" {self.random.choice(PERIODS)}" if self.happens(0.4) else "")
        topic = self.topic
        kind = self.random.random()
        if client and kind < 0.22:
            return f"{self._called(client)}: {topic}" if self.happens(0.5) else f"{topic} {self._called(client)}"
        if client and kind < 0.28 and client.number:
            return f"{topic} ({client.number})"
        if 0.28 <= kind < 0.32:
            return f"{topic} {self._called(self._another(person, client))}"
        return topic

    def _text(self, person: Person, client: Client | None) -> str:
        said = self.random.sample(SENTENCES, self.random.randint(2, 5))
        if client and self.happens(0.28):
            said.insert(self.random.randint(0, 2), f"It is about {self._called(client)}.")
        if client and client.number and self.happens(0.04):
            said.append(f"Your reference is {client.number}.")
        if client and client.domain and self.happens(0.02):
            said.append(f"The shop is at www.{client.domain} now.")
        if self.happens(0.06):
            said.append(f"It is not like last time with {self._called(self._another(person, client))}.")
        if self.happens(0.03):
            said.append(self.random.choice(BY_THE_WAY).format(self.random.choice(TRADES).lower()))
        return " ".join(said)

    def _whole(self, text: str, signature: str, quoted: str) -> str:
        mark = "-- \n" if self.happens(0.5) else ""
        greeting = f"{self.random.choice(GOODBYES)}\n" if self.happens(0.8) else ""
        whole = f"Hello,\n\n{text}\n\n{greeting}{mark}{signature}"
        if not quoted:
            return whole
        return self.random.choice(
            [
                f"{whole}\n\nOn Monday, 5 January 2026 somebody wrote:\n> {quoted}",
                f"{whole}\n\n-----Original Message-----\nFrom: somebody@{FIRM_DOMAIN}\n\n{quoted}",
            ]
        )

    def _files(self, person: Person, client: Client | None) -> list[str]:
        if not self.happens(0.2):
            return []
        kind = self.random.random()
        if client and kind < 0.33:
            return [f"{self._called(client).replace(' ', '_')}_{self.random.choice(PERIODS)}.pdf"]
        if kind > 0.97:
            return [f"{self._called(self._another(person, client))}.pdf"]
        return [self.random.choice(FILES)]

    def _called(self, client: Client) -> str:
        return client.name if self.happens(0.35) else self.random.choice(client.short)

    def _another(self, person: Person, client: Client | None) -> Client:
        return self.random.choice([other for other in person.clients if other is not client] or self.firm.clients)

    def strangers(self) -> None:
        for number in range(round(len(self.mails) * 0.08)):
            self.threads += 1
            name = self._called(self.random.choice(self.firm.clients)) if self.happens(0.1) else "all our readers"
            at = BEGIN + timedelta(days=self.random.uniform(0, DAYS))
            staff = self.random.choice(self.firm.staff)
            self.mails.append(
                {
                    "from": f"news{number % 9}@letters.example",
                    "to": [staff],
                    "cc": [],
                    "mailbox": [staff],
                    "date": at.isoformat(),
                    "subject": f"News for {name}",
                    "text": " ".join(self.random.sample(SENTENCES, 3)),
                    "thread": f"t{self.threads}",
                    "attachments": [],
                    "truth": None,
                }
            )
