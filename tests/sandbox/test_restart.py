"""What the sandbox remembers when it is stopped or killed."""

import contextlib
import http.client
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests

from tests.sandbox.endpoint import Endpoint
from tests.sandbox.person import Person, a_mail, closed_port, refresh
from tests.sandbox_server import CHECKOUT, SandboxServer


@pytest.fixture
def nowhere() -> str:
    return f"http://127.0.0.1:{closed_port()}/"


def test_a_killed_sandbox_comes_back_with_everything(tmp_path: Path, nowhere: str) -> None:
    with SandboxServer(tmp_path, nowhere) as google, Person(google) as anna:
        google.clock(1000)
        start = anna.head()
        kept, gone = anna.mail()["id"], anna.mail()["id"]
        google.labels(anna.address, kept, add=("Clients",))
        google.delete(anna.address, gone)
        anna.watch()
        google.fault("message_broken", id=gone)
        google.consent(anna.address, scopes=["email"])
        before, message, records = google.state(), anna.get(kept), list(anna.records(start))
        google.kill()
        google.restart()
        after = google.state()
        assert after["accounts"] == before["accounts"]
        assert after["faults"] == before["faults"]
        assert [push["messageId"] for push in after["pushes"]] == [push["messageId"] for push in before["pushes"]]
        assert 0 <= after["now"] - before["now"] < 60_000
        assert anna.get(kept) == message
        assert list(anna.records(start)) == records
        assert refresh(google, anna.tokens["refresh_token"]).status_code == 200


def test_what_was_acknowledged_before_a_kill_in_the_middle_is_there(tmp_path: Path) -> None:
    with SandboxServer(tmp_path) as google:
        google.account("anna@firm.test")
        acknowledged: list[dict[str, str]] = []

        def deliver() -> None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                while True:
                    acknowledged.append(google.mail("anna@firm.test", a_mail()))

        threads = [threading.Thread(target=deliver) for _ in range(3)]
        for thread in threads:
            thread.start()
        while len(acknowledged) < 50:
            threads[0].join(0.005)
        google.kill()
        for thread in threads:
            thread.join()
        google.restart()
        account = google.state()["accounts"]["anna@firm.test"]
        kept = {message["id"]: message["historyId"] for message in account["messages"]}
        assert {where["id"]: where["historyId"] for where in acknowledged}.items() <= kept.items()
        assert account["historyId"] == max(kept.values(), key=int)


def test_ids_go_on_after_a_restart_as_they_would_have_without(tmp_path: Path) -> None:
    def tale(folder: Path, restart: bool) -> list[str]:
        with SandboxServer(folder) as google:
            google.account("anna@firm.test")
            first = google.mail("anna@firm.test", a_mail())
            if restart:
                google.restart()
            return [first["id"], google.mail("anna@firm.test", a_mail())["id"]]

    assert tale(tmp_path / "a", restart=True) == tale(tmp_path / "b", restart=False)


def test_a_push_that_nobody_took_is_sent_after_the_restart(tmp_path: Path, nowhere: str, endpoint: Endpoint) -> None:
    with SandboxServer(tmp_path, "") as google:
        google.account("anna@firm.test")
        google.post("subscription", endpoint=nowhere)
        sent = google.post("push", mailbox="anna@firm.test")
        google.kill()
        google.restart()
        google.post("subscription", endpoint=endpoint.url)
        assert endpoint.wait_for(1)[0].id == sent["messageId"]


def test_the_signing_keys_stay_the_same(tmp_path: Path) -> None:
    with SandboxServer(tmp_path) as google:
        before = requests.get(f"{google.url}/oauth2/v1/certs", timeout=5).json().keys()
        google.restart()
        assert requests.get(f"{google.url}/oauth2/v1/certs", timeout=5).json().keys() == before


def test_a_second_sandbox_does_not_touch_the_folder_of_the_first(tmp_path: Path) -> None:
    with SandboxServer(tmp_path / "a"):
        argv = [sys.executable, "-m", "sandbox", "--bind", "127.0.0.1:0", "--data", str(tmp_path / "a")]
        second = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 1
    assert second.stderr.startswith("sandbox: cannot start")
    assert second.stdout == ""


def test_it_ends_cleanly_when_it_is_asked_to(tmp_path: Path) -> None:
    google = SandboxServer(tmp_path)
    assert google.stop() == 0
