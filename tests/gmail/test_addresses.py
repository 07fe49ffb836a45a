"""Address headers as senders really write them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmail.message import Address, addresses, headers_of
from tests.gmail.google import a_message


def read(*values: str, name: str = "To") -> list[tuple[str, str]]:
    headers = headers_of(a_message(*((name, value) for value in values)))
    return [(each.name, each.address) for each in addresses(headers, "to")]


@pytest.mark.parametrize(
    ("value", "means"),
    [
        ("eva@example.com", [("", "eva@example.com")]),
        ("Eva Meyer <Eva@Example.com>", [("Eva Meyer", "Eva@Example.com")]),
        ('"Meyer, Eva" <eva@example.com>, bob@example.com', [("Meyer, Eva", "eva@example.com"), ("", "bob@example.com")]),
        ("Meyer, Eva <eva@example.com>", [("Meyer, Eva", "eva@example.com")]),
        ('"boss@other.test" <eva@example.com>', [("boss@other.test", "eva@example.com")]),
        ("boss@other.test <eva@example.com>", [("boss@other.test", "eva@example.com")]),
        ('"Boss <boss@other.test>" <eva@example.com>', [("Boss <boss@other.test>", "eva@example.com")]),
        ("=?utf-8?Q?Boss_=3Cboss=40other=2Etest=3E=2C?= <eva@example.com>", [("Boss <boss@other.test>,", "eva@example.com")]),
        ("=?utf-8?B?R8O8?= =?utf-8?B?bnRlcg==?= <g@example.com>", [("Günter", "g@example.com")]),
        ("=?no-such-charset?Q?G=FCnter?= <g@example.com>", [("Günter", "g@example.com")]),
        ("=?utf-8?B?%%%?= <g@example.com>", [("", "g@example.com")]),
        ("undisclosed-recipients:;", []),
        ("Team: a@example.com, Bob <b@example.com>;, c@ex.test", [("", "a@example.com"), ("Bob", "b@example.com"), ("", "c@ex.test")]),
        ("'eva@example.com' <'eva@example.com'>", [("eva@example.com", "eva@example.com")]),
        ("<<eva@example.com>>", [("", "eva@example.com")]),
        ("< eva@example.com >", [("", "eva@example.com")]),
        ("Eva <mailto:eva@example.com>", [("Eva", "eva@example.com")]),
        ("<@relay.test,@other.test:eva@example.com>", [("", "eva@example.com")]),
        ("eva@example.com (Eva (at home) Meyer)", [("Eva (at home) Meyer", "eva@example.com")]),
        ('"eva"@example.com, "e v a"@example.com', [("", "eva@example.com"), ("", '"e v a"@example.com')]),
        ("Eva <eva@example.com, Bob <bob@example.com>", [("Eva", "eva@example.com"), ("Bob", "bob@example.com")]),
        ('"Eva <eva@example.com>', [("Eva", "eva@example.com")]),
        ("Re: Eva <eva@example.com>", [("Eva", "eva@example.com")]),
        ("eva@bücher.example, eva@xn--bcher-kva.example", [("", "eva@bücher.example"), ("", "eva@xn--bcher-kva.example")]),
        ("Eva <eva@example.com", [("Eva", "eva@example.com")]),
        (r"Meyer\, boss\@other.test\, Eva <eva@example.com>", [("Meyer, boss@other.test, Eva", "eva@example.com")]),
        ("eva@example.com: Eva <eva@example.com>", [("eva@example.com: Eva", "eva@example.com")]),
        ("Eva (never closed <eva@example.com>", [("Eva never closed", "eva@example.com")]),
        ("eva@[192.0.2.1]", [("", "eva@[192.0.2.1]")]),
        ("eva@example.com.", [("", "eva@example.com")]),
        ("a@example.com; b@example.com", [("", "a@example.com"), ("", "b@example.com")]),
        ("eva, @example.com, eva@, eva@ex..com, a b@example.com, <>, Eva <>, e@v@a, ,;,", []),
        ("Ev\x00a\ud800 <ev\x00a@example.com>", [("Eva", "eva@example.com")]),
    ],
)  # fmt: skip
def test_addresses_are_found_as_written(value: str, means: list[tuple[str, str]]) -> None:
    """Scenario 62."""
    assert read(value) == means


def test_repeated_headers_are_read_in_order_whatever_their_case() -> None:
    headers = headers_of(a_message(("TO", "a@example.com"), ("Cc", "no@example.com"), ("to", "b@example.com")))
    assert addresses(headers, "To") == (Address("", "a@example.com"), Address("", "b@example.com"))


def test_a_mail_to_four_hundred_is_read_in_full_and_one_to_a_hundred_thousand_in_part() -> None:
    """Scenario 74."""
    assert len(read(", ".join(f'"Name, {n}" <n{n}@example.com>' for n in range(400)))) == 400
    assert len(read(*[", ".join(f"n{n}@example.com" for n in range(10_000))] * 10)) == 2000


@pytest.mark.parametrize(
    "bait", ["<", '"', "(", ":", "a@b:", ",", "a,", "\\", '"<', "(\\", "=?a?q?", "=?utf-8?b?AA==?=", "a@b<", " ", "<@", "'", ";("]
)
def test_a_megabyte_of_bait_costs_less_than_a_second(bait: str) -> None:
    started = time.process_time()
    read(bait * (1_000_000 // len(bait)))
    assert time.process_time() - started < 1


@given(st.text(alphabet=st.sampled_from("ab@.,;:<>()\"\\' \t=?\r\nü\x00\ud800"), max_size=60))
def test_nothing_makes_it_raise_and_what_it_finds_can_be_stored(value: str) -> None:
    for name, address in read(value):
        assert "@" in address
        assert "\x00" not in f"{name}{address}"
        f"{name}{address}".encode()
