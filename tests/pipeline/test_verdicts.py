"""What one look at a message means for the ledger."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from models.ledger import Owed, Postponed, Settled
from pipeline import verdicts
from pipeline.verdicts import Patience
from tests.pipeline.headers import NOON, some_headers

WAIT = timedelta(seconds=30)


def patience(after: float = 0, **more: Any) -> Patience:
    return Patience(WAIT, timedelta(seconds=30), NOON + timedelta(seconds=after), **more)


def owed(seen: int = 100, *, tries: int = 0, missing: bool = False, viewed: int = 0, **more: Any) -> Owed:
    return Owed(1, "m1", seen, tries, NOON if missing else None, "push", viewed, **more)


def test_a_first_404_is_asked_again_after_thirty_seconds_and_a_second_is_final():
    """Scenarios 28, 118."""
    assert verdicts.missing(owed(), patience()) == Postponed(owed(), NOON + WAIT, "missing", failed=False)
    early = owed(missing=True)
    assert verdicts.missing(early, patience(29)) == Postponed(early, NOON + WAIT, "missing", failed=False)
    assert verdicts.missing(early, patience(30)) == Settled(early, "gone", "missing", 100)


@pytest.mark.parametrize("word", ["spam", "trash", "draft", "chat", "scheduled"])
def test_an_answer_older_than_the_change_that_made_us_look_does_not_lose_rescued_mail(word):
    """Scenario 119. It may show a label that is gone: asked once more."""
    stale, fresh = some_headers(historyId="99"), some_headers(historyId="100")
    assert verdicts.skipped(owed(), stale, word, patience()) == Postponed(owed(), NOON + WAIT, "stale", failed=False)
    assert verdicts.skipped(owed(), fresh, word, patience()) == Settled(owed(), "skipped", word, 100)
    waited = owed(missing=True)
    assert verdicts.skipped(waited, stale, word, patience(30)) == Settled(waited, "skipped", word, 99)


@pytest.mark.parametrize("word", ["no client", "no address", "old", "outgoing"])
def test_what_no_label_changes_is_settled_at_the_first_look(word):
    """Scenario 39."""
    assert isinstance(verdicts.skipped(owed(), some_headers(historyId="99"), word, patience()), Settled)


def test_an_answer_older_than_the_one_the_outcome_rests_on_waits():
    """Scenario 119."""
    entry = owed(200, viewed=150)
    old, new = some_headers(historyId="149"), some_headers(historyId="150")
    assert verdicts.outdated(entry, old, patience()) == Postponed(entry, NOON + WAIT, "stale", failed=False)
    assert verdicts.outdated(entry, new, patience()) is None
    assert verdicts.outdated(owed(200, viewed=150, missing=True), old, patience(30)) is None
    assert verdicts.filed(entry, old).view == 150


def test_where_gmail_tells_no_history_id_the_record_stands_in():
    """Scenario 38."""
    assert verdicts.filed(owed(123), some_headers(historyId=None)).view == 123
    assert isinstance(verdicts.skipped(owed(123), some_headers(historyId=None), "spam", patience()), Settled)


def test_each_retry_waits_twice_as_long_an_hour_at_most():
    """Scenario 29."""
    waits = [verdicts.failed(owed(tries=tries), "backendError", patience()) for tries in (0, 1, 2, 3, 40)]
    assert [(wait.until - NOON).total_seconds() for wait in waits if isinstance(wait, Postponed)] == [30, 60, 120, 240, 3600]
    assert all(isinstance(wait, Postponed) and wait.failed for wait in waits)


def test_an_answer_older_than_the_change_waits_where_something_is_filed_already():
    """Scenarios 119, 130. It may hide that the message was put away; a message that is not filed yet is not kept waiting."""
    old, new = some_headers(historyId="160"), some_headers(historyId="200")
    entry = owed(200, viewed=150, outcome="filed")
    assert verdicts.outdated(entry, old, patience()) == Postponed(entry, NOON + WAIT, "stale", failed=False)
    assert verdicts.outdated(entry, new, patience()) is None
    assert verdicts.outdated(owed(200, viewed=150, outcome="filed", missing=True), old, patience(30)) is None
    assert verdicts.outdated(owed(200, viewed=150), old, patience()) is None


def test_an_older_answer_never_brings_back_what_was_withdrawn():
    """Scenarios 44, 119. It costs tries, so that it ends some time."""
    entry = owed(200, viewed=150, outcome="withdrawn", missing=True)
    verdict = verdicts.outdated(entry, some_headers(historyId="149"), patience(30))
    assert verdict == Postponed(entry, NOON + 2 * WAIT, "stale", failed=True)
    assert verdicts.outdated(entry, some_headers(historyId="150"), patience(30)) is None


# Put away at once, or later

INTERVAL = timedelta(minutes=10)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def put_away(
    received_at: datetime | None,
    because: str = "trash",
    *,
    outcome: str = "filed",
    pushed: bool = False,
    looked_at: datetime | None = None,
    told_at: datetime = NOON,
    began_at: datetime = NOON,
) -> str:
    """The outcome of a look that sees it in trash: it came at `received_at`, was looked at before at `looked_at`, and we learned at
    `told_at` of the change."""
    headers = some_headers(
        labels=(because.upper(),), historyId="100", internalDate=str(int(received_at.timestamp() * 1000)) if received_at else None
    )
    waits = patience(withdraw=INTERVAL, pushed_id=100 if pushed else 99, last_checked_at=looked_at, began_at=began_at)
    verdict = verdicts.skipped(owed(100, owed_at=told_at, outcome=outcome), headers, because, waits)
    assert isinstance(verdict, Settled)
    assert verdict.reason == because
    return verdict.outcome


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("because", ["trash", "spam"])
def test_what_a_push_tells_was_put_away_within_an_interval_is_withdrawn(because):
    """Scenario 44. Half a minute more, for the clocks."""
    assert put_away(NOON - minutes(10.5), because, pushed=True) == "withdrawn"
    assert put_away(NOON - minutes(10.5) - SECOND, because, pushed=True) == "skipped"


@pytest.mark.parametrize("because", ["trash", "spam"])
def test_what_the_sweep_sees_was_put_away_may_have_been_up_to_half_an_interval_before(because):
    """Scenario 44."""
    ago = NOON - minutes(10)
    assert put_away(NOON - minutes(15), because, looked_at=ago) == "withdrawn"
    assert put_away(NOON - minutes(15) - SECOND, because, looked_at=ago) == "skipped"
    assert put_away(NOON - minutes(11), because, looked_at=NOON - minutes(1)) == "withdrawn"
    assert put_away(NOON - minutes(11) - SECOND, because, looked_at=NOON - minutes(1)) == "skipped"


def test_what_counts_is_when_we_learned_of_it_not_when_gmail_let_us_look():
    """Scenario 130. The look before is that before we learned of it, or not known any more."""
    hour_later = NOON + minutes(60)
    assert put_away(NOON - minutes(11), looked_at=hour_later - minutes(1), began_at=hour_later) == "withdrawn"
    assert put_away(NOON - minutes(16), looked_at=hour_later - minutes(1), began_at=hour_later) == "skipped"


@pytest.mark.parametrize("outcome", [None, "skipped", "withdrawn", "parked", "gone"])
def test_what_is_not_filed_is_not_withdrawn(outcome):
    assert put_away(NOON, pushed=True, outcome=outcome) == "skipped"


@pytest.mark.parametrize("because", ["draft", "scheduled", "no client", "outgoing", "old"])
def test_only_what_its_owner_put_away_is_withdrawn(because):
    """Scenario 44."""
    assert put_away(NOON, because, pushed=True) == "skipped"


def test_what_gmail_tells_no_time_of_stays():
    """Scenario 44. Whether it came lately is not known."""
    assert put_away(None, pushed=True) == "skipped"


def test_what_kills_workers_is_parked_under_the_state_that_was_last_known():
    """Scenario 32."""
    assert verdicts.fatal(owed(200, viewed=150), patience()) == Settled(owed(200, viewed=150), "parked", "kills workers", 200)
    assert verdicts.fatal(owed(0, viewed=150), patience()).view == 150
