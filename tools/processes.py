"""What the processes that this one started cost: CPU seconds by role, from /proc."""

import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds() -> dict[str, float]:
    """Of each role under a `postroom run` that is our child, those that it started and that have ended included."""
    parents, seconds = dict[int, int](), dict[int, float]()
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                told = (place / "stat").read_text().rpartition(") ")[2].split()
            except OSError:  # it has ended
                continue
            parents[int(place.name)] = int(told[1])
            seconds[int(place.name)] = sum(map(int, told[11:15])) / TICK
    launchers = [pid for pid, parent in parents.items() if parent == os.getpid()]
    spent: dict[str, float] = {}
    for role in [pid for pid, parent in parents.items() if parent in launchers]:
        children = [pid for pid, parent in parents.items() if parent == role]
        spent[_name(role)] = spent.get(_name(role), 0.0) + seconds[role] + sum(seconds[child] for child in children)
    return spent


def _name(pid: int) -> str:
    """`worker fresh`, `sandbox`, `postgres`."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    if "-m" not in words:
        return Path(words[0].split()[0]).name
    module, *arguments = words[words.index("-m") + 1 :]
    if module != "postroom":
        return module
    return " ".join(word for word in arguments if word and not word.startswith("--"))
