"""Gmail's own copy of an e-mail, to the byte, while a mailbox that holds it is connected."""

from datetime import datetime
from typing import Literal

from gmail.errors import MessageMissing
from models.emails import Receipt
from models.firms import User
from pipeline.asking import Asking, CannotAsk, Silence
from pipeline.connection import Connections
from settings import Settings

MOST_UNANSWERED = 2  # mailboxes: each may take as long as a call to Google may, and somebody waits

Missing = Literal["nobody", "gone"] | Silence


class NotToBeHad(Exception):
    """*nobody*: no connected mailbox of the firm holds it; *gone*: it was deleted in Gmail; otherwise why Google could not be asked."""

    def __init__(self, because: Missing) -> None:
        super().__init__(because)
        self.because: Missing = because


async def original(made: Connections, settings: Settings, user: User, email_id: int, now: datetime) -> bytes:
    """RFC 5322, from the user's own mailbox, or else a colleague's. To be asked for who sees the e-mail. Counted in the quota. Raises
    `NotToBeHad`."""
    because: Missing = "nobody"
    unanswered = 0
    for mailbox, gmail_id in await Receipt.within_reach(user, email_id):
        try:
            async with Asking(made, mailbox, settings, now) as gmail:
                return await gmail.raw(gmail_id)
        except MessageMissing:
            because = "gone" if because == "nobody" else because
        except CannotAsk as silent:
            because = silent.because
            unanswered += silent.because == "no answer"
        if unanswered == MOST_UNANSWERED:
            break
    raise NotToBeHad(because)
