"""Whether the sender of a mail is who they say, in words: what Google found, and what of the mail itself does not fit together. Pure."""

import re
from dataclasses import dataclass

from markupsafe import Markup

from gmail.message import Address, Headers, addresses
from models.address import FREE_MAIL, key_of
from models.emails import Email
from models.namesakes import Known
from portal.links import straight

_ADDRESS = re.compile(r"[^\s@<>\"'(),;:]{1,64}@[^\s@<>\"'(),;:]{1,255}\.[^\s@<>\"'(),;:.]{2,24}")


@dataclass(frozen=True, slots=True)
class Sender:
    """`said`: what is known of who sent it, None where that is no question; `cautions`: a sentence each."""

    said: Markup | None
    proven: bool
    cautions: tuple[Markup, ...]


def sender_of(email: Email, namesake: Known | None) -> Sender:
    """`email` with its participants."""
    headers = headers_of(email)
    found = _found(email, headers)
    cautions = () if email.outgoing else (*_names(email), *_known(email, namesake), *_answers(email, headers))
    return Sender(found, email.trust == "proven", cautions)


def author_of(email: Email) -> Address:
    """The first in From; with an empty address where nobody is."""
    first = min((person for person in email.participants if person.header == "from"), key=lambda person: person.position, default=None)
    return Address(first.name, first.address) if first else Address("", "")


def headers_of(email: Email) -> Headers:
    """Its headers as they were kept."""
    fields = tuple((name, value) for name, value in email.headers)
    return Headers("", "", frozenset(), None, None, 0, fields)


def _found(email: Email, headers: Headers) -> Markup | None:
    """The domain is the one in From as it came: of a list's mail the list's, for it is that which Google looked at."""
    if email.outgoing:
        return None
    domains = {_domain(found.address) for found in addresses(headers, "From") or (author_of(email),)} - {""}
    who = _isolated(domains.pop()) if len(domains) == 1 else "its sender"
    match email.trust:
        case "proven":
            return Markup("Google confirmed that {} sent this.").format(who)
        case "forged":
            return Markup("Google could not confirm that {} sent this.").format(who)
    return Markup("Google says nothing about who sent this.")


def _names(email: Email) -> list[Markup]:
    """A name that is an address, and not the sender's."""
    own = {key_of(person.address) for person in email.participants if person.header == "from"}
    author = author_of(email)
    for told in _ADDRESS.findall(straight(author.name))[:3]:
        if key_of(told) not in own:
            return [Markup("The name says {}, but the mail comes from {}.").format(_isolated(told), _isolated(author.address))]
    return []


def _known(email: Email, namesake: Known | None) -> list[Markup]:
    who = {"colleague": "a colleague of yours", "contact": "a contact of this client"}
    author = author_of(email)
    words = Markup("{} is the name of {}, but {} is an address that you do not have of them.")
    return [words.format(_isolated(author.name), who[namesake], _isolated(author.address))] if namesake else []


def _answers(email: Email, headers: Headers) -> list[Markup]:
    """Newsletters and lists have their answers sent elsewhere as a matter of course."""
    asked, author = addresses(headers, "Reply-To"), author_of(email)
    if email.kind != "mail" or not asked or not author.address:
        return []
    own = {key_of(person.address) for person in email.participants if person.header == "from"}
    other = [to.address for to in asked if key_of(to.address) not in own and not _together(to.address, author.address)]
    words = Markup("An answer would go to {}, not to {}.")
    return [words.format(_isolated(other[0]), _isolated(author.address))] if other else []


def _together(one: str, other: str) -> bool:
    """At one domain, or below it; where anybody may have an address that says nothing."""
    here, there = sorted((_domain(one), _domain(other)), key=len)
    return here not in FREE_MAIL and (here == there or there.endswith(f".{here}"))


def _domain(address: str) -> str:
    return (key_of(address) or "").rpartition("@")[2]


def _isolated(words: str) -> Markup:
    return Markup("<bdi>{}</bdi>").format(straight(words))
