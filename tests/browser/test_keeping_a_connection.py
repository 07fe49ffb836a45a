"""What a connected person does on their page: pause, test, disconnect and come back."""

from tests.browser.visitor import Visitor
from tests.browser.way import allows, comes_in, finds_filed, gets_mail
from tests.journeys.house import House


async def test_what_comes_while_it_is_paused_is_filed_after_resuming(house: House, visitor: Visitor) -> None:
    address = "paula@sample.test"
    await comes_in(house, visitor, address)
    await allows(visitor, address)
    await visitor.clicks("Pause")
    await visitor.sees(f"{address} paused", "nothing is looked at")
    await visitor.looks("email-sync-paused")
    await gets_mail(house, address, "During the pause")
    await visitor.clicks("Resume")
    await visitor.sees(f"{address} connected", "Caught up. 1 mail of the time from")
    await finds_filed(visitor, "During the pause")


async def test_a_test_push_is_shown_arriving(house: House, visitor: Visitor) -> None:
    address = "tess@sample.test"
    await comes_in(house, visitor, address)
    await allows(visitor, address)
    await visitor.sees_at_last("Last push from Google just now")  # the one of connecting is over
    await house.google.aio.fault("push_delayed", mailbox=address, s=1.0)
    await visitor.clicks("Test push")
    await visitor.sees("Google was asked for a push", "Waiting for it to arrive")
    await visitor.looks("email-sync-test-push-waiting")
    await visitor.sees("Google’s push arrived")
    await visitor.looks("email-sync-test-push-arrived")
    await house.google.aio.clear_faults()


async def test_connecting_again_offers_the_mail_in_between_and_files_it(house: House, visitor: Visitor) -> None:
    address = "dora@sample.test"
    await comes_in(house, visitor, address)
    await allows(visitor, address)
    await visitor.unfolds("Disconnect")
    await visitor.looks("email-sync-disconnecting")
    await visitor.clicks(f"Disconnect {address}")
    await visitor.sees(f"{address} disconnected", "Also file the mail since")
    await visitor.looks("email-sync-disconnected")
    await gets_mail(house, address, "In between")
    await allows(visitor, address)
    await visitor.sees("Mails filed 1")
    await finds_filed(visitor, "In between")
