"""Whose address is whose, in a directory of thirty thousand: one indexed query, as dear as what it asks for and no dearer."""

import json
from collections.abc import Iterator
from typing import Any

from models.database import connection
from models.directory import clients_by_address
from models.firms import Firm
from tests.builders import a_firm

ASKED = [f"p{number}@client.example" for number in range(10, 60)]  # as many as a batch of mails may name
FILLED = """
    WITH clients AS (INSERT INTO client (firm_id, external_id, name, number, created_at)
    SELECT $1, 'c' || n, 'Client ' || n, '', now() FROM generate_series(1, $2::int) n RETURNING id, external_id),
    contacts AS (INSERT INTO contact (firm_id, name) SELECT $1, external_id FROM clients RETURNING id, name),
    addresses AS (INSERT INTO contact_address (firm_id, contact_id, address, address_key)
    SELECT $1, id, a, a FROM contacts, LATERAL (SELECT 'p' || substr(name, 2) || '@client.example' AS a) t)
    INSERT INTO client_contact (client_id, contact_id, nominated) SELECT c.id, p.id, false FROM clients c JOIN contacts p
    ON p.name = c.external_id
"""


async def a_directory(size: int) -> Firm:
    firm = await a_firm()
    async with connection() as held:
        await held.execute(FILLED, firm.id, size)
        for table in ("client", "contact", "contact_address", "client_contact"):
            await held.execute(f"ANALYZE {table}")
    return firm


async def plan_of_look_up(firm: Firm) -> list[dict[str, Any]]:
    """The nodes of PostgreSQL's plan for the very statement that the look-up sends, with what they read."""
    sent: list[Any] = []
    async with connection() as held:  # the pool gives the one that it was given last
        held.add_query_logger(sent.append)
    found = await clients_by_address(firm.id, [*ASKED, "nobody@client.example", "stranger@elsewhere.example"])
    async with connection() as held:
        held.remove_query_logger(sent.append)
        assert len(found) == len(ASKED)
        (query,) = [each for each in sent if "contact_address" in each.query]  # others ask PostgreSQL for its types
        plan = await held.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query.query}", *query.args)
    return list(nodes(json.loads(plan)[0]["Plan"]))


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def rows_read(plan: list[dict[str, Any]]) -> int:
    return sum(round((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]) for node in plan)


async def test_the_look_up_reads_what_it_asks_for_however_large_the_directory(database):
    """Scenario 58. By index alone; twice as many addresses, another firm's among them, cost nothing more."""
    firm = await a_directory(30_000)
    before = await plan_of_look_up(firm)
    await a_directory(30_000)
    after = await plan_of_look_up(firm)
    for plan in (before, after):
        assert [node["Node Type"] for node in plan if node["Node Type"] == "Seq Scan"] == []
        (look_up,) = [node for node in plan if node.get("Relation Name") == "contact_address"]
        assert {"firm_id", "address_key"} <= set(look_up["Index Cond"].replace("(", " ").split())
        assert rows_read(plan) <= 8 * len(ASKED)
    assert rows_read(after) == rows_read(before)
