"""Gmail's search terms."""

from typing import Any

import pytest

from sandbox.search import question, shows_hidden
from sandbox.state import Message


def a_message(**changed: Any) -> Message:
    usual = {
        "id": "1",
        "thread_id": "1",
        "labels": ["INBOX", "UNREAD"],
        "internal_date": 1_700_000_000_500,
        "history_id": 1,
        "size": 1,
        "snippet": "please pay",
        "message_id": "<M1@client.test>",
        "sender": "carl <carl@client.test>",
        "to": "anna@firm.test",
        "cc": "bert@firm.test",
        "bcc": "secret@firm.test",
        "subject": "Invoice 12",
        "has_attachment": False,
        "arrived_at": 1,
        "order": 1,
    }
    return Message(**{**usual, **changed})


@pytest.mark.parametrize(
    ("q", "fits"),
    [
        ("", True),
        ("from:carl@client.test", True),
        ("from:CARL@client.test", True),
        ("from:other@client.test", False),
        ("to:anna@firm.test", True),
        ("to:bert@firm.test", True),
        ("bcc:secret@firm.test", True),
        ("cc:anna@firm.test", False),
        ("subject:invoice", True),
        ("rfc822msgid:M1@client.test", True),
        ("rfc822msgid:<M1@client.test>", True),
        ("rfc822msgid:m1@client.test", False),
        ("after:1699999999", True),
        ("after:1700000000", False),
        ("before:1700000001", True),
        ("before:1700000000", False),
        ("after:2023/11/14", True),
        ("after:2023/11/15", False),
        ("before:2023/11/14", False),
        ("in:inbox", True),
        ("in:sent", False),
        ("in:anywhere", True),
        ("label:UNREAD", True),
        ("is:unread", True),
        ("is:read", False),
        ("has:attachment", False),
        ("pay", True),
        ('"please pay"', True),
        ("-pay", False),
        ("-in:sent from:carl", True),
        ("from:carl from:dora", False),
        ("from:carl OR from:dora", True),
        ("from:dora OR to:anna@firm.test after:1699999999", True),
        ("{from:dora from:carl}", True),
        ("{from:dora from:eve}", False),
        ("from:(dora OR carl)", True),
        ("from:(dora OR eve)", False),
        ("(from:carl to:anna@firm.test) -is:read", True),
        ('{from:"carl@client.test" to:"carl@client.test" cc:"carl@client.test" bcc:"carl@client.test"}', True),
        ('{from:"dora@client.test" to:"dora@client.test" cc:"dora@client.test" bcc:"secret@firm.test"}', True),
        ('{from:"dora@client.test" from:"eve@client.test" to:"dora@client.test" cc:"carl@client.test"}', False),
        ('after:1699999999 before:1700000001 {from:"dora@client.test" cc:"bert@firm.test"}', True),
        ('after:1700000001 {from:"carl@client.test" cc:"bert@firm.test"}', False),
        ("(from:carl", True),
        ("from:carl)", True),
        (") from:dora", False),
    ],
)
def test_a_search_fits_or_does_not(q: str, fits: bool) -> None:
    assert question(q)(a_message()) is fits


def test_only_a_search_that_names_them_shows_spam_and_trash() -> None:
    assert [shows_hidden(q) for q in ("in:spam", "in:anywhere x", "label:trash", "in:inbox", "spam")] == [True, True, True, False, False]
