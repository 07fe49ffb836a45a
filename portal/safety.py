"""Headers that keep pages safe: nothing foreign is loaded, nothing is framed, kept, guessed, or told to the next site."""

from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A mail stands in a frame of its own. Even opened by itself it is in a sandbox: no scripts, no forms, no origin; links open elsewhere.
MAIL_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)


def page_policy(auth_uri: str) -> str:
    """Google's page is among the form targets because browsers hold a form's redirects against them too."""
    google = urlsplit(auth_uri)
    return (
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; frame-src 'self'; "
        "base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self' {google.scheme}://{google.netloc}"
    )


class SafeHeaders:
    """Adds the headers to every answer of the pages; a page that needs another one has set it already."""

    def __init__(self, app: ASGIApp, auth_uri: str) -> None:
        self._app = app
        self._headers = {
            "content-security-policy": page_policy(auth_uri),
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        keep = "public, max-age=86400" if scope["path"].startswith("/static/") else "no-store"

        async def safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (self._headers | {"cache-control": keep}).items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, safely)
