"""The operator's commands about letters: what waits, and what becomes of a surge."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from models import connections, outbox
from models.mailboxes import Mailbox
from models.notices import Notice
from postroom.recheck import recheck
from tests.builders import a_client, a_firm, a_mail, a_mailbox, a_user
from tests.pipeline.stage import Stage
from tests.postroom.deployment import Deployment, Said
from tests.sandbox_server import CLIENT_ID, CLIENT_SECRET
from tests.servers import Server

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def here(postgres: Server, valkey_server: Server, database: None) -> Deployment:
    """The database of the test itself."""
    return Deployment({"DATABASE__URL": postgres.url, "REDIS__URL": valkey_server.url, "METRICS__BIND": "127.0.0.1:0"})


async def lapses(mailbox: Mailbox, at: datetime, because: str = "invalid_grant") -> None:
    assert await connections.lapse(mailbox.id, mailbox.epoch, because, at)


async def a_surge(now: datetime, size: int) -> list[Mailbox]:
    """So many lapses a quarter of an hour ago, whose letters are held since then."""
    firm = await a_firm()
    mailboxes = [await a_mailbox(await a_user(firm), at=now - HOUR) for _ in range(size)]
    for mailbox in mailboxes:
        await lapses(mailbox, now - 15 * MINUTE)
    assert await outbox.hold_in_a_surge(size, now - 14 * MINUTE)
    return mailboxes


def refuses(said: Said, sentence: str) -> None:
    assert (said.code, said.out, said.err.strip()) == (1, "", sentence)


# what waits


async def test_without_a_surge_nothing_is_held_and_nothing_is_to_be_decided(here: Deployment) -> None:
    status, told, release, drop, recheck = await asyncio.gather(
        *(here.postroom("letters", *words) for words in (("status",), ("status", "--json"), ("release",), ("drop",), ("recheck",)))
    )
    assert status.out.splitlines() == [
        "what\thow it stands",
        "due\t0 letters",
        "held back\tnothing",
        "failing\t0 letters that the mail server did not take",
        "mail server\tnone is set: letters stay owed until mail.smtp_host is",
    ]
    assert told.json == {"due": 0, "held": 0, "failing": 0, "held_at": None, "client_refused_at": None, "mail_server": False}
    for said in (release, drop):
        refuses(said, "No letters are held: there is nothing to decide. `postroom letters status` shows what waits.")
    refuses(recheck, "No letters are held: say with --hours how far to look back for lapses.")


async def test_a_surge_is_told_with_what_to_do(here: Deployment, now: datetime) -> None:
    """Scenario 90."""
    await a_surge(now, 3)
    mail = {"MAIL__SMTP_HOST": "mail.sample.test", "MAIL__SMTP_PORT": 587}
    status, told, queues = await asyncio.gather(
        here.postroom("letters", "status", **mail), here.postroom("letters", "status", "--json", **mail), here.postroom("queues")
    )
    held_at = now - 14 * MINUTE
    lines = status.out.splitlines()
    assert lines[1:5] == [
        "due\t3 letters",
        f"! held back\t3 letters, since {held_at:%Y-%m-%d %H:%M} UTC: too many mailboxes lapsed within an hour",
        "failing\t0 letters that the mail server did not take",
        "mail server\tmail.sample.test:587",
    ]
    assert all(f"`postroom letters {word}`" in lines[5] for word in ("recheck", "release", "drop"))
    facts = {"due": 3, "held": 3, "failing": 0, "held_at": held_at.isoformat(), "client_refused_at": None, "mail_server": True}
    assert told.json == facts
    assert "\n! letters\t3 due, 3 held back, 0 not taken by the mail server: see `postroom letters status`\n" in queues.out


async def test_a_refused_oauth_client_and_a_mail_server_that_takes_nothing_are_told(here: Deployment, now: datetime) -> None:
    """Scenarios 90, 98."""
    mailbox = await a_mailbox(await a_user(await a_firm()), at=now - HOUR)
    await lapses(mailbox, now - 9 * MINUTE)
    await Notice.filter(kind="lapse").update(tries=4)
    await outbox.client_refused(now)
    status = await here.postroom("letters", "status")
    assert f"\n! held back\t1 letter: Google refuses the OAuth client, last at {now:%Y-%m-%d %H:%M} UTC\n" in status.out
    assert "\n! failing\t1 letter that the mail server did not take\n" in status.out
    assert "\n! mail server\tnone is set" in status.out
    assert "check google.client_id and google.client_secret" in status.out
    assert "log of the reconcile process" in status.out


# what becomes of it


async def test_released_letters_go_out(here: Deployment, now: datetime) -> None:
    """Scenario 90."""
    await a_surge(now, 2)
    assert await outbox.claim_letter(now) is None
    said = await here.postroom("letters", "release")
    assert said.out == "2 letters go out now, save those whose matter is over.\n"
    assert await outbox.claim_letter(now) is not None
    assert not await outbox.hold_in_a_surge(2, now + MINUTE)  # the operator has looked at these lapses
    assert (await here.postroom("letters", "release")).code == 1


async def test_dropped_letters_never_go_out_and_reminders_remain(here: Deployment, now: datetime) -> None:
    """Scenario 90."""
    await a_surge(now, 2)
    said = await here.postroom("letters", "drop", "--json")
    assert said.json == {"dropped": 2}
    assert await outbox.claim_letter(now) is None
    assert {notice.kind for notice in await Notice.filter(dropped_at=None)} == {"reminder"}


# asking Google once more


def of_google(stage: Stage) -> dict[str, str]:
    url = stage.sandbox.url
    client = {"GOOGLE__CLIENT_ID": CLIENT_ID, "GOOGLE__CLIENT_SECRET": CLIENT_SECRET}
    return client | {"GOOGLE__TOKEN_URI": f"{url}/token", "GOOGLE__GMAIL_API": url}


async def states(*mailboxes: Mailbox) -> list[str]:
    return [(await Mailbox.get(id=mailbox.id)).state for mailbox in mailboxes]


async def test_after_a_surge_whoevers_access_still_works_is_connected_again_and_catches_up(here: Deployment, stage: Stage) -> None:
    """Scenario 90."""
    now, client = stage.clock.moment, await a_client(stage.firm, "", "pat@client.example")
    alive, dead, hushed, earlier = [await stage.mailbox(f"{name}@sample.test") for name in ("alive", "dead", "hushed", "earlier")]
    await lapses(earlier, now - 2 * HOUR)
    for mailbox in (alive, dead, hushed):
        await lapses(mailbox, now - 10 * MINUTE)
    assert await outbox.hold_in_a_surge(3, now - 9 * MINUTE)
    await stage.mail(alive, a_mail(to="alive@sample.test", subject="meanwhile"))
    await stage.sandbox.aio.revoke("dead@sample.test")
    await stage.sandbox.aio.fault("status", mailbox="hushed@sample.test", method="getProfile", code=503, reason="backendError")

    said = await here.postroom("letters", "recheck", "--json", **of_google(stage))
    since = (now - 9 * MINUTE - HOUR).isoformat()
    assert said.json == {"since": since, "alive": 1, "dead": 1, "unknown": 1, "changed": 0}
    assert await states(alive, dead, hushed, earlier) == ["connected", "lapsed", "lapsed", "lapsed"]
    await stage.sweep(alive)
    assert await stage.filed(client) == ["meanwhile"]

    await stage.sandbox.aio.clear_faults()
    again = await here.postroom("letters", "recheck", **of_google(stage))
    assert "\n  1 alive, connected again and about to catch up\n  1 dead: their people must reconnect\n  0 unknown" in again.out
    assert await states(alive, dead, hushed) == ["connected", "lapsed", "connected"]
    assert (await here.postroom("letters", "release", "--json")).json == {"released": 2}  # of the dead, and the earlier
    assert {notice.mailbox_id for notice in await Notice.filter(dropped_because="still alive")} == {alive.id, hushed.id}


async def test_a_look_further_back_is_taken_at_ones_word(here: Deployment, stage: Stage) -> None:
    mailbox = await stage.mailbox()
    await lapses(mailbox, stage.clock.moment - 3 * HOUR)
    short = await here.postroom("letters", "recheck", "--hours", 2, "--json", **of_google(stage))
    assert (short.json["alive"], await states(mailbox)) == (0, ["lapsed"])
    long = await here.postroom("letters", "recheck", "--hours", 4, "--json", **of_google(stage))
    assert (long.json["alive"], await states(mailbox)) == (1, ["connected"])


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ({"error": "invalid_client", "code": 401}, "unknown"),
        ({"error": "temporarily_unavailable"}, "unknown"),
        ({"error": "invalid_rapt"}, "dead"),
    ],
)
async def test_only_googles_clear_word_is_believed(stage: Stage, fault: dict[str, object], word: str) -> None:
    """Scenarios 89, 90."""
    mailbox = await stage.mailbox()
    await lapses(mailbox, stage.clock.moment)
    await stage.sandbox.aio.fault("refresh_fails", **fault)
    assert await recheck(stage.clock.moment, stage.tools) == {word: 1}
    assert await states(mailbox) == ["lapsed"]


async def test_who_reconnects_while_google_is_asked_is_left_alone(stage: Stage) -> None:
    mailbox = await stage.mailbox()
    await lapses(mailbox, stage.clock.moment)

    async def reconnects() -> None:
        await stage.mailbox()

    stage.wire.after("/profile", reconnects)
    assert await recheck(stage.clock.moment, stage.tools) == {"changed": 1}
    assert (await states(mailbox), (await Mailbox.get(id=mailbox.id)).epoch) == (["connected"], mailbox.epoch + 2)


async def test_a_wrong_key_is_told_before_google_is_asked(here: Deployment, stage: Stage) -> None:
    """Scenario 102."""
    await lapses(await stage.mailbox(), stage.clock.moment)
    wrong = {"APP__SECRET_KEYS": '["another sample secret of more than 32 characters"]'}
    said = await here.postroom("letters", "recheck", "--hours", 1, **of_google(stage), **wrong)
    assert (said.code, said.out) == (1, "")
    assert "sealed with a key that is not among app.secret_keys" in said.err


# words


async def test_a_sample_of_each_letter_can_be_looked_at_without_a_database(tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    said = await Deployment({}).postroom("letters", "preview", folder, "--json")
    files = sorted(str(path) for path in folder.iterdir())
    assert sorted(said.json["files"]) == files
    assert {f"{folder}/lapse.html", f"{folder}/digest.txt"} <= set(files)


async def test_a_template_that_cannot_be_filled_in_and_a_folder_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "lapse.txt").write_text("Subject: {{ nobody_knows_this }}\n\nHello.\n")
    (tmp_path / "file").write_text("")
    broken, nowhere = await asyncio.gather(
        Deployment({}).postroom("letters", "preview", tmp_path / "out", MAIL__TEMPLATES=tmp_path),
        Deployment({}).postroom("letters", "preview", tmp_path / "file" / "below"),
    )
    assert broken.code == 1
    assert f"{tmp_path}/lapse.txt, line 1: " in broken.err
    refuses(nowhere, f"{tmp_path}/file/below cannot be written: Not a directory.")
