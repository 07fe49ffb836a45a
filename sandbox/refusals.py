"""Answers that refuse, in Google's words and shapes.

    Refused              an API call, in the error envelope of Google's APIs
    OAuthRefused         the token and revoke endpoints, as RFC 6749 has it
    Misused              the sandbox's own control API, used wrongly

`raise` them anywhere in an endpoint.
"""

from typing import Any

STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
LOGIN = (
    "Expected OAuth 2 access token, login cookie or other valid authentication credential. "
    "See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
MESSAGES = {
    "notFound": "Requested entity was not found.",
    "backendError": "Internal error encountered.",
    "authError": f"Request had invalid authentication credentials. {LOGIN}",
    "failedPrecondition": "Precondition check failed.",
    "domainPolicy": "The domain administrators have disabled Gmail apps.",
    "dailyLimitExceeded": "Daily Limit Exceeded",
    "userRateLimitExceeded": "User Rate Limit Exceeded",
    "rateLimitExceeded": "Rate Limit Exceeded",
    "insufficientPermissions": "Request had insufficient authentication scopes.",
    "accessNotConfigured": "Gmail API has not been used in this project before or it is disabled.",
}
SHORT = {"authError": "Invalid Credentials", "insufficientPermissions": "Insufficient Permission", "required": "Login Required."}
DOMAINS = {"rateLimitExceeded": "usageLimits", "userRateLimitExceeded": "usageLimits", "dailyLimitExceeded": "usageLimits"}


class Refused(Exception):
    """`code` is the HTTP status, `reason` the machine-readable word in `errors[0]`."""

    def __init__(self, code: int, reason: str, message: str = "", headers: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(code, reason)
        self.code = code
        self.headers = headers or {}
        said = message or MESSAGES.get(reason, reason)
        error: dict[str, Any] = {"message": SHORT.get(reason, said), "domain": DOMAINS.get(reason, "global"), "reason": reason}
        status = more.pop("status", None) or ("FAILED_PRECONDITION" if reason == "failedPrecondition" else STATUS.get(code, "UNKNOWN"))
        if code == 401:
            error |= {"location": "Authorization", "locationType": "header"}
            self.headers.setdefault("WWW-Authenticate", 'Bearer realm="https://accounts.google.com/", error="invalid_token"')
        self.body = {"error": {"code": code, "message": said, "errors": [error], "status": status, **more}}


class OAuthRefused(Exception):
    def __init__(self, code: int, error: str, description: str = "", **more: str) -> None:
        super().__init__(code, error)
        self.code = code
        self.body = {"error": error, **({"error_description": description} if description else {}), **more}


class Misused(Exception):
    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.body = {"error": why}


def no_login() -> Refused:
    return Refused(401, "required", f"Request is missing required authentication credential. {LOGIN}")


def scope_missing(method: str, accepted: str) -> Refused:
    detail = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "domain": "googleapis.com",
        "metadata": {"service": "gmail.googleapis.com", "method": f"caribou.api.proto.MailboxService.{method}"},
    }
    challenge = f'Bearer realm="https://accounts.google.com/", error="insufficient_scope", scope="{accepted}"'
    return Refused(403, "insufficientPermissions", headers={"WWW-Authenticate": challenge}, details=[detail])


def invalid(message: str) -> Refused:
    return Refused(400, "invalidArgument", message)


def not_found() -> Refused:
    return Refused(404, "notFound")
