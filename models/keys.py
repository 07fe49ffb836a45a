"""Sealed texts, wherever they are kept: read in batches, and replaced only where nobody wrote another meanwhile."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from models.database import Connection, connection, transaction

BATCH = 200  # rows: their locks are held for milliseconds
KEY_ID = "'^k[0-9]+:([0-9a-f]{8}):'"  # of a text as gmail/vault seals it; nothing else of a text leaves the database


@dataclass(frozen=True, slots=True)
class Column:
    """Where sealed texts are kept. `least` comes before every key of the table."""

    table: str
    key: str
    type: str
    name: str
    least: int | str


REFRESH_TOKEN = Column("mailbox", "id", "bigint", "refresh_token", 0)
ACCESS_TOKEN = Column("mailbox", "id", "bigint", "access_token", 0)
CODE_VERIFIER = Column("oauth_attempt", "state_hash", "text", "code_verifier", "")
TOKENS = (REFRESH_TOKEN, ACCESS_TOKEN)
COLUMNS = (*TOKENS, CODE_VERIFIER)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A row's text, as it was read."""

    key: int | str
    text: str


@dataclass(frozen=True, slots=True)
class Anew:
    """What takes the place of a text, if that is still there."""

    key: int | str
    old: str
    new: str


async def sealed(column: Column, but: str = "") -> AsyncIterator[list[Sealed]]:
    """All of a column's texts in the order of their keys, a batch at a time; without those that begin with `but`."""
    after = column.least
    while True:
        async with connection() as held:
            rows = await held.fetch(
                f"""
                SELECT {column.key} AS key, {column.name} AS text FROM {column.table} WHERE {column.key} > $1 AND {column.name} IS NOT NULL
                AND ($2 = '' OR NOT starts_with({column.name}, $2)) ORDER BY {column.key} LIMIT $3
                """,  # noqa: S608  # names of ours
                after,
                but,
                BATCH,
            )
        if not rows:
            return
        yield [Sealed(**row) for row in rows]
        after = rows[-1]["key"]


async def replace(column: Column, texts: Sequence[Anew]) -> int:
    """A text that was written anew since it was read is left as it is. Returns how many were replaced."""

    async def work(held: Connection) -> int:
        done = await held.fetch(
            f"""
            UPDATE {column.table} t SET {column.name} = n.new FROM unnest($1::{column.type}[], $2::text[], $3::text[]) AS n(key, old, new)
            WHERE t.{column.key} = n.key AND t.{column.name} = n.old RETURNING 1
            """,  # noqa: S608  # names of ours
            [text.key for text in texts],
            [text.old for text in texts],
            [text.new for text in texts],
        )
        return len(done)

    return await transaction(work)


async def erase(column: Column, text: Sealed) -> bool:
    """Gives up a text that nobody can open, and an attempt to connect with it. True if it was still there."""
    if column is CODE_VERIFIER:
        erasure = "DELETE FROM oauth_attempt WHERE state_hash = $1 AND code_verifier = $2 RETURNING true"
    else:
        erasure = f"UPDATE mailbox SET {column.name} = NULL WHERE id = $1 AND {column.name} = $2 RETURNING true"  # noqa: S608  # names of ours
    async with connection() as held:
        return bool(await held.fetchval(erasure, text.key, text.text))


async def key_ids(columns: Sequence[Column] = TOKENS) -> dict[str | None, int]:
    """With which keys texts are sealed, and how many with each. None: those that are no sealed texts at all."""
    kept = " UNION ALL ".join(f"SELECT {column.name} AS text FROM {column.table}" for column in columns)  # noqa: S608  # names of ours
    async with connection() as held:
        rows = await held.fetch(
            f"SELECT substring(text FROM {KEY_ID}) AS key_id, count(*) FROM ({kept}) AS kept WHERE text IS NOT NULL GROUP BY 1"  # noqa: S608
        )
    return {row["key_id"]: row["count"] for row in rows}
