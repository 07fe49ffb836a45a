"""The people of a firm: changed, gone and back; and the addresses that they may connect beside their own."""

from datetime import datetime

import asyncpg
from tortoise import fields
from tortoise.models import Model

from models.address import LONGEST, key_of
from models.connections import OVER
from models.database import Connection, connection, transaction
from models.firms import Firm, Role, User

LONGEST_NAME = 200
# What would let somebody in who has no business here any more. Sessions are another matter: they are ended where it is said.
LINKS_ENDED = "DELETE FROM sign_in_link WHERE user_id = $1 AND used_at IS NULL"


class NotPossible(Exception):
    """What an admin wanted would do harm, or is so already; nothing was changed.

    NotPossible
    ├── LastAdmin         nobody would be left to change the firm's settings
    ├── NoAddress         not an e-mail address
    ├── AddressTaken(by)  `by`: who has it, or "" for somebody whom this firm does not know
    └── HasLeft           done only to people who are here
    """


class LastAdmin(NotPossible):
    pass


class NoAddress(NotPossible):
    pass


class AddressTaken(NotPossible):
    def __init__(self, by: str) -> None:
        super().__init__("taken")
        self.by = by


class HasLeft(NotPossible):
    pass


class AllowedAddress(Model):
    """A shared mailbox, such as accounts@, that an admin lets a user connect: one user of the firm."""

    id = fields.BigIntField(primary_key=True)
    firm: fields.ForeignKeyRelation[Firm] = fields.ForeignKeyField("models.Firm")
    firm_id: int
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("models.User", related_name="allowed_addresses", db_index=True)
    user_id: int
    address = fields.CharField(320)
    address_key = fields.CharField(320)

    class Meta:
        table = "allowed_address"
        unique_together = (("firm", "address_key"),)


async def addresses_of(user: User) -> list[tuple[str, str]]:
    """Whose mailboxes the user may connect, each with its key: their own first, then those that an admin allowed."""
    allowed = await AllowedAddress.filter(user_id=user.id).order_by("address_key").values_list("address", "address_key")
    return [(user.email, user.email_key), *((address, key) for address, key in allowed if key != user.email_key)]


async def allow(user: User, address: str) -> None:
    """Safe to repeat. An address is allowed to one person of a firm, so that it is plain who holds it; one with which a colleague signs in
    is theirs. Raises `NoAddress`, `AddressTaken`, `HasLeft`."""
    key = fitting_key(address)
    if key is None:
        raise NoAddress

    async def work(held: Connection) -> None:
        await _here(held, user)
        owner = await held.fetchrow(
            """
            SELECT id, name FROM app_user WHERE firm_id = $1 AND active AND email_key = $2 UNION ALL
            SELECT u.id, u.name FROM allowed_address a JOIN app_user u ON u.id = a.user_id WHERE a.firm_id = $1 AND a.address_key = $2
            """,
            user.firm_id,
            key,
        )
        if owner and owner["id"] != user.id:
            raise AddressTaken(owner["name"])
        if owner is None:
            statement = "INSERT INTO allowed_address (firm_id, user_id, address, address_key) VALUES ($1, $2, $3, $4)"
            await held.execute(statement, user.firm_id, user.id, address.strip(), key)

    await transaction(work)


async def disallow(user: User, allowed_id: int) -> bool:
    """It cannot be connected, or reconnected, any more. A mailbox that is connected goes on: mail never stops because somebody tidies a
    list, only because somebody disconnects. True if it was allowed."""
    return bool(await AllowedAddress.filter(id=allowed_id, user_id=user.id, firm_id=user.firm_id).delete())


async def change(user: User, name: str, role: Role, email: str) -> None:
    """Name, role and login address. Sessions go on; links to sign in that went to the old address work no more, and who never connected
    may be invited at the new one at once. Raises `NoAddress`, `AddressTaken`, `LastAdmin`, `HasLeft`."""
    key = fitting_key(email)
    if key is None:
        raise NoAddress

    async def work(held: Connection) -> None:
        before = await _here(held, user)
        if before["role"] == "admin" and role != "admin":
            await _another_admin(held, user)
        if before["email_key"] != key:
            await held.execute(LINKS_ENDED, user.id)
        await held.execute(
            """
            UPDATE app_user SET name = $2, role = $3, email = $4, email_key = $5::varchar,
            invited_at = CASE WHEN email_key = $5::varchar THEN invited_at END WHERE id = $1
            """,
            user.id,
            clean_name(name) or before["name"],
            role,
            email.strip(),
            key,
        )

    try:
        await transaction(work)
    except asyncpg.UniqueViolationError:
        holder = await User.get_or_none(email_key=key, firm_id=user.firm_id)
        raise AddressTaken(holder.name if holder else "") from None


async def leave(user: User, now: datetime) -> list[int]:
    """They sign in no more, and none of their mailboxes is looked at any more. What was filed stays, and so do the questions about it: they
    are the firm's. Addresses that they were allowed are free for a colleague. Safe to repeat. Returns the mailboxes of which Google is now
    to be told (models/parting.py). Raises `LastAdmin`."""

    async def work(held: Connection) -> list[int]:
        try:
            before = await _here(held, user)
        except HasLeft:
            return []
        if before["role"] == "admin":
            await _another_admin(held, user)
        await held.execute("UPDATE app_user SET active = false, left_at = $2 WHERE id = $1", user.id, now)
        await held.execute("DELETE FROM session WHERE user_id = $1", user.id)
        await held.execute(LINKS_ENDED, user.id)
        await held.execute("DELETE FROM oauth_attempt WHERE user_id = $1 AND used_at IS NULL", user.id)
        await held.execute("DELETE FROM allowed_address WHERE user_id = $1", user.id)
        return await _without_mailboxes(held, user, now)

    return await transaction(work)


async def come_back(user: User) -> None:
    """They may sign in again, as staff: being an admin, and mailboxes, are given anew. Safe to repeat."""
    async with connection() as held:
        await held.execute("UPDATE app_user SET active = true, left_at = NULL, role = 'staff' WHERE id = $1 AND NOT active", user.id)


def clean_name(name: str) -> str:
    """In one line, without what is not printed. Pure."""
    return "".join(letter for letter in " ".join(name.split()) if letter.isprintable())[:LONGEST_NAME].strip()


def fitting_key(address: str) -> str | None:
    """The key of an address that can be kept: folding letters and domains may make it longer than any address is. Pure."""
    key = key_of(address)
    return key if key and len(key) <= LONGEST else None


async def hold_firm(held: Connection, firm_id: int) -> None:
    """Changes to a firm's people wait for each other. Mail goes on being filed meanwhile: what refers to the firm does not wait."""
    await held.execute("SELECT 1 FROM firm WHERE id = $1 FOR NO KEY UPDATE", firm_id)


async def _here(held: Connection, user: User) -> asyncpg.Record:
    """The row as it is now that nobody else changes it. Raises `HasLeft`."""
    await hold_firm(held, user.firm_id)
    row = await held.fetchrow("SELECT name, role, email_key FROM app_user WHERE id = $1 AND firm_id = $2 AND active", user.id, user.firm_id)
    if row is None:
        raise HasLeft
    return row


async def _another_admin(held: Connection, user: User) -> None:
    other = "SELECT EXISTS (SELECT 1 FROM app_user WHERE firm_id = $1 AND id <> $2 AND role = 'admin' AND active)"
    if not await held.fetchval(other, user.firm_id, user.id):
        raise LastAdmin


async def _without_mailboxes(held: Connection, user: User, now: datetime) -> list[int]:
    """As `connections.disconnect`, for all that they hold; nobody is written to about it, nor about anything that is over with it."""
    ended = await held.fetch(
        f"""
        UPDATE mailbox SET state = 'disconnected', stopped_at = $2, parting_at = $2, lapsed_at = NULL, lapse_reason = NULL, {OVER}
        WHERE user_id = $1 AND state <> 'disconnected' RETURNING id
        """,  # noqa: S608  # a constant of ours
        user.id,
        now,
    )
    await held.execute(
        """
        UPDATE notice SET dropped_at = $2, dropped_because = 'left' WHERE sent_at IS NULL AND dropped_at IS NULL
        AND (user_id = $1 OR mailbox_id IN (SELECT id FROM mailbox WHERE user_id = $1))
        """,
        user.id,
        now,
    )
    return [row["id"] for row in ended]
