"""Attempts: one click on Connect Google, or on Sign in with Google, until the person is back. Only hashes of secrets are kept."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from tortoise import fields
from tortoise.models import Model

from models.firms import User
from models.sessions import digest

Purpose = Literal["connect", "sign_in"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asked for with the click that sends them to Google."""

    address: str = ""  # whose mailbox they mean
    in_between: bool = True  # of a mailbox that was disconnected: also the mail since then
    days: int = 0  # of mail before the first connection
    next: str = "/"  # where a sign-in leads
    again: bool = False  # Google gave nothing that lasts, and was asked once more


class OAuthAttempt(Model):
    """Its `state` is single-use and bound to the browser that began it, and where somebody is signed in, to them."""

    state_hash = fields.CharField(64, primary_key=True)
    purpose = fields.CharField(10, default="connect", db_default="connect")
    session_hash = fields.CharField(64)  # of the session, or of the cookie that a browser without one was given
    user: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField("models.User", null=True)
    user_id: int | None
    code_verifier = fields.TextField()  # sealed by gmail/vault
    nonce = fields.CharField(64)
    address = fields.CharField(320, default="", db_default="")
    in_between = fields.BooleanField(default=True, db_default=True)
    days = fields.SmallIntField(default=0, db_default=0)
    next = fields.CharField(500, default="/", db_default="/")
    again = fields.BooleanField(default=False, db_default=False)
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "oauth_attempt"

    @property
    def wish(self) -> Wish:
        return Wish(self.address, self.in_between, self.days, self.next, self.again)

    @classmethod
    async def begin(
        cls, browser: str, user_id: int | None, wish: Wish, *, code_verifier: str, nonce: str, valid_for: timedelta, now: datetime
    ) -> str:
        """Returns the `state` for Google. `browser` is the secret in its cookie; without a user it is a sign-in. `code_verifier` comes
        sealed."""
        state = secrets.token_urlsafe(32)
        await cls.create(
            state_hash=digest(state),
            purpose="sign_in" if user_id is None else "connect",
            session_hash=digest(browser),
            user_id=user_id,
            code_verifier=code_verifier,
            nonce=nonce,
            address=wish.address,
            in_between=wish.in_between,
            days=wish.days,
            next=wish.next,
            again=wish.again,
            expires_at=now + valid_for,
        )
        return state

    @classmethod
    async def redeem(cls, state: str, browser: str, user_id: int | None, now: datetime) -> "OAuthAttempt | None":
        """The attempt, once, and only in the browser and by the person that began it."""
        mine = cls.filter(state_hash=digest(state), session_hash=digest(browser), user_id=user_id, used_at=None, expires_at__gt=now)
        return await cls.get(state_hash=digest(state)) if await mine.update(used_at=now) else None
