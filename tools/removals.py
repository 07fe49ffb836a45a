"""Removals: each takes one promise away, and its test must fail.

    removals/012-mark-not-cleared.patch
        Scenario: 12
        Test: tests/webhook/test_push.py::test_a_push_that_could_not_be_queued_is_refused
        Why: the mark stays though the send failed, so Google's retry is answered 204 for a job that does not exist.
        --- a/pipeline/announce.py …

`python -m tools.removals [NAME …]` (or `make removals ARGS=…`) copies the checkout, sees that the cited tests pass there, then applies
each patch alone and runs its test. Exit code 1 where a patch does not apply, cites a test that does not cite its scenario, or
a test still passes.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.scenarios import citations

CHECKOUT = Path(__file__).parent.parent
FOLDER = CHECKOUT / "removals"
HEADER = re.compile(r"^(Scenario|Test|Why): (.+)$", re.M)
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "data", "__pycache__", ".*_cache", ".hypothesis")
PATIENCE = 180  # seconds for one test: a removal may make it wait


class Wrong(Exception):
    """A removal that cannot be tried; the text says why."""


@dataclass(frozen=True, slots=True)
class Removal:
    name: str
    scenario: int
    test: str  # a pytest node id
    patch: Path


def main(names: Sequence[str]) -> int:
    removals = [read(path) for path in sorted(FOLDER.glob("*.patch")) if not names or any(name in path.stem for name in names)]
    if not removals:
        print("no removals: nothing was proven", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="postroom-removals-") as folder:
        Path(folder).chmod(0o755)  # ours: PostgreSQL's account enters it in tests
        copy = Path(folder) / "checkout"
        shutil.copytree(CHECKOUT, copy, ignore=LEFT_OUT)
        passed, said = run(copy, sorted({removal.test for removal in removals}))
        if not passed:
            print(f"{said}\nthe cited tests do not pass with everything in place: mend them first", file=sys.stderr)
            return 1
        survivors = [removal.name for removal in removals if not tried(copy, removal)]
    for name in survivors:
        print(f"SURVIVED: {name}", file=sys.stderr)
    print(f"{len(removals) - len(survivors)} passed, {len(survivors)} failed")
    return 1 if survivors else 0


def read(path: Path) -> Removal:
    """Raises `Wrong`."""
    told = dict(HEADER.findall(path.read_text()))
    if missing := [name for name in ("Scenario", "Test", "Why") if name not in told]:
        raise Wrong(f"{path.name} lacks {', '.join(missing)}")
    removal = Removal(path.stem, int(told["Scenario"]), told["Test"].strip(), path)
    if (_plain(removal.test), removal.scenario) not in cited():
        raise Wrong(f"{path.name}: {removal.test} does not exist, or does not cite scenario {removal.scenario}")
    return removal


def cited() -> set[tuple[str, int]]:
    return {(str(test), number) for test, number in citations(CHECKOUT / "tests")}


def tried(copy: Path, removal: Removal) -> bool:
    """Whether the promise's test noticed that it is gone. The copy is as before afterwards."""
    apply(copy, removal.patch)
    try:
        passed, said = run(copy, [removal.test])
    finally:
        apply(copy, removal.patch, back=True)
    print(f"{'SURVIVED' if passed else 'noticed '} {removal.name}: {_last_line(said)}", flush=True)
    return not passed


def apply(copy: Path, patch: Path, *, back: bool = False) -> None:
    """Raises `Wrong` where the patch does not fit the code any more: write it anew."""
    reverse = ["--reverse"] if back else []
    done = subprocess.run(["git", "apply", "-C1", *reverse, str(patch)], cwd=copy, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Wrong(f"{patch.name} does not apply: {done.stderr.strip()}")


def run(copy: Path, tests: Sequence[str]) -> tuple[bool, str]:
    """Whether they all pass. A run that finds no test, or cannot be collected, is an error and no failure of the test."""
    argv = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}  # the copy, before the environment's own checkout
    try:
        done = subprocess.run(argv, cwd=copy, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return False, "did not end in time"
    if done.returncode not in (0, 1):
        raise Wrong(f"pytest ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0, done.stdout


def _plain(test: str) -> str:
    """Without a parametrised case."""
    return test.partition("[")[0]


def _last_line(said: str) -> str:
    return (said.strip().splitlines() or ["?"])[-1]


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Wrong as wrong:
        print(wrong, file=sys.stderr)
        sys.exit(1)
