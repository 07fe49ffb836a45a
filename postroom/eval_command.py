"""`postroom eval`: how well the guess does on a firm's own mail. It reads two files, and neither settings nor a database."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from postroom.command import AsJson, counted_as, show

if TYPE_CHECKING:
    from pipeline.yardsticks import Tally


def evaluate(
    mails: Annotated[Path, typer.Option(help="JSON lines, a mail each, with the client whose it truly is.", dir_okay=False)],
    directory: Annotated[Path, typer.Option(help="JSON: clients and their contacts.", dir_okay=False)],
    seed: Annotated[int, typer.Option(help="For the random guess, which stands beside the others.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Replay mail whose client is known: how often the guess is right, beside simpler ones. Touches no database. See docs/eval.md."""
    from time import perf_counter

    from pipeline.replay import replay
    from pipeline.yardsticks import Tally, ranks
    from postroom.eval_files import read_directory, read_mails, staffed
    from postroom.eval_values import NotReadable

    try:
        book, names = read_directory(_content(directory), str(directory))
        read = read_mails(_content(mails), names, str(mails))
    except NotReadable as wrong:
        _refuse(str(wrong))
    tally = Tally(ranks(seed), perf_counter)
    for step in replay(staffed(book, read), read):
        tally.add(step)
    if as_json:
        typer.echo(json.dumps(facts(tally)))
    else:
        _tell(tally)


def facts(tally: "Tally") -> dict[str, object]:
    return {
        "mails": tally.mails,
        "ambiguous": tally.ambiguous,
        "new_threads": tally.new,
        "top1": {name: _share(tally.right[name], tally.ambiguous) for name in tally.ranks},
        "top1_new_threads": {name: _share(tally.right_new[name], tally.new) for name in tally.ranks},
        "truth_among_candidates": _share(tally.among, tally.ambiguous),
        "asked_for_nothing": tally.asked_for_nothing,
        "wrongly_filed": tally.wrongly_filed,
        "missed": tally.missed,
        "microseconds_per_mail": round(tally.microseconds, 1),
    }


def _tell(tally: "Tally") -> None:
    show(("what guesses", "right at once", "of new threads"), [(name, *_in_words(tally, name)) for name in tally.ranks])
    for line in _lines(tally):
        typer.echo(line)


def _in_words(tally: "Tally", name: str) -> Iterator[str]:
    for right, of in ((tally.right[name], tally.ambiguous), (tally.right_new[name], tally.new)):
        yield f"{right / of:.1%} ({right:,} of {of:,})" if of else "none to guess"


def _lines(tally: "Tally") -> Iterator[str]:
    yield f"{counted_as(tally.mails, 'mail')}, {tally.ambiguous:,} in doubt, {tally.new:,} of them in threads not decided about."
    yield f"The truth is among the candidates of {tally.among:,} of the {tally.ambiguous:,}. One guess takes {tally.microseconds:.0f} µs."
    yield f"Filed as certain, but wrongly: {tally.wrongly_filed:,}. A client's, but missed: {tally.missed:,}."
    yield f"Asked about, but no client's, or none's but what is certain: {tally.asked_for_nothing:,}."


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        _refuse(f"{file} cannot be read: {error.strerror}.")


def _refuse(sentence: str) -> NoReturn:
    """Exit code 2, as for an option that is wrong: what was given cannot be used."""
    typer.echo(sentence.encode(errors="replace").decode(), err=True)
    raise typer.Exit(2)
