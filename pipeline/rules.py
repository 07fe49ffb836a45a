"""Which messages are looked at further: by label, age and direction, and by who is named in them. Pure; what concerns whom is in match.py.

Mail among staff alone is not filed ("internal"), nor is what somebody wrote who is on the never-file list of the firm, or of the mailbox's
user ("never file"). Who is staff is on no such list, whatever it says.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from gmail.authentication import verdict
from gmail.headers import MAIL_ENDS, moment
from gmail.message import Headers, addresses
from models.address import is_among, key_of
from models.emails import Trust
from pipeline.match import Party, Standing

# Gmail's labels of what is not mail, or not yet, or not wanted. When one of them changes, the message is judged again.
HELD_BACK = {"SPAM": "spam", "TRASH": "trash", "DRAFT": "draft", "CHAT": "chat", "SCHEDULED": "scheduled"}
JUDGED_BY = frozenset({"SPAM", "TRASH", "DRAFT", "SCHEDULED", "SENT"})
PUT_AWAY = frozenset({"SPAM", "TRASH"})
CLOCKS_DIFFER = timedelta(minutes=2)  # Google's and ours


@dataclass(frozen=True, slots=True)
class FirmRules:
    """What a firm's own choices and people say of its mail."""

    colleagues: frozenset[str]  # address keys of the active users
    file_all_sent: bool
    letters_from: str | None = None  # the key of our own letters' sender
    unwanted: tuple[datetime, datetime] | None = None  # a time whose mail the mailbox's person does not want
    staff: frozenset[str] = frozenset()  # address keys and domain keys: who is never a client
    never: frozenset[str] = frozenset()  # the same, of the firm's and the user's never-file lists


def skipped_because(headers: Headers, started_at: datetime, firm: FirmRules) -> str | None:
    """Why this message is not for filing, as a word; None if it may be."""
    if held_back := held_back_because(headers):
        return held_back
    if _is_own_letter(headers, firm):
        return "own letter"
    at = came_or_went_at(headers)
    if at and (at < started_at - CLOCKS_DIFFER or (firm.unwanted and firm.unwanted[0] <= at < firm.unwanted[1])):
        return "old"
    if is_outgoing(headers) and not firm.file_all_sent and not _to_a_colleague(headers, firm):
        return "outgoing"
    return None


def held_back_because(headers: Headers) -> str | None:
    """What Gmail says that is no mail, or not yet, or not wanted, as a word: not even a person has it filed as it is."""
    return next((word for label, word in HELD_BACK.items() if label in headers.labels), None)


def known_to(firm: FirmRules, people: Iterable[Party], *, outgoing: bool) -> tuple[Party, ...]:
    """These people, each as the firm knows them. Who wrote what leaves this mailbox is staff, whatever alias it was sent from. Of a list's
    authors only the firm's own lists tell for certain."""
    return tuple(
        replace(
            person,
            standing="staff" if outgoing and person.where == "from" else _standing(person.key, firm),
            claimed=bool(person.via) and not is_among(key_of(person.via) or "", firm.staff),
        )
        for person in people
    )


def left_out_because(people: Iterable[Party]) -> Literal["internal", "never file"] | None:
    """Why mail of these people, as `known_to` tells them, is not for filing, whosever address is on it."""
    named = [person for person in people if person.key]
    authors = [person for person in named if person.where == "from"]
    if authors and all(person.standing == "staff" for person in named):
        return "internal"
    return "never file" if any(person.standing == "never file" for person in authors) else None


def trust_of(headers: Headers) -> Trust:
    """What Google found of the sender. What left this mailbox nobody forged."""
    found = verdict(headers)
    return "unknown" if found == "forged" and is_outgoing(headers) else found


def is_outgoing(headers: Headers) -> bool:
    return "SENT" in headers.labels


def came_or_went_at(headers: Headers, latest: datetime = MAIL_ENDS) -> datetime | None:
    """When Google took it; of our own mail what its Date says, if that is later. What lies behind `latest` is not believed.

    A mail may be sent days after it was written. Whether Gmail then renews its own time, the Date or both is not documented
    (docs/google.md, What we do not know), and nothing is sent before it is written.
    """
    written = [moment(value) for value in headers.raw("Date")[:1]] if is_outgoing(headers) else []
    return max((at for at in (headers.received_at, *written) if at and at <= latest), default=None)


def _standing(key: str | None, firm: FirmRules) -> Standing:
    if key is None:
        return ""
    if is_among(key, firm.staff):
        return "staff"
    return "never file" if is_among(key, firm.never) else ""


def _is_own_letter(headers: Headers, firm: FirmRules) -> bool:
    """What Postroom writes to a person is no client's mail, whoever else has that person's address. Its sender alone decides: a mail that
    names a client beside it, in whatever header, is not ours."""
    writers = {key_of(sender.address) for sender in addresses(headers, "From")}
    return firm.letters_from is not None and writers == {firm.letters_from}


def _to_a_colleague(headers: Headers, firm: FirmRules) -> bool:
    """The sender's own login address counts: who copies himself wants the mail filed."""
    return any(key_of(to.address) in firm.colleagues for name in ("To", "Cc", "Bcc") for to in addresses(headers, name))
