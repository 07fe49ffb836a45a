"""The made-up firms: the same from the same seed, strangers to the guess, and measured by a check that can fail."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from bench import evaluate
from bench.firms import firm
from bench.mails import mails_of
from bench.played import steps
from pipeline.signs import KINDS

BENCH = Path(evaluate.__file__).parent


def test_the_same_seed_makes_the_same_firm_and_another_another() -> None:
    one, same, other = ((made.directory(), mails_of(made)) for made in (firm(3), firm(3), firm(4)))
    assert one == same
    assert one != other


def test_no_address_is_a_real_ones() -> None:
    """Sample data is plainly sample: reserved domains, or a name at Gmail that says so."""
    made = firm(5)
    addresses = {mail["from"] for mail in mails_of(made)} | {
        address for client in made.clients for c in client.listed for address in c["addresses"]
    }
    assert addresses
    assert [a for a in addresses if not (a.rstrip(">").endswith((".example", ".test")) or ".sample" in a)] == []


@pytest.mark.parametrize("module", ["firms", "mails", "words"])
def test_the_generator_shares_no_code_with_the_guess(module: str) -> None:
    tree = ast.parse((BENCH / f"{module}.py").read_text(encoding="utf-8"))
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    ours = {name.partition(".")[0] for name in imported} & {path.parent.name for path in BENCH.parent.glob("*/__init__.py")}
    assert ours <= {"bench"}
    assert {name for name in imported if name.startswith("bench")} <= {"bench.firms", "bench.words", "bench.mails"}


def test_mail_in_doubt_is_most_of_it_and_the_truth_is_there_to_be_found() -> None:
    asked = [step for step in steps(51) if step.asked and step.left]
    assert len(asked) > 100
    assert all(step.left <= {known.client_id for known in step.asked.evidence.known} for step in asked if step.asked)
    assert {step.asked.is_new for step in asked if step.asked} == {True, False}


def test_the_seeds_of_fitting_and_of_measuring_are_apart() -> None:
    from bench import fit

    assert (set(fit.SEEDS), set(evaluate.SEEDS)) == (set(range(1, 51)), set(range(51, 101)))


def test_the_guess_beats_the_others_on_a_few_firms_and_every_kind_is_counted() -> None:
    total = evaluate.Counts()
    for seed in (51, 52, 53):
        total.add(evaluate.counted(seed))
    assert all(total.margin(part) > 5 for part in evaluate.PARTS)
    assert {kind for part, kind in total.right if part == "asked about"} >= set(KINDS)


def test_the_check_fails_where_the_guess_is_no_better_or_a_kind_earns_nothing() -> None:
    total = evaluate.counted(51)
    assert total.of["all in doubt"]
    for name in ("most recent", "most frequent"):
        total.right["asked about", name] = total.right["asked about", "guess"]
    total.right["asked about", "history"] = total.right["asked about", "guess"]
    said = list(evaluate.complaints(total))
    assert any(line.startswith("asked about: the guess is only 0.0 points better") for line in said)
    assert "history earns only 0.00 points: it must earn 0.5, or go." in said


def test_the_two_files_for_postroom_eval_can_be_written(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "bench.firms", "7", str(tmp_path)], check=True, cwd=BENCH.parent)  # ours
    assert len((tmp_path / "mails.jsonl").read_text(encoding="utf-8").splitlines()) == len(mails_of(firm(7)))
