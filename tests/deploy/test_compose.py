"""docker-compose.yml says how Postroom runs in production: here each of its roles is started by the file's own command and environment."""

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from time import monotonic, sleep

import pytest
import yaml

from postroom.embedded.ports import free_port, http_ready

CHECKOUT = Path(__file__).parent.parent.parent
COMPOSE = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())
ROLES = {"webhook", "portal", "worker-fresh", "worker-background", "reconcile"}
VALUES = {
    "APP__SECRET_KEYS": '["a-sample-key-for-this-test-0123456789abcdef"]',
    "GOOGLE__CLIENT_ID": "client.example.com",
    "GOOGLE__CLIENT_SECRET": "a-sample-secret",
    "PUSH__AUDIENCES": '["https://mail.example.com/webhook/gmail"]',
    "PUSH__SERVICE_ACCOUNTS": '["push@project.iam.example.com"]',
    "PUSH__PROJECT": "project",
    "MAIL__SMTP_HOST": "mail.example.com",
    "MAIL__SENDER": "Postroom <postroom@example.com>",
    "POSTGRES_PASSWORD": "sample",
}


def filled(text: str) -> str:
    """As compose fills `${NAME:-default}` and `${NAME:?why}`."""
    return re.sub(r"\$\{(\w+)(?::[-?]([^}]*))?\}", lambda found: VALUES.get(found[1], found[2] or ""), text)


def test_the_file_brings_up_exactly_the_roles_and_what_they_stand_on():
    services = {name for name, service in COMPOSE["services"].items() if not service.get("profiles")}
    assert services == ROLES | {"migrate", "postgres", "redis"}


def test_redis_keeps_what_it_is_given():
    command = COMPOSE["services"]["redis"]["command"]
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
    assert command[command.index("--appendonly") + 1] == "yes"


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("name", sorted(ROLES))
def test_each_role_becomes_ready_by_its_own_command_and_stops_when_told(name, postgres, valkey_server):
    service = COMPOSE["services"][name]
    bind = f"127.0.0.1:{free_port()}"
    environment = {key: filled(value) for key, value in service["environment"].items()} | {
        "DATABASE__URL": postgres.url,
        "REDIS__URL": valkey_server.url,
        "METRICS__BIND": bind,
        "WEBHOOK__BIND": f"127.0.0.1:{free_port()}",
        "PORTAL__BIND": f"127.0.0.1:{free_port()}",
    }
    kept = {key: value for key, value in os.environ.items() if "__" not in key}
    argv = [sys.executable, "-m", "postroom", *service["command"]]
    with subprocess.Popen(argv, cwd=CHECKOUT, env=kept | environment, stderr=subprocess.PIPE) as process:
        try:
            until, ready = monotonic() + 30, http_ready(f"http://{bind}/readyz")
            while not ready() and process.poll() is None and monotonic() < until:
                sleep(0.05)
            assert ready(), process.poll()
            with urllib.request.urlopen(f"http://{bind}/metrics") as answer:
                assert b"postroom_pushes_total" in answer.read()
        finally:
            process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=30)[1]
    assert process.returncode in (0, -signal.SIGTERM), said.decode()  # uvicorn raises the signal again once it has stopped


def test_every_role_is_told_the_same_and_nothing_that_settings_do_not_know():
    shared = COMPOSE["x-postroom"]["environment"]
    for name in ROLES | {"migrate"}:
        assert COMPOSE["services"][name]["environment"] == shared
    known = set(re.findall(r"^(\w+) = ", (CHECKOUT / "settings.toml").read_text(), re.M))
    assert {key.split("__")[1].lower() for key in shared} <= known
