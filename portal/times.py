"""How a moment is shown: relative within the hour, the time on the same day, then the date. All in UTC, which every page says. Pure."""

from datetime import UTC, datetime, timedelta


def short(moment: datetime, now: datetime) -> str:
    """`just now` · `12 min ago` · `10:42` · `Tue 10:42` · `3 Mar` · `3 Mar 2025`"""
    moment, now = moment.astimezone(UTC), now.astimezone(UTC)
    age = now - moment
    if timedelta(0) <= age < timedelta(hours=1):
        minutes = age // timedelta(minutes=1)
        return f"{minutes} min ago" if minutes else "just now"
    if moment.date() == now.date():
        return f"{moment:%H:%M}"
    if timedelta(0) < now.date() - moment.date() < timedelta(days=6):
        return f"{moment:%a %H:%M}"
    return f"{moment.day} {moment:%b}" if moment.year == now.year else f"{moment.day} {moment:%b %Y}"


def full(moment: datetime) -> str:
    """`Tuesday, 3 March 2026, 09:12 UTC`"""
    moment = moment.astimezone(UTC)
    return f"{moment:%A}, {moment.day} {moment:%B %Y, %H:%M} UTC"


def span(since: datetime, until: datetime) -> str:
    """`Tuesday, 3 March 2026, 09:12 to 10:40 UTC`, or two days and times."""
    since, until = since.astimezone(UTC), until.astimezone(UTC)
    if since.date() == until.date():
        return f"{full(since).removesuffix(' UTC')} to {until:%H:%M} UTC"
    return f"{full(since)} to {full(until)}"


def hour(moment: datetime) -> str:
    """`09:12`"""
    return f"{moment.astimezone(UTC):%H:%M}"


def clock(moment: datetime) -> str:
    """`09:12:30`"""
    return f"{moment.astimezone(UTC):%H:%M:%S}"


def day(moment: datetime) -> str:
    """`3 March 2026`"""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {moment:%B %Y}"
