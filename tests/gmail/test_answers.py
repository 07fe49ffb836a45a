"""Answers of Gmail's that say nothing: late is better than half."""

import pytest

from gmail.answers import Listing, listing_of
from gmail.errors import TryAgain

NO_LISTINGS: list[object] = [
    None,
    [],
    "x",
    {},
    {"error": {"code": 503, "message": "backend"}},
    {"nextPageToken": "more"},
    {"messages": {"id": "1"}},
    {"messages": [{"threadId": "1"}]},
    {"messages": [{"id": "1"}, {"threadId": "2"}]},
]


@pytest.mark.parametrize("answer", NO_LISTINGS, ids=repr)
def test_an_answer_that_is_no_listing_is_asked_for_again_and_closes_no_gap(answer: object) -> None:
    with pytest.raises(TryAgain):
        listing_of(answer)


def test_a_listing_is_empty_where_gmail_says_so() -> None:
    assert listing_of({"resultSizeEstimate": 0}) == Listing((), None)
    assert listing_of({"resultSizeEstimate": 0, "nextPageToken": "more"}) == Listing((), "more")
    assert listing_of({"messages": [{"id": "1"}]}) == Listing(("1",), None)
