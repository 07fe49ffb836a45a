"""What headers tell: when, which, and of which thread."""

from datetime import UTC, datetime, timedelta

import pytest

from gmail.message import Headers, date_of, headers_of, message_id, thread_root
from tests.gmail.google import NOON, a_message


def headers(*fields: tuple[str, str], **more: object) -> Headers:
    return headers_of(a_message(*fields, payload={"mimeType": "text/plain"}, **more))


def test_a_message_is_read_once_into_our_types() -> None:
    read = headers(("Subject", "=?iso-8859-1?Q?Gr=FC=DFe?="), historyId="18446744073709551615", internalDate="1700000000123")
    assert read == Headers(
        id="m1",
        thread_id="t1",
        labels=frozenset({"INBOX", "UNREAD"}),
        history_id=2**64 - 1,
        internal_at=datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC),
        size=1234,
        fields=(("Subject", "=?iso-8859-1?Q?Gr=FC=DFe?="),),
    )
    assert read.first("SUBJECT") == "Grüße"
    assert read.first("Date") is None


@pytest.mark.parametrize(("sent", "means"), [(2**53 + 1, 2**53 + 1), ("007", 7), (2**64 - 1, 2**64 - 1)])
def test_history_ids_are_read_exactly(sent: object, means: int) -> None:
    """Scenario 9."""
    assert headers(historyId=sent).history_id == means


@pytest.mark.parametrize("sent", ["-1", -1, 1.0, True, "1e3", "\u0663", 2**64, "9" * 5000, None, ""])
def test_what_is_no_history_id_is_none(sent: object) -> None:
    """Scenario 9."""
    assert headers(historyId=sent).history_id is None


@pytest.mark.parametrize(
    ("value", "means"),
    [
        ("=?UTF-8?Q?a_=C3=A9?= =?UTF-8?Q?b?= c", "a éb c"),
        ("=?utf-8?B?w4?= =?utf-8?B?pA==?=", "ä"),
        ("=?utf-8*de?Q?=C3=A4?=", "ä"),
        ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
        ("=?gb2312?B?xOO6ww==?=", "你好"),
        ("=?iso-8859-1?Q?=C3=A4?=", "ä"),
        ("plain\r\n\tfolded  text", "plain folded text"),
        ("tidy\x00\x07\u202e\ud83d", "tidy"),
        ("=?utf-8?Q?never closed", "=?utf-8?Q?never closed"),
        ("=?zip?Q?=78?= =?punycode?Q?x?=", "xx"),
    ],
)
def test_subjects_become_readable_lines(value: str, means: str) -> None:
    """Scenario 107."""
    assert headers(("Subject", value)).first("subject") == means


@pytest.mark.parametrize(
    ("date", "is_taken"),
    [
        ("Mon, 23 Nov 2026 11:58:00 +0000", True),
        ("Mon, 23 Nov 2026 13:58:00 +0200 (CEST)", True),
        ("Tue, 24 Nov 2026 11:58:00 +0000", True),
        ("Wed, 25 Nov 2026 11:58:00 +0000", False),
        ("Mon, 1 Jan 1900 00:00:00 +0000", False),
        ("Fri, 31 Dec 9999 23:59:59 -2359", False),
        ("Mon, 99 Nov 2026 99:99:99 +0000", False),
        ("yesterday", False),
        ("", False),
    ],
)
def test_an_absurd_date_gives_way_to_googles(date: str, is_taken: bool) -> None:
    """Scenario 108."""
    read = headers(("Date", date))
    assert (date_of(read) != NOON) is is_taken
    assert date_of(read) is not None


def test_without_a_date_header_google_says_when_and_without_google_the_topmost_relay() -> None:
    """Scenario 108."""
    assert date_of(headers()) == NOON
    relays = (("Received", "by mx.example.com; Mon, 23 Nov 2026 11:00:00 +0000"), ("Received", "from a; Sun, 22 Nov 2026 10:00:00 +0000"))
    without_google = headers(*relays, internalDate=None)
    assert without_google.received_at == NOON - timedelta(hours=1)
    assert date_of(without_google) == NOON - timedelta(hours=1)
    assert date_of(headers(internalDate="99999999999999999")) is None


@pytest.mark.parametrize(
    "written",
    [
        "<a.B+1@Mail.Example.COM>",
        " <a.B+1@mail.example.com> ",
        "a.B+1@MAIL.example.com",
        "<a.B+1@\r\n mail.example.com>",
        "(an id) <a.B+1@mail.example.com> (it was)",
        "a.B+1@mail.example.com (comment)",
    ],
)
def test_one_message_id_in_all_its_spellings_is_one_key(written: str) -> None:
    """Scenario 54."""
    assert message_id(headers(("Message-Id", written))) == "a.B+1@mail.example.com"


@pytest.mark.parametrize("written", ["", " ", "<>", "()"])
def test_an_empty_message_id_is_none(written: str) -> None:
    assert message_id(headers(("Message-ID", written))) is None
    assert message_id(headers()) is None


def test_endless_message_ids_stay_apart_and_fit_an_index() -> None:
    one, other = (message_id(headers(("Message-ID", f"<{'x' * 100_000}{end}@example.com>"))) for end in "ab")
    assert one is not None
    assert one != other
    assert len(one) <= 500


@pytest.mark.parametrize(
    ("fields", "root"),
    [
        ([("References", "<one@EXAMPLE.com> <two@example.com>"), ("In-Reply-To", "<two@example.com>")], "one@example.com"),
        ([("References", "one@example.com\r\n two@example.com")], "one@example.com"),
        ([("References", " "), ("In-Reply-To", "Your mail of Monday <two@example.com>")], "two@example.com"),
        ([("In-Reply-To", "Your mail of Monday")], "own@example.com"),
        ([], "own@example.com"),
    ],
)
def test_the_thread_is_named_by_the_message_that_began_it(fields: list[tuple[str, str]], root: str) -> None:
    """Scenario 56."""
    assert thread_root(headers(*fields, ("Message-ID", "<own@example.com>"))) == root
