"""The outbox: which letters go out now, with all that their words need; and what became of each."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from models.database import Connection, connection, transaction
from models.notices import DIGEST_AFTER, Kind

CLAIM = timedelta(minutes=5)  # to send one; whoever died meanwhile is followed by another, with the same Message-ID
HELD_BACK = ("lapse", "reminder", "account", "digest", "caught_up")  # by a surge; what a person has just asked for is not
CLIENT_REFUSED = timedelta(minutes=15)  # after a refusal of our OAuth client: nothing that Google says of grants is to be believed
HOUR = timedelta(hours=1)
# What a letter tells of is still so. Nobody is written to about what is over, nor who has left, nor about a firm's sync that is off.
STILL_SO = """
    CASE WHEN n.kind IN ('lapse', 'reminder', 'account') THEN m.state = 'lapsed' AND m.epoch = n.epoch
    WHEN n.kind = 'disconnected' THEN m.state = 'disconnected' AND m.epoch = n.epoch
    WHEN n.kind = 'caught_up' THEN m.state IN ('connected', 'paused') AND m.epoch >= n.epoch ELSE true END
    AND u.active AND (u.role = 'admin' OR n.kind NOT IN ('account', 'digest'))
"""
# Everything of the time in between was listed, and looked at.
CAUGHT_UP = """
    m.state = 'connected' AND m.last_checked_at > m.connected_at
    AND NOT EXISTS (SELECT 1 FROM gap g WHERE g.mailbox_id = m.id AND g.closed_at IS NULL AND g.reason <> 'contact')
    AND NOT EXISTS (SELECT 1 FROM ledger_entry l WHERE l.mailbox_id = m.id AND l.owed_at IS NOT NULL)
"""


@dataclass(frozen=True, slots=True)
class Absent:
    """One line of the admins' digest."""

    name: str
    address: str
    since: datetime
    because: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter to be sent now."""

    id: int
    kind: Kind
    message_id: str  # the part before @, the same at each try
    user_id: int
    email: str  # whom it goes to
    name: str
    firm: str
    address: str  # the mailbox that it is about, "" for none
    holder: str  # who holds that mailbox
    because: str  # why it lapsed: `Mailbox.lapse_reason`
    since: datetime | None  # when what it tells of began
    until: datetime | None  # and when it was over
    day: int  # of a reminder: days after the lapse
    by: str  # who did what it tells of
    count: int  # mails filed of the time in between
    admins: tuple[str, ...]  # names of the firm's other admins: whom to ask
    absent: tuple[Absent, ...]  # of a digest
    tries: int


async def drop_what_is_over(now: datetime) -> int:
    """Letters whose matter is over, and all but the last of several about one lapse, are never sent. Returns how many."""
    async with connection() as held:
        rows = await held.fetch(
            f"""
            UPDATE notice d SET dropped_at = $1, dropped_because = CASE WHEN so.still THEN 'superseded' ELSE 'over' END
            FROM (SELECT n.id, coalesce({STILL_SO}, false) AS still,
            n.kind IN ('lapse', 'reminder') AND EXISTS (SELECT 1 FROM notice l WHERE l.mailbox_id = n.mailbox_id AND l.epoch = n.epoch
            AND l.kind = 'reminder' AND l.day > n.day AND l.due_at <= $1 AND l.dropped_at IS NULL) AS superseded
            FROM notice n JOIN app_user u ON u.id = n.user_id JOIN firm f ON f.id = n.firm_id LEFT JOIN mailbox m ON m.id = n.mailbox_id
            WHERE n.due_at <= $1 AND n.sent_at IS NULL AND n.dropped_at IS NULL AND (n.claimed_until IS NULL OR n.claimed_until <= $1)) so
            WHERE d.id = so.id AND (NOT so.still OR so.superseded) AND d.sent_at IS NULL RETURNING d.id
            """,  # noqa: S608  # a constant of ours
            now,
        )
    return len(rows)


async def claim_letter(now: datetime) -> Letter | None:
    """The letter that is due longest, claimed so that no other process sends it; those that are held are left."""
    async with connection() as held:
        notice_id = await held.fetchval(
            f"""
            WITH chosen AS (SELECT n.id FROM notice n JOIN app_user u ON u.id = n.user_id JOIN firm f ON f.id = n.firm_id
            LEFT JOIN mailbox m ON m.id = n.mailbox_id WHERE {STILL_SO} AND (f.provider = 'google' OR n.kind <> ALL($3::text[]))
            AND n.due_at <= $1 AND n.sent_at IS NULL AND n.dropped_at IS NULL AND (n.claimed_until IS NULL OR n.claimed_until <= $1)
            AND (n.kind <> 'caught_up' OR ({CAUGHT_UP}))
            AND NOT (n.kind = ANY($3::text[]) AND EXISTS (SELECT 1 FROM project_state p
            WHERE p.letters_held_at IS NOT NULL OR p.client_refused_at > $4))
            ORDER BY n.kind <> 'sign_in', n.kind = 'invitation', n.due_at, n.id LIMIT 1 FOR UPDATE OF n SKIP LOCKED)
            UPDATE notice n SET claimed_until = $2, tries = n.tries + 1 FROM chosen WHERE n.id = chosen.id RETURNING n.id
            """,  # noqa: S608  # a constant of ours
            now,
            now + CLAIM,
            list(HELD_BACK),
            now - CLIENT_REFUSED,
        )
        return None if notice_id is None else await _read(held, notice_id, now)


async def _read(held: Connection, notice_id: int, now: datetime) -> Letter:
    row = await held.fetchrow(
        """
        SELECT n.id, n.kind, n.message_id, n.user_id, u.email, u.name, f.name AS firm, coalesce(m.address, '') AS address,
        coalesce(h.name, '') AS holder, coalesce(m.lapse_reason, '') AS because, n.since, n.until, n.day, n.by, n.tries,
        (SELECT count(*) FROM receipt r JOIN ledger_entry l ON l.mailbox_id = r.mailbox_id AND l.gmail_id = r.gmail_id
        WHERE r.mailbox_id = m.id AND r.received_at >= n.since - interval '1 hour'
        AND r.received_at < n.until AND l.found_at >= n.until) AS count,
        ARRAY(SELECT a.name FROM app_user a WHERE a.firm_id = n.firm_id AND a.role = 'admin' AND a.active AND a.id <> n.user_id
        ORDER BY lower(a.name), a.id) AS admins
        FROM notice n JOIN app_user u ON u.id = n.user_id JOIN firm f ON f.id = n.firm_id
        LEFT JOIN mailbox m ON m.id = n.mailbox_id LEFT JOIN app_user h ON h.id = m.user_id WHERE n.id = $1
        """,
        notice_id,
    )
    absent = await _absent(held, notice_id, now) if row["kind"] == "digest" else ()
    return Letter(**{**dict(row), "admins": tuple(row["admins"])}, absent=absent)


async def _absent(held: Connection, notice_id: int, now: datetime) -> tuple[Absent, ...]:
    rows = await held.fetch(
        """
        SELECT u.name, m.address, m.lapsed_at AS since, coalesce(m.lapse_reason, '') AS because FROM notice n
        JOIN mailbox m ON m.firm_id = n.firm_id JOIN app_user u ON u.id = m.user_id
        WHERE n.id = $1 AND m.state = 'lapsed' AND m.lapsed_at <= $2 AND u.active ORDER BY m.lapsed_at, m.id
        """,
        notice_id,
        now - DIGEST_AFTER,
    )
    return tuple(Absent(**row) for row in rows)


async def sent(letter: Letter, now: datetime) -> None:
    """The mail server has taken it."""
    async with connection() as held:
        await held.execute("UPDATE notice SET sent_at = $2, claimed_until = NULL WHERE id = $1", letter.id, now)


async def try_again(letter: Letter, at: datetime) -> None:
    """The mail server did not take it this time."""
    async with connection() as held:
        await held.execute("UPDATE notice SET due_at = $2, claimed_until = NULL WHERE id = $1 AND sent_at IS NULL", letter.id, at)


async def given_up(letter: Letter, because: str, now: datetime) -> None:
    """Nobody will ever get it there."""
    async with connection() as held:
        await held.execute(
            "UPDATE notice SET dropped_at = $2, dropped_because = $3, claimed_until = NULL WHERE id = $1", letter.id, now, because[:40]
        )


async def hold_in_a_surge(limit: int, now: datetime) -> bool:
    """So many lapses within an hour are no doing of so many people: letters about them wait until an operator has looked. Google's session
    policies (invalid_rapt) end whole firms' access at once, by their own doing: they do not count. True if they wait."""
    async with connection() as held:
        state = await held.fetchrow("SELECT letters_held_at, surge_seen_at FROM project_state")
        if state is None or state["letters_held_at"] is None:
            since = max(now - HOUR, (state and state["surge_seen_at"]) or now - HOUR)
            lapsed = await held.fetchval("SELECT count(*) FROM mailbox WHERE lapsed_at > $1 AND lapse_reason <> 'invalid_rapt'", since)
            if lapsed < limit:
                return False
            await held.execute(
                "INSERT INTO project_state (id, letters_held_at) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET letters_held_at = $1", now
            )
    return True


async def client_refused(now: datetime) -> None:
    """Google refuses our OAuth client itself: letters about lapses wait while that lasts."""
    async with connection() as held:
        await held.execute(
            "INSERT INTO project_state (id, client_refused_at) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET client_refused_at = $1", now
        )


@dataclass(frozen=True, slots=True)
class Outbox:
    """What an operator sees of it."""

    held_at: datetime | None  # since when letters wait for the operator
    client_refused_at: datetime | None
    due: int  # letters that are due and not sent
    held: int  # of them, those that are held back
    failing: int  # those that the mail server did not take at least once


async def state_of(now: datetime) -> Outbox:
    async with connection() as held:
        row = await held.fetchrow(
            """
            SELECT p.letters_held_at AS held_at, CASE WHEN p.client_refused_at > $2 THEN p.client_refused_at END AS client_refused_at,
            count(n.id) FILTER (WHERE n.due_at <= $1) AS due, count(n.id) FILTER (WHERE n.due_at <= $1 AND n.kind = ANY($3::text[])
            AND (p.letters_held_at IS NOT NULL OR p.client_refused_at > $2)) AS held,
            count(n.id) FILTER (WHERE n.tries > 1 OR n.tries = 1 AND n.claimed_until IS NULL) AS failing
            FROM (SELECT 1) one LEFT JOIN project_state p ON true
            LEFT JOIN notice n ON (n.due_at <= $1 OR n.tries > 0) AND n.sent_at IS NULL AND n.dropped_at IS NULL GROUP BY 1, 2
            """,
            now,
            now - CLIENT_REFUSED,
            list(HELD_BACK),
        )
    return Outbox(**row)


async def release(now: datetime) -> None:
    """The operator has looked: the letters that are held go out, those whose matter is over are dropped. Lapses until now are no surge
    any more."""
    await _settle_surge(now, drop=False)


async def drop_held(now: datetime) -> int:
    """The operator has looked: the first letters that are held are not sent. Reminders and banners remain. Returns how many."""
    return await _settle_surge(now, drop=True)


async def _settle_surge(now: datetime, *, drop: bool) -> int:
    async def work(held: Connection) -> int:
        await held.execute("UPDATE project_state SET letters_held_at = NULL, client_refused_at = NULL, surge_seen_at = $1", now)
        if not drop:
            return 0
        rows = await held.fetch(
            """
            UPDATE notice SET dropped_at = $1, dropped_because = 'operator' WHERE sent_at IS NULL AND dropped_at IS NULL
            AND kind IN ('lapse', 'account') AND owed_at <= $1 RETURNING id
            """,
            now,
        )
        return len(rows)

    return await transaction(work)
