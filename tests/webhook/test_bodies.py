"""Bodies that are too large or too slow, over a bare socket, so that what the server does with the connection is seen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.webhook.hook import PATH, Hook, claims, news
from tests.webhook.queue import jobs

LIMIT = 1000
GIGABYTE = 2**30


class Line:
    """One connection to the endpoint, on which a push was begun."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def status(self) -> int:
        """Of the answer, which has come before the body ended."""
        head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 3)
        return int(head.split()[1])

    async def closed(self) -> bool:
        """Whether the server has hung up; false if it still listens."""
        try:
            return await asyncio.wait_for(self._reader.read(), 2) == b""
        except TimeoutError:
            return False


@asynccontextmanager
async def a_line(hook: Hook, *framing: str, authorization: str | None = None) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection(*hook.address)
    said = hook.bearer() if authorization is None else authorization
    lines = [f"POST {PATH} HTTP/1.1", "Host: postroom.example", f"Authorization: {said}", *framing]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    try:
        yield Line(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def test_a_body_that_says_how_large_it_is_is_read_to_the_limit_only(hook: Hook) -> None:
    """Scenario 16."""
    hook.with_other(body_limit=LIMIT)
    async with a_line(hook, f"Content-Length: {GIGABYTE}") as line:
        await line.send(b" " * (LIMIT + 1))
        assert (await line.status(), await line.closed()) == (413, True)
    assert (hook.looked_up, jobs()) == ([], [])


async def test_a_body_without_a_stated_size_is_read_to_the_limit_only(hook: Hook) -> None:
    """Scenario 16."""
    hook.with_other(body_limit=LIMIT)
    async with a_line(hook, "Transfer-Encoding: chunked") as line:
        for _ in range(11):
            await line.send(chunk(b" " * 100))
        assert (await line.status(), await line.closed()) == (413, True)
    assert (hook.looked_up, jobs()) == ([], [])


async def test_a_body_as_large_as_the_limit_is_read(hook: Hook) -> None:
    """Scenario 16."""
    hook.with_other(body_limit=LIMIT)
    answer = await hook.push(news().ljust(LIMIT))
    assert (answer.status, answer.counted) == (204, {"queued": 1})
    answer = await hook.push(news().ljust(LIMIT + 1))
    assert (answer.status, answer.counted) == (413, {"too large": 1})


@pytest.mark.parametrize("framing", ["Content-Length: 500", "Transfer-Encoding: chunked"])
async def test_a_body_that_trickles_is_not_waited_for(hook: Hook, framing: str) -> None:
    """Scenario 16."""
    hook.with_other(body_timeout=0.04)
    async with a_line(hook, framing) as line:
        await line.send(chunk(b" " * 20))
        assert (await line.status(), await line.closed()) == (408, True)
    assert (hook.looked_up, jobs()) == ([], [])


@pytest.mark.parametrize(("claim", "status"), [({"exp": 1}, 401), ({"email": "somebody@else.example"}, 403)])
async def test_the_body_of_who_may_not_push_is_not_read_at_all(hook: Hook, claim: dict[str, object], status: int) -> None:
    """Scenarios 1, 2, 16."""
    async with a_line(hook, f"Content-Length: {GIGABYTE}", authorization=f"Bearer {hook.keys.sign(claims(**claim))}") as line:
        assert (await line.status(), await line.closed()) == (status, True)


async def test_a_sender_that_hangs_up_harms_nobody(hook: Hook) -> None:
    """Scenario 16."""
    async with a_line(hook, "Content-Length: 500") as line:
        await line.send(b"{")
    assert (await hook.push()).status == 204
