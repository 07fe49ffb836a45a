"""What an operator is told of one message: ids, words and moments, never an address or content."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer

from postroom.command import AsJson, fail, in_database, plainly, show

LARGEST_ID = 2**63 - 1
OF_MAILBOX = ("firm_id", "state", "epoch", "started_at", "last_checked_at", "next_attempt_at", "cool_down_until", "failures")
OF_LEDGER = ("outcome", "reason", "found_by", "found_at", "settled_at", "owed_at", "next_attempt_at", "tries", "strikes", "missing_at")
WANTED = ("wanted_for_id", "wanted_by_id")
OF_ACTIVITY = ("id", "client_id", "status", "how", "decided_by_id", "filed_at")


@plainly
def explain(
    mailbox: Annotated[int, typer.Argument(help="The mailbox’s id.", min=1, max=LARGEST_ID)],
    message: Annotated[str, typer.Argument(help="The message’s Gmail id, as logs and dead letters have it.")],
    as_json: AsJson = False,
) -> None:
    """What has become of one message, as the database has it. Its owner is told more, under “Why isn’t this mail here?”."""

    async def work() -> dict[str, Any] | None:
        return await facts(mailbox, message)

    found = in_database(work)
    if found is None:
        fail(f"There is no mailbox {mailbox}.")
    if as_json:
        typer.echo(json.dumps(found))
    else:
        show(("what", "how it stands"), [(name, "" if value is None else str(value)) for name, value in lines(found)])


async def facts(mailbox_id: int, gmail_id: str) -> dict[str, Any] | None:
    from models.activities import Activity
    from models.emails import Receipt
    from models.ledger import LedgerEntry
    from models.mailboxes import Mailbox

    mailbox = await Mailbox.get_or_none(id=mailbox_id)
    if mailbox is None:
        return None
    entry = await LedgerEntry.get_or_none(mailbox_id=mailbox_id, gmail_id=gmail_id)
    receipt = await Receipt.get_or_none(mailbox_id=mailbox_id, gmail_id=gmail_id)
    activities = await Activity.filter(email_id=receipt.email_id).order_by("id") if receipt else []
    return {
        "mailbox": _told(mailbox, OF_MAILBOX),
        "ledger": _told(entry, (*OF_LEDGER, *WANTED)) if entry else None,
        "email": receipt.email_id if receipt else None,
        "activities": [_told(activity, OF_ACTIVITY) for activity in activities],
    }


def _told(row: object, names: tuple[str, ...]) -> dict[str, object]:
    values = {name: getattr(row, name) for name in names}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def lines(found: Mapping[str, Any]) -> list[tuple[str, object]]:
    mailbox = [(f"mailbox: {name}", value) for name, value in found["mailbox"].items()]
    ledger = [(f"ledger: {name}", value) for name, value in (found["ledger"] or {"outcome": "not in the ledger"}).items()]
    places = [(f"activity {place['id']}", " ".join(f"{name}={place[name]}" for name in OF_ACTIVITY[1:])) for place in found["activities"]]
    return [*mailbox, *ledger, ("email", found["email"]), *places]
