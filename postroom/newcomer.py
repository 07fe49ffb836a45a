"""A person's first minutes, over HTTP: opens a sign-in link, connects Google, looks at pages. For the demo and the smoke test."""

import html
import re
from typing import Self

import aiohttp


class Lost(Exception):
    """A page was not what a newcomer should find; the text says which."""


class Newcomer:
    """One browser's worth of cookies. The simulated Google consents by itself for the address that is connected."""

    def __init__(self, base: str, sandbox: str) -> None:
        self._base, self._sandbox = base.rstrip("/"), sandbox.rstrip("/")

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))  # unsafe: cookies of an IP address too
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def sign_in(self, link: str) -> None:
        """Opens the one-time link; where it asks, presses its button."""
        page = await self._get(link)
        if 'name="next"' in page:
            await self._post(link, {})

    async def connect(self, address: str) -> None:
        """Connect Google → chooser → Allow → connected. Raises `Lost`."""
        async with self._session.post(f"{self._sandbox}/sandbox/consent", json={"mailbox": address}) as answer:
            answer.raise_for_status()
        page = await self.send("/settings/email-sync/connection", {})
        if address not in page:
            raise Lost("the page after Google's consent does not name the connected address")

    async def page(self, path: str) -> str:
        """A page's HTML. Raises `Lost` if it is not there for this person."""
        return await self._get(self._base + path)

    async def send(self, path: str, form: dict[str, str]) -> str:
        """A form of ours, as its button sends it; the page after. Raises `Lost`."""
        proof = _proof(await self._get(f"{self._base}/settings/email-sync"))
        return await self._post(self._base + path, {"form_proof": proof} | form)

    async def _get(self, url: str) -> str:
        async with self._session.get(url) as answer:
            return await _read(answer)

    async def _post(self, url: str, form: dict[str, str]) -> str:
        async with self._session.post(url, data=form) as answer:
            return await _read(answer)


async def _read(answer: aiohttp.ClientResponse) -> str:
    page = await answer.text()
    if answer.status != 200:
        said = re.search(r"<h1[^>]*>(.*?)</h1>", page, re.S)
        raise Lost(f"{answer.url.path} answered {answer.status}{': ' + html.unescape(said[1]) if said else ''}")
    return page


def _proof(page: str) -> str:
    found = re.search(r'name="form_proof" value="([0-9a-f]+)"', page)
    if found is None:
        raise Lost("the page holds no form of ours")
    return found[1]
