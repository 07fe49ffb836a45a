"""OAuth and OpenID Connect on the web: account chooser, consent with boxes to untick, token, revoke, certificates, discovery."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox import tokens
from sandbox.answers import broken, json_answer, settled, world_of
from sandbox.clock import SECOND, iso
from sandbox.mailbox import Mailbox
from sandbox.pages import page
from sandbox.refusals import Misused, OAuthRefused
from sandbox.state import Consent
from sandbox.tokens import IDENTITY, ISSUER, scopes_of
from sandbox.world import World

AUTH = "/o/oauth2/v2/auth"
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
CACHED = {"Cache-Control": "public, max-age=21600, must-revalidate, no-transform"}
SAID = {
    "https://www.googleapis.com/auth/gmail.readonly": "View your email messages and settings",
    "https://www.googleapis.com/auth/gmail.modify": "Read, compose, and send emails from your Gmail account",
    "https://www.googleapis.com/auth/gmail.metadata": "View your email message metadata such as labels and headers, but not the email body",
    "https://mail.google.com/": "Read, compose, send, and permanently delete all your email from Gmail",
}


def routes() -> list[Route]:
    return [
        Route(AUTH, settled(authorize), methods=["GET"]),
        Route(AUTH, settled(decide), methods=["POST"]),
        Route("/token", settled(token), methods=["POST"]),
        Route("/revoke", settled(revoke), methods=["POST", "GET"]),
        Route("/oauth2/v1/certs", settled(certificates)),
        Route("/oauth2/v3/certs", settled(jwks)),
        Route("/openidconnect/v1/userinfo", settled(userinfo)),
        Route("/.well-known/openid-configuration", settled(discovery)),
    ]


async def authorize(request: Request) -> Response:
    """The consent page, the account chooser before it, or at once the way back, where nothing is left to ask."""
    world, query = world_of(request), request.query_params
    if wrong := _wrong(world, query):
        return page(request, "blocked.html", {"why": wrong}, 400)
    if query.get("response_type") != "code" or not query.get("scope"):
        return _back(query, error="invalid_request")
    if prepared := _prepared(world, query.get("login_hint", "")):
        return _answered(world, query, prepared)
    chosen = _chosen(world, query)
    return _choose(request, world, query) if chosen is None else _ask(request, world, query, chosen)


def _choose(request: Request, world: World, query: Mapping[str, str]) -> Response:
    if "none" in _prompts(query):
        return _back(query, error="interaction_required")
    accounts = [mailbox.account for mailbox in world.mailboxes.values()]
    return page(request, "chooser.html", {"accounts": accounts, "link": lambda sub: f"{AUTH}?{urlencode({**query, 'authuser': sub})}"})


def _ask(request: Request, world: World, query: Mapping[str, str], chosen: Mailbox) -> Response:
    wanted, grant = scopes_of(query["scope"]), world.grants.get(chosen.account.sub)
    if "consent" not in _prompts(query) and grant is not None and set(wanted) <= set(grant.scopes):
        return _allowed(world, query, chosen, wanted, consented=False)
    if "none" in _prompts(query):
        return _back(query, error="consent_required")
    boxes = [(scope, SAID.get(scope, scope)) for scope in wanted if scope not in IDENTITY]
    kept = {**query, "authuser": chosen.account.sub}
    return page(request, "consent.html", {"account": chosen.account, "boxes": boxes, "query": kept, "client": world.settings.client_id})


async def decide(request: Request) -> Response:
    """What the person did on the consent page: `decision` allow or cancel, a `granted` for each box that stayed ticked."""
    world, form = world_of(request), await _form(request)
    query = {name: value for name, value in form if name not in ("decision", "granted")}
    if wrong := _wrong(world, query):
        return page(request, "blocked.html", {"why": wrong}, 400)
    chosen = world.mailboxes.get(query.get("authuser", ""))
    if chosen is None or ("decision", "allow") not in form:
        return _back(query, error="access_denied")
    ticked = {value for name, value in form if name == "granted"}
    scopes = [scope for scope in scopes_of(query.get("scope", "")) if scope in IDENTITY or scope in ticked]
    return _allowed(world, query, chosen, scopes, consented=True)


def _wrong(world: World, query: Mapping[str, str]) -> str:
    """Why nobody may be sent back to this client; "" if all is well."""
    if query.get("client_id") != world.settings.client_id:
        return "Error 401: invalid_client. The OAuth client was not found."
    address = urlsplit(query.get("redirect_uri", ""))
    local = address.scheme == "http" and address.hostname in LOCAL
    if (not local and not (address.scheme == "https" and address.hostname)) or address.fragment:
        return "Error 400: redirect_uri_mismatch. A redirect address is https, or http on this machine."
    return ""


def _prepared(world: World, hint: str) -> Consent | None:
    """The consent that was prepared for the hinted account, or the only one that is waiting."""
    hinted = _hinted(world, hint)
    if hinted is not None and hinted.account.sub in world.consents:
        return world.consents[hinted.account.sub]
    return next(iter(world.consents.values())) if len(world.consents) == 1 else None


def _prompts(query: Mapping[str, str]) -> list[str]:
    return query.get("prompt", "").split()


def _hinted(world: World, hint: str) -> Mailbox | None:
    return world.by_address.get(hint.strip().lower()) or world.mailboxes.get(hint)


def _chosen(world: World, query: Mapping[str, str]) -> Mailbox | None:
    if "authuser" not in query and "select_account" in _prompts(query):
        return None
    return world.mailboxes.get(query.get("authuser", "")) or _hinted(world, query.get("login_hint", ""))


def _answered(world: World, query: Mapping[str, str], prepared: Consent) -> Response:
    world.forget("consent", world.consents, prepared.sub)
    if prepared.deny:
        return _back(query, error="access_denied")
    wanted = scopes_of(query["scope"])
    scopes = wanted if prepared.scopes is None else [scope for scope in wanted if scope in IDENTITY or scope in prepared.scopes]
    grant = world.grants.get(prepared.sub)
    asked = "consent" in _prompts(query) or grant is None or not set(wanted) <= set(grant.scopes)
    withheld = prepared.no_refresh_token
    return _allowed(world, query, world.mailboxes[prepared.sub], scopes, consented=asked, withheld=withheld)


def _allowed(
    world: World, query: Mapping[str, str], mailbox: Mailbox, scopes: list[str], *, consented: bool, withheld: bool = False
) -> Response:
    """`withheld`: there will be no refresh token, whatever was asked for."""
    offline = query.get("access_type") == "offline" and not withheld
    code = tokens.new_code(world, mailbox, scopes, query, consented=consented, offline=offline)
    return _back(query, code=code.code, scope=" ".join(code.scopes), authuser="0", prompt="consent" if consented else "none")


def _back(query: Mapping[str, str], **told: str) -> Response:
    state = {"state": query["state"]} if query.get("state") else {}
    address = query["redirect_uri"]
    return RedirectResponse(f"{address}{'&' if '?' in address else '?'}{urlencode({**state, 'iss': ISSUER, **told})}", 302)


async def token(request: Request) -> Response:
    """RFC 6749's token endpoint; nothing of it may be cached."""
    world, form = world_of(request), dict(await _form(request))
    held = world.refresh_tokens.get(form.get("refresh_token", "")) or world.codes.get(form.get("code", ""))
    mailbox = world.mailboxes[held.sub] if held else None
    if response := await _faulty(request, "token", mailbox):
        return response
    try:
        _, answer = tokens.answer(world, form)
    except OAuthRefused as refused:
        _note(world, "token", mailbox, refused.code, form)
        raise
    _note(world, "token", mailbox, 200, form)
    return json_answer(request, answer, headers={"Cache-Control": "no-cache, no-store, max-age=0, must-revalidate", "Pragma": "no-cache"})


def _note(world: World, method: str, mailbox: Mailbox | None, status: int, form: Mapping[str, str]) -> None:
    kind = {"grant_type": form["grant_type"]} if "grant_type" in form else {}
    world.calls.note(method, mailbox.account.address if mailbox else None, status, world.now(), **kind)


async def revoke(request: Request) -> Response:
    world = world_of(request)
    form = {**dict(request.query_params), **dict(await _form(request))}
    held = world.refresh_tokens.get(form.get("token", "")) or world.access_tokens.get(form.get("token", ""))
    mailbox = world.mailboxes[held.sub] if held else None
    if response := await _faulty(request, "revoke", mailbox):
        return response
    _note(world, "revoke", mailbox, 200 if held else 400, {})
    tokens.revoke(world, form.get("token", ""))
    return json_answer(request, {})


async def _faulty(request: Request, method: str, mailbox: Mailbox | None) -> Response | None:
    """The faults timeout and status, for what is no call of Gmail's API. A reason makes it RFC 6749's JSON."""
    world, sub = world_of(request), mailbox.account.sub if mailbox else None
    if late := world.faults.strike("timeout", sub, method=method):
        await asyncio.sleep(late["s"])
    fault = world.faults.strike("status", sub, method=method)
    if fault is None:
        return None
    _note(world, method, mailbox, fault["code"], {})
    if fault.get("html") or "reason" not in fault:
        return broken(request, fault, iso(world.now() + int(fault.get("retry_after", 0) * SECOND)))
    wait = {"Retry-After": str(int(fault["retry_after"]))} if "retry_after" in fault else {}
    return json_answer(request, {"error": fault["reason"], "error_description": fault.get("message", "")}, fault["code"], wait)


async def certificates(request: Request) -> Response:
    return await _published(request, "v1")


async def jwks(request: Request) -> Response:
    return await _published(request, "v3")


async def _published(request: Request, version: str) -> Response:
    world = world_of(request)
    if world.faults.strikes("certs_down", None):
        world.calls.note("certs", None, 503, world.now())
        return Response("Service Unavailable", 503, {"Content-Type": "text/html; charset=UTF-8"})
    if response := await _faulty(request, "certs", None):
        return response
    world.calls.note("certs", None, 200, world.now())
    body: dict[str, Any] = world.keys.certificates() if version == "v1" else world.keys.jwks()
    return json_answer(request, body, headers=CACHED)


async def userinfo(request: Request) -> Response:
    world = world_of(request)
    access = tokens.bearer(world, request.headers.get("authorization"))
    claims = tokens.identity(world, world.mailboxes[access.sub], access.scopes, "", access.token)
    return json_answer(request, {name: claims[name] for name in ("sub", "name", "email", "email_verified", "hd") if name in claims})


async def discovery(request: Request) -> Response:
    base = str(request.base_url).rstrip("/")
    return json_answer(
        request,
        {
            "issuer": ISSUER,
            "authorization_endpoint": base + AUTH,
            "token_endpoint": f"{base}/token",
            "userinfo_endpoint": f"{base}/openidconnect/v1/userinfo",
            "revocation_endpoint": f"{base}/revoke",
            "jwks_uri": f"{base}/oauth2/v3/certs",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "email", "profile"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "claims_supported": ["aud", "email", "email_verified", "exp", "iat", "iss", "name", "sub"],
            "code_challenge_methods_supported": ["plain", "S256"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "authorization_response_iss_parameter_supported": True,
        },
        headers=CACHED,
    )


async def _form(request: Request) -> list[tuple[str, str]]:
    try:
        return parse_qsl((await request.body()).decode(), keep_blank_values=True)
    except ValueError:
        raise Misused(400, "a form is expected") from None
