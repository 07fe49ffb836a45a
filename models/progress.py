"""Progress of one mailbox, as its page shows it live: the first look, what is being caught up, what was, past mail of new contacts, and a
test push."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from models.database import connection
from models.listings import CatchingUp, catching_up
from models.mailboxes import Mailbox

TOLD_FOR = timedelta(days=7)  # what was caught up stays on the page
PATIENCE = timedelta(minutes=1)  # for a test push
TEST_TOLD_FOR = timedelta(hours=1)

TestPush = Literal["none", "waiting", "arrived", "missing"]


@dataclass(frozen=True, slots=True)
class PastMail:
    """A search for what came before its people were contacts: `found` messages to judge so far, `unread` of them not yet looked at."""

    found: int
    unread: int


@dataclass(frozen=True, slots=True)
class Progress:
    """`caught_up`: mails filed of the time in which it was away, None if it was not of late. `looking`: the first look since it was
    connected, or what that found, is not done. `test_seconds`: from asking Google to its very push, where no other came since.
    `past_mail`: while it is looked for, and not while that waits for its second search."""

    filed: int
    looking: bool
    recovery: CatchingUp | None
    caught_up: int | None
    test: TestPush
    test_seconds: float | None
    past_mail: PastMail | None = None

    @property
    def under_way(self) -> bool:
        return self.looking or self.recovery is not None or self.past_mail is not None or self.test == "waiting"


async def progress_of(mailbox: Mailbox, now: datetime) -> Progress:
    async with connection() as held:
        row = await held.fetchrow(
            """
            SELECT (SELECT count(*) FROM receipt WHERE mailbox_id = $1) AS filed,
            (SELECT count(*) FROM receipt r JOIN ledger_entry l ON l.mailbox_id = r.mailbox_id AND l.gmail_id = r.gmail_id
            WHERE r.mailbox_id = $1 AND r.received_at >= $3::timestamptz - interval '1 hour'
            AND r.received_at < $2 AND l.found_at >= $2) AS caught_up,
            EXISTS (SELECT 1 FROM ledger_entry WHERE mailbox_id = $1 AND owed_at IS NOT NULL AND tries = 0) AS owed
            """,
            mailbox.id,
            mailbox.connected_at,
            mailbox.away_since,
        )
    live, lately = mailbox.state == "connected", now - mailbox.connected_at < TOLD_FOR
    looked = mailbox.last_checked_at is not None and mailbox.last_checked_at >= mailbox.connected_at
    test, seconds = test_push_of(mailbox, now)
    recovery, past_mail = (await catching_up(mailbox.id), await past_mail_of(mailbox.id, now)) if live else (None, None)
    if past_mail and recovery and recovery.since is None:  # what is still to be read is past mail
        recovery = None
    return Progress(
        row["filed"],
        live and (not looked or (lately and mailbox.away_since is not None and row["owed"])),
        recovery,
        row["caught_up"] if live and lately and mailbox.away_since else None,
        test,
        seconds,
        past_mail,
    )


async def past_mail_of(mailbox_id: int, now: datetime) -> PastMail | None:
    """The searches for past mail that are due, or whose finds are still to be read; None if there are none."""
    async with connection() as held:
        row = await held.fetchrow(
            """
            SELECT coalesce(sum(g.found), 0)::int AS found, bool_or(g.due_at IS NULL OR g.due_at <= $2) AS is_due,
            (SELECT count(*) FROM ledger_entry l WHERE l.mailbox_id = $1 AND l.owed_at IS NOT NULL AND l.found_by = 'gap') AS unread
            FROM gap g WHERE g.mailbox_id = $1 AND g.closed_at IS NULL AND g.reason = 'contact'
            """,
            mailbox_id,
            now,
        )
    goes_on = row["is_due"] or (row["is_due"] is not None and row["unread"])
    return PastMail(row["found"], row["unread"]) if goes_on else None


def test_push_of(mailbox: Mailbox, now: datetime) -> tuple[TestPush, float | None]:
    """Whether the push that Google was asked for has arrived: through the endpoint, the queue and a worker, for a worker notes it."""
    asked_at, asked_for = mailbox.test_push_at, mailbox.test_push_id
    if asked_at is None or asked_for is None or mailbox.state != "connected" or now - asked_at > TEST_TOLD_FOR:
        return "none", None
    if mailbox.last_push_at and mailbox.last_push_at >= asked_at and (mailbox.pushed_id or 0) >= asked_for:
        seconds = (mailbox.last_push_at - asked_at).total_seconds() if mailbox.pushed_id == asked_for else None
        return "arrived", seconds if seconds is not None and seconds < PATIENCE.total_seconds() else None
    return ("waiting", None) if now - asked_at < PATIENCE else ("missing", None)
