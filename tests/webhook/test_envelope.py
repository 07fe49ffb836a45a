"""What Pub/Sub delivers, read: in every form that is known, and never with an error."""

import base64
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.marks import Marks
from tests.webhook.hook import SAM, SAMS, Hook, news, wrapped
from tests.webhook.queue import jobs
from webhook.envelope import Told, Unreadable, read

PAYLOAD = {"emailAddress": SAM, "historyId": 2000}


def coded(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


@pytest.mark.parametrize(("body", "because"), [
    (b"", "not json"),
    (b"sample", "not json"),
    (b"\xff\xfe\x00", "not json"),
    (b'"\\ud800"', "not json"),
    (b"[" * 100_000, "not json"),
    (b"null", "not json"),
    (b"7", "not json"),
    (b"[]", "not json"),
    (json.dumps([PAYLOAD]).encode(), "not json"),
    (b'{"message": null}', "no data"),
    (b'{"message": []}', "no data"),
    (b'{"message": "sample"}', "no data"),
    (b'{"message": {}}', "no data"),
    (b'{"message": {"attributes": {"a": "b"}, "messageId": "1"}}', "no data"),
    (b'{"message": {"data": null}}', "no data"),
    (b'{"message": {"data": ["e30="]}}', "no data"),
    (wrapped("not base64!"), "not base64"),
    (wrapped("e30=e30="), "not base64"),
    (wrapped("ÿÿÿÿ"), "not base64"),
    (wrapped("A"), "not base64"),
    (wrapped(""), "not json"),
    (wrapped(coded("sample")), "not json"),
    (wrapped(coded(b"\xff")), "not json"),
    (wrapped([PAYLOAD]), "not json"),
    (wrapped({}), "no address"),
    (b"{}", "no address"),
    (wrapped({"historyId": 2000}), "no address"),
    (wrapped({"emailAddress": "", "historyId": 2000}), "no address"),
    (wrapped({"emailAddress": " ", "historyId": 2000}), "no address"),
    (wrapped({"emailAddress": [SAM], "historyId": 2000}), "no address"),
])  # fmt: skip
def test_what_cannot_be_read_is_named(body: bytes, because: str) -> None:
    """Scenario 8."""
    assert read(body) == Unreadable(because)


def test_data_is_read_in_both_alphabets_with_and_without_padding() -> None:
    """Scenario 8."""
    payload = json.dumps({"emailAddress": "sam+~~~???@sample.test", "historyId": 2000})
    standard = coded(payload)
    assert standard.endswith("=")
    assert "+" in standard + coded(payload.replace("?", ">"))
    for data in (standard, standard.replace("+", "-").replace("/", "_")):
        for ending in (data, data.rstrip("=")):
            assert read(wrapped(ending)) == Told("sam+~~~???@sample.test", 2000)


@pytest.mark.parametrize(("written", "exactly"), [
    (1, 1),
    (2**53 + 1, 2**53 + 1),
    (2**63 + 1, 2**63 + 1),
    (2**64 - 1, 2**64 - 1),
    ("2000", 2000),
    (str(2**53 + 1), 2**53 + 1),
    (str(2**64 - 1), 2**64 - 1),
    ("000002000", 2000),
])  # fmt: skip
def test_a_history_id_is_read_exactly(written: Any, exactly: int) -> None:
    """Scenario 9."""
    assert read(news(history_id=written)) == Told(SAM, exactly)


@pytest.mark.parametrize("written", [
    None, 0, "0", -1, "-1", 2**64, str(2**64), 10**40, "9" * 41, "9" * 5000, 2000.0, 2000.5, True, "", " ", " 2000", "+2000", "2_000",
    "2000.0", "0x7d0", "²", "٣", [2000], {"id": 2000},
])  # fmt: skip
def test_a_history_id_that_cannot_be_is_named(written: Any) -> None:
    """Scenario 9."""
    assert read(news(history_id=written)) == Unreadable("no history id")


def test_a_history_id_that_is_missing_is_named() -> None:
    """Scenario 9."""
    assert read(wrapped({"emailAddress": SAM})) == Unreadable("no history id")


@pytest.mark.parametrize("body", [
    json.dumps(PAYLOAD).encode(),
    json.dumps(PAYLOAD | {"historyId": "2000", "labelIds": ["INBOX"]}).encode(),
    wrapped(PAYLOAD, attributes={"sample": "value"}, orderingKey="key", message_id="136969346945", publish_time="2026-11-23T12:00:00Z"),
    json.dumps({"deliveryAttempt": 5, "subscription": "sample", "message": {"data": coded(json.dumps(PAYLOAD))}}).encode(),
    json.dumps({"message": {"data": coded(json.dumps(PAYLOAD | {"more": [1]}))}}, indent=2).encode(),
])  # fmt: skip
def test_unwrapped_payloads_and_whatever_comes_along_are_read_just_the_same(body: bytes) -> None:
    """Scenario 18."""
    assert read(body) == Told(SAM, 2000)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["message", "data", "emailAddress", "historyId"]), inner),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@example(b"[" * 100_000)
@example(b'{"emailAddress": "sam@sample.test", "historyId": ' + b"9" * 60_000 + b"}")
@given(st.binary(max_size=80) | VALUES.map(lambda value: json.dumps(value).encode()) | VALUES.map(wrapped))
def test_reading_never_raises(body: bytes) -> None:
    """Scenarios 8, 9."""
    match read(body):
        case Told(address, history_id):
            assert address.strip()
            assert 0 < history_id < 2**64
        case Unreadable(because):
            assert because in {"not json", "no data", "not base64", "no address", "no history id"}


@settings(max_examples=100, deadline=None)
@given(address=st.text(min_size=1, max_size=30).filter(str.strip), history_id=st.integers(1, 2**64 - 1), as_text=st.booleans())
def test_whatever_gmail_tells_is_read_to_the_letter(address: str, history_id: int, as_text: bool) -> None:
    """Scenarios 9, 18."""
    assert read(news(address, str(history_id) if as_text else history_id)) == Told(address, history_id)


@pytest.mark.parametrize(("body", "outcome"), [
    (b"sample", "not json"),
    (b"[]", "not json"),
    (b'{"message": {}}', "no data"),
    (wrapped("not base64!"), "not base64"),
    (wrapped({"historyId": 2000}), "no address"),
    (news(history_id=-1), "no history id"),
])  # fmt: skip
async def test_the_unreadable_is_acknowledged_and_counted(hook: Hook, body: bytes, outcome: str) -> None:
    """Scenarios 8, 9."""
    answer = await hook.push(body)
    assert (answer.status, answer.text, answer.counted) == (204, "", {outcome: 1})
    assert (hook.looked_up, jobs()) == ([], [])


@pytest.mark.parametrize("written", [2**53 + 1, str(2**64 - 1), "000002000"])
async def test_what_is_told_reaches_the_mark_exactly(hook: Hook, marks: Marks, written: Any) -> None:
    """Scenario 9."""
    answer = await hook.push(news(history_id=written))
    assert (answer.status, answer.counted) == (204, {"queued": 1})
    assert await marks.take(SAMS) == int(written)


async def test_an_unwrapped_push_is_queued_too(hook: Hook) -> None:
    """Scenario 18."""
    answer = await hook.push(json.dumps(PAYLOAD).encode())
    assert (answer.status, [mailbox for mailbox, *_ in jobs()]) == (204, [SAMS])
