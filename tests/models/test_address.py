"""Addresses as keys: two spellings of one address give one key."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.address import LONGEST, domain_key, key_of, untagged


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("pat@client.example", "pat@client.example"),
        (" Pat@Client.EXAMPLE ", "pat@client.example"),
        ('"pat"@client.example', "pat@client.example"),
        ('"pat sample"@client.example', None),
        ("STRAßE@client.example", "strasse@client.example"),
        ("ÉVA@client.example", "éva@client.example"),
        ("E\u0301va@client.example", "éva@client.example"),
        ("p.a.t@gmail.com", "pat@gmail.com"),
        ("P.A.T+Tax.2026@GoogleMail.com", "pat+tax.2026@gmail.com"),
        ("p.a.t@client.example", "p.a.t@client.example"),
        ("...@gmail.com", None),
        ("x@BÜCHER.example", "x@xn--bcher-kva.example"),
        ("x@xn--BCHER-kva.example", "x@xn--bcher-kva.example"),
        ("x@bücher。example", "x@xn--bcher-kva.example"),
        ("x@client.example.", "x@client.example"),
        ("x@[192.0.2.1]", None),
        ("x@client..example", None),
        ("x@.example", None),
        ("x@", None),
        ("@client.example", None),
        ("client.example", None),
        ("a@b@client.example", "a@b@client.example"),
        ("a b@client.example", None),
        ("a\x00@client.example", None),
        ("a,b@client.example", None),
        ("x" * LONGEST + "@client.example", None),
        ("", None),
    ],
)
def test_an_address_has_one_key_however_it_is_written(written, key):
    """Scenarios 10, 62."""
    assert key_of(written) == key


@pytest.mark.parametrize(
    ("key", "without"),
    [
        ("pat+tax@client.example", "pat@client.example"),
        ("pat+a+b@client.example", "pat@client.example"),
        ("pat@client.example", "pat@client.example"),
        ("+tax@client.example", "+tax@client.example"),
    ],
)
def test_a_plus_tag_can_be_left_out(key, without):
    """Scenario 62."""
    assert untagged(key) == without


LOCALS = st.text(st.characters(categories=["L", "N"], include_characters="._-'"), min_size=1, max_size=12)
DOMAINS = st.sampled_from(["client.example", "GMAIL.com", "googlemail.com", "Bücher.example"])


@given(LOCALS, DOMAINS)
def test_a_key_is_its_own_key(local, domain):
    """Scenario 62."""
    key = key_of(f"{local}@{domain}")
    assert key is None or key_of(key) == key


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=12), DOMAINS)
def test_case_counts_for_nothing(local, domain):
    """Scenario 62."""
    assert key_of(f"{local.upper()}@{domain.lower()}") == key_of(f"{local.lower()}@{domain.upper()}") is not None


@given(st.text(max_size=60))
@example("\x80@0")
def test_nothing_that_a_header_can_hold_raises(text):
    """Scenario 62."""
    key_of(text)
    domain_key(text)
    key = key_of(f"pat@{text}")
    assert key is None or key.rpartition("@")[2].isascii()
