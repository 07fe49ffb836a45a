"""Google's public keys: cached, renewed, kept through an outage."""

import asyncio

import aiohttp
import pytest

from gmail.certs import Certs, keys_of
from gmail.errors import CertsUnavailable
from tests.gmail.google import Google, Reply

ONE, TWO = "-----BEGIN PUBLIC KEY-----\none", "-----BEGIN PUBLIC KEY-----\ntwo"
JWK = {"kid": "jwk", "kty": "RSA", "e": "AQAB", "n": "u" * 342}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def asked(google: Google, times: int) -> None:
    """Waits for a renewal in the background."""
    async with asyncio.timeout(5):
        while len(google.asked) < times:
            await asyncio.sleep(0.005)
    assert len(google.asked) == times


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def certs(google: Google, session: aiohttp.ClientSession, clock: Clock) -> Certs:
    return Certs(session, f"{google.url}/certs", clock)


async def test_keys_are_fetched_once_for_as_long_as_google_says(google: Google, certs: Certs, clock: Clock) -> None:
    """Scenario 7."""
    google.answers(Reply(body={"one": ONE}, headers={"Cache-Control": "public, max-age=1000, must-revalidate"}))
    for later in (0, 1, 998):
        clock.now += later
        assert await certs.keys("one") == {"one": ONE}
    assert len(google.asked) == 1
    clock.now += 1
    await certs.keys("one")
    await asked(google, 2)


async def test_keys_without_a_term_are_kept_five_minutes(google: Google, certs: Certs, clock: Clock) -> None:
    google.answers({"one": ONE})
    for later in (0, 299, 1):
        clock.now += later
        await certs.keys("one")
    await asked(google, 2)


async def test_who_knows_the_key_never_waits_for_google(google: Google, certs: Certs, clock: Clock) -> None:
    """Scenario 7."""
    google.answers({"one": ONE}, Reply(503, {}))
    await certs.keys("one")
    clock.now += 10_000
    assert await certs.keys("one") == {"one": ONE}
    assert len(google.asked) == 1, "the renewal goes on beside it"
    await asked(google, 2)


async def test_an_unknown_key_is_looked_for_but_not_all_the_time(google: Google, certs: Certs, clock: Clock) -> None:
    """Scenario 7."""
    google.answers({"one": ONE}, {"one": ONE, "two": TWO})
    await certs.keys("one")
    assert "two" not in await certs.keys("two")
    clock.now += 30
    assert (await certs.keys("two"))["two"] == TWO
    assert len(google.asked) == 2


@pytest.mark.parametrize("failure", [Reply(503, {"one": TWO}), Reply(200, b"<html>busy</html>"), Reply(200, {})])
async def test_known_keys_survive_an_outage_and_without_any_it_is_said(google: Google, certs: Certs, clock: Clock, failure: Reply) -> None:
    """Scenario 7."""
    google.answers(failure, Reply(body={"one": ONE}), failure)
    with pytest.raises(CertsUnavailable):
        await certs.keys("one")
    for _ in range(3):
        assert await certs.keys("one") == {"one": ONE}
        assert await certs.keys("unknown") == {"one": ONE}, "waits for the renewal, which fails"
        clock.now += 10_000
    assert len(google.asked) == 4


async def test_nobody_at_home_is_said(session: aiohttp.ClientSession) -> None:
    """Scenario 7."""
    with pytest.raises(CertsUnavailable):
        await Certs(session, "http://127.0.0.1:1/certs").keys("one")


def test_both_forms_of_keys_are_read_and_what_is_none_is_left_out() -> None:
    assert keys_of(b'{"one": "-----BEGIN CERTIFICATE-----", "odd": 5, "other": "no key"}') == {"one": "-----BEGIN CERTIFICATE-----"}
    odd = [
        {"kid": "odd", "kty": "EC"},
        {"kid": "bad", "n": 5, "e": 5},
        {"kid": "even", "n": "AAAA", "e": "AQAB"},
        5,
        {"n": JWK["n"], "e": "AQAB"},
    ]
    read = keys_of(str({"keys": [JWK, *odd]}).replace("'", '"').encode())
    assert list(read) == ["jwk"]
    assert read["jwk"].startswith("-----BEGIN PUBLIC KEY-----")
    assert keys_of(b"[]") == keys_of(b"no") == keys_of(b"[" * 99_999) == {}
