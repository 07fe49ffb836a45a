"""Google's refusals become our errors. Pure: the answer and the moment go in, the error comes out.

The texts are those seen in the wild; where Google's words leave room, the answer is `TryAgain`, for
nothing but a clear word of Google's may end a person's connection.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from gmail.errors import (
    AccessRevoked,
    GmailTrouble,
    HistoryExpired,
    InvalidCursor,
    LimitOf,
    MessageMissing,
    NotAllowed,
    OnlyOneWatch,
    OperatorFault,
    RateLimited,
    TokenRefused,
    TryAgain,
)

SHORTEST_WAIT = timedelta(seconds=1)  # Google: "at least one second after the error"
LONGEST_WAIT = timedelta(hours=6)  # bandwidth limits last "multiple hours"; beyond that we would rather ask again
WAIT_CONCURRENT = timedelta(seconds=5)
WAIT_MAILBOX = timedelta(seconds=30)  # quotas are counted by the minute
WAIT_PROJECT = timedelta(seconds=60)
WAIT_DAILY = timedelta(hours=1)

QUOTA_REASONS = {
    "ratelimitexceeded",
    "userratelimitexceeded",
    "dailylimitexceeded",
    "quotaexceeded",
    "concurrentlimitexceeded",
    "rate_limit_exceeded",
    "resource_exhausted",
    "resource_quota_exceeded",
}
PROJECT_FAULTS = {
    "accessnotconfigured",
    "service_disabled",
    "api_disabled",
    "billing_disabled",
    "consumer_invalid",
    "consumer_suspended",
    "projectnotlinked",
}
ACCOUNT_GONE = "ACCOUNT_STATE_INVALID"  # disabled, or deleted
SCOPE_REASONS = {"insufficientpermissions", "access_token_scope_insufficient"}


@dataclass(frozen=True, slots=True)
class Refused:
    """Google's error envelope, read without trust in its shape."""

    reasons: tuple[str, ...]  # as written: errors[].reason, details[].reason, status
    message: str
    limits: str  # what the details tell of the quota, for `per user` or `per project`
    is_googles: bool

    def says(self, words: set[str]) -> bool:
        return any(reason.lower() in words for reason in self.reasons)

    @property
    def reason(self) -> str:
        return next((word for word in self.reasons if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", word)), "")


def trouble(status: int, headers: Mapping[str, str], body: bytes, method: str, now: datetime) -> GmailTrouble:
    """The error for an answer of Gmail's that is not a success. `method` is as in Google's reference, `messages.get`."""
    refused = read_refusal(body)
    because = refused.reason or f"http_{status}"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return rate_limited(refused, headers, because, now)
    match status:
        case 400:
            return _bad_request(refused, method, because)
        case 401:
            return TokenRefused(ACCOUNT_GONE if refused.says({ACCOUNT_GONE.lower()}) else because)
        case 403:
            return _forbidden(refused, headers, method, because, now)
        case 404 if refused.is_googles:
            return _not_found(method, because)
    return TryAgain(because)


def refused_again(refusal: TokenRefused) -> GmailTrouble:
    """What a 401 means once a token fresh from Google was refused as well."""
    return AccessRevoked("account_disabled") if refusal.because == ACCOUNT_GONE else refusal


def _bad_request(refused: Refused, method: str, because: str) -> GmailTrouble:
    text = refused.message.lower()
    if "only one user push notification client" in text:
        return OnlyOneWatch()
    if "mail service not enabled" in text:
        return NotAllowed("no_mail_service")
    if method == "watch" and "topic" in text:
        return OperatorFault("topic_of_another_project")
    if method == "history.list" and _names_the_cursor(text, refused):
        return InvalidCursor()
    return TryAgain(because)


def _names_the_cursor(text: str, refused: Refused) -> bool:
    """The start id is the one argument of `history.list` that is not ours by construction, but for page tokens."""
    if re.search(r"start_?history_?id", text):
        return True
    return refused.says({"invalidargument", "invalid_argument", "badrequest", "invalid"}) and "page" not in text and bool(text)


def _forbidden(refused: Refused, headers: Mapping[str, str], method: str, because: str, now: datetime) -> GmailTrouble:
    text = refused.message.lower()
    if refused.says(QUOTA_REASONS) or "retry after" in text or "quota exceeded" in text:
        return rate_limited(refused, headers, because, now)
    if refused.says(PROJECT_FAULTS) or "has not been used in project" in text:
        return OperatorFault("api_not_enabled")
    if refused.says({"domainpolicy"}):
        return NotAllowed("domain_policy")
    if refused.says(SCOPE_REASONS) or "insufficient authentication scopes" in text:
        return NotAllowed("insufficient_scope")
    if method == "watch" and "pubsub" in text:
        return OperatorFault("topic_permission")
    return TryAgain(because)


def _not_found(method: str, because: str) -> GmailTrouble:
    match method:
        case "history.list":
            return HistoryExpired()
        case "messages.get" | "messages.attachments.get" | "threads.get":
            return MessageMissing()
        case "watch":
            return OperatorFault("topic_missing")
    return TryAgain(because)


def rate_limited(refused: Refused, headers: Mapping[str, str], because: str, now: datetime) -> RateLimited:
    """When to ask again: as Google says in a header or in its text, else as long as that kind of limit takes to pass.

    A moment that Google names is read by Google's own clock, the Date of its answer: this machine's may be an hour off.
    """
    of = _limit_of(refused)
    answered_at = _moment(_header(headers, "date")) or now
    waits = (_header_wait(_header(headers, "retry-after"), answered_at), _text_wait(refused.message, answered_at), _usual_wait(refused, of))
    asked = next(wait for wait in waits if wait is not None)
    return RateLimited(now + min(max(asked, SHORTEST_WAIT), LONGEST_WAIT), of, because)


def _limit_of(refused: Refused) -> LimitOf:
    text = f"{refused.message} {refused.limits}".lower().replace("-", " ")
    if refused.says({"dailylimitexceeded"}):
        return "project"
    if refused.says({"userratelimitexceeded"}) or re.search(r"per ?user|user rate|for user", text):
        return "mailbox"
    return "project" if re.search(r"per ?project|per ?day|quota metric", text) else "mailbox"


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value.strip()[:100] for key, value in headers.items() if key.lower() == name), "")


def _header_wait(value: str, now: datetime) -> timedelta | None:
    if re.fullmatch(r"\d{1,9}", value):
        return timedelta(seconds=int(value))
    moment = _moment(value)
    return None if moment is None else moment - now


def _text_wait(message: str, now: datetime) -> timedelta | None:
    found = re.search(r"Retry after\s+(\d{4}-\d\d-\d\dT[0-9:.]{5,20}(?:Z|[+-]\d\d:?\d\d)?)", message, re.IGNORECASE)
    try:
        return _utc(datetime.fromisoformat(found[1])) - now if found else None
    except ValueError:
        return None


def _moment(value: str) -> datetime | None:
    """A date as HTTP writes it."""
    try:
        return _utc(parsedate_to_datetime(value))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _usual_wait(refused: Refused, of: LimitOf) -> timedelta:
    if refused.says({"dailylimitexceeded"}):
        return WAIT_DAILY
    if "concurrent" in refused.message.lower():
        return WAIT_CONCURRENT
    return WAIT_PROJECT if of == "project" else WAIT_MAILBOX


def read_refusal(body: bytes) -> Refused:
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return Refused((), "", "", is_googles=False)
    if not isinstance(error, dict):
        return Refused((), "", "", is_googles=False)
    errors, details = list(_objects(error.get("errors"))), list(_objects(error.get("details")))
    words = [*(e.get("reason") for e in errors), *(d.get("reason") for d in details), error.get("status")]
    limits = [str(d.get("metadata", "")) for d in details]
    message = error.get("message")
    return Refused(
        tuple(word for word in words if isinstance(word, str)),
        message[:2000] if isinstance(message, str) else "",
        " ".join(limits)[:2000],
        is_googles=True,
    )


def _objects(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
