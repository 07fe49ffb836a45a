"""The other mails of an e-mail's thread, as far as they are filed and the person may see them."""

from dataclasses import dataclass
from datetime import datetime

from models.activities import Activity
from models.database import connection
from models.firms import User
from models.sight import visible_to

# One row a mail, under the same client where it is there too.
OTHERS = f"""
    SELECT * FROM (SELECT DISTINCT ON (e.id) a.id AS activity_id, c.name AS client, a.client_id <> $4 AS elsewhere,
    coalesce(nullif(a.title, ''), e.subject) AS subject, e.sent_at, coalesce((SELECT coalesce(nullif(p.name, ''), p.address)
    FROM participant p WHERE p.email_id = e.id AND p.header = 'from' ORDER BY p.position LIMIT 1), '') AS sender
    FROM email e JOIN activity a ON a.email_id = e.id AND a.status IN ('filed', 'review') JOIN client c ON c.id = a.client_id
    WHERE e.firm_id = $1 AND e.thread_root = (SELECT thread_root FROM email WHERE id = $3 AND firm_id = $1) AND e.id <> $3
    AND {visible_to("$2")} ORDER BY e.id, a.client_id <> $4, a.id) found ORDER BY sent_at DESC, activity_id DESC LIMIT $5
"""  # noqa: S608  # words of ours


@dataclass(frozen=True, slots=True)
class OtherMail:
    activity_id: int
    client: str
    elsewhere: bool  # under another client only
    subject: str
    sent_at: datetime
    sender: str  # a name, or else the address


async def others_in_thread(user: User, activity: Activity, limit: int) -> list[OtherMail]:
    """Newest first."""
    async with connection() as held:
        rows = await held.fetch(OTHERS, user.firm_id, user.id, activity.email_id, activity.client_id, limit)
    return [OtherMail(**row) for row in rows]
