"""Which messages are looked at further: by label, age and direction."""

from datetime import timedelta

import pytest

from pipeline.rules import FirmRules, is_outgoing, skipped_because, trust_of
from tests.pipeline.headers import NOON, some_headers

EVA = FirmRules(frozenset({"eva@sample.test", "sam@sample.test"}), file_all_sent=False)
EVERYTHING = FirmRules(EVA.colleagues, file_all_sent=True)


def why_not(*fields: tuple[str, str], labels: tuple[str, ...] = ("INBOX",), firm: FirmRules = EVA, started_at=NOON, **more) -> str | None:
    return skipped_because(some_headers(*fields, labels=labels, **more), started_at, firm)


@pytest.mark.parametrize(
    ("labels", "word"),
    [
        (("SPAM",), "spam"),
        (("TRASH", "INBOX"), "trash"),
        (("DRAFT",), "draft"),
        (("CHAT",), "chat"),
        (("SCHEDULED",), "scheduled"),
        ((), None),
        (("INBOX",), None),
        (("CATEGORY_PROMOTIONS", "UNREAD"), None),
        (("Label_7",), None),
    ],
)
@pytest.mark.parametrize("firm", [EVA, EVERYTHING])
def test_labels_hold_back_what_is_no_mail_or_not_wanted_and_nothing_else(labels, word, firm):
    """Scenarios 41, 42, 43, 45, 49."""
    assert why_not(labels=labels, firm=firm) == word


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ([("To", "pat@client.example")], "outgoing"),
        ([("To", "pat@client.example"), ("Cc", "Sam <SAM@Sample.test>")], None),
        ([("To", "pat@client.example"), ("Bcc", "eva@sample.test")], None),
        ([("To", "sam@sample.test")], None),
        ([("From", "eva@sample.test"), ("To", "pat@client.example")], "outgoing"),
    ],
)
def test_sent_mail_is_filed_only_with_a_colleague_or_the_sender_among_its_recipients(fields, word):
    """Scenarios 46, 47."""
    assert why_not(*fields, labels=("SENT",)) == word
    assert why_not(*fields, labels=("SENT",), firm=EVERYTHING) is None
    assert is_outgoing(some_headers(labels=("SENT", "INBOX")))


@pytest.mark.parametrize(("minutes", "word"), [(0, None), (1.9, None), (2.1, "old"), (60 * 24 * 365, "old")])
def test_mail_older_than_the_mailbox_s_start_is_old_but_for_two_clocks_difference(minutes, word):
    """Scenario 40."""
    assert why_not(started_at=NOON + timedelta(minutes=minutes)) == word


def test_without_a_time_of_google_s_the_topmost_received_header_tells_the_age():
    """Scenario 40."""
    received = ("Received", "from a by b; Mon, 23 Nov 2026 08:00:00 +0000"), ("Received", "from c by a; Mon, 23 Nov 2026 20:00:00 +0000")
    assert why_not(*received, internalDate=None) == "old"
    assert why_not(internalDate=None) is None


@pytest.mark.parametrize(
    ("result", "labels", "trust"),
    [
        ("fail", ("INBOX",), "forged"),
        ("fail", ("SENT",), "unknown"),
        ("fail", ("SENT", "INBOX"), "unknown"),
        ("pass", ("INBOX",), "proven"),
        ("pass", ("SENT", "INBOX"), "proven"),
        ("none", ("INBOX",), "unknown"),
    ],
)
def test_what_left_this_mailbox_nobody_forged(result, labels, trust):
    """Scenario 67."""
    assert trust_of(some_headers(("Authentication-Results", f"mx.google.com; dmarc={result}"), labels=labels)) == trust
