"""A push endpoint that remembers what came and answers as it is told."""

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.sandbox.person import Person

SECOND_LATER = 1.1  # by the sandbox's clock: Gmail drops what comes sooner


@dataclass(frozen=True, slots=True)
class Arrived:
    body: dict[str, Any]
    token: str
    answered: int

    @property
    def data(self) -> dict[str, Any]:
        return dict(json.loads(base64.b64decode(self.body["message"]["data"], validate=True)))

    @property
    def id(self) -> str:
        return str(self.body["message"]["messageId"])


class Endpoint:
    """`answers`: the statuses of the next pushes; when they are used up, 204."""

    def __init__(self) -> None:
        self.arrived: list[Arrived] = []
        self.answers: list[int] = []
        self._news = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._hear))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhook/gmail"

    def wait_for(self, count: int) -> list[Arrived]:
        """Returns as soon as `count` pushes have come; fails after five seconds."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.arrived) >= count, 5), f"{len(self.arrived)} of {count} pushes came"
            return list(self.arrived)

    def forget(self) -> None:
        with self._news:
            self.arrived.clear()
            self.answers.clear()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _hear(self, body: bytes, token: str) -> int:
        with self._news:
            answered = self.answers.pop(0) if self.answers else 204
            self.arrived.append(Arrived(json.loads(body), token, answered))
            self._news.notify_all()
            return answered


def _handler(hear: Callable[[bytes, str], int]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(hear(body, self.headers["authorization"].removeprefix("Bearer ")))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

    return Handler


def mails(anna: Person, count: int) -> list[int]:
    """History ids of mails that come more than a second apart."""
    ids = []
    for _ in range(count):
        anna.google.clock(SECOND_LATER)
        ids.append(int(anna.mail()["historyId"]))
    return ids


def pushed(endpoint: Endpoint, count: int) -> list[int]:
    return [push.data["historyId"] for push in endpoint.wait_for(count)]
