"""The console: a plain page for people to send a mail into a mailbox, see what is pushed, and break things."""

from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, formataddr, make_msgid
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox import control
from sandbox.answers import settled, world_of
from sandbox.clock import iso
from sandbox.faults import KINDS
from sandbox.pages import page
from sandbox.push import Pusher
from sandbox.reading import PLACE, some_letters
from sandbox.refusals import Misused
from sandbox.world import World

LATEST = 20


def routes() -> list[Route]:
    return [
        Route("/", settled(show)),
        Route(PLACE, settled(show)),
        Route(f"{PLACE}/accounts", settled(add_account), methods=["POST"]),
        Route(f"{PLACE}/mail", settled(send_mail), methods=["POST"]),
        Route(f"{PLACE}/faults", settled(set_fault), methods=["POST"]),
        Route(f"{PLACE}/grants", settled(revoke), methods=["POST"]),
    ]


async def show(request: Request) -> Response:
    world = world_of(request)
    told = {
        "accounts": [_summary(world, mailbox.account.sub) for mailbox in world.mailboxes.values()],
        "letters": some_letters(world, LATEST),
        "smtp": request.app.state.catcher.address,
        "pushes": list(world.pushes.values())[: -LATEST - 1 : -1],
        "calls": list(world.calls.latest)[: -LATEST - 1 : -1],
        "faults": world.faults.all(),
        "kinds": KINDS,
        "now": iso(world.now()),
        "endpoint": world.subscription.endpoint,
        "place": PLACE,
        "iso": iso,
    }
    return page(request, "console.html", told)


def _summary(world: World, sub: str) -> dict[str, object]:
    mailbox = world.mailboxes[sub]
    newest = mailbox.newest_first()
    watch = mailbox.account.watch
    return {
        "address": mailbox.account.address,
        "name": mailbox.account.name,
        "mails": len(newest),
        "newest": newest[0].subject if newest else "",
        "watched_until": iso(watch.expires_at) if watch else "",
        "connected": sub in world.grants,
    }


async def add_account(request: Request) -> Response:
    form = await _form(request)
    if "@" not in form.get("address", ""):
        raise Misused(400, "an address is needed")
    world_of(request).add_account(form["address"], form.get("name", ""), [])
    return _back()


async def send_mail(request: Request) -> Response:
    """Writes the mail as it would arrive: with the headers that Gmail puts on top."""
    world, form = world_of(request), await _form(request)
    mailbox = world.account(form.get("mailbox", ""))
    raw = letter(mailbox.account.address, form, datetime.fromtimestamp(world.now() / 1000, UTC))
    labels = [label for label in form.get("labels", "INBOX,UNREAD").split(",") if label]
    mailbox.deliver(world.mail(raw), labels, world.now())
    return _back()


def letter(mailbox: str, form: dict[str, str], now: datetime) -> bytes:
    mail = EmailMessage()
    sender = form.get("sender", "").strip() or "someone@example.com"
    domain = sender.rpartition("@")[2]
    date = format_datetime(now)
    mail["Delivered-To"] = mailbox
    mail["Received"] = f"by 2002:a05:6402:1:: with SMTP id sandbox; {date}"
    mail["Authentication-Results"] = f"mx.google.com; spf=pass smtp.mailfrom={domain}; dmarc=pass (p=NONE) header.from={domain}"
    mail["Message-ID"] = make_msgid(domain="mail.example.com")
    mail["Date"] = date
    mail["From"] = formataddr((form.get("name", ""), sender))
    mail["To"] = form.get("to", "").strip() or mailbox
    mail["Subject"] = form.get("subject", "")
    mail.set_content(form.get("text", ""))
    return mail.as_bytes()


async def set_fault(request: Request) -> Response:
    world, form = world_of(request), await _form(request)
    if "clear" in form:
        world.faults.clear()
        pusher: Pusher = request.app.state.pusher
        pusher.release()
        return _back()
    control.set_fault(world, _typed(form))
    return _back()


def _typed(form: dict[str, str]) -> dict[str, object]:
    """A form's texts as the types that the fault's parameters have."""
    shapes = KINDS.get(form.get("kind", ""), {}) | {"count": int}
    told: dict[str, object] = {}
    for name, value in form.items():
        if not value:
            continue
        wanted = shapes.get(name, str)
        try:
            told[name] = value if wanted is str else int(value) if wanted is int else float(value)
        except ValueError:
            raise Misused(400, f"{name}: a number is expected") from None
    return told


async def revoke(request: Request) -> Response:
    world, form = world_of(request), await _form(request)
    world.end_grant(world.account(form.get("mailbox", "")).account.sub)
    return _back()


def _back() -> Response:
    return RedirectResponse(PLACE, 303)


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode(errors="replace")))
