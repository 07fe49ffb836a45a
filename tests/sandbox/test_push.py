"""Pushes: who signs them, what they carry, how often they come."""

import pytest

from tests.sandbox.endpoint import SECOND_LATER, Endpoint, mails, pushed
from tests.sandbox.person import TOPIC, Person, a_mail, closed_port, verified
from tests.sandbox_server import SandboxServer

PUSHER = "gmail-push-invoker@sandbox.iam.gserviceaccount.com"


def test_a_watch_is_notified_at_once_and_lives_a_week(anna: Person, endpoint: Endpoint) -> None:
    now = anna.google.state()["now"]
    watch = anna.watch()
    assert 0 <= int(watch["expiration"]) - now - 7 * 86_400_000 < 60_000
    (push,) = endpoint.wait_for(1)
    assert push.data == {"emailAddress": "anna@firm.test", "historyId": int(watch["historyId"])}


def test_a_mail_is_pushed_in_pubsubs_wrapping(anna: Person, endpoint: Endpoint) -> None:
    anna.watch()
    (head,) = mails(anna, 1)
    push = endpoint.wait_for(2)[1]
    assert push.data["historyId"] == head
    message = push.body["message"]
    assert message.keys() == {"data", "messageId", "message_id", "publishTime", "publish_time"}
    assert message["messageId"] == message["message_id"]
    assert push.body["subscription"] == "projects/sandbox/subscriptions/gmail-push"


def test_a_push_comes_with_a_token_that_google_auth_verifies(anna: Person, endpoint: Endpoint) -> None:
    anna.watch()
    (push,) = endpoint.wait_for(1)
    claims = verified(anna.google, push.token, endpoint.url)
    assert (claims["iss"], claims["email"], claims["email_verified"]) == ("https://accounts.google.com", PUSHER, True)
    assert claims["exp"] == claims["iat"] + 3600


def test_the_token_stays_good_when_the_sandboxs_clock_is_days_ahead(anna: Person, endpoint: Endpoint) -> None:
    anna.google.clock(9 * 86400)
    test_a_push_comes_with_a_token_that_google_auth_verifies(anna, endpoint)


def test_without_a_watch_or_after_its_end_nothing_is_pushed(anna: Person, endpoint: Endpoint) -> None:
    mails(anna, 1)
    anna.watch()
    endpoint.wait_for(1)
    anna.google.clock(7 * 86400 + 60)
    mails(anna, 1)
    anna.watch()
    anna.ask(anna.users.stop(userId="me"))
    mails(anna, 1)
    endpoint.wait_for(2)
    assert len(anna.google.state()["pushes"]) == 2


def test_a_renamed_account_is_pushed_with_its_new_address(anna: Person, endpoint: Endpoint) -> None:
    anna.watch()
    endpoint.wait_for(1)
    anna.google.rename(anna.address, "anna.new@firm.test")
    anna.google.clock(SECOND_LATER)
    where = anna.google.mail("anna.new@firm.test", a_mail())
    assert endpoint.wait_for(2)[1].data == {"emailAddress": "anna.new@firm.test", "historyId": int(where["historyId"])}


def test_of_several_changes_within_a_second_the_later_ones_are_dropped(anna: Person, endpoint: Endpoint) -> None:
    anna.watch()
    (first,) = mails(anna, 1)
    anna.mail()
    anna.mail()
    assert pushed(endpoint, 2)[1] == first
    state = anna.google.state()
    assert state["accounts"][anna.address]["pushes_dropped"] == 2
    assert len(state["pushes"]) == 2


def test_a_watch_on_some_labels_hears_only_those(anna: Person, endpoint: Endpoint) -> None:
    anna.watch(labelIds=["INBOX"], labelFilterBehavior="include")
    anna.google.clock(SECOND_LATER)
    anna.mail(labels="SENT")
    (heard,) = mails(anna, 1)
    assert pushed(endpoint, 2)[1] == heard
    anna.watch(labelIds=["SENT"], labelFilterBehavior="exclude")
    anna.google.clock(SECOND_LATER)
    anna.mail(labels="SENT")
    (second,) = mails(anna, 1)
    assert pushed(endpoint, 4)[3] == second


def test_a_second_topic_is_refused_until_stop(anna: Person, endpoint: Endpoint) -> None:
    anna.watch()
    with pytest.raises(Exception, match="Only one user push notification client allowed per developer"):
        anna.watch(topicName=TOPIC + "-2")
    anna.ask(anna.users.stop(userId="me"))
    assert anna.watch(topicName=TOPIC + "-2")
    endpoint.wait_for(2)


@pytest.mark.parametrize("refusal", [203, 206, 301, 400, 401, 404, 429, 500, 503])
def test_what_is_not_acknowledged_comes_again_with_the_same_id(anna: Person, endpoint: Endpoint, refusal: int) -> None:
    endpoint.answers[:] = [refusal, refusal]
    anna.watch()
    arrived = endpoint.wait_for(3)
    assert [push.answered for push in arrived] == [refusal, refusal, 204]
    assert len({push.id for push in arrived}) == 1


@pytest.mark.parametrize("answer", [200, 201, 202, 204])
def test_what_is_acknowledged_does_not_come_again(anna: Person, endpoint: Endpoint, answer: int) -> None:
    endpoint.answers[:] = [answer]
    anna.watch()
    endpoint.wait_for(1)
    mails(anna, 1)
    ids = [push.id for push in endpoint.wait_for(2)]
    assert len(set(ids)) == 2


def test_state_tells_what_was_pushed_and_how_often(anna: Person, endpoint: Endpoint) -> None:
    endpoint.answers[:] = [500]
    anna.watch()
    endpoint.wait_for(2)
    mails(anna, 1)
    last = endpoint.wait_for(3)[-1]
    first = anna.google.state()["pushes"][0]
    assert (first["mailbox"], first["status"], first["attempts"], first["answer"]) == (anna.address, "delivered", 2, 204)
    assert anna.google.state(mailbox=anna.address)["pushes"][1]["messageId"] == last.id


def test_a_push_can_be_sent_by_hand_and_elsewhere(anna: Person, endpoint: Endpoint) -> None:
    anna.google.post("push", mailbox=anna.address, historyId="12")
    assert pushed(endpoint, 1) == [12]
    anna.google.post("subscription", endpoint="")
    assert anna.google.post("push", mailbox=anna.address)["status"] == "unheard"
    anna.google.post("subscription", endpoint=endpoint.url, audience="https://postroom.example.com/push")
    anna.google.post("push", mailbox=anna.address)
    last = endpoint.wait_for(2)[1]
    assert verified(anna.google, last.token, "https://postroom.example.com/push")
    anna.google.post("subscription", endpoint=endpoint.url, audience="")


def test_an_endpoint_that_is_down_gets_the_push_when_it_is_up_again(google: SandboxServer, anna: Person, endpoint: Endpoint) -> None:
    google.post("subscription", endpoint=f"http://127.0.0.1:{closed_port()}/")
    head = int(anna.watch()["historyId"])
    google.post("subscription", endpoint=endpoint.url)
    assert pushed(endpoint, 1) == [head]
