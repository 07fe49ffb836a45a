"""What Gmail's methods answer, asked through google-api-python-client; every answer is held against the discovery document."""

import base64
import json
from typing import Any

import pytest
import requests
from googleapiclient.errors import HttpError

from sandbox.api import METHODS, Method
from sandbox.partial import SHAPES
from tests.sandbox.person import METADATA, Person, a_mail, nested
from tests.sandbox.schema import declared_method, document
from tests.sandbox_server import SandboxServer


def refused(error: pytest.ExceptionInfo[HttpError]) -> tuple[int, str, str]:
    body = json.loads(error.value.content)["error"]
    assert body["code"] == error.value.status_code
    return body["code"], body["errors"][0]["reason"], body["message"]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_method_has_the_address_the_scopes_and_the_answer_of_the_discovery_document(method: Method) -> None:
    declared = declared_method(f"gmail.users.{method.name}")
    assert (declared["httpMethod"], declared["path"]) == (method.verb, f"gmail/v1/users/{{userId}}{method.path}")
    assert declared.get("response", {}).get("$ref", "") == method.shape
    assert set(method.scopes) <= set(declared["scopes"])


@pytest.mark.parametrize("shape", SHAPES)
def test_fields_may_name_what_the_discovery_document_names(shape: str) -> None:
    assert set(SHAPES[shape]) == set(document()["schemas"][shape]["properties"])


def test_a_profile_counts_messages_and_threads(anna: Person) -> None:
    first = anna.mail(a_mail(message_id="<1@client.test>"))
    anna.mail(a_mail(subject="Re: Invoice", message_id="<2@client.test>", references="<1@client.test>"))
    anna.mail(a_mail())
    profile = anna.ask(anna.users.getProfile(userId="anna@firm.test"))
    assert profile["emailAddress"] == "anna@firm.test"
    assert (profile["messagesTotal"], profile["threadsTotal"]) == (3, 2)
    assert int(profile["historyId"]) > int(first["historyId"])


def test_a_delivered_mail_is_read_back_whole(anna: Person) -> None:
    raw = nested()
    where = anna.mail(raw)
    message = anna.get(where["id"])
    assert {name: message[name] for name in where} == where
    assert message["labelIds"] == ["INBOX", "UNREAD"]
    assert message["sizeEstimate"] == len(raw)
    assert abs(int(message["internalDate"]) - anna.google.state()["now"]) < 60_000
    assert base64.urlsafe_b64decode(anna.get(where["id"], format="raw")["raw"]) == raw


def test_each_format_has_its_own_parts(anna: Person) -> None:
    id = anna.mail()["id"]
    facts = {"id", "threadId", "labelIds", "snippet", "sizeEstimate", "historyId", "internalDate"}
    assert anna.get(id, format="minimal").keys() == facts
    assert anna.get(id, format="raw").keys() == facts | {"raw"}
    assert anna.get(id, format="metadata")["payload"].keys() == {"mimeType", "headers"}
    assert anna.get(id)["payload"].keys() == {"partId", "mimeType", "filename", "headers", "body"}
    chosen = anna.get(id, format="metadata", metadataHeaders=["subject", "FROM"])["payload"]["headers"]
    assert [header["name"] for header in chosen] == ["From", "Subject"]


def test_an_attachment_is_fetched_on_its_own_and_has_another_id_each_time(anna: Person) -> None:
    id = anna.mail(nested())["id"]
    ids = [anna.get(id)["payload"]["parts"][1]["body"]["attachmentId"] for _ in range(2)]
    assert ids[0] != ids[1]
    for attachment in ids:
        body = anna.ask(anna.users.messages().attachments().get(userId="me", messageId=id, id=attachment))
        assert body == {"size": 4, "data": base64.urlsafe_b64encode(b"%PDF").decode()}
    with pytest.raises(HttpError) as error:
        anna.ask(anna.users.messages().attachments().get(userId="me", messageId=id, id="ANGjdJ-0-nothing"))
    assert refused(error)[:2] == (400, "invalidArgument")


def test_fields_leave_out_the_rest(anna: Person) -> None:
    where = anna.mail()
    assert anna.get(where["id"], fields="id,labelIds,payload/headers").keys() == {"id", "labelIds", "payload"}
    names = anna.get(where["id"], fields="payload(headers(name))")["payload"]["headers"]
    assert names == [{"name": "From"}, {"name": "To"}, {"name": "Subject"}]
    page = anna.history(int(where["historyId"]) - 1, fields="history(messagesAdded/message(id,threadId)),nextPageToken")
    assert page == {"history": [{"messagesAdded": [{"message": {"id": where["id"], "threadId": where["threadId"]}}]}]}
    assert anna.get(where["id"], fields="*") == anna.get(where["id"])


@pytest.mark.parametrize("fields", ["idd", "payload/header", "id,", "payload(headers", "id)", "history", "id threadId;"])
def test_fields_that_do_not_exist_are_refused(anna: Person, fields: str) -> None:
    id = anna.mail()["id"]
    with pytest.raises(HttpError) as error:
        anna.get(id, fields=fields)
    assert refused(error)[:2] == (400, "invalidParameter")


def test_a_list_is_newest_first_in_pages(anna: Person) -> None:
    old = anna.mail(internal_date=1_600_000_000_000)["id"]
    ids = [anna.mail()["id"] for _ in range(4)]
    first = anna.ask(anna.users.messages().list(userId="me", maxResults=2))
    assert [m["id"] for m in first["messages"]] == [ids[3], ids[2]]
    found, request = [], anna.users.messages().list(userId="me", maxResults=2)
    answer = None
    while request is not None:
        answer = anna.ask(request)
        found += [m["id"] for m in answer["messages"]]
        request = anna.users.messages().list_next(request, answer)
    assert found == [*reversed(ids), old]


def test_a_search_through_the_client_finds_what_it_names(anna: Person) -> None:
    here = anna.mail(a_mail(message_id="<Found@client.test>"))["id"]
    spam = anna.mail(labels="SPAM")["id"]
    old = anna.mail(internal_date=1_600_000_000_000)["id"]
    assert anna.found() == [here, old]
    assert anna.found(includeSpamTrash=True) == [spam, here, old]
    assert anna.found("in:spam") == [spam]
    assert anna.found("after:1599999999 before:1600000001") == [old]
    assert anna.found("rfc822msgid:Found@client.test from:carl@client.test") == [here]
    assert anna.found(labelIds=["INBOX"]) == [here, old]
    assert anna.ask(anna.users.messages().list(userId="me", q="from:nobody@client.test")) == {"resultSizeEstimate": 0}


def test_a_search_too_long_for_an_address_comes_as_a_post(anna: Person) -> None:
    here = anna.mail()["id"]
    q = " OR ".join([f"from:client-{n}@client.test" for n in range(200)] + ["from:carl@client.test"])
    assert anna.found(q) == [here]


def test_threads_join_by_reference_and_subject(anna: Person) -> None:
    first = anna.mail(a_mail(message_id="<1@client.test>"))
    reply = anna.mail(a_mail(subject="RE: Fwd: invoice", message_id="<2@client.test>", in_reply_to="<1@client.test>"))
    third = anna.mail(a_mail(subject="Re: Invoice", references="<0@x.test> <2@client.test>"))
    renamed = anna.mail(a_mail(subject="Another matter", references="<1@client.test>"))
    alone = anna.mail(a_mail())
    assert first["threadId"] == first["id"] == reply["threadId"] == third["threadId"]
    assert renamed["threadId"] == renamed["id"]
    assert alone["threadId"] == alone["id"]


def test_labels_and_aliases_are_listed(anna: Person) -> None:
    anna.google.account(anna.address, "Anna", aliases=["accounts@firm.test"])
    anna.mail(labels="INBOX,Clients")
    labels = {label["name"]: label["id"] for label in anna.ask(anna.users.labels().list(userId="me"))["labels"]}
    assert (labels["INBOX"], labels["Clients"]) == ("INBOX", "Label_1")
    assert anna.ask(anna.users.labels().get(userId="me", id="Label_1"))["messagesTotal"] == 1
    senders = anna.ask(anna.users.settings().sendAs().list(userId="me"))["sendAs"]
    assert [sender["sendAsEmail"] for sender in senders] == ["anna@firm.test", "accounts@firm.test"]
    assert senders[0]["isPrimary"]


@pytest.mark.parametrize(
    ("ask", "wanted"),
    [
        (lambda users: users.messages().get(userId="me", id="0" * 16), (404, "notFound", "Requested entity was not found.")),
        (lambda users: users.labels().get(userId="me", id="Label_9"), (404, "notFound", "Requested entity was not found.")),
        (lambda users: users.getProfile(userId="other@firm.test"), (403, "forbidden", "Delegation denied for anna@firm.test")),
        (lambda users: users.messages().list(userId="me", pageToken="x"), (400, "invalidArgument", "Invalid pageToken")),
        (
            lambda users: users.watch(userId="me", body={"topicName": "projects/other/topics/t"}),
            (400, "invalidArgument", "Invalid topicName does not match projects/sandbox/topics/*"),
        ),
    ],
)
def test_a_wrong_question_is_refused_in_googles_envelope(anna: Person, ask: Any, wanted: tuple[int, str, str]) -> None:
    with pytest.raises(HttpError) as error:
        anna.ask(ask(anna.users))
    assert refused(error) == wanted


def test_without_a_token_or_with_a_dead_one_it_is_401(google: SandboxServer, anna: Person) -> None:
    url = f"{google.url}/gmail/v1/users/me/profile"
    missing = requests.get(url, timeout=5)
    assert (missing.status_code, missing.json()["error"]["errors"][0]["reason"]) == (401, "required")
    google.clock(4000)
    expired = requests.get(url, headers={"Authorization": f"Bearer {anna.tokens['access_token']}"}, timeout=5)
    error = expired.json()["error"]
    assert (error["code"], error["status"], error["errors"][0]["reason"]) == (401, "UNAUTHENTICATED", "authError")
    assert error["errors"][0]["message"] == "Invalid Credentials"


def test_an_expired_access_token_is_refreshed_by_the_client(google: SandboxServer, anna: Person) -> None:
    google.clock(4000)
    assert anna.head()
    assert anna.credentials.token != anna.tokens["access_token"]
    statuses = [call["status"] for call in google.state()["calls"] if call["method"] in ("getProfile", "token")]
    assert statuses[-3:] == [401, 200, 200]


def test_a_grant_without_gmail_is_told_what_it_lacks(google: SandboxServer) -> None:
    with Person(google, scope="openid email") as person, pytest.raises(HttpError) as error:
        person.head()
    assert refused(error)[:2] == (403, "insufficientPermissions")
    assert json.loads(error.value.content)["error"]["details"][0]["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"


def test_a_metadata_grant_sees_neither_bodies_nor_searches(google: SandboxServer) -> None:
    with Person(google, scope=METADATA) as person:
        id = person.mail()["id"]
        assert person.get(id, format="metadata")["payload"]["headers"]
        assert person.found() == [id]
        for ask in (lambda: person.get(id), lambda: person.get(id, format="raw"), lambda: person.found("from:carl@client.test")):
            with pytest.raises(HttpError) as error:
                ask()
            assert refused(error)[:2] == (403, "forbidden")


def test_answers_are_zipped_for_those_who_ask(google: SandboxServer, anna: Person) -> None:
    id = anna.mail(a_mail(text="long " * 200))["id"]
    url = f"{google.url}/gmail/v1/users/me/messages/{id}"
    bearer = {"Authorization": f"Bearer {anna.credentials.token}"}
    zipped = requests.get(url, headers={**bearer, "Accept-Encoding": "gzip"}, timeout=5)
    plain = requests.get(url, headers={**bearer, "Accept-Encoding": "identity"}, timeout=5)
    assert (zipped.headers.get("content-encoding"), plain.headers.get("content-encoding")) == ("gzip", None)
    assert zipped.json() == plain.json()


def test_calls_are_written_down_with_their_format_or_search(google: SandboxServer, anna: Person) -> None:
    id = anna.mail()["id"]
    anna.get(id, format="metadata")
    anna.get(id)
    gets = [call for call in google.state()["calls"] if call["method"] == "messages.get"]
    assert [(call["mailbox"], call["id"], call["format"], call["status"]) for call in gets] == [
        (anna.address, id, "metadata", 200),
        (anna.address, id, "full", 200),
    ]
    anna.found("from:carl")
    long = " ".join(["from:carl"] * 300)
    assert anna.found(long) == [id]
    searches = [call["q"] for call in google.state()["calls"] if call["method"] == "messages.list"]
    assert searches == ["from:carl", long]
    state = google.state(mailbox=anna.address)
    assert state["calls_by_mailbox"][anna.address]["messages.get"] == 2
    assert state["units"]["by_mailbox"][anna.address] == 50
