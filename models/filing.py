"""The transaction that files a batch: e-mails, who took part, activities, the question, and the ledger, or none of it."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from models.copies import Copy
from models.database import Connection
from models.emails import Trust
from models.evidence import Doubt, Rank, in_order
from models.leases import Held, writing
from models.ledger import Postponed, Settled, Verdict, forgive, postpone, settle
from models.questions import place
from models.recording import JustWithdrawn, NewEmail, record_all, restore
from models.wanted import file_wanted
from models.withdrawal import withdraw


class ClientsGone(Exception):
    """Clients of these e-mails were archived, merged or removed after they were matched: nothing is filed. Match them anew."""

    def __init__(self, identities: frozenset[str]) -> None:
        super().__init__(f"{len(identities)} e-mails")
        self.identities = identities


async def file_batch(
    mailbox: Held,
    emails: list[NewEmail],
    verdicts: list[Verdict],
    most_tries: int,
    now: datetime,
    survived: Sequence[int] = (),
    rank: Rank = in_order,
) -> int:
    """Files what concerns clients, withdraws what was put away at once, and settles what was owed, in one transaction. `survived`: ledger
    entries whose reading has ended. `rank`: the guess. Safe to run twice; returns how many activities are new.

    Raises `LeaseLost` and `ClientsGone` with nothing written.
    """
    ordered = sorted(emails, key=lambda email: email.identity)  # two mailboxes that file the same mails lock them in the same order
    settled = [v for v in verdicts if isinstance(v, Settled)]
    put_away = [v.entry.gmail_id for v in settled if v.outcome == "withdrawn"]

    async def work(held: Connection) -> int:
        activities = 0
        if ordered:
            new, known = await record_all(held, mailbox, ordered, put_away, now)
            await _lock_clients(held, mailbox.firm_id, ordered)
            copies = [_copy(email, (new | known)[email.identity]) for email in ordered]
            wanted = {(new | known)[email.identity]: email for email in ordered if email.wanted}
            await restore(held, wanted)
            activities = await place(held, mailbox.firm_id, copies, known.values(), rank, now)
            activities += await file_wanted(held, mailbox.firm_id, {i: e.wanted for i, e in wanted.items() if e.wanted}, now)
            await held.execute("UPDATE mailbox SET last_filed_at = $2 WHERE id = $1", mailbox.id, now)
        away = await withdraw(held, mailbox.id, put_away)
        kept = [replace(v, outcome="skipped") if v.outcome == "withdrawn" and v.entry.gmail_id not in away else v for v in settled]
        await settle(held, kept, now)
        await postpone(held, [v for v in verdicts if isinstance(v, Postponed)], most_tries, now)
        await forgive(held, sorted(set(survived) - {v.entry.entry_id for v in settled}))
        return activities

    while True:
        with suppress(JustWithdrawn):
            return await writing(mailbox, now, work)


async def _lock_clients(held: Connection, firm_id: int, emails: Iterable[NewEmail]) -> None:
    """Nobody merges or removes them until this is filed, and then what is filed goes along. Clients are always locked last. Raises
    `ClientsGone`."""
    named = {email.identity: _clients(email) for email in emails}
    rows = await held.fetch(
        "SELECT id FROM client WHERE firm_id = $1 AND id = ANY($2::bigint[]) AND archived_at IS NULL ORDER BY id FOR KEY SHARE",
        firm_id,
        sorted(frozenset[int]().union(*named.values())),
    )
    there = {row["id"] for row in rows}
    if gone := frozenset(identity for identity, clients in named.items() if not clients <= there):
        raise ClientsGone(gone)


def _clients(email: NewEmail) -> frozenset[int]:
    wanted = frozenset({email.wanted.client_id} if email.wanted else ())
    return wanted.union((match.client_id for match in email.certain), *(email.question.addresses.values() if email.question else ()))


def _copy(email: NewEmail, email_id: int) -> Copy:
    """A blind copy shows only in its sender's mailbox: unless it is in doubt itself it proves nothing, so that all copies say the same."""
    seen = {person.key for person in email.participants if person.header != "bcc"}
    doubt = email.question or Doubt({}, email.people, _author(email), email.subject, email.text, _filenames(email), email.sent_at)
    doubt = replace(doubt, people=doubt.people & (seen | doubt.addresses.keys()))
    trust: Trust = "proven" if email.outgoing else email.trust  # it lies among what its owner sent
    return Copy(email_id, email.thread_root, email.sent_at, email.kind, trust, {c.client_id: c.reason for c in email.certain}, doubt)


def _author(email: NewEmail) -> str | None:
    return next((person.key for person in email.participants if person.header == "from"), None)


def _filenames(email: NewEmail) -> tuple[str, ...]:
    return tuple(attachment.filename for attachment in email.attachments)
