"""The transaction that files a batch: e-mails, who took part, activities, the question, and the ledger, or none of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from models.database import Connection
from models.leases import Held, writing
from models.ledger import Postponed, Settled, Verdict, forgive, postpone, settle
from models.withdrawal import withdraw


@dataclass(frozen=True, slots=True)
class NewParticipant:
    header: str
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class NewAttachment:
    part_id: str
    filename: str
    mime_type: str
    size: int
    content_id: str | None


@dataclass(frozen=True, slots=True)
class ForClient:
    client_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Question:
    """An e-mail in doubt: the candidates, best first. The first one's activity is marked for review."""

    candidates: tuple[ForClient, ...]


@dataclass(frozen=True, slots=True)
class NewEmail:
    """An e-mail that concerns clients, ready to be filed."""

    identity: str
    message_id: str | None
    thread_root: str
    outgoing: bool
    subject: str
    text: str
    html: str | None
    headers: tuple[tuple[str, str], ...]
    sent_at: datetime
    participants: tuple[NewParticipant, ...]
    attachments: tuple[NewAttachment, ...]
    gmail_id: str
    gmail_thread_id: str
    received_at: datetime
    certain: tuple[ForClient, ...]
    question: Question | None


async def file_batch(
    mailbox: Held, emails: list[NewEmail], verdicts: list[Verdict], most_tries: int, now: datetime, survived: Sequence[int] = ()
) -> int:
    """Files what concerns clients, withdraws what was put away at once, and settles what was owed, in one transaction. `survived`: ledger
    entries whose reading has ended. Safe to run twice; returns how many activities are new.

    Raises `LeaseLost` with nothing written.
    """
    ordered = sorted(emails, key=lambda email: email.identity)  # two mailboxes that file the same mails lock them in the same order

    async def work(held: Connection) -> int:
        activities = 0
        if ordered:
            ids = await _emails(held, mailbox.firm_id, ordered, now)
            await _receipts(held, mailbox.id, ordered, ids)
            activities = await _activities(held, mailbox.firm_id, ordered, ids, now)
            await held.execute("UPDATE mailbox SET last_filed_at = $2 WHERE id = $1", mailbox.id, now)
        settled = [v for v in verdicts if isinstance(v, Settled)]
        away = await withdraw(held, mailbox.id, [v.entry.gmail_id for v in settled if v.outcome == "withdrawn"])
        kept = [replace(v, outcome="skipped") if v.outcome == "withdrawn" and v.entry.gmail_id not in away else v for v in settled]
        await settle(held, kept, now)
        await postpone(held, [v for v in verdicts if isinstance(v, Postponed)], most_tries, now)
        await forgive(held, sorted(set(survived) - {v.entry.entry_id for v in settled}))
        return activities

    return await writing(mailbox, now, work)


async def _emails(held: Connection, firm_id: int, emails: list[NewEmail], now: datetime) -> dict[str, int]:
    """Identity to id, for new and known e-mails alike. Only the first to record an e-mail writes its participants and attachments.

    Known ones are locked, so that nobody withdraws them meanwhile; one that was just withdrawn is recorded anew.
    """
    ids: dict[str, int] = {}
    while missing := [email for email in emails if email.identity not in ids]:
        ids |= await _new(held, firm_id, missing, now)
        known = await held.fetch(
            "SELECT id, identity FROM email WHERE firm_id = $1 AND identity = ANY($2::text[]) ORDER BY identity FOR KEY SHARE",
            firm_id,
            [e.identity for e in missing if e.identity not in ids],
        )
        ids |= {row["identity"]: row["id"] for row in known}
    return ids


async def _new(held: Connection, firm_id: int, emails: list[NewEmail], now: datetime) -> dict[str, int]:
    fresh = await held.fetch(
        """
        INSERT INTO email (firm_id, identity, message_id, thread_root, outgoing, subject, text, html, headers, sent_at, filed_at)
        SELECT $1, e.*, $11 FROM unnest($2::text[], $3::text[], $4::text[], $5::bool[], $6::text[], $7::text[], $8::text[], $9::jsonb[],
        $10::timestamptz[]) AS e ON CONFLICT (firm_id, identity) DO NOTHING RETURNING id, identity
        """,
        firm_id,
        [e.identity for e in emails],
        [e.message_id for e in emails],
        [e.thread_root for e in emails],
        [e.outgoing for e in emails],
        [e.subject for e in emails],
        [e.text for e in emails],
        [e.html for e in emails],
        [json.dumps(e.headers) for e in emails],
        [e.sent_at for e in emails],
        now,
    )
    new = {row["identity"]: row["id"] for row in fresh}
    await _details(held, {e.identity: e for e in emails}, new)
    return new


async def _details(held: Connection, emails: dict[str, NewEmail], new: dict[str, int]) -> None:
    people = [(new[i], n, p) for i in new for n, p in enumerate(emails[i].participants)]
    await held.execute(
        """
        INSERT INTO participant (email_id, position, header, name, address) SELECT * FROM unnest($1::bigint[], $2::int[], $3::text[],
        $4::text[], $5::text[])
        """,
        [email for email, _, _ in people],
        [n for _, n, _ in people],
        [p.header for _, _, p in people],
        [p.name for _, _, p in people],
        [p.address for _, _, p in people],
    )
    files = [(new[i], a) for i in new for a in emails[i].attachments]
    await held.execute(
        """
        INSERT INTO attachment (email_id, part_id, filename, mime_type, size, content_id)
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[])
        """,
        [email for email, _ in files],
        [a.part_id for _, a in files],
        [a.filename for _, a in files],
        [a.mime_type for _, a in files],
        [a.size for _, a in files],
        [a.content_id for _, a in files],
    )


async def _receipts(held: Connection, mailbox_id: int, emails: list[NewEmail], ids: dict[str, int]) -> None:
    await held.execute(
        """
        INSERT INTO receipt (mailbox_id, email_id, gmail_id, gmail_thread_id, received_at)
        SELECT $1, r.* FROM unnest($2::bigint[], $3::text[], $4::text[], $5::timestamptz[]) AS r ON CONFLICT DO NOTHING
        """,
        mailbox_id,
        [ids[e.identity] for e in emails],
        [e.gmail_id for e in emails],
        [e.gmail_thread_id for e in emails],
        [e.received_at for e in emails],
    )


async def _activities(held: Connection, firm_id: int, emails: list[NewEmail], ids: dict[str, int], now: datetime) -> int:
    """One activity per e-mail and client. What is certain comes first; the question is asked by whoever records it first, and not at all
    where one of its candidates is certain already, from another mailbox's copy; its best candidate gets the activity."""
    certain = [(ids[e.identity], c, "filed", e.sent_at) for e in emails for c in e.certain]
    filed = await _insert_activities(held, firm_id, certain, now)
    asked = await held.fetch(
        """
        INSERT INTO review (firm_id, email_id, candidates, asked_at)
        SELECT $1, q.email_id, q.candidates, $4 FROM unnest($2::bigint[], $3::jsonb[]) AS q(email_id, candidates)
        WHERE NOT EXISTS (SELECT 1 FROM activity a, jsonb_array_elements(q.candidates) c
        WHERE a.email_id = q.email_id AND a.client_id = (c->>'client')::bigint)
        ON CONFLICT (email_id) DO NOTHING RETURNING email_id
        """,
        firm_id,
        [ids[e.identity] for e in emails if e.question],
        [json.dumps([{"client": c.client_id, "reasons": [c.reason]} for c in e.question.candidates]) for e in emails if e.question],
        now,
    )
    ours = {row["email_id"] for row in asked}
    guessed = [(ids[e.identity], e.question.candidates[0], "review", e.sent_at) for e in emails if e.question and ids[e.identity] in ours]
    return filed + await _insert_activities(held, firm_id, guessed, now)


async def _insert_activities(held: Connection, firm_id: int, rows: list[tuple[int, ForClient, str, datetime]], now: datetime) -> int:
    rows = sorted(rows, key=lambda row: (row[0], row[1].client_id))
    fresh = await held.fetch(
        """
        INSERT INTO activity (firm_id, email_id, client_id, reason, status, sent_at, filed_at)
        SELECT $1, a.*, $7 FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[]) AS a
        ON CONFLICT (email_id, client_id) DO NOTHING RETURNING id
        """,
        firm_id,
        [email for email, _, _, _ in rows],
        [c.client_id for _, c, _, _ in rows],
        [c.reason for _, c, _, _ in rows],
        [status for _, _, status, _ in rows],
        [sent_at for *_, sent_at in rows],
        now,
    )
    return len(fresh)
