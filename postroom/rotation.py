"""Rotation: what old keys sealed is sealed anew with the first one, while everything runs.

Safe to run twice, by two at once, and to be killed anywhere: each text is whole, under the one key or the other, at every moment.
"""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gmail.vault import Vault, VaultTrouble, WrongKey
from models import connections, keys
from models.keys import Anew, Column, Sealed
from models.mailboxes import Mailbox
from models.notices import Schedule

PASSES = 5  # over what roles that have not been started again seal with an old key meanwhile


@dataclass(frozen=True, slots=True)
class Survey:
    """What a look at every sealed text found."""

    current: int = 0  # sealed with the first key
    old: int = 0  # with another one of those that are configured
    missing: Mapping[str, int] = field(default_factory=dict)  # by the id of a key that is not configured: texts
    broken: int = 0  # no sealed texts, or changed since

    @property
    def unreadable(self) -> int:
        return sum(self.missing.values()) + self.broken


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Texts that were given up, and mailboxes whose people must connect again."""

    texts: int
    lapsed: int


async def survey(vault: Vault) -> Survey:
    """Opens every sealed text there is; changes nothing."""
    current = old = broken = 0
    missing = Counter[str]()
    async for _, text in _texts():
        match _trouble(text, vault):
            case None if vault.is_current(text.text):
                current += 1
            case None:
                old += 1
            case WrongKey(key_id=key_id):
                missing[key_id] += 1
            case _:
                broken += 1
    return Survey(current, old, missing, broken)


async def rotate(vault: Vault) -> int:
    """Seals with the first key what others sealed, until a pass finds nothing more. Returns how many texts were sealed anew.

    Only after a `survey` without unreadable texts: `VaultTrouble` rises where one came since.
    """
    done = 0
    for _ in range(PASSES):
        found = 0
        for column in keys.COLUMNS:
            async for batch in keys.sealed(column, but=vault.mark):
                found += len(batch)
                done += await keys.replace(column, [Anew(text.key, text.text, vault.seal(vault.open(text.text))) for text in batch])
        if not found:
            break
    return done


async def left(vault: Vault) -> int:
    """The last look: how many texts the first key did not seal."""
    found = await keys.key_ids(keys.COLUMNS)
    return sum(found.values()) - found.get(vault.current, 0)


async def forget(key_ids: Collection[str], broken: bool, vault: Vault, schedule: Schedule, now: datetime) -> Forgotten:
    """Erases what lost keys sealed, and with `broken` what is no sealed text: connected mailboxes lapse by it, and letters are owed.

    What the vault opens is kept, whatever is named.
    """
    texts = lapsed = 0
    async for column, text in _texts():
        trouble = _trouble(text, vault)
        given_up = trouble.key_id in key_ids if isinstance(trouble, WrongKey) else broken and trouble is not None
        if given_up and column is keys.REFRESH_TOKEN:
            lapsed += await _lapsed(text, schedule, now)
        if given_up:
            texts += await keys.erase(column, text)
    return Forgotten(texts, lapsed)


async def _texts() -> AsyncIterator[tuple[Column, Sealed]]:
    for column in keys.COLUMNS:
        async for batch in keys.sealed(column):
            for text in batch:
                yield column, text


def _trouble(text: Sealed, vault: Vault) -> VaultTrouble | None:
    try:
        vault.open(text.text)
    except VaultTrouble as trouble:
        return trouble
    return None


async def _lapsed(refresh_token: Sealed, schedule: Schedule, now: datetime) -> bool:
    """False where somebody has just connected anew."""
    mailbox = await Mailbox.get_or_none(id=refresh_token.key, refresh_token=refresh_token.text)
    return mailbox is not None and await connections.lapse(mailbox.id, mailbox.epoch, "key_lost", now, schedule)
