"""Keys are changed while everything runs; a wrong one is loud and touches nothing."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gmail.vault import Vault
from models import connections, keys
from models.attempts import OAuthAttempt, Wish
from models.database import connection
from models.keys import BATCH
from models.mailboxes import Mailbox
from models.notices import Notice, Schedule
from models.tokens import MailboxTokens
from postroom.embedded.ports import free_port
from postroom.rotation import forget
from tests.builders import a_firm, a_mailbox, a_user
from tests.postroom.deployment import CHECKOUT, Deployment, Said, environment
from tests.postroom.process import Process
from tests.postroom.waiting import eventually
from tests.reconcile.fleet import a_fleet
from tests.servers import Server

OLD, NEW, LOST = (f"a sample secret that is {word}, and long enough" for word in ("old", "new", "lost"))
HOUR = timedelta(hours=1)


@pytest.fixture
def here(postgres: Server, valkey_server: Server, database: None) -> Deployment:
    """The database of the test itself, under the new key and the old one behind it."""
    urls = {"DATABASE__URL": postgres.url, "REDIS__URL": valkey_server.url, "METRICS__BIND": "127.0.0.1:0"}
    return Deployment(urls | {"APP__SECRET_KEYS": json.dumps([NEW, OLD])})


async def sealed_fleet(now: datetime, size: int, vault: Vault) -> list[int]:
    """Mailboxes with two tokens each, and one attempt to connect."""
    ((*ids,),) = await a_fleet(now, size)
    async with connection() as held:
        await held.executemany(
            "UPDATE mailbox SET refresh_token = $2, access_token = $3, access_expires_at = $4 WHERE id = $1",
            [(id, vault.seal(f"refresh {id}"), vault.seal(f"access {id}"), now + HOUR) for id in ids],
        )
    await OAuthAttempt.begin("b", None, Wish(), code_verifier=vault.seal("verifier"), nonce="n", valid_for=HOUR, now=now)
    return ids


async def texts() -> list[str]:
    """Every sealed text, in order."""
    return [text.text for column in keys.COLUMNS async for batch in keys.sealed(column) for text in batch]


async def everything() -> list[object]:
    """Both tables, byte for byte; where a row stands, too, which any write would change."""
    async with connection() as held:
        told = [
            await held.fetch(f"SELECT ctid::text, xmin::text, t::text FROM {table} t ORDER BY 1") for table in ("mailbox", "oauth_attempt")
        ]
    return [tuple(row) for rows in told for row in rows]


@asynccontextmanager
async def a_row_is_being_written(mailbox_id: int, access_token: str) -> AsyncIterator[None]:
    """A worker writes a token, and commits at the end of the block."""
    async with connection() as held, held.transaction():
        await held.execute("UPDATE mailbox SET access_token = $2 WHERE id = $1", mailbox_id, access_token)
        yield


async def somebody_waits() -> bool:
    async with connection() as held:
        return bool(await held.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))


def refuses(said: Said, *sentences: str) -> None:
    assert (said.code, said.out) == (1, ""), said
    for sentence in sentences:
        assert sentence in said.err


# the new key before the old one


async def test_old_texts_are_sealed_anew_and_then_the_old_key_can_go(here: Deployment, now: datetime) -> None:
    """Scenario 102."""
    await sealed_fleet(now, 3, Vault([OLD]))
    before = await everything()
    tried = await here.postroom("key", "rotate", "--dry-run")
    assert tried.out == "7 texts would be sealed anew; 0 had the first key already.\n"
    assert await everything() == before

    first = await here.postroom("key", "rotate")
    conclusion = "The old key can go: take it out of app.secret_keys and start all roles again.\n"
    assert first.out == f"7 texts were sealed anew; 0 had the first key already. {conclusion}"
    opened = [Vault([NEW]).open(text) for text in await texts()]
    assert opened == ["refresh 1", "refresh 2", "refresh 3", "access 1", "access 2", "access 3", "verifier"]

    done = await everything()
    again = await here.postroom("key", "rotate", "--json", APP__SECRET_KEYS=json.dumps([NEW]))
    assert (again.code, again.json) == (0, {"reencrypted": 0, "current": 7, "left": 0, "dry_run": False})
    assert await everything() == done


async def test_what_workers_write_meanwhile_is_never_written_over_and_taken_again_where_an_old_key_sealed_it(
    here: Deployment, now: datetime
) -> None:
    """Scenario 102."""
    new, old = await sealed_fleet(now, 2, Vault([OLD]))
    await Mailbox.all().update(refresh_token=Vault([NEW]).seal("refresh"))  # so that it comes to the access tokens at once
    async with (
        a_row_is_being_written(new, Vault([NEW]).seal("refreshed")),
        a_row_is_being_written(old, Vault([OLD]).seal("by an old role")),
    ):
        rotation = asyncio.create_task(here.postroom("key", "rotate", "--json"))
        await eventually(somebody_waits, "the rotation comes to a row that is being written")
    said = await rotation
    assert (said.code, said.json) == (0, {"reencrypted": 2, "current": 2, "left": 0, "dry_run": False})
    opened = [Vault([NEW]).open(text) for text in await texts()]
    assert opened == ["refresh", "refresh", "refreshed", "by an old role", "verifier"]


async def test_tokens_that_are_refreshed_all_the_while_are_all_kept(here: Deployment, now: datetime) -> None:
    """Scenario 102."""
    ids, vault, last = await sealed_fleet(now, 150, Vault([OLD])), Vault([NEW, OLD]), dict[int, str]()
    rotation = asyncio.create_task(here.postroom("key", "rotate", "--json"))
    turn = 0
    while not rotation.done() or turn < len(ids):
        mailbox_id, turn = ids[turn % len(ids)], turn + 1
        store = MailboxTokens(mailbox_id, 1, vault)
        assert (await store.load()).refresh_token == f"refresh {mailbox_id}"
        await store.save_access(f"access number {turn}", now)
        last[mailbox_id] = f"access number {turn}"
    assert ((await rotation).code, (await rotation).json["left"]) == (0, 0)
    assert len(last) == len(ids)
    assert {id: Vault([NEW]).open(str(token)) for id, token in await Mailbox.all().values_list("id", "access_token")} == last


async def test_a_rotation_that_is_killed_half_way_leaves_every_text_whole_and_the_next_one_ends_it(here: Deployment, now: datetime) -> None:
    """Scenario 102."""
    ids, mark = await sealed_fleet(now, BATCH + 50, Vault([OLD])), Vault([NEW]).mark
    async with a_row_is_being_written(ids[-1], Vault([OLD]).seal("written meanwhile")):
        argv = [sys.executable, "-m", "postroom", "key", "rotate"]
        rotation = subprocess.Popen(argv, cwd=CHECKOUT, env=environment(**here.settings), stdout=subprocess.DEVNULL)
        await eventually(somebody_waits, "the rotation is half-way")
        rotation.send_signal(signal.SIGKILL)
        rotation.wait()
    half = await texts()
    done = sum(text.startswith(mark) for text in half)
    assert 0 < done < len(half)
    assert len([Vault([NEW, OLD]).open(text) for text in half]) == 2 * len(ids) + 1
    said = await here.postroom("key", "rotate", "--json")
    facts = said.json
    # the killed command's last batch may have been written after it was looked at
    assert (said.code, facts["left"], facts["reencrypted"] + facts["current"]) == (0, 0, len(half))
    assert facts["current"] >= done
    assert "written meanwhile" in [Vault([NEW]).open(text) for text in await texts()]


async def test_the_old_key_cannot_go_while_a_role_still_seals_with_it(here: Deployment, now: datetime) -> None:
    """Scenario 102."""
    await sealed_fleet(now, 1, Vault([OLD]))
    async with connection() as held:  # a role that was not started again, and is always a little faster
        await held.execute(
            """
            CREATE SCHEMA role; CREATE FUNCTION role.seals() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN NEW.access_token = OLD.access_token || '='; RETURN NEW; END $$;
            CREATE TRIGGER role BEFORE UPDATE OF access_token ON mailbox FOR EACH ROW EXECUTE FUNCTION role.seals()
            """
        )
    try:
        said = await here.postroom("key", "rotate")
    finally:
        async with connection() as held:
            await held.execute("DROP SCHEMA role CASCADE")
    assert said.code == 1
    assert "can go" not in said.out
    assert said.err.startswith("1 text came meanwhile that another key sealed, so the old key cannot go yet")


# a wrong key


async def test_a_wrong_key_changes_nothing_and_is_named(here: Deployment, now: datetime) -> None:
    """Scenario 102."""
    ids = await sealed_fleet(now, 3, Vault([OLD]))
    await Mailbox.filter(id=ids[1]).update(access_token=Vault([LOST]).seal("access"))
    await Mailbox.filter(id=ids[2]).update(access_token="ya29.in-plain-text")
    before = await everything()
    some, all_of_them, dry, told = await asyncio.gather(
        here.postroom("key", "rotate"),
        here.postroom("key", "rotate", APP__SECRET_KEYS=json.dumps([NEW])),
        here.postroom("key", "rotate", "--dry-run"),
        here.postroom("key", "rotate", "--json"),
    )
    assert await everything() == before
    lost = Vault([LOST]).current
    missing = (f"1 text sealed with key {lost}, which is not among app.secret_keys", f"`postroom key forget {lost}")
    for said in (some, dry):
        refuses(said, "Nothing was changed.", *missing, "1 text that no key can open", "`postroom key forget --broken`")
    refuses(all_of_them, "Nothing was changed.", f"5 texts sealed with key {Vault([OLD]).current}", *missing)
    assert (told.code, told.json) == (1, {"unreadable": 2, "missing": {lost: 1}, "broken": 1})
    assert "ya29" not in some.err + all_of_them.err + told.out + told.err


@pytest.mark.parametrize("role", ["web", "portal", "worker", "reconcile"])
async def test_a_role_that_opens_tokens_does_not_start_without_their_key(here: Deployment, now: datetime, role: str) -> None:
    """Scenario 102."""
    await sealed_fleet(now, 2, Vault([OLD]))
    bind, nobody = f"127.0.0.1:{free_port()}", "redis://127.0.0.1:9/0"  # where one that minds no key ends, too
    wrong = {"APP__SECRET_KEYS": json.dumps([NEW]), "WEBHOOK__BIND": bind, "PORTAL__BIND": bind, "REDIS__URL": nobody}
    said = await here.postroom(role, **wrong)
    refuses(said, f"sealed with a key that is not among app.secret_keys (4 with key {Vault([OLD]).current})")
    assert said.err.count("\n") == 1


async def test_the_webhook_alone_starts_whatever_the_key_is(here: Deployment, now: datetime, tmp_path: Path) -> None:
    await sealed_fleet(now, 1, Vault([OLD]))
    bound = {"WEBHOOK__BIND": f"127.0.0.1:{free_port()}", "APP__SECRET_KEYS": json.dumps([NEW])}
    webhook = Process("webhook", ("webhook",), tmp_path, here.settings | bound)
    await webhook.ready()
    assert await webhook.stop() == 0


async def test_a_single_garbled_text_stops_no_role_and_is_told(here: Deployment, now: datetime, tmp_path: Path) -> None:
    (mailbox_id,) = await sealed_fleet(now, 1, Vault([OLD]))
    await Mailbox.filter(id=mailbox_id).update(access_token="ya29.in-plain-text")
    reconcile = Process("reconcile", ("reconcile",), tmp_path, here.settings)
    await reconcile.ready()
    assert await reconcile.stop() == 0
    log = reconcile.log.read_text()
    assert re.search(r'"texts": 1.*"tokens unreadable"', log)
    assert "ya29" not in log


# a lost key


async def test_what_a_lost_key_sealed_is_given_up_and_its_people_are_asked_to_connect_again(here: Deployment, now: datetime) -> None:
    """Scenario 102."""
    firm = await a_firm()
    gone, half, fine = [await a_mailbox(await a_user(firm)) for _ in range(3)]
    lost, vault = Vault([LOST]), Vault([NEW])
    await Mailbox.all().update(refresh_token=vault.seal("refresh"), access_token=vault.seal("access"))
    await Mailbox.filter(id=gone.id).update(refresh_token=lost.seal("refresh"))
    await Mailbox.filter(id=half.id).update(access_token=lost.seal("access"))
    said = await here.postroom("key", "forget", lost.current)
    assert said.out == (
        "2 texts given up, 1 mailbox lapsed; no mail is lost. Letters ask their people to connect again; many at once wait for "
        "`postroom letters release`.\n"
    )
    lapsed, without_access, untouched = [await Mailbox.get(id=mailbox.id) for mailbox in (gone, half, fine)]
    assert (lapsed.state, lapsed.lapse_reason, lapsed.cursor) == ("lapsed", "key_lost", gone.cursor)
    assert without_access.state == "connected"
    assert lapsed.refresh_token is without_access.access_token is None
    assert vault.open(without_access.refresh_token or "") == "refresh"
    assert (untouched.state, vault.open(untouched.access_token or "")) == ("connected", "access")
    assert await Notice.filter(kind="lapse").values_list("mailbox_id", flat=True) == [gone.id]
    rotated = await here.postroom("key", "rotate", "--json")
    assert (rotated.code, rotated.json["current"]) == (0, 3)


async def test_only_what_is_named_is_given_up(here: Deployment, now: datetime) -> None:
    await sealed_fleet(now, 2, Vault([OLD]))
    before = await everything()
    ours, nothing, elsewhere = await asyncio.gather(
        here.postroom("key", "forget", Vault([OLD]).current),
        here.postroom("key", "forget"),
        here.postroom("key", "forget", Vault([LOST]).current, "--broken", "--json"),
    )
    refuses(ours, f"Key {Vault([OLD]).current} is not lost: it is among app.secret_keys.")
    refuses(nothing, "Name the ids of the keys that are lost")
    assert elsewhere.json == {"texts": 0, "lapsed": 0}
    assert await everything() == before


async def test_broken_texts_are_given_up_by_themselves(here: Deployment, now: datetime) -> None:
    mailbox = await a_mailbox(await a_user(await a_firm()))
    await Mailbox.all().update(refresh_token=Vault([NEW]).seal("refresh"), access_token="ya29.in-plain-text")
    assert (await here.postroom("key", "forget", "--broken", "--json")).json == {"texts": 1, "lapsed": 0}
    assert (await Mailbox.get(id=mailbox.id)).access_token is None


async def test_a_mailbox_that_lapsed_before_keeps_its_own_reason(now: datetime) -> None:
    mailbox = await a_mailbox(await a_user(await a_firm()))
    await Mailbox.all().update(refresh_token=Vault([LOST]).seal("refresh"), access_token=None)
    await connections.lapse(mailbox.id, mailbox.epoch, "invalid_rapt", now)
    given_up = await forget([Vault([LOST]).current], False, Vault([NEW]), Schedule(), now)
    assert (given_up.texts, given_up.lapsed) == (1, 0)
    assert (await Mailbox.get(id=mailbox.id)).lapse_reason == "invalid_rapt"
