"""Each kind of fault, as a client meets it."""

import json
import re
import time
from datetime import datetime
from email.utils import parsedate_to_datetime

import google.auth.transport.requests
import pytest
import requests
from google.auth.exceptions import RefreshError
from googleapiclient.errors import HttpError

from sandbox.faults import KINDS
from tests.sandbox.endpoint import Endpoint, mails, pushed
from tests.sandbox.person import Person, refresh
from tests.sandbox_server import SandboxRefused, SandboxServer


def refused(error: pytest.ExceptionInfo[HttpError]) -> tuple[int, str]:
    return error.value.status_code, json.loads(error.value.content)["error"]["errors"][0]["reason"]


@pytest.fixture
def watched(anna: Person, endpoint: Endpoint) -> Person:
    anna.watch()
    endpoint.wait_for(1)
    return anna


def test_a_lost_push_never_comes(watched: Person, endpoint: Endpoint) -> None:
    watched.google.fault("push_lost", mailbox=watched.address, count=1)
    _, second = mails(watched, 2)
    assert pushed(endpoint, 2)[1] == second
    assert [push["status"] == "lost" for push in watched.google.state()["pushes"]] == [False, True, False]


def test_a_delayed_push_comes_after_the_next_one(watched: Person, endpoint: Endpoint) -> None:
    watched.google.fault("push_delayed", s=0.25, count=1)
    late, prompt = mails(watched, 2)
    assert pushed(endpoint, 3)[1:] == [prompt, late]


def test_a_repeated_push_comes_with_the_same_id(watched: Person, endpoint: Endpoint) -> None:
    watched.google.fault("push_repeated", n=3, count=1)
    mails(watched, 1)
    assert len({push.id for push in endpoint.wait_for(4)[1:]}) == 1


def test_a_reordered_push_comes_after_its_successor_or_when_faults_are_cleared(watched: Person, endpoint: Endpoint) -> None:
    watched.google.fault("push_reordered")
    first, second, third = mails(watched, 3)
    assert pushed(endpoint, 3)[1:] == [second, first]
    watched.google.clear_faults()
    assert pushed(endpoint, 4)[3] == third


def test_expired_history_is_not_found_until_a_new_baseline(anna: Person) -> None:
    start = anna.head()
    anna.google.fault("history_expired", mailbox=anna.address)
    for old in (start, int(start) + 1):
        with pytest.raises(HttpError) as error:
            anna.history(old)
        assert refused(error) == (404, "notFound")
    baseline = anna.head()
    id = anna.mail()["id"]
    assert [record["messages"][0]["id"] for record in anna.records(baseline)] == [id]


def test_history_expires_even_at_the_head_and_for_a_count_of_calls(anna: Person) -> None:
    anna.google.fault("history_expired", count=1)
    with pytest.raises(HttpError):
        anna.history(anna.head())
    assert anna.history(anna.head())


def test_late_history_shows_a_higher_head_first_and_its_record_later(anna: Person) -> None:
    start = anna.head()
    anna.google.fault("history_late", mailbox=anna.address, s=5, count=1)
    late, prompt = anna.mail(), anna.mail()
    page = anna.history(start)
    assert [record["messages"][0]["id"] for record in page["history"]] == [prompt["id"]]
    assert page["historyId"] == prompt["historyId"]
    anna.google.clock(6)
    assert [record["messages"][0]["id"] for record in anna.records(start)] == [late["id"], prompt["id"]]


def test_a_late_search_shows_what_came_before_and_the_rest_in_time(anna: Person) -> None:
    old = anna.mail()
    anna.google.clock(10)
    anna.google.fault("search_late", mailbox=anna.address, s=5)
    start, new = anna.head(), anna.mail()
    assert anna.found("from:carl") == [old["id"]]
    assert [record["messages"][0]["id"] for record in anna.records(start)] == [new["id"]]
    anna.google.clock(5)
    assert anna.found("from:carl") == [new["id"], old["id"]]


@pytest.mark.parametrize(
    ("code", "reason", "status"),
    [
        (400, "failedPrecondition", "FAILED_PRECONDITION"),
        (401, "authError", "UNAUTHENTICATED"),
        (403, "rateLimitExceeded", "PERMISSION_DENIED"),
        (403, "domainPolicy", "PERMISSION_DENIED"),
        (429, "rateLimitExceeded", "RESOURCE_EXHAUSTED"),
        (500, "backendError", "INTERNAL"),
        (503, "backendError", "UNAVAILABLE"),
    ],
)
def test_a_method_answers_a_status_as_often_as_told(anna: Person, code: int, reason: str, status: str) -> None:
    anna.google.fault("status", method="messages.list", code=code, reason=reason, message="Mail service not enabled", count=1)
    url, bearer = f"{anna.google.url}/gmail/v1/users/me/messages", {"Authorization": f"Bearer {anna.credentials.token}"}
    error = requests.get(url, headers=bearer, timeout=5)
    assert (error.status_code, error.json()["error"]["code"], error.json()["error"]["status"]) == (code, code, status)
    assert error.json()["error"]["errors"][0]["reason"] == reason
    assert error.json()["error"]["message"] == "Mail service not enabled"
    assert requests.get(url, headers=bearer, timeout=5).status_code == 200


@pytest.mark.parametrize(("code", "header"), [(403, None), (429, "30")])
def test_a_throttled_method_says_when_to_come_back(anna: Person, code: int, header: str | None) -> None:
    anna.google.fault("status", method="*", code=code, reason="rateLimitExceeded", retry_after=30)
    anna.google.clock(600)
    with pytest.raises(HttpError) as error:
        anna.head()
    message = json.loads(error.value.content)["error"]["message"]
    found = re.fullmatch(r"User-rate limit exceeded\.  Retry after (\S+Z)", message)
    assert found
    wait = datetime.fromisoformat(found[1]).timestamp() - anna.google.state()["now"] / 1000
    assert 28 < wait <= 30
    assert error.value.resp.get("retry-after") == header
    assert abs(parsedate_to_datetime(error.value.resp["date"]).timestamp() + 30 - datetime.fromisoformat(found[1]).timestamp()) <= 1


def test_a_status_may_come_as_html_and_for_one_mailbox_only(anna: Person) -> None:
    anna.google.account("bert@firm.test")
    anna.google.fault("status", method="getProfile", code=502, html=True, mailbox="bert@firm.test")
    assert anna.head()
    anna.google.fault("status", method="users.getProfile", code=502, html=True, mailbox=anna.address)
    with pytest.raises(HttpError) as error:
        anna.head()
    assert (error.value.status_code, error.value.content[:15]) == (502, b"<!DOCTYPE html>")


def test_a_method_takes_its_time(anna: Person) -> None:
    anna.google.fault("timeout", method="getProfile", s=0.15, count=1)
    began = time.monotonic()
    assert anna.head()
    assert time.monotonic() - began >= 0.15


def test_one_message_is_broken_and_the_others_are_not(anna: Person) -> None:
    broken, whole = anna.mail()["id"], anna.mail()["id"]
    anna.google.fault("message_broken", id=broken)
    for how in ("full", "metadata", "minimal"):
        with pytest.raises(HttpError) as error:
            anna.get(broken, format=how)
        assert refused(error) == (500, "backendError")
    assert anna.get(whole)["id"] == whole


def test_the_first_get_of_each_message_finds_nothing(anna: Person) -> None:
    anna.google.fault("message_404_first")
    for id in (anna.mail()["id"], anna.mail()["id"]):
        with pytest.raises(HttpError) as error:
            anna.get(id)
        assert refused(error) == (404, "notFound")
        assert anna.get(id)["id"] == id


def test_a_message_is_not_found_in_its_first_seconds(anna: Person) -> None:
    anna.google.fault("message_404_first", s=3)
    id = anna.mail()["id"]
    for _ in range(2):
        with pytest.raises(HttpError):
            anna.get(id)
    anna.google.clock(3)
    assert anna.get(id)["id"] == id


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        ("invalid_grant", 400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}),
        (
            "invalid_rapt",
            400,
            {"error": "invalid_grant", "error_description": "reauth related error (invalid_rapt)", "error_subtype": "invalid_rapt"},
        ),
        ("invalid_client", 401, {"error": "invalid_client", "error_description": "The OAuth client was not found."}),
        ("admin_policy_enforced", 400, {"error": "admin_policy_enforced", "error_description": "admin policy enforced"}),
        ("server_error", 500, {"error": "server_error", "error_description": "Internal error."}),
        (
            "temporarily_unavailable",
            503,
            {"error": "temporarily_unavailable", "error_description": "The service is temporarily unavailable."},
        ),
    ],
)
def test_a_refresh_fails_as_told(anna: Person, error: str, status: int, body: dict[str, str]) -> None:
    anna.google.fault("refresh_fails", error=error, mailbox=anna.address, count=1)
    answer = refresh(anna.google, anna.tokens["refresh_token"])
    assert (answer.status_code, answer.json()) == (status, body)
    assert refresh(anna.google, anna.tokens["refresh_token"]).status_code == 200


def test_google_auth_asks_for_a_new_login_when_a_session_ended(anna: Person) -> None:
    anna.google.fault("refresh_fails", error="invalid_rapt")
    with requests.Session() as session, pytest.raises(RefreshError, match="Reauthentication is needed"):
        anna.credentials.refresh(google.auth.transport.requests.Request(session))  # type: ignore[no-untyped-call]


def test_the_token_endpoint_has_statuses_and_delays_too(anna: Person) -> None:
    anna.google.fault("status", method="token", code=503, html=True, count=1)
    anna.google.fault("status", method="token", code=429, reason="rate_limit_exceeded", retry_after=7, count=1)
    html = refresh(anna.google, anna.tokens["refresh_token"])
    limited = refresh(anna.google, anna.tokens["refresh_token"])
    assert (html.status_code, html.text[:15]) == (503, "<!DOCTYPE html>")
    assert (limited.status_code, limited.json()["error"], limited.headers["retry-after"]) == (429, "rate_limit_exceeded", "7")
    anna.google.fault("status", method="revoke", code=500, count=1)
    assert requests.post(f"{anna.google.url}/revoke", {"token": anna.tokens["refresh_token"]}, timeout=5).status_code == 500
    assert refresh(anna.google, anna.tokens["refresh_token"]).status_code == 200


def test_certificates_are_down_until_the_fault_is_cleared(google: SandboxServer) -> None:
    google.fault("certs_down")
    for version in ("v1", "v3"):
        assert requests.get(f"{google.url}/oauth2/{version}/certs", timeout=5).status_code == 503
    assert google.clear_faults() == {"cleared": 1}
    assert requests.get(f"{google.url}/oauth2/v1/certs", timeout=5).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "push_lots"},
        {"kind": "push_delayed"},
        {"kind": "push_delayed", "s": "soon"},
        {"kind": "push_lost", "s": 1},
        {"kind": "push_lost", "count": 0},
        {"kind": "push_lost", "count": True},
        {"kind": "push_lost", "mailbox": "nobody@firm.test"},
        {"kind": "status", "code": 500},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(google: SandboxServer, wrong: dict[str, object]) -> None:
    with pytest.raises(SandboxRefused):
        google.post("faults", **wrong)
    assert google.state()["faults"] == []


def test_the_kinds_are_those_of_the_contract() -> None:
    assert set(KINDS) == {
        "push_lost",
        "push_delayed",
        "push_repeated",
        "push_reordered",
        "history_expired",
        "history_late",
        "search_late",
        "status",
        "timeout",
        "message_broken",
        "message_404_first",
        "refresh_fails",
        "certs_down",
        "smtp_refuses",
        "smtp_down",
        "smtp_unanswered",
    }
