"""What a push needs is away: Google's certificates, the broker, the database. Google sends again, and nothing is lost."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping

import asyncpg
import pytest
from tortoise.exceptions import DBConnectionError

from gmail.certs import UNKNOWN_KEY_PAUSE, Certs
from pipeline.announce import News
from pipeline.broker import WakingBroker
from pipeline.jobs import sync_mailbox
from pipeline.marks import Marks
from pipeline.marks import connection as marks_connection
from sandbox.keys import Keys
from settings import load
from tests.gmail.google import Google, Reply
from tests.servers import Server, running_valkey
from tests.webhook.hook import SAMS, Hook, claims, news
from tests.webhook.queue import jobs

DOWN = Reply(503, b"busy")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def own_valkey() -> Iterator[Server]:
    """One to stop and start."""
    with running_valkey() as server:
        yield server


@pytest.fixture
def broker(own_valkey: Server) -> Iterator[WakingBroker]:
    broker = WakingBroker(url=own_valkey.url, middleware=[])
    yield broker
    broker.client.connection_pool.disconnect()


@pytest.mark.parametrize("form", [Keys.certificates, Keys.jwks])
async def test_without_any_certificate_google_sends_again_and_with_one_an_outage_is_not_felt(
    hook: Hook, google: Google, keys: Keys, form: Callable[[Keys], object]
) -> None:
    """Scenario 7."""
    google.answers(DOWN, DOWN, Reply(body=form(keys)), DOWN)
    for _ in range(2):
        answer = await hook.push()
        assert (answer.status, answer.counted, hook.looked_up, jobs()) == (503, {"no certs": 1}, [], [])
    assert [(await hook.push(jti=number)).status for number in range(3)] == [204] * 3
    assert (len(google.asked), len(jobs())) == (3, 1)


async def test_known_certificates_go_on_working_when_they_are_stale_and_cannot_be_fetched(hook: Hook, google: Google, keys: Keys) -> None:
    """Scenario 7."""
    clock = Clock()
    hook.with_other(certs=Certs(hook.session, f"{google.url}/certs", clock))
    google.answers(Reply(body=keys.certificates(), headers={"Cache-Control": "max-age=600"}), DOWN)
    assert (await hook.push(jti="first")).status == 204
    clock.now += 100_000
    assert [(await hook.push(jti=number)).status for number in range(3)] == [204] * 3


async def test_an_unknown_key_makes_it_fetch_anew(hook: Hook, google: Google, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Scenario 7."""
    clock, rotated = Clock(), Keys(tmp_path_factory.mktemp("rotated"))
    hook.with_other(certs=Certs(hook.session, f"{google.url}/certs", clock))
    google.answers(Reply(body=keys.certificates()), Reply(body=keys.certificates() | rotated.certificates()))
    new_token = f"Bearer {rotated.sign(claims())}"
    assert (await hook.push()).status == 204
    assert (await hook.push(authorization=new_token)).status == 401, "asked for a moment ago"
    clock.now += UNKNOWN_KEY_PAUSE
    assert (await hook.push(authorization=new_token)).status == 204
    assert (await hook.push(jti="with the old key")).status == 204
    assert len(google.asked) == 2


async def test_the_broker_is_down_and_the_push_that_comes_again_is_queued(hook: Hook, own_valkey: Server, broker: WakingBroker) -> None:
    """Scenario 12."""
    async with marks_connection(own_valkey.url) as client:
        hook.with_other(marks=Marks(client, load().limits.mark), send=through(broker))
        own_valkey.stop()
        answer = await hook.push()
        assert (answer.status, answer.counted) == (503, {"broker down": 1})
        own_valkey.start()
        answer = await hook.push()
        assert (answer.status, answer.counted) == (204, {"queued": 1})
    assert [job[0] for job in jobs(broker=broker)] == [SAMS]


async def test_a_mark_whose_job_was_not_queued_does_not_swallow_the_push_that_comes_again(
    hook: Hook, own_valkey: Server, broker: WakingBroker
) -> None:
    """Scenario 12. The marks are there, the queue is not."""
    hook.with_other(send=through(broker))
    own_valkey.stop()
    answers = await asyncio.gather(*(hook.post(news(history_id=2000 + n), hook.bearer()) for n in range(3)))
    assert [status for status, *_ in answers] == [503] * 3, "nobody who waited for this round is told that it is safe"
    own_valkey.start()
    answer = await hook.push()
    assert (answer.status, answer.counted) == (204, {"queued": 1})
    assert [job[0] for job in jobs(broker=broker)] == [SAMS]
    assert (await hook.push()).status == 204
    assert jobs(broker=broker) == [], "the mark is trusted again"


@pytest.mark.parametrize("error", [
    ConnectionRefusedError(), TimeoutError(), asyncpg.ConnectionDoesNotExistError(), asyncpg.InterfaceError("closed"), DBConnectionError(),
])  # fmt: skip
async def test_the_database_is_down_and_google_sends_again(hook: Hook, error: Exception) -> None:
    """Scenario 12."""
    hook.with_other(look_up=failing(error))
    answer = await hook.push()
    assert (answer.status, answer.counted, jobs()) == (503, {"database down": 1}, [])


async def test_a_mailbox_found_a_moment_ago_is_queued_while_the_database_is_down(hook: Hook) -> None:
    errors: list[Exception] = []

    async def look_up(address: str) -> tuple[tuple[int, ...], bool]:
        if errors:
            raise errors[0]
        return (SAMS,), True

    hook.with_other(look_up=look_up)
    assert (await hook.push()).status == 204
    errors.append(ConnectionRefusedError())
    assert (await hook.push()).status == 204
    assert (await hook.push(news("new@sample.test"))).status == 503


def through(broker: WakingBroker) -> Callable[[Mapping[int, News]], Awaitable[None]]:
    """Sends as `send_sync_jobs` does, but to another broker."""

    def send(mailboxes: Mapping[int, News]) -> None:
        for mailbox, told in mailboxes.items():
            broker.enqueue(sync_mailbox.message(mailbox, told.trace, told.told_at))

    return lambda mailboxes: asyncio.to_thread(send, mailboxes)


def failing(error: Exception) -> Callable[[str], Awaitable[tuple[tuple[int, ...], bool]]]:
    async def look_up(address: str) -> tuple[tuple[int, ...], bool]:
        raise error

    return look_up
