"""Somebody with a Google account in the sandbox, as Google's own client libraries see it."""

import base64
import hashlib
import socket
import urllib.parse
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any, Self

import httplib2
import requests
from google.auth.transport import requests as google_requests
from google.oauth2 import id_token
from google.oauth2.credentials import Credentials
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.discovery import build
from googleapiclient.http import HttpRequest

from tests.sandbox.schema import problems, response_schema
from tests.sandbox_server import CLIENT_ID, CLIENT_SECRET, SandboxServer

READONLY = "https://www.googleapis.com/auth/gmail.readonly"
METADATA = "https://www.googleapis.com/auth/gmail.metadata"
SCOPES = f"openid email {READONLY}"
REDIRECT = "http://127.0.0.1:9/oauth/callback"
VERIFIER = "v" * 50
TOPIC = "projects/sandbox/topics/gmail-push"


def challenge(verifier: str = VERIFIER) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def question(**changed: str) -> dict[str, str]:
    """The parameters of a usual visit to the authorization page; "" leaves one out."""
    usual = {"client_id": CLIENT_ID, "redirect_uri": REDIRECT, "response_type": "code", "scope": SCOPES, "state": "s1"}
    pkce = {"access_type": "offline", "code_challenge": challenge(), "code_challenge_method": "S256"}
    return {name: value for name, value in {**usual, **pkce, **changed}.items() if value}


def visit(google: SandboxServer, **changed: str) -> requests.Response:
    return requests.get(f"{google.url}/o/oauth2/v2/auth", params=question(**changed), allow_redirects=False, timeout=5)


def told_back(answer: requests.Response) -> dict[str, str]:
    """What the redirect carries."""
    assert answer.status_code == 302, answer.text
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(answer.headers["location"]).query))


def exchange(google: SandboxServer, code: str, **changed: str) -> requests.Response:
    form = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "grant_type": "authorization_code", "code": code}
    return requests.post(f"{google.url}/token", {**form, "redirect_uri": REDIRECT, "code_verifier": VERIFIER, **changed}, timeout=5)


def refresh(google: SandboxServer, refresh_token: str, **changed: str) -> requests.Response:
    form = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "grant_type": "refresh_token", "refresh_token": refresh_token}
    return requests.post(f"{google.url}/token", {**form, **changed}, timeout=5)


class Person:
    """Connects on the way in. `ask` sends a request and holds its answer against the discovery document."""

    def __init__(self, google: SandboxServer, address: str = "anna@firm.test", scope: str = SCOPES) -> None:
        self.google, self.address = google, address
        google.account(address, "Anna Sample")
        google.consent(address)
        self.tokens = exchange(google, told_back(visit(google, login_hint=address, scope=scope, prompt="consent"))["code"]).json()
        self.credentials = Credentials(  # type: ignore[no-untyped-call]
            self.tokens["access_token"],
            refresh_token=self.tokens["refresh_token"],
            token_uri=f"{google.url}/token",
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
        )
        self._http = httplib2.Http(timeout=5)
        http = AuthorizedHttp(self.credentials, http=self._http)
        self._service = build("gmail", "v1", http=http, static_discovery=True, client_options={"api_endpoint": google.url})
        self.users = self._service.users()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._service.close()

    def ask(self, request: HttpRequest) -> Any:
        answer = request.execute()
        shape = response_schema(request.methodId)
        assert (problems(answer, {"$ref": shape}) if shape else [answer]) in ([], [""])
        return answer

    def mail(self, raw: bytes = b"", **more: Any) -> dict[str, Any]:
        return self.google.mail(self.address, raw or a_mail(), **more)

    def get(self, id: str, **how: Any) -> Any:
        return self.ask(self.users.messages().get(userId="me", id=id, **how))

    def found(self, q: str = "", **how: Any) -> list[str]:
        return [m["id"] for m in self.ask(self.users.messages().list(userId="me", q=q, **how)).get("messages", [])]

    def head(self) -> str:
        return str(self.ask(self.users.getProfile(userId="me"))["historyId"])

    def history(self, start: str | int, **how: Any) -> Any:
        return self.ask(self.users.history().list(userId="me", startHistoryId=start, **how))

    def records(self, start: str | int, **how: Any) -> Iterator[dict[str, Any]]:
        """Every record, whatever the pages."""
        page = self.history(start, **how)
        while True:
            yield from page.get("history", [])
            if "nextPageToken" not in page:
                return
            page = self.history(start, pageToken=page["nextPageToken"], **how)

    def watch(self, **more: Any) -> Any:
        return self.ask(self.users.watch(userId="me", body={"topicName": TOPIC, **more}))


def a_mail(sender: str = "carl@client.test", subject: str = "Invoice", text: str = "Please find it attached.", **headers: str) -> bytes:
    lines = {
        "From": sender,
        "To": "anna@firm.test",
        "Subject": subject,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode() + b"\r\n" + text.encode()


def nested() -> bytes:
    """A plain and a rich text, and a file."""
    mail = EmailMessage()
    mail["Subject"] = "Report"
    mail.set_content("plain words")
    mail.add_alternative("<p>rich words</p>", subtype="html")
    mail.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="Bericht für März.pdf")
    return mail.as_bytes()


def verified(google: SandboxServer, token: str, audience: str) -> dict[str, Any]:
    """The claims of a signed token, as google-auth accepts them."""
    certs = f"{google.url}/oauth2/v1/certs"
    with requests.Session() as session:
        fetch = google_requests.Request(session)
        return dict(id_token.verify_token(token, fetch, audience, certs_url=certs, clock_skew_in_seconds=5))


def closed_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
