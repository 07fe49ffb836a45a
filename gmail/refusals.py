"""What a failed token refresh means. Pure. google-auth's own `retryable` is not to be trusted: it is False for a 502 as well."""

from collections.abc import Mapping

from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError

from gmail.errors import AccessRevoked, GmailTrouble, OperatorFault, Revocation, TryAgain

OURS = {
    "invalid_client",
    "unauthorized_client",
    "deleted_client",
    "disabled_client",
    "org_internal",
    "unsupported_grant_type",
    "invalid_scope",
}
DEAD_GRANTS: dict[str, Revocation] = {
    "invalid_grant": "invalid_grant",
    "admin_policy_enforced": "admin_policy",
    "invalid_rapt": "invalid_rapt",
    "rapt_required": "invalid_rapt",
}


def refresh_trouble(error: Exception) -> GmailTrouble:
    """The error for whatever google-auth raised from a refresh; it raises TypeError for a 200 that is not JSON."""
    if isinstance(error, RefreshError):
        answer = error.args[1] if len(error.args) > 1 else None
        if isinstance(answer, dict):
            return token_trouble(answer)
        if str(error).startswith("Reauthentication is needed"):  # the body is dropped for invalid_rapt and rapt_required
            return AccessRevoked("invalid_rapt")
        return TryAgain("token_endpoint")
    if isinstance(error, TransportError):
        return TryAgain("network")
    return TryAgain("token_endpoint" if isinstance(error, GoogleAuthError) else "unreadable")


def token_trouble(answer: Mapping[str, object]) -> GmailTrouble:
    """The error for the token endpoint's JSON; used for refreshes, where an `invalid_grant` is the grant's own end."""
    word, subtype, text = (str(answer.get(key, "")) for key in ("error", "error_subtype", "error_description"))
    if word in OURS:
        return OperatorFault(word)
    if word not in DEAD_GRANTS:
        return TryAgain("token_endpoint")
    if subtype in ("invalid_rapt", "rapt_required"):
        return AccessRevoked("invalid_rapt")
    if word == "invalid_grant" and any(said in text.lower() for said in ("disabled", "deleted", "suspended")):
        return AccessRevoked("account_disabled")
    return AccessRevoked(DEAD_GRANTS[word])
