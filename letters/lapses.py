"""Why a Gmail connection stopped, in the words of who has to mend it: keyed by `Mailbox.lapse_reason` (gmail/errors.py)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lapse:
    """As text: why, and what to do. `in_short`: a colleague's, in a list."""

    why: str
    to_do: str  # "" where reconnecting is all
    in_short: str

    def __str__(self) -> str:
        return f"{self.why} {self.to_do}".strip()


POLICY = Lapse(
    "Your Google administrator's rules do not allow this connection.",
    "Ask them to trust Postroom, then reconnect.",
    "the Google administrator's rules do not allow it",
)
UNTICKED = Lapse(
    "Google says that reading mail was not allowed: the box for Gmail was left unticked.",
    "When you reconnect, leave that box ticked.",
    "the box for Gmail was left unticked",
)
UNKNOWN = Lapse("Google says that access was withdrawn.", "", "access was withdrawn")


class Lapses(dict[str | None, Lapse]):
    def __missing__(self, because: str | None) -> Lapse:
        return UNKNOWN


LAPSES = Lapses(
    {
        "invalid_grant": Lapse(
            "Google says that access was withdrawn. This happens, for example, after a password change.",
            "",
            "access was withdrawn, as happens after a password change",
        ),
        "invalid_rapt": Lapse(
            "Your organisation asks people to sign in to Google again from time to time, and that time has come.",
            "Should that be too often, ask your Google administrator to exempt Postroom from this rule.",
            "the organisation asks for a new sign-in to Google",
        ),
        "admin_policy": POLICY,
        "domain_policy": POLICY,
        "account_disabled": Lapse(
            "Google says that this account is disabled.",
            "Ask your Google administrator to reactivate it, then reconnect.",
            "the Google account is disabled",
        ),
        "no_mail_service": Lapse(
            "Google says that this account has no Gmail.",
            "Ask your Google administrator for a Gmail licence, then reconnect.",
            "the Google account has no Gmail licence",
        ),
        "key_lost": Lapse(
            "Postroom can no longer read the access that it had kept. Nothing is wrong with your Google account.",
            "",
            "Postroom lost the key to its access",
        ),
        "not_granted": UNTICKED,
        "insufficient_scope": UNTICKED,
    },
)
