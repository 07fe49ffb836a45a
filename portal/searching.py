"""What a search of mail asks for, as it stands in the address of the page; read leniently, but for dates that are none. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from models.mail_search import Mark, Sought
from portal.refusals import NotHere
from portal.visit import Visit, number

LONGEST = 200  # characters of what is typed
DIRECTIONS = {"received": "received", "sent": "sent"}
NO_DATE = "Write a day as 2026-03-31, or pick it from the calendar."
TURNED = "The first day is after the last one: turn them round."


@dataclass(frozen=True, slots=True)
class Search:
    """`typed`: the fields of the form as they came. `wrong`: by field, what is wrong with it."""

    typed: Mapping[str, str]
    sought: Sought
    wrong: Mapping[str, str] = field(default_factory=dict)

    @property
    def filtered(self) -> bool:
        """By more than words: the filters stay unfolded."""
        return any(value for name, value in self.typed.items() if name not in ("q", "thread"))

    def address(self, path: str, **more: str) -> str:
        """Of the same search, elsewhere in its list."""
        asked = {name: value for name, value in self.typed.items() if value} | more
        return f"{path}?{urlencode(asked)}" if asked else path

    def chips(self, path: str, colleagues: Mapping[int, str]) -> list[tuple[str, str]]:
        """What the search is limited by, in words, and the address without that."""
        said = {
            "q": f"“{self.typed['q']}”",
            "person": f"with {self.typed['person']}",
            "by": f"received by {colleagues.get(self.sought.colleague or 0, 'somebody else')}",
            "direction": {"received": "received", "sent": "sent by us"}.get(self.typed["direction"], ""),
            "files": "with files",
            "review": "for review",
            "since": f"since {self.typed['since']}",
            "until": f"until {self.typed['until']}",
            "thread": "one thread",
        }
        return [(words, self._without(path, name)) for name, words in said.items() if self.typed[name]]

    def _without(self, path: str, name: str) -> str:
        left = {key: value for key, value in self.typed.items() if value and key != name}
        return f"{path}?{urlencode(left)}" if left else path


def asked(visit: Visit) -> Search:
    """The search that the page's address asks for. Its days are days of the reader."""
    given = visit.request.query_params
    names = ("q", "person", "by", "direction", "files", "review", "since", "until", "thread")
    typed = {name: given.get(name, "").replace("\0", "").strip()[:LONGEST] for name in names}
    wrong = dict[str, str]()
    since, until = _day(typed, "since", wrong), _day(typed, "until", wrong)
    if since and until and since > until:
        wrong["since"] = TURNED
    thread = number(typed["thread"])
    sought = Sought(
        words=typed["q"],
        person=typed["person"],
        colleague=number(typed["by"]),
        direction=DIRECTIONS.get(typed["direction"]),  # type: ignore[arg-type]
        files=bool(typed["files"]),
        for_review=bool(typed["review"]),
        since=_midnight(since, visit) if since else None,
        until=_midnight(until + timedelta(days=1), visit) if until else None,
        thread_of=thread,
    )
    return Search(typed, sought, wrong)


def marks(visit: Visit) -> tuple[Mark | None, Mark | None]:
    """Where the page ends before, or begins after. Raises `NotHere`."""
    given = visit.request.query_params
    return _mark(given.get("before")), _mark(given.get("after"))


def _mark(given: str | None) -> Mark | None:
    if given is None:
        return None
    moment, _, activity = given.partition("_")
    try:
        at, id = datetime.fromisoformat(moment), number(activity)
    except ValueError:
        raise NotHere from None
    if at.tzinfo is None or id is None:
        raise NotHere
    return Mark(at, id)


def _day(typed: Mapping[str, str], name: str, wrong: dict[str, str]) -> date | None:
    if not typed[name]:
        return None
    try:
        found = date.fromisoformat(typed[name])
    except ValueError:
        found = None
    if found is None or not 1970 <= found.year <= 2200:
        wrong[name] = NO_DATE
        return None
    return found


def _midnight(day: date, visit: Visit) -> datetime:
    return datetime.combine(day, time(), visit.zone).astimezone(UTC)
