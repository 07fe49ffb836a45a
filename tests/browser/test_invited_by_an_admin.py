"""An admin invites somebody, sees that they connected, and disconnects them: each by the pages and letters that they get."""

from tests.browser.conftest import FIRM, Visitors
from tests.browser.visitor import Visitor
from tests.browser.way import allows, letter_to, letters_to
from tests.journeys.house import House
from tests.letters.letterbox import Letterbox

IVY = "ivy@sample.test"


async def test_an_invited_colleague_connects_from_the_letter_and_is_told_when_the_admin_disconnects_them(
    house: House, letterbox: Letterbox, visitor: Visitor, visitors: Visitors
) -> None:
    await house.google.aio.account(IVY)
    await visitor.opens(await house.add_person(FIRM, "ada@sample.test", admin=True))
    await visitor.clicks("Settings")
    await visitor.clicks("Integrations")
    await visitor.writes("One address per line; the name may stand before it", f"Ivy Sample <{IVY}>")
    await visitor.clicks("Invite them")
    await visitor.sees("1 person is invited", IVY)
    await visitor.looks("integrations-invited")

    ivy = await visitors()
    await ivy.reads(await letter_to(letterbox, IVY, f"ada invites {IVY} to Postroom"))
    await ivy.looks("letter-invitation")
    await ivy.clicks("Connect Gmail")
    await ivy.clicks("Continue with Google")
    await ivy.picks(IVY)
    await ivy.clicks("Continue")
    await allows(ivy, IVY)
    await ivy.clicks("You")
    await ivy.sees("This device", IVY)
    await ivy.looks("account")

    await visitor.clicks("Integrations")
    await visitor.looks("integrations")
    await visitor.clicks("Ivy Sample")
    await visitor.sees(f"{IVY} connected")
    await visitor.looks("person")
    await visitor.unfolds("Disconnect")
    await visitor.clicks(f"Disconnect {IVY}")
    await visitor.sees(f"{IVY} disconnected")
    await ivy.reads(await letter_to(letterbox, IVY, f"Gmail for {IVY} was disconnected by ada"))
    await ivy.looks("letter-disconnected")
    assert len(letters_to(letterbox, IVY)) == 2
