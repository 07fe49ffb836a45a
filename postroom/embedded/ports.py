"""Ports of this machine: free ones, taken ones, and whether somebody listens or says that it is ready."""

import errno
import random
import socket
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

# Below the range from which kernels take ports for outgoing connections: one of those could sit on a server's port while it restarts.
PORTS = range(20_000, 32_768)

_chance = random.SystemRandom()
_given: set[int] = set()  # asked for twice before the first is in use, the same one would do for both


def free_port(chance: random.Random = _chance) -> int:
    """A port on 127.0.0.1 that nobody uses, and that this process has not named before."""
    while True:
        port = chance.choice(PORTS)
        if port not in _given and not port_taken(f"127.0.0.1:{port}"):
            _given.add(port)
            return port


def port_taken(bind: str) -> bool:
    """Whether `host:port` is somebody's already; port 0 never is. Raises OSError if the host is no address of this machine."""
    host, _, port = bind.rpartition(":")
    family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: closed connections that linger are no hindrance
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
            raise
    return False


def listening(host: str, port: int) -> Callable[[], bool]:
    """A question for a role's readiness: does anybody accept connections there?"""

    def ask() -> bool:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            return False
        return True

    return ask


def http_ready(url: str) -> Callable[[], bool]:
    """A question for a role's readiness: does `url` (http, loopback) answer 200? No proxy of the environment is asked."""
    parts = urlsplit(url)

    def ask() -> bool:
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=2)
        try:
            connection.request("GET", parts.path or "/")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    return ask
