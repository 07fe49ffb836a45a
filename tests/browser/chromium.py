"""The machine's own Chromium: on a laptop without one these tests are skipped, in CI that is a failure."""

import os
import shutil
from collections.abc import Callable, Mapping

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")  # as Debian, Ubuntu and Google call it


def find_chromium(environ: Mapping[str, str] = os.environ, which: Callable[[str], str | None] = shutil.which) -> str:
    """Its path. Where `CI` is set nobody would read that something was skipped."""
    for name in NAMES:
        if path := which(name):
            return path
    missing = f"no browser: none of {', '.join(NAMES)} is installed (on Debian: apt install chromium)"
    if environ.get("CI"):
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)
