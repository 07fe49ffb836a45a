"""Waiting for what processes of their own will do: asked often, with a deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Answer = TypeVar("Answer")
PATIENCE = 15.0  # seconds for a mail's way on a busy machine
GLANCE = 0.03  # seconds


async def eventually(ask: Callable[[], Awaitable[Answer]], what: str, patience: float = PATIENCE) -> Answer:
    """The first answer that is true."""
    until = time.monotonic() + patience
    while not (answer := await ask()):
        assert time.monotonic() < until, f"it never came true that {what}; the last answer was {answer}"
        await asyncio.sleep(GLANCE)
    return answer
