"""How moments, sizes and numbers of things are shown."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from portal.rendering import counted, listed, size
from portal.times import UNIVERSAL, full, short, span, zone_of

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
    assert short(NOW - ago, NOW, UNIVERSAL) == shown


BERLIN, SYDNEY = ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Sydney")


def test_moments_are_shown_in_the_readers_zone_wherever_they_come_from() -> None:
    there = timezone(timedelta(hours=5, minutes=30))
    at = datetime(2026, 3, 5, 2, 0, tzinfo=there)
    assert full(at, UNIVERSAL) == "Wednesday, 4 March 2026, 20:30 UTC"
    assert full(at, BERLIN) == "Wednesday, 4 March 2026, 21:30 CET"
    assert full(at, SYDNEY) == "Thursday, 5 March 2026, 07:30 AEDT"
    assert short(datetime(2026, 3, 5, 14, 0, tzinfo=there), NOW, BERLIN) == "09:30"


def test_the_same_day_is_the_readers_day() -> None:
    late = datetime(2026, 3, 4, 23, 30, tzinfo=UTC)
    assert short(late, NOW, UNIVERSAL) == "Wed 23:30"
    assert short(late, NOW, BERLIN) == "00:30", "in Berlin that was today"


def test_a_span_over_the_change_of_the_clock_names_both_ends() -> None:
    before, after = datetime(2026, 3, 29, 0, 30, tzinfo=UTC), datetime(2026, 3, 29, 2, 30, tzinfo=UTC)
    assert span(before, after, UNIVERSAL) == "Sunday, 29 March 2026, 00:30 to 02:30 UTC"
    assert span(before, after, BERLIN) == "Sunday, 29 March 2026, 01:30 CET to Sunday, 29 March 2026, 04:30 CEST"


@pytest.mark.parametrize("told", [None, "", "Nowhere/Atlantis", "../../etc/passwd", "Europe/Berlin\0", "<b>", "posixrules"])
def test_what_is_no_zone_is_passed_over(told: str | None) -> None:
    assert zone_of(told) == UNIVERSAL
    assert zone_of(told, "Europe/Berlin") == BERLIN


def test_sizes_and_counts_read_as_words() -> None:
    assert [size(n) for n in (0, 340, 1_000, 340_000, 3_400_000)] == ["0 bytes", "340 bytes", "1 KB", "340 KB", "3.4 MB"]
    assert [counted(n, "mail") for n in (0, 1, 1_200)] == ["0 mails", "1 mail", "1,200 mails"]
    assert [listed(list(names)) for names in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
