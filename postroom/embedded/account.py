"""As whom PostgreSQL runs: it refuses root, so root starts it as somebody else."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postroom.embedded.faults import NoAccount

# `nobody` exists everywhere; a machine that minds sharing that account creates a user of its own.
NAMES = ("postroom", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """Another user than ourselves."""

    name: str
    uid: int
    gid: int


def account_for(data: Path) -> Account | None:
    """Whom to run PostgreSQL as; None is ourselves. Data that exists stays with its owner. Raises NoAccount."""
    if os.geteuid() != 0:
        return None
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return Account(f"user {owner.st_uid}", owner.st_uid, owner.st_gid)
    for name in NAMES:
        try:
            entry = pwd.getpwnam(name)  # initdb insists on an entry
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise NoAccount


def dropped(account: Account | None) -> dict[str, Any]:
    """Popen arguments that run a program as `account`, in a folder that everybody can enter."""
    if account is None:
        return {"cwd": "/"}
    return {"cwd": "/", "user": account.uid, "group": account.gid, "extra_groups": []}


def can_enter(folder: Path, account: Account | None) -> bool:
    """Asked of the kernel, by really trying as that user: modes alone do not tell (access lists, mounts)."""
    if account is None:
        return os.access(folder, os.X_OK)
    return subprocess.call(["/bin/sh", "-c", 'test -x "$1"', "sh", folder], **dropped(account)) == 0  # noqa: S603


def can_run(binary: Path, account: Account | None) -> bool:
    """Whether `account` can start `binary` with all the libraries that it needs."""
    try:
        done = subprocess.run([binary, "--version"], capture_output=True, check=False, **dropped(account))  # noqa: S603
    except OSError:
        return False
    return done.returncode == 0


def give(path: Path, account: Account | None) -> None:
    """Makes `account` the owner of a file or folder of ours."""
    if account is not None:
        os.chown(path, account.uid, account.gid)
