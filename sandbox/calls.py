"""Who called what: counters, and the latest calls one by one."""

from collections import Counter, deque
from itertools import islice
from typing import Any

KEPT = 20_000


class Calls:
    def __init__(self) -> None:
        self.latest: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.by_method: Counter[str] = Counter()
        self.by_mailbox: dict[str, Counter[str]] = {}
        self.by_status: Counter[int] = Counter()
        self.noted = 0

    def note(self, method: str, mailbox: str | None, status: int, at: int, **more: str) -> None:
        self.latest.append({"method": method, "mailbox": mailbox, "status": status, "at": at, **more})
        self.noted += 1
        self.by_method[method] += 1
        self.by_status[status] += 1
        if mailbox is not None:
            self.by_mailbox.setdefault(mailbox, Counter())[method] += 1

    def since(self, number: int) -> list[dict[str, Any]]:
        """What was noted after the first `number` calls, oldest first."""
        new = min(max(self.noted - number, 0), len(self.latest))
        return list(islice(self.latest, len(self.latest) - new, None))
