"""Sign-in: one-time links, mailed or handed over, and sessions. Only hashes of secrets are kept."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Self

from tortoise import fields
from tortoise.models import Model

from models.database import Connection, connection, transaction
from models.firms import User
from models.notices import owe_letter

BETWEEN_LETTERS = timedelta(minutes=1)
LETTERS_AN_HOUR = 5


def digest(secret: str) -> str:
    """What is kept of a secret that its holder brings back. Secrets here are random and long, so a plain hash is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


class SignInLink(Model):
    token_hash = fields.CharField(64, primary_key=True)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("models.User")
    user_id: int
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)
    mailed = fields.BooleanField()  # mail scanners open links: a mailed one signs in by a button, one handed over by being opened

    class Meta:
        table = "sign_in_link"

    @classmethod
    async def issue(cls, user: User, valid_for: timedelta, now: datetime, *, mailed: bool) -> str:
        """A new one-time token; shown once, kept as a hash."""
        token = secrets.token_urlsafe(32)
        await cls.create(token_hash=digest(token), user_id=user.id, expires_at=now + valid_for, mailed=mailed)
        return token

    @classmethod
    async def usable(cls, token: str, now: datetime) -> Self | None:
        """The link, while it would sign in, with its user and their firm."""
        usable = cls.get_or_none(token_hash=digest(token), used_at=None, expires_at__gt=now, user__active=True)
        return await usable.select_related("user__firm")

    @classmethod
    async def redeem(cls, token: str, now: datetime) -> int | None:
        """The user, the first time within its validity; None ever after. A compare-and-set: two clicks give one session."""
        async with connection() as held:
            return await held.fetchval(  # type: ignore[no-any-return]
                """
                UPDATE sign_in_link l SET used_at = $2 FROM app_user u WHERE l.token_hash = $1 AND l.used_at IS NULL AND l.expires_at > $2
                AND u.id = l.user_id AND u.active RETURNING l.user_id
                """,
                digest(token),
                now,
            )


class Session(Model):
    token_hash = fields.CharField(64, primary_key=True)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("models.User")
    user_id: int
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()

    class Meta:
        table = "session"

    @classmethod
    async def begin(cls, user_id: int, valid_for: timedelta, now: datetime) -> str:
        """Returns the token for the cookie."""
        token = secrets.token_urlsafe(32)
        await cls.create(token_hash=digest(token), user_id=user_id, created_at=now, expires_at=now + valid_for)
        return token

    @classmethod
    async def user_of(cls, token: str, now: datetime) -> User | None:
        """The active user of a session that has not ended, with the firm."""
        found = await cls.get_or_none(token_hash=digest(token), expires_at__gt=now, user__active=True).select_related("user__firm")
        return found.user if found else None

    @classmethod
    async def of_user(cls, user_id: int, now: datetime) -> list[Self]:
        """Those that have not ended, the latest first."""
        return await cls.filter(user_id=user_id, expires_at__gt=now).order_by("-created_at", "token_hash")

    @classmethod
    async def end(cls, token: str) -> None:
        await cls.filter(token_hash=digest(token)).delete()

    @classmethod
    async def end_all(cls, user_id: int, now: datetime) -> None:
        """Signed out everywhere: every session, every link that could have begun one, and every letter that would bring one."""

        async def work(held: Connection) -> None:
            await held.execute(
                "UPDATE sign_in_link SET expires_at = $2 WHERE user_id = $1 AND used_at IS NULL AND expires_at > $2", user_id, now
            )
            await held.execute(
                """
                UPDATE notice SET dropped_at = $2, dropped_because = 'signed out' WHERE user_id = $1 AND kind = 'sign_in'
                AND sent_at IS NULL AND dropped_at IS NULL
                """,
                user_id,
                now,
            )
            await held.execute("DELETE FROM session WHERE user_id = $1", user_id)

        await transaction(work)


async def owe_link(email: str, leads_to: str, now: datetime) -> None:
    """Whoever signs in with this address gets a letter with a link: one a minute and five an hour at most, whoever asks for it.

    Safe to ask twice at once: the letter's key names the letter before it, so that of two that follow the same one is owed.
    """
    user = await User.by_login(email)
    if user is None:
        return
    async with connection() as held:
        last = await held.fetchrow(
            """
            SELECT coalesce(max(id), 0) AS id, max(owed_at) AS owed_at, count(*) FILTER (WHERE owed_at > $2) AS of_late
            FROM notice WHERE user_id = $1 AND kind = 'sign_in'
            """,
            user.id,
            now - timedelta(hours=1),
        )
    if last["of_late"] < LETTERS_AN_HOUR and (last["owed_at"] is None or last["owed_at"] <= now - BETWEEN_LETTERS):
        await owe_letter(user, "sign_in", f"after {last['id']}", now, by=leads_to)
