"""The two files of `postroom eval`: mails as JSON lines, the directory as JSON. Read and judged whole before anything is replayed. Pure.

docs/eval.md is the manual of both.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gmail.message import headers_of
from models.address import FREE_MAIL, domain_key, key_of
from pipeline.match import parties
from pipeline.replay import Directory, Entry, Listed, Mail
from postroom.eval_values import NotReadable, is_id, json_of, key_in, listed, moment_of, one_text, text_of, texts_of

ADDRESSED = ("from", "to", "cc", "bcc")
ADDRESSES = ("addresses", "address", "emails", "email")  # of a contact, however it is called
REQUIRED = {
    "id": "a text or a whole number of the mail's own",
    "date": "the time at which it was sent",
    "from": "the sender's address",
    "truth": "the id of the client whose it is, a list of ids, or null for no client's",
}


@dataclass(frozen=True, slots=True)
class Names:
    """The file's client ids, and the numbers that stand for them here: in order of the ids if all are numbers, else in the file's order."""

    ids: Mapping[str, int]

    def number(self, id: object) -> int:
        if not is_id(id):
            raise NotReadable("truth must be a client's id (a text or a whole number), a list of ids, or null")
        if str(id) not in self.ids:
            raise NotReadable(f"truth names client {id}, who is not in the directory: add the client there, or mend the id")
        return self.ids[str(id)]


def read_directory(content: bytes, name: str = "the directory") -> tuple[Directory, Names]:
    """A list of clients, or `{"clients": […], "staff": […]}`. Raises `NotReadable`."""
    try:
        told = json_of(text_of(content))
        clients, staff = (told.get("clients"), told.get("staff")) if isinstance(told, dict) else (told, None)
        return directory_of(clients, staff)
    except NotReadable as wrong:
        raise NotReadable(f"{name}{wrong.at}: {wrong}.") from None


def directory_of(clients: object, staff: object = None) -> tuple[Directory, Names]:
    """Raises `NotReadable`, without the file's name."""
    if not isinstance(clients, list) or not clients:
        raise NotReadable('it must be a list of clients, or {"clients": […], "staff": […]}, and not an empty one')
    ids = [client.get("id") if isinstance(client, dict) else None for client in clients]
    for number, id in enumerate(ids, 1):
        if not is_id(id):
            raise NotReadable(f"client number {number} has no id: give a text or a whole number")
    if twice := [id for id, times in Counter(map(str, ids)).items() if times > 1]:
        raise NotReadable(f"client {twice[0]} is there twice: an id must be one client's")
    names = Names({id: number for number, id in enumerate(_in_order([str(id) for id in ids]), 1)})
    keys = {key for written in texts_of(staff, "staff") if (key := key_in(written) or domain_key(written.lstrip("@")))}
    return Directory(tuple(_entry(client, names) for client in clients), frozenset(keys)), names


def read_mails(content: bytes, names: Names, name: str = "the mails") -> list[Mail]:
    """A mail a line; empty lines count for nothing. Raises `NotReadable` for the first line that is wrong."""
    mails: dict[str, Mail] = {}
    try:
        lines = text_of(content).split("\n")
    except NotReadable as wrong:
        raise NotReadable(f"{name}{wrong.at}: {wrong}.") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                mail = mail_of(json_of(line), names)
                if mail.id in mails:
                    raise NotReadable(f"there is a mail {mail.id} already: each needs an id of its own")
            except NotReadable as wrong:
                raise NotReadable(f"{name}, line {number}: {wrong}.") from None
            mails[mail.id] = mail
    if not mails:
        raise NotReadable(f"{name}: there is no mail in it. It must have a JSON object a line, each a mail.")
    return list(mails.values())


def staffed(directory: Directory, mails: Iterable[Mail]) -> Directory:
    """The owners of mailboxes are staff, and so is everybody at a mailbox's domain, unless the directory knows somebody there."""
    boxes = {key for mail in mails for mailbox in mail.mailboxes if (key := key_of(mailbox))}
    addresses = (address for client in directory.clients for contact in client.contacts for address in contact.addresses)
    theirs = {(key_of(address) or "").rpartition("@")[2] for address in addresses}.union(*(client.domains for client in directory.clients))
    domains = {box.rpartition("@")[2] for box in boxes} - theirs - FREE_MAIL
    return replace(directory, staff=directory.staff | boxes | domains)


def mail_of(told: object, names: Names) -> Mail:
    """Raises `NotReadable`, without file and line."""
    if not isinstance(told, dict):
        raise NotReadable('a line must be an object: {"id": …, "date": …, "from": …, "truth": …}')
    if missing := [field for field in REQUIRED if field not in told]:
        raise NotReadable(f"{missing[0]} is missing: give {REQUIRED[missing[0]]}")
    if not is_id(told["id"]):
        raise NotReadable("id must be a text or a whole number")
    id, mailboxes = str(told["id"]), texts_of(told.get("mailbox"), "mailbox")
    headers = [{"name": field.title(), "value": ", ".join(texts_of(told.get(field), field))} for field in ADDRESSED]
    return Mail(
        id=id,
        at=moment_of(told["date"]),
        people=parties(headers_of({"payload": {"headers": headers}})),
        subject=one_text(told, "subject"),
        text=one_text(told, "text"),
        thread=f"alone {id}" if told.get("thread") in (None, "") else f"thread {told['thread']}",
        truth=frozenset(map(names.number, listed(told["truth"]))),
        mailboxes=frozenset(key_in(written) or written for written in mailboxes if written),
        filenames=tuple(texts_of(told.get("attachments"), "attachments")),
    )


def _entry(client: dict[str, Any], names: Names) -> Entry:
    try:
        domains = {domain_key(domain.lstrip("@")) for domain in texts_of(client.get("domains"), "domains")}
        return Entry(
            client_id=names.number(client["id"]),
            name=one_text(client, "name"),
            number=str(client.get("number") or ""),
            domains=frozenset(domain for domain in domains if domain),
            contacts=tuple(_contacts(client.get("contacts"))),
        )
    except NotReadable as wrong:
        raise NotReadable(f"client {client['id']}: {wrong}") from None


def _contacts(contacts: object) -> Iterator[Listed]:
    """Each an object, or an address alone."""
    for contact in listed(contacts):
        told = {"address": contact} if isinstance(contact, str) else contact
        if not isinstance(told, dict):
            raise NotReadable('a contact must be {"name": …, "addresses": […]}, or an address')
        nominated = told.get("nominated") or False
        if not isinstance(nominated, bool):
            raise NotReadable("nominated must be true or false")
        if told.keys().isdisjoint(ADDRESSES):
            raise NotReadable('a contact has no addresses: give {"addresses": […]}, an empty list if there are none')
        addresses = [address for field in ADDRESSES for address in texts_of(told.get(field), field) if address.strip()]
        if wrong := [address for address in addresses if key_in(address) is None]:
            raise NotReadable(f"“{wrong[0]}” is no e-mail address: mend it, or leave it out")
        yield Listed(tuple(filter(None, map(key_in, addresses))), nominated)


def _in_order(ids: list[str]) -> list[str]:
    return sorted(ids, key=int) if all(id.isascii() and id.isdecimal() for id in ids) else ids
