"""Where links really lead, as browsers read them, and which of them say otherwise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.links import link_of, straight, warning


@pytest.mark.parametrize(
    ("written", "address", "leads_to"),
    [
        ("https://Example.com/a?b#c", "https://example.com/a?b#c", "example.com"),
        ("  HTTPS://example.com:8080", "https://example.com:8080", "example.com"),
        ("https:/evil.test", "https://evil.test", "evil.test"),
        ("https:\\\\evil.test\\a", "https://evil.test\\a", "evil.test"),
        ("https://bank.example@evil.test/", "https://bank.example@evil.test/", "evil.test"),
        ("https://bank.example/@evil.test", "https://bank.example/@evil.test", "bank.example"),
        ("https://evil.test\\@bank.example", "https://evil.test\\@bank.example", "evil.test"),
        ("https://%65vil.test/", "https://evil.test/", "evil.test"),
        ("https://ｅvil。test/", "https://evil.test/", "evil.test"),
        ("https://b\u00e4nk.example/", "https://xn--bnk-qla.example/", "xn--bnk-qla.example"),
        ("ht\ntps://evil.te\tst", "https://evil.test", "evil.test"),
        ("mailto:pat@example.com?subject=x", "mailto:pat@example.com?subject=x", "pat@example.com"),
        ("tel:+49 30 1", "tel:+49 30 1", "+49 30 1"),
    ],
)
def test_a_link_leads_where_a_browser_would_go(written: str, address: str, leads_to: str) -> None:
    """Scenario 109."""
    link = link_of(written)
    assert link is not None
    assert (link.address, link.leads_to) == (address, leads_to)


@pytest.mark.parametrize(
    "written",
    [
        *("javascript:alert(1)", "java\tscript:alert(1)", "\x01javascript:x", "data:text/html,x", "vbscript:x", "file:///etc/passwd"),
        *("cid:x", "blob:https://evil.test/x", "about:blank", "/sign-out", "//evil.test", "relative", "", "https://", "mailto:", "tel:"),
        *("https://evil.test%2fbank.example", "https://exa mple.com", "https://evil\u202e.test", "https://" + "a" * 300),
    ],
)
def test_a_link_that_leads_nowhere_or_does_something_is_none(written: str) -> None:
    """Scenario 109."""
    assert link_of(written) is None


@pytest.mark.parametrize(
    ("words", "written", "told"),
    [
        ("https://bank.example/login", "https://evil.test/", "evil.test"),
        ("bank.example", "https://evil.test/", "evil.test"),
        ("Visit www.bank.example, now", "https://evil.test/", "evil.test"),
        ("b\u200bank.example", "https://evil.test/", "evil.test"),
        ("https://b\u00e4nk.example", "https://bank.example", "bank.example"),
        ("bank.example", "https://bank.example.evil.test/", "bank.example.evil.test"),
        ("bank", "https://bank.example@evil.test/", "evil.test"),
        ("our bank", "https://xn--bnk-qla.example/", "xn--bnk-qla.example"),
        ("pat@bank.example", "https://evil.test/", "evil.test"),
        (" " * 5000 + "bank.example", "https://evil.test/", "evil.test"),
        ("bank.example", "https://bank.example/", None),
        ("www.bank.example", "https://bank.example/", None),
        ("bank.example", "https://login.bank.example/", None),
        ("https://bank.example/a…", "https://bank.example/a/b", None),
        ("invoice.pdf", "https://files.test/", None),
        ("Click here", "https://evil.test/", None),
        ("1.5", "https://evil.test/", None),
        ("the docs, e.g. those", "https://evil.test/", None),
    ],
)
def test_words_that_look_like_another_address_are_warned_of(words: str, written: str, told: str | None) -> None:
    """Scenario 109."""
    link = link_of(written)
    assert link is not None
    assert warning(words, link) == (f"⚠ leads to {told}" if told else None)


def test_a_mail_address_in_the_words_must_be_the_one_that_is_written_to() -> None:
    link = link_of("mailto:evil@evil.test")
    assert link is not None
    assert warning("pat@bank.example", link) == "⚠ writes to evil@evil.test"
    assert warning("evil@evil.test", link) is None
    assert warning("Write to us", link) is None


@given(st.text(max_size=60))
def test_whatever_is_written_an_address_that_is_kept_is_one_of_three_kinds(written: str) -> None:
    """Scenario 109."""
    for start in ("", "https://", "mailto:"):
        link = link_of(start + written)
        assert link is None or link.address[:4].lower() in ("http", "mail", "tel:")
        assert link is None or straight(link.leads_to) == link.leads_to


def test_what_turns_text_round_is_taken_out() -> None:
    """Scenario 109."""
    assert straight("invoice\u202efdp.exe\u2066\u2069\u202a") == "invoicefdp.exe"
