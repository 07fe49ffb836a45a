"""The way back from Google's consent: a connection, or a page that says what happened and what to do."""

from dataclasses import dataclass

from starlette.responses import Response

from gmail.errors import CodeRefused, ConsentIncomplete, GmailTrouble, IdentityUnproven, NotAllowed, OperatorFault, TryAgain
from models.address import key_of
from models.sessions import OAuthAttempt
from pipeline.connection import NoRefreshToken, WrongAccount
from portal.email_sync import HERE
from portal.visit import Visit, to
from telemetry.logs import log


@dataclass(frozen=True, slots=True)
class NotConnected:
    """What the page says. `again`: whether its one button connects once more."""

    status: int
    heading: str
    says: str
    do: str
    again: bool = True


SWITCHED_OFF = NotConnected(
    409, "Email sync is switched off", "Your firm does not use Google Email Sync at the moment.", "Ask an admin of your firm.", again=False
)
STALE = NotConnected(
    400,
    "That connection attempt is over",
    "It was finished already, took too long, or was started in another browser.",
    "Start again from here.",
)
CANCELLED = NotConnected(
    400, "You did not connect Gmail", "You cancelled on Google's page.", "Whenever you like, connect again and choose Allow."
)
ADMIN_REFUSES = NotConnected(
    403,
    "Your organisation does not allow it",
    "The people who manage your Google accounts do not let Postroom read Gmail.",
    "Ask your Google administrator to trust Postroom, then connect again.",
)
GOOGLE_REFUSES = NotConnected(400, "Google did not agree", "Google ended the connection without saying why.", "Start again from here.")
UNTICKED = NotConnected(
    400,
    "One box was left unticked",
    "On Google's page the box “View your email messages and settings” has to be ticked: without it Postroom cannot read your mail.",
    "Connect again, tick that box, and choose Continue.",
)
NOT_PROVEN = NotConnected(
    400, "Google could not say who you are", "The answer did not prove which account it was for.", "Start again from here."
)
NO_LASTING_ACCESS = NotConnected(
    400,
    "Google gave access for an hour only",
    "A connection needs access that lasts, and Google did not give it this time.",
    "Connect again and choose Allow. If it happens again, remove Postroom at myaccount.google.com/connections first.",
)
NO_GMAIL = NotConnected(
    403, "This Google account has no Gmail", "Google says that mail is not switched on for it.", "Ask your Google administrator."
)
GOOGLE_IS_OUT_OF_REACH = NotConnected(
    503, "Google did not answer", "Postroom could not reach Google just now.", "Wait a minute, then connect again."
)
MISCONFIGURED = NotConnected(
    502,
    "Postroom is not set up rightly with Google",
    "This is not your fault, and trying again will not help until it is mended.",
    "Tell your admin that Google refuses Postroom's own identity.",
    again=False,
)


async def come_back(visit: Visit) -> Response:
    trouble = await _connected(visit)
    return to(HERE) if trouble is None else visit.render("oauth_callback.html", trouble.status, trouble=trouble)


async def _connected(visit: Visit) -> NotConnected | None:
    """None once the mailbox is connected."""
    said = visit.request.query_params
    attempt = await OAuthAttempt.redeem(said.get("state", ""), visit.session, visit.user.id, visit.now)
    if attempt is None:
        return STALE
    if visit.user.firm.provider != "google":
        return SWITCHED_OFF
    if error := said.get("error"):
        return _refused(error)
    try:
        await _complete(visit, attempt, said.get("code", ""))
    except WrongAccount as wrong:
        unverified = key_of(wrong.address) == visit.user.email_key  # the right address, for which Google does not vouch
        return NOT_PROVEN if unverified else _wrong_account(wrong.address, visit.user.email)
    except NoRefreshToken:
        return NO_LASTING_ACCESS
    except GmailTrouble as trouble:
        log.warning("connect failed", error=type(trouble).__name__)
        return _in_words(trouble)
    return None


async def _complete(visit: Visit, attempt: OAuthAttempt, code: str) -> None:
    portal = visit.portal
    verifier = portal.vault.open(attempt.code_verifier)
    grant = await portal.oauth.exchange(code, verifier, portal.settings.redirect_uri, attempt.nonce)
    await portal.connections.complete(visit.user, grant)


def _refused(error: str) -> NotConnected:
    """By the error that Google sends back instead of a code."""
    match error:
        case "access_denied":
            return CANCELLED
        case "admin_policy_enforced" | "org_internal":
            return ADMIN_REFUSES
        case _:
            return GOOGLE_REFUSES


def _in_words(trouble: GmailTrouble) -> NotConnected:
    match trouble:
        case ConsentIncomplete():
            return UNTICKED
        case CodeRefused():
            return STALE
        case NotAllowed(because="insufficient_scope"):
            return UNTICKED
        case NotAllowed(because="domain_policy"):
            return ADMIN_REFUSES
        case NotAllowed():
            return NO_GMAIL
        case IdentityUnproven():
            return NOT_PROVEN
        case TryAgain():
            return GOOGLE_IS_OUT_OF_REACH
        case OperatorFault():
            return MISCONFIGURED
        case _:
            return GOOGLE_REFUSES


def _wrong_account(chosen: str, own: str) -> NotConnected:
    return NotConnected(
        400,
        "That was another Google account",
        f"You chose {chosen}, but you sign in to Postroom as {own}. Only your own mailbox can be connected.",
        f"Connect again and choose {own}.",
    )
