"""The pages as tests of them open them: in this process, with what builders made, in a real Chromium."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, BrowserContext

from models.firms import User
from tests.browser.visitor import DESKTOP
from tests.portal.site import Site


@asynccontextmanager
async def signed_in(chromium: Browser, site: Site, user: User | None, **options: Any) -> AsyncIterator[BrowserContext]:
    """A browser profile of its own in which this person, if any, is signed in."""
    width, height = DESKTOP
    context = await chromium.new_context(**({"viewport": {"width": width, "height": height}, "base_url": site.url} | options))
    if user:
        page = await context.new_page()
        await page.goto(await site.link_for(user, mailed=False))
        await page.close()
    try:
        yield context
    finally:
        await context.close()
