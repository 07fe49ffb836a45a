"""Gmail's history: what it records, in which pages, and until when."""

import itertools
import json

import pytest
from googleapiclient.errors import HttpError

from tests.sandbox.person import Person, a_mail
from tests.sandbox_server import SandboxRefused, SandboxServer

WEEK = 7 * 86400


def refused(error: pytest.ExceptionInfo[HttpError]) -> tuple[int, str]:
    return error.value.status_code, json.loads(error.value.content)["error"]["errors"][0]["reason"]


def kinds(record: dict[str, object]) -> set[str]:
    return set(record) - {"id", "messages"}


def test_nothing_new_is_a_head_and_no_history(anna: Person) -> None:
    head = anna.head()
    assert anna.history(head) == {"historyId": head}


def test_each_change_is_a_record_of_its_kind_with_a_rising_id(anna: Person) -> None:
    start = anna.head()
    id = anna.mail()["id"]
    anna.google.labels(anna.address, id, add=("STARRED",), remove=("UNREAD",))
    anna.google.delete(anna.address, id)
    records = list(anna.records(start))
    assert [kinds(record) for record in records] == [{"messagesAdded"}, {"labelsAdded"}, {"labelsRemoved"}, {"messagesDeleted"}]
    assert records[1]["labelsAdded"][0]["labelIds"] == ["STARRED"]
    assert records[2]["labelsRemoved"][0]["labelIds"] == ["UNREAD"]
    assert records[1]["labelsAdded"][0]["message"]["labelIds"] == ["INBOX", "UNREAD", "STARRED"]
    assert [record["messages"][0]["id"] for record in records] == [id] * 4
    ids = [int(record["id"]) for record in records]
    assert ids == sorted(set(ids))
    assert str(ids[-1]) == anna.head()


def test_ids_have_gaps_and_come_from_the_seed(google: SandboxServer) -> None:
    def tale(seed: int) -> list[dict[str, str]]:
        google.post("reset", seed=seed)
        google.account("anna@firm.test")
        return [google.mail("anna@firm.test", a_mail()) for _ in range(6)]

    first, again, other = tale(1), tale(1), tale(2)
    assert first == again
    assert not {m["id"] for m in first} & {m["id"] for m in other}
    ids = [int(m["historyId"]) for m in first]
    assert len({later - earlier for earlier, later in itertools.pairwise(ids)}) > 1


def test_a_start_inside_the_history_leaves_out_what_came_before(anna: Person) -> None:
    anna.mail()
    middle = anna.mail()
    last = anna.mail()
    assert [record["messages"][0]["id"] for record in anna.records(middle["historyId"])] == [last["id"]]


def test_a_page_may_have_a_successor_and_no_history(anna: Person) -> None:
    start = anna.head()
    id = anna.mail()["id"]
    anna.google.labels(anna.address, id, add=("STARRED",))
    anna.google.labels(anna.address, id, add=("IMPORTANT",))
    wanted = anna.mail()["id"]
    pages = [anna.history(start, maxResults=1, historyTypes=["messageAdded"])]
    while "nextPageToken" in pages[-1]:
        token = pages[-1]["nextPageToken"]
        pages.append(anna.history(start, maxResults=1, historyTypes=["messageAdded"], pageToken=token))
    assert ["history" in page for page in pages] == [True, False, False, True]
    assert pages[-1]["history"][0]["messages"][0]["id"] == wanted
    assert {page["historyId"] for page in pages} == {anna.head()}


def test_records_that_share_an_id_may_lie_on_two_pages(anna: Person) -> None:
    ids = [anna.mail()["id"] for _ in range(2)]
    start = anna.head()
    anna.google.post("labels", mailbox=anna.address, ids=ids, add=["STARRED"])
    records = list(anna.records(start, maxResults=1))
    assert [record["messages"][0]["id"] for record in records] == ids
    assert len({record["id"] for record in records}) == 1


def test_every_page_tells_the_head_of_its_moment(anna: Person) -> None:
    start = anna.head()
    anna.mail()
    anna.mail()
    first = anna.history(start, maxResults=1)
    anna.mail()
    second = anna.history(start, maxResults=1, pageToken=first["nextPageToken"])
    assert int(second["historyId"]) > int(first["historyId"])


def test_history_is_filtered_by_kind_and_by_label(anna: Person) -> None:
    start = anna.head()
    here = anna.mail()["id"]
    anna.mail(labels="SENT")
    anna.google.labels(anna.address, here, add=("TRASH",))
    assert [kinds(r) for r in anna.records(start, historyTypes=["labelAdded", "labelRemoved"])] == [{"labelsAdded"}]
    assert [r["messages"][0]["id"] for r in anna.records(start, labelId="INBOX")] == [here, here]
    with pytest.raises(HttpError) as error:
        anna.history(start, labelId="Label_7")
    assert refused(error) == (404, "notFound")


def test_labels_on_added_messages_are_common_and_not_promised(anna: Person) -> None:
    start = anna.head()
    for _ in range(40):
        anna.mail()
    told = ["labelIds" in record["messagesAdded"][0]["message"] for record in anna.records(start)]
    assert 25 < sum(told) < 40


def test_a_start_that_is_a_week_old_is_not_found(google: SandboxServer, anna: Person) -> None:
    start = anna.head()
    anna.mail()
    google.clock(WEEK - 60)
    recent = anna.mail()
    assert len(list(anna.records(start))) == 2
    google.clock(120)
    with pytest.raises(HttpError) as error:
        anna.history(start)
    assert refused(error) == (404, "notFound")
    assert anna.history(recent["historyId"]) == {"historyId": recent["historyId"]}


def test_a_start_that_is_no_number_is_refused_and_one_from_the_future_answers_a_lower_head(anna: Person) -> None:
    for wrong in ("abc", "-1", "12.5", str(2**64)):
        with pytest.raises(HttpError) as error:
            anna.history(wrong)
        assert refused(error) == (400, "invalidArgument")
    assert anna.history(2**64 - 1) == {"historyId": anna.head()}
    with pytest.raises(HttpError) as error:
        anna.history("0")
    assert refused(error) == (404, "notFound")


def test_a_draft_gets_another_message_at_each_save_and_when_it_is_sent(anna: Person) -> None:
    start = anna.head()
    saved = anna.google.draft(anna.address, b"Subject: Off")
    again = anna.google.draft(anna.address, a_mail(), saved["draft"])
    sent = anna.google.send_draft(anna.address, saved["draft"])
    assert len({saved["id"], again["id"], sent["id"]}) == 3
    assert saved["threadId"] == again["threadId"] == sent["threadId"] == saved["id"]
    assert {record["messages"][0]["threadId"] for record in anna.records(start)} == {saved["id"]}
    assert [(kinds(r).pop(), r["messages"][0]["id"]) for r in anna.records(start)] == [
        ("messagesAdded", saved["id"]),
        ("messagesAdded", again["id"]),
        ("messagesDeleted", saved["id"]),
        ("messagesDeleted", again["id"]),
        ("messagesAdded", sent["id"]),
    ]
    assert anna.get(sent["id"])["labelIds"] == ["SENT"]
    with pytest.raises(HttpError) as error:
        anna.get(saved["id"])
    assert refused(error) == (404, "notFound")


def test_a_draft_may_be_scheduled_and_be_sent_as_the_message_that_it_is(anna: Person) -> None:
    saved = anna.google.draft(anna.address, a_mail())
    place = f"drafts/{anna.address}/{saved['draft']}"
    start = anna.head()
    anna.google.post(f"{place}/schedule")
    assert anna.get(saved["id"])["labelIds"] == ["SCHEDULED"]
    written = anna.get(saved["id"])["internalDate"]
    anna.google.clock(3600)
    assert anna.google.post(f"{place}/send", same_id=True)["id"] == saved["id"]
    assert (anna.get(saved["id"])["labelIds"], anna.get(saved["id"])["internalDate"]) == (["SENT"], written)
    assert [(kinds(r).pop(), r[kinds(r).pop()][0]["labelIds"]) for r in anna.records(start)] == [
        ("labelsAdded", ["SCHEDULED"]),
        ("labelsRemoved", ["DRAFT"]),
        ("labelsAdded", ["SENT"]),
        ("labelsRemoved", ["SCHEDULED"]),
    ]
    with pytest.raises(SandboxRefused, match="404"):
        anna.google.post(f"{place}/send")


def test_a_scheduled_draft_may_be_sent_as_another_message(anna: Person) -> None:
    saved = anna.google.draft(anna.address, a_mail())
    place = f"drafts/{anna.address}/{saved['draft']}"
    anna.google.post(f"{place}/schedule")
    sent = anna.google.post(f"{place}/send")
    assert (anna.found(), anna.get(sent["id"])["labelIds"]) == ([sent["id"]], ["SENT"])


def test_gmail_may_put_a_mail_into_any_thread(anna: Person) -> None:
    first, other = anna.mail(), anna.mail()
    assert other["threadId"] == other["id"]
    assert anna.mail(thread=first["threadId"])["threadId"] == first["threadId"]


def test_a_change_that_changes_nothing_leaves_no_record(anna: Person) -> None:
    id = anna.mail()["id"]
    head = anna.head()
    anna.google.labels(anna.address, id, add=("INBOX",), remove=("STARRED",))
    assert anna.head() == head


def test_a_message_knows_the_last_record_that_changed_it(anna: Person) -> None:
    id = anna.mail()["id"]
    anna.google.labels(anna.address, id, add=("TRASH",))
    assert anna.get(id)["historyId"] == anna.head()
    assert anna.found() == []
