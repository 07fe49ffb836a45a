"""How often the door may be knocked at: who is told to wait, for how long, in which words, and what an outage of Redis changes."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import redis
from prometheus_client import REGISTRY

from models.notices import Notice
from pipeline import marks
from portal.access import Who
from portal.app import PAGES
from portal.knocks import Knock, Knocks, network_of
from settings import load
from tests.builders import a_firm, a_user
from tests.portal.browser import Browser, Page
from tests.portal.conftest import NOWHERE
from tests.portal.site import Site, a_site
from tests.servers import Server, running_valkey

AWAY = "redis://127.0.0.1:9"  # a port on which nobody listens
TIGHT = {"door_links": 3, "door_tokens": 3, "door_google": 3}
ASKS: dict[str, Callable[[Browser], Awaitable[Page]]] = {
    "link": lambda browser: browser.post("/sign-in/link", {"address": "sam@sample.test"}),
    "token": lambda browser: browser.post("/sign-in/unknown"),
    "departure": lambda browser: browser.post("/sign-in/google"),
    "return": lambda browser: browser.get("/oauth/callback?state=unknown"),
}


def refused(of: str) -> float:
    return REGISTRY.get_sample_value("postroom_door_refusals_total", {"of": of}) or 0.0


@asynccontextmanager
async def a_door(limits: dict[str, int], url: str = "") -> AsyncIterator[Site]:
    """Whose knocks are counted in this Redis, or by the process alone."""
    client = marks.connection(url) if url else None
    async with a_site(NOWHERE, client=client, limits=limits) as site:
        yield site
    if client:
        await client.aclose()


@pytest.fixture(params=["valkey", "away", "alone"])
def counted(request: pytest.FixtureRequest, valkey_server: Server, valkey: redis.Redis) -> str:
    return {"valkey": valkey_server.url, "away": AWAY, "alone": ""}[request.param]


def test_whatever_people_without_a_session_may_do_is_counted() -> None:
    """But for what only shows a form."""
    uncounted = {(page.method, page.path) for page in PAGES if page.who is Who.ANYONE and page.knock is None}
    assert uncounted == {("GET", "/sign-in"), ("GET", "/sign-in/link")}


@pytest.mark.parametrize("of", ASKS)
async def test_who_knocks_too_often_is_told_when_to_try_again(database: None, counted: str, of: str) -> None:
    """In Valkey, while it is away, and without one."""
    before = refused(of)
    async with a_door(TIGHT, counted) as site:
        for _ in range(3):
            assert (await ASKS[of](site.browser())).status in (200, 303, 400, 410)
        told = await ASKS[of](site.browser())
        assert told.status == 429
        assert told.heading == "Too many tries for now"
        assert "Try again in 15 minutes." in told.text
        assert 880 < int(told.headers["Retry-After"]) <= 900
        assert told.headers["Cache-Control"] == "no-store"
        assert refused(of) == before + 1
        for other in ASKS.keys() - {of}:
            assert (await ASKS[other](site.browser())).status != 429, "each way in is counted for itself"
        assert (await site.browser().get("/sign-in")).status == 200, "the page that says what ways there are stays"


async def test_who_is_signed_in_already_goes_on_as_before(database: None) -> None:
    async with a_door({"door_tokens": 2}) as site:
        browser = await site.signed_in(await a_user(await a_firm()))
        assert (await site.browser().post("/sign-in/unknown")).status == 429
        assert (await browser.get("/")).status == 200


async def test_a_mail_address_is_counted_whoever_asks_and_whether_or_not_anybody_has_it(database: None, counted: str) -> None:
    """No answer tells whose address is known: not even how often one may ask."""
    await a_user(await a_firm(), "sam@sample.test")
    async with a_door({"door_letters": 2}, counted) as site:
        told = dict[str, list[Page]]()
        for spelt in ("sam@sample.test", "nobody@sample.test"):
            ways = [{"X-Forwarded-For": f"203.0.113.{number}"} for number in range(4)]
            told[spelt] = [await site.browser().post("/sign-in/link", {"address": spelt.title()}, way) for way in ways]
            assert [page.status for page in told[spelt]] == [200, 200, 429, 429]
        known, unknown = ([page.text.lower().replace(spelt, "…") for page in pages] for spelt, pages in told.items())
        assert known == unknown
        assert await Notice.filter(kind="sign_in").count() == 1


async def test_behind_a_proxy_of_ours_each_client_is_counted_for_itself(database: None) -> None:
    async with a_door(TIGHT) as site:

        async def knocks(forwarded: str) -> int:
            return (await site.browser().post("/sign-in/unknown", headers={"X-Forwarded-For": forwarded})).status

        assert [await knocks("203.0.113.1") for _ in range(4)] == [410, 410, 410, 429]
        assert await knocks("203.0.113.2") == 410
        assert await knocks("198.51.100.7, 203.0.113.1") == 429, "the last word is our proxy's, whatever a client wrote before it"
        assert await knocks("2001:db8:1:2::1") == 410


async def test_what_a_stranger_says_of_their_address_is_not_believed(database: None) -> None:
    """With no proxy of ours in between, a header is only somebody's word."""
    plain = load().portal
    async with a_site(NOWHERE, proxies=("192.0.2.1",), limits=TIGHT) as site:
        statuses = [(await site.browser().post("/sign-in/unknown", headers={"X-Forwarded-For": f"203.0.113.{n}"})).status for n in range(4)]
    assert statuses == [410, 410, 410, 429]
    assert plain.trusted_proxies == ("127.0.0.1", "::1")


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::"),
        ("2001:db8:1:2:bbbb::2", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_a_network_of_ipv6_counts_as_one(client: str, network: str) -> None:
    assert network_of(client) == network


async def test_processes_count_together_and_redis_holds_no_ones_address_and_forgets(valkey: redis.Redis, valkey_server: Server) -> None:
    """Scenario 110."""
    settings = load().model_copy(update={"limits": load().limits.model_copy(update={"door_tokens": 2})})
    clients = [marks.connection(valkey_server.url) for _ in range(2)]
    one, other = (Knocks(settings, client) for client in clients)
    assert await one.heard(Knock.TOKEN, "203.0.113.1") is None
    assert await other.heard(Knock.TOKEN, "203.0.113.1") is None
    assert await one.heard(Knock.TOKEN, "203.0.113.1") is not None
    assert await other.heard(Knock.TOKEN, "203.0.113.1") is not None
    assert await other.heard(Knock.TOKEN, "203.0.113.2") is None
    assert await other.asked_for("sam@sample.test") is None
    keys: list[bytes] = valkey.keys("*")  # type: ignore[assignment]
    assert len(keys) == 3
    assert not any(b"203.0" in key or b"sam" in key for key in keys)
    assert all(0 < valkey.ttl(key) <= 900 for key in keys)
    for client in clients:
        await client.aclose()


async def test_a_redis_that_went_and_is_back_counts_again() -> None:
    settings = load().model_copy(update={"limits": load().limits.model_copy(update={"door_tokens": 1})})
    with running_valkey() as server, redis.Redis.from_url(server.url) as look:
        client = marks.connection(server.url)
        knocks = Knocks(settings, client)
        server.stop()
        assert await knocks.heard(Knock.TOKEN, "203.0.113.1") is None, "an outage shuts nobody out"
        assert await knocks.heard(Knock.TOKEN, "203.0.113.1") is not None, "and opens the door to nobody"
        server.start()
        assert await knocks.heard(Knock.TOKEN, "203.0.113.2") is None
        assert len(look.keys("*")) == 1
        await client.aclose()
