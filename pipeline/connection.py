"""Connect, disconnect and test a connection: what a person does on their page, and what Google is told of it."""

import asyncio
import contextlib
import random
import secrets
import time
from dataclasses import dataclass, replace
from datetime import timedelta

import redis
from tortoise.expressions import Q

from gmail.client import Gmail, GmailMailbox, utc_now
from gmail.errors import AccessRevoked, GmailTrouble, NotAllowed
from gmail.oauth import Grant, OAuthClient
from gmail.tokens import AccessToken, MailboxAccess, Refresher
from gmail.vault import Vault, VaultTrouble
from models import connections
from models.address import key_of
from models.attempts import Wish
from models.connections import Connect, NobodyThere
from models.firms import User
from models.leases import LeaseLost
from models.mailboxes import Mailbox
from models.notices import USUAL, Schedule
from models.people import AllowedAddress
from models.tokens import MailboxTokens
from models.turns import turn_of
from models.watches import RENEW_AFTER, push_asked_for, to_watch, watch_set
from pipeline.jobs import sync_mailbox
from pipeline.parting import part
from pipeline.tools import Clock, Tools
from pipeline.watch import next_renewal, watched
from telemetry.logs import correlation, fault, log

BETWEEN_TESTS = timedelta(seconds=10)  # a second click meanwhile waits for the push of the first


class WrongAccount(Exception):
    """The Google account that was chosen is not the one that was meant."""

    def __init__(self, address: str, meant: str) -> None:
        super().__init__("another Google account")
        self.address, self.meant = address, meant


class NoRefreshToken(Exception):
    """Google gave nothing that lasts: the consent must be asked for once more."""


@dataclass(frozen=True, slots=True)
class JustGranted:
    """An access token fresh from the consent: nothing to refresh yet."""

    access: AccessToken

    async def token(self) -> str:
        return self.access.token

    async def renew(self, refused: str) -> str:
        return self.access.token


@dataclass(frozen=True, slots=True)
class Connections:
    """Connects and disconnects the mailboxes of a deployment."""

    gmail: Gmail
    oauth: OAuthClient
    refresher: Refresher
    vault: Vault
    topic: str  # projects/…/topics/…
    clock: Clock
    schedule: Schedule = USUAL

    @classmethod
    def of(cls, tools: Tools) -> "Connections":
        settings = tools.settings
        schedule = Schedule(settings.sweep.letter_wait, settings.sweep.notice_days)
        return cls(tools.gmail, tools.oauth, tools.refresher, tools.vault, settings.push.topic_name, tools.clock, schedule)

    async def complete(self, user: User, grant: Grant, wish: Wish | None = None) -> int:
        """Row, tokens and baseline are committed, then the watch is set, then the mailbox is announced. Returns the mailbox.

        Raises `WrongAccount`, `NoRefreshToken`, `Busy`, `NobodyThere`, and gmail's errors if the baseline cannot be read; a failed watch
        leaves it connected. A grant that is not taken is given back to Google, unless a mailbox lives by it.
        """
        wish = wish or Wish()
        async with turn_of(grant.sub, self.clock):
            meant = await self._meant(user, grant, wish)
            if meant is not None:
                await self._give_back(grant)
                raise WrongAccount(grant.email, meant)
            if grant.refresh_token is None:
                grant = await self._kept(user, grant)
            try:
                mailbox_id, google = await self._commit(user, grant, wish)
            except (NobodyThere, GmailTrouble):
                await self._give_back(grant)
                raise
            trace = correlation(None, mailbox=mailbox_id)
            log.info("connected")
            await self._watch(mailbox_id, google)
        await announce(mailbox_id, trace)
        return mailbox_id

    async def _meant(self, user: User, grant: Grant, wish: Wish) -> str | None:
        """None if this is the account that the person meant and may connect; else which one that is. One that was renamed at Google is the
        same account."""
        meant = wish.address or user.email
        key, chosen = key_of(meant), key_of(grant.email) if grant.email_verified else None
        allowed = await AllowedAddress.filter(user_id=user.id, address_key=key).exists()
        if key is None or not (key == user.email_key or allowed):
            return user.email
        known = Mailbox.filter(firm_id=user.firm_id, user_id=user.id, google_sub=grant.sub)
        return None if chosen == key or (chosen and await known.filter(Q(address_key=key) | Q(former_key=key)).exists()) else meant

    async def _give_back(self, grant: Grant) -> None:
        if await Mailbox.filter(google_sub=grant.sub).exclude(state="disconnected").exists():
            return  # giving back one grant of an account ends them all
        with contextlib.suppress(GmailTrouble):
            await self.oauth.revoke(grant.access_token)

    async def _kept(self, user: User, grant: Grant) -> Grant:
        """Google gives a refresh token once; the one that is kept from before will do, if it still works. Raises `NoRefreshToken`."""
        known = await Mailbox.get_or_none(firm_id=user.firm_id, google_sub=grant.sub)
        if known is None or known.refresh_token is None:
            raise NoRefreshToken
        try:
            kept = self.vault.open(known.refresh_token)
            await self.refresher.refresh(kept)
        except (VaultTrouble, AccessRevoked):
            raise NoRefreshToken from None
        return replace(grant, refresh_token=kept)

    async def _commit(self, user: User, grant: Grant, wish: Wish) -> tuple[int, GmailMailbox]:
        baseline_at = await self.clock()
        google = self.gmail.mailbox(JustGranted(AccessToken(grant.access_token, grant.expires_at)), parallel=1)
        profile = await google.profile()  # read before anything is listed: what comes from now on is ours
        assert grant.refresh_token is not None  # noqa: S101  # what `_kept` is for
        mailbox_id = await connections.connect(
            Connect(
                user.firm_id,
                user.id,
                grant.sub,
                profile.address,
                self.vault.seal(grant.refresh_token),
                self.vault.seal(grant.access_token),
                grant.expires_at,
                profile.history_id,
                baseline_at,
                wish.in_between,
                wish.days,
            ),
            await self.clock(),
        )
        return mailbox_id, google

    async def disconnect(self, mailbox: Mailbox, by: str = "") -> None:
        """It is over at once; then Google is told, now or by the parting chore. Only this very connection: one that was made meanwhile
        stays. `by`: who does it, if not its user, who is then written to."""
        if await connections.disconnect(mailbox.id, mailbox.firm_id, await self.clock(), epoch=mailbox.epoch, by=by):
            log.info("disconnected", mailbox=mailbox.id)
            await self.part(mailbox.id)

    async def part(self, mailbox_id: int) -> None:
        """What Google is owed of a connection that is over (pipeline/parting.py)."""
        await part(mailbox_id, self.gmail, self.oauth, self.refresher, self.vault, self.clock)

    async def test_push(self, mailbox: Mailbox) -> GmailTrouble | None:
        """Asks Google for pushes once more, which makes it push at once: whether that push arrives is told by the row. None, or why
        Google did not."""
        now = await self.clock()
        if mailbox.test_push_at and now - mailbox.test_push_at < BETWEEN_TESTS:
            return None
        connection = await to_watch(mailbox.id, now)
        if connection is None:
            return None
        store = MailboxTokens(mailbox.id, connection.epoch, self.vault)
        google = self.gmail.mailbox(MailboxAccess(store, self.refresher, utc_now), parallel=1)
        try:
            watch = await watched(google, self.topic, connection)
        except LeaseLost:
            return None  # disconnected or connected anew meanwhile
        except (AccessRevoked, NotAllowed) as ended:
            await connections.lapse(mailbox.id, connection.epoch, ended.because, await self.clock(), self.schedule)
            return ended
        except GmailTrouble as trouble:
            fault("test push failed", trouble, mailbox=mailbox.id)
            return trouble
        await push_asked_for(mailbox.id, connection.epoch, watch.history_id, now)
        return None

    async def _watch(self, mailbox_id: int, google: GmailMailbox) -> None:
        """One that fails is asked for again by the sweep, before all others."""
        connection = await to_watch(mailbox_id, await self.clock())
        if connection is None:
            return
        try:
            watch = await watched(google, self.topic, connection)
        except GmailTrouble as trouble:
            fault("watch failed", trouble, mailbox=mailbox_id, word=getattr(trouble, "what", None) or getattr(trouble, "because", None))
            return
        due_at = next_renewal(await self.clock(), watch.expires_at, RENEW_AFTER, random.random())  # noqa: S311  # spreads, keeps no secret
        await watch_set(mailbox_id, connection.epoch, watch.expires_at, due_at)


async def announce(mailbox_id: int, trace: str) -> None:
    """Without a mark: a job that finds none looks. If the broker is down the row says that a look is owed."""
    with contextlib.suppress(redis.RedisError):
        await asyncio.to_thread(sync_mailbox.send, mailbox_id, trace or secrets.token_hex(6), time.time() - 3600)
