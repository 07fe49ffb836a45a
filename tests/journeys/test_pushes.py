"""From Google's push to the page, when pushes come oddly."""

from tests.builders import a_mail
from tests.journeys.conftest import FIRM
from tests.journeys.house import House
from tests.journeys.person import Colleagues
from tests.postroom.waiting import eventually


async def test_a_push_that_spells_the_address_otherwise_still_finds_the_mailbox(house: House, firm: Colleagues) -> None:
    """Scenario 10."""
    casey = await house.person(FIRM, "caseysample@gmail.com", account="Casey.Sample@googlemail.com")
    await house.google.aio.post("accounts/rename", mailbox=casey.account, to="CASEY.sample@GMail.com")
    casey.account = "CASEY.sample@GMail.com"
    await house.deliver(casey, a_mail("hal@spelling.example", "casey.sample@gmail.com", "However you spell it"))
    activity = await casey.finds("Spelling Studio", "However you spell it")
    assert (await casey.message(activity)).facts["Received by"] == "caseysample"


async def test_a_push_delivered_five_times_at_once_does_the_work_of_one(house: House, firm: Colleagues) -> None:
    """Scenario 13."""
    await house.quiet(firm.kit)
    before = (await house.google.aio.state(firm.kit.account))["calls_by_mailbox"][firm.kit.account]["history.list"]
    await house.google.aio.fault("push_repeated", mailbox=firm.kit.account, n=5, count=1)
    gmail_id = await house.deliver(firm.kit, a_mail("ida@repeating.example", "kit@sample.test", "Once, or five times?"))

    async def heard() -> bool:
        push = (await house.google.aio.state(firm.kit.account))["pushes"][-1]
        return (push["attempts"], push["status"]) == (5, "delivered")

    await eventually(heard, "all five were delivered")
    await firm.kit.finds("Repeating Radio", "Once, or five times?")
    assert await house.gets(firm.kit, gmail_id) == ["metadata", "full"]
    state = await house.google.aio.state(firm.kit.account)
    assert state["calls_by_mailbox"][firm.kit.account]["history.list"] - before <= 2


async def test_mail_whose_push_is_lost_is_filed_by_the_sweep(house: House, firm: Colleagues) -> None:
    await house.quiet(firm.kit)
    await house.google.aio.fault("push_lost", mailbox=firm.kit.account, count=1)
    await house.deliver(firm.kit, a_mail("ann@riverside.example", "kit@sample.test", "Nobody was told of this"))
    assert "Nobody was told of this" not in await firm.kit.subjects_of("Riverside Pottery")
    await house.an_interval_passes(firm.kit)
    await firm.kit.finds("Riverside Pottery", "Nobody was told of this")
