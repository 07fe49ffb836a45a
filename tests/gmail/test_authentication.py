"""What Google found of a sender: only its own topmost header counts, and nothing that a sender writes there counts for it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmail.authentication import verdict
from tests.pipeline.headers import some_headers

GOOGLE = (
    "mx.google.com;\r\n       dkim=pass header.i=@client.example header.s=s1 header.b=AbC;\r\n"
    "       spf=pass (google.com: domain of pat@client.example designates 192.0.2.1 as sender) smtp.mailfrom=pat@client.example;\r\n"
    "       dmarc={} (p=REJECT sp=REJECT dis=NONE) header.from=client.example"
)


def found(*values: str) -> str:
    return verdict(some_headers(*(("Authentication-Results", value) for value in values)))


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("pass", "proven"),
        ("fail", "forged"),
        ("PASS", "proven"),
        ("Fail", "forged"),
        ("none", "unknown"),
        ("temperror", "unknown"),
        ("permerror", "unknown"),
        ("bestguesspass", "unknown"),
        ("passed", "unknown"),
        ("pass-ish", "unknown"),
        ("", "unknown"),
    ],
)
def test_google_s_header_as_it_writes_it(result, expected):
    """Scenario 67."""
    assert found(GOOGLE.format(result)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("mx.google.com; dmarc=fail", "forged"),
        ("MX.Google.com 1; DMARC=fail", "forged"),
        ("mx.google.com (a comment) 1 ; dmarc (one) = (two) fail (three)", "forged"),
        ("mx.google.com; dmarc/1=pass", "proven"),
        ("mx.google.com\r\n\t;\r\n\tdmarc\r\n\t=\r\n\tpass", "proven"),
        ("mx.google.com; dmarc=pass; dmarc=fail", "forged"),
        ("mx.google.com; dmarc=fail; dmarc=pass", "forged"),
        ("mx.google.com; dmarc=pass; dmarc=none", "unknown"),
        ("mx.google.com; dmarc=pass; dmarc=pass", "proven"),
        ("mx.google.com; spf=fail; dkim=fail", "unknown"),
        ("mx.google.com; x-dmarc=fail", "unknown"),
        ("mx.google.com; spf=pass dmarc=pass", "unknown"),
        ("mx.google.com; none", "unknown"),
        ("mx.google.com", "unknown"),
        ("", "unknown"),
        (";;;===", "unknown"),
        ("dmarc=pass", "unknown"),
        # what others say
        ("mx.elsewhere.example; dmarc=pass", "unknown"),
        ("mx.elsewhere.example; dmarc=fail", "unknown"),
        ("mx.google.com.evil.example; dmarc=pass", "unknown"),
        ("evil.example mx.google.com; dmarc=pass", "unknown"),
        ("mx.google.com evil; dmarc=pass", "unknown"),
        ("mx.google.com 1 2; dmarc=pass", "unknown"),
        ("(mx.google.com; dmarc=pass) evil.example; dmarc=pass", "unknown"),
        # words of the sender that Google repeats
        ("mx.google.com; spf=pass (domain of x; dmarc=pass) smtp.mailfrom=x; dmarc=fail", "forged"),
        ("mx.google.com; arc=pass (i=1 dmarc=fail fromdomain=list.example); dmarc=pass", "proven"),
        ('mx.google.com; spf=pass smtp.mailfrom="a; dmarc=pass"@evil.example; dmarc=fail', "forged"),
        ('mx.google.com; spf=pass smtp.mailfrom="a; dmarc=pass"@evil.example', "unknown"),
        ("mx.google.com; spf=pass (a (nested; dmarc=pass) one); dmarc=none", "unknown"),
        ("mx.google.com; spf=pass (domain of \\); dmarc=pass); dmarc=none", "unknown"),
        # which he left in pieces
        ("mx.google.com; spf=pass (domain of ( x); dmarc=pass", "unknown"),
        ("mx.google.com; spf=pass (domain of ( x); dmarc=fail (p=NONE) header.from=client.example", "forged"),
        ('mx.google.com; spf=pass smtp.mailfrom="x; dmarc=fail (p=NONE) header.from=client.example', "forged"),
        ("mx.google.com; spf=pass ) dmarc=pass; dmarc=fail", "forged"),
        ('mx.google.com; spf=pass smtp.mailfrom="x; dmarc=pass', "unknown"),
        ("evil.example; spf=pass (domain; dmarc=fail", "unknown"),
    ],
)
def test_comments_folds_quotes_and_nonsense(value, expected):
    """Scenario 67."""
    assert found(value) == expected


TOPMOST = {GOOGLE.format("fail"): "forged", GOOGLE.format("pass"): "proven", "mx.other.example; dmarc=pass": "unknown", "": "unknown"}


@pytest.mark.parametrize("written", ["mx.google.com; dmarc=pass", "mx.google.com; dmarc=fail", "evil.example; dmarc=pass"])
@pytest.mark.parametrize(("topmost", "expected"), TOPMOST.items())
def test_only_the_topmost_header_counts_whatever_a_sender_has_written_below(topmost, expected, written):
    """Scenario 67."""
    assert found(topmost, written) == expected
    assert found(topmost, written, written) == expected


@pytest.mark.parametrize(
    "name", ["ARC-Authentication-Results", "X-Authentication-Results", "Received-SPF", "Authentication-Results-Original"]
)
def test_other_headers_prove_nothing(name):
    """Scenario 67."""
    assert verdict(some_headers((name, GOOGLE.format("pass")))) == verdict(some_headers()) == "unknown"
    assert verdict(some_headers((name, GOOGLE.format("pass")), ("AUTHENTICATION-results", GOOGLE.format("fail")))) == "forged"


PIECES = st.sampled_from(
    ["mx.google.com", ";", "dmarc", "=", "pass", "fail", " ", "(", ")", '"', "\\", "1", "/", "\r\n ", "é", "\x00", "\udcff"]
)


@given(st.lists(st.lists(PIECES, max_size=20).map("".join), max_size=3))
def test_nothing_that_a_sender_writes_raises_or_undoes_google_s_word(values):
    """Scenarios 62, 67."""
    assert found(*values) in ("proven", "forged", "unknown")
    assert found(GOOGLE.format("fail"), *values) == "forged"


@given(st.lists(PIECES, max_size=12).map("".join))
def test_no_address_of_a_sender_s_that_google_repeats_takes_its_word_away(sender):
    """Scenario 67. Should Google repeat it in a comment and in a value as it came, the failure that follows is found."""
    repeated = f"spf=pass (google.com: domain of {sender} designates 192.0.2.1 as sender) smtp.mailfrom={sender}"
    assert found(f"mx.google.com; {repeated}; dmarc=fail (p=NONE) header.from=client.example") == "forged"


@pytest.mark.parametrize("flood", ["(", '"', "\\", "dmarc=", ";", "()", "dmarc ", " "])
def test_a_header_of_any_length_is_read_in_a_moment(flood):
    """Scenario 62."""
    started = time.process_time()
    found("mx.google.com; " + flood * (200_000 // len(flood)))
    assert time.process_time() - started < 1
