"""The never-file lists at work: a firm's, and a user's own."""

import pytest

from models import never_file
from models.activities import Activity
from models.emails import Email
from tests.builders import a_client, a_firm, a_mail, a_user
from tests.pipeline.stage import Stage

EVA, BOB, PAT = "eva@sample.test", "bob@sample.test", "pat@client.example"


async def refuse(stage: Stage, pattern: str, user=None) -> None:
    by = user or await a_user(stage.firm)
    await never_file.add(stage.firm.id, user and user.id, pattern, by.id, stage.clock.moment)


@pytest.mark.parametrize("pattern", [PAT, "client.example", "@Client.Example", "PAT@client.example"])
@pytest.mark.parametrize("sender", [f"Pat <{PAT}>", "pat+home@client.example"])
async def test_what_a_listed_address_or_domain_writes_is_not_filed_under_anybody(stage: Stage, pattern, sender):
    """Scenario 39. Only its headers are looked at."""
    eva, client = await stage.mailbox(EVA), await a_client(stage.firm, "", PAT)
    lee = await a_client(stage.firm, "", "lee@other.example")
    await refuse(stage, pattern)
    sent = await stage.mail(eva, a_mail(sender, EVA, Cc="lee@other.example"))
    await stage.push(eva)
    assert await stage.fate(eva, sent) == ("skipped", "never file", False)
    assert (await stage.filed(client), await stage.filed(lee), await stage.looks(eva, "full")) == ([], [], [])


async def test_who_is_listed_and_did_not_write_it_is_as_if_no_contact(stage: Stage):
    eva, client = await stage.mailbox(EVA), await a_client(stage.firm, "", PAT)
    lee = await a_client(stage.firm, "", "lee@other.example")
    await refuse(stage, PAT)
    await stage.mail(eva, a_mail("lee@other.example", f"{EVA}, {PAT}", "To both"))
    to_pat = await stage.mail(eva, a_mail("stranger@elsewhere.example", f"{EVA}, {PAT}", "To Pat"))
    await stage.push(eva)
    assert (await stage.filed(client), await stage.filed(lee)) == ([], ["To both"])
    assert await stage.fate(eva, to_pat) == ("skipped", "no client", False)


@pytest.mark.parametrize("first", [EVA, BOB])
async def test_a_user_s_own_list_is_that_user_s_and_a_colleague_s_copy_is_filed(stage: Stage, first):
    """Whichever mailbox syncs first."""
    eva, bob, client = await stage.mailbox(EVA), await stage.mailbox(BOB), await a_client(stage.firm, "", PAT)
    await refuse(stage, "client.example", await eva.user)
    mail = a_mail(PAT, f"{EVA}, {BOB}", "Figures")
    ids = {mailbox.address: await stage.mail(mailbox, mail) for mailbox in (eva, bob)}
    for mailbox in sorted((eva, bob), key=lambda mailbox: mailbox.address != first):
        await stage.push(mailbox)
    assert await stage.filed(client) == ["Figures"]
    assert (await stage.fate(eva, ids[EVA]))[:2] == ("skipped", "never file")
    assert await Email.filter(receipts__mailbox=bob).count() == await Email.all().count() == 1


async def test_another_firm_s_list_is_nothing_to_this_one(stage: Stage):
    """Scenario 51."""
    eva, client, other = await stage.mailbox(EVA), await a_client(stage.firm, "", PAT), await a_firm()
    await never_file.add(other.id, None, PAT, (await a_user(other)).id, stage.clock.moment)
    await stage.mail(eva, a_mail(PAT, EVA, "Figures"))
    await stage.push(eva)
    assert await stage.filed(client) == ["Figures"]


async def test_what_is_taken_off_the_list_is_filed_again_and_what_was_filed_stays(stage: Stage):
    eva, client = await stage.mailbox(EVA), await a_client(stage.firm, "", PAT)
    for subject in ("Before", "Meanwhile", "After"):
        await stage.mail(eva, a_mail(PAT, EVA, subject))
        await stage.push(eva)
        if subject == "Before":
            await refuse(stage, PAT)
        for listed in await never_file.patterns(stage.firm.id, None) if subject == "Meanwhile" else []:
            await never_file.remove(stage.firm.id, listed.id, None, (await a_user(stage.firm)).id, stage.clock.moment)
    assert await stage.filed(client) == ["After", "Before"]
    assert await Activity.filter(status="filed").count() == 2
