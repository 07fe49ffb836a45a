"""Who is staff: addresses that are the firm's own people's, however they came to be. They are never a client's.

The address keys of the active users, of the firm's mailboxes that are not disconnected (under their former names too), and of what an admin
lets a user connect; and the firm's own domains, whoever writes from there.
"""

from collections.abc import Iterable

from models.address import is_among
from models.database import connection


async def staff_of(firm_id: int) -> frozenset[str]:
    """Address keys and domain keys, for `models.address.is_among`. One query."""
    async with connection() as held:
        rows = await held.fetch(
            """
            SELECT email_key AS key FROM app_user WHERE firm_id = $1 AND active
            UNION SELECT unnest(ARRAY[address_key, former_key]) FROM mailbox WHERE firm_id = $1 AND state <> 'disconnected'
            UNION SELECT address_key FROM allowed_address WHERE firm_id = $1 UNION SELECT domain FROM own_domain WHERE firm_id = $1
            """,
            firm_id,
        )
    return frozenset(row["key"] for row in rows if row["key"])


async def staff_among(firm_id: int, keys: Iterable[str]) -> frozenset[str]:
    """Those of these address keys that are the firm's own people's."""
    ours = await staff_of(firm_id)
    return frozenset(key for key in keys if is_among(key, ours))
