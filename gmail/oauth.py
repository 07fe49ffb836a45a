"""Google's consent: where a person is sent, and what the code that they come back with is worth."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import aiohttp
from google.auth import jwt
from google.auth.exceptions import GoogleAuthError

from gmail.certs import Certs
from gmail.client import utc_now
from gmail.endpoints import GMAIL_READONLY, GoogleEndpoints
from gmail.errors import CodeRefused, ConsentIncomplete, GmailTrouble, IdentityUnproven, OperatorFault, TryAgain
from gmail.headers import whole_number

SIGN_IN = ("openid", "email")
MAIL = (GMAIL_READONLY, *SIGN_IN)
ISSUERS = {"https://accounts.google.com", "accounts.google.com"}
CLOCK_SKEW = 60  # seconds
CONSUMER = ("gmail.com", "googlemail.com")
TIMEOUT = aiohttp.ClientTimeout(total=15)
OPERATORS_FAULTS = {"invalid_client", "unauthorized_client", "deleted_client", "disabled_client", "redirect_uri_mismatch", "org_internal"}


@dataclass(frozen=True, slots=True)
class Identity:
    sub: str  # the account, for ever; addresses change
    email: str
    email_verified: bool
    hosted: bool = False  # an organisation's account: it says with `hd` that Google hosts the organisation's domain


@dataclass(frozen=True, slots=True)
class Grant:
    refresh_token: str | None  # only at the first consent, or when consent was asked for again
    access_token: str
    expires_at: datetime  # UTC
    scopes: frozenset[str]
    sub: str
    email: str
    email_verified: bool
    hosted: bool = False

    @property
    def is_googles_own(self) -> bool:
        """Whether Google itself gives out the address. One of another provider was verified once, and may be somebody else's by now.

        https://developers.google.com/identity/gsi/web/guides/verify-google-id-token
        """
        return self.hosted or self.email.rpartition("@")[2].lower() in CONSUMER


class OAuthClient:
    def __init__(
        self,
        endpoints: GoogleEndpoints,
        client_id: str,
        client_secret: str,
        session: aiohttp.ClientSession,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._endpoints, self._client_id, self._client_secret = endpoints, client_id, client_secret
        self._session, self._clock = session, clock
        self._certs = Certs(session, endpoints.oidc_certs_url)

    def authorization_url(
        self,
        redirect_uri: str,
        state: str,
        code_verifier: str,
        login_hint: str,
        nonce: str,
        *,
        prompt: str = "consent select_account",
        scopes: tuple[str, ...] = MAIL,
    ) -> str:
        """Where to send the person. Without `consent` in `prompt` a second connect gets no refresh token."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": " ".join(scopes),
            "access_type": "offline" if GMAIL_READONLY in scopes else "online",
            "include_granted_scopes": "false",
            "prompt": prompt,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "login_hint": login_hint,
        }
        joint = "&" if "?" in self._endpoints.auth_uri else "?"
        return f"{self._endpoints.auth_uri}{joint}{urlencode({key: value for key, value in asked.items() if value})}"

    async def exchange(
        self, code: str, code_verifier: str, redirect_uri: str, nonce: str, *, needed: frozenset[str] = frozenset({GMAIL_READONLY})
    ) -> Grant:
        """What the code is worth, once. Raises `CodeRefused`, `ConsentIncomplete`, `IdentityUnproven`, `OperatorFault`, `TryAgain`."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": code_verifier,
            "redirect_uri": redirect_uri,
            "client_id": self._client_id,
            "client_secret": self._client_secret,
        }
        status, answer = await self._post(self._endpoints.token_uri, form)
        access_token = answer.get("access_token")
        if status != 200 or not isinstance(access_token, str) or not access_token:
            raise _refusal(status, answer)
        granted = frozenset(str(answer.get("scope", "")).split())
        if missing := needed - granted:
            raise ConsentIncomplete(missing)
        identity = await self.identity(str(answer.get("id_token", "")), nonce)
        refresh_token = answer.get("refresh_token")
        return Grant(
            refresh_token if isinstance(refresh_token, str) and refresh_token else None,
            access_token,
            self._clock() + timedelta(seconds=min(whole_number(answer.get("expires_in")) or 0, 86_400)),
            granted,
            identity.sub,
            identity.email,
            identity.email_verified,
            identity.hosted,
        )

    async def identity(self, id_token: str, nonce: str) -> Identity:
        """Who an identity token speaks of, its signature and every claim checked. Raises `IdentityUnproven`, `CertsUnavailable`."""
        try:
            key_id = jwt.decode_header(id_token).get("kid")  # type: ignore[no-untyped-call]
        except (GoogleAuthError, ValueError, AttributeError):
            raise IdentityUnproven("malformed") from None
        if not isinstance(key_id, str):
            raise IdentityUnproven("malformed")
        claims = _verified(id_token, await self._certs.keys(key_id), self._client_id)
        if claims.get("iss") not in ISSUERS:
            raise IdentityUnproven("issuer")
        if claims.get("nonce") != nonce:
            raise IdentityUnproven("nonce")
        sub, email = claims.get("sub"), claims.get("email")
        if not (isinstance(sub, str) and sub and isinstance(email, str) and email):
            raise IdentityUnproven("claims")
        hosts = claims.get("hd")
        return Identity(sub, email, claims.get("email_verified") in (True, "true"), isinstance(hosts, str) and bool(hosts))

    async def revoke(self, token: str) -> bool:
        """End the whole grant: every token of this Google account under this Google project, other firms' too.

        True once Google has done it, False if the token was dead already. Raises `TryAgain`.
        """
        status, _ = await self._post(self._endpoints.revoke_uri, {"token": token})
        if status not in (200, 400):
            raise TryAgain(f"http_{status}")
        return status == 200

    async def _post(self, url: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        try:
            async with self._session.post(url, data=form, timeout=TIMEOUT, allow_redirects=False) as answer:
                body = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TryAgain("network") from error
        except (ValueError, RecursionError):
            body = None
        return answer.status, body if isinstance(body, dict) else {}


def _refusal(status: int, answer: dict[str, Any]) -> GmailTrouble:
    word = answer.get("error")
    if word in OPERATORS_FAULTS:
        return OperatorFault(str(word))
    if word in ("invalid_grant", "invalid_request", "access_denied"):
        return CodeRefused()
    return TryAgain(f"http_{status}" if status != 200 else "unreadable")


def _verified(id_token: str, keys: Mapping[str, str], audience: str) -> dict[str, Any]:
    """The claims, of a token that is signed by one of the keys, current, and for us."""
    try:
        claims = jwt.decode(id_token, certs=keys, audience=audience, clock_skew_in_seconds=CLOCK_SKEW)  # type: ignore[no-untyped-call]
    except (GoogleAuthError, ValueError, TypeError, KeyError, AttributeError):
        raise IdentityUnproven("signature_or_claims") from None
    return dict(claims)
