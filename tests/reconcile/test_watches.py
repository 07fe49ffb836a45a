"""Watches: renewed in time, each refusal told to whom it concerns, and never a reason to miss mail."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gmail.endpoints import GoogleEndpoints
from gmail.oauth import Grant, OAuthClient
from models import connections
from models.mailboxes import Mailbox
from models.project import ProjectState
from models.watches import claim_watches
from pipeline.connection import Connections
from reconcile import chores
from reconcile.watches import renew
from settings import Push
from telemetry import metrics
from tests.builders import VAULT, a_client, a_mail, a_user
from tests.pipeline.stage import Killed, Stage, killed

DAY, HOUR, MINUTE, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
CLAIM = timedelta(minutes=10)
TOPIC = "projects/sandbox/topics/gmail-push"
PUBSUB = f"Error sending test message to Cloud PubSub {TOPIC} :"
OPERATORS: dict[str, dict[str, Any]] = {  # the word, and Google's refusal
    "topic_permission": {"code": 403, "reason": "forbidden", "message": f"{PUBSUB} User not authorized to perform this action."},
    "topic_missing": {"code": 404, "reason": "notFound", "message": f"{PUBSUB} Resource not found (resource=gmail-push)."},
    "topic_of_another_project": {
        "code": 400,
        "reason": "invalidArgument",
        "message": "Invalid topicName does not match projects/sandbox/topics/*",
    },
}
ONE_CLIENT = "Only one user push notification client allowed per developer (call /stop then try again)"
ONLY_ONE = {"code": 400, "reason": "invalidArgument", "message": ONE_CLIENT}
NO_GMAIL = {"code": 400, "reason": "failedPrecondition", "message": "Mail service not enabled"}
PRECONDITION = {"code": 400, "reason": "failedPrecondition"}
BUSY = {"code": 503, "reason": "backendError"}
THROTTLED = {"code": 429, "reason": "rateLimitExceeded", "retry_after": 600}
PROJECT = {
    "code": 403,
    "reason": "rateLimitExceeded",
    "message": "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service 'gmail.googleapis.com'",
}
REFUSALS = {"no Gmail": NO_GMAIL, "throttled": THROTTLED, "busy": BUSY, "no topic": OPERATORS["topic_missing"], "only one": ONLY_ONE}


@pytest.fixture
def stage(stage: Stage) -> Stage:
    """With the topic of Google's project."""
    return with_topic(stage, "sandbox")


def with_topic(stage: Stage, project: str) -> Stage:
    push: Push = stage.tools.settings.push.model_copy(update={"project": project})
    return replace(stage, tools=replace(stage.tools, settings=stage.tools.settings.model_copy(update={"push": push})))


async def renewed(stage: Stage, *them: Mailbox) -> None:
    await renew([mailbox.id for mailbox in them], "trace", stage.tools)


async def row(mailbox: Mailbox) -> Mailbox:
    return await Mailbox.get(id=mailbox.id)


async def watched_since_a_day(stage: Stage, address: str = "eva@sample.test") -> Mailbox:
    """A mailbox whose watch is due by now."""
    mailbox = await stage.mailbox(address)
    await renewed(stage, mailbox)
    stage.wait(days=1)
    return await row(mailbox)


async def refuse(stage: Stage, refusal: dict[str, Any], mailbox: Mailbox | None = None, **more: Any) -> None:
    whose = {"mailbox": mailbox.address} if mailbox else {}
    await stage.sandbox.aio.fault("status", method="watch", **whose, **refusal, **more)


async def asked(stage: Stage, mailbox: Mailbox) -> list[tuple[str, int]]:
    """Calls about watches, with Google's answers, oldest first."""
    calls = (await stage.sandbox.aio.state(mailbox.address))["calls"]
    return [(call["method"], call["status"]) for call in calls if call["method"] in ("watch", "stop")]


async def due(stage: Stage, after: timedelta = timedelta(0)) -> list[int]:
    """The mailboxes that a chore would queue so much later; they are claimed."""
    return await claim_watches(CLAIM, 1000, stage.clock.moment + after)


def counted(metric: Any, *labels: str) -> float:
    return float(metric.labels(*labels)._value.get())


# what a renewal does


async def test_a_renewal_moves_no_cursor_over_what_is_still_to_be_read(stage: Stage) -> None:
    """Scenario 76. Its answer tells the mailbox's head, which lies behind a backlog."""
    client, eva = await a_client(stage.firm, "", "pat@client.example"), await stage.mailbox()
    await stage.mail(eva, a_mail(subject="seen"))
    await stage.sweep(eva)
    stage.wait_to_settle()
    for number in range(3):
        await stage.mail(eva, a_mail(subject=f"backlog {number}"))
    before = await row(eva)
    assert before.head is not None
    await renewed(stage, eva)
    after = await row(eva)
    assert after.watch_expires_at is not None
    assert await stage.head(eva) > before.head
    where = ("cursor", "head", "head_at", "history_at", "last_checked_at", "epoch")
    assert [getattr(after, name) for name in where] == [getattr(before, name) for name in where]
    await stage.sweep(eva)
    assert await stage.filed(client) == ["backlog 0", "backlog 1", "backlog 2", "seen"]


async def test_a_renewed_watch_is_due_again_within_a_day(stage: Stage) -> None:
    """Scenario 77."""
    eva = await stage.mailbox()
    renewals = counted(metrics.WATCHES, "renewed")
    await renewed(stage, eva)
    it = await row(eva)
    assert it.watch_expires_at is not None
    assert it.watch_due_at is not None
    assert timedelta(days=6, hours=23) < it.watch_expires_at - stage.clock.moment <= 7 * DAY + MINUTE
    assert 20 * HOUR <= it.watch_due_at - stage.clock.moment <= DAY
    assert (it.watch_failures, it.watch_trouble) == (0, None)
    assert await asked(stage, eva) == [("watch", 200)]
    assert counted(metrics.WATCHES, "renewed") == renewals + 1


# refusals


@pytest.mark.parametrize("word", OPERATORS)
async def test_what_the_operator_must_mend_alarms_the_operator_and_nobody_else(stage: Stage, word: str) -> None:
    """Scenario 78. The mailbox stays connected, the older watch goes on, and Google is asked again later, ever less often."""
    eva = await watched_since_a_day(stage)
    alarms = counted(metrics.OPERATOR_FAULTS, word)
    await refuse(stage, OPERATORS[word])
    waits = []
    for _ in range(5):
        await renewed(stage, eva)
        it = await row(eva)
        assert it.watch_due_at is not None
        waits.append((it.watch_due_at - stage.clock.moment) / MINUTE)
        stage.clock.moment = it.watch_due_at
    assert (it.state, it.epoch, it.lapse_reason) == ("connected", eva.epoch, None)
    assert (it.watch_trouble, it.watch_failures, it.watch_expires_at) == (word, 5, eva.watch_expires_at)
    assert counted(metrics.OPERATOR_FAULTS, word) == alarms + 5
    assert all(usual <= wait <= usual * 1.2 for wait, usual in zip(waits, (10, 20, 40, 60, 60), strict=True))
    assert all(method == "watch" for method, _ in await asked(stage, eva))

    await stage.sandbox.aio.clear_faults()
    assert await due(stage) == [eva.id]
    await renewed(stage, eva)
    it = await row(eva)
    assert (it.watch_trouble, it.watch_failures) == (None, 0)


async def test_a_topic_of_another_project_is_the_operators_fault(stage: Stage) -> None:
    """Scenario 78. As Google itself finds out."""
    eva = await stage.mailbox()
    await renewed(with_topic(stage, "somebody-elses"), eva)
    it = await row(eva)
    assert (it.state, it.watch_trouble, it.watch_expires_at) == ("connected", "topic_of_another_project", None)


async def test_a_watch_that_stands_in_the_way_is_stopped_and_set_anew(stage: Stage) -> None:
    """Scenario 78. Another deployment of the same project had set it, on a topic of its own."""
    eva = await stage.mailbox()
    google = stage.tools.connection(eva.id, eva.epoch)
    await google.watch("projects/sandbox/topics/another")
    await renewed(stage, eva)
    assert await asked(stage, eva) == [("watch", 200), ("watch", 400), ("stop", 204), ("watch", 200)]
    it = await row(eva)
    assert (it.state, it.watch_trouble) == ("connected", None)
    assert it.watch_expires_at is not None
    assert (await stage.sandbox.aio.state(eva.address))["accounts"][eva.address]["watch"]["topicName"] == TOPIC


@pytest.mark.parametrize("then", [ONLY_ONE, BUSY, OPERATORS["topic_missing"]])
async def test_it_is_stopped_only_once_and_a_watch_that_is_gone_is_told(stage: Stage, then: dict[str, Any]) -> None:
    """Scenario 78. After the stop there may be none: so the row says, and the mailbox comes before all others."""
    eva = await watched_since_a_day(stage)
    bob = await watched_since_a_day(stage, "bob@sample.test")
    await refuse(stage, ONLY_ONE, eva, count=1)
    await refuse(stage, then, eva)
    await renewed(stage, eva)
    assert await asked(stage, eva) == [("watch", 200), ("watch", 400), ("stop", 204), ("watch", then["code"])]
    it = await row(eva)
    assert (it.state, it.watch_expires_at, it.watch_failures) == ("connected", None, 1)
    assert await claim_watches(CLAIM, 1, stage.clock.moment + HOUR) == [eva.id]
    assert bob.watch_expires_at is not None
    stage.clock.moment += HOUR
    await stage.sandbox.aio.clear_faults()
    await renewed(stage, eva)
    assert (await row(eva)).watch_expires_at is not None
    assert (await asked(stage, eva))[4:] == [("watch", 200)]


async def test_an_account_without_gmail_lapses_with_that_word(stage: Stage) -> None:
    """Scenario 79."""
    eva = await watched_since_a_day(stage)
    lapses = counted(metrics.LAPSES, "no_mail_service")
    await refuse(stage, NO_GMAIL)
    await renewed(stage, eva)
    it = await row(eva)
    assert (it.state, it.lapse_reason, it.lapsed_at) == ("lapsed", "no_mail_service", stage.clock.moment)
    assert counted(metrics.LAPSES, "no_mail_service") == lapses + 1
    assert await due(stage, DAY) == []


@pytest.mark.parametrize(("refusal", "word"), [(PRECONDITION, "failedPrecondition"), (BUSY, "backendError")])
async def test_what_may_pass_is_tried_again_ever_later(stage: Stage, refusal: dict[str, Any], word: str) -> None:
    """Scenario 79. A bare "precondition check failed" says nothing about the account."""
    eva = await watched_since_a_day(stage)
    await refuse(stage, refusal)
    waits = []
    for _ in range(8):
        await renewed(stage, eva)
        it = await row(eva)
        assert (it.state, it.epoch, it.watch_trouble, it.watch_expires_at) == ("connected", eva.epoch, word, eva.watch_expires_at)
        assert it.watch_due_at is not None
        waits.append((it.watch_due_at - stage.clock.moment) / MINUTE)
        stage.clock.moment = it.watch_due_at
    assert all(usual <= wait <= usual * 1.2 for wait, usual in zip(waits, (1, 2, 4, 8, 16, 32, 60, 60), strict=True))
    await stage.sandbox.aio.clear_faults()
    await renewed(stage, eva)
    assert (await row(eva)).watch_trouble is None
    assert ("stop", 204) not in await asked(stage, eva)


async def test_access_that_is_over_lapses(stage: Stage) -> None:
    """Scenario 87."""
    eva = await watched_since_a_day(stage)
    await stage.sandbox.aio.revoke(eva.address)
    await renewed(stage, eva)
    it = await row(eva)
    assert (it.state, it.lapse_reason) == ("lapsed", "invalid_grant")


async def test_a_throttled_mailbox_is_left_alone_for_as_long_as_google_says(stage: Stage) -> None:
    """Scenario 103. By its syncs, too; then both are owed."""
    client, eva = await a_client(stage.firm, "", "pat@client.example"), await watched_since_a_day(stage)
    await refuse(stage, THROTTLED)
    await stage.mail(eva, a_mail(subject="meanwhile"))
    await renewed(stage, eva)
    await stage.sandbox.aio.clear_faults()
    it = await row(eva)
    assert it.watch_due_at is not None
    assert 598 <= (it.watch_due_at - stage.clock.moment).total_seconds() <= 660
    assert (it.watch_trouble, it.watch_expires_at) == ("rateLimitExceeded", eva.watch_expires_at)
    assert it.cool_down_until == it.watch_due_at

    asked_before = await asked(stage, eva)
    assert await due(stage, timedelta(seconds=590)) == []
    await renewed(stage, eva)
    await stage.push(eva)
    assert await asked(stage, eva) == asked_before
    assert await stage.filed(client) == []

    stage.clock.moment = it.watch_due_at
    assert await due(stage) == [eva.id]
    assert await stage.pending() == [eva.id]
    await renewed(stage, eva)
    await stage.sweep(eva)
    assert (await row(eva)).watch_trouble is None
    assert await stage.filed(client) == ["meanwhile"]


async def test_when_the_project_is_throttled_the_rest_of_the_job_asks_nothing(stage: Stage) -> None:
    """Scenario 105. Fresh mail goes first; then all of them are due again."""
    them = [await watched_since_a_day(stage, f"{name}@sample.test") for name in ("eva", "bob", "joe")]
    began = stage.clock.moment
    await refuse(stage, PROJECT)
    claimed = await due(stage)
    await renew(claimed, "trace", stage.tools)
    await stage.sandbox.aio.clear_faults()
    state = await ProjectState.get()
    assert state.fresh_after is not None
    assert state.sweep_after is not None
    assert 60 <= (state.fresh_after - began).total_seconds() <= 66
    assert state.sweep_after > state.fresh_after
    assert sum([len(await asked(stage, mailbox)) for mailbox in them]) == len(them) + 1
    assert await Mailbox.filter(cool_down_until=None).count() == len(them)

    assert await due(stage, timedelta(seconds=80)) == []
    stage.clock.moment += CLAIM
    assert sorted(await due(stage)) == sorted(claimed)
    await renewed(stage, *them)
    assert await Mailbox.filter(watch_failures=0, watch_trouble=None).count() == len(them)


# what stops what


async def disconnected(stage: Stage, mailbox: Mailbox) -> None:
    await connections.disconnect(mailbox.id, mailbox.firm_id, stage.clock.moment)


async def reconnected(stage: Stage, mailbox: Mailbox) -> None:
    await stage.mailbox(mailbox.address)


@pytest.mark.parametrize("meanwhile", [disconnected, reconnected])
@pytest.mark.parametrize("answer", ["a watch", *REFUSALS])
async def test_a_renewal_writes_nothing_into_a_connection_that_is_not_its_own(
    stage: Stage, answer: str, meanwhile: Callable[[Stage, Mailbox], Awaitable[None]]
) -> None:
    """Scenarios 92, 120."""
    eva = await watched_since_a_day(stage)
    if answer in REFUSALS:
        await refuse(stage, REFUSALS[answer])
    left: list[dict[str, Any]] = []

    async def in_the_middle() -> None:
        await meanwhile(stage, eva)
        left.append(await Mailbox.get(id=eva.id).values())

    stage.wire.after("/watch", in_the_middle)
    await renewed(stage, eva)
    assert [await Mailbox.get(id=eva.id).values()] == left


async def test_whoever_is_refused_stops_none_of_the_others(stage: Stage) -> None:
    """Scenarios 77, 78. Neither does whoever is unknown, gone, or has tokens that no key opens."""
    names = ("slow", "nobody", "over", "unreadable", "well", "fine")
    them = {name: await watched_since_a_day(stage, f"{name}@sample.test") for name in names}
    stage.clock.moment += HOUR
    for name, refusal in (("slow", THROTTLED), ("nobody", NO_GMAIL)):
        await refuse(stage, refusal, them[name])
    await disconnected(stage, them["over"])
    await Mailbox.filter(id=them["unreadable"].id).update(refresh_token="v9:nonsense", access_token="v9:nonsense")
    await renew([10**9, *(mailbox.id for mailbox in them.values())], "trace", stage.tools)
    after = {name: await row(mailbox) for name, mailbox in them.items()}
    assert [after[name].watch_expires_at != them[name].watch_expires_at for name in ("well", "fine")] == [True, True]
    assert [after[name].state for name in names] == ["connected", "lapsed", "disconnected", *["connected"] * 3]
    assert [after[name].watch_trouble for name in names] == ["rateLimitExceeded", *[None] * 5]


async def test_what_the_operator_must_mend_one_mailbox_asks_again_on_behalf_of_all(stage: Stage) -> None:
    """Scenario 78. The topic is the same for everybody: at twenty thousand mailboxes the asking alone would cost a fortune."""
    them = [await watched_since_a_day(stage, f"{name}@sample.test") for name in ("eva", "bob", "joe")]
    await refuse(stage, OPERATORS["topic_missing"])
    stage.clock.moment += HOUR
    before = sum([len(await asked(stage, mailbox)) for mailbox in them])
    await renew([mailbox.id for mailbox in them], "trace", stage.tools)
    assert sum([len(await asked(stage, mailbox)) for mailbox in them]) == before + 1
    assert await due(stage) == []
    stage.clock.moment += 10 * MINUTE
    await stage.sandbox.aio.clear_faults()
    claimed = await due(stage)
    assert len(claimed) >= 2
    await renew(claimed, "trace", stage.tools)
    assert sum([len(await asked(stage, mailbox)) for mailbox in them]) == before + 1 + len(claimed)


async def test_a_job_ends_when_its_time_is_up_and_the_rest_is_claimed_again(stage: Stage) -> None:
    """Scenario 124. Google takes its time, but not all of everybody's."""
    them = [await watched_since_a_day(stage, f"{name}@sample.test") for name in ("eva", "bob", "joe")]

    async def slow() -> None:
        stage.wait(seconds=stage.tools.limits.job_budget.total_seconds())

    stage.wire.after("/watch", slow)
    claimed = await due(stage)
    began = stage.clock.moment
    await renew(claimed, "trace", stage.tools)
    assert sum([len(await asked(stage, mailbox)) for mailbox in them]) == len(them) + 1
    assert sorted(await claim_watches(CLAIM, 10, began + CLAIM)) == sorted(claimed[1:])


async def test_a_job_that_is_killed_leaves_its_mailboxes_due(stage: Stage) -> None:
    """Scenario 111."""
    them = [await watched_since_a_day(stage, f"{name}@sample.test") for name in ("eva", "bob")]
    claimed = await due(stage)
    stage.wire.after("/watch", killed)
    with pytest.raises(Killed):
        await renew(claimed, "trace", stage.tools)
    assert await due(stage, CLAIM - SECOND) == []
    assert sorted(await due(stage, CLAIM)) == sorted(mailbox.id for mailbox in them)


# at connect


async def connect(stage: Stage, address: str = "sam@sample.test") -> Mailbox:
    """A person's consent becomes a mailbox, as the page does it."""
    account = await stage.sandbox.aio.account(address)
    refresh, access = await stage.consent(address)
    grant = Grant(refresh, access, stage.clock.moment + HOUR, frozenset(), account["sub"], address, True)
    endpoints = GoogleEndpoints(*[f"{stage.sandbox.url}/nowhere"] * 5)
    oauth = OAuthClient(endpoints, "client", "secret", stage.logins)
    connections = Connections(stage.tools.gmail, oauth, stage.tools.refresher, VAULT, TOPIC, stage.clock)
    return await Mailbox.get(id=await connections.complete(await a_user(stage.firm, address), grant))


class Queued:
    """What a chore queues."""

    def __init__(self) -> None:
        self.jobs: list[tuple[str, list[int]]] = []

    async def waiting(self, queue: str) -> int:
        return 0

    async def send(self, job: str, *arguments: Any) -> None:
        self.jobs.append((job, arguments[0]))


async def test_whoever_connects_is_watched_and_due_again_in_time(stage: Stage) -> None:
    """Scenario 77."""
    sam = await connect(stage)
    assert sam.watch_expires_at is not None
    assert sam.watch_due_at is not None
    assert 20 * HOUR <= sam.watch_due_at - stage.clock.moment <= DAY
    assert sam.watch_due_at < sam.watch_expires_at - DAY
    assert await due(stage, 20 * HOUR - SECOND) == []
    assert await due(stage, DAY) == [sam.id]


async def test_mail_that_comes_between_the_baseline_and_the_watch_is_filed(stage: Stage) -> None:
    """Scenario 76. The watch's answer lies behind it."""
    client = await a_client(stage.firm, "", "pat@client.example")
    await stage.sandbox.aio.account("sam@sample.test")

    async def comes() -> None:
        await stage.sandbox.aio.mail("sam@sample.test", a_mail(subject="in between").as_bytes())

    stage.wire.after("/profile", comes)
    await stage.sweep(await connect(stage))
    assert await stage.filed(client) == ["in between"]


@pytest.mark.parametrize("answer", REFUSALS)
async def test_a_watch_that_fails_at_connect_is_asked_for_by_the_next_tick_before_all_others(stage: Stage, answer: str) -> None:
    """Scenarios 77, 78."""
    others = [await watched_since_a_day(stage, f"{name}@sample.test") for name in ("eva", "bob")]
    await refuse(stage, REFUSALS[answer], count=2)
    sam = await connect(stage)
    assert (sam.state, sam.watch_expires_at) == ("connected", None)
    await stage.sandbox.aio.clear_faults()
    queued = Queued()
    assert await chores.watches(stage.tools.settings, queued, stage.clock.moment) == 3
    ((job, mailbox_ids),) = queued.jobs
    assert job == "renew_watches"
    assert (mailbox_ids[0], sorted(mailbox_ids)) == (sam.id, sorted([sam.id, *(other.id for other in others)]))
    await renew(mailbox_ids, "trace", stage.tools)
    assert (await row(sam)).watch_expires_at is not None
