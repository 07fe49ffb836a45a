"""What follows in the thread when a person has decided about one of its mails."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from models.address import is_among
from models.database import Connection, connection
from models.deciding import SAID, Mail, Voice, filed
from models.firms import User
from models.standings import read, write
from models.verdicts import Seen


async def settle(
    held: Connection, by: User, decided: Mail, client: int, staff: Collection[str], apart: Collection[int], now: datetime
) -> dict[int, int]:
    """Open questions of the thread follow, as filing's new ones do: where somebody who is no staff is on both mails, and the client is a
    candidate. Not from or to a forger's mail, or a private one. Returns the new versions by e-mail. `apart`: those that are left alone."""
    if decided.trust == "forged" or decided.private:
        return {}
    rows = await held.fetch(
        """
        SELECT e.id FROM email e JOIN review r ON r.email_id = e.id WHERE e.firm_id = $1 AND e.thread_root = $2
        AND e.id <> ALL($3::bigint[]) AND r.decided_at IS NULL AND e.trust <> 'forged' AND e.dismissed_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM activity a WHERE a.email_id = e.id AND a.private) ORDER BY e.identity FOR NO KEY UPDATE OF e
        """,
        by.firm_id,
        decided.thread_root,
        [decided.id, *apart],
    )
    near = await _sharing(held, decided.id, [row["id"] for row in rows], staff)
    voice = Voice(None, by.name, now, by_thread=True)
    versions: dict[int, int] = {}
    for mail in (await read(held, near)).values():
        if mail.is_open and client in mail.asked and (client not in mail.places or client in mail.guess):
            risen = replace(mail, version=mail.version + 1)
            act, after = filed(risen, client, voice)
            await held.execute("UPDATE email SET version = version + 1 WHERE id = $1", mail.id)
            await write(held, by, None, act, mail, after, now)
            versions[mail.id] = after.version
    return versions


async def undecided(firm_id: int, email_id: int, staff: Collection[str]) -> list[Seen]:
    """The other mails of the thread about which no person has said anything, with somebody on both who is no staff; oldest first."""
    async with connection() as held:
        rows = await held.fetch(
            """
            SELECT e.id, e.version FROM email e WHERE e.firm_id = $1 AND e.id <> $2 AND e.dismissed_at IS NULL
            AND e.thread_root = (SELECT thread_root FROM email WHERE id = $2 AND firm_id = $1)
            AND NOT EXISTS (SELECT 1 FROM activity a WHERE a.email_id = e.id AND (a.how = 'person' OR a.decided_by_id IS NOT NULL))
            AND NOT EXISTS (SELECT 1 FROM audit_entry x WHERE x.email_id = e.id AND x.act = ANY($3::text[]))
            ORDER BY e.sent_at, e.id
            """,
            firm_id,
            email_id,
            SAID,
        )
        near = await _sharing(held, email_id, [row["id"] for row in rows], staff)
    return [Seen(row["id"], row["version"]) for row in rows if row["id"] in near]


async def _sharing(held: Connection, email_id: int, others: Collection[int], staff: Collection[str]) -> set[int]:
    """Those of the others on which somebody is who is also on this e-mail, and no staff. A blind copy of theirs proves nothing, unless
    it is in doubt itself: it shows in one mailbox only."""
    rows = await held.fetch(
        """
        SELECT DISTINCT o.email_id, o.key FROM participant o JOIN participant p ON p.email_id = $1 AND p.key = o.key
        WHERE o.email_id = ANY($2::bigint[]) AND (o.header <> 'bcc' OR EXISTS (SELECT 1 FROM review r WHERE r.email_id = o.email_id
        AND jsonb_path_exists(r.candidates, '$[*].addresses[*] ? (@ == $key)', jsonb_build_object('key', o.key))))
        """,
        email_id,
        list(others),
    )
    return {row["email_id"] for row in rows if not is_among(row["key"], staff)}
