"""One mail's own page, as tests of it open and read it."""

from typing import Any

import pytest

from models.activities import SHOWN, Activity
from models.directory import Client
from tests.models.office import Office, an_office
from tests.portal.browser import Browser, Page
from tests.portal.mails import NOW
from tests.portal.site import Site

HARBOUR, QUAY, MILL = "Harbour Ltd", "Quay Ltd", "Mill Dairy"


@pytest.fixture
async def office(site: Site) -> Office:
    office = await an_office(NOW)
    for client, name in zip(office.clients, (HARBOUR, QUAY, MILL), strict=True):
        await Client.filter(id=client.id).update(name=name)
    return office


async def page_of(browser: Browser, email_id: int, client_id: int | None = None) -> Page:
    """The mail's page under this client, or under whichever it is."""
    one = {"client_id": client_id} if client_id else {}
    activity = await Activity.filter(email_id=email_id, status__in=SHOWN, **one).order_by("id").first()
    assert activity is not None
    return await browser.get(f"/activities/{activity.id}")


def history(page: Page) -> list[str]:
    return [" ".join(line.get_text().split()) for line in page.dom.select(".history li")]


async def say(browser: Browser, page: Page, address: str, **fields: Any) -> Page:
    """Sends one of the page's own forms, as it is there, to where it leads; every form must be one that the server takes."""
    version = page.dom.select_one("input[name=version]")
    assert version is not None
    proof = page.dom.select_one("main input[name=form_proof]")
    assert proof is not None
    told = {"form_proof": str(proof["value"]), "version": str(version["value"]), "back": "mail"}
    return await browser.follow(await browser.post(address, told | {name: str(value) for name, value in fields.items()}))
