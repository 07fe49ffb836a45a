"""Gmail's quota: units by method, counted by the minute for each mailbox and for the project, and calls at once."""

from sandbox.clock import MINUTE, iso
from sandbox.refusals import Refused

UNITS = {
    "getProfile": 1,
    "watch": 100,
    "stop": 50,
    "history.list": 2,
    "messages.list": 5,
    "messages.get": 20,
    "messages.attachments.get": 20,
    "threads.get": 40,
    "labels.list": 1,
    "labels.get": 1,
    "settings.sendAs.list": 1,
    "settings.sendAs.get": 1,
}
AT_ONCE = 10  # Google's number is not published; others met it near ten


class Quota:
    """Minutes are those of the sandbox's clock. A refused call costs nothing."""

    def __init__(self, user_units: int, project_units: int) -> None:
        self._user_limit, self._project_limit = user_units, project_units
        self._minute = 0
        self._used: dict[str, int] = {}
        self._project = 0
        self._under_way: dict[str, int] = {}
        self.total = 0
        self.by_mailbox: dict[str, int] = {}

    def charge(self, mailbox: str, method: str, now: int) -> None:
        """Raises Refused: 403 for the mailbox's limit, 429 for the project's."""
        units = UNITS[method]
        if now // MINUTE != self._minute:
            self._minute, self._project = now // MINUTE, 0
            self._used.clear()
        used = self._used.get(mailbox, 0) + units
        if 0 < self._user_limit < used:
            raise Refused(403, "rateLimitExceeded", f"User-rate limit exceeded.  Retry after {iso((self._minute + 1) * MINUTE)}")
        if 0 < self._project_limit < self._project + units:
            raise Refused(
                429,
                "rateLimitExceeded",
                "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service 'gmail.googleapis.com'.",
            )
        self._used[mailbox] = used
        self._project += units
        self.total += units
        self.by_mailbox[mailbox] = self.by_mailbox.get(mailbox, 0) + units

    def enter(self, mailbox: str) -> None:
        under_way = self._under_way.get(mailbox, 0)
        if under_way >= AT_ONCE:
            raise Refused(429, "rateLimitExceeded", "Too many concurrent requests for user")
        self._under_way[mailbox] = under_way + 1

    def leave(self, mailbox: str) -> None:
        self._under_way[mailbox] -= 1
