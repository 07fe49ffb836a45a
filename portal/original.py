"""The e-mail as a file: Gmail's own copy, fetched when it is asked for; or, where that cannot be had, one put together again."""

from starlette.responses import Response

from models.activities import Activity
from models.emails import Attachment, Email
from pipeline.original import NotToBeHad, original
from portal.downloads import attached
from portal.inline_pictures import Files
from portal.reconstruction import rebuilt
from portal.visit import Visit, to
from portal.whereabouts import here_or_moved

LARGEST = 50_000_000  # bytes of all attachments of a reconstruction; Gmail takes no mail that is larger

WHY = {
    "nobody": (
        "No connected mailbox holds it any more.",
        "Gmail’s own copy can be had while a mailbox that received the mail is connected. Reconnect one of them, and come back here.",
    ),
    "gone": ("It is not in Gmail any more.", "Google was asked: whoever received the mail has deleted it there for good."),
    "cooling": ("Google asks us to wait.", "It limits how much it is asked in a while. Try again in a few minutes."),
    "no answer": ("Google did not answer.", "Most often that passes by itself. Try again in a minute."),
    "stopped": (
        "The connection to Gmail has stopped.",
        "The mailbox that holds the mail must be connected again before Google gives it to us.",
    ),
    "reconnected": ("The mailbox was connected anew just now.", "Try again."),
    "ours": ("Google refused it.", "It has been noted. If it stays, tell the people who run Postroom."),
}
PASSING = ("cooling", "no answer", "reconnected")


async def download(visit: Visit) -> Response:
    """To the byte. Where that is not to be had, a page says why."""
    found = await here_or_moved(visit)
    if isinstance(found, int):
        return to(f"/activities/{found}/original.eml")
    if visit.request.method == "HEAD":  # who only asks whether there is something spends no quota
        return _file(b"", found)
    portal = visit.portal
    try:
        raw = await original(portal.connections, portal.settings, visit.user, found.email_id, visit.now)
    except NotToBeHad as missing:
        return to(f"/activities/{visit.id}/original?because={missing.because.replace(' ', '-')}")
    return _file(raw, found)


async def explain(visit: Visit) -> Response:
    found = await here_or_moved(visit)
    if isinstance(found, int):
        return to(f"/activities/{found}/original")
    because = visit.request.query_params.get("because", "").replace("-", " ")
    facts = {"why": WHY.get(because), "again": because not in WHY or because in PASSING}
    return visit.render("original.html", activity=found, email=found.email, **facts)


async def reconstruct(visit: Visit) -> Response:
    found = await here_or_moved(visit)
    if isinstance(found, int):
        return to(f"/activities/{found}/reconstructed.eml")
    email: Email = found.email
    files: Files | None = getattr(visit.portal, "files", None)
    left, kept = LARGEST, list[tuple[Attachment, bytes | None]]()
    for file in sorted(email.attachments, key=lambda file: file.id):
        data = await files.read(file.stored_as, left) if files and file.stored_as else None
        left -= len(data or b"")
        kept.append((file, data))
    return _file(rebuilt(email, kept), found)


def _file(content: bytes, activity: Activity) -> Response:
    name = attached(activity.title or activity.email.subject, ".eml")
    return Response(content, media_type="message/rfc822", headers={"content-disposition": name})
