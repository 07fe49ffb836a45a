"""A mail's title, note and text, as people of the firm want them under this client. The e-mail itself stays as it came.

Whoever saves after somebody else sees both, and loses nothing: what only the other one changed is taken over, what both changed stands
side by side.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from starlette.responses import Response

from models.activities import Activity
from models.audit_log import Act
from models.edits import FIELDS, LONGEST, EditedMeanwhile, Field, NotShown, TooLong, edit, kept
from portal.refusals import NotHere, Unreadable
from portal.visit import LARGEST_FORM, Visit, number, to
from portal.whereabouts import here_or_moved

LARGEST = LARGEST_FORM + 12 * sum(LONGEST.values())  # bytes: a character takes four at most, and a form writes three for each of them


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of the form. `was`: a mark of what it held when the form was made. `theirs`: what somebody else saved there meanwhile,
    where both changed it; `taken`: only they did. `wrong`: why it cannot be saved."""

    value: str
    was: str
    theirs: str | None = None
    taken: bool = False
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """What came with the form. `left`: fields in which what somebody else saved is to stay."""

    edition: int
    typed: dict[Field, str]
    was: dict[Field, str]
    left: frozenset[str] = frozenset()
    own_text: bool = False  # the e-mail's own text is to stand there again

    @property
    def written(self) -> dict[Field, str]:
        wanted = {name: words for name, words in self.typed.items() if name not in self.left}
        return wanted | {"text": ""} if self.own_text else wanted


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Why what was typed is not saved yet. `by` is empty where the mail was moved meanwhile."""

    by: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Form:
    entries: dict[Field, Entry]
    edition: int
    own_text: bool = False
    overtaken: Overtaken | None = None
    status: int = field(default=200, compare=False)


async def show(visit: Visit) -> Response:
    found = await here_or_moved(visit)
    if isinstance(found, int):
        return to(f"/activities/{found}/edit")
    return _page(visit, found, _fresh(found))


async def save(visit: Visit) -> Response:
    await here_or_moved(visit)  # to strangers no form of it is readable or not: it is not there
    sent = await _sent(visit)
    try:
        await edit(visit.user, visit.id, sent.edition, sent.written, visit.now)
    except NotShown:
        return await _moved(visit, sent)
    except TooLong as refused:
        return await _again(visit, sent, refused.fields)
    except EditedMeanwhile as meanwhile:
        return await _side_by_side(visit, sent, meanwhile)
    return to(f"/activities/{visit.id}")


async def _sent(visit: Visit) -> Sent:
    """Raises `Unreadable`."""
    edition = number(await visit.field("edition"))
    typed = {name: found[-1] for name in FIELDS if (found := await visit.fields(name))}
    if edition is None or not typed:
        raise Unreadable
    was = {name: await visit.field(f"was_{name}") for name in typed}
    return Sent(edition, typed, was, frozenset(await visit.fields("leave")), await visit.field("own_text") == "yes")


def _shown(activity: Activity) -> dict[Field, str]:
    """What the fields hold at first. A text that is too long to be edited is left out."""
    email = activity.email
    text = email.text if activity.text is None else activity.text
    held: dict[Field, str] = {"title": activity.title or email.subject, "note": activity.note or ""}
    return held | {"text": text} if len(text) <= LONGEST["text"] else held


def _fresh(activity: Activity) -> Form:
    return Form({name: Entry(words, mark(name, words)) for name, words in _shown(activity).items()}, activity.edition)


async def _again(visit: Visit, sent: Sent, long: frozenset[Field]) -> Response:
    """As it was typed, with a word on what is too long."""
    entries = {
        name: Entry(words, sent.was[name], wrong=_too_long(name, words) if name in long else "") for name, words in sent.typed.items()
    }
    return _page(visit, await _here(visit), Form(entries, sent.edition, sent.own_text, status=400))


def _too_long(name: Field, words: str) -> str:
    return f"A {name} has at most {LONGEST[name]:,} characters, and this one has {len(kept(name, words) or ''):,}. Nothing was saved yet."


async def _side_by_side(visit: Visit, sent: Sent, meanwhile: EditedMeanwhile) -> Response:
    activity = await _here(visit)
    return _page(visit, activity, _merged(activity, sent, Overtaken(meanwhile.by, meanwhile.at)))


def _merged(activity: Activity, sent: Sent, overtaken: Overtaken) -> Form:
    entries = {name: _both(name, sent, words) for name, words in _shown(activity).items()}
    return Form(entries, activity.edition, sent.own_text, overtaken, 409)


def _both(name: Field, sent: Sent, there: str) -> Entry:
    """A field that is as it was when the form was made was changed by nobody else; one that was typed as it was, by nobody here. Pure."""
    typed, was = sent.typed.get(name, there), sent.was.get(name, "")
    now, mine = mark(name, there), mark(name, typed)
    if now in (mine, was):
        return Entry(typed, now)
    if mine == was:
        return Entry(there, now, taken=True)
    return Entry(typed, now, theirs=there)


async def _moved(visit: Visit, sent: Sent) -> Response:
    """To another client, while somebody typed: the form goes along. Raises `NotHere`."""
    found = await here_or_moved(visit)
    activity = await Activity.one(visit.user, found) if isinstance(found, int) else found
    if activity is None:
        raise NotHere
    return _page(visit, activity, _merged(activity, sent, Overtaken()))


async def _here(visit: Visit) -> Activity:
    activity = await Activity.one(visit.user, visit.id)
    if activity is None:
        raise NotHere
    return activity


def mark(name: Field, words: str) -> str:
    """Short, and another one for other words: so that a form need not carry twice what it shows. Pure."""
    return hashlib.sha256((kept(name, words) or "").encode()).hexdigest()[:16]


def _page(visit: Visit, activity: Activity, form: Form) -> Response:
    wrong = next((name for name, entry in form.entries.items() if entry.wrong), None)
    facts = {"activity": activity, "email": activity.email, "form": form, "longest": LONGEST, "first_wrong": wrong}
    return visit.render("edit.html", form.status, **facts)


def last_edit(acts: Sequence[Act], name: Field, client_id: int) -> Act | None:
    """Who last edited this field under this client; or, where the words came along from another one, there. `acts`: newest first. Pure."""
    edits = [act for act in acts if name in act.edited]
    return next((act for act in edits if act.under and act.under.client_id == client_id), edits[0] if edits else None)
