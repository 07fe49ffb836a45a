"""Partial responses: the `fields` parameter, as Google's APIs read it (`id,payload/headers`, `history(id,messagesAdded/message)`)."""

import re
from functools import lru_cache
from typing import Any

from sandbox.refusals import Refused

Shape = dict[str, Any]
Selection = dict[str, Any]  # name -> what is wanted below it; {} is everything
TOKEN = re.compile(r"[A-Za-z0-9_.\-*]+|[(),/]")


def _flat(names: str) -> Shape:
    return {name: {} for name in names.split()}


PART: Shape = {"partId": {}, "mimeType": {}, "filename": {}, "headers": {"name": {}, "value": {}}}
PART |= {"body": {"attachmentId": {}, "size": {}, "data": {}}, "parts": PART}
MESSAGE = _flat("id threadId labelIds snippet sizeEstimate raw historyId internalDate classificationLabelValues") | {"payload": PART}
LISTED: Shape = {"message": MESSAGE}
LABELLED: Shape = {"message": MESSAGE, "labelIds": {}}
HISTORY: Shape = {
    "id": {},
    "messages": MESSAGE,
    "messagesAdded": LISTED,
    "messagesDeleted": LISTED,
    "labelsAdded": LABELLED,
    "labelsRemoved": LABELLED,
}
HISTORY_LIST: Shape = {"history": HISTORY, "historyId": {}, "nextPageToken": {}}
MESSAGE_LIST: Shape = {"messages": MESSAGE, "nextPageToken": {}, "resultSizeEstimate": {}}
PROFILE = _flat("emailAddress messagesTotal threadsTotal historyId")
WATCH = _flat("historyId expiration")
LABEL = _flat("id name type messageListVisibility labelListVisibility color messagesTotal messagesUnread threadsTotal threadsUnread")
SEND_AS = _flat("sendAsEmail displayName replyToAddress signature isPrimary isDefault treatAsAlias verificationStatus smtpMsa")
SHAPES = {
    "Message": MESSAGE,
    "Thread": _flat("id snippet historyId") | {"messages": MESSAGE},
    "ListHistoryResponse": HISTORY_LIST,
    "ListMessagesResponse": MESSAGE_LIST,
    "Profile": PROFILE,
    "WatchResponse": WATCH,
    "Label": LABEL,
    "ListLabelsResponse": {"labels": LABEL},
    "SendAs": SEND_AS,
    "ListSendAsResponse": {"sendAs": SEND_AS},
    "MessagePartBody": PART["body"],
}


def select(body: Any, fields: str, shape: str) -> Any:
    """`body` with only what `fields` names. Raises Refused 400 for a name that SHAPES[shape] does not have."""
    return _keep(body, _selection(fields, shape))


@lru_cache(maxsize=256)
def _selection(fields: str, shape: str) -> Selection:
    tokens = TOKEN.findall(fields)[::-1]
    if "".join(tokens[::-1]) != fields.replace(" ", "") or not tokens:
        raise _invalid(fields)
    wanted = _list(tokens, fields)
    if tokens:
        raise _invalid(fields)
    _check(wanted, SHAPES[shape])
    return wanted


def _list(tokens: list[str], fields: str) -> Selection:
    wanted: Selection = {}
    while True:
        _path(tokens, fields, wanted)
        if not tokens or tokens[-1] != ",":
            return wanted
        tokens.pop()


def _path(tokens: list[str], fields: str, wanted: Selection) -> None:
    if not tokens or tokens[-1] in "(),/":
        raise _invalid(fields)
    below: Selection = wanted.setdefault(tokens.pop(), {})
    if tokens and tokens[-1] == "/":
        tokens.pop()
        _path(tokens, fields, below)
    elif tokens and tokens[-1] == "(":
        tokens.pop()
        below.update(_list(tokens, fields))
        if not tokens or tokens.pop() != ")":
            raise _invalid(fields)


def _check(wanted: Selection, shape: Shape) -> None:
    for name, below in wanted.items():
        if name == "*":
            inside = {key: value for part in shape.values() for key, value in part.items()}
        elif name in shape:
            inside = shape[name]
        else:
            raise _invalid(name)
        _check(below, inside)


def _keep(body: Any, wanted: Selection) -> Any:
    if not wanted or ("*" in wanted and not wanted["*"]):
        return body
    if isinstance(body, list):
        return [_keep(one, wanted) for one in body]
    if not isinstance(body, dict):
        return body
    any_name = wanted.get("*")
    chosen = ((name, value, wanted.get(name, any_name)) for name, value in body.items())
    return {name: _keep(value, below) for name, value, below in chosen if below is not None}


def _invalid(what: str) -> Refused:
    return Refused(400, "invalidParameter", f"Invalid field selection {what}")
