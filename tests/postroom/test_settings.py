"""settings.py: the manual's values, what may override them, and what is refused in a sentence."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from settings import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, DEMO_KEY, DEMO_SERVICE_ACCOUNT, GOOGLE, Misconfigured, bind_address, load
from tests.postroom.deployment import CHECKOUT

MANUAL = (CHECKOUT / "settings.toml").read_text()
OUR_KEY = "k" * 32
PRODUCTION = {
    "APP__MODE": "production",
    "APP__BASE_URL": "https://postroom.example",
    "APP__SECRET_KEYS": f'["{OUR_KEY}"]',
    "GOOGLE__CLIENT_ID": "ours.apps.example.com",
    "GOOGLE__CLIENT_SECRET": "our own",
    "PUSH__PROJECT": "our-project",
    "MAIL__SMTP_HOST": "mail.postroom.example",
    "MAIL__SENDER": "Postroom <letters@postroom.example>",
}


@pytest.fixture(autouse=True)
def told() -> Iterator[pytest.MonkeyPatch]:
    """The environment without any setting: what a test tells is all there is."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if "__" in name or name == "POSTROOM_SETTINGS"]:
            patch.delenv(name)
        load.cache_clear()
        yield patch
    load.cache_clear()


@pytest.fixture
def production(told: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in PRODUCTION.items():
        told.setenv(name, value)
    return told


def a_file(folder: Path, text: str) -> str:
    (folder / "other.toml").write_text(text)
    return str(folder / "other.toml")


def refused() -> list[str]:
    """What is wrong, a sentence for each."""
    with pytest.raises(Misconfigured) as wrong:
        load()
    return str(wrong.value).split("\n")


# what holds


def test_the_manual_alone_makes_a_demo_with_the_sandboxes_identities() -> None:
    ours = load()
    assert ours.demo
    assert ours.keys == (DEMO_KEY,)
    assert (ours.google.client_id, ours.google.client_secret) == (DEMO_CLIENT_ID, DEMO_CLIENT_SECRET)
    assert ours.push.audiences == ("http://127.0.0.1:8000/webhook/gmail",)
    assert ours.push.service_accounts == (DEMO_SERVICE_ACCOUNT,)
    assert ours.push_configured
    assert ours.push.topic_name == "projects/demo-project/topics/gmail-push"
    assert ours.redirect_uri == "http://127.0.0.1:8000/oauth/callback"
    assert ours.limits.lease == timedelta(seconds=20)
    assert ours.sweep.interval == timedelta(minutes=10)


def test_where_no_address_is_set_it_is_googles_own(told: pytest.MonkeyPatch) -> None:
    told.setenv("GOOGLE__TOKEN_URI", "https://other.example/token")
    google = load().google
    assert {name: getattr(google, name) for name in GOOGLE} == GOOGLE | {"token_uri": "https://other.example/token"}
    assert load().push.certs_url == GOOGLE["oidc_certs_url"]


def test_the_environment_overrides_one_key_and_leaves_the_others(told: pytest.MonkeyPatch) -> None:
    told.setenv("PUSH__AUDIENCES", '["https://a.example/webhook/gmail", "https://b.example/webhook/gmail"]')
    told.setenv("limits__batch", "7")
    told.setenv("WEBHOOK__BODY_TIMEOUT", "0.5")
    told.setenv("LIMITS__LEASE", "2")
    told.setenv("SWEEP__TICK", "0.2")
    ours = load()
    assert (ours.limits.lease, ours.sweep.tick) == (timedelta(seconds=2), timedelta(seconds=0.2))
    assert ours.push.audiences == ("https://a.example/webhook/gmail", "https://b.example/webhook/gmail")
    assert ours.push.topic == "gmail-push"
    assert (ours.limits.batch, ours.limits.tries, ours.webhook.body_timeout) == (7, 5, 0.5)


def test_another_file_may_be_named_and_the_environment_still_wins(told: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = MANUAL.replace("lease = 20.0", "lease = 2.5").replace('topic = "gmail-push"', 'topic = "other"')
    told.setenv("POSTROOM_SETTINGS", a_file(tmp_path, other))
    told.setenv("PUSH__TOPIC", "won")
    assert load().limits.lease == timedelta(seconds=2.5)
    assert load().push.topic == "won"


def test_settings_are_read_once_and_never_change() -> None:
    ours = load()
    assert load() is ours
    with pytest.raises(ValidationError):
        setattr(ours.app, "mode", "production")  # noqa: B010 (as an attribute, mypy would refuse it before the test does)


def test_the_first_of_several_keys_is_the_one_that_encrypts(told: pytest.MonkeyPatch) -> None:
    told.setenv("APP__SECRET_KEYS", f'["{OUR_KEY}", "{"o" * 32}"]')
    assert load().keys == (OUR_KEY, "o" * 32)


@pytest.mark.parametrize(
    ("bind", "place"),
    [
        ("127.0.0.1:8000", ("127.0.0.1", 8000)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        ("[::1]:443", ("::1", 443)),
        ("host.example:65535", ("host.example", 65535)),
    ],
)
def test_an_address_to_listen_on_is_host_and_port(bind: str, place: tuple[str, int]) -> None:
    assert bind_address(bind) == place


def test_other_programs_variables_are_no_concern_of_ours(told: pytest.MonkeyPatch) -> None:
    for stranger in ("__CF_USER_TEXT_ENCODING", "OTHERAPP__URL", "NEXT__PUBLIC__THING"):
        told.setenv(stranger, "x")
    assert load().demo


# slips of the pen


def test_a_misspelt_key_is_named_in_the_environment_and_in_the_file(told: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told.setenv("GOOGLE__CLIENT_SECERT", "x")
    told.setenv("POSTROOM_SETTINGS", a_file(tmp_path, MANUAL.replace("batch = 50 ", "bach = 50 ")))
    assert sorted(refused()) == [
        "google.client_secert is not a setting of Postroom: look for its right name in settings.toml, or remove it.",
        "sweep.bach is not a setting of Postroom: look for its right name in settings.toml, or remove it.",
        "sweep.batch is missing: settings.toml in the checkout shows every key with a safe value; copy the line from there.",
    ]


def test_a_misspelt_section_in_the_environment_is_no_strangers_variable(told: pytest.MonkeyPatch) -> None:
    told.setenv("GOGLE__CLIENT_ID", "x")
    assert refused() == ["GOGLE__CLIENT_ID in the environment is not a setting of Postroom: did you mean GOOGLE__…?"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP__MODE", "staging"),
        ("LIMITS__TRIES", "many"),
        ("LIMITS__TRIES", "0"),
        ("LIMITS__BATCH", "26"),
        ("DATABASE__POOL", "1"),
        ("GOOGLE__PARALLEL_CALLS", "11"),
        ("PUSH__CLOCK_SKEW", "-1"),
        ("LIMITS__LEASE", "0"),
        ("LIMITS__LEASE", "long"),
        ("SWEEP__TICK", "nan"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_key(told: pytest.MonkeyPatch, name: str, value: str) -> None:
    told.setenv(name, value)
    (sentence,) = refused()
    assert sentence.startswith(f"{name.lower().replace('__', '.')} cannot be used: ")


@pytest.mark.parametrize("line", ["lease = 0", "settle = -1", "lease = 'long'"])
def test_a_wait_that_cannot_be_is_named_with_its_key(told: pytest.MonkeyPatch, tmp_path: Path, line: str) -> None:
    key = line.partition(" ")[0]
    told.setenv("POSTROOM_SETTINGS", a_file(tmp_path, "\n".join(line if at.startswith(f"{key} =") else at for at in MANUAL.splitlines())))
    (sentence,) = refused()
    assert sentence.startswith(f"limits.{key} cannot be used: ")


@pytest.mark.parametrize("name", ["WEBHOOK__BIND", "PORTAL__BIND", "METRICS__BIND"])
@pytest.mark.parametrize("bind", ["8000", ":8000", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536"])
def test_what_is_no_address_to_listen_on_says_how_to_write_one(told: pytest.MonkeyPatch, name: str, bind: str) -> None:
    told.setenv(name, bind)
    assert refused() == [f"{bind!r} is no address to listen on: write it as host:port, like 127.0.0.1:8000."]


def test_a_file_that_is_not_there_or_no_toml_is_named(told: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told.setenv("POSTROOM_SETTINGS", str(tmp_path / "none.toml"))
    (sentence,) = refused()
    assert sentence == f"There is no settings file at {tmp_path}/none.toml: copy settings.toml there, or point POSTROOM_SETTINGS at yours."
    told.setenv("POSTROOM_SETTINGS", a_file(tmp_path, "[app\nmode = demo"))
    (sentence,) = refused()
    assert sentence.startswith(f"{tmp_path}/other.toml cannot be read: ")


def test_a_list_in_the_environment_that_is_no_json_says_how_to_write_one(told: pytest.MonkeyPatch) -> None:
    told.setenv("APP__SECRET_KEYS", OUR_KEY)
    assert refused() == ["A list in the environment cannot be read: write it as JSON, like PUSH__AUDIENCES='[\"https://…\"]'."]


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE__URL", "somewhere"),
        ("DATABASE__URL", "mysql://a:b@host/name"),
        ("DATABASE__URL", "postgres://a:b@host:port/name"),
        ("REDIS__URL", "somewhere"),
        ("REDIS__URL", "redis://[::1/0"),
    ],
)
def test_what_is_no_address_of_a_server_is_refused_before_anybody_tries_it(told: pytest.MonkeyPatch, name: str, url: str) -> None:
    told.setenv(name, url)
    assert refused() == [f"{name.lower().replace('__', '.')} is no address: write it as settings.toml shows it."]


def test_a_key_that_is_too_short_is_refused_in_either_mode(told: pytest.MonkeyPatch) -> None:
    told.setenv("APP__SECRET_KEYS", f'["{OUR_KEY}", "short"]')
    assert refused() == ["app.secret_keys: key 2 is shorter than 32 characters; make one with `openssl rand -base64 32`."]


# production


def test_production_runs_with_ones_own_secrets_and_none_of_the_demos(production: pytest.MonkeyPatch) -> None:
    ours = load()
    assert not ours.demo
    assert ours.keys == (OUR_KEY,)
    assert (ours.google.client_id, ours.google.client_secret) == ("ours.apps.example.com", "our own")
    assert (ours.push.audiences, ours.push.service_accounts, ours.push_configured) == ((), (), False)


@pytest.mark.parametrize(
    ("name", "value", "beginning"),
    [
        ("APP__SECRET_KEYS", "[]", "app.secret_keys is empty: "),
        ("APP__SECRET_KEYS", f'["{OUR_KEY}", "{DEMO_KEY}"]', "app.secret_keys holds the demo's key"),
        ("GOOGLE__CLIENT_ID", "", "google.client_id is missing: "),
        ("GOOGLE__CLIENT_ID", DEMO_CLIENT_ID, "google.client_id is missing: "),
        ("GOOGLE__CLIENT_SECRET", "", "google.client_secret is missing: "),
        ("GOOGLE__CLIENT_SECRET", DEMO_CLIENT_SECRET, "google.client_secret is missing: "),
        ("PUSH__PROJECT", "", "push.project is missing: "),
        ("MAIL__SMTP_HOST", "", "mail.smtp_host is empty: "),
        ("MAIL__SENDER", "Postroom <postroom@sample.test>", "mail.sender is the sample's: "),
        ("MAIL__SENDER", "Postroom", "mail.sender is no address: "),
        ("MAIL__TEMPLATES", "/nowhere", "mail.templates: "),
    ],
)
def test_production_says_what_is_missing_or_the_demos(production: pytest.MonkeyPatch, name: str, value: str, beginning: str) -> None:
    production.setenv(name, value)
    (sentence,) = refused()
    assert sentence.startswith(beginning)


def test_production_says_everything_that_is_missing_at_once(told: pytest.MonkeyPatch) -> None:
    told.setenv("APP__MODE", "production")
    assert [sentence.partition(" ")[0] for sentence in refused()] == [
        "mail.smtp_host",
        "app.secret_keys",
        "google.client_id",
        "google.client_secret",
        "push.project",
    ]


@pytest.mark.parametrize("name", ["app.base_url", "push.certs_url", *(f"google.{key}" for key in GOOGLE)])
def test_production_speaks_plain_http_on_loopback_only(production: pytest.MonkeyPatch, name: str) -> None:
    variable = name.upper().replace(".", "__")
    for allowed in ("http://127.0.0.1:8085/x", "http://localhost/x", "http://[::1]:1/x", "https://elsewhere.example/x"):
        production.setenv(variable, allowed)
        load.cache_clear()
        assert not load().demo
    for open_to_all in (
        "http://elsewhere.example/x",
        "HTTP://10.0.0.1/x",
        "http://127.0.0.1.evil.example/x",
        "http://localhost@evil.example",
    ):
        production.setenv(variable, open_to_all)
        load.cache_clear()
        assert refused() == [f"{name} is plain http: production speaks https, or http on loopback only."]


def test_the_demo_may_be_reached_by_plain_http(told: pytest.MonkeyPatch) -> None:
    told.setenv("APP__BASE_URL", "http://192.0.2.7:8000/")
    assert load().redirect_uri == "http://192.0.2.7:8000/oauth/callback"


@pytest.mark.parametrize("mode", ["demo", "production"])
@pytest.mark.parametrize("url", ["postroom.example", "", "ftp://postroom.example", "https://", "http://[::1"])
def test_pages_have_an_address_with_its_scheme(told: pytest.MonkeyPatch, mode: str, url: str) -> None:
    told.setenv("APP__MODE", mode)
    told.setenv("APP__BASE_URL", url)
    with pytest.raises(Misconfigured, match=r"app\.base_url is no address: write it with its scheme"):
        load()


def test_a_duration_that_is_none_says_how_to_write_one(told: pytest.MonkeyPatch) -> None:
    told.setenv("SWEEP__INTERVAL", "abc")
    with pytest.raises(Misconfigured, match=r"sweep\.interval cannot be used: write a number of seconds, like 600\."):
        load()


def test_an_audit_looks_back_less_far_than_the_ledger_remembers(told: pytest.MonkeyPatch) -> None:
    told.setenv("PRIVACY__LEDGER", "86400")
    (wrong,) = refused()
    assert wrong.startswith("privacy.ledger is too short:")
