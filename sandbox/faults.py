"""What goes wrong on purpose: the kinds of fault, what each may be told, and whether one strikes now."""

from collections.abc import Callable
from typing import Any

from sandbox.refusals import Misused
from sandbox.state import Fault

ANY = "*"
KINDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "push_lost": {},
    "push_delayed": {"s": (int, float)},
    "push_repeated": {"n": int},
    "push_reordered": {},
    "history_expired": {},
    "history_late": {"s": (int, float)},
    "search_late": {"s": (int, float)},
    "status": {"method": str, "code": int, "reason": str, "retry_after": (int, float), "message": str, "html": bool},
    "timeout": {"method": str, "s": (int, float)},
    "message_broken": {"id": str},
    "message_404_first": {"id": str, "s": (int, float)},
    "refresh_fails": {"error": str, "code": int},
    "certs_down": {},
    "smtp_refuses": {"code": int, "message": str},
    "smtp_down": {},
    "smtp_unanswered": {},
}
NEEDED = {
    "push_delayed": {"s"},
    "push_repeated": {"n"},
    "history_late": {"s"},
    "search_late": {"s"},
    "status": {"method", "code"},
    "timeout": {"method", "s"},
    "message_broken": {"id"},
    "refresh_fails": {"error"},
    "smtp_refuses": {"code"},
}


class Faults:
    """The faults that are set, oldest first. The first that fits strikes; one with a count is used up by it."""

    def __init__(self, faults: list[Fault], keep: Callable[[str, str, object], None]) -> None:
        self._faults: dict[tuple[str, str | None], list[Fault]] = {}  # by kind and mailbox: thousands of mailboxes may be broken at once
        self._keep = keep
        for fault in faults:
            self._set(fault)

    def all(self) -> list[Fault]:
        return sorted((fault for some in self._faults.values() for fault in some), key=lambda fault: fault.number)

    def add(self, number: int, wanted: dict[str, Any], mailbox: str | None) -> Fault:
        """Raises Misused where the kind or a parameter is not one of KINDS."""
        params = dict(wanted)
        kind, count = params.pop("kind", None), params.pop("count", None)
        params.pop("mailbox", None)
        if kind not in KINDS:
            raise Misused(400, f"kind must be one of: {', '.join(KINDS)}")
        if count is not None and (type(count) is not int or count < 1):
            raise Misused(400, "count must be a whole number above 0")
        for name, value in params.items():
            if name not in KINDS[kind] or not isinstance(value, KINDS[kind][name]):
                raise Misused(400, f"{kind} does not take {name}={value!r}")
        if missing := NEEDED.get(kind, set()) - params.keys():
            raise Misused(400, f"{kind} needs {', '.join(sorted(missing))}")
        fault = Fault(number, kind, mailbox, count, params)
        self._set(fault)
        self._keep("fault", f"{number:09d}", fault)
        return fault

    def _set(self, fault: Fault) -> None:
        self._faults.setdefault((fault.kind, fault.mailbox), []).append(fault)

    def clear(self, kind: str | None = None) -> int:
        gone = [fault for fault in self.all() if kind in (None, fault.kind)]
        for fault in gone:
            self.lift(fault)
        return len(gone)

    def lift(self, fault: Fault) -> None:
        self._faults[fault.kind, fault.mailbox].remove(fault)
        self._keep("fault", f"{fault.number:09d}", None)

    def strike(self, kind: str, mailbox: str | None, **told: str) -> dict[str, Any] | None:
        """The parameters of the fault that strikes, or None. `told` must agree with what the fault names ("*" is any)."""
        fitting = [fault for whose in {None, mailbox} for fault in self._faults.get((kind, whose), ()) if _agrees(fault.params, told)]
        if not fitting:
            return None
        fault = min(fitting, key=lambda fault: fault.number)
        self._use(fault)
        return fault.params

    def strikes(self, kind: str, mailbox: str | None, **told: str) -> bool:
        """The same for a fault whose parameters do not matter."""
        return self.strike(kind, mailbox, **told) is not None

    def _use(self, fault: Fault) -> None:
        if fault.count is None:
            return
        fault.count -= 1
        if fault.count == 0:
            self.lift(fault)
        else:
            self._keep("fault", f"{fault.number:09d}", fault)


def _agrees(params: dict[str, Any], told: dict[str, str]) -> bool:
    return all(params.get(name, ANY).removeprefix("users.") in (ANY, value) for name, value in told.items())
