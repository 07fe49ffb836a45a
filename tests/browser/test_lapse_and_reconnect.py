"""Access ends at Google, one letter says so, and from its button a person comes back to everything that arrived meanwhile."""

import time

from tests.browser.conftest import SWEEP, Visitors
from tests.browser.visitor import Visitor
from tests.browser.way import allows, comes_in, finds_filed, gets_mail, letter_to, letters_to
from tests.journeys.house import House
from tests.letters.letterbox import Letterbox

BUSY = 6.0  # seconds that a busy machine may add


async def test_from_the_letter_about_a_lapse_a_person_reconnects_and_the_mail_of_the_meantime_is_filed_and_counted(
    house: House, letterbox: Letterbox, visitor: Visitor, visitors: Visitors
) -> None:
    """Scenarios 87, 97."""
    address = "lena@sample.test"
    await comes_in(house, visitor, address)
    await allows(visitor, address)
    await gets_mail(house, address, "Before the lapse")
    await finds_filed(visitor, "Before the lapse")

    await house.google.aio.revoke(address)
    revoked = time.monotonic()
    letter = await letter_to(letterbox, address, f"Gmail for {address} is disconnected")
    assert time.monotonic() - revoked < SWEEP["interval"] + SWEEP["letter_wait"] + BUSY
    await visitor.clicks("Dashboard")
    await visitor.sees("Gmail stopped")
    await visitor.looks("dashboard-lapsed")
    await visitor.clicks("Settings")
    await visitor.sees(f"{address} stopped")
    await visitor.looks("email-sync-lapsed")
    await gets_mail(house, address, "While it was away")
    await gets_mail(house, address, "Still away")
    await gets_mail(house, address, "Nobody’s mail", sender="stranger@nobody.example")

    reader = await visitors()
    await reader.reads(letter)
    await reader.looks("letter-lapse")
    await reader.clicks("Reconnect Gmail")
    await reader.sees("Sign in to Postroom")
    await reader.looks("sign-in")
    await reader.clicks("Continue with Google")
    await reader.picks(address)
    await reader.clicks("Continue")
    await reader.sees("Google Email Sync", "Gmail stopped")
    await allows(reader, address, "Reconnect Gmail")
    await reader.sees("Caught up. 2 mails of the time from")
    await reader.looks("email-sync-caught-up")
    await finds_filed(reader, "Before the lapse", "While it was away", "Still away")
    await reader.does_not_see("Nobody’s mail")

    closing = await letter_to(letterbox, address, f"Gmail for {address} is back, and caught up")
    await reader.reads(closing)
    await reader.sees("2 mails were filed")
    await reader.looks("letter-caught-up")
    assert [told["Subject"] for told in letters_to(letterbox, address)] == [letter["Subject"], closing["Subject"]]
    await visitor.clicks("Dashboard")
    await visitor.does_not_see("Gmail stopped")


async def test_whoever_has_no_session_may_also_come_in_by_a_mailed_link_and_arrives_where_the_letter_led(
    house: House, letterbox: Letterbox, visitor: Visitor, visitors: Visitors
) -> None:
    address = "milo@sample.test"
    await comes_in(house, visitor, address)
    await allows(visitor, address)
    await house.google.aio.revoke(address)
    letter = await letter_to(letterbox, address, f"Gmail for {address} is disconnected")

    reader = await visitors()
    await reader.reads(letter)
    await reader.clicks("Reconnect Gmail")
    await reader.writes("Your e-mail address at work", address)
    await reader.clicks("Mail me a link")
    await reader.sees("Look into your mail", address)
    await reader.looks("sign-in-sent")
    link = await letter_to(letterbox, address, f"Sign in to Postroom as {address}")
    await reader.reads(link)
    await reader.looks("letter-sign-in")
    await reader.clicks("Sign in")
    await reader.sees("This link signs you in")
    await reader.looks("sign-in-link")
    await reader.clicks("Sign in")
    await reader.sees("Google Email Sync", f"{address} stopped")
    await allows(reader, address, "Reconnect Gmail")
    await reader.sees("there was no client’s mail to file")
