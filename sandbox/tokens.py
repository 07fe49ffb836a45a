"""Grants and tokens: what Google's token and revoke endpoints do, without the web."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from sandbox.chance import token as text
from sandbox.clock import DAY, MINUTE, SECOND
from sandbox.mailbox import Mailbox
from sandbox.refusals import OAuthRefused, Refused
from sandbox.state import AccessToken, Code, Grant, RefreshToken
from sandbox.world import World

ACCESS_LIFE = 3599  # seconds
CODE_LIFE = 10 * MINUTE
UNUSED = 182 * DAY  # a refresh token that nobody used for six months is dead
REFRESH_TOKENS = 100  # per account and client; the oldest dies for the next
ISSUER = "https://accounts.google.com"
LONG = {
    "email": "https://www.googleapis.com/auth/userinfo.email",
    "profile": "https://www.googleapis.com/auth/userinfo.profile",
}
IDENTITY = frozenset({"openid", *LONG.values()})
DEAD = "Token has been expired or revoked."


def scopes_of(written: str) -> list[str]:
    """Scopes as Google writes them back, each once."""
    return list(dict.fromkeys(LONG.get(scope, scope) for scope in written.split()))


def granted(world: World, sub: str, scopes: list[str]) -> dict[str, Any]:
    """Access and refresh token at once, as if the owner had allowed `scopes`."""
    return {**_access(world, sub, scopes), "refresh_token": _new_refresh_token(world, _grant(world, sub, scopes), scopes)}


def _grant(world: World, sub: str, scopes: list[str]) -> Grant:
    grant = world.grants.setdefault(sub, Grant(sub, [], [], world.now()))
    grant.scopes = list(dict.fromkeys([*grant.scopes, *scopes]))
    world.store.put("grant", sub, grant)
    return grant


def new_code(world: World, mailbox: Mailbox, scopes: list[str], query: Mapping[str, str], *, consented: bool, offline: bool) -> Code:
    """The owner allowed `scopes`: they are granted, and a code stands for it. `offline`: a refresh token may come with it."""
    sub = mailbox.account.sub
    grant = _grant(world, sub, scopes)
    code = Code(
        code=f"4/0A{text(world.draw())}",
        sub=sub,
        scopes=list(grant.scopes) if query.get("include_granted_scopes") == "true" else scopes,
        redirect_uri=query["redirect_uri"],
        challenge=query.get("code_challenge", ""),
        challenge_method=query.get("code_challenge_method", "plain"),
        nonce=query.get("nonce", ""),
        offline=offline,
        consented=consented,
        expires_at=world.now() + CODE_LIFE,
    )
    world.codes[code.code] = code
    world.store.put("code", code.code, code)
    return code


def answer(world: World, form: Mapping[str, str]) -> tuple[str | None, dict[str, Any]]:
    """The token endpoint: (sub, answer). Raises OAuthRefused."""
    known = world.settings
    client_ok = form.get("client_id") == known.client_id and hmac.compare_digest(form.get("client_secret", ""), known.client_secret)
    if not client_ok:
        raise OAuthRefused(401, "invalid_client", "The OAuth client was not found." if not form.get("client_id") else "Unauthorized")
    match form.get("grant_type"):
        case "authorization_code":
            return _exchange(world, form)
        case "refresh_token":
            return _refresh(world, form)
        case other:
            raise OAuthRefused(400, "unsupported_grant_type", f"Invalid grant_type: {other or ''}")


def _exchange(world: World, form: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    code = world.codes.get(form.get("code", ""))
    if code is None or code.used or code.expires_at < world.now():
        raise OAuthRefused(400, "invalid_grant", "Bad Request")
    if form.get("redirect_uri") != code.redirect_uri:
        raise OAuthRefused(400, "redirect_uri_mismatch", "Bad Request")
    _check_verifier(code, form.get("code_verifier", ""))
    code.used = True
    world.store.put("code", code.code, code)
    mailbox = world.mailboxes[code.sub]
    given = _access(world, code.sub, code.scopes)
    grant = world.grants[code.sub]
    if code.offline and (code.consented or not grant.refresh_tokens):
        given["refresh_token"] = _new_refresh_token(world, grant, code.scopes)
    if "openid" in code.scopes:
        given["id_token"] = world.keys.sign(identity(world, mailbox, code.scopes, code.nonce, given["access_token"]))
    return code.sub, given


def _check_verifier(code: Code, verifier: str) -> None:
    if not code.challenge:
        return
    if not verifier:
        raise OAuthRefused(400, "invalid_grant", "Missing code verifier.")
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    if not hmac.compare_digest(code.challenge, digest if code.challenge_method == "S256" else verifier):
        raise OAuthRefused(400, "invalid_grant", "Invalid code verifier.")


def _refresh(world: World, form: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    held = world.refresh_tokens.get(form.get("refresh_token", ""))
    if fault := world.faults.strike("refresh_fails", held.sub if held else None):
        raise failure(fault["error"], fault.get("code"))
    if held is None:
        raise OAuthRefused(400, "invalid_grant", DEAD)
    grant = world.grants[held.sub]
    if world.now() - grant.used_at > UNUSED:
        world.end_grant(held.sub)
        raise OAuthRefused(400, "invalid_grant", DEAD)
    grant.used_at = world.now()
    world.store.put("grant", grant.sub, grant)
    wanted = scopes_of(form.get("scope", "")) or held.scopes
    if not set(wanted) <= set(held.scopes):
        raise OAuthRefused(400, "invalid_scope", "Some requested scopes were invalid.")
    given = _access(world, held.sub, wanted)
    if "openid" in wanted:
        given["id_token"] = world.keys.sign(identity(world, world.mailboxes[held.sub], wanted, "", given["access_token"]))
    return held.sub, given


def failure(error: str, code: int | None = None) -> OAuthRefused:
    """The answer that a `refresh_fails` fault names."""
    match error:
        case "invalid_grant":
            return OAuthRefused(code or 400, error, DEAD)
        case "invalid_rapt" | "rapt_required":
            return OAuthRefused(code or 400, "invalid_grant", f"reauth related error ({error})", error_subtype=error)
        case "invalid_client" | "deleted_client" | "unauthorized_client":
            return OAuthRefused(code or 401, error, "The OAuth client was not found.")
        case "temporarily_unavailable":
            return OAuthRefused(code or 503, error, "The service is temporarily unavailable.")
        case "server_error" | "internal_failure":
            return OAuthRefused(code or 500, error, "Internal error.")
        case _:
            return OAuthRefused(code or 400, error, error.replace("_", " "))


def _access(world: World, sub: str, scopes: list[str]) -> dict[str, Any]:
    access = AccessToken(f"ya29.{text(world.draw())}", sub, scopes, world.now() + ACCESS_LIFE * SECOND)
    if len(world.access_tokens) > 1_000 + 4 * len(world.grants):
        for key in [key for key, old in world.access_tokens.items() if old.expires_at < world.now()]:
            world.forget("access", world.access_tokens, key)
    world.access_tokens[access.token] = access
    world.store.put("access", access.token, access)
    return {"access_token": access.token, "expires_in": ACCESS_LIFE, "scope": " ".join(scopes), "token_type": "Bearer"}


def _new_refresh_token(world: World, grant: Grant, scopes: list[str]) -> str:
    held = RefreshToken(f"1//0{text(world.draw())}", grant.sub, scopes)
    world.refresh_tokens[held.token] = held
    world.store.put("refresh", held.token, held)
    grant.refresh_tokens.append(held.token)
    if len(grant.refresh_tokens) > REFRESH_TOKENS:
        world.forget("refresh", world.refresh_tokens, grant.refresh_tokens.pop(0))
    grant.used_at = world.now()
    world.store.put("grant", grant.sub, grant)
    return held.token


def identity(world: World, mailbox: Mailbox, scopes: list[str], nonce: str, access_token: str) -> dict[str, Any]:
    """The claims of an id_token, in real time."""
    now, account, client = world.clock.real_seconds(), mailbox.account, world.settings.client_id
    half = hashlib.sha256(access_token.encode()).digest()[:16]
    claims: dict[str, Any] = {"iss": ISSUER, "azp": client, "aud": client, "sub": account.sub}
    claims["at_hash"] = base64.urlsafe_b64encode(half).decode().rstrip("=")
    domain = account.address.partition("@")[2].lower()
    if account.hosted and domain not in ("gmail.com", "googlemail.com"):
        claims["hd"] = domain
    if LONG["email"] in scopes:
        claims |= {"email": account.address, "email_verified": account.verified}
    if LONG["profile"] in scopes:
        claims["name"] = account.name
    if nonce:
        claims["nonce"] = nonce
    return {**claims, "iat": now, "exp": now + 3600}


def revoke(world: World, token: str) -> str:
    """Kills the whole grant that an access or refresh token belongs to. Returns the account's sub."""
    held = world.refresh_tokens.get(token) or world.access_tokens.get(token)
    if held is None:
        raise OAuthRefused(400, "invalid_token", "Token expired or revoked")
    world.end_grant(held.sub)
    return held.sub


def bearer(world: World, header: str | None) -> AccessToken:
    """The access token of a request. Raises Refused 401."""
    kind, _, token = (header or "").partition(" ")
    held = world.access_tokens.get(token.strip())
    if kind.lower() != "bearer" or held is None or held.expires_at <= world.now():
        raise Refused(401, "authError")
    return held
