"""Removals: each takes one promise away, and its test must fail.

    removals/012-broker-down-is-acknowledged.patch
        Scenario: 12
        Test: tests/webhook/test_outages.py::test_the_broker_is_down_and_the_push_that_comes_again_is_queued
        Why: Google is told that all is well for a job that is stored nowhere.
        --- a/webhook/push.py …

`python -m tools.removals [NAME …]` (or `make removals ARGS=…`) copies the checkout, makes sure that the cited tests pass there, then
applies each patch alone and runs its test. Exit code 1 where a patch does not apply, cites a test that does not cite its scenario, or a
test still passes.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from queue import SimpleQueue

from tools.scenarios import citations

CHECKOUT = Path(__file__).parent.parent
HEADER = re.compile(r"^(Scenario|Test|Why): (.+)$", re.M)
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "data", "__pycache__", ".*_cache", ".hypothesis")
SIDE_BY_SIDE = 2  # removals, each in a copy of its own: half of a test's time is waiting for its servers to start
PATIENCE = 180  # seconds for one test: a removal may make it wait


class Wrong(Exception):
    """A removal that cannot be tried; the text says why."""


@dataclass(frozen=True, slots=True)
class Removal:
    name: str
    scenario: int
    test: str  # a pytest node id
    patch: Path


def main(names: Sequence[str], checkout: Path = CHECKOUT) -> int:
    """All removals, or those whose name has one of `names` in it. Returns the exit code. Raises `Wrong`."""
    removals = list(chosen(names, checkout))
    if not removals:
        print("no removals: nothing was proven", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="postroom-removals-") as folder:
        Path(folder).chmod(0o755)  # ours: PostgreSQL's account enters it in tests
        copies = [Path(shutil.copytree(checkout, Path(folder) / str(n), ignore=LEFT_OUT)) for n in range(SIDE_BY_SIDE)]
        for removal in removals:
            apply(copies[0], removal.patch, "--check")
        passed, said = run(copies[0], sorted({removal.test for removal in removals}), PATIENCE * 5)
        if not passed:
            print(f"{said}\nthe cited tests do not pass with everything in place: mend them first", file=sys.stderr)
            return 1
        survivors = [removal.name for removal, noticed in zip(removals, tried(copies, removals), strict=True) if not noticed]
    for name in survivors:
        print(f"SURVIVED: {name}", file=sys.stderr)
    print(f"{len(removals) - len(survivors)} noticed, {len(survivors)} survived")
    return 1 if survivors else 0


def chosen(names: Sequence[str], checkout: Path) -> Iterator[Removal]:
    for path in sorted((checkout / "removals").glob("*.patch")):
        if not names or any(name in path.stem for name in names):
            yield read(path, checkout)


def read(path: Path, checkout: Path) -> Removal:
    """Raises `Wrong`."""
    told = dict(HEADER.findall(path.read_text(encoding="utf-8")))
    if missing := [name for name in ("Scenario", "Test", "Why") if name not in told]:
        raise Wrong(f"{path.name} lacks {', '.join(missing)}")
    removal = Removal(path.stem, int(told["Scenario"]), told["Test"].strip(), path)
    if (_plain(removal.test), removal.scenario) not in cited(checkout):
        raise Wrong(f"{path.name}: {removal.test} does not exist, or does not cite scenario {removal.scenario}")
    return removal


@cache
def cited(checkout: Path) -> frozenset[tuple[str, int]]:
    return frozenset(citations(checkout / "tests"))


def tried(copies: Sequence[Path], removals: Sequence[Removal]) -> list[bool]:
    """Whether each promise's test noticed that it is gone. The copies are as before afterwards."""
    free: SimpleQueue[Path] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def attempt(removal: Removal) -> bool:
        copy = free.get()
        try:
            return noticed(copy, removal)
        finally:
            free.put(copy)

    with ThreadPoolExecutor(len(copies)) as workers:
        return list(workers.map(attempt, removals))


def noticed(copy: Path, removal: Removal) -> bool:
    apply(copy, removal.patch)
    try:
        passed, said = run(copy, [removal.test], PATIENCE)
    finally:
        apply(copy, removal.patch, "--reverse")
    print(f"{'SURVIVED' if passed else 'noticed '} {removal.name}: {_gist(said)[:160]}", flush=True)
    return not passed


def apply(copy: Path, patch: Path, *how: str) -> None:
    """Raises `Wrong` where the patch does not fit the code any more: write it anew."""
    done = subprocess.run(["git", "apply", "-C1", *how, str(patch)], cwd=copy, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Wrong(f"{patch.name} does not apply: {done.stderr.strip()}")


def run(copy: Path, tests: Sequence[str], patience: float) -> tuple[bool, str]:
    """Whether they all pass, and what pytest said. Raises `Wrong` where a test did not get as far as to fail."""
    argv = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}  # the copy, before the environment's own checkout
    try:
        done = subprocess.run(argv, cwd=copy, env=environment, capture_output=True, text=True, check=False, timeout=patience)
    except subprocess.TimeoutExpired:
        return False, "did not end in time"
    if done.returncode not in (0, 1) or (done.returncode == 1 and " failed" not in _last_line(done.stdout)):
        raise Wrong(f"{', '.join(tests)} could not be run: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0, done.stdout


def _plain(test: str) -> str:
    """Without a parametrised case."""
    return test.partition("[")[0]


def _gist(said: str) -> str:
    """The failed assertion, or how pytest ended."""
    return next((line.removeprefix("E").strip() for line in said.splitlines() if line.startswith("E  ")), _last_line(said))


def _last_line(said: str) -> str:
    return (said.strip().splitlines() or ["?"])[-1]


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Wrong as wrong:
        print(wrong, file=sys.stderr)
        sys.exit(1)
