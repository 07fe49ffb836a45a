"""Clients to choose from while somebody writes: the living ones, those first whose name begins with it."""

from dataclasses import dataclass

from models.database import connection

FOUND = """
    SELECT id, name, number FROM client WHERE firm_id = $1 AND archived_at IS NULL
    AND (name ILIKE '%' || $2 || '%' OR number ILIKE $2 || '%')
    ORDER BY NOT (name ILIKE $2 || '%' OR number ILIKE $2), NOT name ILIKE '% ' || $2 || '%', lower(name), id LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class Choice:
    id: int
    name: str
    number: str


async def living(firm_id: int, part: str, limit: int) -> list[Choice]:
    """`part`: of a name, or the beginning of a number, in any case; empty for the first by name."""
    sought = part.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    async with connection() as held:
        return [Choice(**row) for row in await held.fetch(FOUND, firm_id, sought, limit)]
