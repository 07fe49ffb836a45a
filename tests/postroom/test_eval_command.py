"""`postroom eval` as somebody runs it: two files in, figures out, and clear words where a file cannot be taken."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from postroom.cli import app
from postroom.eval_files import directory_of, mail_of
from postroom.eval_values import NotReadable

PAT, LEE = "pat@shared.example", "lee@quay.example"
CLIENTS: list[dict[str, Any]] = [
    {"id": "a", "name": "Harbour Bakery", "contacts": [{"name": "Pat", "addresses": [PAT]}]},
    {"id": "b", "name": "Quay Dental", "number": "1014", "contacts": [{"address": PAT}, LEE]},
]


def a_mail(number: int, truth: object, **more: Any) -> dict[str, Any]:
    plain = {"id": f"m{number}", "date": f"2026-05-{number:02}T10:00:00+02:00", "from": PAT, "to": ["eva@firm.test"], "subject": "Question"}
    return plain | {"text": "Hello", "thread": f"t{number}", "mailbox": "eva@firm.test", "truth": truth} | more


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def run(folder: Path, mails: list[Any] | str, directory: object = None, *words: str) -> Result:
    lines = mails if isinstance(mails, str) else "".join(json.dumps(mail) + "\n" for mail in mails)
    (folder / "mails.jsonl").write_text(lines, encoding="utf-8")
    told = directory if isinstance(directory, str) else json.dumps(CLIENTS if directory is None else directory)
    (folder / "clients.json").write_text(told, encoding="utf-8")
    files = ["--mails", str(folder / "mails.jsonl"), "--directory", str(folder / "clients.json")]
    return CliRunner().invoke(app, ["eval", *files, *words])


def facts(folder: Path, mails: list[Any], directory: object = None) -> dict[str, Any]:
    said = run(folder, mails, directory, "--json")
    assert said.exit_code == 0, said.output
    told: dict[str, Any] = json.loads(said.stdout)
    return told


def test_it_counts_what_was_right_and_what_was_not(folder: Path) -> None:
    """The first is a guess without evidence; the second is named; the third is certain, and the fourth wrongly so; the fifth is missed."""
    mails = [
        a_mail(1, "b"),
        a_mail(2, "a", subject="Harbour Bakery: figures"),
        a_mail(3, "b", **{"from": LEE}),
        a_mail(4, "a", **{"from": LEE}),
        a_mail(5, "a", **{"from": "who@nowhere.example"}),
        a_mail(6, None, **{"from": "shop@nowhere.example"}),
        a_mail(7, None),
    ]
    told = facts(folder, mails)
    assert (told["mails"], told["ambiguous"], told["new_threads"]) == (7, 2, 2)
    assert (told["wrongly_filed"], told["missed"], told["asked_for_nothing"]) == (1, 1, 1)
    assert told["truth_among_candidates"] == 1
    assert told["top1"] | {"random": None} == {
        "guess": 0.5, "most recent": 0, "most frequent": 0, "same subject, else recent": 0, "random": None,
    }  # fmt: skip
    assert told["microseconds_per_mail"] > 0


def test_what_a_person_said_counts_for_the_next_mail(folder: Path) -> None:
    """The truth of each mail is known after it, and not before."""
    told = facts(folder, [a_mail(1, "b", thread="t"), a_mail(2, "b", thread="t", subject="Re: Question"), a_mail(3, "b")])
    assert told["top1"]["guess"] == pytest.approx(2 / 3, abs=1e-4)
    assert (told["ambiguous"], told["new_threads"]) == (3, 2)


def test_the_figures_stand_in_words_too(folder: Path) -> None:
    said = run(folder, [a_mail(1, "a"), a_mail(2, "b", subject="Quay Dental")])
    assert said.exit_code == 0
    for words in ("guess", "100.0% (2 of 2)", "most recent", "most frequent", "same subject, else recent", "random", "µs", "missed: 0"):
        assert words in said.stdout


def test_nothing_in_doubt_is_nothing_to_guess(folder: Path) -> None:
    assert "none to guess" in run(folder, [a_mail(1, "b", **{"from": LEE})]).stdout
    assert facts(folder, [a_mail(1, "b", **{"from": LEE})])["top1"]["guess"] is None


def test_an_answer_is_right_if_it_is_one_of_several_truths(folder: Path) -> None:
    assert facts(folder, [a_mail(1, ["b", "a"])])["top1"]["guess"] == 1


@pytest.mark.parametrize(
    "directory",
    [
        {"clients": CLIENTS, "staff": ["@firm.test"], "comment": "more"},
        [client | {"more": 1} for client in CLIENTS],
        [CLIENTS[0] | {"contacts": [{"email": f"Pat <{PAT}>"}, {"emails": ["", LEE]}]}, CLIENTS[1]],
        [{**CLIENTS[0], "domains": None}, {**CLIENTS[1], "domains": "quay.example", "number": 1014}],
    ],
)
def test_a_directory_may_be_written_in_several_ways(folder: Path, directory: object) -> None:
    assert facts(folder, [a_mail(1, "a"), a_mail(2, "b", subject="About 1014")], directory)["top1"]["guess"] == 1


@pytest.mark.parametrize(
    "more",
    [
        {"from": f"Pat Example <{PAT}>"},
        {"from": [PAT], "to": "eva@firm.test"},
        {"to": None, "cc": None, "bcc": None, "thread": None, "mailbox": None, "subject": None, "text": None},
        {"date": "Sun, 3 May 2026 10:30:00 +0200"},
        {"date": "2026-05-03T10:30:00Z"},
        {"date": "2026-05-03 10:30:00"},
        {"date": "2026-05-03"},
        {"unknown": {"more": 1}},
        {"id": 7},
        {"from": PAT.upper()},
        {"from": f'"Example, Pat" <{PAT}>', "cc": ["Nobody", "Kim <kim@other.example>"]},
    ],
)
def test_a_mail_may_be_written_in_several_ways(folder: Path, more: dict[str, Any]) -> None:
    told = facts(folder, [a_mail(1, "a") | more])
    assert (told["ambiguous"], told["top1"]["guess"]) == (1, 1)


def test_ids_may_be_numbers_and_the_lowest_comes_first(folder: Path) -> None:
    numbered = [{**CLIENTS[0], "id": 10}, {**CLIENTS[1], "id": 9}]
    assert facts(folder, [a_mail(1, 9), a_mail(2, "9", thread="x")], numbered)["top1"]["guess"] == 1


@pytest.mark.parametrize(
    ("mails", "directory", "sentence"),
    [
        ('{"id": 1', None, "line 1: this is not JSON"),
        ("[1]\n", None, "line 1: a line must be an object"),
        ([a_mail(1, "a"), {"id": "x"}], None, "line 2: date is missing: give the time at which it was sent"),
        ([a_mail(1, "a") | {"date": "yesterday"}], None, "line 1: date must be a time such as 2026-05-03T10:30:00+02:00"),
        ([a_mail(1, "zz")], None, "line 1: truth names client zz, who is not in the directory: add the client there, or mend the id"),
        ([a_mail(1, "a"), a_mail(1, "a")], None, "line 2: there is a mail m1 already"),
        ([a_mail(1, {"a": 1})], None, "line 1: truth must be a client's id"),
        ([a_mail(1, "a", subject=3)], None, "line 1: subject must be a text"),
        ("\n \n", None, "there is no mail in it"),
        ([a_mail(1, "a")], "[", "clients.json, line 1: this is not JSON"),
        ([a_mail(1, "a")], [], "it must be a list of clients"),
        ([a_mail(1, "a")], [{"name": "No id"}], "client number 1 has no id"),
        ([a_mail(1, "a")], [*CLIENTS, CLIENTS[0]], "client a is there twice"),
        ([a_mail(1, "a")], [{"id": "a", "contacts": [{"name": "Pat"}]}], "client a: a contact has no addresses: give"),
        ([a_mail(1, "a")], [{"id": "a", "contacts": ["no address"]}], "“no address” is no e-mail address: mend it, or leave it out"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_the_place_and_what_to_do(folder: Path, mails: Any, directory: Any, sentence: str) -> None:
    said = run(folder, mails, directory)
    assert said.exit_code == 2
    assert sentence in said.stderr
    assert (said.stdout, len(said.stderr.strip().splitlines())) == ("", 1)


def test_a_file_that_is_not_there_or_no_text_is_refused(folder: Path) -> None:
    said = CliRunner().invoke(app, ["eval", "--mails", str(folder / "none"), "--directory", str(folder / "none")])
    assert (said.exit_code, "cannot be read: No such file or directory." in said.stderr) == (2, True)
    run(folder, [a_mail(1, "a")])
    (folder / "mails.jsonl").write_bytes(b"{}\n\xff\n")
    files = ["--mails", str(folder / "mails.jsonl"), "--directory", str(folder / "clients.json")]
    said = CliRunner().invoke(app, ["eval", *files])
    assert (said.exit_code, "line 2: this is not UTF-8 text: save it as UTF-8" in said.stderr) == (2, True)


def refusal(read: Callable[[], object]) -> str | None:
    """Its words; None where it was read. Anything else that is raised is a crash."""
    try:
        read()
    except NotReadable as wrong:
        return str(wrong)
    return None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from((PAT, "a", "2026-05-03")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("addresses", "address", "name")), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(("id", "date", "from", "to", "cc", "subject", "text", "thread", "mailbox", "truth")), VALUES))
def test_whatever_a_line_holds_it_is_read_or_refused_with_words(told: dict[str, Any]) -> None:
    _, names = directory_of(CLIENTS)
    assert refusal(lambda: mail_of(told, names)) != ""


@given(st.dictionaries(st.sampled_from(("id", "name", "number", "domains", "contacts", "nominated")), VALUES))
def test_whatever_a_client_holds_it_is_read_or_refused_with_words(client: dict[str, Any]) -> None:
    assert refusal(lambda: directory_of([client])) != ""
