"""Sign-in: one-time links, sessions, and the attempts to connect Google that belong to them. Only hashes of secrets are kept."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Self

from tortoise import fields
from tortoise.models import Model

from models.database import connection
from models.firms import User


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
        """The link, while it would sign in."""
        return await cls.get_or_none(token_hash=digest(token), used_at=None, expires_at__gt=now, user__active=True)

    @classmethod
    async def redeem(cls, token: str, now: datetime) -> int | None:
        """The user, the first time within its validity; None ever after. A compare-and-set: two clicks give one session."""
        async with connection() as held:
            return await held.fetchval(  # type: ignore[no-any-return]
                """
                UPDATE sign_in_link l SET used_at = $2 FROM app_user u WHERE l.token_hash = $1 AND l.used_at IS NULL AND l.expires_at >
                $2
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
    async def end(cls, token: str) -> None:
        await cls.filter(token_hash=digest(token)).delete()


class OAuthAttempt(Model):
    """One click on Connect Google: its `state` is single-use and bound to session, user and firm."""

    state_hash = fields.CharField(64, primary_key=True)
    session_hash = fields.CharField(64)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("models.User")
    user_id: int
    code_verifier = fields.TextField()  # sealed by gmail/vault
    nonce = fields.CharField(64)
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "oauth_attempt"

    @classmethod
    async def begin(cls, session_token: str, user_id: int, *, code_verifier: str, nonce: str, valid_for: timedelta, now: datetime) -> str:
        """Returns the `state` for Google. `code_verifier` comes sealed."""
        state = secrets.token_urlsafe(32)
        await cls.create(
            state_hash=digest(state),
            session_hash=digest(session_token),
            user_id=user_id,
            code_verifier=code_verifier,
            nonce=nonce,
            expires_at=now + valid_for,
        )
        return state

    @classmethod
    async def redeem(cls, state: str, session_token: str, user_id: int, now: datetime) -> "OAuthAttempt | None":
        """The attempt, once, and only in the session that began it."""
        mine = cls.filter(state_hash=digest(state), session_hash=digest(session_token), user_id=user_id, used_at=None, expires_at__gt=now)
        return await cls.get(state_hash=digest(state)) if await mine.update(used_at=now) else None
