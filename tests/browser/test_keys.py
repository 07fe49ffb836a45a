"""The queue by keyboard: what keys there are, where the focus goes, and that nothing jumps while somebody reads."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.site import signed_in
from tests.models.office import Office
from tests.portal.conftest import pages, site  # noqa: F401  # fixtures
from tests.portal.mail_page import office  # noqa: F401  # a fixture
from tests.portal.site import Site

FOCUSED = "document.activeElement.id || document.activeElement.tagName"


@pytest.fixture
async def queue(chromium: Browser, site: Site, office: Office) -> AsyncIterator[Page]:  # noqa: F811
    """Eva's, with three mails in doubt: q3 stands above q2 and q1."""
    for name in ("first", "second", "third"):
        await office.asks(name)
        office.later()
    async with signed_in(chromium, site, office.eva) as context:
        page = await context.new_page()
        await page.goto("/")
        await expect(page.locator(".review")).to_have_count(3)
        yield page


async def press(page: Page, *keys: str) -> None:
    for key in keys:
        await page.keyboard.press(key)


async def order(page: Page) -> list[str]:
    return [str(await one.get_attribute("id")) for one in await page.locator(".review, .outcome").filter(visible=True).all()]


async def test_j_begins_with_the_first_card_and_k_goes_back(queue: Page) -> None:
    first, second, third = await order(queue)
    assert await queue.evaluate(FOCUSED) == "BODY"
    await press(queue, "j")
    assert await queue.evaluate(FOCUSED) == first
    await press(queue, "j", "j", "j")
    assert await queue.evaluate(FOCUSED) == third
    await press(queue, "k")
    assert await queue.evaluate(FOCUSED) == second
    assert await queue.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


async def test_after_a_decision_the_next_card_has_the_focus_and_the_page_stays_where_it_was(queue: Page) -> None:
    first, second, third = await order(queue)
    await press(queue, "j")
    before = await queue.evaluate("scrollY")
    await press(queue, "1")
    await expect(queue.locator(f"#{first}.outcome")).to_be_visible()
    await expect(queue.locator(f"#{second}")).to_be_focused()
    assert await queue.evaluate("scrollY") == before
    assert await order(queue) == [first, second, third], "nothing has moved up or down the queue"
    await press(queue, "d")
    await expect(queue.locator(f"#{third}")).to_be_focused()
    await press(queue, "1")
    await expect(queue.locator(f"#{third}.outcome")).to_be_focused()
    await expect(queue.locator("h1")).to_have_text("Nothing needs your eye")


async def test_u_takes_back_what_was_said_last_from_the_next_card_too(queue: Page) -> None:
    first, second, _ = await order(queue)
    await press(queue, "j", "1")
    await expect(queue.locator(f"#{second}")).to_be_focused()
    await press(queue, "u")
    await expect(queue.locator(f"#{first}.review")).to_be_focused()


async def test_a_question_mark_shows_all_keys_and_escape_leads_back(queue: Page) -> None:
    first, *_ = await order(queue)
    await press(queue, "j", "?")
    help = queue.get_by_role("dialog", name="Keys")
    await expect(help).to_be_visible()
    await expect(help.get_by_role("button", name="Close")).to_be_focused()
    await press(queue, "1", "d")
    await press(queue, "Escape")
    await expect(help).to_be_hidden()
    await expect(queue.locator(f"#{first}.review")).to_be_focused()


async def test_the_keys_are_found_without_knowing_any_and_can_be_switched_off(queue: Page) -> None:
    """Single keys are pressed by speech input, too: whoever minds them is asked nothing twice."""
    button = queue.get_by_role("button", name="Keys", exact=True)
    await button.click()
    await queue.get_by_label("Single keys do this").uncheck()
    await queue.get_by_role("button", name="Close").click()
    await expect(button).to_be_focused()
    for _ in range(2):
        await press(queue, "j", "?")
        assert await queue.evaluate(FOCUSED) in ("keys-shown", "BODY")
        await expect(queue.get_by_role("dialog")).to_be_hidden()
        await queue.reload()
    await button.click()
    await queue.get_by_label("Single keys do this").check()
    await press(queue, "Escape", "j")
    await expect(queue.locator(".review").first).to_be_focused()


async def test_x_ticks_a_card(queue: Page) -> None:
    await press(queue, "j", "x")
    await expect(queue.locator(".tick input").first).to_be_checked()
    await expect(queue.locator("#several")).to_be_visible()


async def test_where_there_is_no_keyboard_none_is_spoken_of(chromium: Browser, site: Site, office: Office) -> None:  # noqa: F811
    await office.asks()
    touch = {"has_touch": True, "is_mobile": True, "viewport": {"width": 360, "height": 740}}
    async with signed_in(chromium, site, office.eva, **touch) as context:
        page = await context.new_page()
        await page.goto("/")
        await expect(page.locator(".review")).to_be_visible()
        await expect(page.locator("#keys-shown")).to_be_hidden()
        assert await page.locator("kbd").filter(visible=True).count() == 0


async def test_without_scripts_no_keys_are_promised(chromium: Browser, site: Site, office: Office) -> None:  # noqa: F811
    await office.asks()
    async with signed_in(chromium, site, office.eva, java_script_enabled=False) as context:
        page = await context.new_page()
        await page.goto("/")
        await expect(page.locator(".review")).to_be_visible()
        await expect(page.locator("#keys-shown, #keys")).to_have_count(2)
        for hidden in ("#keys-shown", "#keys"):
            await expect(page.locator(hidden)).to_be_hidden()


async def test_new_questions_are_told_of_and_never_put_in_by_themselves(queue: Page, office: Office) -> None:  # noqa: F811
    before = await order(queue)
    await press(queue, "j")
    for name in ("fourth", "fifth"):
        await office.asks(name)
    await _half_a_minute_passes(queue)
    news = queue.locator("#news")
    await expect(news).to_have_attribute("hx-trigger", "every 30s")
    await expect(news).to_have_text("2 new – show them")
    assert await order(queue) == before
    await expect(queue.locator(f"#{before[0]}")).to_be_focused()
    await news.get_by_role("link", name="show them").click()
    await expect(queue.locator(".review")).to_have_count(5)
    await expect(news).to_be_empty()


async def test_what_one_answers_oneself_is_no_news(queue: Page) -> None:
    await press(queue, "j", "1")
    await expect(queue.locator(".outcome")).to_be_visible()
    await press(queue, "u")
    await expect(queue.locator(".review")).to_have_count(3)
    await _half_a_minute_passes(queue)
    await expect(queue.locator("#news")).to_be_empty()


async def _half_a_minute_passes(page: Page) -> None:
    """For the page's own clock."""
    async with page.expect_response("**/questions/new?*"):
        await page.evaluate("htmx.trigger('#news', 'every')")
