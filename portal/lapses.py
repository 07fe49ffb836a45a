"""Why a Gmail connection stopped, in the words of who has to mend it: keyed by `Mailbox.lapse_reason`."""

from collections import defaultdict

LAPSES: dict[str | None, str] = defaultdict(
    lambda: "Google says that access was withdrawn.",
    {
        "invalid_grant": "Google says that access was withdrawn. This happens, for example, after a password change.",
        "invalid_rapt": "Your organisation asks people to sign in to Google again from time to time, and that time has come.",
        "admin_policy": "Your Google administrator does not allow this connection: ask them to trust Postroom, then reconnect.",
        "account_disabled": "Google says that this account is disabled. Ask your Google administrator.",
        "not_granted": "Google says that reading mail was not allowed. When you reconnect, leave the Gmail box ticked.",
        "insufficient_scope": "Google says that reading mail was not allowed. When you reconnect, leave the Gmail box ticked.",
        "domain_policy": "Your Google administrator does not allow this connection: ask them to trust Postroom, then reconnect.",
        "no_mail_service": "Google says that this account has no Gmail. Ask your Google administrator for a Gmail licence.",
    },
)
