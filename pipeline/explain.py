"""Why isn't this mail here? One message of a person's own mailbox, looked at live and judged by the very functions that file, beside what
the ledger says of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from gmail.client import GmailMailbox
from gmail.message import Headers, date_of, message_id, thread_root
from models.directory import Client, clients_by_address
from models.explaining import (
    Entry,
    Filed,
    Pattern,
    copies_of,
    entry_of,
    mail_of,
    mail_seen_by,
    patterns_that_name,
)
from models.firms import User
from models.mailboxes import Mailbox
from pipeline.file import rules_of
from pipeline.identity import identity_of
from pipeline.match import Concerns, NotAClients, Party, concerns, look_up_keys, parties
from pipeline.rules import HELD_BACK, FirmRules, came_or_went_at, is_outgoing, known_to, left_out_because, skipped_because, trust_of
from settings import Settings

Kind = Literal["here", "wanted", "dismissed", "waiting", "parked", "withdrawn", "left out", "changed", "not told"]


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rules of today say of a message. `because`: why it would be left out, as a word; None where it concerns clients."""

    people: tuple[Party, ...]
    because: str | None
    clients: frozenset[int] = frozenset()
    in_doubt: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What has become of one message, and why. `clients`: the names of those that the rules of today would file it under; `patterns`: of
    never-file lists; `too_old`: the firm keeps nothing of that age."""

    kind: Kind
    headers: Headers
    judged: Judged
    entry: Entry | None
    mail: Filed | None
    clients: tuple[str, ...]
    patterns: tuple[Pattern, ...]
    at: datetime | None
    too_old: bool

    @property
    def held_back(self) -> bool:
        """By Gmail, where it would have to be taken out first."""
        return self.judged.because in HELD_BACK.values()

    @property
    def differs(self) -> bool:
        """The ledger was written by other rules, or before something changed."""
        entry = self.entry
        return entry is not None and entry.outcome == "skipped" and entry.reason != self.judged.because

    @property
    def may_be_looked_at(self) -> bool:
        """Another look would find something else, or nobody had one."""
        killer = self.entry is not None and self.entry.strikes > 0
        return self.kind in ("changed", "not told") or (self.kind == "parked" and not killer)

    @property
    def may_be_filed(self) -> bool:
        """By a person's word."""
        if self.held_back or self.too_old:
            return False
        return self.kind in ("left out", "dismissed", "withdrawn", "changed") or (self.kind == "parked" and self.may_be_looked_at)


async def explain(user: User, mailbox: Mailbox, headers: Headers, gmail: GmailMailbox, settings: Settings, now: datetime) -> Answer:
    """Of a message in the user's own mailbox, as Gmail shows it now. Raises gmail's errors."""
    judged = await judge(mailbox, headers, await rules_of(mailbox, settings))
    entry = await entry_of(mailbox.id, headers.id)
    mail = await mail_of(user, mailbox.id, headers.id) or await _from_a_colleague(user, headers, gmail)
    names = await Client.names(user.firm_id, judged.clients)
    listed = [person.key for person in judged.people if person.key and person.standing == "never file"]
    days, written = user.firm.retention_days, date_of(headers)
    return Answer(
        kind_of(entry, mail, judged),
        headers,
        judged,
        entry,
        mail,
        tuple(sorted(names.values(), key=str.lower)),
        tuple(await patterns_that_name(user, listed)) if listed else (),
        came_or_went_at(headers),
        days is not None and written is not None and written < now - timedelta(days=days),
    )


async def judge(mailbox: Mailbox, headers: Headers, rules: FirmRules) -> Judged:
    """As `pipeline/file.py` does it, step by step."""
    people = known_to(rules, parties(headers), outgoing=is_outgoing(headers))
    because = skipped_because(headers, mailbox.started_at, rules) or left_out_because(people)
    if because:
        return Judged(people, because)
    match concerns(people, await clients_by_address(mailbox.firm_id, look_up_keys(people)), trust_of(headers)):
        case NotAClients(reason):
            return Judged(people, reason)
        case Concerns(certain, in_doubt):
            clients = frozenset[int]().union((match.client_id for match in certain), *(found.clients for found in in_doubt))
            return Judged(people, None, clients, bool(in_doubt))


async def _from_a_colleague(user: User, headers: Headers, gmail: GmailMailbox) -> Filed | None:
    """The same e-mail, filed from somebody else's mailbox. Only its whole content proves that it is the same."""
    copies = await copies_of(user, thread_root(headers), message_id(headers))
    if not copies:
        return None
    content = await gmail.message(headers.id)
    found = copies.get(identity_of(content, tuple(person for person in parties(content.headers) if not person.via)))
    return await mail_seen_by(user, found) if found else None


def kind_of(entry: Entry | None, mail: Filed | None, judged: Judged) -> Kind:
    """The one thing to be said first. Pure."""
    if mail and mail.places:
        return "here"
    if entry and entry.owed_at and entry.wanted_for:
        return "wanted"
    if mail and mail.dismissed_at:
        return "dismissed"
    outcome = entry.outcome if entry else None
    if outcome == "withdrawn" and (judged.because in HELD_BACK.values() or not (entry and entry.owed_at)):
        return "withdrawn"
    if judged.because in HELD_BACK.values():
        return "left out"
    if entry and entry.owed_at:
        return "waiting"
    if outcome == "parked":
        return "parked"
    if judged.because:
        return "left out"
    return "changed" if entry else "not told"
