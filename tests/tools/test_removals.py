"""Removals: those that are kept fit the code and the list of scenarios, and the tool tells what it found."""

import subprocess
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest

from tools import removals, scenarios
from tools.removals import CHECKOUT, Wrong

SCENARIOS = scenarios.read(CHECKOUT / "docs" / "scenarios.md")
KEPT = sorted((CHECKOUT / "removals").glob("*.patch"))
WATCHED = scenarios.numbers("1-24, 28, 36-40, 45, 47, 50-54, 58, 60, 62, 63, 107-114, 117-119, 122, 127")

TILL = """\
def total(prices):
    if not prices:
        return 0
    return sum(prices)


def change(paid, prices):
    return paid - total(prices)
"""
TESTS = '''\
from till import change


def test_change_is_what_was_paid_too_much():
    """Scenario 1."""
    assert change(5, [1, 2]) == 2


def test_who_buys_nothing_gets_all_of_it_back():
    """Scenario 2."""
    assert change(5, []) == 5
'''
CHANGE, NOTHING = "test_change_is_what_was_paid_too_much", "test_who_buys_nothing_gets_all_of_it_back"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with two promises, each with its test, and no removals yet."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # its tests need none, and start sooner
    for folder in ("tests", "removals"):
        (tmp_path / folder).mkdir()
    (tmp_path / "till.py").write_text(TILL)
    (tmp_path / "tests" / "test_till.py").write_text(TESTS)
    return tmp_path


def keep(shop: Path, name: str, lost: str, instead: str, *, scenario: int = 1, test: str = CHANGE, till: str = TILL) -> None:
    """A removal that puts something else in the place of `lost`."""
    diff = "".join(unified_diff(till.splitlines(True), till.replace(lost, instead).splitlines(True), "a/till.py", "b/till.py"))
    told = f"Scenario: {scenario}\nTest: tests/test_till.py::{test}\nWhy: the till is wrong.\n"
    (shop / "removals" / f"{name}.patch").write_text(f"{told}\n{diff}")


# those that are kept


@pytest.mark.parametrize("patch", KEPT, ids=lambda patch: patch.stem)
def test_a_removal_cites_a_test_that_cites_its_scenario_and_still_fits_the_code(patch: Path) -> None:
    removal = removals.read(patch, CHECKOUT)
    assert removal.name.startswith(f"{removal.scenario:03}-")
    assert removal.scenario in SCENARIOS
    touched = [line for line in patch.read_text(encoding="utf-8").splitlines() if line.startswith("+++ ")]
    assert len(touched) == 1, "one promise stands in one place"
    assert not touched[0].startswith("+++ b/tests/")
    argv = ["git", "apply", "--check", "-C1", str(patch)]
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_nastiest_scenarios_have_removals_and_at_least_a_third_of_the_others() -> None:
    removed = {removals.read(patch, CHECKOUT).scenario for patch in KEPT}
    nasty = {number for number in WATCHED if SCENARIOS[number].nasty}
    assert sorted(nasty - removed) == []
    assert len((WATCHED - nasty) & removed) >= len(WATCHED - nasty) / 3


# the tool


def test_a_survivor_is_named_and_fails_and_the_checkout_stays_as_it_was(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(shop, "001-nothing-costs", "sum(prices)", "0")
    keep(shop, "002-nothing-is-summed-up", "if not prices", "if False", scenario=2, test=NOTHING)

    assert removals.main([], shop) == 1

    said = capsys.readouterr()
    assert "noticed  001-nothing-costs: assert 5 == 2" in said.out
    assert "SURVIVED 002-nothing-is-summed-up: " in said.out
    assert (said.out.splitlines()[-1], said.err) == ("1 noticed, 1 survived", "SURVIVED: 002-nothing-is-summed-up\n")
    assert (shop / "till.py").read_text() == TILL


def test_one_that_does_not_fit_the_code_any_more_is_named_before_any_test_runs(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(shop, "001-nothing-costs", "sum(prices)", "0")
    keep(shop, "001-stale", "max(prices)", "0", till=TILL.replace("sum", "max"))
    with pytest.raises(Wrong, match=r"^001-stale\.patch does not apply: error: patch failed: till\.py:1"):
        removals.main([], shop)
    assert capsys.readouterr().out == ""


def test_only_those_that_are_named_are_tried(shop: Path) -> None:
    keep(shop, "001-nothing-costs", "sum(prices)", "0")
    keep(shop, "002-nothing-is-summed-up", "if not prices", "if False", scenario=2, test=NOTHING)
    assert [removal.name for removal in removals.chosen(["nothing-c", "none"], shop)] == ["001-nothing-costs"]


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        ({"scenario": 2}, "tests/test_till.py::test_change_is_what_was_paid_too_much does not exist, or does not cite scenario 2"),
        ({"test": "test_nobody"}, "tests/test_till.py::test_nobody does not exist, or does not cite scenario 1"),
    ],
)
def test_one_whose_test_proves_something_else_is_refused(shop: Path, told: dict[str, Any], wrong: str) -> None:
    keep(shop, "001-nothing-costs", "sum(prices)", "0", **told)
    with pytest.raises(Wrong, match=wrong):
        removals.main([], shop)


def test_one_that_does_not_say_what_is_lost_is_refused(shop: Path) -> None:
    (shop / "removals" / "001-silent.patch").write_text("Scenario: 1\n")
    with pytest.raises(Wrong, match=r"001-silent\.patch lacks Test, Why"):
        removals.main([], shop)


def test_a_test_that_does_not_even_start_proves_nothing(shop: Path) -> None:
    (shop / "till.py").write_text("def total(")
    with pytest.raises(Wrong, match="could not be run"):
        removals.run(shop, ["tests/test_till.py"], 60)


def test_without_removals_nothing_was_proven(shop: Path) -> None:
    assert removals.main([], shop) == 1
