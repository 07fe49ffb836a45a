"""Connect and disconnect: a grant becomes a mailbox that is read, and ceases to be one."""

import asyncio
import contextlib
import random
import secrets
import time
from dataclasses import dataclass

import redis

from gmail.client import Gmail, GmailMailbox
from gmail.errors import GmailTrouble
from gmail.oauth import Grant, OAuthClient
from gmail.tokens import AccessToken
from gmail.vault import Vault, VaultTrouble
from models import mailboxes
from models.address import key_of
from models.firms import User
from models.mailboxes import Connect, Mailbox
from models.watches import RENEW_AFTER, to_watch, watch_set
from pipeline.jobs import sync_mailbox
from pipeline.tools import Clock
from pipeline.watch import next_renewal, watched
from telemetry.logs import correlation, fault, log


class WrongAccount(Exception):
    """The Google account that was chosen is not the user's login address."""

    def __init__(self, address: str) -> None:
        super().__init__("another Google account")
        self.address = address


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
    vault: Vault
    topic: str  # projects/…/topics/…
    clock: Clock

    async def complete(self, user: User, grant: Grant) -> int:
        """Row, tokens and baseline are committed, then the watch is set, then the mailbox is announced. Returns the mailbox.

        Raises `WrongAccount`, `NoRefreshToken`, and gmail's errors if the baseline cannot be read; a failed watch leaves it connected.
        """
        if not grant.email_verified or key_of(grant.email) != user.email_key:
            raise WrongAccount(grant.email)
        if grant.refresh_token is None:
            raise NoRefreshToken
        baseline_at = await self.clock()
        google = self.gmail.mailbox(JustGranted(AccessToken(grant.access_token, grant.expires_at)), parallel=1)
        profile = await google.profile()  # read before anything is listed: what comes from now on is ours
        mailbox_id = await mailboxes.connect(
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
            ),
            await self.clock(),
        )
        trace = correlation(None, mailbox=mailbox_id)
        log.info("connected")
        await self._watch(mailbox_id, google)
        await _announce(mailbox_id, trace)
        return mailbox_id

    async def disconnect(self, mailbox: Mailbox) -> None:
        """Watch stopped and grant revoked while the token lives, unless another firm holds the same Google account; tokens erased."""
        shared = await Mailbox.filter(google_sub=mailbox.google_sub, state="connected").exclude(id=mailbox.id).exists()
        refresh_token, access_token = self._opened(mailbox.refresh_token), self._opened(mailbox.access_token)
        if access_token and not shared:
            access = JustGranted(AccessToken(access_token, mailbox.access_expires_at or await self.clock()))
            with contextlib.suppress(GmailTrouble):  # pushes for it are answered with 204 and counted, until the watch ends by itself
                await self.gmail.mailbox(access, parallel=1).stop()
        if not await mailboxes.disconnect(mailbox.id, mailbox.firm_id, mailbox.epoch):
            return  # connected anew while Google was asked: that connection is not the one to end
        if refresh_token and not shared:
            with contextlib.suppress(GmailTrouble):
                await self.oauth.revoke(refresh_token)
        log.info("disconnected", mailbox=mailbox.id)

    def _opened(self, sealed: str | None) -> str | None:
        """A token whose key is lost must not keep anybody connected."""
        try:
            return self.vault.open(sealed) if sealed else None
        except VaultTrouble as lost:
            fault("token unreadable", lost)
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


async def _announce(mailbox_id: int, trace: str) -> None:
    """Without a mark: a job that finds none looks. If the broker is down the row says that a look is owed."""
    with contextlib.suppress(redis.RedisError):
        await asyncio.to_thread(sync_mailbox.send, mailbox_id, trace or secrets.token_hex(6), time.time() - 3600)
