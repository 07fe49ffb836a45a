"""Google's refusals, as seen in the wild, and what they become."""

import json
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime

import pytest

from gmail.classify import refused_again, trouble
from gmail.errors import (
    AccessRevoked,
    GmailTrouble,
    HistoryExpired,
    InvalidCursor,
    MessageMissing,
    NotAllowed,
    OnlyOneWatch,
    OperatorFault,
    RateLimited,
    TokenRefused,
    TryAgain,
)
from tests.gmail.google import NOON, refusal

QUOTA_TEXT = "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service 'gmail.googleapis.com'"
PROJECT_TEXT = "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service 'gmail.googleapis.com'"
NO_PUBLISHER = "Error sending test message to Cloud PubSub projects/p/topics/t : User not authorized to perform this action."
NO_TOPIC = "Error sending test message to Cloud PubSub projects/p/topics/t : Resource not found"
OTHER_PROJECT = "Invalid topicName does not match projects/p/topics/*"
PER_USER = "User Rate Limit Exceeded. Rate of requests for user exceed configured project quota, you may consider re-evaluating traffic"
CONCURRENT = "Too many concurrent requests for user"
DOMAIN_TEXT = "The domain administrators have disabled Gmail apps."
ONE_CLIENT = "Only one user push notification client allowed per developer (call /stop then try again)"
ANY_SCOPE = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]
DISABLED = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED"}]


def metered(limit: str) -> list[dict[str, object]]:
    return [{"reason": "RATE_LIMIT_EXCEEDED", "metadata": {"quota_limit": limit}}]


def classified(status: int, body: object = b"", method: str = "messages.get", **headers: str) -> GmailTrouble:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return trouble(status, {name.replace("_", "-"): value for name, value in headers.items()}, content, method, NOON)


@pytest.mark.parametrize(
    ("status", "body", "method", "becomes", "attribute"),
    [
        (404, refusal(404, "notFound", "Requested entity was not found."), "history.list", HistoryExpired, None),
        (404, refusal(404, "notFound", "Requested entity was not found."), "messages.get", MessageMissing, None),
        (404, refusal(404, "notFound", "Requested entity was not found."), "messages.attachments.get", MessageMissing, None),
        (404, refusal(404, "notFound", "Requested entity was not found."), "getProfile", TryAgain, "notFound"),
        (404, b"<html>no such page</html>", "history.list", TryAgain, "http_404"),
        (404, b"<html>no such page</html>", "messages.get", TryAgain, "http_404"),
        (400, refusal(400, "invalidArgument", "Invalid startHistoryId: abc"), "history.list", InvalidCursor, None),
        (400, refusal(400, "invalidArgument", "Request contains an invalid argument."), "history.list", InvalidCursor, None),
        (400, refusal(400, "invalidArgument", "Invalid pageToken"), "history.list", TryAgain, "invalidArgument"),
        (400, refusal(400, "badRequest", "Invalid id value"), "messages.get", TryAgain, "badRequest"),
        (400, refusal(400, "failedPrecondition", "Precondition check failed."), "history.list", TryAgain, "failedPrecondition"),
        (400, refusal(400, "failedPrecondition", "Mail service not enabled"), "getProfile", NotAllowed, "no_mail_service"),
        (401, refusal(401, "authError", "Invalid Credentials", "UNAUTHENTICATED"), "messages.get", TokenRefused, "authError"),
        (403, refusal(403, "domainPolicy", DOMAIN_TEXT), "getProfile", NotAllowed, "domain_policy"),
        (403, refusal(403, "insufficientPermissions", "Insufficient Permission"), "messages.get", NotAllowed, "insufficient_scope"),
        (403, refusal(403, status="PERMISSION_DENIED", details=ANY_SCOPE), "messages.get", NotAllowed, "insufficient_scope"),
        (403, refusal(403, "forbidden", "Request had insufficient authentication scopes."), "watch", NotAllowed, "insufficient_scope"),
        (403, refusal(403, "domainPolicy", DOMAIN_TEXT), "watch", NotAllowed, "domain_policy"),
        (400, refusal(400, "failedPrecondition", "Mail service not enabled"), "watch", NotAllowed, "no_mail_service"),
        (400, refusal(400, "failedPrecondition", "Precondition check failed."), "watch", TryAgain, "failedPrecondition"),
        (403, refusal(403, "accessNotConfigured", "Gmail API has not been used"), "messages.get", OperatorFault, "api_not_enabled"),
        (403, refusal(403, status="PERMISSION_DENIED", details=DISABLED), "watch", OperatorFault, "api_not_enabled"),
        (403, refusal(403, "forbidden", NO_PUBLISHER), "watch", OperatorFault, "topic_permission"),
        (403, refusal(403, "forbidden", "Forbidden"), "messages.get", TryAgain, "forbidden"),
        (403, b"<html>blocked</html>", "messages.get", TryAgain, "http_403"),
        (400, refusal(400, "invalidArgument", OTHER_PROJECT), "watch", OperatorFault, "topic_of_another_project"),
        (404, refusal(404, "notFound", NO_TOPIC), "watch", OperatorFault, "topic_missing"),
        (400, refusal(400, "invalidArgument", ONE_CLIENT), "watch", OnlyOneWatch, None),
        (500, refusal(500, "backendError", "Backend Error"), "watch", TryAgain, "backendError"),
        (503, b"<html>busy</html>", "messages.get", TryAgain, "http_503"),
        (502, b"", "history.list", TryAgain, "http_502"),
        (408, b"", "history.list", TryAgain, "http_408"),
        (302, b"", "history.list", TryAgain, "http_302"),
    ],
)  # fmt: skip
def test_each_refusal_says_what_to_do(status: int, body: object, method: str, becomes: type[GmailTrouble], attribute: str | None) -> None:
    """Scenarios 79, 104."""
    error = classified(status, body, method)
    assert type(error) is becomes
    if attribute is not None:
        assert attribute in (getattr(error, "because", None), getattr(error, "what", None))


@pytest.mark.parametrize(
    ("status", "body", "headers", "of", "seconds"),
    [
        (403, refusal(403, "rateLimitExceeded", "User-rate limit exceeded.  Retry after 2026-11-23T12:07:00.000Z"), {}, "mailbox", 420),
        (429, refusal(429, "rateLimitExceeded", QUOTA_TEXT, "RESOURCE_EXHAUSTED"), {}, "mailbox", 30),
        (403, refusal(403, message=PROJECT_TEXT, status="RESOURCE_EXHAUSTED"), {}, "project", 60),
        (403, refusal(403, "userRateLimitExceeded", "User Rate Limit Exceeded"), {"Retry_After": "17"}, "mailbox", 17),
        (403, refusal(403, "userRateLimitExceeded", PER_USER), {}, "mailbox", 30),
        (403, refusal(403, "rateLimitExceeded", "Rate Limit Exceeded"), {}, "mailbox", 30),
        (403, refusal(403, "quotaExceeded", PROJECT_TEXT), {}, "project", 60),
        (403, refusal(403, "quotaExceeded", QUOTA_TEXT), {}, "mailbox", 30),
        (403, refusal(403, "dailyLimitExceeded", "Daily Limit Exceeded"), {}, "project", 3600),
        (429, refusal(429, "rateLimitExceeded", CONCURRENT), {}, "mailbox", 5),
        (403, refusal(403, "rateLimitExceeded", CONCURRENT), {}, "mailbox", 5),
        (429, refusal(429, "rateLimitExceeded", "Slow down"), {"Retry_After": "90"}, "mailbox", 90),
        (429, refusal(429, "rateLimitExceeded", "Retry after 2026-11-23T12:02:00Z"), {"Retry_After": "9"}, "mailbox", 9),
        (429, refusal(429, details=metered("QueriesPerMinutePerProject")), {}, "project", 60),
        (429, refusal(429, details=metered("QueriesPerMinutePerUserPerProject")), {}, "mailbox", 30),
        (429, b"<html>slow down</html>", {"retry_after": "Mon, 23 Nov 2026 12:01:00 GMT"}, "mailbox", 60),
        (429, b"", {"Retry_After": "0"}, "mailbox", 1),
        (429, b"", {"Retry_After": "soon"}, "mailbox", 30),
        (429, refusal(429, "rateLimitExceeded", "Retry after 2026-11-23T11:00:00Z"), {}, "mailbox", 1),
        (429, refusal(429, "rateLimitExceeded", "Retry after 2026-11-30T11:00:00Z"), {}, "mailbox", 6 * 3600),
        (429, refusal(429, "rateLimitExceeded", "Retry after 2026-99-99T11:00:00Z"), {}, "mailbox", 30),
    ],
)  # fmt: skip
def test_quota_refusals_say_until_when_and_for_whom(status: int, body: object, headers: dict[str, str], of: str, seconds: int) -> None:
    """Scenario 103."""
    error = classified(status, body, **headers)
    assert isinstance(error, RateLimited)
    assert (error.of, error.until - NOON) == (of, timedelta(seconds=seconds))


@pytest.mark.parametrize("of_google", ["Mon, 23 Nov 2026 13:00:00 GMT", "Mon, 23 Nov 2026 11:00:00 GMT"])
@pytest.mark.parametrize("by", ["text", "header"])
def test_a_moment_that_google_names_is_read_by_googles_own_clock(of_google: str, by: str) -> None:
    """Scenarios 86, 103. This machine's clock, which says noon, is an hour behind or ahead."""
    until = parsedate_to_datetime(of_google) + timedelta(minutes=7)
    body = refusal(403, "rateLimitExceeded", f"Slow down.  Retry after {until:%Y-%m-%dT%H:%M:%S}.000Z" if by == "text" else "Slow down")
    error = classified(403, body, Date=of_google, **({"Retry_After": format_datetime(until, usegmt=True)} if by == "header" else {}))
    assert isinstance(error, RateLimited)
    assert error.until - NOON == timedelta(minutes=7)


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Nov 2026 99:99:99 GMT"])
def test_without_a_date_of_googles_this_machines_clock_must_do(date: str) -> None:
    """Scenario 103."""
    error = classified(429, refusal(429, "rateLimitExceeded", "Retry after 2026-11-23T12:07:00Z"), Date=date)
    assert isinstance(error, RateLimited)
    assert error.until - NOON == timedelta(minutes=7)


def test_a_fresh_token_refused_is_no_revocation_unless_google_says_the_account_is_gone() -> None:
    """Scenario 91."""
    puzzling = classified(401, refusal(401, "authError", "Invalid Credentials"))
    assert isinstance(puzzling, TokenRefused)
    assert refused_again(puzzling) is puzzling
    gone = classified(401, refusal(401, "authError", details=[{"reason": "ACCOUNT_STATE_INVALID"}]))
    assert isinstance(gone, TokenRefused)
    revoked = refused_again(gone)
    assert isinstance(revoked, AccessRevoked)
    assert revoked.because == "account_disabled"


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b'{"error": "no"}', b'{"error": {"errors": [null, 5], "details": {}, "message": 7}}', b"[" * 99_999]
)
def test_no_shape_of_an_answer_is_too_odd(body: bytes) -> None:
    assert type(classified(403, body)) is TryAgain


def test_an_error_carries_nothing_of_googles_text() -> None:
    """Scenario 110."""
    error = classified(403, refusal(403, "no one@example.com here", "one@example.com may not"))
    assert "example.com" not in f"{error!r} {error} {error.__dict__}"
