"""All of gmail/ against the simulated Google, over real HTTP: connect, read, be refused, be cut off."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from gmail.client import Gmail, GmailMailbox
from gmail.endpoints import GMAIL_READONLY, GoogleEndpoints
from gmail.errors import (
    AccessRevoked,
    ConsentIncomplete,
    HistoryExpired,
    MessageMissing,
    NotAllowed,
    OnlyOneWatch,
    OperatorFault,
    RateLimited,
)
from gmail.oauth import Grant, OAuthClient
from gmail.tokens import MailboxAccess, Refresher
from models.tokens import Tokens
from tests.sandbox_server import CLIENT_ID, CLIENT_SECRET, SandboxServer

EVA, BACK, VERIFIER = "eva@firm.test", "http://127.0.0.1:9/oauth/callback", "v" * 50
TOPIC = "projects/sandbox/topics/gmail-push"


@dataclass
class Row:
    """A mailbox's row."""

    tokens: Tokens

    async def load(self) -> Tokens:
        return self.tokens

    async def save_access(self, token: str, expires_at: datetime) -> None:
        self.tokens = Tokens(self.tokens.refresh_token, token, expires_at)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxServer]:
    folder: Path = tmp_path_factory.mktemp("sandbox")
    with SandboxServer(folder) as server:
        await server.aio.account(EVA, "Eva Sample")
        yield server


async def connected(sandbox: SandboxServer, session: aiohttp.ClientSession, **consent: object) -> Grant:
    url = sandbox.url
    endpoints = GoogleEndpoints(f"{url}/o/oauth2/v2/auth", f"{url}/token", f"{url}/revoke", f"{url}/oauth2/v1/certs", url)
    client = OAuthClient(endpoints, CLIENT_ID, CLIENT_SECRET, session)
    await sandbox.aio.consent(EVA, **consent)
    asked = client.authorization_url(BACK, "s-1", VERIFIER, EVA, "n-1", prompt="consent")
    async with session.get(asked, allow_redirects=False) as answer:
        told = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert told["state"] == ["s-1"]
    return await client.exchange(told["code"][0], VERIFIER, BACK, "n-1")


@pytest.fixture
async def row(sandbox: SandboxServer, session: aiohttp.ClientSession) -> Row:
    grant = await connected(sandbox, session)
    assert (grant.email, grant.email_verified) == (EVA, True)
    return Row(Tokens(grant.refresh_token, grant.access_token, grant.expires_at))


@pytest.fixture
async def eva(sandbox: SandboxServer, session: aiohttp.ClientSession, row: Row) -> AsyncIterator[GmailMailbox]:
    refresher = Refresher(f"{sandbox.url}/token", CLIENT_ID, CLIENT_SECRET)
    yield Gmail(session, sandbox.url).mailbox(MailboxAccess(row, refresher, now), parallel=3)
    refresher.close()
    await sandbox.aio.clear_faults()


def a_mail(subject: str = "Grüße") -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = '"Sample, Bob" <bob@client.test>', EVA, subject
    mail["Message-ID"] = "<one@Client.TEST>"
    mail.set_content("Guten Tag, größer wird's nicht.\n")
    mail.add_alternative("<p>Guten Tag</p>", subtype="html")
    mail.add_attachment(b"%PDF sample", maintype="application", subtype="pdf", filename="Plän.pdf")
    return mail.as_bytes()


async def test_new_mail_is_found_in_history_and_read_whole(sandbox: SandboxServer, eva: GmailMailbox) -> None:
    since = (await eva.profile()).history_id
    sent = await sandbox.aio.mail(EVA, a_mail())
    pages = [page async for page in eva.history(since)]
    assert [change.message_id for page in pages for change in page.changes if change.kind == "added"] == [sent["id"]]
    assert pages[-1].last
    headers = await eva.headers(sent["id"])
    assert (headers.first("subject"), "INBOX" in headers.labels) == ("Grüße", True)
    content = await eva.message(sent["id"])
    assert (content.text.strip(), content.trouble) == ("Guten Tag, größer wird's nicht.", ())
    assert content.html is not None
    (plan,) = content.attachments
    assert plan.filename == "Plän.pdf"
    assert plan.attachment_id is not None
    assert await eva.attachment(sent["id"], plan.attachment_id) == b"%PDF sample"
    assert sent["id"] in (await eva.listed("from:bob@client.test")).ids


async def test_labels_and_deletions_are_changes(sandbox: SandboxServer, eva: GmailMailbox) -> None:
    """Scenarios 28, 43."""
    sent = await sandbox.aio.mail(EVA, a_mail(), labels="SPAM")
    since = (await eva.profile()).history_id
    await sandbox.aio.labels(EVA, sent["id"], add=("INBOX",), remove=("SPAM",))
    await sandbox.aio.delete(EVA, sent["id"])
    changes = [(change.kind, change.labels) async for page in eva.history(since) for change in page.changes]
    assert ("labels_added", frozenset({"INBOX"})) in changes
    assert ("labels_removed", frozenset({"SPAM"})) in changes
    assert "deleted" in dict(changes)
    with pytest.raises(MessageMissing):
        await eva.headers(sent["id"])


async def test_history_runs_out(sandbox: SandboxServer, eva: GmailMailbox) -> None:
    since = (await eva.profile()).history_id
    await sandbox.aio.fault("history_expired", mailbox=EVA)
    with pytest.raises(HistoryExpired):
        [page async for page in eva.history(since)]


async def test_a_watch_is_set_and_what_stands_in_its_way_is_told(eva: GmailMailbox) -> None:
    watch = await eva.watch(TOPIC)
    assert watch.expires_at > now()
    with pytest.raises(OnlyOneWatch):
        await eva.watch(f"{TOPIC}-2")
    with pytest.raises(OperatorFault, match="topic_of_another_project"):
        await eva.watch("projects/another/topics/gmail-push")
    await eva.stop()
    assert (await eva.watch(f"{TOPIC}-2")).history_id >= watch.history_id
    await eva.stop()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"code": 429, "reason": "rateLimitExceeded", "retry_after": 7}, RateLimited),
        ({"code": 403, "reason": "userRateLimitExceeded"}, RateLimited),
        ({"code": 403, "reason": "domainPolicy"}, NotAllowed),
        ({"code": 403, "reason": "insufficientPermissions"}, NotAllowed),
        ({"code": 403, "reason": "accessNotConfigured"}, OperatorFault),
    ],
)
async def test_refusals_are_understood(sandbox: SandboxServer, eva: GmailMailbox, fault: dict[str, object], error: type[Exception]) -> None:
    """Scenario 104."""
    await sandbox.aio.fault("status", method="getProfile", mailbox=EVA, **fault)
    with pytest.raises(error):
        await eva.profile()


async def test_an_access_token_that_dies_on_the_way_is_renewed(sandbox: SandboxServer, eva: GmailMailbox, row: Row) -> None:
    """Scenario 91."""
    row.tokens = Tokens(row.tokens.refresh_token, "ya29.dead", row.tokens.access_expires_at)
    assert (await eva.profile()).address == EVA
    assert row.tokens.access_token != "ya29.dead"


async def test_a_person_who_takes_access_away_has_revoked_it(sandbox: SandboxServer, eva: GmailMailbox) -> None:
    await eva.profile()
    await sandbox.aio.revoke(EVA)
    with pytest.raises(AccessRevoked, match="invalid_grant"):
        await eva.profile()


async def test_an_unticked_box_is_named(sandbox: SandboxServer, session: aiohttp.ClientSession) -> None:
    """Scenario 93."""
    with pytest.raises(ConsentIncomplete) as incomplete:
        await connected(sandbox, session, scopes=["openid", "email"])
    assert incomplete.value.missing == {GMAIL_READONLY}
