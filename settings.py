"""Every setting, typed and frozen. `settings.toml` is the manual; the environment overrides it as SECTION__KEY."""

import os
from datetime import timedelta
from email.utils import parseaddr
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError, TomlConfigSettingsSource

DEMO_KEY = "demo-only-key-never-for-production-0000"
DEMO_CLIENT_ID = "demo-client.apps.example.com"
DEMO_CLIENT_SECRET = "demo-only-client-secret"
SAMPLE_SENDER = "Postroom <postroom@sample.test>"
DEMO_SERVICE_ACCOUNT = "gmail-push@demo-project.iam.example.com"

GOOGLE = {
    "auth_uri": "https://accounts.google.com/o/oauth2/v2/auth",
    "token_uri": "https://oauth2.googleapis.com/token",
    "revoke_uri": "https://oauth2.googleapis.com/revoke",
    "oidc_certs_url": "https://www.googleapis.com/oauth2/v1/certs",
    "gmail_api": "https://gmail.googleapis.com",
}
SCHEMES = {"database.url": ("postgres", "postgresql"), "redis.url": ("redis", "rediss", "unix")}
CHECKOUT = Path(__file__).parent


class Misconfigured(Exception):
    """The settings cannot be used; the text says which and what to do."""


def _as_number(told: object) -> object:
    """The environment holds text only: a number there means seconds, as in the file."""
    try:
        return float(told) if isinstance(told, str) else told
    except ValueError:
        return told


Seconds = Annotated[timedelta, BeforeValidator(_as_number)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class App(Section):
    mode: Literal["demo", "production"]
    base_url: str
    secret_keys: tuple[str, ...]
    data_dir: Path


class Webhook(Section):
    bind: str
    body_limit: int = Field(gt=0)
    body_timeout: float = Field(gt=0)


class Portal(Section):
    bind: str
    session_days: float = Field(gt=0)
    sign_in_link_minutes: float = Field(gt=0)
    trusted_proxies: tuple[str, ...]


class Metrics(Section):
    bind: str


class Google(Section):
    client_id: str
    client_secret: str
    auth_uri: str
    token_uri: str
    revoke_uri: str
    oidc_certs_url: str
    gmail_api: str
    parallel_calls: int = Field(ge=1, le=10)
    timeout: float = Field(gt=0)


class Push(Section):
    audiences: tuple[str, ...]
    service_accounts: tuple[str, ...]
    certs_url: str
    project: str
    topic: str
    subscription: str
    clock_skew: float = Field(ge=0)

    @property
    def topic_name(self) -> str:
        return f"projects/{self.project}/topics/{self.topic}"


class Database(Section):
    url: str
    pool: int = Field(ge=2)


class Redis(Section):
    url: str


class Mail(Section):
    smtp_host: str
    smtp_port: int = Field(gt=0, le=65535)
    smtp_tls: Literal["none", "starttls", "tls"]
    smtp_user: str
    smtp_password: str
    sender: str
    templates: str


class Sweep(Section):
    interval: Seconds = Field(gt=timedelta(0))
    tick: Seconds = Field(gt=timedelta(0))
    batch: int = Field(ge=1)
    audit_every: Seconds = Field(gt=timedelta(0))
    surge_limit: int = Field(ge=1)
    letter_wait: Seconds = Field(ge=timedelta(0))
    notice_days: tuple[Annotated[int, Field(ge=1, le=365)], ...]


class Quota(Section):
    mailbox_minute: int = Field(gt=0)
    project_minute: int = Field(gt=0)
    project_day: int = Field(gt=0)


class Privacy(Section):
    audit_window: Seconds = Field(gt=timedelta(0))
    ledger: Seconds = Field(gt=timedelta(0))
    undo: Seconds = Field(gt=timedelta(0))


class Limits(Section):
    fresh_threads: int = Field(ge=1)
    background_threads: int = Field(ge=1)
    lease: Seconds = Field(gt=timedelta(0))
    mark: Seconds = Field(gt=timedelta(0))
    settle: Seconds = Field(gt=timedelta(0))
    listing_gap: Seconds
    job_budget: Seconds = Field(gt=timedelta(0))
    batch: int = Field(ge=1, le=25)
    first_missing: Seconds = Field(gt=timedelta(0))
    retry: Seconds = Field(gt=timedelta(0))
    tries: int = Field(ge=1)
    past_again: Seconds = Field(gt=timedelta(0))
    strikes: int = Field(ge=1)
    withdraw: Seconds
    door_window: Seconds = Field(ge=timedelta(seconds=1))
    door_links: int = Field(ge=1)
    door_letters: int = Field(ge=1)
    door_tokens: int = Field(ge=1)
    door_google: int = Field(ge=1)


class Settings(BaseSettings):
    """All of `settings.toml`. Raises pydantic's ValidationError on a key that is missing, misspelt or of the wrong kind."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_nested_delimiter="__")

    app: App
    webhook: Webhook
    portal: Portal
    metrics: Metrics
    google: Google
    push: Push
    database: Database
    redis: Redis
    mail: Mail
    sweep: Sweep
    limits: Limits
    quota: Quota
    privacy: Privacy

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, settings_file())

    @property
    def demo(self) -> bool:
        return self.app.mode == "demo"

    @property
    def keys(self) -> tuple[str, ...]:
        """The secrets that encrypt tokens and sign cookies, the current one first."""
        return self.app.secret_keys or ((DEMO_KEY,) if self.demo else ())

    @property
    def redirect_uri(self) -> str:
        return self.app.base_url.rstrip("/") + "/oauth/callback"

    @property
    def push_configured(self) -> bool:
        return bool(self.push.audiences and self.push.service_accounts)


def settings_file() -> Path:
    return Path(os.environ.get("POSTROOM_SETTINGS") or CHECKOUT / "settings.toml")


@lru_cache(maxsize=1)
def load() -> Settings:
    """The settings of this process, read once. Raises `Misconfigured` with one sentence per fault."""
    if not settings_file().is_file():
        raise Misconfigured(
            f"There is no settings file at {settings_file()}: copy settings.toml there, or point POSTROOM_SETTINGS at yours."
        )
    try:
        settings = Settings()
    except ValidationError as invalid:
        raise Misconfigured("\n".join(_in_words(fault) for fault in invalid.errors(include_url=False))) from None
    except SettingsError:
        raise Misconfigured("A list in the environment cannot be read: write it as JSON, like PUSH__AUDIENCES='[\"https://…\"]'.") from None
    except ValueError as invalid:
        raise Misconfigured(f"{settings_file()} cannot be read: {invalid}.") from None
    wrong = [*_unknown_sections(settings), *_refused(settings)]
    if wrong:
        raise Misconfigured("\n".join(wrong))
    return with_defaults(settings)


def with_defaults(settings: Settings) -> Settings:
    """Google's own addresses where none is set; the demo's sample identities where the mode allows them."""
    google = settings.google.model_copy(update={key: url for key, url in GOOGLE.items() if not getattr(settings.google, key)})
    push = settings.push.model_copy(update={"certs_url": settings.push.certs_url or GOOGLE["oidc_certs_url"]})
    if settings.demo:
        google = google.model_copy(
            update={"client_id": google.client_id or DEMO_CLIENT_ID, "client_secret": google.client_secret or DEMO_CLIENT_SECRET}
        )
        audience = settings.app.base_url.rstrip("/") + "/webhook/gmail"
        push = push.model_copy(
            update={
                "audiences": push.audiences or (audience,),
                "service_accounts": push.service_accounts or (DEMO_SERVICE_ACCOUNT,),
                "project": push.project or "demo-project",
            }
        )
    return settings.model_copy(update={"google": google, "push": push})


def bind_address(bind: str) -> tuple[str, int]:
    """`host:port` as a pair. Raises `Misconfigured`."""
    host, _, port = bind.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise Misconfigured(f"{bind!r} is no address to listen on: write it as host:port, like 127.0.0.1:8000.")
    return host.strip("[]"), int(port)


def _in_words(fault: ErrorDetails) -> str:
    place = ".".join(str(part) for part in fault["loc"])
    match fault["type"]:
        case "extra_forbidden":
            return f"{place} is not a setting of Postroom: look for its right name in settings.toml, or remove it."
        case "missing":
            return f"{place} is missing: settings.toml in the checkout shows every key with a safe value; copy the line from there."
        case kind if kind.startswith("time_delta"):
            return f"{place} cannot be used: write a number of seconds, like 600."
        case _:
            return f"{place} cannot be used: {fault['msg']}."


def _unknown_sections(settings: Settings) -> list[str]:
    """An override whose section is nearly one of ours is a slip of the pen, not somebody else's variable."""
    from difflib import get_close_matches

    sections = list(type(settings).model_fields)
    wrong = []
    for name in os.environ:
        section, delimiter, _ = name.lower().partition("__")
        if delimiter and section not in sections and (near := get_close_matches(section, sections, 1, 0.75)):
            wrong.append(f"{name} in the environment is not a setting of Postroom: did you mean {near[0].upper()}__…?")
    return wrong


def _refused(settings: Settings) -> list[str]:
    """What a mode will not run with, each with what to do."""
    wrong = [f"app.secret_keys: key {n} is shorter than 32 characters; make one with `openssl rand -base64 32`."
             for n, key in enumerate(settings.app.secret_keys, 1) if len(key) < 32]  # fmt: skip
    for bind in (settings.webhook.bind, settings.portal.bind, settings.metrics.bind):
        bind_address(bind)
    urls = {"database.url": settings.database.url, "redis.url": settings.redis.url}
    wrong += [f"{name} is no address: write it as settings.toml shows it." for name, url in urls.items() if url and not _is_url(url, name)]
    pages = {"app.base_url": settings.app.base_url, "push.certs_url": settings.push.certs_url}
    pages |= {f"google.{key}": getattr(settings.google, key) for key in GOOGLE}
    wrong += [
        f"{name} is no address: write it with its scheme, like https://mail.example.com."
        for name, url in pages.items()
        if (url or name == "app.base_url") and _no_address(url)
    ]
    if settings.privacy.ledger < 2 * settings.privacy.audit_window:
        wrong.append("privacy.ledger is too short: an audit would call lost what was forgotten. Make it twice privacy.audit_window.")
    if "@" not in parseaddr(settings.mail.sender)[1]:
        wrong.append("mail.sender is no address: write it like Postroom <postroom@mail.example.com>.")
    if settings.mail.templates and not Path(settings.mail.templates).is_dir():
        wrong.append(f"mail.templates: there is no folder {settings.mail.templates}.")
    if settings.demo:
        return wrong
    if not settings.mail.smtp_host:
        wrong.append("mail.smtp_host is empty: Postroom writes to people whose Gmail stopped, and needs a mail server for that.")
    if settings.mail.smtp_host and settings.mail.sender == SAMPLE_SENDER:
        wrong.append("mail.sender is the sample's: name the address that letters come from, at a domain of yours.")
    if not settings.app.secret_keys:
        wrong.append("app.secret_keys is empty: production encrypts tokens with a key of its own; make one with `openssl rand -base64 32`.")
    if DEMO_KEY in settings.app.secret_keys:
        wrong.append("app.secret_keys holds the demo's key, which everybody knows: make one with `openssl rand -base64 32`.")
    for key, demo in (("client_id", DEMO_CLIENT_ID), ("client_secret", DEMO_CLIENT_SECRET)):
        if getattr(settings.google, key) in ("", demo):
            wrong.append(f"google.{key} is missing: production needs that of your own OAuth client in Google Cloud.")
    if not settings.push.project:
        wrong.append("push.project is missing: name the Google Cloud project that your OAuth client belongs to.")
    wrong += [
        f"{name} is plain http: production speaks https, or http on loopback only."
        for name, url in pages.items()
        if not _no_address(url) and _plain(url)
    ]
    return wrong


def _is_url(url: str, name: str) -> bool:
    try:
        place = urlsplit(url)
        return place.scheme in SCHEMES[name] and bool(place.port or place.hostname or place.path)
    except ValueError:  # a port that is no number, a bracket that is not closed
        return False


def _no_address(url: str) -> bool:
    try:
        address = urlsplit(url)
        return address.scheme not in ("http", "https") or not address.hostname
    except ValueError:
        return True


def _plain(url: str) -> bool:
    address = urlsplit(url)
    return address.scheme == "http" and address.hostname not in ("127.0.0.1", "::1", "localhost")
