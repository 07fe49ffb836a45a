"""What can keep an embedded server from running; each says it to the operator in one sentence.

EmbeddedFault
├── AlreadyRunning(home)         another launcher has this data folder: stop it, or use another folder
├── NoAccount()                  root, and nobody to run PostgreSQL as: create a user
├── Closed(home, account)        the account that runs PostgreSQL cannot enter the data folder: use another
├── BinariesMissing(package)     the wheel carries nothing for this machine: give a server by URL
├── PasswordLost(path)           there is data but no password to it: restore the file
└── InitdbFailed(output)         initdb's own words say why
"""

from pathlib import Path


class EmbeddedFault(Exception):
    """An embedded server cannot run."""


class AlreadyRunning(EmbeddedFault):
    def __init__(self, home: Path) -> None:
        super().__init__(
            f"Postroom is already running in {home}: stop it there with Ctrl-C, or give this one a folder of its own (APP__DATA_DIR)."
        )
        self.home = home


class NoAccount(EmbeddedFault):
    def __init__(self) -> None:
        super().__init__("PostgreSQL does not run as root, and there is no user for it: create one named postroom.")


class Closed(EmbeddedFault):
    def __init__(self, home: Path, account: str) -> None:
        super().__init__(f"PostgreSQL runs as {account}, who cannot enter {home}: choose another data folder.")
        self.home = home


class BinariesMissing(EmbeddedFault):
    def __init__(self, package: str) -> None:
        super().__init__(f"{package} carries no binaries for this machine: give the URL of a server instead.")


class PasswordLost(EmbeddedFault):
    def __init__(self, path: Path) -> None:
        super().__init__(f"There is a database but no password to it: {path} is missing.")
        self.path = path


class InitdbFailed(EmbeddedFault):
    def __init__(self, output: str) -> None:
        super().__init__(f"PostgreSQL's initdb failed: {output.strip()}")
