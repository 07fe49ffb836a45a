"""One mail of a client: who, what, why it is here, and what can be said about that. Its HTML stands in a frame of its own, cleaned."""

from starlette.responses import HTMLResponse, Response

from models.activities import SHOWN, Activity
from models.audit_log import history_of
from models.emails import Email, Participant
from models.privacy import privacy_of
from portal import history, mail_html
from portal.cleaner import cleaned
from portal.items import item
from portal.refusals import NotHere
from portal.safety import MAIL_POLICY
from portal.visit import Visit, to

HEADERS = (("from", "From"), ("to", "To"), ("cc", "Cc"), ("bcc", "Bcc"))
TANGLED = "<p>This mail is too tangled to be shown as it came. Its words are under “Text”.</p>"


async def show(visit: Visit) -> Response:
    """An old address leads on to where the mail was moved."""
    activity = await Activity.one(visit.user, visit.id)
    if activity is None:
        if elsewhere := await Activity.instead_of(visit.user, visit.id):
            return to(f"/activities/{elsewhere}")
        raise NotHere
    email: Email = activity.email
    found = await item(visit.user, email.id)
    if found is None or found.outcome is None:
        raise NotHere
    return visit.render(
        "message.html",
        activity=activity,
        email=email,
        people=_people(email),
        holders=_holders(email),
        attachments=list(email.attachments),
        item=found,
        question=found.question,
        outcome=found.outcome,
        places=await _places(activity),
        privacy=await privacy_of(visit.user, email.id),
        history=history.lines(await history_of(visit.user.firm_id, email.id), history.beginning(email)),
        back="mail",
        as_text=not email.html or visit.request.query_params.get("view") == "text",
    )


async def show_html(visit: Visit) -> Response:
    """What the frame shows."""
    activity = await Activity.one(visit.user, visit.id)
    if activity is None or not activity.email.html:
        raise NotHere
    document = await cleaned(activity.email.html) or mail_html.document(TANGLED)
    return HTMLResponse(document, headers={"content-security-policy": MAIL_POLICY})


async def _places(activity: Activity) -> list[Activity]:
    """All clients under which the e-mail is: this one first, then by name."""
    found = await Activity.filter(email_id=activity.email_id, status__in=SHOWN).prefetch_related("client", "decided_by")
    return sorted(found, key=lambda place: (place.id != activity.id, place.client.name.lower(), place.id))


def _people(email: Email) -> list[tuple[str, list[Participant]]]:
    """Who takes part, header by header, in the order of the mail."""
    ordered = sorted(email.participants, key=lambda person: person.position)
    return [(word, named) for header, word in HEADERS if (named := [person for person in ordered if person.header == header])]


def _holders(email: Email) -> list[str]:
    """Colleagues whose mailboxes hold the mail."""
    return sorted({receipt.mailbox.user.name for receipt in email.receipts})
