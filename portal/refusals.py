"""Why a page is not shown, and what its reader is told instead.

Refusal
├── NotSignedIn     sent to the sign-in page
├── NotHere         404: no such page, or another firm's
├── AdminsOnly      403: staff on an admin's page
├── StaleForm       403: a form without the proof that our own page sent it
├── Unreadable      400: a form with a value that our pages never send
└── TooOften        429: who signs in tries faster than people do
"""

from dataclasses import dataclass


class Refusal(Exception):
    """The base: caught once, around every page."""

    status = 400


class NotSignedIn(Refusal):
    status = 303


class NotHere(Refusal):
    status = 404


class AdminsOnly(Refusal):
    status = 403


class StaleForm(Refusal):
    status = 403


class Unreadable(Refusal):
    status = 400


class TooOften(Refusal):
    """`seconds`: until it may be tried again."""

    status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Words:
    heading: str
    says: str


WORDS: dict[type[Refusal], Words] = {
    NotHere: Words("There is nothing here", "The address may have been mistyped, or what it showed is gone or was never yours to see."),
    AdminsOnly: Words("This page is for admins", "Ask an admin of your firm to change it."),
    StaleForm: Words("That form has grown old", "Nothing was changed. Go back, load the page again, and press the button once more."),
    Unreadable: Words("That could not be read", "Nothing was changed. Go back, load the page again, and try once more."),
}
SURPRISE = Words(
    "Something went wrong on our side", "It has been noted. Try again in a minute; if it stays, tell the people who run Postroom."
)
TOO_LARGE = Words("That is too much at once", "Nothing was changed. Go back and send less: a smaller file, or a part of it at a time.")
OTHER = Words("That does not work here", "Nothing was changed. The links on our pages lead to what does.")
