"""The kinds of evidence for a candidate: how strong each is in this mail, and how it is said to a person. Pure; guess.py weighs them.

Each function yields signs of one kind, at most one a candidate. Strengths go from 0 to 1. What is said must be true to the letter: people
act upon it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from math import fsum, prod
from typing import Literal, get_args

from models.evidence import Doubt, Evidence, Sighting
from pipeline.naming import folded_of, names_of, passage_of
from pipeline.quoting import own_and_quoted

Kind = Literal["conversation", "history", "others", "standing", "named_subject", "named_text", "named_file", "own"]
KINDS: tuple[Kind, ...] = get_args(Kind)

FADING = 0.5  # a conversation, compared with the next newer one
PRIOR = 0.3  # of the newest conversation: what keeps a single one from being as good as many
IN_QUOTES = 0.4  # a name there, compared with one in what the author wrote
DOUBTED = 2  # mails of a client that are taken for usual, before its own are counted
NO_ANSWER = 0.2  # mail under a subject of before, compared with an answer ("Re:") under it
OTHER_MATTER = 0.5  # a thread whose subject has changed
REPLY = re.compile(r"\s*(?:(?:re|aw|wg|fw|fwd|antw|sv|vs|tr|rv|r)(?:\[\d+\])?\s*:\s*|\[[^\]]{1,40}\]\s*)+", re.I)
WAS = re.compile(r"\s*[\[(]\s*(?:was|war)\b.*", re.I)  # "The lease (was: Payroll)"
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


@dataclass(frozen=True, slots=True)
class Sign:
    kind: Kind
    client_id: int
    strength: float
    reason: str


def signs(doubt: Doubt, evidence: Evidence) -> Iterator[Sign]:
    """All signs for all candidates. The order of addresses, candidates and entries changes nothing."""
    yield from _conversation(doubt, evidence)
    yield from _history(doubt, evidence)
    yield from _others(doubt, evidence)
    yield from _standing(doubt)
    yield from _named(doubt, evidence)
    yield from _own(evidence)


def _conversation(doubt: Doubt, evidence: Evidence) -> Iterator[Sign]:
    """The thread, which may turn to another matter with another subject; where it is new or was torn, mail under the same subject."""
    if not evidence.thread:
        yield from _same_subject(doubt, evidence)
        return
    mails = _mails(evidence.thread)
    counts = 1 if any(bare(sighting.subject) == bare(doubt.subject) for sighting in evidence.thread) else OTHER_MATTER
    for client, share in _shares(evidence.thread, prior=0).items():
        under = sum(client in clients for clients in mails)
        often = "" if under == len(mails) else f"{_count(under)} of {_count(len(mails))} mails in "
        yield Sign("conversation", client, share * counts, f"{often}this thread went there")


def _same_subject(doubt: Doubt, evidence: Evidence) -> Iterator[Sign]:
    subject = bare(doubt.subject)
    if not subject:
        return
    alike = {sighting for seen in evidence.sightings.values() for sighting in seen if bare(sighting.subject) == subject}
    counts = 1 if REPLY.match(doubt.subject) else NO_ANSWER
    for client, share in _shares(alike).items():
        yield Sign("conversation", client, share * counts, "mail with this subject went there before")


def _history(doubt: Doubt, evidence: Evidence) -> Iterator[Sign]:
    """Of the author, where it is the author who is in doubt; otherwise of all addresses in doubt alike. For whom a contact was nominated is
    what was known before the first mail."""
    candidates = frozenset(known.client_id for known in evidence.known)
    shares = {
        key: found
        for key in sorted(doubt.addresses)
        if (found := _shares(evidence.sightings.get(key, ()), evidence.nominated.get(key, frozenset()) & candidates))
    }
    shares = {key: found for key, found in shares.items() if key == doubt.author} or shares
    for client in sorted({client for share in shares.values() for client in share}):
        key = min(shares, key=lambda key: (-shares[key].get(client, 0), key))
        strength = fsum(share.get(client, 0) for share in shares.values()) / len(shares)
        yield Sign("history", client, strength, _lately(client, key, evidence))


def _lately(client: int, key: str, evidence: Evidence) -> str:
    mails = _mails(evidence.sightings.get(key, ()))
    run = next((n for n, clients in enumerate(mails) if client not in clients), len(mails))
    under = sum(client in clients for clients in mails)
    if not under:
        return f"the contact {key} is nominated for it"
    if run > 1:
        return f"the last {_count(run)} mails with {key} went there"
    if under == run:
        return f"the last mail with {key} went there"
    return f"{_count(under)} of the last {_count(len(mails))} mails with {key} went there"


def _others(doubt: Doubt, evidence: Evidence) -> Iterator[Sign]:
    """People who are nobody's contact, or another client's: whose mail were they on? Who writes from a client's own domain is as if seen
    once."""
    at = Counter(domain for known in evidence.known for domain in known.domains)
    own = {domain: known.client_id for known in evidence.known for domain in known.domains if at[domain] == 1}
    shares: dict[str, dict[int, float]] = {}
    for key in sorted(doubt.people - doubt.addresses.keys()):
        there = own.get(key.rpartition("@")[2])
        if found := _shares(evidence.sightings.get(key, ()), frozenset() if there is None else frozenset({there})):
            shares[key] = found
    for client in sorted({client for share in shares.values() for client in share}):
        key = min(shares, key=lambda key: (-shares[key].get(client, 0), key))
        strength = 1 - prod(sorted(1 - share.get(client, 0) for share in shares.values()))
        yield Sign("others", client, strength, _company(client, key, doubt, evidence))


def _company(client: int, key: str, doubt: Doubt, evidence: Evidence) -> str:
    mails = _mails(evidence.sightings.get(key, ()))
    under = sum(client in clients for clients in mails)
    if not under:
        return f"{key}, at this client's own domain, {'wrote it' if key == doubt.author else 'is on this mail'}"
    often = "" if under == len(mails) else f" ({_count(under)} of the last {_count(len(mails))})"
    return f"{key} is on this client's other mail{often}"


def _standing(doubt: Doubt) -> Iterator[Sign]:
    """Several addresses in doubt: which client do most of them stand for?"""
    addresses = {key: clients for key, clients in sorted(doubt.addresses.items()) if key}
    for client in sorted(frozenset[int]().union(*addresses.values())):
        keys = [key for key, clients in addresses.items() if client in clients]
        if len(keys) > 1:
            said = f"{' and '.join(keys)} are" if len(keys) == 2 else f"{_count(len(keys))} of the addresses on this mail are"
            yield Sign("standing", client, (len(keys) - 1) / (len(addresses) - 1), f"{said} contacts of it")


def _named(doubt: Doubt, evidence: Evidence) -> Iterator[Sign]:
    """What stands in people's addresses, stands in their signatures too, and says nothing in a text."""
    names = names_of(evidence.known)
    carried = {key.rpartition("@")[2] for key in doubt.people}
    signed = frozenset(carried.union(*(passage_of(key).words for key in doubt.people)))
    subject = "" if _is_settled(doubt, evidence) else WAS.sub("", doubt.subject)
    for client, found in sorted(names.mentions(passage_of(subject)).items()):
        yield Sign("named_subject", client, found.strength, f"{found.what} is in the subject")
    own, quoted = (names.mentions(passage_of(text), signed) for text in own_and_quoted(doubt.text))
    for client, found in sorted((quoted | own).items()):
        where, counts = ("the text", 1) if client in own else ("the quoted part of the text, or the signature", IN_QUOTES)
        yield Sign("named_text", client, found.strength * counts, f"{found.what} is in {where}")
    for client, found in sorted(names.mentions(passage_of("\n".join(sorted(doubt.filenames)))).items()):
        yield Sign("named_file", client, found.strength, f"{found.what} is in the name of an attachment")


def _is_settled(doubt: Doubt, evidence: Evidence) -> bool:
    """Who decided about the thread has read its subject: it says nothing more."""
    return any(sighting.by_person and bare(sighting.subject) == bare(doubt.subject) for sighting in evidence.thread)


def _own(evidence: Evidence) -> Iterator[Sign]:
    """Of whose mail those who received this one get more than of the other candidates'. How much mail a client has at all is no matter
    here: the contact's history tells that."""
    here, everywhere = (sum(counts) for counts in zip(*evidence.own.values(), strict=True)) if evidence.own else (0, 0)
    usual = here / everywhere if everywhere else 0
    for client, (received, mails) in sorted(evidence.own.items()):
        share = (received + DOUBTED * usual) / (mails + DOUBTED)
        if share > usual:
            said = f"{_count(received)} of this client's last {_count(mails)} mails" if mails > 1 else "this client's last mail"
            yield Sign("own", client, share - usual, f"{said} went to whoever received this one")


def _shares(sightings: Iterable[Sighting], oldest: frozenset[int] = frozenset(), prior: float = PRIOR) -> dict[int, float]:
    """Of each client among these: a conversation counts half as much as the next newer one. `oldest`: what counts as one before all others,
    for these clients alike."""
    weighed = [(sighting.client_id, FADING**age) for age, sighting in enumerate(_conversations(sightings))]
    weighed += [(client, FADING ** len(weighed) / len(oldest)) for client in sorted(oldest)]
    total = fsum(weight for _, weight in weighed) + prior
    return {client: fsum(w for each, w in weighed if each == client) / total for client in sorted({client for client, _ in weighed})}


def _conversations(sightings: Iterable[Sighting]) -> list[Sighting]:
    """Newest first. Of mails under one subject and client only the newest: a long exchange is not many pieces of evidence."""
    newest: dict[tuple[int, str], Sighting] = {}
    for sighting in sorted(set(sightings), key=lambda each: (each.at, each.client_id, each.subject, each.by_person)):
        newest.pop(found := (sighting.client_id, bare(sighting.subject)), None)
        newest[found] = sighting
    return list(reversed(newest.values()))


def _mails(sightings: Iterable[Sighting]) -> list[frozenset[int]]:
    """The clients of each mail, newest mail first: one that is under two clients is sighted twice."""
    mails: dict[tuple[datetime, str], set[int]] = {}
    for sighting in sightings:
        mails.setdefault((sighting.at, sighting.subject), set()).add(sighting.client_id)
    return [frozenset(mails[mail]) for mail in sorted(mails, reverse=True)]


def bare(subject: str) -> str:
    """Without "Re:", "AW:", "[list]" and what else mail programs put before it."""
    prefix = REPLY.match(subject)
    return " ".join(folded_of(subject[prefix.end() if prefix else 0 :]).split())


def _count(number: int) -> str:
    return NUMBERS[number] if number < len(NUMBERS) else str(number)
