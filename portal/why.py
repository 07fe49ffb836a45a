"""Why isn't this mail here? A person names a mail of their own Gmail and is told what has become of it, by which rule, looked at live; and
may have it filed all the same."""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode

from starlette.responses import Response

from gmail.errors import MessageMissing
from gmail.message import Headers
from models import decisions, wanted
from models.client_search import living
from models.directory import Client
from models.explaining import Entry, Filed, are_here, entry_of, mail_of
from models.mailboxes import Mailbox
from pipeline.asking import Asked, Asking, CannotAsk, FromDay, find
from pipeline.connection import announce
from pipeline.explain import Answer, explain
from pipeline.gmail_links import ByMessageId, NotUnderstood, OneMessage, Unclear, named
from portal.choosing import LONGEST, SHOWN, Choosing
from portal.refusals import NotHere, Unreadable
from portal.visit import Visit, number, to

HERE = "/why"
ID = re.compile(r"[0-9a-f]{1,16}")  # as Gmail's API writes it
DAY = timedelta(days=1)
LONGEST_MAIL = 4000  # characters of a link
UNCLEAR: dict[Unclear, str] = {
    "nothing": "Paste a link or a Message-ID, or write down sender and day.",
    "no link": "That is none of the three: a link of the mail in Gmail, its Message-ID (with an @ in it), or else sender and day.",
    "no mail": "That link leads to Gmail, but not to one mail. Open the mail there, and copy the address again.",
    "begun in gmail": "That link is of a conversation that began in Gmail itself; Google does not let anybody look it up by its link. "
    "Paste the Message-ID (in Gmail: ⋮, Show original), or write down sender and day.",
}


@dataclass(frozen=True, slots=True)
class Form:
    """What was written, to be kept. `wrong`: what cannot be done with it, and beside which field."""

    mail: str = ""
    sender: str = ""
    day: str = ""
    message: str = ""
    wrong: str = ""
    wrong_in: str = "mail"

    @property
    def is_empty(self) -> bool:
        return not (self.mail or self.sender or self.day or self.message)


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known of a message without asking Gmail, by the id that was given."""

    id: str
    entry: Entry | None
    mail: Filed | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What the page says. One of `answer`, `choice` (several messages; `here`: those that are filed), `silence` (Gmail could not be asked),
    `missing`; or nothing was asked yet."""

    answer: Answer | None = None
    choice: tuple[Headers, ...] = ()
    here: frozenset[str] = frozenset()
    silence: CannotAsk | None = None
    missing: bool = False
    known: Remembered | None = None
    choosing: Choosing | None = None
    wanted: Client | None = None  # under which it was to be filed
    no_such_client: bool = False  # the one that was chosen is archived or gone


async def show(visit: Visit) -> Response:
    """Asks Gmail, if a mail is named."""
    given = visit.request.query_params
    form = Form(*(given.get(name, "").replace("\0", "")[:LONGEST_MAIL].strip() for name in ("mail", "sender", "day", "message")))
    mailboxes = await Mailbox.held_by(visit.user.id)
    mailbox = _chosen(mailboxes, given.get("mailbox", ""))
    if mailbox is None or form.is_empty:
        return _page(visit, form, mailboxes, mailbox, Finding())
    asked = _asked(visit, form)
    if isinstance(asked, Form):
        return _page(visit, asked, mailboxes, mailbox, Finding(), 400)
    finding = await _found(visit, mailbox, asked)
    if client := number(given.get("client", "")):
        finding = replace(finding, wanted=await Client.one(visit.user.firm_id, client))
    return _page(visit, form, mailboxes, mailbox, finding)


async def show_progress(visit: Visit) -> Response:
    """The part that waits for a filing; once that is over, the whole page is looked at again."""
    given = visit.request.query_params
    mailbox = await _mine(visit, given.get("mailbox", ""))
    known = await _remembered(visit, mailbox, _id(given.get("message", "")))
    if not _is_wanted(known):
        return Response(headers={"hx-refresh": "true"})
    return visit.render("why_wanted.html", mailbox=mailbox, known=known, client=number(given.get("client", "")))


async def show_clients(visit: Visit) -> Response:
    """Under which client to file it, while somebody writes."""
    given = visit.request.query_params
    mailbox = await _mine(visit, given.get("mailbox", ""))
    choosing = await _choosing(visit, mailbox, _id(given.get("message", "")), given.get("q", ""))
    return visit.render("choose.html" if visit.by_htmx else "choose_page.html", choosing=choosing, subject="", count=1)


async def file_anyway(visit: Visit) -> Response:
    """Judged once more before it is written down: what Gmail itself puts away is not filed by anybody."""
    mailbox, message = await _named(visit)
    chosen = number(await visit.field("client"))
    if chosen is None:
        raise Unreadable
    there = _address(mailbox, message, client=chosen)
    if _is_wanted(await _remembered(visit, mailbox, message)):
        return to(there)
    finding = await _found(visit, mailbox, OneMessage(message))
    answer = finding.answer
    if answer is None or not (answer.kind == "here" or answer.may_be_filed):
        return await _again(visit, mailbox, message, finding)
    if answer.kind == "here":
        return to(_address(mailbox, message))
    try:
        await _file(visit, mailbox, answer, chosen)
    except (wanted.NoSuchClient, decisions.NoSuchClient):
        return await _again(visit, mailbox, message, replace(finding, no_such_client=True))
    except (wanted.NotReading, decisions.NotDecided):
        return to(_address(mailbox, message))  # it is otherwise by now, and the page says how
    return to(there)


async def look_again(visit: Visit) -> Response:
    """By the rules of now."""
    mailbox, message = await _named(visit)
    try:
        await wanted.look_again(visit.user, mailbox.id, message, visit.now)
        await announce(mailbox.id, "")
    except wanted.NotReading:
        pass  # the page says why not
    return to(_address(mailbox, message))


async def _file(visit: Visit, mailbox: Mailbox, answer: Answer, client: int) -> None:
    """What was dismissed and is still kept needs no Gmail; everything else the sync files."""
    mail = answer.mail
    if mail and mail.dismissed_at and not mail.erased_at:
        await decisions.file_under(visit.user, decisions.Seen(mail.id, mail.version), client, visit.now)
        return
    await wanted.want(visit.user, mailbox.id, answer.headers.id, client, visit.now)
    await announce(mailbox.id, "")


async def _found(visit: Visit, mailbox: Mailbox, asked: Asked) -> Finding:
    """What Gmail shows of it. A filing that is under way is waited for without asking."""
    id = asked.id if not isinstance(asked, ByMessageId | FromDay) else None
    known = await _remembered(visit, mailbox, id) if id else None
    if known and _is_wanted(known):
        return Finding(known=known)
    if mailbox.state != "connected" or visit.user.firm.provider != "google":
        return Finding(silence=CannotAsk("stopped"), known=known)
    try:
        async with Asking(visit.portal.connections, mailbox, visit.portal.settings, visit.now) as gmail:
            found = await find(gmail, asked)
            if len(found) > 1:
                return Finding(choice=found, here=await are_here(mailbox.id, [headers.id for headers in found]))
            answer = await explain(visit.user, mailbox, found[0], gmail, visit.portal.settings, visit.now)
    except MessageMissing:
        return Finding(missing=True, known=known)
    except CannotAsk as silence:
        return Finding(silence=silence, known=known)
    choosing = await _choosing(visit, mailbox, answer.headers.id, "") if answer.may_be_filed else None
    return Finding(answer=answer, choosing=choosing)


def _asked(visit: Visit, form: Form) -> Asked | Form:
    """What to look up, or the form with what is wrong in it."""
    if ID.fullmatch(form.message):
        return OneMessage(form.message)
    if form.mail or not (form.sender or form.day):
        meant = named(form.mail)
        return replace(form, wrong=UNCLEAR[meant.because]) if isinstance(meant, NotUnderstood) else meant
    if not form.sender.strip('(){}":'):
        return replace(form, wrong="Who wrote it? A name or an address will do.", wrong_in="sender")
    try:
        day = date.fromisoformat(form.day)
        midnight = datetime.combine(day, time(), visit.zone)
        return FromDay(form.sender[:LONGEST], midnight - DAY, midnight + 2 * DAY)
    except (ValueError, OverflowError):
        return replace(form, wrong="On which day did it come? A day more or less does not matter.", wrong_in="day")


def _chosen(mailboxes: list[Mailbox], told: str) -> Mailbox | None:
    """The one that is named, else the first that is read. Raises `NotHere` for what this person does not hold."""
    if told:
        mine = [mailbox for mailbox in mailboxes if mailbox.id == number(told)]
        if not mine:
            raise NotHere
        return mine[0]
    return next((mailbox for mailbox in mailboxes if mailbox.state == "connected"), mailboxes[0] if mailboxes else None)


async def _mine(visit: Visit, told: str) -> Mailbox:
    """Raises `NotHere`."""
    mailbox = await Mailbox.get_or_none(id=number(told), user_id=visit.user.id) if number(told) is not None else None
    if mailbox is None:
        raise NotHere
    return mailbox


async def _named(visit: Visit) -> tuple[Mailbox, str]:
    mailbox = await _mine(visit, await visit.field("mailbox"))
    return mailbox, _id(await visit.field("message"))


def _id(told: str) -> str:
    if not ID.fullmatch(told):
        raise Unreadable
    return told


async def _remembered(visit: Visit, mailbox: Mailbox, id: str) -> Remembered:
    return Remembered(id, await entry_of(mailbox.id, id), await mail_of(visit.user, mailbox.id, id))


def _is_wanted(known: Remembered) -> bool:
    entry = known.entry
    return bool(entry and entry.owed_at and entry.wanted_for) and not (known.mail and known.mail.places)


async def _choosing(visit: Visit, mailbox: Mailbox, message: str, words: str) -> Choosing:
    sought = words.replace("\0", "").strip()[:LONGEST]
    found = await living(visit.user.firm_id, sought, SHOWN + 1)
    kept = (("mailbox", mailbox.id), ("message", message))
    return Choosing(
        heading="File it anyway",
        method="get",
        search=f"{HERE}/clients",
        asked=kept,
        done=f"{HERE}/filing",
        said=kept,
        target="",
        words=sought,
        found=found[:SHOWN],
        more=len(found) > SHOWN,
    )


def _address(mailbox: Mailbox, message: str, **more: object) -> str:
    return f"{HERE}?{urlencode({'mailbox': mailbox.id, 'message': message, **more})}"


async def _again(visit: Visit, mailbox: Mailbox, message: str, finding: Finding) -> Response:
    """Nothing was written down, and why."""
    return _page(visit, Form(message=message), await Mailbox.held_by(visit.user.id), mailbox, finding, 409)


def _page(visit: Visit, form: Form, mailboxes: list[Mailbox], mailbox: Mailbox | None, finding: Finding, status: int = 200) -> Response:
    interval = f"{visit.portal.settings.sweep.interval / timedelta(minutes=1):g}"
    return visit.render("why.html", status, form=form, mailboxes=mailboxes, mailbox=mailbox, finding=finding, interval=interval)
