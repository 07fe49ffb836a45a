"""Signing in with Google, there and back: who comes back is who Google vouches for, or is told why not and what to do."""

import secrets
from dataclasses import dataclass

from starlette.responses import Response

from gmail.errors import CodeRefused, GmailTrouble, IdentityUnproven, OperatorFault, TryAgain
from gmail.oauth import SIGN_IN, Grant
from models.attempts import OAuthAttempt, Wish
from models.firms import User
from models.sessions import digest
from portal.session import ATTEMPT, cookie_of, forget_attempt, remember_attempt, safe_next
from portal.sign_in import render_door, signed_in
from portal.visit import Visit, to
from telemetry.logs import log


@dataclass(frozen=True, slots=True)
class NotSignedInYet:
    """What the page says. `google`: what its button to Google says, if there is one. `mailed_to`: where a link would go."""

    status: int
    heading: str
    says: str
    do: str
    google: str = "Continue with Google"
    mailed_to: str = ""


OVER = NotSignedInYet(
    400,
    "That sign-in attempt is over",
    "It was finished already, took longer than a quarter of an hour, or was started in another browser.",
    "Start again from here.",
)
CANCELLED = NotSignedInYet(
    400, "You did not sign in", "You cancelled on Google’s page.", "Continue whenever you like, or sign in by a link."
)
ORGANISATION_REFUSES = NotSignedInYet(
    403,
    "Your organisation does not allow it",
    "The people who manage your Google accounts do not let you use them for Postroom.",
    "Sign in by a link, or ask your Google administrator to trust Postroom.",
    google="",
)
GOOGLE_REFUSES = NotSignedInYet(400, "Google did not agree", "Google ended the sign-in without saying why.", "Start again from here.")
UNPROVEN = NotSignedInYet(
    400,
    "Google could not say who you are",
    "Its answer did not prove which account it was for.",
    "Start again from here, or sign in by a link.",
)
OUT_OF_REACH = NotSignedInYet(
    503, "Google did not answer", "Postroom could not reach Google just now.", "Wait a minute and start again, or sign in by a link."
)
MISCONFIGURED = NotSignedInYet(
    502,
    "Postroom is not set up rightly with Google",
    "This is not your fault, and trying again will not help until it is mended.",
    "Sign in by a link, and tell the people who run Postroom that Google refuses Postroom’s own identity.",
    google="",
)


async def depart(visit: Visit) -> Response:
    """Off to Google, with everything that proves the way back. Nobody is known yet: the attempt is this browser's."""
    browser, verifier, nonce, portal = secrets.token_urlsafe(32), secrets.token_urlsafe(48), secrets.token_urlsafe(24), visit.portal
    wish = Wish(next=safe_next(await visit.field("next")))
    state = await OAuthAttempt.begin(
        browser, None, wish, code_verifier=portal.vault.seal(verifier), nonce=nonce, valid_for=ATTEMPT, now=visit.now
    )
    away = to(
        portal.oauth.authorization_url(portal.settings.redirect_uri, state, verifier, "", nonce, prompt="select_account", scopes=SIGN_IN)
    )
    remember_attempt(away, browser, portal.settings)
    return away


async def come_back(visit: Visit) -> Response | None:
    """None for a way back that is another's matter: that of somebody who is signed in, and not of a sign-in."""
    state, browser = visit.request.query_params.get("state", ""), cookie_of(visit.request, "attempt", visit.portal.settings)
    attempt = await OAuthAttempt.redeem(state, browser, None, visit.now) if browser else None
    if attempt is None:
        of_sign_in = await OAuthAttempt.filter(state_hash=digest(state), purpose="sign_in").exists()
        return _told(visit, OVER, "/") if of_sign_in or visit.visitor is None else None
    met = await _met(visit, attempt)
    answer = await signed_in(visit, met.id, attempt.next) if isinstance(met, User) else _told(visit, met, attempt.next)
    forget_attempt(answer, visit.portal.settings)
    return answer


async def _met(visit: Visit, attempt: OAuthAttempt) -> User | NotSignedInYet:
    """Who is at the door."""
    said = visit.request.query_params
    if error := said.get("error"):
        return _refused(error)
    try:
        return await _known(await _vouched(visit, attempt, said.get("code", "")))
    except GmailTrouble as trouble:
        log.warning("sign-in failed", error=type(trouble).__name__)
        return _in_words(trouble)


async def _vouched(visit: Visit, attempt: OAuthAttempt, code: str) -> Grant:
    portal = visit.portal
    verifier = portal.vault.open(attempt.code_verifier)
    return await portal.oauth.exchange(code, verifier, portal.settings.redirect_uri, attempt.nonce, needed=frozenset())


async def _known(grant: Grant) -> User | NotSignedInYet:
    if not grant.email_verified:
        return UNPROVEN
    if not grant.is_googles_own:
        return _anothers(grant.email)
    return await User.by_login(grant.email) or _unknown(grant.email)


def _refused(error: str) -> NotSignedInYet:
    """By the error that Google sends back instead of a code."""
    match error:
        case "access_denied":
            return CANCELLED
        case "admin_policy_enforced" | "org_internal":
            return ORGANISATION_REFUSES
        case _:
            return GOOGLE_REFUSES


def _in_words(trouble: GmailTrouble) -> NotSignedInYet:
    match trouble:
        case CodeRefused():
            return OVER
        case IdentityUnproven():
            return UNPROVEN
        case TryAgain():
            return OUT_OF_REACH
        case OperatorFault():
            return MISCONFIGURED
        case _:
            return GOOGLE_REFUSES


def _anothers(chosen: str) -> NotSignedInYet:
    return NotSignedInYet(
        403,
        "Google cannot vouch for this address",
        f"You chose the Google account of {chosen}. Google does not give out that address: it was proven when the account was made, and "
        "nobody has looked since.",
        "Sign in by a link, which proves that the address is yours today.",
        google="Choose another account",
        mailed_to=chosen,
    )


def _unknown(chosen: str) -> NotSignedInYet:
    return NotSignedInYet(
        403,
        f"Nobody signs in here as {chosen}",
        "You chose that Google account.",
        "Choose another one, or ask an admin of your firm to invite you.",
        google="Choose another account",
    )


def _told(visit: Visit, trouble: NotSignedInYet, wanted: str) -> Response:
    return render_door(visit, "sign_in_trouble.html", trouble.status, trouble=trouble, leads_to=wanted)
