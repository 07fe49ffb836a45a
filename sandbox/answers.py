"""How answers leave: JSON, gzip where it was asked for, dated, refusals in their envelope, and every change written down first."""

import gzip
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from sandbox.clock import SECOND
from sandbox.refusals import Misused, OAuthRefused, Refused
from sandbox.world import World

JSON = "application/json; charset=UTF-8"
WORTH_ZIPPING = 256  # bytes
Endpoint = Callable[[Request], Awaitable[Response]]


def json_answer(request: Request, body: object, code: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = msgspec.json.encode(body)
    given = {"Content-Type": JSON, "Vary": "Origin, X-Origin, Referer", **(headers or {})}
    if len(content) >= WORTH_ZIPPING and "gzip" in request.headers.get("accept-encoding", ""):
        content = gzip.compress(content, 1, mtime=0)
        given["Content-Encoding"] = "gzip"
    return Response(content, code, given)


def world_of(request: Request) -> World:
    world: World = request.app.state.world
    return world


def settled(endpoint: Endpoint) -> Endpoint:
    """What the endpoint changed is on disk before its answer leaves; what it raised becomes an answer."""

    async def answer(request: Request) -> Response:
        try:
            told = await _told(endpoint, request)
        finally:
            world_of(request).settle()
        told.headers["Date"] = formatdate(world_of(request).now() / SECOND, usegmt=True)
        return told

    return answer


async def _told(endpoint: Endpoint, request: Request) -> Response:
    try:
        return await endpoint(request)
    except Refused as refused:
        return json_answer(request, refused.body, refused.code, refused.headers)
    except (OAuthRefused, Misused) as refused:
        return json_answer(request, refused.body, refused.code)


def broken(request: Request, fault: dict[str, Any], at: str) -> Response:
    """The answer of a `status` fault. `at`: the moment until which Google asks to wait, as it writes it."""
    code, reason = fault["code"], fault.get("reason", "backendError")
    if fault.get("html"):
        page = f"<!DOCTYPE html><title>Error {code} (Server Error)!!1</title><p>That's an error."
        return Response(page, code, {"Content-Type": "text/html; charset=UTF-8"})
    message = fault.get("message", "")
    headers = {}
    if "retry_after" in fault:
        message = message or f"User-rate limit exceeded.  Retry after {at}"
        headers = {"Retry-After": str(int(fault["retry_after"]))} if code != 403 else {}
    refused = Refused(code, reason, message, headers)
    return json_answer(request, refused.body, code, refused.headers)
