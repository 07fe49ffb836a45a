"""What the simulated Google remembers, as plain records. Moments are milliseconds since 1970, ids as Gmail writes them."""

from typing import Any

import msgspec

SYSTEM_LABELS = (
    "CHAT", "SENT", "INBOX", "IMPORTANT", "TRASH", "DRAFT", "SPAM", "UNREAD", "STARRED", "SCHEDULED",
    "CATEGORY_FORUMS", "CATEGORY_UPDATES", "CATEGORY_PERSONAL", "CATEGORY_PROMOTIONS", "CATEGORY_SOCIAL",
)  # fmt: skip


class Watch(msgspec.Struct):
    """A live request for notifications: `behavior` is include or exclude, and says what `labels` mean."""

    topic: str
    expires_at: int
    labels: list[str] = []
    behavior: str = ""

    def wants(self, labels: list[str]) -> bool:
        if not self.labels:
            return True
        touched = not set(labels).isdisjoint(self.labels)
        return not touched if self.behavior == "exclude" else touched


class Account(msgspec.Struct):
    """A Google account with its mailbox. Starts in history below `floor` are expired; `draws` counts its random choices.

    `hosted`: its domain is a Workspace's, which an id_token says (gmail.com never is). `verified`: Google knows that the address is theirs.
    """

    sub: str
    address: str
    name: str
    head: int
    floor: int
    aliases: list[str] = []
    user_labels: dict[str, str] = {}
    drafts: dict[str, str] = {}
    watch: Watch | None = None
    draws: int = 0
    records: int = 0
    notified_at: int = 0
    pushes_dropped: int = 0
    hosted: bool = True
    verified: bool = True


class Message(msgspec.Struct):
    """A message's facts; its bytes stand apart. The lower-case texts are what a search looks at."""

    id: str
    thread_id: str
    labels: list[str]
    internal_date: int
    history_id: int
    size: int
    snippet: str
    message_id: str
    sender: str
    to: str
    cc: str
    bcc: str
    subject: str
    has_attachment: bool
    arrived_at: int
    order: int


class Change(msgspec.Struct):
    """One history record: `kind` is messagesAdded, messagesDeleted, labelsAdded or labelsRemoved. Listed from `visible_at` on."""

    turn: int
    history_id: int
    kind: str
    message_id: str
    thread_id: str
    message_labels: list[str] | None
    labels: list[str]
    made_at: int
    visible_at: int


class Grant(msgspec.Struct):
    """What an account's owner allowed the project: scopes, and the refresh tokens that live, oldest first."""

    sub: str
    scopes: list[str]
    refresh_tokens: list[str] = []
    used_at: int = 0


class RefreshToken(msgspec.Struct):
    token: str
    sub: str
    scopes: list[str]


class AccessToken(msgspec.Struct):
    token: str
    sub: str
    scopes: list[str]
    expires_at: int


class Code(msgspec.Struct):
    """An authorization code, good once, for ten minutes, for this redirect address and verifier."""

    code: str
    sub: str
    scopes: list[str]
    redirect_uri: str
    challenge: str
    challenge_method: str
    nonce: str
    offline: bool
    consented: bool
    expires_at: int
    used: bool = False


class Consent(msgspec.Struct):
    """How the next visit to the consent page for this account will be answered, without a person. `scopes` None: all.

    `no_refresh_token`: the tokens that follow are without one, as when Google thinks that it gave one already.
    """

    sub: str
    scopes: list[str] | None = None
    deny: bool = False
    no_refresh_token: bool = False


class Letter(msgspec.Struct):
    """What came by SMTP for one recipient: `to` and `sender` as the envelope had them. `elsewhere`: nobody here has that address."""

    number: int
    to: str
    sender: str
    raw: bytes
    at: int
    elsewhere: bool


class Fault(msgspec.Struct):
    """Something that goes wrong on purpose, `count` times more (None: until cleared), for one mailbox or all."""

    number: int
    kind: str
    mailbox: str | None
    count: int | None
    params: dict[str, Any]


class Push(msgspec.Struct):
    """One Pub/Sub message. `status`: pending, delivered, lost (by a fault), unheard (no subscription) or expired.

    `last_answer` is the endpoint's HTTP status, 0 where none came.
    """

    message_id: str
    mailbox: str
    history_id: int
    published_at: int
    status: str = "pending"
    attempts: int = 0
    last_answer: int = 0


class Subscription(msgspec.Struct):
    """Where pushes go, and the audience of their tokens."""

    endpoint: str
    audience: str


class Root(msgspec.Struct):
    """The one record about the whole: seed, clock and counters."""

    seed: int
    clock_ahead: int = 0
    draws: int = 0
    faults: int = 0
    pushes: int = 0
    arrivals: int = 0
    accounts: int = 0
    letters: int = 0
