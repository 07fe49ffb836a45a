"""A browser without scripts: keeps cookies, reads pages, presses buttons, follows nothing by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import aiohttp
from bs4 import BeautifulSoup, Tag
from multidict import CIMultiDictProxy
from yarl import URL


@dataclass(frozen=True)
class Page:
    url: str
    status: int
    headers: CIMultiDictProxy[str]
    body: str

    @property
    def dom(self) -> BeautifulSoup:
        return BeautifulSoup(self.body, "html.parser")

    @property
    def heading(self) -> str:
        heading = self.dom.find("h1")
        return _words(heading) if heading else ""

    @property
    def text(self) -> str:
        """What a person reads, in one line."""
        return _words(self.dom.find("main") or self.dom)

    @property
    def target(self) -> str:
        """Where a redirect leads."""
        return self.headers.get("Location", "")

    def form(self, button: str) -> Tag:
        """The form with this button."""
        for form in self.dom.find_all("form"):
            if any(_words(found) == button for found in form.find_all("button")):
                return form
        raise AssertionError(f"no button {button!r} on {self.url}: {self.text}")

    def links(self) -> list[str]:
        return [str(link["href"]) for link in self.dom.select("main a[href]")]


class Browser:
    def __init__(self, site: str) -> None:
        self.site = site
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))  # unsafe: cookies of an IP address too

    async def get(self, address: str, **headers: str) -> Page:
        return await self._ask("GET", address, headers=headers)

    async def post(
        self, address: str, fields: Mapping[str, str] | Sequence[tuple[str, str]] | None = None, headers: dict[str, str] | None = None
    ) -> Page:
        return await self._ask("POST", address, data=fields or {}, headers=headers or {})

    async def press(self, page: Page, button: str, **changed: str) -> Page:
        """Sends the form that this button belongs to, with what it and the button hold, and what was changed in it."""
        form = page.form(button)
        held = {str(field["name"]): str(field.get("value", "")) for field in form.find_all("input") if _sent(field)}
        pressed = next(found for found in form.find_all("button") if _words(found) == button)
        held |= {str(pressed["name"]): str(pressed["value"])} if pressed.get("name") else {}
        return await self.post(str(form.get("action") or page.url), held | changed)

    async def follow(self, page: Page) -> Page:
        assert page.target, f"{page.url} answered {page.status} and leads nowhere"
        return await self.get(urljoin(page.url, page.target))

    @property
    def cookies(self) -> dict[str, str]:
        return {name: morsel.value for name, morsel in self._session.cookie_jar.filter_cookies(URL(self.site)).items()}

    def keeps(self, name: str, value: str) -> None:
        """A cookie that a script of the page sets."""
        self._session.cookie_jar.update_cookies({name: value}, URL(self.site))

    async def close(self) -> None:
        await self._session.close()

    async def _ask(self, verb: str, address: str, **how: Any) -> Page:
        url = urljoin(self.site, address)
        async with self._session.request(verb, url, allow_redirects=False, **how) as answer:
            return Page(url, answer.status, answer.headers, await answer.text())


def _words(tag: Tag) -> str:
    """But for the keys, which are shown to who uses them."""
    return " ".join(" ".join(words for words in tag.find_all(string=True) if words.find_parent("kbd") is None).split())


def _sent(field: Tag) -> bool:
    return field.get("type") != "radio" or field.has_attr("checked")
