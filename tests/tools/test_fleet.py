"""The fleet's own judgement: which visits and which waits break a promise. The fleet itself takes minutes (`make fleet`)."""

import pytest

from tools.fleet import Plan, Seen, tell_mails, tell_visits
from tools.smoke import Failed

PLAN = Plan(healthy=2, failing=1, interval=30, intervals=2, told=1, timeout=2)


def visits(*others: float) -> dict[str, list[float]]:
    """Of two mailboxes, from 100 to 190: one is visited as promised."""
    return {"a": [101, 131, 161, 189], "b": list(others)}


@pytest.mark.parametrize(
    ("others", "broken"),
    [
        ((115, 144, 173), []),
        ((100, 144, 188), []),
        ((115, 144), ["1 times a healthy mailbox was not visited in an interval", "a healthy mailbox waited 1.53 intervals"]),
        ((100, 129, 175, 189), ["1 times a healthy mailbox was not visited in an interval", "a healthy mailbox waited 1.53 intervals"]),
        ((100, 144, 145, 190), ["1 times a healthy mailbox was not visited in an interval"]),
        ((), ["3 times a healthy mailbox was not visited in an interval", "a healthy mailbox waited 3.00 intervals"]),
    ],
)
def test_each_interval_needs_a_visit_and_no_two_may_be_far_apart(others: tuple[float, ...], broken: list[str]) -> None:
    """Scenario 82."""
    assert tell_visits(PLAN, visits(*others), 100, 190) == broken


def test_the_others_mail_may_take_less_than_twice_as_long() -> None:
    """Scenario 128."""
    assert tell_mails([10, 20, 30], [30, 39, 500]) == []
    assert tell_mails([10, 20, 30], [10, 40, 41]) == ["the others' mail took 2.0 times as long"]


def test_mail_that_was_not_filed_breaks_every_promise() -> None:
    seen = Seen(sent={"one": 100.0, "two": 101.0, "later": 200.0}, filed={"one": 100.5, "later": 201.0})
    assert seen.took(100, 101) == [500]
    with pytest.raises(Failed, match="1 of 2 mails"):
        seen.took(100, 200)


def test_the_failing_firm_is_the_last_and_the_others_are_of_one_size() -> None:
    firms = Plan(450, 30, 60, 3, 1, 2).firms()
    assert [len(firm) for firm in firms] == [200, 200, 50, 30]
    assert len({address for firm in firms for address in firm}) == 480
