"""The list of scenarios and the tests that prove them are compared by reading both, never by running anything."""

from pathlib import Path

import pytest

from tools import scenarios

PAGE = """\
## Push

| No. | | Situation | What Postroom does |
|---:|:-:|---|---|
| 1 | | nobody signed the push | answers 401 |
| 2 | **N** | somebody else signed it | answers 403 |
| 3 | | it comes twice | works once |
"""


def a_checkout(folder: Path, page: str = PAGE, **modules: str) -> Path:
    """A checkout with that list of scenarios and, by name, these test modules."""
    (folder / "docs").mkdir()
    (folder / "docs" / "scenarios.md").write_text(page)
    (folder / "tests" / "webhook").mkdir(parents=True)
    for name, source in modules.items():
        (folder / "tests" / "webhook" / f"{name}.py").write_text(source)
    return folder


def a_test(docstring: str, name: str = "test_it") -> str:
    return f'async def {name}() -> None:\n    """{docstring}"""\n'


def test_the_report_names_the_tests_of_each_scenario_and_those_without_any(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkout = a_checkout(tmp_path, test_push=a_test("A stranger is refused. Scenario 2."), test_twice=a_test("Scenarios 2 and 3."))

    assert scenarios.main([], checkout) == 0

    assert capsys.readouterr().out.splitlines() == [
        "   1   not yet",
        "   2 N tests/webhook/test_push.py::test_it",
        "   2 N tests/webhook/test_twice.py::test_it",
        "   3   tests/webhook/test_twice.py::test_it",
        "2 of 3 scenarios are proven, 1 not yet.",
    ]


def test_a_check_fails_with_the_scenarios_that_nothing_proves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkout = a_checkout(tmp_path, test_push=a_test("Scenario 2."))

    assert scenarios.main(["--check", "1-2,3"], checkout) == 1

    assert capsys.readouterr().out.splitlines() == [
        "   1 no test cites it: nobody signed the push",
        "   3 no test cites it: it comes twice",
    ]


def test_a_check_passes_in_silence_when_the_range_is_proven(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkout = a_checkout(tmp_path, test_push=a_test("Scenarios 2-3."))

    assert scenarios.main(["--check", "2,3"], checkout) == 0

    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("arguments", [[], ["--check", "1"]])
def test_a_test_that_cites_a_scenario_that_does_not_exist_is_an_error(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout = a_checkout(tmp_path, test_push=a_test("Scenarios 1 and 4."))

    assert scenarios.main(arguments, checkout) == 1

    assert capsys.readouterr().out == "tests/webhook/test_push.py::test_it cites scenario 4, which docs/scenarios.md does not have\n"


def test_a_check_of_a_number_that_does_not_exist_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scenarios.main(["--check", "3-5"], a_checkout(tmp_path, test_push=a_test("Scenario 3."))) == 1

    assert capsys.readouterr().out == "docs/scenarios.md does not have 4, 5\n"


@pytest.mark.parametrize("wrong", ["", "5-3", "1,,2", "all", "1-2-3", "-4"])
def test_a_range_that_makes_no_sense_is_an_error(wrong: str, tmp_path: Path) -> None:
    assert scenarios.main([f"--check={wrong}"], a_checkout(tmp_path)) == 1


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("Scenario 12.", {12}),
        ("Scenarios 12, 13 and 14.", {12, 13, 14}),
        ("Scenarios 12, 13, and 14.", {12, 13, 14}),
        ("Scenarios 36-38, 40–41.", {36, 37, 38, 40, 41}),
        ("Said first.\n\n    Scenarios 12,\n    13.\n", {12, 13}),
        ("One of (Scenario 7) and another: Scenario 9.", {7, 9}),
        ("Scenario 12, 3 mails at once.", {12}),
        ("Scenarios 12, 13. 5 mails.", {12, 13}),
        ("The scenario 12 of somebody else, and a Scenario without a number.", set()),
        ("", set()),
    ],
)
def test_a_docstring_cites_in_any_of_the_ways_in_which_people_write(docstring: str, expected: set[int]) -> None:
    assert scenarios.cited(docstring) == expected


def test_only_test_functions_prove_something(tmp_path: Path) -> None:
    source = f'''\
"""Scenario 1."""

def builder() -> None:
    """Scenario 1."""

class TestPush:
    """Scenario 1."""

    def test_method(self) -> None:
        """Scenario 3."""

{a_test("Scenario 2.")}
'''
    checkout = a_checkout(tmp_path, test_push=source, builders=a_test("Scenario 1."))

    assert list(scenarios.citations(checkout / "tests")) == [
        ("tests/webhook/test_push.py::TestPush::test_method", 3),
        ("tests/webhook/test_push.py::test_it", 2),
    ]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("| 4 | | a situation without a promise |", "four cells"),
        ("| 4 | nasty | a situation | a promise |", "four cells"),
        ("| 4a | | a situation | a promise |", "four cells"),
        ("| 3 | | the same number again | a promise |", "3 stands there twice"),
    ],
)
def test_a_row_that_cannot_be_read_is_an_error(row: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scenarios.main([], a_checkout(tmp_path, page=PAGE + row + "\n")) == 1

    assert complaint in capsys.readouterr().out


def test_a_page_without_scenarios_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scenarios.main([], a_checkout(tmp_path, page="# Nothing yet\n")) == 1

    assert "no scenario" in capsys.readouterr().out


def test_the_list_of_this_checkout_counts_from_1_without_a_hole() -> None:
    found = scenarios.read(scenarios.CHECKOUT / "docs" / "scenarios.md")

    assert list(found) == list(range(1, max(130, len(found)) + 1))


def test_no_test_of_this_checkout_cites_a_scenario_that_is_not_in_its_list() -> None:
    found = scenarios.read(scenarios.CHECKOUT / "docs" / "scenarios.md")

    scenarios.prove(found, scenarios.citations(scenarios.CHECKOUT / "tests"))
