"""Files the copies of a batch under clients, and asks the one question of each e-mail that is in doubt, in the transaction of filing.

The e-mails are locked already; activities come next and then questions: decisions and withdrawals lock in the same order.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from models.copies import Change, Copy, Place, Put, Standing, change, together
from models.database import Connection
from models.earlier_copies import standings_of
from models.evidence import Rank, Ranked, gather
from models.inheriting import decisions_of_threads


async def place(held: Connection, firm_id: int, every: Sequence[Copy], known: Collection[int], rank: Rank, now: datetime) -> int:
    """`known`: the e-mails that were recorded before this batch. Safe to run twice; returns how many activities are new."""
    came = Counter(copy.email_id for copy in every)
    copies = together(every)
    # What is new and came twice is recorded as its first copy has it.
    standings = await standings_of(held, [email for email, times in came.items() if email in known or times > 1])
    decisions = await decisions_of_threads(held, firm_id, copies)
    found = (change(standings.get(copy.email_id, Standing()), copy, decisions.get(copy.email_id)) for copy in copies)
    changes = [one for one in found if one]
    new = await _file(held, firm_id, changes, now)
    return new + await _ask(held, firm_id, changes, rank, now)


async def _file(held: Connection, firm_id: int, changes: Sequence[Change], now: datetime) -> int:
    """What needs no person. It is written for the whole batch before anything is guessed: it is evidence."""
    for found in changes:
        await _update(held, found)
    rows = [(found.copy, client, "filed", put) for found in changes for client, put in found.filed.items() if client != found.heir]
    away = [(found.copy, client, "dismissed", put) for found in changes for client, put in found.refused.items()]
    await _insert_activities(held, firm_id, away, now)
    return await _insert_activities(held, firm_id, rows, now)


async def _update(held: Connection, found: Change) -> None:
    """What was known of the e-mail already and is not so any more. Its version rises: a person who still sees the former is told."""
    guess, standing = found.standing.guess, found.standing
    if found.demoted:
        await held.execute("DELETE FROM activity WHERE id = ANY($1::bigint[])", found.demoted)
    if guess and found.heir is not None:
        await _moved(held, guess, found.heir, "filed", found.filed[found.heir])
    elif guess and found.closes:
        await held.execute("DELETE FROM activity WHERE id = $1", guess.id)
    if standing.review_id and not standing.answered and not found.question:
        await held.execute("DELETE FROM review WHERE id = $1", standing.review_id)
    if found.demoted or found.heir is not None or found.closes:
        await _seen_no_more(held, found.copy.email_id)
    if standing.kind and (standing.trust, standing.kind) != (found.trust, found.kind):
        await held.execute("UPDATE email SET trust = $2, kind = $3 WHERE id = $1", found.copy.email_id, found.trust, found.kind)


async def _ask(held: Connection, firm_id: int, changes: Sequence[Change], rank: Rank, now: datetime) -> int:
    asked = [(found, ranked) for found in changes if found.question and (ranked := await _ranked(held, firm_id, found, rank, now))]
    await _write_reviews(held, firm_id, asked, now)
    guesses = [(found, ranked[0]) for found, ranked in asked if found.inherits is None]
    rows = [(found.copy, best.client_id, "review", _guessed(best)) for found, best in guesses if _standing_guess(found) is None]
    for found, best in guesses:
        if guess := _standing_guess(found):
            await _moved(held, guess, best.client_id, "review", _guessed(best))
            if guess.client_id != best.client_id:
                await _seen_no_more(held, found.copy.email_id)
    return await _insert_activities(held, firm_id, rows, now)


async def _ranked(held: Connection, firm_id: int, found: Change, rank: Rank, now: datetime) -> tuple[Ranked, ...]:
    """By all that the copies together say. What the thread inherits comes first, so that who looks back sees what was chosen, and why."""
    doubt = replace(found.copy.doubt, addresses=found.question, people=found.copy.doubt.people | found.question.keys() - {""})
    ranked = rank(doubt, await gather(held, firm_id, found.copy.email_id, doubt, now))
    if found.inherits is None:
        return ranked
    chosen = tuple(Ranked(client, (found.inherits.reason,)) for client in sorted(found.inherits.clients))
    return chosen + tuple(other for other in ranked if other.client_id not in found.inherits.clients)


async def _write_reviews(held: Connection, firm_id: int, asked: Sequence[tuple[Change, tuple[Ranked, ...]]], now: datetime) -> None:
    """Nobody else asks about these e-mails meanwhile: they are locked."""
    if not asked:
        return
    await held.execute(
        """
        INSERT INTO review (firm_id, email_id, candidates, asked_at, quiet, decided_at, outcome)
        SELECT $1, q.email_id, q.candidates, $2, q.quiet, CASE WHEN q.inherits THEN $2::timestamptz END,
        CASE WHEN q.inherits THEN 'inherited' END
        FROM unnest($3::bigint[], $4::jsonb[], $5::bool[], $6::bool[]) AS q(email_id, candidates, quiet, inherits)
        ON CONFLICT (email_id) DO UPDATE SET candidates = excluded.candidates, quiet = excluded.quiet, decided_at = excluded.decided_at,
        outcome = excluded.outcome WHERE review.decided_at IS NULL
        """,
        firm_id,
        now,
        [found.copy.email_id for found, _ in asked],
        [json.dumps([_candidate(found, candidate) for candidate in ranked]) for found, ranked in asked],
        [found.kind != "mail" for found, _ in asked],
        [found.inherits is not None for found, _ in asked],
    )


def _candidate(found: Change, candidate: Ranked) -> dict[str, object]:
    """`addresses`: those that stand for the client, so that a further copy's can be told from them."""
    keys = sorted(key for key, clients in found.question.items() if candidate.client_id in clients)
    return {"client": candidate.client_id, "reasons": candidate.reasons, "addresses": keys}


def _standing_guess(found: Change) -> Place | None:
    """The guess of an earlier copy, as long as it is one."""
    return found.standing.guess if found.heir is None else None


def _guessed(best: Ranked) -> Put:
    return Put("guess", "; ".join(best.reasons))


async def _moved(held: Connection, place: Place, client_id: int, status: str, put: Put) -> None:
    await held.execute(
        "UPDATE activity SET client_id = $2, status = $3, how = $4, reason = $5 WHERE id = $1",
        place.id,
        client_id,
        status,
        put.how,
        put.reason,
    )


async def _seen_no_more(held: Connection, email_id: int) -> None:
    await held.execute("UPDATE email SET version = version + 1 WHERE id = $1", email_id)


async def _insert_activities(held: Connection, firm_id: int, rows: Iterable[tuple[Copy, int, str, Put]], now: datetime) -> int:
    """Where an activity is already, a dismissed one as well, it stays as it is. A private e-mail's are all private."""
    rows = sorted(rows, key=lambda row: (row[0].email_id, row[1]))
    if not rows:
        return 0
    fresh = await held.fetch(
        """
        INSERT INTO activity (firm_id, email_id, client_id, status, how, reason, sent_at, filed_at, private)
        SELECT $1, a.*, $2, EXISTS (SELECT 1 FROM activity p WHERE p.email_id = a.email_id AND p.private) FROM unnest($3::bigint[],
        $4::bigint[], $5::text[], $6::text[], $7::text[], $8::timestamptz[]) AS a(email_id, client_id, status, how, reason, sent_at)
        ON CONFLICT (email_id, client_id) DO NOTHING RETURNING id
        """,
        firm_id,
        now,
        [copy.email_id for copy, *_ in rows],
        [client for _, client, _, _ in rows],
        [status for _, _, status, _ in rows],
        [put.how for *_, put in rows],
        [put.reason for *_, put in rows],
        [copy.sent_at for copy, *_ in rows],
    )
    return len(fresh)
