"""Headers that keep pages safe: nothing foreign is loaded, nothing is framed, kept, guessed, or told to the next site."""

from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from portal.rendering import STATIC, version_of

FEATURES = ("camera", "microphone", "geolocation", "payment", "usb", "display-capture", "browsing-topics")  # that no page of ours uses

# A mail stands in a frame of its own. Even opened by itself it is in a sandbox: no scripts, no forms, no origin; links open elsewhere.
MAIL_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
MAIL_POLICY_WITH_PICTURES = MAIL_POLICY.replace("img-src data:;", "img-src data: https:;")  # for the one who asked for them, once


def page_policy(auth_uri: str) -> str:
    """Google's page is among the form targets because browsers hold a form's redirects against them too."""
    google = urlsplit(auth_uri)
    return (
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; frame-src 'self'; "
        "base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self' {google.scheme}://{google.netloc}"
    )


def safe_headers(auth_uri: str, base_url: str) -> dict[str, str]:
    """Of every page; over https browsers are told to come by nothing else for a year."""
    strict = {"strict-transport-security": "max-age=31536000"} if urlsplit(base_url).scheme == "https" else {}
    return strict | {
        "content-security-policy": page_policy(auth_uri),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": ", ".join(f"{feature}=()" for feature in FEATURES),
    }


class SafeHeaders:
    """Adds the headers to every answer of the pages; a page that needs another one has set it already."""

    def __init__(self, app: ASGIApp, auth_uri: str, base_url: str) -> None:
        self._app, self._headers = app, safe_headers(auth_uri, base_url)
        self._versions = {f"/static/{file.name}": f"v={version_of(file)}".encode() for file in STATIC.iterdir()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (self._headers | {"cache-control": self._keep(scope, message["status"])}).items():
                    headers.setdefault(name, value)
                headers.setdefault("x-frame-options", _framing(headers["content-security-policy"]))
            await send(message)

        await self._app(scope, receive, safely)

    def _keep(self, scope: Scope, status: int) -> str:
        """A file by the version that this process has stays as it is. By another one, while a deployment changes: not a moment longer."""
        if not scope["path"].startswith("/static/") or status >= HTTPStatus.BAD_REQUEST:
            return "no-store"
        fits = scope["query_string"] == self._versions.get(scope["path"])
        return "public, max-age=31536000, immutable" if fits else "public, no-cache"


def _framing(policy: str) -> str:
    """The same for browsers that do not know `frame-ancestors`."""
    return "SAMEORIGIN" if "frame-ancestors 'self'" in policy else "DENY"
