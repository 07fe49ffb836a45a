"""Stage two: what is owed a look gets one, and what concerns clients is filed. Restartable at any statement."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parseaddr
from typing import TypeVar

import asyncpg

from gmail.client import GmailMailbox
from gmail.errors import GmailTrouble, MessageMissing, RateLimited, TokenRefused, TryAgain
from gmail.message import Content, Headers
from gmail.vault import VaultTrouble
from models.address import key_of
from models.database import DATABASE_TROUBLE, connection
from models.directory import clients_by_address
from models.emails import Trust
from models.filing import ClientsGone, file_batch
from models.firms import Firm, User
from models.leases import Held, LeaseLost
from models.ledger import Owed, Postponed, Settled, Verdict, forgive, strike, witness
from models.ledger import owed as owed_looks
from models.mailboxes import Mailbox
from models.never_file import patterns_of
from models.recording import NewEmail
from models.staff import staff_of
from pipeline import verdicts
from pipeline.compose import compose
from pipeline.guess import guess
from pipeline.match import Concerns, NotAClients, Party, concerns, look_up_keys, parties
from pipeline.rules import FirmRules, held_back_because, is_outgoing, known_to, left_out_because, skipped_because, trust_of
from pipeline.tools import Tools
from settings import Settings
from telemetry import metrics
from telemetry.logs import fault

Answer = TypeVar("Answer")
NO_ANSWER = frozenset({"timeout", "network"})
# What the database says of data, not of itself (SQLSTATE classes 22, 23 and 54): only this may be a message's own fault.
REFUSED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError, ValueError, OverflowError)


class NotAsked(TryAgain):
    """Others of its batch had no answer: it stays owed as it was."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What a run filed, and whether more was owed when its time was up."""

    looked: int
    filed: int
    more: bool


async def file_owed(held: Held, gmail: GmailMailbox, tools: Tools) -> Tally:
    """Looks at what is owed, oldest first, a batch to a transaction, until nothing is or the job's time is up.

    Raises `LeaseLost` and gmail's errors that concern the whole mailbox; what was read before them is filed.
    """
    looked = filed = 0
    rules = until = None
    while batch := await owed_looks(held.id, now := await tools.clock(), tools.limits.batch):
        until = until or now + tools.limits.job_budget
        if now >= until:
            return Tally(looked, filed, more=True)
        rules = rules or await rules_of(held, tools.settings)
        done = await file_batch_of(batch, held, gmail, rules, tools, now)
        looked, filed = looked + done.looked, filed + done.filed
    return Tally(looked, filed, more=False)


async def file_batch_of(owed: Sequence[Owed], held: Held, gmail: GmailMailbox, rules: FirmRules, tools: Tools, now: datetime) -> Tally:
    """One batch of what is owed. What may have killed a worker is read by itself, after all others, and one such at a time in a process:
    whoever dies with it by chance is then not taken for it."""
    limits = tools.limits
    await tools.meter.tell(now)
    pardoned = await forgiven(tools.unforgiven)
    owed = [replace(entry, strikes=max(0, entry.strikes - 1)) if entry.entry_id in pardoned else entry for entry in owed]
    patience = verdicts.Patience(
        limits.first_missing, limits.retry, now, limits.withdraw, held.pushed_id, held.last_checked_at, held.taken_at
    )
    this = Batch(held, gmail, rules, patience, limits.tries, limits.strikes, asyncio.Semaphore(tools.at_once(held)), tools.unforgiven)
    harmless = [entry for entry in owed if not entry.strikes and not entry.throttled] or [entry for entry in owed[:1] if not entry.strikes]
    if harmless:
        return Tally(len(harmless), await this.go(harmless), more=False)
    async with tools.alone:
        return Tally(1, await this.go(owed[:1]), more=False)


async def forgiven(strikes: list[int]) -> set[int]:
    """Takes back these strikes of our own process, and empties the list. Where the database is away they stay listed, and the next batch
    comes back to it: else an outage would look like dead workers."""
    ids = list(strikes)
    strikes.clear()
    try:
        if ids:
            async with connection() as held:
                await forgive(held, ids)
    except BaseException:
        strikes += ids
        raise
    return set(ids)


async def rules_of(mailbox: Held | Mailbox, settings: Settings) -> FirmRules:
    """What counts for this mailbox now."""
    file_all_sent, sender = (await Firm.get(id=mailbox.firm_id)).file_all_sent, parseaddr(settings.mail.sender)[1]
    unwanted = (mailbox.unwanted_from, mailbox.unwanted_until) if mailbox.unwanted_from and mailbox.unwanted_until else None
    staff, never = await staff_of(mailbox.firm_id), await patterns_of(mailbox.firm_id, mailbox.user_id)
    return FirmRules(await User.login_keys(mailbox.firm_id), file_all_sent, key_of(sender), unwanted, staff, never)


@dataclass(frozen=True, slots=True)
class Look:
    """A message's headers, and who is named in them."""

    entry: Owed
    headers: Headers
    people: tuple[Party, ...]
    trust: Trust


@dataclass(slots=True)
class Batch:
    """One batch on its way from ids to activities. Every message leaves it with a verdict, or stays owed as it was."""

    held: Held
    gmail: GmailMailbox
    rules: FirmRules
    patience: verdicts.Patience
    most_tries: int
    most_strikes: int
    slots: asyncio.Semaphore  # as many as are asked for at once
    unforgiven: list[int]  # strikes that this process has yet to take back
    answered: bool = False
    silent: bool = False
    limited: RateLimited | None = None
    struck: list[int] = field(default_factory=list)  # ledger entries whose reading has begun
    settled: list[Verdict] = field(default_factory=list)
    emails: list[tuple[Settled, NewEmail]] = field(default_factory=list)
    trouble: GmailTrouble | None = None  # concerns the whole mailbox: told after what could be read is filed

    async def go(self, owed: Sequence[Owed]) -> int:
        """Returns how many activities are new."""
        self.settled += [verdicts.fatal(entry, self.patience) for entry in owed if entry.strikes >= self.most_strikes]
        looks = await self.read(
            [entry for entry in owed if entry.strikes < self.most_strikes], lambda entry: self.gmail.headers(entry.gmail_id)
        )
        concerned = await self.match([named for entry, headers in looks if (named := self.named(entry, headers))])
        try:
            await self.strike(list(concerned))
            for entry, content in await self.read(list(concerned), lambda entry: self.gmail.message(entry.gmail_id), shown=True):
                self.compose(entry, content, *concerned[entry])
            filed = await self.commit()
        except (Exception, asyncio.CancelledError):
            self.unforgiven += self.struck  # whatever went wrong, we are alive: no message was fatal
            with contextlib.suppress(Exception):
                await forgiven(self.unforgiven)
            raise
        if self.trouble:
            raise self.trouble
        return filed

    async def strike(self, entries: Sequence[Owed]) -> None:
        if entries:
            self.struck = [entry.entry_id for entry in entries]
            await strike(self.struck)

    async def read(
        self, owed: Sequence[Owed], call: Callable[[Owed], Awaitable[Answer]], *, shown: bool = False
    ) -> list[tuple[Owed, Answer]]:
        """Asks Gmail for all of them, a few at once; what has no answer gets its verdict, or is left for the next run.

        A message that fails is to blame itself only where Gmail shows another one: `shown` says that it has just done so.
        """
        if not owed:
            return []
        answers = await asyncio.gather(*(self.ask(entry, call) for entry in owed), return_exceptions=True)
        its_own = shown or not all(isinstance(answer, TryAgain) for answer in answers)
        if not its_own and not any(isinstance(answer, RateLimited | TokenRefused) for answer in answers):  # who is throttled asks no more
            its_own = await self.shows_another()
        read: list[tuple[Owed, Answer]] = []
        for entry, answer in zip(owed, answers, strict=True):
            match answer:
                case MessageMissing():
                    self.settled.append(verdicts.missing(entry, self.patience))
                case NotAsked():
                    continue
                case RateLimited(until=until):
                    self.settled.append(verdicts.throttled(entry, self.patience, until - self.gmail.now()))
                    self.trouble = self.trouble or answer
                case TryAgain(because=because) if its_own and not isinstance(answer, RateLimited | TokenRefused):
                    self.settled.append(verdicts.failed(entry, because, self.patience))
                case GmailTrouble():
                    self.trouble = self.trouble or answer
                case Exception() if isinstance(answer, (*DATABASE_TROUBLE, VaultTrouble, LeaseLost)):
                    raise answer  # of the token store or the lease, not of a message
                case Exception():
                    self.unreadable(entry, answer)
                case BaseException():
                    raise answer
                case _:
                    read.append((entry, answer))
        return read

    async def ask(self, entry: Owed, call: Callable[[Owed], Awaitable[Answer]]) -> Answer:
        """Where Google does not answer at all, or wants to be left alone, the rest of the batch is not asked for."""
        async with self.slots:
            if self.limited:
                raise NotAsked(self.limited.because)
            if self.silent:
                raise NotAsked("timeout")
            try:
                answer = await call(entry)
            except RateLimited as limited:
                self.limited = limited
                raise
            except TryAgain as trouble:
                self.silent = self.silent or (trouble.because in NO_ANSWER and not self.answered)
                raise
            self.answered = True
            return answer

    async def shows_another(self) -> bool:
        """Everything failed: is it Gmail, or what was asked for? A message that it showed us before is the witness."""
        known = await witness(self.held.id)
        try:
            return known is not None and bool(await self.gmail.headers(known))
        except MessageMissing:
            return True
        except GmailTrouble:
            return False

    def unreadable(self, entry: Owed, broken: Exception) -> None:
        """Whatever a message can do to us, it does to itself alone."""
        fault("message unreadable", broken, mailbox=self.held.id, message=entry.gmail_id)
        self.settled.append(verdicts.failed(entry, type(broken).__name__, self.patience))

    def named(self, entry: Owed, headers: Headers) -> Look | None:
        """Who is named in it, if it is one that we look at further."""
        try:
            if not self.may_be_filed(entry, headers):
                return None
            people = known_to(self.rules, parties(headers), outgoing=is_outgoing(headers))
            if not entry.wanted and (because := left_out_because(people)):
                self.settled.append(verdicts.skipped(entry, headers, because, self.patience))
                return None
            return Look(entry, headers, people, trust_of(headers))
        except Exception as broken:
            self.unreadable(entry, broken)
            return None

    def may_be_filed(self, entry: Owed, headers: Headers) -> bool:
        if outdated := verdicts.outdated(entry, headers, self.patience):
            self.settled.append(outdated)
            return False
        because = held_back_because(headers) if entry.wanted else skipped_because(headers, self.held.started_at, self.rules)
        if because:
            self.settled.append(verdicts.skipped(entry, headers, because, self.patience))
        return because is None

    async def match(self, looks: Sequence[Look]) -> dict[Owed, tuple[tuple[Party, ...], Concerns]]:
        """Whom each message concerns: the directory is asked once for all of them."""
        directory = await clients_by_address(self.held.firm_id, look_up_keys(person for look in looks for person in look.people))
        concerned: dict[Owed, tuple[tuple[Party, ...], Concerns]] = {}
        for look in looks:
            if look.entry.wanted:  # that is for a person to say
                concerned[look.entry] = look.people, Concerns((), (), look.trust)
                continue
            match concerns(look.people, directory, look.trust):
                case Concerns() as whose:
                    concerned[look.entry] = look.people, whose
                case NotAClients(reason):
                    self.settled.append(verdicts.skipped(look.entry, look.headers, reason, self.patience))
        return concerned

    def compose(self, entry: Owed, content: Content, people: tuple[Party, ...], whose: Concerns) -> None:
        try:
            if self.may_be_filed(entry, content.headers):  # it may have been trashed between the two looks
                email = compose(content, people, whose, self.patience.now, entry.wanted)
                self.emails.append((verdicts.filed(entry, content.headers), email))
        except Exception as broken:
            self.unreadable(entry, broken)

    async def commit(self) -> int:
        """One transaction for all; if the database refuses it for what is in it, one for each, so that one message fails alone. What is not
        the same client's any more stays owed as it was."""
        try:
            return await self.write(self.emails, self.settled)
        except ClientsGone as gone:
            self.emails = [filed for filed in self.emails if filed[1].identity not in gone.identities]
            return await self.commit()
        except REFUSED as refused:
            fault("batch refused", refused, mailbox=self.held.id)
        filed = await self.write([], self.settled)
        for verdict, email in self.emails:
            try:
                with contextlib.suppress(ClientsGone):
                    filed += await self.write([(verdict, email)], [])
            except REFUSED as refused:
                fault("message refused", refused, mailbox=self.held.id, message=email.gmail_id)
                await self.write([], [verdicts.failed(verdict.entry, type(refused).__name__, self.patience)])
        return filed

    async def write(self, emails: Sequence[tuple[Settled, NewEmail]], settled: Sequence[Verdict]) -> int:
        every = [*settled, *(verdict for verdict, _ in emails)]
        if not every and not self.struck:
            return 0
        filed = await file_batch(self.held, [email for _, email in emails], every, self.most_tries, self.patience.now, self.struck, guess)
        self.struck = []
        for (outcome, finder), count in Counter((_outcome(verdict, self.most_tries), verdict.entry.found_by) for verdict in every).items():
            metrics.MESSAGES.labels(outcome, finder).inc(count)
        return filed


def _outcome(verdict: Verdict, most_tries: int) -> str:
    """What was put away counts as skipped; whether it was withdrawn, the transaction tells."""
    match verdict:
        case Settled(outcome=outcome):
            return "skipped" if outcome == "withdrawn" else outcome
        case Postponed(entry=entry, failed=failed):
            return "parked" if failed and entry.tries + 1 >= most_tries else "postponed"
