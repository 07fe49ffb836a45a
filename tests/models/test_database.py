"""The one way to open a transaction: whole or not at all, again after what passes, and no connection is ever leaked."""

import asyncio
import threading
from collections.abc import AsyncIterator

import asyncpg
import pytest
from tortoise.connection import get_connection

from models.database import connection, transaction
from models.firms import Firm


@pytest.fixture
async def whole_pool(database: None) -> AsyncIterator[None]:
    """Before and after, every connection of the pool can be had at once."""
    yield
    pool = get_connection("default")._pool
    assert pool.get_idle_size() == pool.get_size()
    everyone = asyncio.Barrier(pool.get_max_size())

    async def asks() -> None:
        async with connection() as held:
            await held.fetchval("SELECT 1")
            await everyone.wait()

    async with asyncio.timeout(5):
        await asyncio.gather(*(asks() for _ in range(pool.get_max_size())))


class Attempts:
    """Work that something happens to at its first attempts: it writes a firm, then meets `first`."""

    def __init__(self, first: str, failures: int = 1) -> None:
        self.first, self.failures, self.count = first, failures, 0

    async def __call__(self, held) -> str:
        self.count += 1
        await held.execute("INSERT INTO firm (name, provider, file_all_sent, created_at) VALUES ('Sample', 'google', false, now())")
        if self.count <= self.failures:
            await held.execute(self.first)
        return "done"


PASSING = {
    "deadlock": "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$",
    "serialisation failure": "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$",
    "terminated": "SELECT pg_terminate_backend(pg_backend_pid())",
}


@pytest.mark.parametrize(("what", "failures"), [("deadlock", 2), ("serialisation failure", 1), ("terminated", 1)])
async def test_what_passes_is_cured_by_the_whole_transaction_again(whole_pool, what, failures):
    """Scenario 122."""
    work = Attempts(PASSING[what], failures)
    assert await transaction(work) == "done"
    assert (work.count, await Firm.all().count()) == (failures + 1, 1)


async def test_a_real_deadlock_is_seen_by_nobody(whole_pool):
    """Scenario 122. Two transactions that lock the same rows in opposite order."""
    one, other = [await Firm.create(name=name) for name in ("One", "Other")]
    both_hold_one = asyncio.Barrier(2)
    attempts = 0

    async def crosswise(held, first: Firm, second: Firm) -> None:
        nonlocal attempts
        attempts += 1
        await held.execute("SET LOCAL deadlock_timeout = '10ms'")
        await held.execute("UPDATE firm SET provider = provider || 'x' WHERE id = $1", first.id)
        if attempts <= 2:
            await both_hold_one.wait()
        await held.execute("UPDATE firm SET provider = provider || 'x' WHERE id = $1", second.id)

    await asyncio.gather(transaction(lambda held: crosswise(held, one, other)), transaction(lambda held: crosswise(held, other, one)))
    assert attempts == 3
    assert [firm.provider for firm in await Firm.all()] == ["googlexx", "googlexx"]


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        ("INSERT INTO firm SELECT * FROM firm", asyncpg.UniqueViolationError),
        ("SELECT 1 / 0", asyncpg.DivisionByZeroError),
        ("SELEKT", asyncpg.PostgresSyntaxError),
    ],
)
async def test_what_does_not_pass_is_raised_at_once_and_leaves_nothing(whole_pool, broken, error):
    work = Attempts(broken)
    with pytest.raises(error):
        await transaction(work)
    assert (work.count, await Firm.all().count()) == (1, 0)


async def test_an_error_of_our_own_rolls_back_and_is_not_tried_again(whole_pool):
    async def work(held) -> None:
        await held.execute("INSERT INTO firm (name, provider, file_all_sent, created_at) VALUES ('Sample', 'google', false, now())")
        raise ZeroDivisionError

    for _ in range(30):  # more often than the pool has connections
        with pytest.raises(ZeroDivisionError):
            await transaction(work)
    assert await Firm.all().count() == 0


async def test_connections_that_were_dropped_behind_our_back_are_replaced(whole_pool, postgres):
    """BEGIN is the first to notice: it must not take its connection along."""
    for _ in range(3):
        drop_every_connection(postgres.url)
        assert set(await asyncio.gather(*(transaction(lambda held: held.fetchval("SELECT 1")) for _ in range(10)))) == {1}


def drop_every_connection(url: str) -> None:
    """The loop stands still meanwhile: its pool cannot have heard of it."""

    async def drop() -> None:
        operator = await asyncpg.connect(url)
        await operator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()"
        )
        await operator.close()

    thread = threading.Thread(target=asyncio.run, args=[drop()])
    thread.start()
    thread.join()


async def test_a_long_wait_is_ended_by_the_server_and_not_by_us(whole_pool):
    """Cancelling a task inside a transaction would leak its connection; so the server knows the limits."""
    async with connection() as held:
        limits = {
            name: await held.fetchval(f"SHOW {name}")
            for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        }
    assert limits == {"statement_timeout": "15s", "lock_timeout": "10s", "idle_in_transaction_session_timeout": "30s"}
