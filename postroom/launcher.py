"""`postroom run`: every role on one machine, with embedded servers where none are set, and in demo mode the sandbox as Google."""

import asyncio
import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import typer

from postroom import local
from postroom.embedded import EmbeddedFault, Postgres, Valkey, make_home, only_launcher
from postroom.embedded.ports import free_port, http_ready, port_taken
from postroom.resources import CannotStart
from postroom.role import Command
from postroom.supervisor import MARK, Role, Step, Supervisor
from postroom.terminal import Greeting
from settings import CHECKOUT, GOOGLE, Settings, bind_address

SERVERS, ROLES = 0, 1  # layers: the sandbox is a server too, or jobs that still run during Ctrl-C would find Google gone


def launch(settings: Settings, *, sample: bool) -> int:
    """Until Ctrl-C; the exit code. `sample`: in demo mode, with the sample firm and its mails.

    Raises `CannotStart` and `EmbeddedFault` before anything runs.
    """
    home = local.home_of(settings)
    if not home.exists():
        refuse_taken_ports(settings)  # before anything is made; where there is a home, a run of ours may hold them, and the lock says so
    make_home(home)
    with only_launcher(home):
        refuse_taken_ports(settings)
        machine = Machine(settings, home, sample)
        try:
            return asyncio.run(machine.supervisor().run())
        finally:
            local.forget(home)


def refuse_taken_ports(settings: Settings) -> None:
    """Raises `CannotStart`."""
    for name in ("webhook", "portal"):
        bind = getattr(settings, name).bind
        if port_taken(bind):
            raise CannotStart(
                f"{bind} is taken by another program: stop that, or set WEBHOOK__BIND, PORTAL__BIND and APP__BASE_URL to a free address."
            )


@dataclass
class Machine:
    """One run of all roles: where its servers are, and what its processes are told."""

    settings: Settings
    home: Path
    sample: bool
    run_id: str = field(default_factory=lambda: secrets.token_hex(6))
    environment: dict[str, str] = field(default_factory=dict)  # what the roles are told over the settings
    roles: list[Role] = field(default_factory=list)
    metrics: dict[str, str] = field(default_factory=dict)  # where each role serves them
    sandbox: str = ""  # its address, in demo mode

    def __post_init__(self) -> None:
        self.environment["APP__DATA_DIR"] = str(self.home)
        if not self.settings.database.url:
            self._serve_postgres()
        if not self.settings.redis.url:
            self._serve_valkey()
        if self.settings.demo and self.settings.google.gmail_api == GOOGLE["gmail_api"]:
            self._serve_sandbox()
        self._add_roles()
        local.tell(self.home, self.run_id, self.environment, self.metrics)

    def supervisor(self) -> Supervisor:
        greeting = Greeting(self.settings, self.home, self.sandbox, sample=self.sample)
        steps = [Step("migrate", self._migrate, after=SERVERS)]
        return Supervisor(self.roles, self.run_id, steps=steps, on_up=greeting.go, say=typer.echo)

    def _serve_postgres(self) -> None:
        server = Postgres(self.home, settings={"cluster_name": f"{MARK}={self.run_id}"})
        server.prepare()
        self.environment["DATABASE__URL"] = server.url
        self._add("postgres", server.command, server.ready, layer=SERVERS, stop=server.STOP)

    def _serve_valkey(self) -> None:
        server = Valkey(self.home)
        server.prepare()
        self.environment["REDIS__URL"] = server.url
        self._add("valkey", server.command, server.ready, layer=SERVERS, stop=server.STOP)

    def _serve_sandbox(self) -> None:
        bind, google = f"127.0.0.1:{free_port()}", self.settings.google
        self.sandbox = f"http://{bind}"
        push = self.settings.push
        arguments = [
            *("--bind", bind),
            *("--data", str(self.home / "sandbox")),
            *("--push-endpoint", f"http://{self.settings.webhook.bind}/webhook/gmail"),
            *("--audience", push.audiences[0]),
            *("--service-account", push.service_accounts[0]),
            *("--client-id", google.client_id),
            *("--client-secret", google.client_secret),
            *("--project", push.project),
            *self._letters(),
        ]
        for name, path in SANDBOX.items():
            self.environment[f"GOOGLE__{name.upper()}"] = self.sandbox + path
        self.environment["PUSH__CERTS_URL"] = self.sandbox + SANDBOX["oidc_certs_url"]
        self._add("sandbox", partial(self._python, "-m", "sandbox", *arguments), http_ready(f"{self.sandbox}/sandbox/state"), layer=SERVERS)

    def _letters(self) -> list[str]:
        """Where no mail server is set, the sandbox takes the letters."""
        if self.settings.mail.smtp_host:
            return []
        port = free_port()
        self.environment |= {"MAIL__SMTP_HOST": "127.0.0.1", "MAIL__SMTP_PORT": str(port), "MAIL__SMTP_TLS": "none"}
        return ["--smtp-bind", f"127.0.0.1:{port}"]

    def _add_roles(self) -> None:
        together = self.settings.webhook.bind == self.settings.portal.bind
        roles = {"web": ["web"]} if together else {"webhook": ["webhook"], "portal": ["portal"]}
        roles |= {
            "worker-fresh": ["worker", "--queues", "fresh"],
            "worker-background": ["worker", "--queues", "background"],
            "reconcile": ["reconcile"],
        }
        host, port = bind_address(self.settings.metrics.bind)
        for number, (name, arguments) in enumerate(roles.items()):
            bind = f"{host}:{port + number if port else free_port()}"
            if port_taken(bind):
                raise CannotStart(
                    f"{bind} is taken by another program: set metrics.bind to an address with {len(roles)} free ports from it."
                )
            self.metrics[name] = bind
            command = partial(self._python, "-m", "postroom", *arguments, METRICS__BIND=bind)
            self._add(name, command, http_ready(f"http://{bind}/readyz"), layer=ROLES)

    def _add(self, name: str, command: Callable[[], Command], ready: Callable[[], bool], *, layer: int, **more: object) -> None:
        log = self.home / "logs" / f"{name}.log"
        self.roles.append(Role(name, command, ready, layer=layer, output=log, **more))  # type: ignore[arg-type]

    def _python(self, *arguments: str, **environment: str) -> Command:
        return [sys.executable, *arguments], {"env": os.environ | self.environment | environment, "cwd": CHECKOUT}

    async def _migrate(self) -> None:
        """In a process of its own, as a deployment does it."""
        argv, how = self._python("-m", "postroom", "migrate")
        process = await asyncio.create_subprocess_exec(
            *argv, **how, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await process.communicate()
        if process.returncode:
            raise EmbeddedFault(f"The database could not be migrated: {said.decode(errors='replace').strip()[-500:]}")


SANDBOX = {
    "auth_uri": "/o/oauth2/v2/auth",
    "token_uri": "/token",
    "revoke_uri": "/revoke",
    "oidc_certs_url": "/oauth2/v1/certs",
    "gmail_api": "",
}
