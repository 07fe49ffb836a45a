"""What earlier copies of an e-mail have left: its activities, its question, and whether a person has spoken about it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from models.copies import Addresses, Place, Standing
from models.database import Connection
from models.deciding import SAID


async def standings_of(held: Connection, known: list[int]) -> dict[int, Standing]:
    """Of recorded e-mails, which are locked; their activities and questions are from now on."""
    if not known:
        return {}
    activities = await held.fetch(
        """
        SELECT email_id, id, client_id, status, how, how = 'person' OR decided_by_id IS NOT NULL AS by_person,
        title IS NOT NULL OR note IS NOT NULL OR text IS NOT NULL OR private AS touched FROM activity WHERE email_id = ANY($1::bigint[])
        ORDER BY id FOR UPDATE
        """,
        known,
    )
    places: dict[int, list[Place]] = {}
    for email_id, *rest in activities:
        places.setdefault(email_id, []).append(Place(*rest))
    reviews = await held.fetch("SELECT * FROM review WHERE email_id = ANY($1::bigint[]) ORDER BY id FOR UPDATE", known)
    questions = {review["email_id"]: review for review in reviews}
    emails = await held.fetch(
        """
        SELECT e.id, trust, kind, dismissed_at IS NOT NULL OR erased_at IS NOT NULL AS dismissed,
        EXISTS (SELECT 1 FROM audit_entry x WHERE x.email_id = e.id AND x.act = ANY($2::text[])) AS audited
        FROM email e WHERE id = ANY($1::bigint[])
        """,
        known,
        SAID,
    )
    return {email["id"]: _standing(email, places.get(email["id"], []), questions.get(email["id"])) for email in emails}


def _standing(email: Mapping[str, Any], places: Sequence[Place], review: Mapping[str, Any] | None) -> Standing:
    return Standing(
        email["trust"],
        email["kind"],
        email["dismissed"],
        email["audited"] or any(place.by_person for place in places),
        tuple(places),
        review["id"] if review else None,
        review is not None and review["decided_at"] is not None,
        _addresses(json.loads(review["candidates"])) if review else {},
    )


def _addresses(candidates: Iterable[Mapping[str, Any]]) -> Addresses:
    """For which addresses these are candidates."""
    found: dict[str, frozenset[int]] = {}
    for candidate in candidates:
        for key in candidate.get("addresses", [""]):
            found[key] = found.get(key, frozenset()) | {candidate["client"]}
    return found
