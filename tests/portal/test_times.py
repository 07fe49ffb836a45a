"""How moments, sizes and numbers of things are shown."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from portal.rendering import counted, listed, size
from portal.times import full, short

NOW = datetime(2026, 3, 5, 10, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "shown"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=2), "2 min ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=1), "09:45"),
        (timedelta(hours=11), "Wed 23:45"),
        (timedelta(days=5), "Sat 10:45"),
        (timedelta(days=6), "27 Feb"),
        (timedelta(days=70), "25 Dec 2025"),
        (timedelta(hours=-2), "12:45"),
        (timedelta(days=-3), "8 Mar"),
    ],
)
def test_only_the_recent_is_relative(ago: timedelta, shown: str) -> None:
    assert short(NOW - ago, NOW) == shown


def test_moments_are_shown_in_utc_wherever_they_come_from() -> None:
    there = timezone(timedelta(hours=5, minutes=30))
    assert full(datetime(2026, 3, 5, 2, 0, tzinfo=there)) == "Wednesday, 4 March 2026, 20:30 UTC"
    assert short(datetime(2026, 3, 5, 14, 0, tzinfo=there), NOW) == "08:30"


def test_sizes_and_counts_read_as_words() -> None:
    assert [size(n) for n in (0, 340, 1_000, 340_000, 3_400_000)] == ["0 bytes", "340 bytes", "1 KB", "340 KB", "3.4 MB"]
    assert [counted(n, "mail") for n in (0, 1, 1_200)] == ["0 mails", "1 mail", "1,200 mails"]
    assert [listed(list(names)) for names in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
