"""Made-up firms, replayed: what the guess would have been given, and the truth."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from bench.firms import firm
from bench.mails import mails_of
from pipeline.replay import Step, replay
from postroom.eval_files import directory_of, mail_of

R = TypeVar("R")


def steps(seed: int) -> Iterator[Step]:
    made = firm(seed)
    told = made.directory()
    directory, names = directory_of(told["clients"], told["staff"])
    return replay(directory, [mail_of(mail, names) for mail in mails_of(made)])


def on_two_cores(work: Callable[[int], R], seeds: Iterable[int]) -> list[R]:
    """In the order of the seeds."""
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(work, seeds, chunksize=2))
