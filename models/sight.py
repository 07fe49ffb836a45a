"""Who sees which mail of the firm: everybody, unless it is private. Every query that reads mail for a person asks this."""

from models.database import Connection
from models.firms import User


def visible_to(user: str, email: str = "e.id") -> str:
    """The condition that every query of mail for a person has, beside the firm's: the e-mail is not private, or they received it, or they
    marked it themselves. `user`, `email`: what holds the ids, as in "$2" and "a.email_id"."""
    return f"(NOT {is_private(email)} OR {received_by(user, email)} OR {marked_by(user, email)})"


def is_private(email: str) -> str:
    """With all its activities, those that came later too: under which client it is read makes its text no other."""
    return _any(f"activity marked WHERE marked.email_id = {email} AND marked.private")


def received_by(user: str, email: str) -> str:
    """It lies in a mailbox of theirs."""
    return _any(f"receipt own JOIN mailbox box ON box.id = own.mailbox_id WHERE own.email_id = {email} AND box.user_id = {user}::bigint")


def marked_by(user: str, email: str) -> str:
    """They made it private, when they had received it."""
    return _any(f"audit_entry said WHERE said.email_id = {email} AND said.user_id = {user}::bigint AND said.act = 'private'")


def _any(rows: str) -> str:
    """EXISTS, of which the planner cannot make a scan of the whole table: one look by index for each mail that is listed."""
    return f"((SELECT true FROM {rows} LIMIT 1) IS NOT NULL)"  # noqa: S608  # words of ours


SEES = f"SELECT true FROM email e WHERE e.id = $1 AND e.firm_id = $2 AND {visible_to('$3')}"  # noqa: S608


async def sees(held: Connection, user: User, email_id: int) -> bool:
    """Whether the e-mail is of the user's firm, and not private to others."""
    return bool(await held.fetchval(SEES, email_id, user.firm_id, user.id))
