"""The words of the rules: why something was not put on a list, or not chosen, and what to do instead. Pure."""

from dataclasses import dataclass
from typing import Literal

from models.choices import MOST_DAYS
from models.never_file import FreeMail, NotAPattern, NotListed, OurOwn

Rule = Literal["never-file", "own-domains", "past-mail"]  # the part of the page, which is its anchor, too
NO_DAYS = f"Write a whole number of days from 0 to {MOST_DAYS:,}; 0 looks for no past mail."


@dataclass(frozen=True, slots=True)
class Refused:
    """What the page says beside a rule that was not changed, with what was written there."""

    rule: Rule
    written: str
    says: str


def never_filed_not(written: str, because: NotListed) -> Refused:
    """Nobody was put on a never-file list."""
    return Refused("never-file", written, _never_file(because))


def not_ours(written: str, because: NotListed) -> Refused:
    """No domain was put among the firm's own."""
    return Refused("own-domains", written, _own_domain(because))


def days_of(written: str) -> int | None:
    """None for what is no number of days."""
    bare = written.strip().replace(",", "")
    return int(bare) if bare.isascii() and bare.isdigit() and len(bare) < 10 else None


def _never_file(because: NotListed) -> str:
    match because:
        case FreeMail():
            return (
                f"Anybody may have an address at {because.args[0]}, your clients too: it cannot be on the list as a whole. "
                "Write the one address that you mean."
            )
        case OurOwn():
            return (
                f"{because.args[0]} is your own firm’s, and mail among yourselves is not filed anyway. "
                "Write somebody’s who is not one of you."
            )
        case NotAPattern() | _:
            return "This is neither an e-mail address nor a domain. Write one address, or one domain: what comes after the @."


def _own_domain(because: NotListed) -> str:
    match because:
        case FreeMail():
            return (
                f"Anybody may have an address at {because.args[0]}: your clients there would count as your people. "
                "A private address of one of you counts once it is connected, or allowed on that person’s page."
            )
        case NotAPattern() | _:
            return "This is not a domain. Write what comes after the @ in your addresses."
