"""Somebody at a screen: clicks what is visible, reads what is shown. Whatever the browser minded meanwhile is kept as a complaint."""

from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Locator, Page, Request, Response, expect

from tests.postroom.waiting import PATIENCE, eventually

expect.set_options(timeout=PATIENCE * 1000)
DESKTOP, PHONE = (1100, 800), (360, 740)  # pixels
SHAPE = """[document.scrollingElement.scrollWidth, window.innerWidth,
matchMedia("(prefers-reduced-motion: reduce)").matches ? document.getAnimations().length : 0]"""
REFUSED = "Failed to load resource: the server responded with a status of"  # said of every refusal, which is judged by its status


class Visitor:
    """One browser with its own cookies. `origins`: all that it may ask; `screenshots`: where `looks` leaves pictures, if anywhere."""

    def __init__(self, context: BrowserContext, page: Page, origins: tuple[str, ...], screenshots: Path | None) -> None:
        self.page, self._context, self._origins, self._screenshots = page, context, origins, screenshots
        self.refusals: set[int] = set()  # statuses of refusal that this story leads to
        self.complaints: list[str] = []
        context.on("console", self._said)
        context.on("weberror", lambda error: self.complaints.append(f"script: {error.error}"))
        context.on("request", self._asked)
        context.on("requestfailed", self._failed)
        context.on("response", self._answered)

    # what a person does

    async def opens(self, url: str) -> None:
        await self.page.goto(url)

    async def reads(self, letter: EmailMessage) -> None:
        """A letter, as a mail program shows it that shows HTML."""
        html = letter.get_body(("html",))
        assert html is not None
        await self.page.goto("about:blank")  # or it would stand under the policy of the page before
        await self.page.set_content(html.get_content())

    async def clicks(self, name: str) -> None:
        """The one button or link of that name, and waits for where it leads. Names are whole, as on the page."""
        await self._one(name).click()

    async def picks(self, words: str) -> None:
        """The one line of a list with these words: a client, a mail, an account among those that Google knows."""
        await self.page.get_by_role("link", name=words).filter(visible=True).click()

    async def writes(self, label: str, text: str) -> None:
        await self.page.get_by_label(label, exact=True).fill(text)

    async def selects(self, label: str, choice: str) -> None:
        await self.page.get_by_label(label).select_option(choice)

    async def unfolds(self, summary: str) -> None:
        await self.page.locator("summary").get_by_text(summary, exact=True).click()

    async def unticks(self, label: str) -> None:
        await self.page.get_by_label(label, exact=True).uncheck()

    async def presses(self, key: str) -> None:
        await self.page.keyboard.press(key)

    async def presses_and_goes(self, key: str) -> None:
        """Returns when the page is there to which the key leads."""
        async with self.page.expect_navigation():
            await self.presses(key)

    async def tabs_to(self, words: str) -> None:
        """By keyboard alone, from wherever the focus is, to what says these words; and the focus is to be seen there."""
        for _ in range(40):
            await self.presses("Tab")
            if words in await self.page.evaluate("document.activeElement.innerText"):
                assert await self.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", (
                    f"{words!r} has an unseen focus"
                )
                return
        raise AssertionError(f"Tab never comes to {words!r}")

    async def leaves(self) -> list[str]:
        """Closes the browser; what it minded until then."""
        await self.page.wait_for_load_state()
        minded = [*self.complaints]
        await self._context.close()
        return minded

    # what a person sees

    async def sees(self, *texts: str) -> None:
        """All of these, as they come, on a page that fits its window."""
        for text in texts:
            await expect(self.page.locator("body")).to_contain_text(text, use_inner_text=True)
        await self.fits()

    async def does_not_see(self, text: str) -> None:
        """To be asked of a page that is known to be there."""
        await expect(self.page.locator("body")).not_to_contain_text(text, use_inner_text=True)

    async def sees_at_last(self, text: str) -> None:
        """What a page shows by and by, looked at again as people do."""

        async def there() -> bool:
            if text in await self.text():
                return True
            await self.page.reload()
            return False

        await eventually(there, f"{self.page.url} shows {text!r}", 2 * PATIENCE)

    async def text(self) -> str:
        """Everything that can be read on the page, in one line."""
        return " ".join((await self.page.locator("body").inner_text()).split())

    async def looks(self, name: str) -> None:
        """As the page is: on a desk and on a phone, light and dark. Nothing scrolls sideways; pictures are kept where asked for."""
        for scheme in ("light", "dark"):
            await self.page.emulate_media(color_scheme=scheme)
            for kind, (width, height) in (("360", PHONE), ("desk", DESKTOP)):
                await self.page.set_viewport_size({"width": width, "height": height})
                await self.fits()
                if self._screenshots:
                    await self.page.screenshot(path=self._screenshots / f"{name}-{scheme}-{kind}.png", full_page=True)
        await self.page.emulate_media(color_scheme="light")

    async def fits(self) -> None:
        """Nothing scrolls sideways, and nothing moves for somebody who minds that."""
        wide, window, moving = await self.page.evaluate(SHAPE)
        assert wide <= window, f"{self.page.url} is {wide} wide in a window of {window}"
        assert moving == 0, f"{self.page.url} moves"

    # what the browser minds

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(REFUSED):
            self.complaints.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme != "data" and f"{parts.scheme}://{parts.netloc}" not in self._origins:
            self.complaints.append(f"foreign: {request.url}")

    def _failed(self, request: Request) -> None:
        if request.resource_type == "xhr" and request.failure == "net::ERR_ABORTED":
            return  # a page that was left while it asked how things go
        self.complaints.append(f"failed: {request.method} {request.url}: {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.refusals:
            self.complaints.append(f"{response.status}: {response.url}")

    def _one(self, name: str) -> Locator:
        buttons = self.page.get_by_role("button", name=name, exact=True)
        return buttons.or_(self.page.get_by_role("link", name=name, exact=True)).filter(visible=True)
