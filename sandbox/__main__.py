"""`python -m sandbox`: the simulated Google on one address. Prints one line when it listens; ends on SIGTERM and SIGINT."""

import argparse
import signal
import socket
import sqlite3
from pathlib import Path

import uvicorn

from sandbox.app import create
from sandbox.settings import Settings

GRACE = 1  # seconds for answers under way


class Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, smtp: str) -> None:
        super().__init__(config)
        self._smtp = smtp

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if sockets and self.started:
            host, port = sockets[0].getsockname()[:2]
            print(f"sandbox ready on http://{host}:{port}{f', smtp on {self._smtp}' if self._smtp else ''}", flush=True)


def main(arguments: list[str] | None = None) -> None:
    told = vars(_parser().parse_args(arguments))
    bind, smtp_bind = told.pop("bind"), told.pop("smtp_bind")
    told["push_backoff"] = tuple(told["push_backoff"])
    told["latency"] = told.pop("latency_ms") / 1000
    try:
        listening = _listening(bind)
        app = create(Settings(**told), _listening(smtp_bind) if smtp_bind else None)
    except (OSError, sqlite3.OperationalError) as problem:
        places = f"{bind} and {smtp_bind}" if smtp_bind else bind
        raise SystemExit(f"sandbox: cannot start at {places} with {told['data']}: {problem}") from None
    # an answer's Date is the sandbox's own
    config = uvicorn.Config(app, log_config=None, access_log=False, date_header=False, timeout_graceful_shutdown=GRACE)
    for ending in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again once it has stopped, which would make a clean end look like a crash
        signal.signal(ending, lambda *_: None)
    Server(config, app.state.catcher.address).run(sockets=[listening])


def _listening(bind: str) -> socket.socket:
    """Raises OSError."""
    host, _, port = bind.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host.strip("[]"), int(port)), family=family, backlog=1024)


def _parser() -> argparse.ArgumentParser:
    usual = Settings(Path())
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("--bind", default="127.0.0.1:8085", help="HOST:PORT; port 0 is any free one")
    add("--smtp-bind", default="", help="HOST:PORT that takes letters by SMTP; empty: none")
    add("--data", type=Path, default=Path("data/sandbox"), help="folder of the state and the signing keys")
    add("--push-endpoint", default=usual.push_endpoint, help="where pushes go; empty: nowhere")
    add("--audience", dest="push_audience", default=usual.push_audience, help="of the tokens that come with pushes; empty: the endpoint")
    add("--service-account", default=usual.service_account, help="whose tokens come with pushes")
    add("--client-id", default=usual.client_id, help="of the one OAuth client")
    add("--client-secret", default=usual.client_secret, help="of the one OAuth client")
    add("--project", default=usual.project, help="of the OAuth client; a watch must name a topic of it")
    add("--seed", type=int, default=usual.seed, help="decides ids and gaps")
    add("--user-units", type=int, default=usual.user_units, help="quota of a mailbox per minute; 0: none")
    add("--project-units", type=int, default=usual.project_units, help="quota of the project per minute; 0: none")
    add(
        "--push-interval",
        type=float,
        default=usual.push_interval,
        help="seconds between two pushes of a mailbox",
    )
    waits = ("FIRST", "LONGEST")
    add("--push-backoff", type=float, nargs=2, default=usual.push_backoff, metavar=waits, help="seconds until a refused push is sent again")
    add("--push-deadline", type=float, default=usual.push_deadline, help="seconds that an endpoint has to acknowledge")
    add("--latency-ms", type=float, default=usual.latency * 1000, help="added to every call of Gmail's API")
    return parser


if __name__ == "__main__":
    main()
