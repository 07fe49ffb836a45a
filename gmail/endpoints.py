"""Where Google is: its own addresses, unless a deployment or a test names others."""

from dataclasses import dataclass

GMAIL_READONLY = "https://www.googleapis.com/auth/gmail.readonly"


@dataclass(frozen=True, slots=True)
class GoogleEndpoints:
    auth_uri: str = "https://accounts.google.com/o/oauth2/v2/auth"
    token_uri: str = "https://oauth2.googleapis.com/token"
    revoke_uri: str = "https://oauth2.googleapis.com/revoke"
    oidc_certs_url: str = "https://www.googleapis.com/oauth2/v1/certs"
    gmail_api: str = "https://gmail.googleapis.com"
