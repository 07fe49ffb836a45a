"""One mail of a client: who, what, why it is here. Its HTML stands in a frame of its own, cleaned."""

from starlette.responses import HTMLResponse, Response

from models.activities import Activity
from models.emails import Email, Participant
from portal import mail_html
from portal.candidates import in_names
from portal.cleaner import cleaned
from portal.refusals import NotHere
from portal.safety import MAIL_POLICY
from portal.visit import Visit

HEADERS = (("from", "From"), ("to", "To"), ("cc", "Cc"), ("bcc", "Bcc"))
TANGLED = "<p>This mail is too tangled to be shown as it came. Its words are under “Text”.</p>"


async def show(visit: Visit) -> Response:
    activity = await _activity(visit)
    email: Email = activity.email
    review = email.review if activity.status == "review" else None
    return visit.render(
        "message.html",
        activity=activity,
        email=email,
        people=_people(email),
        holders=_holders(email),
        attachments=list(email.attachments),
        guess=(await in_names(visit.user.firm_id, [review]))[review.id] if review else None,
        as_text=not email.html or visit.request.query_params.get("view") == "text",
    )


async def show_html(visit: Visit) -> Response:
    """What the frame shows."""
    email: Email = (await _activity(visit)).email
    if not email.html:
        raise NotHere
    document = await cleaned(email.html) or mail_html.document(TANGLED)
    return HTMLResponse(document, headers={"content-security-policy": MAIL_POLICY})


async def _activity(visit: Visit) -> Activity:
    activity = await Activity.one(visit.user.firm_id, visit.id)
    if activity is None:
        raise NotHere
    return activity


def _people(email: Email) -> list[tuple[str, list[Participant]]]:
    """Who takes part, header by header, in the order of the mail."""
    ordered = sorted(email.participants, key=lambda person: person.position)
    return [(word, named) for header, word in HEADERS if (named := [person for person in ordered if person.header == header])]


def _holders(email: Email) -> list[str]:
    """Colleagues whose mailboxes hold the mail."""
    return sorted({receipt.mailbox.user.name for receipt in email.receipts})
