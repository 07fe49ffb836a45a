"""The first page: what needs a person, then what was filed last."""

from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from letters.lapses import LAPSES
from models.activities import Activity, Review
from models.directory import Client
from models.emails import Email
from models.listings import newest_mails
from models.mailboxes import Mailbox
from portal.candidates import Guess, in_names
from portal.visit import Visit

QUESTIONS = 20  # shown at once; the heading counts them all
NEWEST = 15


@dataclass(frozen=True, slots=True)
class Question:
    activity_id: int | None
    sender: str
    sent_at: datetime
    subject: str
    snippet: str
    guess: Guess


async def show(visit: Visit) -> Response:
    firm = visit.user.firm_id
    return visit.render(
        "dashboard.html",
        open_count=await Review.count_open(firm),
        questions=await _questions(firm),
        newest=await newest_mails(firm, NEWEST),
        has_clients=await Client.any_in(firm),
        mailbox=_in_need(await Mailbox.held_by(visit.user.id)),
        lapses=LAPSES,
    )


def _in_need(held: list[Mailbox]) -> Mailbox | None:
    """The one that its person must do something about, or else any that is read."""
    order = {"lapsed": 0, "connected": 1, "paused": 2, "disconnected": 3}
    return min(held, key=lambda mailbox: order[mailbox.state], default=None)


async def _questions(firm_id: int) -> list[Question]:
    reviews = await Review.open_of_firm(firm_id, QUESTIONS)
    named = await in_names(firm_id, reviews)
    return [_question(review, named[review.id]) for review in reviews]


def _question(review: Review, guess: Guess) -> Question:
    email = review.email
    return Question(_activity_of(email), _sender(email), email.sent_at, email.subject, email.text[:300], guess)


def _activity_of(email: Email) -> int | None:
    """Where the question stands while nobody has answered it."""
    activities: list[Activity] = list(email.activities)
    return next((activity.id for activity in activities if activity.status == "review"), None)


def _sender(email: Email) -> str:
    writers = sorted((p for p in email.participants if p.header == "from"), key=lambda p: p.position)
    return next((p.name or p.address for p in writers), "")
