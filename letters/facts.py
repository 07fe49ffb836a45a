"""Facts: what the words of a letter may name, each a text that is ready to be read. Pure."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from letters.lapses import LAPSES
from models.notices import Kind
from models.outbox import Letter
from settings import Settings

PAGES: dict[Kind, str] = {  # where the button leads: never a secret, save that of a sign-in
    "lapse": "/settings/email-sync",
    "reminder": "/settings/email-sync",
    "account": "/settings/integrations",
    "disconnected": "/settings/email-sync",
    "caught_up": "/settings/email-sync",
    "invitation": "/sign-in?next=/settings/email-sync",
    "digest": "/settings/integrations",
}
Facts = dict[str, Any]


def facts(letter: Letter, settings: Settings, now: datetime, link: str = "") -> Facts:
    """All of them, for every kind; docs/letters.md explains each. `link`: of a sign-in, whose letter is nothing without it."""
    base = settings.app.base_url.rstrip("/")
    lapse = LAPSES[letter.because or None]
    return {
        "kind": letter.kind,
        "firm": letter.firm,
        "name": letter.name,
        "email": letter.email,
        "address": letter.address,
        "holder": letter.holder,
        "because": letter.because,
        "why": lapse.why,
        "to_do": lapse.to_do,
        "since": moment(letter.since),
        "until": moment(letter.until),
        "days": (now - letter.since).days if letter.since else 0,
        "last": letter.kind == "reminder" and letter.day >= max(settings.sweep.notice_days, default=0),
        "by": "" if letter.kind == "sign_in" else letter.by,
        "count": letter.count,
        "admins": either(letter.admins[:3]),
        "absent": [{**asdict(one), "since": moment(one.since), "why": LAPSES[one.because or None].in_short} for one in letter.absent],
        "link": link or base + PAGES[letter.kind],
        "host": urlsplit(base).netloc + urlsplit(base).path,
        "valid_for": lasting(settings.portal.sign_in_link_minutes),
    }


def moment(at: datetime | None) -> str:
    """`Tuesday, 3 March 2026, 09:12 UTC`; nothing for none"""
    return f"{at.astimezone(UTC):%A, {at.astimezone(UTC).day} %B %Y, %H:%M} UTC" if at else ""


def either(names: tuple[str, ...]) -> str:
    """`Robin` · `Robin or Kim` · `Robin, Kim or Pat`"""
    return " or ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def lasting(minutes: float) -> str:
    """`30 minutes` · `2 hours`"""
    if minutes >= 120 and minutes % 60 == 0:
        return f"{minutes / 60:g} hours"
    return "1 minute" if minutes == 1 else f"{minutes:g} minutes"
