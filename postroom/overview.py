"""What an operator must see at once: what waits, whether push and sweep do their work, and what Google still allows."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Literal

from models.outbox import Outbox, state_of
from models.project import BULK_OF_A_DAY, Waits, waits
from models.sweeps import Figures, Sweep, figures
from pipeline import marks
from postroom.command import counted_as
from postroom.resources import FAULTS
from reconcile.gauges import QUEUES, STATES, waiting
from settings import Settings

SWEPT = ("queued", "pending", "found", "filed", "audited", "pushed", "silent", "late")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queue: how many jobs, and for how many seconds the oldest has waited."""

    jobs: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class RedisAway:
    because: str


@dataclass(frozen=True, slots=True)
class Overview:
    queues: dict[str, Waiting] | RedisAway
    figures: Figures
    sweep: Sweep | None  # the last that has ended
    waits: Waits
    outbox: Outbox
    interval: timedelta
    day_budget: int
    surge_limit: int
    now: datetime

    @property
    def day_share(self) -> float:
        return self.figures.day_units / self.day_budget

    @property
    def sweep_age(self) -> timedelta | None:
        return self.now - self.sweep.closed_at if self.sweep and self.sweep.closed_at else None


@dataclass(frozen=True, slots=True)
class PushHealth:
    """Judged by what the sweep had to find."""

    state: Literal["works", "quiet", "silent", "dead", "unknown"]
    words: str


@dataclass(frozen=True, slots=True)
class Line:
    what: str
    words: str
    alarming: bool


async def look(settings: Settings, now: datetime) -> Overview:
    """One look at everything; without Redis at the rest."""
    counted = await figures(settings.sweep.interval, now)
    queues, last = await _queues(settings.redis.url), await Sweep.last_closed()
    sweep, day_budget = settings.sweep, settings.quota.project_day
    return Overview(queues, counted, last, await waits(now), await state_of(now), sweep.interval, day_budget, sweep.surge_limit, now)


async def _queues(url: str) -> dict[str, Waiting] | RedisAway:
    client = marks.connection(url)  # asked first, for its patience: Dramatiq's own waits for ever
    try:
        await client.ping()
        return {queue: Waiting(*await asyncio.to_thread(waiting, queue)) for queue in QUEUES}
    except FAULTS as error:
        return RedisAway(type(error).__name__)
    finally:
        await client.aclose()


def push_health(counted: Figures, last: Sweep | None) -> PushHealth:
    if last is None:
        return PushHealth("unknown", "no sweep has ended yet: nothing is known")
    if last.push_is_dead:
        finds = (
            f"the sweep found {counted_as(last.found, 'message')}" if last.found else f"{counted_as(last.silent, 'mailbox')} missed mail"
        )
        return PushHealth("dead", f"push is dead: {finds} and no push came for anybody")
    if counted.silent:
        return PushHealth("silent", f"silent for {counted_as(counted.silent, 'mailbox')}")
    return PushHealth("works", "push works") if last.pushed else PushHealth("quiet", "no push came, and none was missed")


def facts(seen: Overview) -> dict[str, object]:
    """For scripts. Moments are ISO 8601; a name that ends in `_s` counts seconds."""
    counted, last, age = seen.figures, seen.sweep, seen.sweep_age
    return {
        "queues": None if isinstance(seen.queues, RedisAway) else {name: asdict(queue) for name, queue in seen.queues.items()},
        "mailboxes": {state: counted.mailboxes.get(state, 0) for state in STATES},
        **{name: getattr(counted, name) for name in ("pending", "parked", "gaps", "silent", "late", "unwatched", "lapsed")},
        "soonest_watch_expiry": counted.soonest_expiry.isoformat() if counted.soonest_expiry else None,
        "sweep": {"age_s": age.total_seconds()} | {name: getattr(last, name) for name in SWEPT} if last and age is not None else None,
        "push": asdict(push_health(counted, last)),
        "letters": {name: getattr(seen.outbox, name) for name in ("due", "held", "failing")},
        "units": {"day": counted.day_units, "budget": seen.day_budget, "share": seen.day_share},
        "waits_s": {rank: wait.total_seconds() for rank, wait in asdict(seen.waits).items()},
    }


def lines(seen: Overview) -> Iterator[Line]:
    """For people."""
    counted, health = seen.figures, push_health(seen.figures, seen.sweep)
    yield from _queue_lines(seen)
    yield Line("mailboxes", ", ".join(f"{counted.mailboxes.get(state, 0)} {state}" for state in STATES), alarming=False)
    yield Line("lapsed within the hour", f"{counted.lapsed}", alarming=counted.lapsed >= seen.surge_limit)
    yield Line("messages", f"{counted.pending} pending, {counted.parked} parked", alarming=counted.parked > 0)
    yield Line("open gaps", f"{counted.gaps}", alarming=False)
    yield Line("late mailboxes", f"{counted.late}", alarming=counted.late > 0)
    yield Line("watches", _watches(counted, seen.now), alarming=counted.unwatched > 0)
    yield Line("sweep", _sweep(seen), alarming=seen.sweep_age is not None and seen.sweep_age > 2 * seen.interval)
    yield Line("push", health.words, alarming=health.state in ("silent", "dead"))
    yield Line("letters", _letters(seen.outbox), alarming=seen.outbox.held > 0 or seen.outbox.failing > 0)
    spent = f"{counted.day_units:,} of {seen.day_budget:,} units of Google's day ({seen.day_share:.1%})"
    yield Line("quota", spent, alarming=seen.day_share >= BULK_OF_A_DAY)
    yield Line("project", _project(seen.waits), alarming=seen.waits.fresh > timedelta(0))


def _queue_lines(seen: Overview) -> Iterator[Line]:
    if isinstance(seen.queues, RedisAway):
        yield Line("queues", f"Redis does not answer ({seen.queues.because}): check redis.url, and that it runs", alarming=True)
        return
    for name, queue in seen.queues.items():
        oldest = f", the oldest for {span(timedelta(seconds=queue.oldest_s))}" if queue.jobs else ""
        words = f"{counted_as(queue.jobs, 'job')} waiting{oldest}"
        yield Line(f"queue {name}", words, alarming=queue.oldest_s > seen.interval.total_seconds())


def _watches(counted: Figures, now: datetime) -> str:
    soonest = counted.soonest_expiry
    if soonest is None:
        ends = "none is set"
    elif soonest > now:
        ends = f"the first ends in {span(soonest - now)}"
    else:
        ends = f"the first ended {span(now - soonest)} ago"
    return f"{counted_as(counted.unwatched, 'mailbox')} without one; {ends}"


def _sweep(seen: Overview) -> str:
    last, age = seen.sweep, seen.sweep_age
    if last is None or age is None:
        return "none has ended yet"
    found = f"{counted_as(last.found, 'message')} found, {last.filed} filed, {last.audited} found by audits"
    return f"ended {span(age)} ago: {counted_as(last.queued, 'mailbox')} queued, {found}"


def _letters(outbox: Outbox) -> str:
    words = f"{outbox.due} due, {outbox.held} held back, {outbox.failing} not taken by the mail server"
    return f"{words}: see `postroom letters status`" if outbox.held or outbox.failing else words


def _project(wait: Waits) -> str:
    held = {"fresh mail": wait.fresh, "the sweep": wait.sweep, "bulk work": wait.bulk}
    return ", ".join(f"{who} waits {span(how_long)}" for who, how_long in held.items() if how_long) or "nothing waits for Google"


def span(how_long: timedelta) -> str:
    """As a person says it, rounded down."""
    seconds = int(how_long.total_seconds())
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
