"""What the tests of gmail/ share."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.gmail.google import Google, a_google


@pytest.fixture
async def google() -> AsyncIterator[Google]:
    async with a_google() as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened
