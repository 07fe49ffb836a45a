"""The firm's clients as rows, by name: found by what they are called, by their number, and by the people who write for them."""

from dataclasses import dataclass
from datetime import datetime

from models.address import key_of
from models.database import connection
from models.firms import User
from models.sight import visible_to

OF_CONTACT = "c.name ILIKE '%' || $3 || '%'"
OF_ADDRESS = "(a.address ILIKE '%' || $3 || '%' OR a.address_key = $4)"
ITSELF = "(k.name ILIKE '%' || $3 || '%' OR k.number ILIKE $3 || '%')"
BY_PEOPLE = f"""k.id IN (SELECT l.client_id FROM client_contact l JOIN contact c ON c.id = l.contact_id WHERE c.firm_id = $1
    AND ({OF_CONTACT} OR c.id IN (SELECT a.contact_id FROM contact_address a WHERE a.firm_id = $1 AND {OF_ADDRESS})))"""  # noqa: S608
FOUND = """
    WITH hit AS MATERIALIZED (SELECT k.id, k.name, k.number, k.archived_at IS NOT NULL AS archived, {itself} AS itself FROM client k
    WHERE k.firm_id = $1 AND {match}),
    counts AS (SELECT count(*) FILTER (WHERE NOT archived) AS living, count(*) FILTER (WHERE archived) AS gone FROM hit),
    page AS (SELECT * FROM hit WHERE archived = $5 ORDER BY lower(name), id OFFSET $6 LIMIT $7)
    SELECT counts.*, page.id, page.name, page.number, page.archived, v.via,
    (SELECT a.sent_at FROM activity a WHERE a.client_id = page.id AND a.status IN ('filed', 'review')
    AND {visible} ORDER BY a.sent_at DESC LIMIT 1) AS newest_at
    FROM counts LEFT JOIN page ON true LEFT JOIN LATERAL (SELECT concat_ws(' · ', c.name, nullif(a.address, c.name)) AS via
    FROM client_contact l JOIN contact c ON c.id = l.contact_id LEFT JOIN contact_address a ON a.contact_id = c.id AND {of_address}
    WHERE l.client_id = page.id AND ({of_contact} OR a.id IS NOT NULL) ORDER BY c.id, a.id LIMIT 1) v ON NOT page.itself
    ORDER BY lower(page.name), page.id
"""
SHAPE = {"visible": visible_to("$2", "a.email_id"), "of_address": OF_ADDRESS, "of_contact": OF_CONTACT}
ALL = FOUND.format(itself="true", match="true", **SHAPE)
SOUGHT = FOUND.format(itself=ITSELF, match=f"({ITSELF} OR {BY_PEOPLE})", **SHAPE)


@dataclass(frozen=True, slots=True)
class ListedClient:
    id: int
    name: str
    number: str
    archived: bool  # nothing new is filed there
    newest_at: datetime | None  # the newest mail filed, of those that the user may see
    via: str | None  # the contact by whom it was found, where it was not by itself


@dataclass(frozen=True, slots=True)
class ClientPage:
    """Some of the clients found; how many there are, living and archived."""

    clients: list[ListedClient]
    living: int
    archived: int


async def clients(user: User, search: str, offset: int, limit: int, *, archived: bool = False) -> ClientPage:
    """`search`: a part of the name, the beginning of the number, a part of a contact's name or address, in any case; empty for all. One
    query, which reads the firm's directory once and its mail only for the page."""
    part = search.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    async with connection() as held:
        rows = await held.fetch(SOUGHT if search else ALL, user.firm_id, user.id, part, key_of(search) or "", archived, offset, limit)
    found = [ListedClient(**{name: row[name] for name in ListedClient.__slots__}) for row in rows if row["id"] is not None]
    return ClientPage(found, rows[0]["living"], rows[0]["gone"])
