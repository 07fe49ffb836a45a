"""Every call of Gmail's API goes through here: whose it is, what goes wrong, what it costs; then the method; then its shape."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox import gmail
from sandbox.answers import broken, json_answer, settled, world_of
from sandbox.clock import SECOND, iso
from sandbox.gmail import Call
from sandbox.mailbox import Mailbox
from sandbox.partial import select
from sandbox.refusals import Refused, invalid, no_login, scope_missing
from sandbox.tokens import bearer
from sandbox.world import World

USERS = "/gmail/v1/users/{userId}"
ALL_READS = (*gmail.READS, gmail.METADATA)
SETTINGS = (*gmail.READS, "https://www.googleapis.com/auth/gmail.settings.basic")
LABELS = (*ALL_READS, "https://www.googleapis.com/auth/gmail.labels")


@dataclass(frozen=True, slots=True)
class Method:
    """`name` as in quota, faults and state; `google` as Google's errors name it; `shape` of the answer in the discovery document."""

    name: str
    verb: str
    path: str
    google: str
    scopes: tuple[str, ...]
    shape: str
    answer: Callable[[Call], dict[str, Any] | None]


METHODS = (
    Method("getProfile", "GET", "/profile", "GetProfile", ALL_READS, "Profile", gmail.get_profile),
    Method("watch", "POST", "/watch", "Watch", ALL_READS, "WatchResponse", gmail.watch),
    Method("stop", "POST", "/stop", "Stop", ALL_READS, "", gmail.stop),
    Method("history.list", "GET", "/history", "ListHistory", ALL_READS, "ListHistoryResponse", gmail.list_history),
    Method("messages.list", "GET", "/messages", "ListMessages", ALL_READS, "ListMessagesResponse", gmail.list_messages),
    Method("messages.get", "GET", "/messages/{id}", "GetMessage", ALL_READS, "Message", gmail.get_message),
    Method(
        "messages.attachments.get",
        "GET",
        "/messages/{messageId}/attachments/{id}",
        "GetAttachment",
        gmail.READS,
        "MessagePartBody",
        gmail.get_attachment,
    ),
    Method("threads.get", "GET", "/threads/{id}", "GetThread", ALL_READS, "Thread", gmail.get_thread),
    Method("labels.list", "GET", "/labels", "ListLabels", LABELS, "ListLabelsResponse", gmail.list_labels),
    Method("labels.get", "GET", "/labels/{id}", "GetLabel", LABELS, "Label", gmail.get_label),
    Method("settings.sendAs.list", "GET", "/settings/sendAs", "ListSendAs", SETTINGS, "ListSendAsResponse", gmail.list_send_as),
)


def routes() -> list[Route]:
    # a GET whose address is too long comes as POST with x-http-method-override
    return [Route(USERS + method.path, settled(_endpoint(method)), methods=["GET", "POST"]) for method in METHODS]


def _endpoint(method: Method) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        world = world_of(request)
        mailbox: Mailbox | None = None
        code = 500
        try:
            if not request.headers.get("authorization"):
                raise no_login()
            access = bearer(world, request.headers["authorization"])
            mailbox = world.mailboxes[access.sub]
            answer = await _between(method, request, world, mailbox, access.scopes)
            code = answer.status_code
            return answer
        except Refused as refused:
            code = refused.code
            raise
        finally:
            more = await _told_of(method, request)
            ids = {"id": request.path_params["id"]} if "id" in request.path_params else {}
            world.calls.note(method.name, mailbox.account.address if mailbox else None, code, world.now(), **more, **ids)

    return endpoint


async def _told_of(method: Method, request: Request) -> dict[str, str]:
    """What is noted of a call beside its name: the format of a get, the search of a listing."""
    name, usual = {"messages.get": ("format", "full"), "messages.list": ("q", "")}.get(method.name, ("", ""))
    if not name:
        return {}
    in_body = dict(parse_qsl((await request.body()).decode("latin-1"))) if request.method == "POST" else {}
    return {name: request.query_params.get(name) or in_body.get(name, usual)}


async def _between(method: Method, request: Request, world: World, mailbox: Mailbox, scopes: list[str]) -> Response:
    """Between the token and the method: faults, scopes, quota."""
    sub, quota = mailbox.account.sub, world.quota
    quota.enter(sub)
    try:
        if late := world.faults.strike("timeout", sub, method=method.name):
            await asyncio.sleep(late["s"])
        if world.settings.latency:
            await asyncio.sleep(world.settings.latency)
        if fault := world.faults.strike("status", sub, method=method.name):
            return broken(request, fault, iso(world.now() + int(fault.get("retry_after", 0) * SECOND)))
        if not set(scopes) & set(method.scopes):
            raise scope_missing(method.google, " ".join(method.scopes))
        _check_user(request.path_params["userId"], mailbox)
        quota.charge(mailbox.account.address, method.name, world.now())
        query, body = await _told(method, request)
        answer = method.answer(Call(world, mailbox, scopes, request.path_params, query, body))
    finally:
        quota.leave(sub)
    if answer is None:
        return Response(status_code=204)
    fields = query.get("fields")
    return json_answer(request, select(answer, fields, method.shape) if fields else answer)


def _check_user(user: str, mailbox: Mailbox) -> None:
    if user != "me" and user.lower() != mailbox.account.address.lower():
        raise Refused(403, "forbidden", f"Delegation denied for {mailbox.account.address}")


async def _told(method: Method, request: Request) -> tuple[QueryParams, dict[str, Any]]:
    content = await request.body()
    verb = request.headers.get("x-http-method-override", request.method)
    if verb != method.verb:
        raise Refused(404, "notFound")
    if verb == "GET":
        return QueryParams([*request.query_params.multi_items(), *parse_qsl(content.decode("latin-1"))]), {}
    try:
        body = msgspec.json.decode(content or b"{}")
    except msgspec.DecodeError as wrong:
        raise invalid(f"Invalid JSON payload received. {wrong}") from None
    if not isinstance(body, dict):
        raise invalid('Invalid JSON payload received. Unknown name "": Root element must be a message.')
    return request.query_params, body
