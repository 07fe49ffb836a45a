"""Each process's own /metrics, /healthz and /readyz, on a thread beside its loop."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Checks = Callable[[], Awaitable[list[str]]]  # what is wrong, one sentence each; empty: ready
PATIENCE = 3.0  # seconds for the checks to answer: a loop that is stuck is not ready


class Endpoint:
    """Serves until `close`. The checks run on the given loop, where the process's resources live."""

    def __init__(self, host: str, port: int, loop: asyncio.AbstractEventLoop, checks: Checks) -> None:
        self.loop, self.checks = loop, checks
        self.server = ThreadingHTTPServer((host, port), _handler(self))
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, name="metrics", daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(PATIENCE)

    def answer(self, path: str) -> tuple[int, str, bytes]:
        match path.partition("?")[0]:
            case "/metrics":
                return 200, CONTENT_TYPE_LATEST, generate_latest()
            case "/healthz":
                return 200, "text/plain; charset=utf-8", b"alive\n"
            case "/readyz":
                wrong = self._wrong()
                return (503 if wrong else 200), "text/plain; charset=utf-8", ("\n".join(wrong) or "ready").encode() + b"\n"
            case _:
                return 404, "text/plain; charset=utf-8", b"/metrics, /healthz, /readyz\n"

    def _wrong(self) -> list[str]:
        question = asyncio.run_coroutine_threadsafe(_ask(self.checks), self.loop)
        try:
            return question.result(PATIENCE)
        except TimeoutError:
            question.cancel()
            return ["The process does not answer within its patience: look at its log."]


async def _ask(checks: Checks) -> list[str]:
    return await checks()


def _handler(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = endpoint.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Scrapes are not news."""

    return Handler
