"""The endpoint as a deployment puts it together from its settings."""

from typing import Any

import aiohttp
import pytest

from models.mailboxes import Mailbox
from pipeline.marks import Marks
from settings import Settings, load
from tests.gmail.google import Google
from tests.webhook.hook import ACCOUNT, AUDIENCE, SAM, Hook, news
from tests.webhook.queue import jobs
from webhook.app import not_ready, routes


def configured(google: Google, **push: Any) -> Settings:
    plain = load()
    usual = {"audiences": (AUDIENCE,), "service_accounts": (ACCOUNT,), "certs_url": f"{google.url}/certs"}
    return plain.model_copy(update={"push": plain.push.model_copy(update=usual | push)})


async def test_a_push_becomes_one_job_that_knows_its_mailbox_and_its_trace(
    hook: Hook, sam: Mailbox, google: Google, session: aiohttp.ClientSession, marks: Marks
) -> None:
    hook.serves(*routes(configured(google), session, marks))
    answer = await hook.push()
    [line] = [line for line in answer.logs if line["event"] == "push"]
    assert (answer.status, answer.text, answer.counted) == (204, "", {"queued": 1})
    assert [(mailbox, trace) for mailbox, trace, _ in jobs()] == [(sam.id, line["trace"])]
    assert await marks.take(sam.id) == 2000


@pytest.mark.parametrize(("push", "missing"), [
    ({"audiences": ()}, ["audiences"]),
    ({"service_accounts": ()}, ["service_accounts"]),
    ({"audiences": (), "service_accounts": ()}, ["audiences", "service_accounts"]),
])  # fmt: skip
async def test_without_knowing_whom_to_expect_every_push_is_refused_and_readiness_says_why(
    hook: Hook, google: Google, session: aiohttp.ClientSession, marks: Marks, push: dict[str, Any], missing: list[str]
) -> None:
    """Scenario 4."""
    unconfigured = configured(google, **push)
    hook.serves(*routes(unconfigured, session, marks))
    for authorization in (None, "", "Bearer sample"):
        answer = await hook.push(authorization=authorization)
        assert (answer.status, answer.text, answer.counted) == (503, "", {"not configured": 1})
    assert (google.asked, jobs()) == ([], [])
    assert [sentence.split(" ")[0] for sentence in not_ready(unconfigured)] == [f"push.{name}" for name in missing]
    assert all("503" in sentence for sentence in not_ready(unconfigured))
    assert not_ready(configured(google)) == []


async def test_neither_logs_nor_metrics_name_an_address_or_a_token(hook: Hook, google: Google) -> None:
    """Scenario 110."""
    answers = [
        await hook.push(),
        await hook.push(news("secret@sample.test")),
        await hook.push(email="secret@else.example"),
        await hook.push(news("secret@sample.test", -1)),
        await hook.push(authorization="Bearer secret"),
    ]
    said = str([(answer.logs, answer.counted, answer.text, answer.headers) for answer in answers])
    assert [answer.status for answer in answers] == [204, 204, 403, 204, 401]
    assert not [word for word in (SAM, "secret", "eyJ") if word in said]
