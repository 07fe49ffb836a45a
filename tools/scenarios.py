"""Which scenarios of docs/scenarios.md are proven by which tests: `python -m tools.scenarios`.

A test proves a scenario by naming it in its docstring: `Scenario 12.`, or `Scenarios 12, 13 and 36-40.` for several.
"""

import argparse
import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent

ROW = re.compile(r"^\|\s*(?P<number>\d+)\s*\|\s*(?P<nasty>\*\*N\*\*)?\s*\|\s*(?P<situation>[^|]+?)\s*\|\s*(?P<promise>[^|]+?)\s*\|\s*$")
ONE_OR_RANGE = r"\d+(?:\s*[-–]\s*\d+)?"
CITATION = re.compile(rf"\bScenario\s+(\d+)|\bScenarios\s+({ONE_OR_RANGE}(?:(?:\s*,\s*and\s+|\s*,\s*|\s+and\s+){ONE_OR_RANGE})*)")


class Wrong(Exception):
    """Something that a person must mend; the message says what.

    Wrong
    ├── BadList      docs/scenarios.md cannot be read: mend the row that is named
    ├── BadNumbers   numbers or a range make no sense: mend them
    └── Unknown      a number is used that docs/scenarios.md does not have: mend the test or add the scenario
    """


class BadList(Wrong): ...


class BadNumbers(Wrong): ...


class Unknown(Wrong): ...


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of docs/scenarios.md."""

    number: int
    nasty: bool
    situation: str
    promise: str


def main(arguments: Sequence[str] | None = None, checkout: Path = CHECKOUT) -> int:
    """Print the list, or with `--check` what is missing of a range; the exit status is 0 if all that was asked for is proven."""
    parser = argparse.ArgumentParser(prog="python -m tools.scenarios", description="Which scenarios are proven by which tests.")
    parser.add_argument("--check", metavar="NUMBERS", help="fail if one of these has no test that cites it: 1-24,28,36-40")
    asked = parser.parse_args(arguments)
    try:
        scenarios = read(checkout / "docs" / "scenarios.md")
        proofs = prove(scenarios, citations(checkout / "tests"))
        if asked.check is None:
            print("\n".join(report(scenarios, proofs)))
            return 0
        missing = unproven(scenarios, proofs, numbers(asked.check))
    except Wrong as wrong:
        print(wrong)
        return 1
    for scenario in missing:
        print(f"{scenario.number:4} no test cites it: {scenario.situation}")
    return 1 if missing else 0


def read(page: Path) -> dict[int, Scenario]:
    """The page's scenarios, by number. Raises BadList for a numbered row that is not `| 12 | **N** or empty | situation | promise |`"""
    found: dict[int, Scenario] = {}
    for line in page.read_text(encoding="utf-8").splitlines():
        if not re.match(r"\|\s*\d", line):
            continue
        row = ROW.match(line)
        if row is None:
            raise BadList(f"{page.name}: this row has not the four cells of a scenario: {line}")
        scenario = Scenario(int(row["number"]), row["nasty"] is not None, row["situation"], row["promise"])
        if scenario.number in found:
            raise BadList(f"{page.name}: scenario {scenario.number} stands there twice")
        found[scenario.number] = scenario
    if not found:
        raise BadList(f"{page.name}: there is no scenario in it")
    return found


def numbers(text: str) -> set[int]:
    """`1-3, 7 and 9` → {1, 2, 3, 7, 9}. Raises BadNumbers for anything else, and for a range that runs backwards."""
    result: set[int] = set()
    for part in re.split(r"\s*,\s*and\s+|\s*,\s*|\s+and\s+", text.strip()):
        if not re.fullmatch(ONE_OR_RANGE, part):
            raise BadNumbers(f"not numbers of scenarios: {text!r}; write 1-24,28,36-40")
        first, *rest = (int(number) for number in re.findall(r"\d+", part))
        last = rest[0] if rest else first
        if last < first:
            raise BadNumbers(f"a range that runs backwards: {part!r}")
        result.update(range(first, last + 1))
    return result


def cited(docstring: str) -> set[int]:
    """The scenarios that a docstring names. The singular takes one number, so that `Scenario 12, 3 mails` means 12 alone."""
    return {number for one, several in CITATION.findall(docstring) for number in numbers(one or several)}


def citations(tests: Path) -> Iterator[tuple[str, int]]:
    """Every (test, scenario) below the folder; a test is named as pytest names it: tests/webhook/test_push.py::test_…"""
    for path in sorted(tests.rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        for name, test in functions(tree):
            for number in sorted(cited(ast.get_docstring(test) or "")):
                yield f"{path.relative_to(tests.parent).as_posix()}::{name}", number


def functions(tree: ast.Module | ast.ClassDef) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """The test functions that pytest would collect: of the module, and of its Test classes."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            yield node.name, node
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from ((f"{node.name}::{name}", test) for name, test in functions(node))


def prove(scenarios: Mapping[int, Scenario], cites: Iterator[tuple[str, int]]) -> dict[int, list[str]]:
    """The tests of each scenario that has any. Raises Unknown if a test cites a number that is no scenario's."""
    proofs: dict[int, list[str]] = {}
    for test, number in cites:
        if number not in scenarios:
            raise Unknown(f"{test} cites scenario {number}, which docs/scenarios.md does not have")
        proofs.setdefault(number, []).append(test)
    return proofs


def unproven(scenarios: Mapping[int, Scenario], proofs: Mapping[int, list[str]], wanted: set[int]) -> list[Scenario]:
    """Of the wanted scenarios those that no test cites. Raises Unknown if one of them is no scenario at all."""
    if strange := sorted(wanted - scenarios.keys()):
        raise Unknown(f"docs/scenarios.md does not have {', '.join(map(str, strange))}")
    return [scenarios[number] for number in sorted(wanted - proofs.keys())]


def report(scenarios: Mapping[int, Scenario], proofs: Mapping[int, list[str]]) -> Iterator[str]:
    """One line for each scenario and test, then the sum."""
    for number, scenario in sorted(scenarios.items()):
        mark = "N" if scenario.nasty else " "
        for test in proofs.get(number, ["not yet"]):
            yield f"{number:4} {mark} {test}"
    yield f"{len(proofs)} of {len(scenarios)} scenarios are proven, {len(scenarios) - len(proofs)} not yet."


if __name__ == "__main__":
    raise SystemExit(main())
