"""The way back from Google's consent: a connection, or a page that says what happened and what to do."""

from dataclasses import dataclass, replace

from starlette.responses import Response

from gmail.errors import CodeRefused, ConsentIncomplete, GmailTrouble, IdentityUnproven, NotAllowed, OperatorFault, TryAgain
from models.address import key_of
from models.attempts import OAuthAttempt, Wish
from models.connections import NobodyThere
from models.turns import Busy
from pipeline.connection import NoRefreshToken, WrongAccount
from portal import google_sign_in
from portal.email_sync import HERE, depart
from portal.refusals import NotSignedIn
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
    400, "You did not connect Gmail", "You cancelled on Google's page.", "Whenever you like, connect again, and allow it on Google's page."
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
    "Connect again, and leave that box ticked.",
)
NOT_PROVEN = NotConnected(
    400, "Google could not say who you are", "The answer did not prove which account it was for.", "Start again from here."
)
NO_LASTING_ACCESS = NotConnected(
    400,
    "Google gave access for an hour only",
    "A connection needs access that lasts, and Google did not give it this time.",
    "Connect again, and allow it on Google's page. If it happens again, remove Postroom at myaccount.google.com/connections first.",
)
BUSY = NotConnected(
    409,
    "One moment",
    "This Google account is being connected or disconnected right now, perhaps in another window.",
    "Wait half a minute, then connect again.",
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
    """One address for both ways back, as Google knows one: to sign in, or to connect."""
    signing_in = await google_sign_in.come_back(visit)
    if signing_in is not None:
        return signing_in
    said = visit.request.query_params
    attempt = await OAuthAttempt.redeem(said.get("state", ""), visit.session, visit.user.id, visit.now)
    if attempt is None:
        return _told(visit, STALE, Wish())
    try:
        trouble = await _connected(visit, attempt)
    except NoRefreshToken:
        if not attempt.again:
            return await depart(visit, replace(attempt.wish, again=True))
        trouble = NO_LASTING_ACCESS
    return to(HERE) if trouble is None else _told(visit, trouble, attempt.wish)


def _told(visit: Visit, trouble: NotConnected, wish: Wish) -> Response:
    return visit.render("oauth_callback.html", trouble.status, trouble=trouble, wish=wish)


async def _connected(visit: Visit, attempt: OAuthAttempt) -> NotConnected | None:
    """None once the mailbox is connected. Raises `NoRefreshToken`."""
    said = visit.request.query_params
    if visit.user.firm.provider != "google":
        return SWITCHED_OFF
    if error := said.get("error"):
        return _refused(error)
    try:
        await _complete(visit, attempt, said.get("code", ""))
    except WrongAccount as wrong:
        unverified = key_of(wrong.address) == key_of(wrong.meant)  # the right address, for which Google does not vouch
        return NOT_PROVEN if unverified else _wrong_account(wrong)
    except Busy:
        return BUSY
    except NobodyThere:
        raise NotSignedIn from None
    except GmailTrouble as trouble:
        log.warning("connect failed", error=type(trouble).__name__)
        return _in_words(trouble)
    return None


async def _complete(visit: Visit, attempt: OAuthAttempt, code: str) -> None:
    portal = visit.portal
    verifier = portal.vault.open(attempt.code_verifier)
    grant = await portal.oauth.exchange(code, verifier, portal.settings.redirect_uri, attempt.nonce)
    await portal.connections.complete(visit.user, grant, attempt.wish)


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


def _wrong_account(wrong: WrongAccount) -> NotConnected:
    return NotConnected(
        400,
        "That was another Google account",
        f"You chose {wrong.address}, but this connects {wrong.meant}. Only your own mailbox can be connected, or one that an admin of your "
        "firm has allowed you.",
        f"Connect again and choose {wrong.meant}.",
    )
