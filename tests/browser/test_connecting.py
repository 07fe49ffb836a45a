"""Connect Google, as a person does it: clicking only what is there to be seen."""

from datetime import UTC, datetime, timedelta

from tests.browser.conftest import FIRM
from tests.browser.visitor import Visitor
from tests.browser.way import allows, comes_in, finds_filed, gets_mail
from tests.journeys.house import House

NINA = "nina@sample.test"


async def test_a_newcomer_connects_and_a_clients_mail_shows_under_the_client(house: House, visitor: Visitor) -> None:
    await visitor.opens(await house.add_person(FIRM, NINA))
    await visitor.sees("Your Gmail is not connected")
    await visitor.looks("dashboard-not-connected")
    await visitor.clicks("Settings")
    await visitor.sees(f"{NINA} never connected")
    await visitor.looks("email-sync-never-connected")
    await visitor.clicks("Connect Google")
    await visitor.sees("Choose an account")
    await visitor.looks("google-chooser")
    await visitor.picks(NINA)
    await visitor.sees("wants access", "View your email messages and settings")
    await visitor.looks("google-consent")
    await visitor.clicks("Continue")
    await visitor.sees(f"{NINA} connected")
    await visitor.looks("email-sync-connected")

    await gets_mail(house, NINA, "Quarterly flour")
    await finds_filed(visitor, "Quarterly flour")
    await visitor.looks("client")
    await visitor.picks("Quarterly flour")
    await visitor.sees("Received by", "Please find the figures below")
    await visitor.looks("mail")
    await visitor.clicks("Dashboard")
    await visitor.sees("Quarterly flour")
    await visitor.does_not_see("not connected")
    await visitor.looks("dashboard")
    await visitor.clicks("Settings")
    await visitor.sees("Mails filed 1")


async def test_older_mail_that_was_asked_for_is_seen_coming_in_without_touching_the_page(house: House, visitor: Visitor) -> None:
    """The page asks by itself how the first sync goes, until it is done."""
    address = "otto@sample.test"
    await comes_in(house, visitor, address)
    for days in (2, 3, 20):
        written = datetime.now(UTC) - timedelta(days=days)
        await gets_mail(house, address, f"Of {days} days ago", internal_date=int(written.timestamp() * 1000))
    await house.google.aio.fault("timeout", mailbox=address, method="messages.get", s=1.5)
    await visitor.selects("File mail", "7 days back")
    await allows(visitor, address)
    await visitor.sees("Catching up", "still to be read")
    await visitor.looks("email-sync-first-sync")
    await house.google.aio.clear_faults()
    await visitor.sees("Mails filed 2")
    await visitor.does_not_see("Catching up")
    await finds_filed(visitor, "Of 2 days ago", "Of 3 days ago")
    await visitor.does_not_see("Of 20 days ago")
