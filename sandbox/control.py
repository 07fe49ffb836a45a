"""The control API under /sandbox: makes accounts and mail, breaks things, moves the clock, tells what happened. JSON throughout."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox import letters
from sandbox.answers import json_answer, settled, world_of
from sandbox.mailbox import Mailbox
from sandbox.push import Pusher
from sandbox.refusals import Misused
from sandbox.state import Consent, Fault, Message, Push, Subscription
from sandbox.tokens import granted, scopes_of
from sandbox.world import World

Done = dict[str, Any]
Told = Done | list[Done]
NEW_MAIL = "INBOX,UNREAD"


def routes() -> list[Route]:
    def route(path: str, does: Callable[[Request, World], Awaitable[Told]], *verbs: str) -> Route:
        async def endpoint(request: Request) -> Response:
            return json_answer(request, await does(request, world_of(request)))

        return Route(f"/sandbox/{path}", settled(endpoint), methods=list(verbs or ["POST"]))

    return [
        route("accounts", add_account),
        route("accounts/rename", rename_account),
        route("accounts/{mailbox}", remove_account, "DELETE"),
        route("mail", deliver),
        route("mail/{mailbox}/{id}", delete, "DELETE"),
        route("labels", relabel),
        route("drafts", save_draft),
        route("drafts/{mailbox}/{id}/schedule", schedule_draft),
        route("drafts/{mailbox}/{id}/send", send_draft),
        route("faults", add_fault),
        route("faults", clear_faults, "DELETE"),
        route("revoke", revoke),
        route("consent", prepare_consent),
        route("grants", grant_many),
        route("clock", advance),
        route("letters", tell_letters, "GET"),
        route("letters", forget_letters, "DELETE"),
        Route("/sandbox/letters/{number}", settled(tell_letter)),
        route("push", push),
        route("subscription", subscribe),
        route("keys", rotate_keys),
        route("reset", reset),
        route("state", tell, "GET"),
        route("calls", tell_calls, "GET"),
    ]


async def add_account(request: Request, world: World) -> Done:
    """`hosted` false: its domain is no Workspace's. `verified` false: nobody has shown yet that the address is theirs."""
    told = await _told(request, {"address": str, "name": str, "aliases": list, "hosted": bool, "verified": bool}, {"address"})
    if "@" not in told["address"]:
        raise Misused(400, f"{told['address']} is no address")
    address = told.pop("address").strip()
    account = world.add_account(address, **{"name": "", "aliases": [], **told}).account
    return {
        "address": account.address,
        "name": account.name,
        "sub": account.sub,
        "aliases": account.aliases,
        "hosted": account.hosted,
        "verified": account.verified,
        "historyId": str(account.head),
    }


async def rename_account(request: Request, world: World) -> Done:
    told = await _told(request, {"mailbox": str, "to": str}, {"mailbox", "to"})
    mailbox = world.account(told["mailbox"])
    world.rename(mailbox, told["to"])
    return {"address": mailbox.account.address, "sub": mailbox.account.sub}


async def remove_account(request: Request, world: World) -> Done:
    world.remove_account(world.account(request.path_params["mailbox"]))
    return {}


async def deliver(request: Request, world: World) -> Done:
    """Query: mailbox, labels?, internal_date? (milliseconds: an old mail), thread? (where Gmail puts it). Body: the mail, any bytes."""
    mailbox = world.account(request.query_params.get("mailbox", ""))
    labels = [label for label in request.query_params.get("labels", NEW_MAIL).split(",") if label]
    date = request.query_params.get("internal_date")
    if date is not None and not date.removeprefix("-").isdecimal():
        raise Misused(400, "internal_date is milliseconds since 1970")
    mail, thread = world.mail(await request.body()), request.query_params.get("thread", "")
    return _where(mailbox.deliver(mail, labels, world.now(), internal_date=int(date) if date else None, thread_id=thread))


def _where(message: Message) -> Done:
    return {"id": message.id, "threadId": message.thread_id, "historyId": str(message.history_id)}


async def delete(request: Request, world: World) -> Done:
    """For good, not to the trash (that is a label)."""
    mailbox = world.account(request.path_params["mailbox"])
    mailbox.delete(_known(mailbox, request.path_params["id"]), world.now())
    return {"historyId": str(mailbox.account.head)}


async def relabel(request: Request, world: World) -> Done:
    """`ids` instead of `id`: several at once, whose history records then share an id."""
    told = await _told(request, {"mailbox": str, "id": str, "ids": list, "add": list, "remove": list}, {"mailbox"})
    mailbox = world.account(told["mailbox"])
    ids = [_known(mailbox, id) for id in [*told.get("ids", []), *([told["id"]] if "id" in told else [])]]
    mailbox.relabel(ids, told.get("add", []), told.get("remove", []), world.now())
    labels = {"labelIds": mailbox.messages[ids[0]].labels} if len(ids) == 1 else {}
    return {"historyId": str(mailbox.account.head), **labels}


def _known(mailbox: Mailbox, id: str) -> str:
    if id not in mailbox.messages:
        raise Misused(404, f"{mailbox.account.address} has no message {id}")
    return id


async def save_draft(request: Request, world: World) -> Done:
    """Query: mailbox, draft? (an earlier answer's). Body: the draft as it is now."""
    mailbox, draft = world.account(request.query_params.get("mailbox", "")), request.query_params.get("draft")
    if draft is not None:
        _known_draft(mailbox, draft)
    draft, message = mailbox.save_draft(draft, world.mail(await request.body()), world.now())
    return {"draft": draft, **_where(message)}


async def schedule_draft(request: Request, world: World) -> Done:
    mailbox = world.account(request.path_params["mailbox"])
    return _where(mailbox.schedule_draft(_known_draft(mailbox, request.path_params["id"]), world.now()))


async def send_draft(request: Request, world: World) -> Done:
    """`same_id`: the draft's message becomes the sent one; otherwise that is a new message."""
    told = await _told(request, {"same_id": bool}, set())
    mailbox = world.account(request.path_params["mailbox"])
    draft = _known_draft(mailbox, request.path_params["id"])
    mail = world.mail(world.raw(mailbox, mailbox.account.drafts[draft]))
    return _where(mailbox.send_draft(draft, mail, world.now(), same_id=told.get("same_id", False)))


def _known_draft(mailbox: Mailbox, draft: str) -> str:
    if draft not in mailbox.account.drafts:
        raise Misused(404, f"{mailbox.account.address} has no draft {draft}")
    return draft


async def add_fault(request: Request, world: World) -> Done:
    return _fault(world, set_fault(world, await _json(request)))


def set_fault(world: World, told: dict[str, Any]) -> Fault:
    """`history_expired` strikes at once: what is known so far is expired; with a count, that many calls more answer 404."""
    sub = world.account(str(told["mailbox"])).account.sub if told.get("mailbox") else None
    world.root.faults += 1
    world.store.put("root", "", world.root)
    fault = world.faults.add(world.root.faults, told, sub)
    if fault.kind == "history_expired":
        for mailbox in [world.mailboxes[sub]] if sub else world.mailboxes.values():
            mailbox.forget_history()
        if fault.count is None:
            world.faults.lift(fault)
    return fault


def _fault(world: World, fault: Fault) -> Done:
    mailbox = world.mailboxes[fault.mailbox].account.address if fault.mailbox in world.mailboxes else None
    return {"number": fault.number, "kind": fault.kind, "mailbox": mailbox, "count": fault.count, **fault.params}


async def clear_faults(request: Request, world: World) -> Done:
    """Query: kind? (only those). What was held back is sent."""
    cleared = world.faults.clear(request.query_params.get("kind"))
    _pusher(request).release()
    return {"cleared": cleared}


async def revoke(request: Request, world: World) -> Done:
    """As the owner would, in the account's settings."""
    return {"revoked": world.end_grant(world.account(request.query_params.get("mailbox", "")).account.sub)}


async def prepare_consent(request: Request, world: World) -> Done:
    told = await _told(request, {"mailbox": str, "scopes": list, "deny": bool, "no_refresh_token": bool}, {"mailbox"})
    mailbox = world.account(told["mailbox"])
    scopes = scopes_of(" ".join(told["scopes"])) if "scopes" in told else None
    consent = Consent(mailbox.account.sub, scopes, told.get("deny", False), told.get("no_refresh_token", False))
    world.consents[consent.sub] = consent
    world.store.put("consent", consent.sub, consent)
    return {"mailbox": mailbox.account.address, "scopes": scopes}


async def grant_many(request: Request, world: World) -> Done:
    """Accounts, made if need be, and for each the tokens that a consent to `scopes` gives: for fleets, whose people need no browser."""
    told = await _told(request, {"mailboxes": list, "scopes": list}, {"mailboxes", "scopes"})
    return {address: _granted(world, address, told["scopes"]) for address in told["mailboxes"]}


def _granted(world: World, address: str, scopes: list[str]) -> Done:
    account = (world.by_address.get(address.lower()) or world.add_account(address, "", [])).account
    return {"sub": account.sub, "historyId": str(account.head), **granted(world, account.sub, scopes_of(" ".join(scopes)))}


async def advance(request: Request, world: World) -> Done:
    told = await _told(request, {"advance_s": (int, float)}, {"advance_s"})
    world.advance(told["advance_s"])
    return {"now": world.now(), "ahead_s": world.clock.ahead / 1000}


async def tell_letters(request: Request, world: World) -> list[Done]:
    """Query: to? (that recipient's only). Newest last."""
    to = request.query_params.get("to", "").lower()
    return [letters.told(letter) for letter in world.letters.values() if to in ("", letter.to.lower())]


async def tell_letter(request: Request) -> Response:
    """As it came: its bytes."""
    return Response(letters.known(world_of(request), request.path_params["number"]).raw, media_type="message/rfc822")


async def forget_letters(_request: Request, world: World) -> Done:
    """What lies in a mailbox stays there."""
    forgotten = list(world.letters)
    for key in forgotten:
        world.forget("letter", world.letters, key)
    return {"forgotten": len(forgotten)}


async def push(request: Request, world: World) -> Done:
    """A notification out of turn: of the mailbox's head, or of the history id that is given."""
    told = await _told(request, {"mailbox": str, "historyId": (int, str)}, {"mailbox"})
    mailbox = world.account(told["mailbox"])
    history_id = str(told.get("historyId", mailbox.account.head))
    if not history_id.isdecimal():
        raise Misused(400, f"{history_id} is no history id")
    return _push(_pusher(request).send(mailbox, int(history_id)))


def _push(push: Push) -> Done:
    shown = {"messageId": push.message_id, "mailbox": push.mailbox, "historyId": str(push.history_id), "status": push.status}
    return {**shown, "attempts": push.attempts, "answer": push.last_answer, "publishedAt": push.published_at}


async def subscribe(request: Request, world: World) -> Done:
    told = await _told(request, {"endpoint": str, "audience": str}, {"endpoint"})
    world.subscribe(Subscription(told["endpoint"], told.get("audience", world.settings.push_audience)))
    return {"endpoint": world.subscription.endpoint, "audience": world.subscription.audience or world.subscription.endpoint}


async def rotate_keys(request: Request, world: World) -> Done:
    return {"kid": world.keys.rotate()}


async def reset(request: Request, world: World) -> Done:
    told = await _told(request, {"seed": int}, set())
    _pusher(request).forget()
    world.reset(told.get("seed", world.settings.seed))
    return {"seed": world.root.seed}


async def tell(request: Request, world: World) -> Done:
    """Query: mailbox? (only that account, its pushes and calls)."""
    only = world.account(request.query_params["mailbox"]) if "mailbox" in request.query_params else None
    address = only.account.address if only else None
    calls = world.calls
    live = Counter(token.sub for token in world.access_tokens.values() if token.expires_at > world.now())
    return {
        "seed": world.root.seed,
        "now": world.now(),
        "subscription": msgspec.to_builtins(world.subscription),
        "accounts": {m.account.address: _account(world, m, live[m.account.sub]) for m in ([only] if only else world.mailboxes.values())},
        "pushes": [_push(push) for push in world.pushes.values() if address in (None, push.mailbox)],
        "calls": [call for call in calls.latest if address in (None, call["mailbox"])],
        "calls_by_method": dict(calls.by_method),
        "calls_by_mailbox": {m: dict(counts) for m, counts in calls.by_mailbox.items() if address in (None, m)},
        "calls_by_status": {str(status): count for status, count in calls.by_status.items()},
        "units": {"total": world.quota.total, "by_mailbox": world.quota.by_mailbox},
        "faults": [_fault(world, fault) for fault in world.faults.all()],
    }


async def tell_calls(request: Request, world: World) -> Done:
    """Query: after? (an earlier answer's `last`). The calls since then, as far as they are still known."""
    after = request.query_params.get("after", "0")
    if not after.isdecimal():
        raise Misused(400, f"{after} is no number of a call")
    return {"calls": world.calls.since(int(after)), "last": world.calls.noted}


def _account(world: World, mailbox: Mailbox, live: int) -> Done:
    account, grant = mailbox.account, world.grants.get(mailbox.account.sub)
    return {
        "name": account.name,
        "sub": account.sub,
        "aliases": account.aliases,
        "historyId": str(account.head),
        "watch": {"expiration": str(account.watch.expires_at), "topicName": account.watch.topic} if account.watch else None,
        "grant": {"scopes": grant.scopes, "refresh_tokens": len(grant.refresh_tokens), "access_tokens": live} if grant else None,
        "pushes_dropped": account.pushes_dropped,
        "drafts": account.drafts,
        "messages": [_where(m) | {"labelIds": m.labels, "internalDate": str(m.internal_date)} for m in mailbox.newest_first()],
    }


def _pusher(request: Request) -> Pusher:
    pusher: Pusher = request.app.state.pusher
    return pusher


async def _told(request: Request, shapes: dict[str, type | tuple[type, ...]], needed: set[str]) -> dict[str, Any]:
    """The JSON body, with only these names, of these types."""
    told = await _json(request)
    for name, value in told.items():
        if name not in shapes or not isinstance(value, shapes[name]):
            raise Misused(400, f"{name}={value!r} is not understood; known are {', '.join(shapes)}")
    if missing := needed - told.keys():
        raise Misused(400, f"missing: {', '.join(sorted(missing))}")
    return told


async def _json(request: Request) -> dict[str, Any]:
    """A null is as good as nothing."""
    try:
        told = msgspec.json.decode(await request.body() or b"{}")
    except msgspec.DecodeError as wrong:
        raise Misused(400, f"no JSON: {wrong}") from None
    if not isinstance(told, dict):
        raise Misused(400, "a JSON object is expected")
    return {name: value for name, value in told.items() if value is not None}
