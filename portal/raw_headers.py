"""All headers of a mail as they were kept, as far as a page can bear. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from portal.links import straight

MOST = 200  # headers that are shown
LONGEST = 4000  # characters of one


@dataclass(frozen=True, slots=True)
class RawHeaders:
    lines: tuple[tuple[str, str], ...]
    cut: bool  # some are left out, or shortened

    @property
    def text(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in self.lines)


def shown(kept: Sequence[Sequence[str]]) -> RawHeaders:
    lines = tuple((straight(name), straight(value[:LONGEST])) for name, value in kept[:MOST])
    return RawHeaders(lines, len(kept) > MOST or any(len(value) > LONGEST for _, value in kept[:MOST]))
