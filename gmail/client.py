"""Gmail, as far as Postroom reads it: built by google-api-python-client, sent by aiohttp, answered in our own types or our own errors."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol

import aiohttp
import httplib2
import yarl
from googleapiclient.discovery import build

from gmail.answers import (
    HistoryPage,
    Listing,
    Profile,
    Watch,
    a_message,
    attachment_of,
    history_page_of,
    listing_of,
    messages_of,
    profile_of,
    raw_of,
    send_as_of,
    watch_of,
)
from gmail.classify import refused_again, trouble
from gmail.errors import InvalidCursor, RateLimited, TokenRefused, TryAgain
from gmail.headers import whole_number
from gmail.message import Content, Headers, content_of, external_bodies, headers_of
from gmail.units import units_of

Observe = Callable[[str, int | str, float], None]  # method, HTTP status or what went wrong, seconds
Clock = Callable[[], datetime]

METHODS = "gmail.users."
MESSAGE = "id,threadId,labelIds,historyId,internalDate,sizeEstimate"
STUB = "message(id,labelIds)"
CHANGES = f"messagesAdded/{STUB},messagesDeleted/message/id,labelsAdded({STUB},labelIds),labelsRemoved({STUB},labelIds)"
HISTORY = f"historyId,nextPageToken,history(id,{CHANGES})"
HISTORY_TYPES = ["messageAdded", "messageDeleted", "labelAdded", "labelRemoved"]
LONGEST_PAGE = 500
LARGE = 200_000  # bytes of a message whose reading may take longer than a loop should wait
LONGEST_URI = 2048  # beyond it Google wants a POST that says it is a GET; execute() would do it, but we do not use that


def ignore(method: str, status: int | str, seconds: float) -> None:
    """Observes nothing."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Access(Protocol):
    """Where a mailbox's access tokens come from. What these raise rises through every call."""

    async def token(self) -> str: ...

    async def renew(self, refused: str) -> str:
        """A token other than `refused`, which Gmail did not take."""
        ...


class Gmail:
    """Google's client, built once for all mailboxes; it holds no token."""

    def __init__(
        self, session: aiohttp.ClientSession, api: str, observe: Observe = ignore, *, timeout: float = 20.0, clock: Clock = utc_now
    ) -> None:
        """`api` is the root of Gmail's API, empty for Google's own; `timeout` is in seconds, for one request."""
        options = {"api_endpoint": api} if api else None
        users = build("gmail", "v1", http=httplib2.Http(), static_discovery=True, client_options=options).users()
        self.users, self.messages, self.history = users, users.messages(), users.history()  # each takes 0.7 ms to make
        self.attachments, self.send_as, self.threads = self.messages.attachments(), users.settings().sendAs(), users.threads()
        self._session, self._observe, self._clock = session, observe, clock
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=min(5.0, timeout))

    def now(self) -> datetime:
        """The moment by the clock that `RateLimited.until` was reckoned with."""
        return self._clock()

    def mailbox(self, access: Access, parallel: int) -> "GmailMailbox":
        """One mailbox, with at most `parallel` requests in flight."""
        return GmailMailbox(self, access, asyncio.Semaphore(parallel))

    async def send(self, request: Any, token: str) -> Any:
        """Google's answer as parsed JSON; raises the tree, `TokenRefused` for a 401."""
        method = request.methodId.removeprefix(METHODS)
        started, outcome = time.perf_counter(), "cancelled"  # type: float, int | str
        try:
            answer, content = await self._exchange(request, token)
            outcome = answer.status
        except TimeoutError as error:
            outcome = "timeout"
            raise TryAgain("timeout") from error
        except (aiohttp.ClientError, OSError) as error:
            outcome = "network"
            raise TryAgain("network") from error
        finally:
            self._observe(method, outcome, time.perf_counter() - started)
        if answer.status >= 300:
            raise trouble(answer.status, answer.headers, content, method, self._clock())
        return _parsed(request, answer, content)

    async def _exchange(self, request: Any, token: str) -> tuple[aiohttp.ClientResponse, bytes]:
        method, uri, body = request.method, request.uri, request.body
        headers = {k: v for k, v in request.headers.items() if k != "content-length"} | {"authorization": f"Bearer {token}"}
        if method == "GET" and len(uri) > LONGEST_URI:
            headers |= {"x-http-method-override": "GET", "content-type": "application/x-www-form-urlencoded"}
            method, (uri, _, body) = "POST", uri.partition("?")
        url = yarl.URL(uri, encoded=True)  # else aiohttp quotes the query again
        async with self._session.request(method, url, data=body, headers=headers, timeout=self._timeout, allow_redirects=False) as answer:
            return answer, await answer.read()


def _parsed(request: Any, answer: aiohttp.ClientResponse, content: bytes) -> Any:
    response = httplib2.Response({key.lower(): value for key, value in answer.headers.items()} | {"status": str(answer.status)})
    with suppress(ValueError, RecursionError):
        return request.postproc(response, content)
    raise TryAgain("unreadable")


class GmailMailbox:
    """One person's Gmail. Every method raises only `gmail.errors`, and what its `Access` raises."""

    def __init__(self, gmail: Gmail, access: Access, slots: asyncio.Semaphore) -> None:
        self._gmail, self._access, self._slots = gmail, access, slots
        self.units = 0  # of quota that this mailbox was asked for so far

    def now(self) -> datetime:
        """The moment by the clock that `RateLimited.until` was reckoned with."""
        return self._gmail.now()

    async def profile(self) -> Profile:
        return profile_of(await self._call(self._gmail.users.getProfile(userId="me")))

    async def history(self, since: int) -> AsyncIterator[HistoryPage]:
        """Every page of what changed after `since`, those without changes too. The last one says so.

        Raises `HistoryExpired` when Gmail has forgotten, `InvalidCursor` when `since` lies above the mailbox's head.
        """
        token, seen = None, set[str]()
        while True:
            page, token = await self._page(since, token)
            if page.head < since:
                raise InvalidCursor
            if token in seen:
                raise TryAgain("pages_in_a_circle")
            yield page
            if token is None:
                return
            seen.add(token)

    async def _page(self, since: int, token: str | None) -> tuple[HistoryPage, str | None]:
        """One page and the next one's token; asked for twice, since a long listing that fails anywhere begins anew."""
        request = self._gmail.history.list(
            userId="me", startHistoryId=str(since), historyTypes=HISTORY_TYPES, maxResults=LONGEST_PAGE, pageToken=token, fields=HISTORY
        )
        try:
            return history_page_of(await self._call(request))
        except (RateLimited, TokenRefused):
            raise
        except TryAgain as trouble:
            if trouble.because == "timeout":  # that was long enough
                raise
            return history_page_of(await self._call(request))

    async def headers(self, message_id: str) -> Headers:
        """Headers and labels only; nothing of the content is asked for."""
        request = self._gmail.messages.get(userId="me", id=message_id, format="metadata", fields=f"{MESSAGE},payload/headers")
        return headers_of(a_message(await self._call(request)))

    async def message(self, message_id: str) -> Content:
        """All of it but the attachments; text that Google keeps apart for its size is fetched."""
        request = self._gmail.messages.get(userId="me", id=message_id, format="full", fields=f"{MESSAGE},payload")
        answer = a_message(await self._call(request))
        externals = {external: await self.attachment(message_id, external) for external in external_bodies(answer)}
        if (whole_number(answer.get("sizeEstimate")) or 0) + sum(map(len, externals.values())) > LARGE:
            return await asyncio.to_thread(content_of, answer, externals)  # seconds of work must not hold up the loop
        return content_of(answer, externals)

    async def raw(self, message_id: str) -> bytes:
        """The message to the byte as Gmail holds it (RFC 5322), attachments and all: megabytes, maybe."""
        answer = await self._call(self._gmail.messages.get(userId="me", id=message_id, format="raw", fields="id,raw"))
        return await asyncio.to_thread(raw_of, answer)

    async def attachment(self, message_id: str, attachment_id: str) -> bytes:
        """`attachment_id` as `message` has just given it: the ids do not last."""
        return attachment_of(
            await self._call(self._gmail.attachments.get(userId="me", messageId=message_id, id=attachment_id, fields="data"))
        )

    async def listed(self, query: str, page_token: str | None = None) -> Listing:
        """One page, newest first, of the ids that match a Gmail search; no spam, no trash. Dates as epoch seconds: `after:1388552400`."""
        fields = "messages/id,nextPageToken,resultSizeEstimate"
        return listing_of(
            await self._call(self._gmail.messages.list(userId="me", q=query, maxResults=LONGEST_PAGE, pageToken=page_token, fields=fields))
        )

    async def found(self, query: str, limit: int) -> tuple[str, ...]:
        """The newest ids that match a Gmail search, spam and trash included."""
        fields = "messages/id,nextPageToken,resultSizeEstimate"
        request = self._gmail.messages.list(userId="me", q=query, maxResults=limit, includeSpamTrash=True, fields=fields)
        return listing_of(await self._call(request)).ids

    async def thread(self, thread_id: str) -> tuple[Headers, ...]:
        """Headers and labels of a conversation's messages, oldest first, of those in spam and trash too. Raises `MessageMissing`."""
        fields = f"messages({MESSAGE},payload/headers)"
        request = self._gmail.threads.get(userId="me", id=thread_id, format="metadata", fields=fields)
        return tuple(headers_of(a_message(message)) for message in messages_of(await self._call(request)))

    async def watch(self, topic: str) -> Watch:
        """Ask for pushes to `projects/…/topics/…`, for about seven days. On `OnlyOneWatch` stop, and ask once more."""
        return watch_of(await self._call(self._gmail.users.watch(userId="me", body={"topicName": topic})))

    async def stop(self) -> None:
        """No more pushes, within a few minutes; for every firm that has this mailbox under the same OAuth client."""
        await self._call(self._gmail.users.stop(userId="me"))

    async def send_as(self) -> tuple[str, ...]:
        """The addresses that this person may send as, confirmed ones only, the mailbox's own included."""
        return send_as_of(await self._call(self._gmail.send_as.list(userId="me", fields="sendAs(sendAsEmail,verificationStatus)")))

    async def _call(self, request: Any) -> Any:
        """A 401 costs one forced refresh; a second one says something about the account."""
        async with self._slots:
            self.units += units_of(request.methodId.removeprefix(METHODS))
            token = await self._access.token()
            with suppress(TokenRefused):
                return await self._gmail.send(request, token)
            token = await self._access.renew(token)
            try:
                return await self._gmail.send(request, token)
            except TokenRefused as refusal:
                raise refused_again(refusal) from None
