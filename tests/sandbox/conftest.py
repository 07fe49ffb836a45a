"""One sandbox process and one push endpoint for all tests here; each test finds them empty."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.endpoint import Endpoint
from tests.sandbox.person import Person
from tests.sandbox_server import SandboxServer


@pytest.fixture(scope="session")
def endpoint_once() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()


@pytest.fixture(scope="session")
def google_once(tmp_path_factory: pytest.TempPathFactory, endpoint_once: Endpoint) -> Iterator[SandboxServer]:
    folder: Path = tmp_path_factory.mktemp("sandbox")
    with SandboxServer(folder, endpoint_once.url, push_backoff=(0.02, 0.1), smtp=True) as server:
        yield server


@pytest.fixture
def google(google_once: SandboxServer, endpoint_once: Endpoint) -> SandboxServer:
    google_once.post("reset", seed=7)
    endpoint_once.forget()
    return google_once


@pytest.fixture
def endpoint(google: SandboxServer, endpoint_once: Endpoint) -> Endpoint:
    return endpoint_once


@pytest.fixture
def anna(google: SandboxServer) -> Iterator[Person]:
    with Person(google) as person:
        yield person
