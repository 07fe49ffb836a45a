"""Who writes under a name that is known, from an address that is not."""

from typing import Literal

from models.database import connection

Known = Literal["colleague", "contact"]

# Contacts of the clients under which the mail stands, and people of the firm; none of it if the address is anybody's that we know.
NAMESAKE = """
    WITH stranger AS (SELECT lower($2::text) AS name
        WHERE NOT EXISTS (SELECT 1 FROM contact_address a WHERE a.firm_id = $1 AND a.address_key = $3)
        AND NOT EXISTS (SELECT 1 FROM app_user u WHERE u.firm_id = $1 AND u.email_key = $3)
        AND NOT EXISTS (SELECT 1 FROM mailbox m WHERE m.firm_id = $1 AND m.address_key = $3))
    SELECT 'colleague' FROM app_user u, stranger s WHERE u.firm_id = $1 AND u.active AND lower(u.name) = s.name
    UNION ALL SELECT 'contact' FROM activity p JOIN client_contact l ON l.client_id = p.client_id JOIN contact c ON c.id = l.contact_id,
    stranger s WHERE p.email_id = $4 AND p.firm_id = $1 AND p.status IN ('filed', 'review') AND lower(c.name) = s.name LIMIT 1
"""


async def namesake_of(firm_id: int, name: str, key: str | None, email_id: int) -> Known | None:
    """Whose name the sender of this e-mail has, who writes from an address that is nobody's. `key`: of that address."""
    if not name.strip() or not key:
        return None
    async with connection() as held:
        found: Known | None = await held.fetchval(NAMESAKE, firm_id, name.strip(), key, email_id)
    return found
