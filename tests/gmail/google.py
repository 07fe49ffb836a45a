"""A Google at the HTTP edge that answers what a test tells it to, and remembers what it was asked; and builders of its messages."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: Any = None  # bytes as they are, anything else as JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    gzip: bool = False
    hangs_up: bool = False
    seconds: float = 0.0  # until it comes


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: list[tuple[str, str]]
    raw: str
    headers: Mapping[str, str]
    body: str

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.query if key == name]


class Google:
    """Replies in turn; the last one for ever."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Asked] = []
        self.at_once = self.most_at_once = 0
        self._replies: list[Reply] = [Reply(body={})]

    def answers(self, *replies: Reply | Any) -> None:
        self._replies = [reply if isinstance(reply, Reply) else Reply(body=reply) for reply in replies]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = (await request.read()).decode()
        self.asked.append(Asked(request.method, request.path, list(request.query.items()), request.raw_path, request.headers, body))
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(reply.seconds)
        self.at_once -= 1
        if reply.hangs_up:
            assert request.transport is not None
            request.transport.abort()
        content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        answer = web.Response(status=reply.status, body=content, headers=dict(reply.headers))
        if reply.gzip:
            answer.enable_compression(web.ContentCoding.gzip)
        return answer


@asynccontextmanager
async def a_google() -> AsyncIterator[Google]:
    google, app = Google(), web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{anything:.*}", google.handle)
    async with TestServer(app) as server:
        google.url = str(server.make_url("/")).rstrip("/")
        yield google


def refusal(
    code: int, reason: str = "", message: str = "", status: str = "", details: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Google's error envelope."""
    error: dict[str, Any] = {"code": code, "message": message}
    if reason:
        error["errors"] = [{"message": message, "domain": "global", "reason": reason}]
    if status:
        error["status"] = status
    if details is not None:
        error["details"] = details
    return {"error": error}


def encoded(data: str | bytes) -> str:
    return base64.urlsafe_b64encode(data.encode() if isinstance(data, str) else data).decode().rstrip("=")


def a_part(mime: str, data: str | bytes | None = None, *parts: Any, part_id: str = "0", **more: Any) -> dict[str, Any]:
    """One MIME part as Gmail shows it; `more`: filename, attachment_id, size, charset, disposition, content_id."""
    said = [("Content-Type", f'{mime}; charset="{more["charset"]}"' if "charset" in more else mime)]
    said += [("Content-Disposition", more["disposition"])] if "disposition" in more else []
    said += [("Content-ID", more["content_id"])] if "content_id" in more else []
    body: dict[str, Any] = {"size": more.get("size", len(data or ""))}
    if data is not None:
        body["data"] = encoded(data)
    if "attachment_id" in more:
        body["attachmentId"] = more["attachment_id"]
    headers = [{"name": name, "value": value} for name, value in said]
    part = {"partId": part_id, "mimeType": mime, "filename": more.get("filename", ""), "headers": headers, "body": body}
    return part | ({"parts": list(parts)} if parts else {})


def a_message(*headers: tuple[str, str], payload: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A `messages.get` answer."""
    part = payload or a_part("text/plain", "Hello")
    part = part | {"headers": [*({"name": name, "value": value} for name, value in headers), *part.get("headers", [])]}
    usual = {"id": "m1", "threadId": "t1", "labelIds": ["INBOX", "UNREAD"], "historyId": "1001", "sizeEstimate": 1234}
    return usual | {"internalDate": str(int(NOON.timestamp() * 1000)), "payload": part} | more
