"""axe, which finds what keeps people from using a page. It comes with a Python package and is put into the page by the browser's own
protocol, so that the page keeps its policy."""

from functools import cache
from pathlib import Path
from typing import Any

import axe_playwright_python  # type: ignore[import-untyped]
from playwright.async_api import Page

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']})"


@cache
def source() -> str:
    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()


async def violations(page: Page) -> list[str]:
    """What the page as it stands does wrong: the rule, where, and what is the matter."""
    await page.evaluate(f"() => {{ if (!window.axe) {{ {source()} }} }}")
    found = await page.evaluate(RUN, TAGS)
    return [said for rule in found["violations"] for said in _said(rule)]


def _said(rule: dict[str, Any]) -> list[str]:
    return [f"{rule['id']}: {' '.join(map(str, node['target']))}: {' '.join(node['failureSummary'].split())}" for node in rule["nodes"]]
