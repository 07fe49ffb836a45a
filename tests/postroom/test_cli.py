"""The command line as people run it: what each command does and says, and how it refuses: one clear sentence, exit code 1."""

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from postroom.embedded.ports import free_port
from settings import DEMO_KEY
from tests.postroom.deployment import CHECKOUT, Deployment, Said, a_database, a_redis, postroom
from tests.postroom.process import Process
from tests.servers import Server

NOBODY = "127.0.0.1:9"  # where nobody listens
ROLES = (("web",), ("webhook",), ("portal",), ("worker",), ("reconcile",))


@pytest.fixture(scope="module")
async def empty(postgres: Server, valkey_server: Server) -> Deployment:
    """A database without a table."""
    url = await a_database(postgres, "command_line_empty")
    return Deployment({"DATABASE__URL": url, "REDIS__URL": a_redis(valkey_server, 2), "METRICS__BIND": "127.0.0.1:0"})


@pytest.fixture(scope="module")
async def here(postgres: Server, valkey_server: Server) -> Deployment:
    url = await a_database(postgres, "command_line")
    made = Deployment({"DATABASE__URL": url, "REDIS__URL": a_redis(valkey_server, 3), "METRICS__BIND": "127.0.0.1:0"})
    assert (await made.postroom("migrate")).code == 0
    return made


@pytest.fixture(scope="module")
async def firm(here: Deployment) -> str:
    name = "Sample and Partners"
    said = await here.postroom("firm", "add", name, "--json")
    assert said.json == {"id": await here.ask(f"SELECT id FROM firm WHERE name = '{name}'"), "name": name}
    return name


@pytest.fixture(scope="module")
async def person(here: Deployment, firm: str) -> str:
    said = await here.postroom("user", "add", "Sam@Sample.test", "--firm", firm, "--name", "Sam Sample", "--admin", "--json")
    id = await here.ask("SELECT id FROM app_user WHERE email = 'Sam@Sample.test' AND name = 'Sam Sample'")
    assert said.json == {"id": id, "email": "Sam@Sample.test", "role": "admin", "firm": firm}
    return "Sam@Sample.test"


def refuses(said: Said, sentence: str) -> None:
    """Exit code 1 and this sentence (a pattern), alone."""
    assert (said.code, said.out) == (1, ""), said
    assert re.fullmatch(sentence, said.err.strip()), said.err


@contextmanager
def a_taken_port() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


# what each command does


async def test_migrate_makes_the_tables_and_the_second_time_finds_nothing_to_do(postgres: Server, valkey_server: Server) -> None:
    fresh = {"DATABASE__URL": await a_database(postgres, "to_migrate"), "REDIS__URL": a_redis(valkey_server, 2)}
    first = await Deployment(fresh).postroom("migrate")
    assert re.fullmatch(r"(migrated \d{4}_\w+\n)+(\d+) migration\(s\) ran\.\n", first.out), first
    assert (await Deployment(fresh).postroom("migrate")).out == "The database is up to date.\n"


async def test_firm_add_says_what_comes_next(here: Deployment) -> None:
    said = await here.postroom("firm", "add", "  Law & Order ")
    assert said.out == 'Added the firm Law & Order. Next: postroom user add --firm "Law & Order" --admin ADDRESS\n'


async def test_user_add_names_the_person_by_the_address_and_says_what_comes_next(here: Deployment, firm: str) -> None:
    said = await here.postroom("user", "add", "robin@sample.test", "--firm", firm)
    assert said.out == f"Added robin@sample.test to {firm} as staff. Next: postroom user sign-in-link robin@sample.test\n"
    assert await here.ask("SELECT name FROM app_user WHERE email_key = 'robin@sample.test'") == "robin"


async def test_a_sign_in_link_is_new_each_time_and_leads_to_the_base_url(here: Deployment, person: str) -> None:
    told, plain = await asyncio.gather(
        here.postroom("user", "sign-in-link", person, "--json", APP__BASE_URL="https://postroom.example/"),
        here.postroom("user", "sign-in-link", "sam@sample.test", PORTAL__SIGN_IN_LINK_MINUTES="5"),
    )
    assert re.fullmatch(r"https://postroom\.example/sign-in/[\w-]{40,}", told.json["url"])
    assert re.fullmatch(r"http://127\.0\.0\.1:8000/sign-in/[\w-]{40,}\nGood once, for 5 minutes\.\n", plain.out)
    assert await here.ask("SELECT count(DISTINCT token_hash) FROM sign_in_link") == 2


async def test_import_counts_what_is_new_and_a_second_import_finds_nothing(here: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "clients.csv"
    file.write_text(
        "\ufeffclient_id,client_name,client_number,contact_name,address,nominated\n"
        '1,"Bakery, Harbour",1001,Pat Example,pat@harbour.example,yes\n'
        '1,"bakery, harbour",1001,Pat Example,second@harbour.example,\n'
        "2,Trust,,Pat Example,pat@harbour.example,no\n"
        "3,Nobody yet,,,,\n"
    )
    assert (await here.postroom("firm", "add", "Importers")).code == 0
    first = await here.postroom("import", file, "--firm", "Importers", "--json")
    assert first.json == {"lines": 4, "new_clients": 3, "new_contacts": 1, "new_addresses": 2}
    again = await here.postroom("import", file, "--firm", "Importers")
    assert again.out == "Read 4 line(s): 0 new client(s), 0 new contact(s), 0 new address(es).\n"


async def test_webhook_and_portal_each_serve_their_own_part_and_end_cleanly(here: Deployment, tmp_path: Path) -> None:
    ports = {role: f"127.0.0.1:{free_port()}" for role in ("webhook", "portal")}
    bound = {"WEBHOOK__BIND": ports["webhook"], "PORTAL__BIND": ports["portal"]}
    roles = [Process(role, (role,), tmp_path, here.settings | bound) for role in ports]
    await asyncio.gather(*(role.ready() for role in roles))
    async with aiohttp.ClientSession() as browser:
        assert {role: await status(browser.post(f"http://{bind}/webhook/gmail")) for role, bind in ports.items()} == {
            "webhook": 401,  # it hears, and wants a token
            "portal": 404,
        }
        assert {role: await status(browser.get(f"http://{bind}/sign-in")) for role, bind in ports.items()} == {
            "webhook": 404,
            "portal": 200,
        }
    assert await asyncio.gather(*(role.stop() for role in roles)) == [0, 0]


async def status(answer: Any) -> int:
    async with answer as answered:
        return int(answered.status)


# how it refuses: people and firms


async def test_people_and_firms_that_cannot_be(here: Deployment, firm: str, person: str) -> None:
    again, blank, nowhere, no_address, spelt_otherwise, nobody = await asyncio.gather(
        here.postroom("firm", "add", firm),
        here.postroom("firm", "add", "  "),
        here.postroom("user", "add", "kit@sample.test", "--firm", "Nowhere"),
        here.postroom("user", "add", "kit at sample.test", "--firm", firm),
        here.postroom("user", "add", "SAM@sample.test", "--firm", firm),
        here.postroom("user", "sign-in-link", "kit@sample.test"),
    )
    refuses(again, f"There is a firm {firm} already.")
    refuses(blank, "A firm needs a name.")
    refuses(nowhere, "There is no firm Nowhere: add it with `postroom firm add`.")
    refuses(no_address, "kit at sample.test is not an e-mail address.")
    refuses(spelt_otherwise, "SAM@sample.test has an account already: an address signs in to one firm.")
    refuses(nobody, "Nobody signs in as kit@sample.test: add them with `postroom user add`.")


# how it refuses: imports

HEADER = "client_id,client_name,client_number,contact_name,address,nominated\n"
BROKEN_LINES = """1,Fine,,Pat,pat@fine.example,yes
,No id,,,,
2,,,,,
3,No address,,Pat,pat at fine.example,
4,Perhaps,,Pat,pat@fine.example,perhaps
5,Comma, Ltd,,Pat,pat@fine.example,yes
6,{long},,,,
7,NUL\0,,,,
"""
BROKEN_FILES = {
    b"client_name,address\nBakery,a@b.example\n": "line 1: the first line must name the columns; client_id is missing (columns: …)",
    b"client_id,client_name,colour\n1,Bakery,red\n": "line 1: unknown column colour (columns: …)",
    HEADER.encode(): "line 1: no lines: there is nothing to import",
    b"": "line 1: the first line must name the columns; client_id, client_name is missing (columns: …)",
    HEADER.encode() + b"1,Bakery,,,,\n2,B\x81ckerei,,,,\n": "line 3: it holds a character that cannot be read: save the file as CSV …",
    HEADER.encode() + b'1,Bakery,,,,\n2,"Never closed,,,,\n': "line 3: not CSV (unexpected end of data): check the quotes",
}


async def test_broken_lines_are_named_one_by_one_and_nothing_is_imported(here: Deployment, firm: str, tmp_path: Path) -> None:
    file = tmp_path / "clients.csv"
    file.write_text(HEADER + BROKEN_LINES.format(long="x" * 201))
    said = await here.postroom("import", file, "--firm", firm)
    refuses(said, "Nothing was imported. Mend these and import the file again:(\n  line .*)+")
    assert said.err.splitlines()[1:] == [
        "  line 3: client_id is empty",
        "  line 4: client_name is empty",
        "  line 5: address is not an e-mail address",
        "  line 6: nominated must be yes, no or empty",
        "  line 7: more fields than columns: put quotes around fields that hold a comma",
        "  line 8: client_name is longer than 200 characters",
        "  line 9: it holds a NUL character: remove it",
    ]
    assert await here.ask("SELECT count(*) FROM client WHERE name = 'Fine'") == 0


async def test_broken_files_are_told_with_the_line(here: Deployment, firm: str, tmp_path: Path) -> None:
    async def imported(number: int, content: bytes) -> Said:
        (tmp_path / f"{number}.csv").write_bytes(content)
        return await here.postroom("import", tmp_path / f"{number}.csv", "--firm", firm)

    answers = await asyncio.gather(*(imported(number, content) for number, content in enumerate(BROKEN_FILES)))
    for said, complaint in zip(answers, BROKEN_FILES.values(), strict=True):
        refuses(said, r"Nothing was imported\. Mend these and import the file again:\n  " + re.escape(complaint).replace("…", ".+"))
    assert await here.ask("SELECT count(*) FROM client WHERE name = 'Bakery'") == 0


async def test_an_import_without_a_file_or_without_a_firm(here: Deployment, tmp_path: Path) -> None:
    (tmp_path / "clients.csv").write_text(HEADER + "1,Bakery,,,,\n")
    refuses(
        await here.postroom("import", tmp_path / "none.csv", "--firm", "x"), r".+/none\.csv cannot be read: No such file or directory\."
    )
    nowhere = await here.postroom("import", tmp_path / "clients.csv", "--firm", "Nowhere")
    refuses(nowhere, "There is no firm Nowhere: add it with `postroom firm add`.")


# how it refuses: deployments that are not right


async def test_no_role_and_no_command_starts_on_a_database_behind_its_migrations(empty: Deployment) -> None:
    free = {"WEBHOOK__BIND": f"127.0.0.1:{free_port()}", "PORTAL__BIND": f"127.0.0.1:{free_port()}"}
    for said in await asyncio.gather(*(empty.postroom(*role, **free) for role in (*ROLES, ("firm", "add", "Early")))):
        refuses(said, r"The database is \d+ migration\(s\) behind this version: run `postroom migrate`, then start again\.")


async def test_a_database_or_a_redis_out_of_reach_is_named(here: Deployment) -> None:
    away, free = f"postgres://postroom:secret@{NOBODY}/postgres", {"WEBHOOK__BIND": f"127.0.0.1:{free_port()}"}
    for said in await asyncio.gather(*(here.postroom(*role, DATABASE__URL=away, **free) for role in (("web",), ("worker",), ("migrate",)))):
        refuses(said, r"The database cannot be reached \(\w+\): check database\.url, and that PostgreSQL runs\.")
    for said in await asyncio.gather(*(here.postroom(role, REDIS__URL=f"redis://{NOBODY}/0", **free) for role in ("web", "reconcile"))):
        refuses(said, r"Redis cannot be reached \(\w+\): check redis\.url, and that it runs\.")


async def test_without_a_database_set_or_running_it_says_how_to_get_one(tmp_path: Path) -> None:
    nothing = {"APP__DATA_DIR": tmp_path, "METRICS__BIND": "127.0.0.1:0"}
    for said in await asyncio.gather(*(asyncio.to_thread(postroom, *command, **nothing) for command in (("migrate",), ("worker",)))):
        refuses(said, r"No database is set and none runs here: start `make run` .+, or set database\.url and redis\.url\.")


async def test_a_taken_port_is_named_with_the_setting_that_moves_it(here: Deployment, tmp_path: Path) -> None:
    free = f"127.0.0.1:{free_port()}"
    with a_taken_port() as taken:
        web, portal, metrics, worker, run = await asyncio.gather(
            here.postroom("web", WEBHOOK__BIND=taken),
            here.postroom("portal", PORTAL__BIND=taken),
            here.postroom("web", WEBHOOK__BIND=free, METRICS__BIND=taken),
            here.postroom("worker", METRICS__BIND=taken),
            here.postroom("run", APP__DATA_DIR=tmp_path, WEBHOOK__BIND=taken, PORTAL__BIND=taken),
        )
        for said in (web, portal):
            refuses(said, f"{taken} is taken by another program: stop that, or set webhook.bind and portal.bind to a free address\\.")
        for said in (metrics, worker):
            refuses(said, f"{taken} is taken: set metrics.bind to a free address for this process\\.")
        refuses(
            run,
            f"{taken} is taken by another program: stop that, or set WEBHOOK__BIND, PORTAL__BIND and APP__BASE_URL to a free address\\.",
        )


async def test_a_queue_that_is_none_is_refused(here: Deployment) -> None:
    said = await here.postroom("worker", "--queues", "fresh,stale")
    refuses(said, "There is no queue stale: choose from fresh, sweep, bulk, or background for the last two.")


async def test_settings_that_cannot_be_are_sentences_too(here: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text((CHECKOUT / "settings.toml").read_text().replace('topic = "gmail-push"\n', ""))
    misspelt, missing, both = await asyncio.gather(
        here.postroom("worker", GOOGLE__CLIENT_SECERT="x"),
        here.postroom("run", POSTROOM_SETTINGS=file),
        here.postroom("migrate", LIMITS__TRIES="many", WEBHOOK__BINDS="x"),
    )
    refuses(misspelt, r"google\.client_secert is not a setting of Postroom: look for its right name in settings\.toml, or remove it\.")
    refuses(
        missing, r"push\.topic is missing: settings\.toml in the checkout shows every key with a safe value; copy the line from there\."
    )
    refuses(both, r"webhook\.binds is not a setting of Postroom: .+\.\nlimits\.tries cannot be used: .+\.")


async def test_production_refuses_the_demos_secrets(here: Deployment) -> None:
    said = await here.postroom("worker", APP__MODE="production", APP__SECRET_KEYS=f'["{DEMO_KEY}"]')
    refuses(
        said,
        r"mail\.smtp_host is empty: .+\n"
        r"app\.secret_keys holds the demo's key, which everybody knows: make one with `openssl rand -base64 32`\.\n"
        r"google\.client_id is missing: .+\ngoogle\.client_secret is missing: .+\npush\.project is missing: .+",
    )
