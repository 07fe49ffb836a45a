"""One mail of a client: who, what, why it is here, and what can be said about that. Its HTML stands in a frame of its own, cleaned."""

from starlette.responses import HTMLResponse, Response

from models.activities import SHOWN, Activity
from models.address import key_of
from models.audit_log import history_of
from models.correspondence import others_in_thread
from models.edits import FIELDS
from models.emails import Email, Participant
from models.namesakes import namesake_of
from models.privacy import privacy_of
from portal import history, mail_html, mail_text, raw_headers
from portal.cleaner import cleaned
from portal.edits import last_edit
from portal.inline_pictures import inline_pictures
from portal.items import item
from portal.refusals import NotHere
from portal.safety import MAIL_POLICY, MAIL_POLICY_WITH_PICTURES
from portal.sender import Sender, author_of, sender_of
from portal.visit import Visit, to

HEADERS = (("from", "From"), ("to", "To"), ("cc", "Cc"), ("bcc", "Bcc"))
LINE, SHORT, LONG = 100, 8, 32  # characters, lines
MOST_OTHERS = 20  # mails of the thread that are listed
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
    as_text = not email.html or visit.request.query_params.get("view") == "text"
    acts = await history_of(visit.user.firm_id, email.id)
    others = await others_in_thread(visit.user, activity, MOST_OTHERS + 1)
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
        history=history.lines(acts, history.beginning(email)),
        edited={name: last_edit(acts, name, activity.client_id) for name in FIELDS},
        back="mail",
        sender=await _sender(visit, email),
        others=others[:MOST_OTHERS],
        more_others=len(others) > MOST_OTHERS,
        headers=raw_headers.shown(email.headers),
        as_text=as_text,
        text=mail_text.shown(email.text) if as_text and email.text.strip() else [],
        frame=_frame(email),
        pictures=_wants_pictures(visit),
        elsewhere=bool(email.html) and mail_html.has_remote_pictures(email.html or ""),
    )


async def show_html(visit: Visit) -> Response:
    """What the frame shows."""
    activity = await Activity.one(visit.user, visit.id)
    if activity is None or not activity.email.html:
        raise NotHere
    remote = _wants_pictures(visit)
    inline = await inline_pictures(getattr(visit.portal, "files", None), activity.email.attachments, activity.email.html)
    document = await cleaned(activity.email.html, inline, remote=remote) or mail_html.document(TANGLED)
    return HTMLResponse(document, headers={"content-security-policy": MAIL_POLICY_WITH_PICTURES if remote else MAIL_POLICY})


def _wants_pictures(visit: Visit) -> bool:
    """From elsewhere, in this one view."""
    return visit.request.query_params.get("pictures") == "yes"


async def _sender(visit: Visit, email: Email) -> Sender:
    author = author_of(email)
    known = None if email.outgoing else await namesake_of(visit.user.firm_id, author.name, key_of(author.address), email.id)
    return sender_of(email, known)


def _frame(email: Email) -> str:
    """How high the mail's frame is to be: without scripts it cannot say so itself."""
    lines = sum(1 + len(line) // LINE for line in email.text.split("\n", LONG + 1))
    pictured = "<img" in (email.html or "").lower()
    return "long" if lines > LONG else "medium" if lines > SHORT or pictured else "short"


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
