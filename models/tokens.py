"""A mailbox's tokens, sealed, for one connection of it: what `gmail` needs of a token store."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from models.database import connection
from models.leases import LeaseLost
from models.mailboxes import Mailbox


class Seal(Protocol):
    """Encryption at rest: gmail/vault."""

    def seal(self, text: str) -> str: ...

    def open(self, sealed: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Tokens:
    refresh_token: str | None
    access_token: str | None
    access_expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class MailboxTokens:
    """Bound to one epoch: a job of an old connection neither reads nor writes the tokens of its successor."""

    mailbox_id: int
    epoch: int
    vault: Seal

    async def load(self) -> Tokens:
        """Raises `LeaseLost` if this connection is over."""
        async with connection() as held:  # every run asks this: building the query would cost more than asking
            row = await held.fetchrow(
                "SELECT refresh_token, access_token, access_expires_at FROM mailbox WHERE id = $1 AND epoch = $2",
                self.mailbox_id,
                self.epoch,
            )
        if row is None:
            raise LeaseLost
        return Tokens(self._open(row["refresh_token"]), self._open(row["access_token"]), row["access_expires_at"])

    async def save_access(self, token: str, expires_at: datetime) -> None:
        """Raises `LeaseLost` if this connection is over."""
        mine = Mailbox.filter(id=self.mailbox_id, epoch=self.epoch)
        if not await mine.update(access_token=self.vault.seal(token), access_expires_at=expires_at):
            raise LeaseLost

    def _open(self, sealed: str | None) -> str | None:
        return None if sealed is None else self.vault.open(sealed)
