"""What becomes of clients: archived, restored, merged, removed; and of the mail and the questions that they had.

Each is one transaction that locks the firm's directory, then e-mails, activities and questions in the order in which filing and decisions
lock them, and last the client itself. An e-mail that it changes has a new version, so that a decision on an old page is overtaken, and not
wrong; the audit tells what was where.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from models.audit_log import note
from models.candidates import Place, drop_unguessed, lock, places_of, remember, take_leave, take_over
from models.database import Connection, transaction
from models.past_mail import owe_of_client

STRENGTH = "array_position(ARRAY['withdrawn', 'dismissed', 'review', 'filed'], {}.status::text)"


class NotChanged(Exception):
    """Nothing was changed.

    NotChanged
    ├── NoSuchClient  another firm's, or gone
    ├── IsArchived    into an archived client nothing can be merged: restore it before
    └── ItIsTheSame   a client cannot be merged into itself
    """


class NoSuchClient(NotChanged):
    pass


class IsArchived(NotChanged):
    pass


class ItIsTheSame(NotChanged):
    pass


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change did. `activities`: that stay, went along or are gone with the client; `questions`: that have other candidates now;
    `settled`: of them, those that nobody needs to answer any more; `emails`: erased, as they were nobody else's. `entry`: of the audit; 0
    where nothing was to be done."""

    activities: int = 0
    questions: int = 0
    settled: int = 0
    emails: int = 0
    entry: int = field(default=0, compare=False)

    def counts(self) -> dict[str, int]:
        return {"mails": self.activities, "questions": self.questions, "settled": self.settled, "emails": self.emails}


async def archive(firm_id: int, client_id: int, now: datetime, by: int | None = None) -> Changed:
    """Nothing new is filed here; what is filed stays. It leaves the candidates of open questions; where it was the guess, the next one is.
    A question that nobody else could take over stays as it is. `by`: a user. Safe to repeat. Raises `NoSuchClient`."""

    async def work(held: Connection) -> Changed:
        await _lock_directory(held, firm_id, client_id)
        archived = await held.fetchval(
            "UPDATE client SET archived_at = $2 WHERE id = $1 AND archived_at IS NULL RETURNING true", client_id, now
        )
        if not archived:
            return Changed(await _activities(held, client_id))
        emails = await lock(held, firm_id, client_id, only_questions=True)
        before = await places_of(held, emails)
        questions = await take_leave(held, emails, client_id, for_good=False)
        done = Changed(await _activities(held, client_id), questions)
        return await _told(held, firm_id, by, "archived", client_id, None, before, done, now)

    return await transaction(work)


async def restore(firm_id: int, client_id: int, now: datetime, by: int | None = None) -> Changed:
    """Mail is filed here again; what came meanwhile is owed, as far back as the firm looks for past mail. Safe to repeat. Raises
    `NoSuchClient`."""

    async def work(held: Connection) -> Changed:
        await _lock_directory(held, firm_id, client_id)
        archived_at = await held.fetchval("SELECT archived_at FROM client WHERE id = $1", client_id)
        if archived_at is None:
            return Changed()
        await held.execute("UPDATE client SET archived_at = NULL WHERE id = $1", client_id)
        await owe_of_client(held, firm_id, client_id, archived_at, now)
        return Changed(entry=await note(held, firm_id, by, "restored", None, {"client": client_id}, {"client": client_id}, now))

    return await transaction(work)


async def merge(firm_id: int, from_id: int, into_id: int, now: datetime, by: int | None = None) -> Changed:
    """Two clients become one, `into_id`: contacts, activities, dismissals and candidacies go along, and the other one is gone. An e-mail
    that both had is there once, filed rather than in question, in question rather than dismissed. A question with one candidate left is
    settled, unless its sender is forged. Raises `NoSuchClient`, `IsArchived`, `ItIsTheSame`."""
    if from_id == into_id:
        raise ItIsTheSame

    async def work(held: Connection) -> Changed:
        archived = await _lock_directory(held, firm_id, from_id, into_id)
        if archived[into_id]:
            raise IsArchived
        emails = await _lock_out(held, firm_id, from_id)
        before = await places_of(held, emails)
        activities = await _activities(held, from_id)
        await _hand_over_contacts(held, from_id, into_id)
        if archived_at := archived[from_id]:
            await owe_of_client(held, firm_id, from_id, archived_at, now)
        await _hand_over_activities(held, from_id, into_id)
        questions, settled = await take_over(held, emails, from_id, into_id, now)
        await held.execute("DELETE FROM client WHERE id = $1", from_id)
        return await _told(held, firm_id, by, "merged", from_id, into_id, before, Changed(activities, questions, settled), now)

    return await transaction(work)


async def remove(firm_id: int, client_id: int, now: datetime, by: int | None = None) -> Changed:
    """The client is gone with its activities, the contacts that are nobody else's, and the e-mails that are under no other client, not even
    dismissed. Questions go on with their other candidates; one that nobody could take over is gone, too. Raises `NoSuchClient`."""

    async def work(held: Connection) -> Changed:
        await _lock_directory(held, firm_id, client_id)
        emails = await _lock_out(held, firm_id, client_id)
        before = await places_of(held, emails)
        questions = await take_leave(held, emails, client_id, for_good=True)
        activities = await _activities(held, client_id)
        await held.execute(
            """
            DELETE FROM contact c USING client_contact l WHERE l.contact_id = c.id AND l.client_id = $1
            AND NOT EXISTS (SELECT 1 FROM client_contact o WHERE o.contact_id = c.id AND o.client_id <> $1)
            """,
            client_id,
        )
        await held.execute("DELETE FROM client WHERE id = $1", client_id)
        await drop_unguessed(held, emails)
        erased = await _erase_nobodys(held, emails)
        return await _told(held, firm_id, by, "removed", client_id, None, before, Changed(activities, questions, emails=erased), now)

    return await transaction(work)


async def _lock_directory(held: Connection, firm_id: int, *client_ids: int) -> dict[int, datetime | None]:
    """One change of a firm's directory at a time, imports included. When each client was archived. Raises `NoSuchClient`."""
    await held.execute("SELECT 1 FROM firm WHERE id = $1 FOR NO KEY UPDATE", firm_id)
    rows = await held.fetch("SELECT id, archived_at FROM client WHERE firm_id = $1 AND id = ANY($2::bigint[])", firm_id, list(client_ids))
    if len(rows) < len(client_ids):
        raise NoSuchClient
    return {row["id"]: row["archived_at"] for row in rows}


async def _lock_out(held: Connection, firm_id: int, client_id: int) -> list[int]:
    """The e-mails that a client which is about to go has to do with. Nobody files anything more under it: who is just doing so is waited
    for, and heard."""
    emails = await lock(held, firm_id, client_id)
    await held.execute("SELECT 1 FROM client WHERE id = $1 FOR UPDATE", client_id)
    return sorted({*emails, *await lock(held, firm_id, client_id)})


async def _activities(held: Connection, client_id: int) -> int:
    return await held.fetchval(  # type: ignore[no-any-return]
        "SELECT count(*) FROM activity WHERE client_id = $1 AND status IN ('filed', 'review')", client_id
    )


async def _hand_over_contacts(held: Connection, from_id: int, into_id: int) -> None:
    await held.execute(
        """
        INSERT INTO client_contact (client_id, contact_id, nominated) SELECT $2, contact_id, nominated FROM client_contact
        WHERE client_id = $1 ORDER BY contact_id
        ON CONFLICT (contact_id, client_id) DO UPDATE SET nominated = client_contact.nominated OR excluded.nominated
        """,
        from_id,
        into_id,
    )


async def _hand_over_activities(held: Connection, from_id: int, into_id: int) -> None:
    """Of two for one e-mail the stronger one is kept, with what people have written on either."""
    both = f"""
        SELECT CASE WHEN f_wins THEN f ELSE i END AS kept, CASE WHEN f_wins THEN i ELSE f END AS gone FROM (SELECT f.id AS f, i.id AS i,
        {STRENGTH.format("f")} > {STRENGTH.format("i")} AS f_wins FROM activity f JOIN activity i ON i.email_id = f.email_id
        WHERE f.client_id = $1 AND i.client_id = $2) AS pair
    """  # noqa: S608  # a constant of ours
    await held.execute(
        f"""
        WITH pair AS ({both}), said AS (UPDATE activity k SET title = coalesce(k.title, g.title), note = coalesce(k.note, g.note),
        text = coalesce(k.text, g.text), edition = CASE WHEN (k.title, k.note, k.text) IS DISTINCT FROM (coalesce(k.title, g.title),
        coalesce(k.note, g.note), coalesce(k.text, g.text)) THEN greatest(k.edition, g.edition) + 1 ELSE k.edition END,
        private = k.private OR g.private FROM pair JOIN activity g ON g.id = pair.gone WHERE k.id = pair.kept)
        DELETE FROM activity a USING pair WHERE a.id = pair.gone
        """,  # noqa: S608  # a constant of ours
        from_id,
        into_id,
    )
    await held.execute("UPDATE activity SET client_id = $2 WHERE client_id = $1", from_id, into_id)


async def _erase_nobodys(held: Connection, emails: Sequence[int]) -> int:
    """With all that hangs on them, and their ledger says so. A dismissed one stays: that it was dismissed is all that is left of it."""
    gone = [
        row["id"]
        for row in await held.fetch(
            """
            SELECT id FROM email e WHERE id = ANY($1::bigint[]) AND dismissed_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM activity a WHERE a.email_id = e.id)
            """,
            emails,
        )
    ]
    await held.execute(
        """
        UPDATE ledger_entry l SET outcome = 'skipped', reason = 'no client' FROM receipt r
        WHERE r.email_id = ANY($1::bigint[]) AND l.mailbox_id = r.mailbox_id AND l.gmail_id = r.gmail_id AND l.outcome = 'filed'
        """,
        gone,
    )
    await held.execute("DELETE FROM email WHERE id = ANY($1::bigint[])", gone)
    return len(gone)


async def _told(
    held: Connection,
    firm_id: int,
    by: int | None,
    act: str,
    client_id: int,
    into_id: int | None,
    before: Mapping[int, Place],
    done: Changed,
    now: datetime,
) -> Changed:
    """New versions and audit entries: one for the client, and one for each e-mail that is still there."""
    after = await places_of(held, list(before))
    entry = await note(held, firm_id, by, act, None, {"client": client_id}, {"client": into_id} | done.counts(), now)
    await remember(held, firm_id, by, act, before, after, now)
    return replace(done, entry=entry)
