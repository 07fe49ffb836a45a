"""The client against a Google at the HTTP edge."""

import asyncio
from datetime import timedelta

import aiohttp
import pytest

from gmail.answers import Change, HistoryPage, Listing, Profile, Watch
from gmail.client import Gmail, GmailMailbox
from gmail.errors import AccessRevoked, HistoryExpired, InvalidCursor, MessageMissing, RateLimited, TokenRefused, TryAgain
from tests.gmail.google import NOON, Google, Reply, a_message, a_part, encoded, refusal

SEEN: list[tuple[str, int | str]] = []


class Access:
    """Hands out token-1, and a new one for each that was refused."""

    def __init__(self) -> None:
        self.renewed: list[str] = []

    async def token(self) -> str:
        return f"token-{len(self.renewed) + 1}"

    async def renew(self, refused: str) -> str:
        self.renewed.append(refused)
        return await self.token()


@pytest.fixture
def access() -> Access:
    return Access()


@pytest.fixture
async def mailbox(google: Google, session: aiohttp.ClientSession, access: Access) -> GmailMailbox:
    SEEN.clear()
    return a_gmail(google.url, session).mailbox(access, parallel=2)


def a_gmail(url: str, session: aiohttp.ClientSession, timeout: float = 5.0) -> Gmail:
    return Gmail(session, url, lambda method, status, seconds: SEEN.append((method, status)), timeout=timeout, clock=lambda: NOON)


def record(at: int, **kinds: object) -> dict[str, object]:
    return {"id": str(at), **kinds}


async def test_all_pages_of_history_are_read_those_without_changes_too(google: Google, mailbox: GmailMailbox) -> None:
    """Scenarios 21, 23."""
    added = {"message": {"id": "m1", "labelIds": ["INBOX"]}}
    spam = added | {"labelIds": ["SPAM"]}
    google.answers(
        {"historyId": "90", "nextPageToken": "two"},
        {"historyId": 91, "nextPageToken": "three", "history": [record(80, messagesAdded=[added])]},
        {"historyId": "18446744073709551615", "history": [record(2**63 + 7, labelsAdded=[spam], messagesDeleted=[added])]},
    )  # fmt: skip
    pages = [page async for page in mailbox.history(70)]
    assert pages == [
        HistoryPage(90, (), last=False),
        HistoryPage(91, (Change("m1", 80, "added", frozenset({"INBOX"})),), last=False),
        HistoryPage(
            2**64 - 1,
            (
                Change("m1", 2**63 + 7, "labels_added", frozenset({"SPAM"})),
                Change("m1", 2**63 + 7, "deleted", frozenset({"INBOX"})),
            ),
            last=True,
        ),
    ]
    first, second, _ = google.asked
    assert first.all("startHistoryId") == second.all("startHistoryId") == ["70"]
    assert first.all("historyTypes") == ["messageAdded", "messageDeleted", "labelAdded", "labelRemoved"]
    assert (first.all("maxResults"), first.all("pageToken"), second.all("pageToken")) == (["500"], [], ["two"])
    assert SEEN == [("history.list", 200)] * 3


async def test_a_failing_page_ends_the_walk_after_those_before_it(google: Google, mailbox: GmailMailbox) -> None:
    """Scenario 22."""
    google.answers({"historyId": "90", "nextPageToken": "two"}, Reply(503, b"<html>busy</html>"))
    walk = mailbox.history(70)
    assert (await anext(walk)).head == 90
    with pytest.raises(TryAgain, match="http_503"):
        await anext(walk)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(404, refusal(404, "notFound", "Requested entity was not found.")), HistoryExpired),
        (Reply(400, refusal(400, "invalidArgument", "Invalid startHistoryId")), InvalidCursor),
        (Reply(200, {"historyId": "69"}), InvalidCursor),
        (Reply(200, {}), TryAgain),
        (Reply(200, b"<html>welcome</html>"), TryAgain),
        (Reply(200, b"[" * 99_999), TryAgain),
        (Reply(302, b"", {"Location": "http://127.0.0.1:1/"}), TryAgain),
        (Reply(hangs_up=True), TryAgain),
    ],
)
async def test_history_that_cannot_be_read_says_why(google: Google, mailbox: GmailMailbox, reply: Reply, error: type[Exception]) -> None:
    google.answers(reply)
    with pytest.raises(error) as raised:
        [page async for page in mailbox.history(70)]
    assert type(raised.value) is error


async def test_pages_that_go_round_in_a_circle_end(google: Google, mailbox: GmailMailbox) -> None:
    google.answers({"historyId": "90", "nextPageToken": "two"})
    with pytest.raises(TryAgain, match="circle"):
        [page async for page in mailbox.history(70)]
    assert len(google.asked) == 2


async def test_headers_are_asked_for_without_anything_of_the_content(google: Google, mailbox: GmailMailbox) -> None:
    google.answers(a_message(("Subject", "Sample")))
    headers = await mailbox.headers("m1")
    assert (headers.id, headers.first("subject")) == ("m1", "Sample")
    (asked,) = google.asked
    assert asked.path == "/gmail/v1/users/me/messages/m1"
    assert asked.all("format") == ["metadata"]
    assert asked.all("fields") == ["id,threadId,labelIds,historyId,internalDate,sizeEstimate,payload/headers"]


async def test_a_message_is_read_with_the_text_that_google_keeps_apart(google: Google, mailbox: GmailMailbox) -> None:
    """Scenario 107."""
    parts = a_part("text/plain", attachment_id="BIG", size=9), a_part("image/png", filename="a.png", attachment_id="PNG")
    google.answers(a_message(payload=a_part("multipart/mixed", None, *parts)), {"data": encoded("the whole text"), "size": 14})
    content = await mailbox.message("m1")
    assert (content.text, [each.attachment_id for each in content.attachments]) == ("the whole text", ["PNG"])
    assert [asked.path for asked in google.asked] == [
        "/gmail/v1/users/me/messages/m1",
        "/gmail/v1/users/me/messages/m1/attachments/BIG",
    ]


async def test_an_attachment_is_its_bytes(google: Google, mailbox: GmailMailbox) -> None:
    google.answers({"data": encoded(b"\xff\xfe\x00" * 9)})
    assert await mailbox.attachment("m1", "A_-1") == b"\xff\xfe\x00" * 9


async def test_a_message_comes_to_the_byte(google: Google, mailbox: GmailMailbox) -> None:
    sent = b"Subject: Gr\xfc\xdfe\r\n\r\n\xff\x00?>" * 999
    google.answers({"id": "m1", "raw": encoded(sent)})
    assert await mailbox.raw("m1") == sent
    (asked,) = google.asked
    assert (asked.path, asked.all("format"), asked.all("fields")) == ("/gmail/v1/users/me/messages/m1", ["raw"], ["id,raw"])
    assert mailbox.units == 20
    google.answers({"id": "m1", "raw": ""})
    with pytest.raises(TryAgain):
        await mailbox.raw("m1")


@pytest.mark.parametrize("answer", [{}, [], None, {"payload": {}}])
async def test_an_answer_without_what_it_must_have_is_not_taken_for_an_empty_one(
    google: Google, mailbox: GmailMailbox, answer: object
) -> None:
    google.answers(Reply(body=answer))
    calls = (
        *(mailbox.headers("m1"), mailbox.message("m1"), mailbox.raw("m1"), mailbox.attachment("m1", "a")),
        *(mailbox.profile(), mailbox.watch("topic")),
    )
    for call in calls:
        with pytest.raises(TryAgain):
            await call


async def test_a_missing_message_is_missing(google: Google, mailbox: GmailMailbox) -> None:
    """Scenario 28."""
    google.answers(Reply(404, refusal(404, "notFound", "Requested entity was not found.")))
    with pytest.raises(MessageMissing):
        await mailbox.headers("m1")


async def test_a_search_reaches_google_as_it_was_written(google: Google, mailbox: GmailMailbox) -> None:
    google.answers({"messages": [{"id": "m2"}, {"id": "m1"}], "nextPageToken": "next"}, {"resultSizeEstimate": 0})
    query = "from:(a+b@example.com) subject:ü%2B after:1388552400 & more"
    assert await mailbox.listed(query) == Listing(("m2", "m1"), "next")
    assert await mailbox.listed(query, "next") == Listing((), None)
    assert [asked.all("q") for asked in google.asked] == [[query], [query]]
    assert google.asked[1].all("pageToken") == ["next"]


async def test_a_search_too_long_for_a_url_is_posted(google: Google, mailbox: GmailMailbox) -> None:
    google.answers({"resultSizeEstimate": 0})
    await mailbox.listed("from:" + "x" * 3000)
    (asked,) = google.asked
    assert (asked.method, asked.headers["x-http-method-override"], asked.query) == ("POST", "GET", [])
    assert f"q=from%3A{'x' * 3000}" in asked.body


async def test_a_watch_is_set_for_the_whole_mailbox_and_stopped(google: Google, mailbox: GmailMailbox) -> None:
    google.answers({"historyId": "1234", "expiration": str(int(NOON.timestamp() * 1000))}, Reply(204, b""))
    assert await mailbox.watch("projects/p/topics/t") == Watch(1234, NOON)
    await mailbox.stop()
    watched, stopped = google.asked
    assert (watched.path, watched.body) == ("/gmail/v1/users/me/watch", '{"topicName": "projects/p/topics/t"}')
    assert (stopped.method, stopped.path) == ("POST", "/gmail/v1/users/me/stop")


async def test_profile_and_confirmed_aliases(google: Google, mailbox: GmailMailbox) -> None:
    """Scenario 46."""
    google.answers({"emailAddress": "eva@example.com", "historyId": 2**53 + 1})
    assert await mailbox.profile() == Profile("eva@example.com", 2**53 + 1)
    pending = {"sendAsEmail": "stranger@example.com", "verificationStatus": "pending"}
    google.answers({"sendAs": [{"sendAsEmail": "eva@example.com"}, {"sendAsEmail": "a@x.test", "verificationStatus": "accepted"}, pending]})
    assert await mailbox.send_as() == ("eva@example.com", "a@x.test")


async def test_compressed_answers_are_read(google: Google, mailbox: GmailMailbox) -> None:
    google.answers(Reply(body={"emailAddress": "eva@example.com", "historyId": "5"}, gzip=True))
    assert (await mailbox.profile()).history_id == 5
    assert "gzip" in google.asked[0].headers["accept-encoding"]
    assert "(gzip)" in google.asked[0].headers["user-agent"]


async def test_a_refused_token_is_renewed_once_and_the_call_repeated(google: Google, mailbox: GmailMailbox, access: Access) -> None:
    """Scenario 91."""
    google.answers(Reply(401, refusal(401, "authError", "Invalid Credentials")), {"emailAddress": "eva@example.com", "historyId": "5"})
    assert (await mailbox.profile()).history_id == 5
    assert access.renewed == ["token-1"]
    assert [asked.headers["authorization"] for asked in google.asked] == ["Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize(("reason", "error"), [("ACCESS_TOKEN_EXPIRED", TokenRefused), ("ACCOUNT_STATE_INVALID", AccessRevoked)])
async def test_a_second_refusal_is_classified(
    google: Google, mailbox: GmailMailbox, access: Access, reason: str, error: type[Exception]
) -> None:
    """Scenario 91."""
    google.answers(Reply(401, refusal(401, "authError", "Invalid Credentials", details=[{"reason": reason}])))
    with pytest.raises(error):
        await mailbox.profile()
    assert (len(google.asked), access.renewed) == (2, ["token-1"])


async def test_quota_and_its_end_are_told(google: Google, mailbox: GmailMailbox) -> None:
    text = "User-rate limit exceeded.  Retry after 2026-11-23T12:00:09.000Z"
    date = {"Date": "Mon, 23 Nov 2026 12:00:00 GMT"}
    google.answers(Reply(403, refusal(403, "rateLimitExceeded", text), date), Reply(429, b"", date | {"Retry-After": "5"}))
    for seconds in (9, 5):
        with pytest.raises(RateLimited) as limited:
            await mailbox.profile()
        assert limited.value.until == NOON + timedelta(seconds=seconds)
    assert SEEN == [("getProfile", 403), ("getProfile", 429)]


async def test_nobody_at_home_and_a_silent_google_are_tried_again(google: Google, session: aiohttp.ClientSession, access: Access) -> None:
    SEEN.clear()
    with pytest.raises(TryAgain, match="network"):
        await a_gmail("http://127.0.0.1:1", session).mailbox(access, 1).profile()
    google.answers(Reply(seconds=0.05))
    with pytest.raises(TryAgain, match="timeout"):
        await a_gmail(google.url, session, timeout=0.02).mailbox(access, 1).profile()
    assert SEEN == [("getProfile", "network"), ("getProfile", "timeout")]


async def test_no_more_calls_are_in_flight_than_allowed(google: Google, mailbox: GmailMailbox) -> None:
    """Scenario 106."""
    google.answers(Reply(body={"emailAddress": "eva@example.com", "historyId": "5"}, seconds=0.005))
    await asyncio.gather(*(mailbox.profile() for _ in range(12)))
    assert (len(google.asked), google.most_at_once) == (12, 2)
