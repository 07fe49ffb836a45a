"""What is never filed: addresses and domains of a firm, or of one of its users; and the domains that are the firm's own.

A pattern is an address key or a domain key. Mail that somebody on the list wrote is not filed; anybody else on it is as if no contact.
A domain stands for every address at it, not for those of its subdomains. What is filed already is not touched by any change here; each is
told to the audit, by ids.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from tortoise import fields
from tortoise.models import Model

from models.address import FREE_MAIL, LONGEST, domain_key, is_among, key_of
from models.audit_log import note
from models.database import Connection, connection, transaction
from models.firms import Firm, User
from models.staff import staff_of

DOMAIN = re.compile(r"(?=.{3,255}$)[a-z0-9]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]*[a-z0-9])?)+")


class NotListed(Exception):
    """It was not put on the list, and nothing was changed.

    NotListed
    ├── NotAPattern(text)   neither an address nor a domain, or an address where only a domain fits
    ├── OurOwn(pattern)     a colleague's address or an own domain: mail among staff is not filed anyway, and they are no strangers
    └── FreeMail(domain)    of everybody: neither to be shut out as a whole, nor anybody's own
    """


class NotAPattern(NotListed):
    pass


class OurOwn(NotListed):
    pass


class FreeMail(NotListed):
    pass


class NeverFile(Model):
    id = fields.BigIntField(primary_key=True)
    firm: fields.ForeignKeyRelation[Firm] = fields.ForeignKeyField("models.Firm", db_index=False)
    firm_id: int
    user: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, related_name="never_files", db_index=False
    )
    user_id: int | None  # null: for everybody of the firm
    pattern = fields.CharField(320)  # an address key, or a domain key
    added_by: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField("models.User", null=True, related_name=False, db_index=False)
    added_at = fields.DatetimeField()

    class Meta:
        table = "never_file"


class OwnDomain(Model):
    """Who writes from there is the firm's own staff."""

    id = fields.BigIntField(primary_key=True)
    firm: fields.ForeignKeyRelation[Firm] = fields.ForeignKeyField("models.Firm", db_index=False)
    firm_id: int
    domain = fields.CharField(255)  # a domain key

    class Meta:
        table = "own_domain"
        unique_together = (("firm", "domain"),)


@dataclass(frozen=True, slots=True)
class Listed:
    id: int
    pattern: str
    added_by: str | None  # a colleague's name
    added_at: datetime


def pattern_of(text: str) -> str:
    """The key of an address, or of a domain with or without @ before it. Raises `NotAPattern`. Pure."""
    bare = text.strip()
    name, _, domain = bare.rpartition("@")
    pattern = key_of(bare) if name else domain_key(domain)
    if pattern is None or len(pattern) > LONGEST or not DOMAIN.fullmatch(pattern.rpartition("@")[2]):
        raise NotAPattern(text)
    return pattern


async def add(firm_id: int, user_id: int | None, pattern: str, by: int, now: datetime) -> None:
    """On the firm's list, or on the user's own. Safe to repeat. Raises `NotAPattern`, `OurOwn`, `FreeMail`. What is filed stays filed."""
    key = pattern_of(pattern)
    if key in FREE_MAIL:
        raise FreeMail(key)
    staff = await staff_of(firm_id)
    if key in staff or ("@" in key and is_among(key, staff)):
        raise OurOwn(key)

    async def work(held: Connection) -> None:
        listed_id = await held.fetchval(
            """
            INSERT INTO never_file (firm_id, user_id, pattern, added_by_id, added_at) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT DO NOTHING RETURNING id
            """,
            firm_id,
            user_id,
            key,
            by,
            now,
        )
        if listed_id is not None:
            await note(held, firm_id, by, "never-file added", None, {}, {"never_file": listed_id, "user": user_id}, now)

    await transaction(work)


async def remove(firm_id: int, listed_id: int, user_id: int | None, by: int, now: datetime) -> bool:
    """From the firm's list, or from the user's own and nobody else's. True if it was there."""
    statement = "DELETE FROM never_file WHERE id = $1 AND firm_id = $2 AND user_id IS NOT DISTINCT FROM $3::bigint RETURNING true"

    async def work(held: Connection) -> bool:
        gone = await held.fetchval(statement, listed_id, firm_id, user_id)
        if gone:
            await note(held, firm_id, by, "never-file removed", None, {"never_file": listed_id, "user": user_id}, {}, now)
        return bool(gone)

    return await transaction(work)


async def patterns(firm_id: int, user_id: int | None) -> list[Listed]:
    """The firm's list, or the user's own, in order of the alphabet."""
    whose: dict[str, object] = {"user_id__isnull": True} if user_id is None else {"user_id": user_id}
    rows = await NeverFile.filter(firm_id=firm_id, **whose).order_by("pattern").values_list("id", "pattern", "added_by__name", "added_at")
    return [Listed(*row) for row in rows]


async def patterns_of(firm_id: int, user_id: int) -> frozenset[str]:
    """What counts for a user's mailboxes: the firm's list and the user's own, for `models.address.is_among`."""
    async with connection() as held:
        rows = await held.fetch("SELECT pattern FROM never_file WHERE firm_id = $1 AND (user_id IS NULL OR user_id = $2)", firm_id, user_id)
    return frozenset(row["pattern"] for row in rows)


async def own_domains(firm_id: int) -> list[OwnDomain]:
    """In order of the alphabet."""
    return await OwnDomain.filter(firm_id=firm_id).order_by("domain")


async def add_own_domain(firm_id: int, domain: str, by: int, now: datetime) -> None:
    """With or without @ before it. Safe to repeat. Raises `NotAPattern`, `FreeMail`."""
    key = pattern_of(domain)
    if "@" in key:
        raise NotAPattern(domain)
    if key in FREE_MAIL:
        raise FreeMail(key)
    statement = "INSERT INTO own_domain (firm_id, domain) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id"

    async def work(held: Connection) -> None:
        if domain_id := await held.fetchval(statement, firm_id, key):
            await note(held, firm_id, by, "own domain added", None, {}, {"own_domain": domain_id}, now)

    await transaction(work)


async def remove_own_domain(firm_id: int, domain_id: int, by: int, now: datetime) -> bool:
    """True if it was there."""
    statement = "DELETE FROM own_domain WHERE id = $1 AND firm_id = $2 RETURNING true"

    async def work(held: Connection) -> bool:
        gone = await held.fetchval(statement, domain_id, firm_id)
        if gone:
            await note(held, firm_id, by, "own domain removed", None, {"own_domain": domain_id}, {}, now)
        return bool(gone)

    return await transaction(work)
