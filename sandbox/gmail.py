"""Gmail v1: what each method answers. Who may call it, what it costs and what goes wrong is `api.py`'s business."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import QueryParams

from sandbox import rfc822
from sandbox.chance import token
from sandbox.clock import DAY
from sandbox.mailbox import Mailbox
from sandbox.refusals import Refused, invalid, not_found
from sandbox.search import question, shows_hidden
from sandbox.state import SYSTEM_LABELS, Change, Message, Watch
from sandbox.world import World

ONE_CLIENT = "Only one user push notification client allowed per developer (call /stop then try again)"
WATCH_LIFE = 7 * DAY
PAGE, LONGEST_PAGE = 100, 500
READS = ("https://mail.google.com/", "https://www.googleapis.com/auth/gmail.modify", "https://www.googleapis.com/auth/gmail.readonly")
METADATA = "https://www.googleapis.com/auth/gmail.metadata"
KINDS = {
    "messageAdded": "messagesAdded",
    "messageDeleted": "messagesDeleted",
    "labelAdded": "labelsAdded",
    "labelRemoved": "labelsRemoved",
}
FORMATS = frozenset({"full", "minimal", "raw", "metadata"})


@dataclass(frozen=True, slots=True)
class Call:
    """One request by an account's owner: `scopes` of the token, `path` and `query` parameters, JSON `body`."""

    world: World
    mailbox: Mailbox
    scopes: list[str]
    path: Mapping[str, str]
    query: QueryParams
    body: Mapping[str, Any]

    @property
    def metadata_only(self) -> bool:
        return not set(self.scopes) & set(READS)

    def whole(self, name: str, type_name: str, usual: int | None = None) -> int | None:
        """A parameter that is a whole number. Raises Refused 400."""
        written = self.query.get(name, "")
        if not written:
            return usual
        if not (written.isascii() and written.isdigit()) or int(written) >= 2**64:
            snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
            raise invalid(f"Invalid value at '{snake}' (TYPE_{type_name}), \"{written}\"")
        return int(written)

    def page_size(self) -> int:
        return min(self.whole("maxResults", "UINT32") or PAGE, LONGEST_PAGE)

    def page_token(self) -> int:
        written = self.query.get("pageToken", "")
        if written and not (written.isascii() and written.isdigit()):
            raise invalid("Invalid pageToken")
        return int(written or 0)


def get_profile(call: Call) -> dict[str, Any]:
    mailbox = call.mailbox
    threads = {message.thread_id for message in mailbox.messages.values()}
    return {
        "emailAddress": mailbox.account.address,
        "messagesTotal": len(mailbox.messages),
        "threadsTotal": len(threads),
        "historyId": str(mailbox.account.head),
    }


def watch(call: Call) -> dict[str, Any]:
    """A notification follows at once."""
    world, account, body = call.world, call.mailbox.account, call.body
    topic, project = str(body.get("topicName", "")), world.settings.project
    if not topic.startswith(f"projects/{project}/topics/") or topic.count("/") != 3 or topic.endswith("/"):
        raise invalid(f"Invalid topicName does not match projects/{project}/topics/*")
    if account.watch and account.watch.expires_at > world.now() and account.watch.topic != topic:
        raise invalid(ONE_CLIENT)
    behavior = str(body.get("labelFilterBehavior") or body.get("labelFilterAction") or "include").lower()
    if behavior not in ("include", "exclude"):
        raise invalid(f"Invalid value at 'label_filter_behavior' (type.googleapis.com/gmail.v1.LabelFilterBehavior), \"{behavior}\"")
    account.watch = Watch(topic, world.now() + WATCH_LIFE, [str(label) for label in body.get("labelIds", [])], behavior)
    world.store.put("account", account.sub, account)
    world.notify_at_once(call.mailbox)
    return {"historyId": str(account.head), "expiration": str(account.watch.expires_at)}


def stop(call: Call) -> None:
    call.mailbox.account.watch = None
    call.world.store.put("account", call.mailbox.account.sub, call.mailbox.account)


def list_history(call: Call) -> dict[str, Any]:
    mailbox, now = call.mailbox, call.world.now()
    start = call.whole("startHistoryId", "UINT64")
    if start is None:
        raise invalid("Missing required parameter: startHistoryId")
    kinds = _kinds(call)
    label = call.query.get("labelId", "")
    if label and label not in SYSTEM_LABELS and label not in mailbox.account.user_labels:
        raise not_found()
    if call.world.faults.strikes("history_expired", mailbox.account.sub):
        raise not_found()
    if start < mailbox.expires_before(now):
        raise not_found()
    turn, size = call.page_token(), call.page_size()
    listed = [c for c in mailbox.since(start) if c.turn >= turn and c.visible_at <= now]
    shown = [c for c in listed[:size] if c.kind in kinds and (not label or label in _touched(mailbox, c))]
    answer: dict[str, Any] = {"history": [_record(change) for change in shown]} if shown else {}
    answer["historyId"] = str(mailbox.account.head)
    if len(listed) > size:
        answer["nextPageToken"] = str(listed[size].turn)
    return answer


def _kinds(call: Call) -> set[str]:
    given = call.query.getlist("historyTypes")
    if wrong := [name for name in given if name not in KINDS]:
        raise invalid(f"Invalid value at 'history_types' (type.googleapis.com/gmail.v1.HistoryType), \"{wrong[0]}\"")
    return {KINDS[name] for name in given} or set(KINDS.values())


def _touched(mailbox: Mailbox, change: Change) -> list[str]:
    message = mailbox.messages.get(change.message_id)
    return [*change.labels, *(change.message_labels or (message.labels if message else []))]


def _record(change: Change) -> dict[str, Any]:
    stub = {"id": change.message_id, "threadId": change.thread_id}
    told: dict[str, Any] = dict(stub)
    if change.message_labels:
        told["labelIds"] = change.message_labels
    entry: dict[str, Any] = {"message": told}
    if change.kind in ("labelsAdded", "labelsRemoved"):
        entry["labelIds"] = change.labels
    return {"id": str(change.history_id), "messages": [stub], change.kind: [entry]}


def list_messages(call: Call) -> dict[str, Any]:
    """Newest first, without spam and trash unless they are asked for, and as far as the index has come (the fault search_late)."""
    q, labels = call.query.get("q", ""), call.query.getlist("labelIds")
    if q and call.metadata_only:
        raise Refused(403, "forbidden", "Metadata scope does not support 'q' parameter")
    hidden = call.query.get("includeSpamTrash", "") == "true" or shows_hidden(q) or bool({"SPAM", "TRASH"} & set(labels))
    fits, size, skip = question(q), call.page_size(), call.page_token()
    late = call.world.faults.strike("search_late", call.mailbox.account.sub)
    indexed_until = call.world.now() - int(late["s"] * 1000) if late else None
    found = []
    for message in call.mailbox.newest_first():
        held = set(message.labels)
        if indexed_until is not None and message.arrived_at > indexed_until:
            continue
        if (hidden or not held & {"SPAM", "TRASH"}) and held.issuperset(labels) and fits(message):
            found.append({"id": message.id, "threadId": message.thread_id})
    page = found[skip : skip + size]
    answer: dict[str, Any] = {"messages": page} if page else {}
    if skip + size < len(found):
        answer["nextPageToken"] = str(skip + size)
    return {**answer, "resultSizeEstimate": len(found)}


def get_message(call: Call) -> dict[str, Any]:
    form = call.query.get("format", "") or "full"
    if form not in FORMATS:
        raise invalid(f"Invalid value at 'format' (type.googleapis.com/gmail.v1.Format), \"{form}\"")
    if call.metadata_only and form in ("full", "raw"):
        raise Refused(403, "forbidden", f"Metadata scope doesn't allow format {form.upper()}")
    return _answered(call, _message(call, call.path["id"]), form)


def get_thread(call: Call) -> dict[str, Any]:
    """Oldest first, those in spam and trash too."""
    form = call.query.get("format", "") or "full"
    if form not in FORMATS - {"raw"}:
        raise invalid(f"Invalid value at 'format' (type.googleapis.com/gmail.v1.Format), \"{form}\"")
    if call.metadata_only and form == "full":
        raise Refused(403, "forbidden", "Metadata scope doesn't allow format FULL")
    found = [message for message in call.mailbox.newest_first() if message.thread_id == call.path["id"]][::-1]
    if not found:
        raise not_found()
    head = max(message.history_id for message in found)
    return {"id": call.path["id"], "historyId": str(head), "messages": [_answered(call, message, form) for message in found]}


def _answered(call: Call, message: Message, form: str) -> dict[str, Any]:
    answer = _facts(message)
    if form == "raw":
        answer["raw"] = rfc822.encoded(call.world.raw(call.mailbox, message.id))
    elif form == "metadata":
        names = {name.lower() for name in call.query.getlist("metadataHeaders")}
        answer["payload"] = rfc822.headers_only(call.world.shaped(call.mailbox, message.id).root, names)
    elif form == "full":
        answer["payload"] = _payload(call, message.id)
    return answer


def _facts(message: Message) -> dict[str, Any]:
    facts: dict[str, Any] = {"id": message.id, "threadId": message.thread_id}
    if message.labels:
        facts["labelIds"] = message.labels
    numbers = {"historyId": str(message.history_id), "internalDate": str(message.internal_date)}
    return {**facts, "snippet": message.snippet, "sizeEstimate": message.size, **numbers}


def _payload(call: Call, id: str) -> dict[str, Any]:
    # an attachment's id is another one at each get, as Google's is: it names the part, and says when it was made
    world = call.world
    return rfc822.payload(world.shaped(call.mailbox, id).root, lambda part_id: f"ANGjdJ-{part_id}-{token(world.draw())}")


def _message(call: Call, id: str) -> Message:
    message = call.mailbox.messages.get(id)
    if message is None:
        raise not_found()
    world, sub = call.world, call.mailbox.account.sub
    if world.faults.strikes("message_broken", sub, id=id):
        raise Refused(500, "backendError")
    if _not_yet(world, sub, message):
        raise not_found()
    return message


def _not_yet(world: World, sub: str, message: Message) -> bool:
    """The fault message_404_first: the first get of each message finds nothing, or every get in its first s seconds."""
    if (sub, message.id) in world.seen_missing:
        return False
    fault = world.faults.strike("message_404_first", sub, id=message.id)
    if fault is None:
        return False
    if "s" in fault:
        return world.now() < message.arrived_at + int(fault["s"] * 1000)
    world.seen_missing.add((sub, message.id))
    return True


def get_attachment(call: Call) -> dict[str, Any]:
    if call.path["messageId"] not in call.mailbox.messages:
        raise not_found()
    prefix, _, rest = call.path["id"].partition("-")
    shaped = call.world.shaped(call.mailbox, call.path["messageId"])
    part = next((part for part in shaped.root.every() if rfc822.stands_apart(part) and part.part_id == rest.partition("-")[0]), None)
    if prefix != "ANGjdJ" or part is None:
        raise invalid("Invalid attachment token")
    data = part.data or b""
    return {"size": len(data), **({"data": rfc822.encoded(data)} if data else {})}


def list_labels(call: Call) -> dict[str, Any]:
    own = [_label(id, name, "user") for id, name in call.mailbox.account.user_labels.items()]
    return {"labels": [_label(id, id, "system") for id in SYSTEM_LABELS] + own}


def get_label(call: Call) -> dict[str, Any]:
    id, own = call.path["id"], call.mailbox.account.user_labels
    if id not in SYSTEM_LABELS and id not in own:
        raise not_found()
    held = [message for message in call.mailbox.messages.values() if id in message.labels]
    unread = [message for message in held if "UNREAD" in message.labels]
    counts = {"messagesTotal": len(held), "messagesUnread": len(unread)}
    threads = {"threadsTotal": len({m.thread_id for m in held}), "threadsUnread": len({m.thread_id for m in unread})}
    return {**_label(id, own.get(id, id), "user" if id in own else "system"), **counts, **threads}


def _label(id: str, name: str, kind: str) -> dict[str, Any]:
    shown = {"messageListVisibility": "show", "labelListVisibility": "labelShow"} if kind == "user" else {}
    return {"id": id, "name": name, **shown, "type": kind}


def list_send_as(call: Call) -> dict[str, Any]:
    account = call.mailbox.account
    own = {"sendAsEmail": account.address, "displayName": account.name, "isPrimary": True, "isDefault": True}
    more = [
        {"sendAsEmail": alias, "displayName": account.name, "treatAsAlias": True, "verificationStatus": "accepted"}
        for alias in account.aliases
    ]
    return {"sendAs": [own, *more]}
