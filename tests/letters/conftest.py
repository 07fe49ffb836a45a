"""What the tests of letters share."""

from collections.abc import Iterator

import pytest

import settings as manual
from settings import Settings
from tests.letters.letterbox import Letterbox, mail_settings


@pytest.fixture
def letterbox() -> Iterator[Letterbox]:
    box = Letterbox()
    yield box
    box.close()


@pytest.fixture
def settings() -> Settings:
    """The manual's, at an address that people could type."""
    loaded = manual.load()
    return loaded.model_copy(update={"app": loaded.app.model_copy(update={"base_url": "https://postroom.example"})})


@pytest.fixture
def posted(settings: Settings, letterbox: Letterbox) -> Settings:
    """The same, with the letterbox as mail server."""
    return settings.model_copy(update={"mail": mail_settings(settings.mail, letterbox.port)})
