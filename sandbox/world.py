"""The whole simulated Google: everything it remembers, loaded from disk, and kept there."""

from collections.abc import Callable
from typing import Any

from sandbox.calls import Calls
from sandbox.chance import draw, number
from sandbox.clock import SECOND, Clock
from sandbox.faults import Faults
from sandbox.keys import Keys
from sandbox.mailbox import Mail, Mailbox
from sandbox.quota import Quota
from sandbox.refusals import Misused
from sandbox.rfc822 import Shaped, shape
from sandbox.settings import Settings
from sandbox.state import (
    AccessToken,
    Account,
    Change,
    Code,
    Consent,
    Fault,
    Grant,
    Letter,
    Message,
    Push,
    RefreshToken,
    Root,
    Subscription,
)
from sandbox.store import Store

SHAPED_KEPT = 2_000
SMALL = 200_000  # bytes; larger mails are parsed again each time rather than held


class World:
    """Endpoints change it, then call `settle`: that writes the changes down together and publishes one push per mailbox."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings.data / "sandbox.sqlite")
        self.keys = Keys(settings.data / "keys")
        self.publish: Callable[[Mailbox], None] = lambda mailbox: None
        self._load(settings.seed)

    def reset(self, seed: int) -> None:
        """Everything forgotten but the signing keys and where pushes go."""
        subscription = self.subscription
        self.store.clear()
        self._load(seed)
        self.subscribe(subscription)

    def subscribe(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.store.put("subscription", "", subscription)

    def _load(self, seed: int) -> None:
        store = self.store
        self.root = next((root for _, root in store.every("root", Root)), Root(seed))
        self.clock = Clock(self.root.clock_ahead)
        self.calls = Calls()
        self.quota = Quota(self.settings.user_units, self.settings.project_units)
        self.faults = Faults([fault for _, fault in store.every("fault", Fault)], store.put)
        self.grants = dict(store.every("grant", Grant))
        self.refresh_tokens = dict(store.every("refresh", RefreshToken))
        self.access_tokens = dict(store.every("access", AccessToken))
        self.codes = dict(store.every("code", Code))
        self.consents = dict(store.every("consent", Consent))
        self.pushes = dict(store.every("push", Push))
        self.letters = dict(store.every("letter", Letter))
        given = Subscription(self.settings.push_endpoint, self.settings.push_audience)
        kept = next((known for _, known in store.every("subscription", Subscription)), given)
        self.subscription = given if given.endpoint else kept
        self.seen_missing: set[tuple[str, str]] = set()
        self._shaped: dict[tuple[str, str], Shaped] = {}
        self._changed: dict[str, Mailbox] = {}
        self._load_mailboxes()

    def _load_mailboxes(self) -> None:
        messages: dict[str, list[Message]] = {}
        changes: dict[str, list[Change]] = {}
        for key, message in self.store.every("message", Message):
            messages.setdefault(key.partition("/")[0], []).append(message)
        for key, change in self.store.every("change", Change):
            changes.setdefault(key.partition("/")[0], []).append(change)
        self.mailboxes: dict[str, Mailbox] = {}
        self.by_address: dict[str, Mailbox] = {}
        for sub, account in self.store.every("account", Account):
            self._open(account).restore(messages.get(sub, []), changes.get(sub, []))

    # accounts

    def account(self, address: str) -> Mailbox:
        """Raises Misused where nobody has that address."""
        mailbox = self.by_address.get(address.strip().lower())
        if mailbox is None:
            raise Misused(404, f"no account has the address {address}")
        return mailbox

    def receiver(self, address: str) -> Mailbox | None:
        """Whose mailbox a mail to that address lands in: its owner's, or that of whoever has it as an alias."""
        wanted = address.lower()
        having = (m for m in self.mailboxes.values() if wanted in (alias.lower() for alias in m.account.aliases))
        return self.by_address.get(wanted) or next(having, None)

    def add_account(self, address: str, name: str, aliases: list[str], *, hosted: bool = True, verified: bool = True) -> Mailbox:
        """A second call with the same address changes all but the mailbox."""
        known = self.by_address.get(address.lower())
        if known is None:
            self.root.accounts += 1
            drawn = draw(self.root.seed, f"account {address}", self.root.accounts)
            head = 1_000_000 + number(drawn, 9_000_000)
            sub = f"1{number(drawn[8:], 10**20):020d}"
            known = self._open(Account(sub, address, name, head, head))
            self.store.put("root", "", self.root)
        account = known.account
        account.name, account.aliases, account.hosted, account.verified = name or account.name, aliases, hosted, verified
        self.store.put("account", account.sub, account)
        return known

    def rename(self, mailbox: Mailbox, address: str) -> None:
        """The person and the mailbox stay; only the address is another."""
        if address.lower() in self.by_address:
            raise Misused(409, f"{address} is taken")
        del self.by_address[mailbox.account.address.lower()]
        mailbox.account.address = address
        self.by_address[address.lower()] = mailbox
        self.store.put("account", mailbox.account.sub, mailbox.account)

    def remove_account(self, mailbox: Mailbox) -> None:
        """The account is deleted, with its mail and all that it granted or was about to."""
        sub = mailbox.account.sub
        self.end_grant(sub)
        if sub in self.consents:
            self.forget("consent", self.consents, sub)
        for change in mailbox.changes:
            self.store.put("change", f"{sub}/{change.turn:012d}", None)
        for id in mailbox.messages:
            self.store.put("message", f"{sub}/{id}", None)
            self.store.put("raw", f"{sub}/{id}", None)
        self.store.put("account", sub, None)
        del self.mailboxes[sub], self.by_address[mailbox.account.address.lower()]
        self._changed.pop(sub, None)

    def end_grant(self, sub: str) -> bool:
        """Every token that this account ever gave the project is dead."""
        held = self.grants.pop(sub, None)
        if held is None:
            return False
        self.store.put("grant", sub, None)
        for kind, tokens in (("refresh", self.refresh_tokens), ("access", self.access_tokens), ("code", self.codes)):
            for key in [key for key, record in tokens.items() if record.sub == sub]:
                self.forget(kind, tokens, key)
        return True

    def forget(self, kind: str, records: dict[str, Any], key: str) -> None:
        del records[key]
        self.store.put(kind, key, None)

    # mail

    def mail(self, raw: bytes) -> Mail:
        self.root.arrivals += 1
        self.store.put("root", "", self.root)
        return Mail(raw, shape(raw), self.root.arrivals)

    def raw(self, mailbox: Mailbox, id: str) -> bytes:
        return self.store.bytes_of("raw", f"{mailbox.account.sub}/{id}")

    def shaped(self, mailbox: Mailbox, id: str) -> Shaped:
        key = (mailbox.account.sub, id)
        known = self._shaped.get(key)
        if known is None:
            raw = self.raw(mailbox, id)
            known = shape(raw)
            if len(raw) <= SMALL:
                if len(self._shaped) >= SHAPED_KEPT:
                    self._shaped.pop(next(iter(self._shaped)))
                self._shaped[key] = known
        return known

    # time and chance

    def now(self) -> int:
        return self.clock.now()

    def advance(self, seconds: float) -> None:
        self.clock.ahead += int(seconds * SECOND)
        self.root.clock_ahead = self.clock.ahead
        self.store.put("root", "", self.root)

    def draw(self) -> bytes:
        self.root.draws += 1
        self.store.put("root", "", self.root)
        return draw(self.root.seed, "", self.root.draws)

    # the end of a request

    def settle(self) -> None:
        while self._changed:
            _, mailbox = self._changed.popitem()
            self.publish(mailbox)
        self.store.flush()

    def watched_change(self, mailbox: Mailbox, labels: list[str]) -> None:
        watch = mailbox.account.watch
        if watch is not None and watch.expires_at > self.now() and watch.wants(labels):
            self._changed[mailbox.account.sub] = mailbox

    def notify_at_once(self, mailbox: Mailbox) -> None:
        """As after a `watch`."""
        mailbox.account.notified_at = 0
        self._changed[mailbox.account.sub] = mailbox

    def _open(self, account: Account) -> Mailbox:
        mailbox = Mailbox(account, self.root.seed, self.store.put, self.watched_change, self._lateness)
        self.mailboxes[account.sub] = self.by_address[account.address.lower()] = mailbox
        return mailbox

    def _lateness(self, mailbox: Mailbox) -> int:
        fault = self.faults.strike("history_late", mailbox.account.sub)
        return int(fault["s"] * SECOND) if fault else 0
