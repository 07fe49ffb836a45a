"""Which browser is driven, and what its absence means."""

import pytest

from tests.browser.chromium import find_chromium


def nowhere(name: str) -> None:
    return None


def test_the_first_browser_that_the_machine_has_is_taken() -> None:
    assert (
        find_chromium({}, {"chromium-browser": "/usr/bin/chromium-browser", "google-chrome": "/opt/chrome"}.get)
        == "/usr/bin/chromium-browser"
    )


def test_a_laptop_without_a_browser_skips_and_says_which_one_to_install() -> None:
    with pytest.raises(pytest.skip.Exception, match="apt install chromium"):
        find_chromium({}, nowhere)


def test_ci_without_a_browser_fails() -> None:
    with pytest.raises(pytest.fail.Exception, match="apt install chromium"):
        find_chromium({"CI": "true"}, nowhere)
