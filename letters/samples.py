"""Samples: a letter of each kind and of each way in which it may turn, about nobody who exists. To look at, and to try words with."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from letters.compose import compose
from letters.lapses import LAPSES
from letters.words import OURS, Broken
from models.outbox import Absent, Letter
from settings import Settings

NOW = datetime(2026, 3, 17, 9, 14, tzinfo=UTC)
SINCE = datetime(2026, 3, 3, 9, 12, tzinfo=UTC)
LINK = "https://postroom.example/sign-in/sample-link-that-opens-nothing"
LAPSE = Letter(
    id=1,
    kind="lapse",
    message_id="sample",
    user_id=1,
    email="sam@sample.test",
    name="Sam Sample",
    firm="Sample & Co",
    address="sam@sample.test",
    holder="Sam Sample",
    because="invalid_grant",
    since=SINCE,
    until=None,
    day=0,
    by="",
    count=0,
    admins=("Robin Sample", "Kim Placeholder"),
    absent=(),
    tries=1,
)
ABSENT = (
    Absent("Sam Sample", "sam@sample.test", SINCE, "invalid_grant"),
    Absent("Alex Placeholder", "alex@sample.test", SINCE + timedelta(days=3), "admin_policy"),
)


def samples(settings: Settings) -> dict[str, Letter]:
    """By name: the kind first, then what is special about it."""
    last = max(settings.sweep.notice_days, default=14)
    to_admin = replace(LAPSE, email="robin@sample.test", name="Robin Sample", admins=("Kim Placeholder",))
    reminder = replace(LAPSE, kind="reminder", day=-1)
    back = replace(LAPSE, kind="caught_up", because="", until=NOW)
    invitation = replace(LAPSE, kind="invitation", address="", holder="", because="", since=None, by="Robin Sample")
    digest = replace(to_admin, kind="digest", address="", holder="", because="", since=None, absent=ABSENT)
    return {
        "lapse": LAPSE,
        **{f"lapse-{because}": replace(LAPSE, because=because) for because in LAPSES if because},
        "lapse-nobody-to-ask": replace(LAPSE, admins=()),
        "reminder": reminder,
        "reminder-last": replace(reminder, day=last),
        "account": replace(to_admin, kind="account", because="account_disabled"),
        "account-no_mail_service": replace(to_admin, kind="account", because="no_mail_service"),
        "disconnected": replace(LAPSE, kind="disconnected", because="", by="Robin Sample"),
        "caught_up": replace(back, count=12),
        "caught_up-one": replace(back, count=1),
        "caught_up-nothing": back,
        "invitation": invitation,
        "invitation-by-nobody": replace(invitation, by=""),
        "sign_in": replace(invitation, kind="sign_in", by="/settings/email-sync"),
        "digest": digest,
        "digest-one": replace(digest, absent=ABSENT[:1]),
    }


def preview(folder: Path, settings: Settings) -> list[Path]:
    """Writes NAME.html and NAME.txt for every sample, with the words that are in use. Raises `Broken` like `check`."""
    check(settings)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, letter in samples(settings).items():
        message = compose(letter, settings, NOW, link=LINK if letter.kind == "sign_in" else "")
        text, html = (part.get_content() for part in message.iter_parts())
        for path, content in ((folder / f"{name}.html", html), (folder / f"{name}.txt", f"Subject: {message['Subject']}\n\n{text}")):
            path.write_text(content)
            written.append(path)
    return written


def check(settings: Settings) -> None:
    """Tries every template before a letter is due. Raises `Broken`, which names file and line."""
    for letter in samples(settings).values():
        compose(letter, settings, NOW, link=LINK if letter.kind == "sign_in" else "")
    if settings.mail.templates:
        _check_names(Path(settings.mail.templates))


def _check_names(folder: Path) -> None:
    """A misspelt name would leave our words in use; a part that another file names is none."""
    ours = {path.name for path in OURS.iterdir()}
    own = {path.name: path.read_text() for path in sorted(folder.iterdir()) if path.suffix in (".txt", ".html")}
    for name in own:
        if name not in ours and not any(name in text for other, text in own.items() if other != name):
            raise Broken(str(folder / name), 1, f"no letter has this name; they are {', '.join(sorted(ours))}")
