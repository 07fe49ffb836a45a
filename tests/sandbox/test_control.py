"""The control API, the console, and the application run inside another process."""

import asyncio
import socket
from pathlib import Path

import aiohttp
import pytest
import requests
import uvicorn

from sandbox.app import create
from sandbox.settings import Settings
from tests.sandbox.person import Person, a_mail, refresh
from tests.sandbox_server import SandboxServer


def test_an_account_is_made_once_and_changed_by_the_second_call(google: SandboxServer) -> None:
    made = google.account("Anna@firm.test", "Anna", aliases=["info@firm.test"])
    again = google.account("anna@FIRM.test", "Anna Sample")
    assert again == {**made, "name": "Anna Sample", "aliases": []}
    assert list(google.state()["accounts"]) == ["Anna@firm.test"]


def test_a_mail_may_be_any_bytes_and_bear_any_labels_and_date(google: SandboxServer) -> None:
    google.account("anna@firm.test")
    where = google.mail("anna@firm.test", bytes(range(256)), labels="SENT,Clients", internal_date=1_600_000_000_123)
    assert where.keys() == {"id", "threadId", "historyId"}
    (message,) = google.state()["accounts"]["anna@firm.test"]["messages"]
    assert message == {**where, "labelIds": ["SENT", "Label_1"], "internalDate": "1600000000123"}


async def test_the_control_api_can_be_awaited(google: SandboxServer) -> None:
    await google.aio.account("anna@firm.test", "Anna")
    id = (await google.aio.mail("anna@firm.test", a_mail()))["id"]
    await google.aio.labels("anna@firm.test", id, add=("TRASH",))
    assert (await google.aio.state("anna@firm.test"))["accounts"]["anna@firm.test"]["messages"][0]["labelIds"][-1] == "TRASH"
    draft = await google.aio.draft("anna@firm.test", a_mail())
    await google.aio.send_draft("anna@firm.test", draft["draft"])
    await google.aio.delete("anna@firm.test", id)
    await google.aio.fault("certs_down")
    assert await google.aio.clear_faults() == {"cleared": 1}
    assert await google.aio.revoke("anna@firm.test") == {"revoked": False}
    await google.aio.consent("anna@firm.test")
    assert (await google.aio.clock(5))["ahead_s"] == 5
    assert await google.aio.post("reset", seed=3) == {"seed": 3}


@pytest.mark.parametrize(
    ("verb", "path", "body", "code"),
    [
        ("POST", "mail?mailbox=nobody@firm.test", b"x", 404),
        ("POST", "mail?mailbox=anna@firm.test&internal_date=soon", b"x", 400),
        ("DELETE", "mail/anna@firm.test/123", None, 404),
        ("POST", "labels", b'{"mailbox": "anna@firm.test", "id": "123"}', 404),
        ("POST", "labels", b"[]", 400),
        ("POST", "accounts", b"{", 400),
        ("POST", "accounts", b'{"address": "anna"}', 400),
        ("POST", "accounts", b'{"name": "Anna"}', 400),
        ("POST", "accounts", b'{"address": "a@b.test", "colour": "red"}', 400),
        ("POST", "accounts/rename", b'{"mailbox": "anna@firm.test", "to": "anna@firm.test"}', 409),
        ("POST", "clock", b'{"advance_s": "long"}', 400),
        ("POST", "drafts?mailbox=anna@firm.test&draft=r1", b"x", 404),
        ("POST", "drafts/anna@firm.test/r1/send", b"", 404),
        ("POST", "drafts/anna@firm.test/r1/send", b'{"same_id": 1}', 400),
        ("POST", "drafts/anna@firm.test/r1/schedule", b"", 404),
        ("POST", "push", b'{"mailbox": "anna@firm.test", "historyId": "latest"}', 400),
    ],
)
def test_a_wrong_order_is_refused_with_its_reason(google: SandboxServer, verb: str, path: str, body: bytes | None, code: int) -> None:
    google.account("anna@firm.test")
    answer = requests.request(verb, f"{google.url}/sandbox/{path}", data=body, timeout=5)
    assert answer.status_code == code
    assert answer.json()["error"]


def test_a_reset_forgets_everything_but_the_keys(google: SandboxServer) -> None:
    with Person(google) as anna:
        anna.mail()
        google.fault("certs_down")
        keys = google.post("keys")["kid"]
        google.post("reset", seed=9)
        state = google.state()
        assert (state["seed"], state["accounts"], state["pushes"], state["faults"], state["calls"]) == (9, {}, [], [], [])
        assert keys in requests.get(f"{google.url}/oauth2/v1/certs", timeout=5).json()


def test_the_console_sends_a_mail_that_looks_delivered(google: SandboxServer) -> None:
    with Person(google) as anna:
        form = {"mailbox": anna.address, "sender": "carl@client.test", "name": "Carl, Client", "subject": "Grüße", "text": "Hello"}
        shown = requests.post(f"{google.url}/sandbox/console/mail", form, timeout=5)
        assert (shown.status_code, "Grüße" in shown.text) == (200, True)
        message = anna.get(anna.found()[0], format="metadata")
        headers = {header["name"]: header["value"] for header in message["payload"]["headers"]}
        assert headers["From"] == '"Carl, Client" <carl@client.test>'
        assert headers["Delivered-To"] == anna.address
        assert "dmarc=pass" in headers["Authentication-Results"]


def test_the_console_makes_accounts_sets_faults_and_revokes(google: SandboxServer) -> None:
    def press(place: str, **form: str) -> requests.Response:
        return requests.post(f"{google.url}/sandbox/console/{place}", form, timeout=5)

    with Person(google) as anna:
        press("accounts", address="bert@firm.test", name="<Bert>")
        press("faults", kind="push_delayed", mailbox=anna.address, count="2", s="1.5", id="")
        assert google.state()["faults"] == [{"number": 1, "kind": "push_delayed", "mailbox": anna.address, "count": 2, "s": 1.5}]
        assert press("faults", kind="push_delayed", s="soon").status_code == 400
        page = requests.get(google.url, timeout=5).text
        assert "&lt;Bert&gt;" in page
        assert "push_delayed × 2" in page
        press("faults", clear="all")
        press("grants", mailbox=anna.address)
        state = google.state()
        assert (state["faults"], state["accounts"][anna.address]["grant"]) == ([], None)


async def test_the_application_runs_inside_another_process(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(create(Settings(tmp_path)), log_config=None))
        serving = asyncio.create_task(server._serve([listening]))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with aiohttp.ClientSession() as session, session.get(f"{url}/sandbox/state") as answer:
            assert (await answer.json())["accounts"] == {}
        server.should_exit = True
        await serving


def test_a_fleet_is_granted_at_once(google: SandboxServer) -> None:
    """As many accounts as are named, each with tokens that Gmail's API takes."""
    scope = "https://www.googleapis.com/auth/gmail.readonly"
    known = google.account("anna@firm.test", "Anna", aliases=["info@firm.test"])
    told = google.post("grants", mailboxes=["anna@firm.test", "carl@firm.test"], scopes=[scope])
    assert (told["anna@firm.test"]["sub"], list(google.state()["accounts"])) == (known["sub"], ["anna@firm.test", "carl@firm.test"])
    for address, given in told.items():
        profile = requests.get(
            f"{google.url}/gmail/v1/users/me/profile", headers={"Authorization": f"Bearer {given['access_token']}"}, timeout=5
        )
        assert profile.json()["emailAddress"] == address
        assert profile.json()["historyId"] == given["historyId"]
        assert refresh(google, given["refresh_token"]).json()["scope"] == scope
    assert google.account("anna@firm.test", aliases=["info@firm.test"]) == known


def test_calls_are_told_from_where_the_last_answer_ended(google: SandboxServer, anna: Person) -> None:
    anna.head()
    first = requests.get(f"{google.url}/sandbox/calls", timeout=5).json()
    assert [call["method"] for call in first["calls"]].count("getProfile") == 1
    anna.ask(anna.users.labels().list(userId="me"))
    (new,) = requests.get(f"{google.url}/sandbox/calls", {"after": first["last"]}, timeout=5).json()["calls"]
    assert (new["method"], new["mailbox"], new["status"]) == ("labels.list", anna.address, 200)
