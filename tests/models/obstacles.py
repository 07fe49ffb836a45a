"""Obstacles within PostgreSQL itself: a trigger that deadlocks, fails to serialise, loses the connection, or refuses a row."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from models.database import connection

HAPPENS = {
    "deadlock": "RAISE EXCEPTION USING ERRCODE = '40P01', MESSAGE = 'a deadlock, said the test';",
    "serialisation": "RAISE EXCEPTION USING ERRCODE = '40001', MESSAGE = 'not serialisable, said the test';",
    "terminated": "PERFORM pg_terminate_backend(pg_backend_pid());",
    "constraint": "RAISE EXCEPTION USING ERRCODE = '23514', MESSAGE = 'a check, said the test';",
    "wrong value": "RAISE EXCEPTION USING ERRCODE = '22001', MESSAGE = 'too long, said the test';",
    "disk full": "RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'no room on the disk, said the test';",
}


@asynccontextmanager
async def obstacle(table: str, what: str, *, times: int = 1_000_000, where: str = "true") -> AsyncIterator[None]:
    """While the block runs, the first `times` writes of rows of `table` that meet `where` (of NEW) meet it."""
    async with connection() as held:
        await held.execute(
            f"""
            CREATE SCHEMA obstacle;
            CREATE SEQUENCE obstacle.hits;
            CREATE FUNCTION obstacle.strike() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF nextval('obstacle.hits') <= {times} THEN {HAPPENS[what]} END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER obstacle AFTER INSERT OR UPDATE ON {table} FOR EACH ROW WHEN ({where}) EXECUTE FUNCTION obstacle.strike();
            """
        )
    try:
        yield
    finally:
        async with connection() as held:
            await held.execute("DROP SCHEMA obstacle CASCADE")
