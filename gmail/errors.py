"""What can go wrong with Google, named by what the caller should do.

    GmailTrouble
    ├── TryAgain(because)                      later; nothing is known to be wrong with the mailbox
    │   ├── RateLimited(until, of, because)    not before `until`, for this mailbox or for the whole project
    │   ├── TokenRefused(because)              Gmail refuses access tokens that Google has just issued
    │   └── CertsUnavailable                   Google's public keys cannot be had, and none are kept
    ├── HistoryExpired                         take a fresh baseline, list what lies between by date
    │   └── InvalidCursor                      the same, and tell the operator: the cursor is not one of this mailbox
    ├── MessageMissing                         deleted, or not readable yet: ask once more, then forget it
    ├── AccessRevoked(because)                 permanent: stop, and write to the person
    ├── NotAllowed(because)                    the person's administrator, or a new consent, must act; waiting does not help
    ├── OperatorFault(what)                    ours to mend, for all mailboxes: alarm, write to nobody
    ├── OnlyOneWatch                           stop, then watch, once
    └── NotConnected                           the consent gave nothing to keep: show the page that says why
        ├── CodeRefused                        the code was used, too old, or made for another request: start again
        ├── ConsentIncomplete(missing)         a box was left unticked
        └── IdentityUnproven(because)          the identity token does not hold: start again

None of them carries an address, a token or text of Google's; `because` and `what` are short machine words.
"""

from datetime import datetime
from typing import Literal

LimitOf = Literal["mailbox", "project"]
Revocation = Literal["invalid_grant", "invalid_rapt", "admin_policy", "account_disabled", "not_granted"]
Refusal = Literal["domain_policy", "insufficient_scope", "no_mail_service"]


class GmailTrouble(Exception):
    """The base: catch it where any trouble with Google means the same."""


class TryAgain(GmailTrouble):
    """Network, timeouts, 5xx, unreadable answers, and whatever Google does not call permanent."""

    def __init__(self, because: str) -> None:
        super().__init__(because)
        self.because = because


class RateLimited(TryAgain):
    """Google asks to wait until `until` (UTC, at least a second and at most six hours ahead). Add jitter."""

    def __init__(self, until: datetime, of: LimitOf, because: str) -> None:
        super().__init__(because)
        self.until, self.of = until, of


class TokenRefused(TryAgain):
    """401. The client refreshes once and asks again; whoever sees this knows that the fresh token was refused too."""


class CertsUnavailable(TryAgain):
    """The keys that prove identity tokens are out of reach: nothing is known about the token."""


class HistoryExpired(GmailTrouble):
    """Gmail no longer has the history after this cursor. No fault of the grant."""


class InvalidCursor(HistoryExpired):
    """The cursor is not a history id of this mailbox, or lies above its head."""


class MessageMissing(GmailTrouble):
    """The message is not there. Right after it came this may pass."""


class AccessRevoked(GmailTrouble):
    """The grant is dead, by Google's own words: only the person (or their administrator) can give a new one."""

    def __init__(self, because: Revocation) -> None:
        super().__init__(because)
        self.because: Revocation = because


class NotAllowed(GmailTrouble):
    """The grant lives, but does not reach Gmail."""

    def __init__(self, because: Refusal) -> None:
        super().__init__(because)
        self.because: Refusal = because


class OperatorFault(GmailTrouble):
    """This deployment's Google project, OAuth client or topic is set up wrongly; it concerns every mailbox."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class OnlyOneWatch(GmailTrouble):
    """Another watch of this project stands in the way."""


class NotConnected(GmailTrouble):
    """A connect that ended without a grant."""


class CodeRefused(NotConnected):
    """Google does not take the authorization code."""


class ConsentIncomplete(NotConnected):
    """The person allowed less than was asked; `missing` are scopes."""

    def __init__(self, missing: frozenset[str]) -> None:
        super().__init__(" ".join(sorted(missing)))
        self.missing = missing


class IdentityUnproven(NotConnected):
    """The identity token is missing, forged, stale, or meant for somebody else."""

    def __init__(self, because: str) -> None:
        super().__init__(because)
        self.because = because
