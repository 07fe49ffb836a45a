"""What an admin writes to invite people, a line each: `robin@sample.test` or `Robin Sample <robin@sample.test>`. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from models.invitations import Guest
from models.people import clean_name, fitting_key

MOST = 200  # lines at once
IN_BRACKETS = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]+)>")


@dataclass(frozen=True, slots=True)
class Line:
    """`guest`: None for what is no address. `repeated`: a line above names the same person."""

    text: str
    guest: Guest | None
    repeated: bool = False


def lines_of(text: str) -> list[Line]:
    """In their order; empty ones are left out. A comma or semicolon at the end is what a list was copied with."""
    lines: list[Line] = []
    seen: set[str] = set()
    for written in filter(None, (line.strip(" \t,;") for line in text.splitlines())):
        guest = _guest(written)
        lines.append(Line(written, guest, guest is not None and guest.key in seen))
        seen |= {guest.key} if guest else set()
    return lines


def guests_of(lines: Sequence[Line]) -> list[Guest]:
    """Each once."""
    return [line.guest for line in lines if line.guest and not line.repeated]


def _guest(written: str) -> Guest | None:
    found = IN_BRACKETS.fullmatch(written)
    address = (found["address"] if found else written).strip().removeprefix("mailto:")
    key = fitting_key(address)
    name = clean_name(found["name"].strip(" \t\"'")) if found else ""
    return None if key is None else Guest(name or _called(address), address, key)


def _called(address: str) -> str:
    """`robin.sample@…` is Robin Sample until somebody says otherwise."""
    first = re.sub(r"[._-]+", " ", address.partition("@")[0].partition("+")[0])
    return clean_name(first.title()) or clean_name(address)
