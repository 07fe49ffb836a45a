"""The pictures of the user's guide, taken from the demo as it runs: `python -m tools.guide` (or `make guide`).

`postroom run` with its sample, in a folder of its own; once the script is played, somebody of the sample firm walks through the pages in
the machine's own Chromium, and each picture that docs/guide.md shows is taken anew into docs/guide/. Exit code 1 if one of them is not
taken, or if the guide shows one that nobody takes.
"""

import asyncio
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Error, Page, ViewportSize, async_playwright

from postroom.samples import PEOPLE
from tests.browser.chromium import NAMES
from tools.smoke import CHECKOUT, Failed, all_roles, command

GUIDE, PICTURES = CHECKOUT / "docs" / "guide.md", CHECKOUT / "docs" / "guide"
DESK, PHONE = ViewportSize(width=1040, height=700), ViewportSize(width=360, height=740)  # pixels
PLAYED = 120.0  # seconds in which the sample's script is played


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: of which page, after what was clicked or filled in there, of the whole page or of a part."""

    name: str
    path: str  # with the names of `found` in braces
    clicks: tuple[str, ...] = ()  # selectors, in turn
    fills: tuple[tuple[str, str], ...] = ()  # label and text, before the clicks
    part: str = "main"
    phone: bool = False
    dark: bool = False


SHOTS = (
    Shot("dashboard", "/"),
    Shot("dashboard-phone", "/", phone=True),
    Shot("question", "/", part=".review"),
    Shot("clients", "/clients"),
    Shot("mail", "{payroll}"),
    Shot("connection", "/settings/email-sync"),
    Shot("integrations", "/settings/integrations"),
)


async def taken(environment: dict[str, str]) -> set[str]:
    """The names of all pictures that were taken."""
    base = environment["APP__BASE_URL"]
    link = json.loads(command(environment, "user", "sign-in-link", PEOPLE[0][0], "--json"))["url"]
    async with _chromium() as (desk, phone):
        for page in (desk, phone):
            await page.goto(link if page is desk else f"{base}/")
        found = {"base": base, "payroll": await _first(desk, base, "Payroll for this month")}
        for shot in SHOTS:
            await _take(phone if shot.phone else desk, base, shot, found)
    return {shot.name for shot in SHOTS}


@asynccontextmanager
async def _chromium() -> AsyncIterator[tuple[Page, Page]]:
    """A page at a desk and one on a phone, of the same person."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        raise Failed("no Chromium is installed (on Debian: apt install chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        context = await browser.new_context(viewport=DESK, device_scale_factor=1, reduced_motion="reduce")
        desk, phone = await context.new_page(), await context.new_page()
        await phone.set_viewport_size(PHONE)
        yield desk, phone
        await browser.close()


async def _first(page: Page, base: str, subject: str) -> str:
    """The address of the newest mail with this subject, once it is filed."""
    until = time.monotonic() + PLAYED
    while time.monotonic() < until:
        await page.goto(f"{base}/")
        link = page.get_by_role("link").filter(has_text=subject).first
        if await link.count() and (address := await link.get_attribute("href")):
            return address
        await asyncio.sleep(1)
    raise Failed(f"“{subject}” was not filed")


async def _take(page: Page, base: str, shot: Shot, found: dict[str, str]) -> None:
    await page.emulate_media(color_scheme="dark" if shot.dark else "light")
    await page.goto(base + shot.path.format(**found))
    for label, text in shot.fills:
        await page.get_by_label(label).first.fill(text)
    for selector in shot.clicks:
        await page.locator(selector).first.click()
        await page.wait_for_load_state("networkidle")
    await page.locator(shot.part).first.screenshot(path=PICTURES / f"{shot.name}.png")
    print(f"{shot.name}.png", flush=True)


def shown() -> set[str]:
    """The pictures that the guide shows."""
    return set(re.findall(r"\]\(guide/([a-z-]+)\.png\)", GUIDE.read_text()))


def main() -> int:
    PICTURES.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="postroom-guide-"))
    folder.chmod(0o755)  # ours: as root, PostgreSQL's account must be able to enter it
    try:
        with all_roles(folder, sample=True) as environment:
            made = asyncio.run(taken(environment))
    except (Failed, Error, OSError) as error:
        print(f"guide failed: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if missing := shown() ^ made:
        print(f"the guide and its pictures differ: {', '.join(sorted(missing))}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
