"""The operator's commands: what they show, what they do, and how they refuse."""

import asyncio
import dataclasses
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest
import redis
from typer.testing import CliRunner

import settings
from models import project
from models.gaps import Gap
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from models.project import Budget
from models.sweeps import Sweep
from postroom.cli import app
from postroom.command import counted_as, show
from postroom.overview import Line, facts, lines, look, span
from tests.postroom.deployment import Deployment, Said, a_database, a_redis
from tests.reconcile.fleet import a_fleet
from tests.servers import Server

NOBODY = "127.0.0.1:9"  # where nobody listens
INTERVAL = timedelta(minutes=10)
DAY = timedelta(days=1)


@pytest.fixture
def deployment(postgres: Server, valkey_server: Server) -> settings.Settings:
    return settings.load()


async def said_of(deployment: settings.Settings, now: datetime) -> dict[str, Line]:
    return {line.what: line for line in lines(await look(deployment, now))}


def alarms(said: dict[str, Line]) -> set[str]:
    return {what for what, line in said.items() if line.alarming}


def until_googles_next_day(now: datetime) -> timedelta:
    there = now.astimezone(ZoneInfo("America/Los_Angeles"))
    midnight = datetime.combine(there.date() + timedelta(days=1), datetime.min.time(), there.tzinfo)
    return midnight.astimezone(UTC) - now


async def closed_sweep(now: datetime, **found: Any) -> None:
    await Sweep.create(opened_at=now - INTERVAL, closed_at=now, **found)


# what an operator sees


async def test_a_deployment_that_does_its_work_alarms_nobody(deployment: settings.Settings, now: datetime, valkey: redis.Redis) -> None:
    ((one, two, gone),) = await a_fleet(now, 3, unseen_for=timedelta(minutes=1))
    await Mailbox.filter(id__in=[one, two]).update(watch_expires_at=now + 6 * DAY)
    await Mailbox.filter(id=gone).update(state="lapsed", lapsed_at=now - 2 * DAY)
    await closed_sweep(now - timedelta(minutes=3), queued=120, found=1, filed=1, pushed=40)
    said = await said_of(deployment, now)
    assert alarms(said) == set()
    assert {what: line.words for what, line in said.items()} == {
        "queue fresh": "0 jobs waiting",
        "queue sweep": "0 jobs waiting",
        "queue bulk": "0 jobs waiting",
        "mailboxes": "2 connected, 0 paused, 1 lapsed, 0 disconnected",
        "lapsed within the hour": "0",
        "messages": "0 pending, 0 parked",
        "open gaps": "0",
        "late mailboxes": "0",
        "watches": "0 mailboxes without one; the first ends in 6 d",
        "sweep": "ended 3 min ago: 120 mailboxes queued, 1 message found, 1 filed, 0 found by audits",
        "push": "push works",
        "letters": "0 due, 0 held back, 0 not taken by the mail server",
        "quota": "0 of 80,000,000 units of Google's day (0.0%)",
        "project": "nothing waits for Google",
    }


async def test_whatever_is_wrong_is_seen_at_once(deployment: settings.Settings, now: datetime, valkey: redis.Redis) -> None:
    from pipeline.jobs import BROKER, sync_mailbox, sync_stragglers

    ((one, late),) = await a_fleet(now, 2, unseen_for=timedelta(minutes=2))
    await Mailbox.filter(id=one).update(watch_expires_at=now - timedelta(hours=3))
    await Mailbox.filter(id=late).update(last_checked_at=now - timedelta(hours=1), missed_id=9, watch_expires_at=now + DAY)
    entry: dict[str, Any] = {"mailbox_id": one, "found_by": "sweep", "found_at": now, "seen_history_id": 1}
    await LedgerEntry.create(**entry, gmail_id="a", owed_at=now)
    await LedgerEntry.create(**entry, gmail_id="b", outcome="parked")
    await Gap.create(mailbox_id=one, since=now, until=now, reason="history expired", opened_at=now)
    await closed_sweep(now - timedelta(hours=2), found=2, filed=1, audited=1, silent=1, pushed=1)
    half_an_hour_ago = int((time.time() - 1800) * 1000)
    BROKER.enqueue(dataclasses.replace(sync_mailbox.message(one, "trace", 0.0), message_timestamp=half_an_hour_ago))
    sync_stragglers.send([one], "trace", 0.0)
    await project.spend(70_000_000, Budget(10**9, 80_000_000), now)
    await project.cool_down(now + timedelta(minutes=3))

    said = await said_of(deployment, now)
    wrong = {"queue fresh", "messages", "late mailboxes", "watches", "sweep", "push", "quota", "project"}
    assert alarms(said) == wrong
    assert said["queue fresh"].words == "1 job waiting, the oldest for 30 min"
    assert said["queue sweep"].words.startswith("1 job waiting, the oldest for ")
    assert said["messages"].words == "1 pending, 1 parked"
    assert said["open gaps"].words == "1"
    assert said["late mailboxes"].words == "1"
    assert said["watches"].words == "1 mailbox without one; the first ended 3 h ago"
    assert said["sweep"].words.startswith("ended 2 h ago: 0 mailboxes queued, 2 messages found, 1 filed, 1 found by audits")
    assert said["push"].words == "silent for 1 mailbox"
    assert said["quota"].words == "70,000,000 of 80,000,000 units of Google's day (87.5%)"
    assert said["project"].words == f"fresh mail waits 3 min, the sweep waits 3 min, bulk work waits {span(until_googles_next_day(now))}"


@pytest.mark.parametrize(
    ("sweep", "state", "words"),
    [
        (None, "unknown", "no sweep has ended yet: nothing is known"),
        ({"pushed": 3}, "works", "push works"),
        ({}, "quiet", "no push came, and none was missed"),
        ({"silent": 2, "found": 5}, "dead", "push is dead: the sweep found 5 messages and no push came for anybody"),
        ({"silent": 2}, "dead", "push is dead: 2 mailboxes missed mail and no push came for anybody"),
    ],
)
async def test_the_health_of_push_is_told_in_words(
    deployment: settings.Settings, now: datetime, valkey: redis.Redis, sweep: dict[str, int] | None, state: str, words: str
) -> None:
    """Scenario 80."""
    if sweep is not None:
        await closed_sweep(now, **sweep)
    seen = await look(deployment, now)
    assert facts(seen)["push"] == {"state": state, "words": words}
    told = {line.what: line for line in lines(seen)}
    assert (told["push"].words, told["push"].alarming) == (words, state == "dead")


async def test_without_redis_the_rest_is_told(deployment: settings.Settings, now: datetime) -> None:
    away = deployment.model_copy(update={"redis": deployment.redis.model_copy(update={"url": f"redis://{NOBODY}/0"})})
    await a_fleet(now, 2)
    said = await said_of(away, now)
    assert said["queues"] == Line("queues", "Redis does not answer (ConnectionError): check redis.url, and that it runs", alarming=True)
    assert said["mailboxes"].words.startswith("2 connected")
    assert facts(await look(away, now))["queues"] is None


def test_a_table_for_people_and_lines_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("push", "silent [for] 2 mailboxes"), ("gaps", "0")]
    show(("what", "how"), rows, [0], terminal=False)
    assert capsys.readouterr().out == "what\thow\n! push\tsilent [for] 2 mailboxes\ngaps\t0\n"
    show(("what", "how"), rows, [0], terminal=True)
    shown = capsys.readouterr().out
    assert "silent [for] 2 mailboxes" in shown
    assert "─" in shown
    assert "\x1b[1;31m" in shown.split("push")[0]


def test_numbers_and_spans_as_a_person_says_them() -> None:
    assert [counted_as(1, "message"), counted_as(1200, "message"), counted_as(0, "mailbox")] == [
        "1 message",
        "1,200 messages",
        "0 mailboxes",
    ]
    seconds = (0, 119, 120, 7199, 7200, 172_799, 172_800)
    assert [span(timedelta(seconds=number)) for number in seconds] == ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d"]


# the commands, as people run them


@pytest.fixture(scope="module")
async def here(postgres: Server, valkey_server: Server, request: pytest.FixtureRequest) -> Deployment:
    """With a connected mailbox of sam@sample.test, and another person who never connected one."""
    url = await a_database(postgres, "operating_" + request.module.__name__.rpartition(".")[2])
    made = Deployment({"DATABASE__URL": url, "REDIS__URL": a_redis(valkey_server, 4), "METRICS__BIND": "127.0.0.1:0"})
    assert (await made.postroom("migrate")).code == 0
    await execute(
        made,
        """
        INSERT INTO firm (id, name, provider, file_all_sent, created_at) VALUES (1, 'Sample', 'google', false, now());
        INSERT INTO app_user (id, firm_id, email, email_key, name, role, active, created_at) VALUES
        (1, 1, 'sam@sample.test', 'sam@sample.test', 'Sam', 'staff', true, now()),
        (2, 1, 'kim@sample.test', 'kim@sample.test', 'Kim', 'staff', true, now());
        INSERT INTO mailbox (id, firm_id, user_id, google_sub, address, address_key, state, epoch, cursor, history_at, started_at,
        connected_at) SELECT 1, 1, 1, 'sub', 'sam@sample.test', 'sam@sample.test', 'connected', 1, 1000, at, at, at
        FROM (SELECT timestamptz '2026-11-20 12:00Z' AS at) AS moment
        """,
    )
    return made


@pytest.fixture
async def letters(here: Deployment) -> list[int]:
    """Three dead letters."""
    await execute(
        here,
        """
        DELETE FROM ledger_entry;
        INSERT INTO ledger_entry (id, mailbox_id, gmail_id, outcome, reason, found_by, found_at, settled_at, seen_history_id, tries)
        SELECT n, 1, 'gmail-' || n, 'parked', 'http_500', 'push', now(), timestamptz '2026-11-21 08:30Z', 1, 5 FROM generate_series(1, 3) n
        """,
    )
    return [1, 2, 3]


async def execute(here: Deployment, sql: str) -> None:
    connection = await asyncpg.connect(here.settings["DATABASE__URL"])
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def refuses(said: Said, sentence: str) -> None:
    assert (said.code, said.out, said.err.strip()) == (1, "", sentence)


async def test_queues_tells_scripts_and_people_the_same(here: Deployment, letters: list[int]) -> None:
    told, plain, away = await asyncio.gather(
        here.postroom("queues", "--json"), here.postroom("queues"), here.postroom("queues", REDIS__URL=f"redis://{NOBODY}/0")
    )
    assert told.json["queues"] == {queue: {"jobs": 0, "oldest_s": 0.0} for queue in ("fresh", "sweep", "bulk")}
    assert told.json["mailboxes"] == {"connected": 1, "paused": 0, "lapsed": 0, "disconnected": 0}
    numbers = ("pending", "parked", "gaps", "silent", "late", "unwatched", "lapsed", "soonest_watch_expiry", "sweep")
    assert [told.json[name] for name in numbers] == [0, 3, 0, 0, 1, 1, 0, None, None]
    assert told.json["push"]["state"] == "unknown"
    assert told.json["units"] == {"day": 0, "budget": 80_000_000, "share": 0.0}
    assert told.json["waits_s"] == {"fresh": 0.0, "sweep": 0.0, "bulk": 0.0}
    assert "\n! messages\t0 pending, 3 parked\n" in plain.out
    assert (away.code, away.err) == (0, "")
    assert "! queues\tRedis does not answer (ConnectionError)" in away.out
    assert "\n! messages\t0 pending, 3 parked\n" in away.out


async def test_dead_letters_are_listed_tried_again_and_given_up(here: Deployment, letters: list[int]) -> None:
    """Scenario 29."""
    listed, plain = await asyncio.gather(here.postroom("dead-letters", "list", "--json"), here.postroom("dead-letters", "list"))
    since = datetime(2026, 11, 21, 8, 30, tzinfo=UTC).isoformat()
    first = {"id": 1, "mailbox_id": 1, "firm_id": 1, "gmail_id": "gmail-1", "reason": "http_500", "tries": 5, "strikes": 0, "since": since}
    assert listed.json[0] == first
    assert [letter["id"] for letter in listed.json] == letters
    assert plain.out.splitlines()[:2] == [
        "id\tmailbox\tfirm\tGmail id\treason\ttries\tstrikes\tsince",
        "1\t1\t1\tgmail-1\thttp_500\t5\t0\t2026-11-21 08:30 UTC",
    ]
    assert "sample.test" not in plain.out + json.dumps(listed.json)

    some = await here.postroom("dead-letters", "retry", 1, 77, 78)
    assert (some.code, some.out) == (1, "1 message is owed another look.\n")
    assert some.err == "No dead letters: 77, 78. `postroom dead-letters list` shows those there are.\n"
    assert await here.ask("SELECT owed_at IS NOT NULL AND outcome IS NULL FROM ledger_entry WHERE id = 1")
    assert await here.ask("SELECT next_attempt_at <= now() FROM mailbox")

    given_up = await here.postroom("dead-letters", "discard", 2, "--json")
    assert (given_up.code, given_up.json) == (0, {"discarded": [2], "unknown": []})
    assert await here.ask("SELECT outcome || ' ' || reason FROM ledger_entry WHERE id = 2") == "skipped discarded"
    again, the_rest = await asyncio.gather(here.postroom("dead-letters", "discard", 2), here.postroom("dead-letters", "retry", "--all"))
    refuses(again, "No dead letter: 2. `postroom dead-letters list` shows those there are.")
    assert (the_rest.code, the_rest.out) == (0, "1 message is owed another look.\n")
    assert (await here.postroom("dead-letters", "list")).out == "There are no dead letters.\n"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("dead-letters retry", "Name dead letters by their ids, or all of them with --all."),
        ("dead-letters retry 1 --all", "Name dead letters by their ids, or all of them with --all."),
        ("dead-letters discard", "Name dead letters by their ids: `postroom dead-letters list` shows them."),
        ("backfill sam@sample.test --days 0", "0 days cannot be fetched: choose from 1 to 3650."),
        ("backfill sam@sample.test --days -3", "-3 days cannot be fetched: choose from 1 to 3650."),
        ("backfill sam@sample.test --days 1000000000000", "1000000000000 days cannot be fetched: choose from 1 to 3650."),
    ],
)
def test_nonsense_is_refused_before_the_database_is_asked(command: str, sentence: str) -> None:
    said = CliRunner().invoke(app, command.split())
    assert (said.exit_code, said.stdout, said.stderr.strip()) == (1, "", sentence)


async def test_backfill_owes_the_mail_from_before_the_connection(here: Deployment) -> None:
    """The same days again mean the same days again."""
    first = await here.postroom("backfill", "Sam@sample.test", "--days", 30, "--json")
    assert (first.code, first.json) == (0, {"mailbox_id": 1, "since": "2026-10-21T12:00:00+00:00", "is_new": True})
    again = await here.postroom("backfill", "sam@sample.test", "--days", 30)
    assert again.out == "The mail of sam@sample.test since 2026-10-21 12:00 UTC counts already: there is nothing to fetch.\n"
    more = await here.postroom("backfill", "sam@sample.test", "--days", 31)
    assert more.out.endswith("is fetched from now on, latest first, behind everybody's new mail.\n")
    assert (
        await here.ask("SELECT min(since) || ' ' || count(DISTINCT since) FROM gap WHERE reason = 'backfill'") == "2026-10-20 12:00:00+00 2"
    )
    assert await here.ask("SELECT started_at FROM mailbox") == datetime(2026, 10, 20, 12, tzinfo=UTC)
    assert await here.ask("SELECT recover_at <= now() FROM mailbox")


async def test_a_backfill_of_whom_nobody_knows_or_who_is_not_connected(here: Deployment) -> None:
    nobody, never = await asyncio.gather(
        here.postroom("backfill", "robin@sample.test", "--days", 3), here.postroom("backfill", "kim@sample.test", "--days", 3)
    )
    refuses(nobody, "Nobody signs in as robin@sample.test: add them with `postroom user add`.")
    refuses(never, "kim@sample.test has not connected Google yet: they do so under Google Email Sync.")

    await execute(here, "UPDATE mailbox SET state = 'lapsed'")
    lapsed = await here.postroom("backfill", "sam@sample.test", "--days", 3)
    await execute(here, "UPDATE mailbox SET state = 'connected'; UPDATE firm SET provider = 'none'")
    switched_off = await here.postroom("backfill", "sam@sample.test", "--days", 3)
    await execute(here, "UPDATE firm SET provider = 'google'")
    refuses(lapsed, "The mailbox of sam@sample.test is lapsed: they must connect Google again first.")
    refuses(switched_off, "The firm of sam@sample.test does not sync with Google now: an admin chooses it under Integrations.")
