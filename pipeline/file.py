"""Stage two: what is owed a look gets one, and what concerns clients is filed. Restartable at any statement."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import asyncpg
from tortoise.exceptions import BaseORMException

from gmail.client import GmailMailbox
from gmail.errors import GmailTrouble, MessageMissing, RateLimited, TokenRefused, TryAgain
from gmail.message import Content, Headers
from models.database import PASSING
from models.directory import clients_by_address
from models.filing import NewEmail, file_batch
from models.firms import Firm, User
from models.ledger import Owed, Settled, Verdict
from models.ledger import owed as owed_looks
from models.mailboxes import Held
from pipeline import verdicts
from pipeline.compose import compose
from pipeline.match import Concerns, NotAClients, Party, concerns, look_up_keys, parties
from pipeline.rules import FirmRules, skipped_because
from pipeline.tools import Tools
from telemetry import metrics
from telemetry.logs import fault

Answer = TypeVar("Answer")
WHOLE_MAILBOX = frozenset({"network", "timeout"})  # trouble that no single message can cause


@dataclass(frozen=True, slots=True)
class Tally:
    """What a run filed, and whether more was owed when its time was up."""

    looked: int
    filed: int
    more: bool


async def file_owed(held: Held, gmail: GmailMailbox, tools: Tools, until: datetime) -> Tally:
    """Looks at what is owed, oldest first, a batch to a transaction, until nothing is or the time is up.

    Raises `LeaseLost` and gmail's errors that concern the whole mailbox; what was read before them is filed.
    """
    looked = filed = 0
    rules = None
    while batch := await owed_looks(held.id, now := await tools.clock(), tools.limits.batch):
        if now >= until:
            return Tally(looked, filed, more=True)
        rules = rules or FirmRules(await User.login_keys(held.firm_id), (await Firm.get(id=held.firm_id)).file_all_sent)
        patience = verdicts.Patience(tools.limits.first_missing, tools.limits.retry, now)
        this = Batch(held, gmail, rules, patience, tools.limits.tries)
        looked, filed = looked + len(batch), filed + await this.go(batch)
    return Tally(looked, filed, more=False)


@dataclass(slots=True)
class Batch:
    """One batch on its way from ids to activities. Every message leaves it with a verdict, or stays owed as it was."""

    held: Held
    gmail: GmailMailbox
    rules: FirmRules
    patience: verdicts.Patience
    most_tries: int
    settled: list[Verdict] = field(default_factory=list)
    emails: list[tuple[Settled, NewEmail]] = field(default_factory=list)
    trouble: GmailTrouble | None = None  # concerns the whole mailbox: told after what could be read is filed

    async def go(self, owed: Sequence[Owed]) -> int:
        """Returns how many activities are new."""
        looks = await self.read(owed, lambda entry: self.gmail.headers(entry.gmail_id))
        concerned = await self.match([(entry, headers) for entry, headers in looks if self.is_wanted(entry, headers)])
        for entry, content in await self.read(list(concerned), lambda entry: self.gmail.message(entry.gmail_id)):
            if self.is_wanted(entry, content.headers):  # it may have been trashed between the two looks
                self.compose(entry, content, *concerned[entry])
        filed = await self.commit()
        if self.trouble:
            raise self.trouble
        return filed

    async def read(self, owed: Sequence[Owed], call: Callable[[Owed], Awaitable[Answer]]) -> list[tuple[Owed, Answer]]:
        """Asks Gmail for all of them, a few at once; what has no answer gets its verdict, or is left for the next run."""
        answers = await asyncio.gather(*(call(entry) for entry in owed), return_exceptions=True)
        alone = all(isinstance(answer, TryAgain) for answer in answers) and len(answers) > 1
        read: list[tuple[Owed, Answer]] = []
        for entry, answer in zip(owed, answers, strict=True):
            match answer:
                case MessageMissing():
                    self.settled.append(verdicts.missing(entry, self.patience))
                case TryAgain(because=because) if not alone and _is_about_one(answer):
                    self.settled.append(verdicts.failed(entry, because, self.patience))
                case GmailTrouble():
                    self.trouble = self.trouble or answer
                case BaseException():
                    raise answer
                case _:
                    read.append((entry, answer))
        return read

    def is_wanted(self, entry: Owed, headers: Headers) -> bool:
        if outdated := verdicts.outdated(entry, headers, self.patience):
            self.settled.append(outdated)
            return False
        because = skipped_because(headers, self.held.started_at, self.rules)
        if because:
            self.settled.append(verdicts.skipped(entry, headers, because, self.patience))
        return because is None

    async def match(self, looks: Sequence[tuple[Owed, Headers]]) -> dict[Owed, tuple[tuple[Party, ...], Concerns]]:
        """Whom each message concerns: the directory is asked once for all of them."""
        named = [(entry, headers, parties(headers)) for entry, headers in looks]
        directory = await clients_by_address(self.held.firm_id, look_up_keys(person for *_, people in named for person in people))
        concerned: dict[Owed, tuple[tuple[Party, ...], Concerns]] = {}
        for entry, headers, people in named:
            match concerns(people, directory):
                case Concerns() as whose:
                    concerned[entry] = people, whose
                case NotAClients(reason):
                    self.settled.append(verdicts.skipped(entry, headers, reason, self.patience))
        return concerned

    def compose(self, entry: Owed, content: Content, people: tuple[Party, ...], whose: Concerns) -> None:
        try:
            email = compose(content, people, whose, self.patience.now)
        except Exception as broken:  # whatever a message can do to us, it does to itself alone
            fault("message unreadable", broken, mailbox=self.held.id, message=entry.gmail_id)
            self.settled.append(verdicts.failed(entry, type(broken).__name__, self.patience))
        else:
            self.emails.append((verdicts.filed(entry, content.headers), email))

    async def commit(self) -> int:
        """One transaction for all; if the database refuses it for what is in it, one for each, so that one message fails alone."""
        try:
            return await self.write(self.emails, self.settled)
        except PASSING:
            raise
        except (asyncpg.PostgresError, BaseORMException, ValueError) as refused:
            fault("batch refused", refused, mailbox=self.held.id)
        filed = await self.write([], self.settled)
        for verdict, email in self.emails:
            try:
                filed += await self.write([(verdict, email)], [])
            except (asyncpg.PostgresError, BaseORMException, ValueError) as refused:
                fault("message refused", refused, mailbox=self.held.id, message=email.gmail_id)
                await self.write([], [verdicts.failed(verdict.entry, type(refused).__name__, self.patience)])
        return filed

    async def write(self, emails: Sequence[tuple[Settled, NewEmail]], settled: Sequence[Verdict]) -> int:
        every = [*settled, *(verdict for verdict, _ in emails)]
        if not every:
            return 0
        filed = await file_batch(self.held, [email for _, email in emails], every, self.most_tries, self.patience.now)
        for (outcome, finder), count in Counter((_outcome(verdict), verdict.entry.found_by) for verdict in every).items():
            metrics.MESSAGES.labels(outcome, finder).inc(count)
        return filed


def _is_about_one(trouble: TryAgain) -> bool:
    return not isinstance(trouble, RateLimited | TokenRefused) and trouble.because not in WHOLE_MAILBOX


def _outcome(verdict: Verdict) -> str:
    return verdict.outcome if isinstance(verdict, Settled) else "postponed"
