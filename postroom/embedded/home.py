"""The data folder: where it may be, and the private files in it. No permission of a folder that was there before is ever changed."""

import hashlib
import os
import secrets
from pathlib import Path

from postroom.embedded.account import account_for, can_enter

SYSTEM_WIDE = Path("/var/lib/postroom")


def default_home(wanted: Path) -> Path:
    """`wanted`; or, where root wants it below a folder that PostgreSQL's account cannot enter, a folder in /var/lib that stands for it."""
    wanted = wanted.absolute()
    account = account_for(wanted / "postgres")
    nearest = next(folder for folder in (wanted, *wanted.parents) if folder.exists())
    if account is None or can_enter(nearest, account):
        return wanted
    return SYSTEM_WIDE / hashlib.sha256(bytes(wanted.resolve())).hexdigest()[:12]


def make_home(home: Path) -> None:
    """Makes the folder and what is missing above it, enterable by everybody whatever the umask. Safe to run twice."""
    missing = [folder for folder in (home, *home.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)


def keep_secret(path: Path) -> str:
    """The secret that is kept in `path`, for our eyes only; made when first asked for."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24))
    return path.read_text()


def write_private(path: Path, text: str) -> None:
    """Writes a file of mode 0600, all of it or nothing."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
