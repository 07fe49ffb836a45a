"""How a moment is shown: relative within the hour, the time on the same day, then the date. All in the reader's zone, which pages
name. Pure."""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

UNIVERSAL = ZoneInfo("UTC")


@cache
def zones() -> tuple[str, ...]:
    """What people choose from, in order: a place each, as the IANA database names it; and UTC."""
    areas = ("Africa/", "America/", "Antarctica/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
    return ("UTC", *sorted(zone for zone in available_timezones() if zone.startswith(areas)))


def zone_of(*told: str | None) -> ZoneInfo:
    """The first of these names that is a zone's; else UTC."""
    return next((ZoneInfo(name) for name in told if name in zones()), UNIVERSAL)


def short(moment: datetime, now: datetime, zone: ZoneInfo) -> str:
    """`just now` · `12 min ago` · `10:42` · `Tue 10:42` · `3 Mar` · `3 Mar 2025`"""
    age = now.astimezone(UTC) - moment.astimezone(UTC)
    moment, now = moment.astimezone(zone), now.astimezone(zone)
    if timedelta(0) <= age < timedelta(hours=1):
        minutes = age // timedelta(minutes=1)
        return f"{minutes} min ago" if minutes else "just now"
    if moment.date() == now.date():
        return f"{moment:%H:%M}"
    if timedelta(0) < now.date() - moment.date() < timedelta(days=6):
        return f"{moment:%a %H:%M}"
    return f"{moment.day} {moment:%b}" if moment.year == now.year else f"{moment.day} {moment:%b %Y}"


def full(moment: datetime, zone: ZoneInfo) -> str:
    """`Tuesday, 3 March 2026, 09:12 CET`"""
    moment = moment.astimezone(zone)
    return f"{moment:%A}, {moment.day} {moment:%B %Y, %H:%M %Z}"


def span(since: datetime, until: datetime, zone: ZoneInfo) -> str:
    """`Tuesday, 3 March 2026, 09:12 to 10:40 CET`, or two days and times."""
    begins, ends = since.astimezone(zone), until.astimezone(zone)
    if begins.date() == ends.date() and begins.utcoffset() == ends.utcoffset():
        return f"{begins:%A}, {begins.day} {begins:%B %Y, %H:%M} to {ends:%H:%M %Z}"
    return f"{full(since, zone)} to {full(until, zone)}"


def hour(moment: datetime, zone: ZoneInfo) -> str:
    """`09:12`"""
    return f"{moment.astimezone(zone):%H:%M}"


def clock(moment: datetime, zone: ZoneInfo) -> str:
    """`09:12:30`"""
    return f"{moment.astimezone(zone):%H:%M:%S}"


def day(moment: datetime, zone: ZoneInfo) -> str:
    """`3 March 2026`"""
    moment = moment.astimezone(zone)
    return f"{moment.day} {moment:%B %Y}"
