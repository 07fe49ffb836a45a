"""What a person says of an e-mail, and what may come of it."""

from dataclasses import dataclass
from datetime import datetime


class NotDecided(Exception):
    """Nothing was changed.

    NotDecided
    ├── NotThere           another firm's, gone, or somebody else's private mail: there is no such thing for who asks
    ├── Overtaken(by, at)  the e-mail is not any more as it was seen: show it anew. `by`: a name, or "Postroom"
    ├── NoSuchClient       another firm's, gone or archived; or there is nothing of this client to be dismissed
    ├── NoSuchColleague    nobody of this firm who is here and may see the e-mail
    ├── NotReceived        what is done only by somebody who received the e-mail themselves
    ├── NothingToUndo      no decision was made about it, or something else has happened since
    └── TooLate            its content is erased
    """


class NotThere(NotDecided):
    pass


class Overtaken(NotDecided):
    def __init__(self, by: str, at: datetime) -> None:
        super().__init__("overtaken")
        self.by = by
        self.at = at


class NoSuchClient(NotDecided):
    pass


class NoSuchColleague(NotDecided):
    pass


class NotReceived(NotDecided):
    pass


class NothingToUndo(NotDecided):
    pass


class TooLate(NotDecided):
    pass


@dataclass(frozen=True, slots=True)
class Seen:
    """Which e-mail, and the version of it that a person had before their eyes."""

    email_id: int
    version: int


@dataclass(frozen=True, slots=True)
class Decided:
    email_id: int
    version: int  # the new one
    client_ids: tuple[int, ...]  # under which it is shown now
    settled: int = 0  # other questions of the thread that followed


@dataclass(frozen=True, slots=True)
class Bulk:
    done: tuple[Decided, ...]
    overtaken: int  # somebody decided about them meanwhile
    gone: int  # for other reasons there was nothing to decide
