"""Notices: every letter that is owed or was sent, a row each, so that none is forgotten and none goes out twice."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from tortoise import fields
from tortoise.models import Model

from models.database import Connection, connection
from models.firms import Firm, User
from models.mailboxes import Mailbox

Kind = Literal["lapse", "reminder", "account", "disconnected", "caught_up", "invitation", "sign_in", "digest"]
OF_A_LAPSE = ("lapse", "reminder", "account", "caught_up")  # of a lapse, and of its end; dropped once that is over, or there is another
ONE_FIRST_LETTER = timedelta(days=7)  # per mailbox: one whose access ends every few hours is told once
DIGEST_AFTER = timedelta(days=7)  # of a lapse, and between two digests of a firm
ACCOUNT_ENDED = ("account_disabled", "no_mail_service")  # its person may not read letters any more: the firm's admins are told, too


class Notice(Model):
    id = fields.BigIntField(primary_key=True)
    firm: fields.ForeignKeyRelation[Firm] = fields.ForeignKeyField("models.Firm")
    firm_id: int
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("models.User", db_index=True)  # whom it goes to
    user_id: int
    mailbox: fields.ForeignKeyNullableRelation[Mailbox] = fields.ForeignKeyField("models.Mailbox", null=True, db_index=True)
    mailbox_id: int | None
    epoch = fields.IntField(null=True)  # of the mailbox as the letter tells of it: once that is over, none is sent
    kind = fields.CharField(20)
    key = fields.CharField(120, unique=True)  # one letter, one key: owing it twice is owing it once
    day = fields.SmallIntField(default=0, db_default=0)  # of a reminder: days after the lapse
    since = fields.DatetimeField(null=True)  # when what it tells of began
    until = fields.DatetimeField(null=True)  # and when it was over
    by = fields.CharField(200, default="", db_default="")  # who did what it tells of
    message_id = fields.CharField(200)  # the part before @, the same at each try
    owed_at = fields.DatetimeField()
    due_at = fields.DatetimeField()  # when it is sent, or tried again
    tries = fields.SmallIntField(default=0, db_default=0)
    claimed_until = fields.DatetimeField(null=True)
    sent_at = fields.DatetimeField(null=True)
    dropped_at = fields.DatetimeField(null=True)
    dropped_because = fields.CharField(40, null=True)

    class Meta:
        table = "notice"


@dataclass(frozen=True, slots=True)
class Schedule:
    """`wait`: from a lapse to its letter, in which a surge may show itself. `days`: of the reminders, after the lapse."""

    wait: timedelta = timedelta(minutes=2)
    days: tuple[int, ...] = (3, 7, 14)


USUAL = Schedule()
# Columns in the order of OWE; the letter's Message-ID is drawn once.
OWE = """
    INSERT INTO notice (firm_id, user_id, mailbox_id, epoch, kind, key, day, since, until, by, message_id, owed_at, due_at)
    SELECT {select}, gen_random_uuid()::text, {owed_at}, {due_at} FROM {source} ON CONFLICT (key) DO NOTHING
"""


async def owe_lapse(held: Connection, mailbox_id: int, epoch: int, because: str, schedule: Schedule, now: datetime) -> None:
    """Within the transaction of a lapse: the first letter, unless there was one of late, and the reminders. `epoch`: after it."""
    told = await held.fetchval(
        "SELECT true FROM notice n JOIN mailbox m ON m.id = n.mailbox_id AND m.user_id = n.user_id "
        "WHERE n.mailbox_id = $1 AND n.kind = 'lapse' AND n.sent_at > $2 LIMIT 1",
        mailbox_id,
        now - ONE_FIRST_LETTER,
    )
    days = schedule.days if told else (0, *schedule.days)
    of_lapse = OWE.format(
        select="m.firm_id, m.user_id, m.id, $2::int, CASE day WHEN 0 THEN 'lapse' ELSE 'reminder' END, "
        "'lapse:' || m.id || ':' || $2::int || ':' || day, day, $3::timestamptz, NULL::timestamptz, ''",
        owed_at="$3",
        due_at="$3 + greatest(day * interval '1 day', $5::interval)",
        source="mailbox m, unnest($4::int[]) AS day WHERE m.id = $1",
    )
    await held.execute(of_lapse, mailbox_id, epoch, now, list(days), schedule.wait)
    if because in ACCOUNT_ENDED:
        to_admins = OWE.format(
            select="m.firm_id, u.id, m.id, $2::int, 'account', 'account:' || m.id || ':' || $2::int || ':' || u.id, 0, $3::timestamptz, "
            "NULL::timestamptz, ''",
            owed_at="$3",
            due_at="$3 + $4::interval",
            source="mailbox m JOIN app_user u ON u.firm_id = m.firm_id AND u.role = 'admin' AND u.active AND u.id <> m.user_id "
            "WHERE m.id = $1",
        )
        await held.execute(to_admins, mailbox_id, epoch, now, schedule.wait)


async def owe_caught_up(held: Connection, mailbox_id: int, lapsed: int, epoch: int, since: datetime, now: datetime) -> None:
    """Within the transaction of a reconnect: whoever was told that mail stopped is told that it came. `lapsed`: the epoch before, `epoch`:
    the new one."""
    closing = OWE.format(
        select="m.firm_id, m.user_id, m.id, $3::int, 'caught_up', 'caught_up:' || m.id || ':' || $3::int, 0, $4::timestamptz, "
        "$5::timestamptz, ''",
        owed_at="$5",
        due_at="$5",
        source="mailbox m WHERE m.id = $1 AND EXISTS (SELECT 1 FROM notice n WHERE n.mailbox_id = m.id AND n.epoch = $2 "
        "AND n.user_id = m.user_id AND n.kind IN ('lapse', 'reminder') AND (n.sent_at IS NOT NULL OR n.claimed_until > $5))",
    )
    await held.execute(closing, mailbox_id, lapsed, epoch, since, now)


async def owe_disconnected(held: Connection, mailbox_id: int, epoch: int, by: str, now: datetime) -> None:
    """Within the transaction of a disconnect by somebody else than the mailbox's user."""
    to_user = OWE.format(
        select="m.firm_id, m.user_id, m.id, $2::int, 'disconnected', 'disconnected:' || m.id || ':' || $2::int, 0, $3::timestamptz, "
        "NULL::timestamptz, $4::text",
        owed_at="$3",
        due_at="$3",
        source="mailbox m WHERE m.id = $1",
    )
    await held.execute(to_user, mailbox_id, epoch, now, by[:200])


async def owe_letter(user: User, kind: Literal["invitation", "sign_in"], key: str, now: datetime, *, by: str = "") -> None:
    """A letter that somebody asked for just now; the same `key` is the same letter."""
    to_user = OWE.format(
        select="u.firm_id, u.id, NULL::bigint, NULL::int, $2::text, $3::text, 0, $4::timestamptz, NULL::timestamptz, $5::text",
        owed_at="$4",
        due_at="$4",
        source="app_user u WHERE u.id = $1 AND u.active",
    )
    async with connection() as held:
        await held.execute(to_user, user.id, kind, f"{kind}:{user.id}:{key}", now, by[:200])


async def owe_digests(now: datetime) -> int:
    """The admins of a firm in which somebody has been without access for a week hear of all such people at once: a letter a week at most,
    and none while nobody has joined them. Returns how many letters."""
    async with connection() as held:
        rows = await held.fetch(
            """
            WITH firms AS (SELECT DISTINCT m.firm_id FROM mailbox m JOIN firm f ON f.id = m.firm_id JOIN app_user u ON u.id = m.user_id
            WHERE m.state = 'lapsed' AND m.lapsed_at <= $2 AND m.digested_at IS NULL AND f.provider = 'google' AND u.active
            AND NOT EXISTS (SELECT 1 FROM notice n WHERE n.firm_id = m.firm_id AND n.kind = 'digest' AND n.owed_at > $2)),
            told AS (UPDATE mailbox m SET digested_at = $1 FROM firms WHERE m.firm_id = firms.firm_id AND m.state = 'lapsed'
            AND m.lapsed_at <= $2 RETURNING m.id)
            INSERT INTO notice (firm_id, user_id, kind, key, message_id, owed_at, due_at)
            SELECT u.firm_id, u.id, 'digest', 'digest:' || u.id || ':' || extract(epoch FROM $1::timestamptz)::bigint,
            gen_random_uuid()::text, $1, $1 FROM app_user u JOIN firms USING (firm_id) WHERE u.role = 'admin' AND u.active
            ON CONFLICT (key) DO NOTHING RETURNING id
            """,
            now,
            now - DIGEST_AFTER,
        )
    return len(rows)


async def drop_lapse_notices(held: Connection, mailbox_id: int, because: str, now: datetime) -> None:
    """Within the transaction that ends a lapse: what was not sent yet never will be."""
    await held.execute(
        """
        UPDATE notice SET dropped_at = $2, dropped_because = $3 WHERE mailbox_id = $1 AND kind = ANY($4::text[])
        AND sent_at IS NULL AND dropped_at IS NULL
        """,
        mailbox_id,
        now,
        because,
        list(OF_A_LAPSE),
    )
