"""What one look at a message means for the ledger."""

from datetime import timedelta

import pytest

from models.ledger import Owed, Postponed, Settled
from pipeline import verdicts
from pipeline.verdicts import Patience
from tests.pipeline.headers import NOON, some_headers

WAIT = timedelta(seconds=30)


def patience(after: float = 0) -> Patience:
    return Patience(WAIT, timedelta(seconds=30), NOON + timedelta(seconds=after))


def owed(seen: int = 100, *, tries: int = 0, missing: bool = False, viewed: int = 0) -> Owed:
    return Owed(1, "m1", seen, tries, NOON if missing else None, "push", viewed)


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
