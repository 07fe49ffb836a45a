"""Quota: what calls cost, and how Google says no."""

import json
import re
import threading

import pytest
import requests
from googleapiclient.errors import HttpError

from sandbox.quota import AT_ONCE, Quota
from sandbox.refusals import Refused
from tests.sandbox.person import Person
from tests.sandbox_server import SandboxServer

NOON = 1_700_000_040_000


def refusal(quota: Quota, mailbox: str, method: str, now: int) -> dict[str, object]:
    with pytest.raises(Refused) as refused:
        quota.charge(mailbox, method, now)
    return dict(refused.value.body["error"])


@pytest.fixture
def at_the_start_of_a_minute(google: SandboxServer) -> None:
    google.clock(60.001 - google.state()["now"] / 1000 % 60)


@pytest.mark.usefixtures("at_the_start_of_a_minute")
def test_a_mailbox_over_its_6000_units_a_minute_is_told_when_to_come_back(anna: Person) -> None:
    id = anna.mail()["id"]
    for _ in range(300):
        anna.users.messages().get(userId="me", id=id, format="minimal").execute()
    with pytest.raises(HttpError) as error:
        anna.head()
    body = json.loads(error.value.content)["error"]
    assert (body["code"], body["status"], body["errors"][0]["reason"]) == (403, "PERMISSION_DENIED", "rateLimitExceeded")
    assert re.fullmatch(r"User-rate limit exceeded\.  Retry after \d{4}-\d\d-\d\dT\d\d:\d\d:00\.000Z", body["message"])
    anna.google.clock(60)
    assert anna.head()
    assert anna.google.state()["units"]["by_mailbox"][anna.address] == 6001


def test_mailboxes_have_a_limit_each_and_the_project_one_for_all() -> None:
    quota = Quota(user_units=40, project_units=70)
    for mailbox, method in (("a", "messages.get"), ("a", "messages.get"), ("b", "messages.get")):
        quota.charge(mailbox, method, NOON)
    assert refusal(quota, "a", "getProfile", NOON)["code"] == 403
    project = refusal(quota, "c", "messages.get", NOON + 59_999)
    assert (project["code"], project["status"]) == (429, "RESOURCE_EXHAUSTED")
    quota.charge("c", "messages.get", NOON + 60_000)
    assert (quota.total, quota.by_mailbox) == (80, {"a": 40, "b": 20, "c": 20})


def test_a_limit_of_nought_is_none() -> None:
    quota = Quota(user_units=0, project_units=0)
    for _ in range(1_000):
        quota.charge("a", "watch", NOON)
    assert quota.total == 100_000


def test_too_many_calls_at_once_are_refused() -> None:
    quota = Quota(0, 0)
    for _ in range(AT_ONCE):
        quota.enter("a")
    quota.enter("b")
    with pytest.raises(Refused, match="429"):
        quota.enter("a")
    quota.leave("a")
    quota.enter("a")


def test_a_refused_call_over_http_names_the_reason(google: SandboxServer, anna: Person) -> None:
    google.fault("timeout", method="getProfile", s=0.4)
    statuses: list[int] = []

    def ask() -> None:
        with requests.Session() as session:
            answer = session.get(f"{google.url}/gmail/v1/users/me/profile", headers={"Authorization": f"Bearer {anna.credentials.token}"})
            statuses.append(answer.status_code)
            if answer.status_code == 429:
                assert answer.json()["error"]["message"] == "Too many concurrent requests for user"

    threads = [threading.Thread(target=ask) for _ in range(AT_ONCE + 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * AT_ONCE + [429] * 2
