"""One person's Gmail, asked for a page: which messages they mean, and what is said where Google does not answer."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from gmail.client import GmailMailbox, utc_now
from gmail.errors import AccessRevoked, GmailTrouble, MessageMissing, NotAllowed, RateLimited, TryAgain
from gmail.message import Headers
from gmail.tokens import MailboxAccess
from gmail.vault import VaultTrouble
from models import connections, project
from models.explaining import cool_down, cooling_until
from models.leases import LeaseLost
from models.mailboxes import Mailbox
from models.project import Budget
from models.tokens import MailboxTokens
from pipeline.connection import Connections
from pipeline.gmail_links import ByMessageId, Conversation, OneMessage
from settings import Settings
from telemetry.logs import fault

MOST = 10  # messages to choose from
AT_ONCE = 4

Silence = Literal["cooling", "no answer", "stopped", "reconnected", "ours"]


class CannotAsk(Exception):
    """Google was not asked, or did not answer. `until`: when it may be asked again, where that is known."""

    def __init__(self, because: Silence, until: datetime | None = None) -> None:
        super().__init__(because)
        self.because: Silence = because
        self.until = until


@dataclass(frozen=True, slots=True)
class FromDay:
    """What somebody wrote, from `since` until `until`."""

    sender: str
    since: datetime
    until: datetime


Asked = OneMessage | Conversation | ByMessageId | FromDay


class Asking:
    """One person's Gmail, asked for a page. What it spends is counted, and what Google refuses is remembered, as for the sync."""

    def __init__(self, made: Connections, mailbox: Mailbox, settings: Settings, now: datetime) -> None:
        self._made, self._mailbox, self._settings, self._now = made, mailbox, settings, now
        store = MailboxTokens(mailbox.id, mailbox.epoch, made.vault)
        self.gmail: GmailMailbox = made.gmail.mailbox(MailboxAccess(store, made.refresher, utc_now), AT_ONCE)

    async def __aenter__(self) -> GmailMailbox:
        """Raises `CannotAsk` while Google wants to be left alone."""
        if until := await cooling_until(self._mailbox.id, self._now):
            raise CannotAsk("cooling", until)
        return self.gmail

    async def __aexit__(self, _kind: object, trouble: BaseException | None, _trace: object) -> None:
        """Raises `CannotAsk` for every trouble but a message that is not there."""
        quota = self._settings.quota
        if self.gmail.units:
            await project.spend(self.gmail.units, Budget(quota.project_minute, quota.project_day), self._now)
        match trouble:
            case MessageMissing():
                return
            case RateLimited():
                raise CannotAsk("cooling", await self._cool_down(trouble)) from None
            case TryAgain():
                raise CannotAsk("no answer") from None
            case AccessRevoked(because=because) | NotAllowed(because=because):
                mailbox = self._mailbox
                await connections.lapse(mailbox.id, mailbox.epoch, because, self._now, self._made.schedule)
                raise CannotAsk("stopped") from None
            case LeaseLost():
                raise CannotAsk("reconnected") from None
            case GmailTrouble() | VaultTrouble():
                fault("google refused", trouble, mailbox=self._mailbox.id, word=getattr(trouble, "what", None))
                raise CannotAsk("ours") from None

    async def _cool_down(self, trouble: RateLimited) -> datetime:
        until = self._now + (trouble.until - self._made.gmail.now())
        if trouble.of == "project":
            await project.cool_down(until)
        else:
            await cool_down(self._mailbox.id, self._mailbox.epoch, until)
        return until


async def find(gmail: GmailMailbox, asked: Asked) -> tuple[Headers, ...]:
    """The messages that are meant, newest first, ten at most. Raises gmail's errors; `MessageMissing` if there is none."""
    match asked:
        case OneMessage(id=id):
            return (await gmail.headers(id),)
        case Conversation(id=id):
            return await _of_conversation(gmail, id)
        case ByMessageId(written=written):
            return await _searched(gmail, f"rfc822msgid:{written}")
        case FromDay():
            who = " ".join("".join(" " if letter in '(){}":' else letter for letter in asked.sender).split())
            return await _searched(gmail, f"from:({who}) after:{int(asked.since.timestamp()) - 1} before:{int(asked.until.timestamp())}")


async def _of_conversation(gmail: GmailMailbox, id: str) -> tuple[Headers, ...]:
    """In old links the id may be a message's own."""
    try:
        found = await gmail.thread(id)
    except MessageMissing:
        return (await gmail.headers(id),)
    return found[::-1][:MOST]


async def _searched(gmail: GmailMailbox, query: str) -> tuple[Headers, ...]:
    ids = await gmail.found(query, MOST)
    answers = await asyncio.gather(*(gmail.headers(id) for id in ids), return_exceptions=True)
    found = [answer for answer in answers if isinstance(answer, Headers)]
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, MessageMissing):
            raise answer
    if not found:
        raise MessageMissing
    return tuple(found)
