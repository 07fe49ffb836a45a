"""Clients that are merged, archived or removed while a mail of theirs is being read: nothing is lost, and nothing is under who is gone."""

from functools import partial

import pytest
from structlog.testing import capture_logs

from models import clients
from models.activities import Activity, Review
from models.directory import Client
from models.emails import Email
from models.ledger import LedgerEntry
from tests.builders import a_client, a_mail
from tests.models.side_by_side import side_by_side
from tests.pipeline.recovery import until_whole
from tests.pipeline.stage import Stage

PAT = "pat@client.example"


@pytest.mark.parametrize("in_doubt", [False, True])
async def test_a_client_that_is_merged_while_its_mail_is_read_hands_it_on(stage: Stage, in_doubt: bool) -> None:
    """Scenario 73. The directory was asked before, and the mail is judged anew: what was in doubt between the two is in doubt no more."""
    eva = await stage.mailbox()
    gone, stays = await a_client(stage.firm, "", PAT), await a_client(stage.firm, "", *[PAT] * in_doubt)
    ids = [await stage.mail(eva, a_mail(PAT, subject=subject)) for subject in ("One", "Two")]
    stage.wire.after("format=full", partial(clients.merge, stage.firm.id, gone.id, stays.id, stage.clock.moment))
    await stage.push(eva)
    await until_whole(stage)
    assert not await Client.exists(id=gone.id)
    assert await stage.filed(stays) == ["One", "Two"]
    assert await Activity.all().values_list("client_id", "status", "how") == [(stays.id, "filed", "certain")] * 2
    assert not await Review.exists()
    assert [await stage.fate(eva, one) for one in ids] == [("filed", "client", False)] * 2


async def test_a_client_that_is_removed_while_its_mail_is_read_leaves_it_to_the_others(stage: Stage) -> None:
    """Scenario 73."""
    eva = await stage.mailbox()
    gone, stays = await a_client(stage.firm, "", PAT), await a_client(stage.firm, "", "lee@client.example")
    theirs = await stage.mail(eva, a_mail(PAT, subject="Only theirs"))
    await stage.mail(eva, a_mail(PAT, subject="Of both", Cc="lee@client.example"))
    stage.wire.after("format=full", partial(clients.remove, stage.firm.id, gone.id, stage.clock.moment))
    await stage.push(eva)
    await until_whole(stage)
    assert await stage.filed(stays) == ["Of both"]
    assert await Email.all().count() == await Activity.all().count() == 1
    assert await stage.fate(eva, theirs) == ("skipped", "no client", False)
    assert not await LedgerEntry.filter(outcome="parked").exists()


@pytest.mark.parametrize("end", ["archived", "merged", "removed"])
async def test_of_a_batch_only_what_named_a_client_that_is_gone_is_looked_at_again(stage: Stage, end: str) -> None:
    """Scenarios 19, 73. One mail is hers for certain, one in doubt between her and two others, two are others'. Nothing is refused, and
    nothing is lost."""
    eva = await stage.mailbox()
    gone, one, two = [await a_client(stage.firm, "", PAT, *[own] * bool(own)) for own in ("hers@client.example", "one@client.example", "")]
    for sender in ("hers@client.example", PAT, "one@client.example"):
        await stage.mail(eva, a_mail(sender, subject=sender))
    acts = {
        "archived": partial(clients.archive, stage.firm.id, gone.id, stage.clock.moment),
        "merged": partial(clients.merge, stage.firm.id, gone.id, two.id, stage.clock.moment),
        "removed": partial(clients.remove, stage.firm.id, gone.id, stage.clock.moment),
    }
    stage.wire.after("format=full", acts[end])
    with capture_logs() as logs:
        await stage.push(eva)
        await until_whole(stage)
    assert [line for line in logs if line["log_level"] in ("warning", "error")] == []
    filed = await Activity.all().order_by("email__subject").values_list("email__subject", "client_id", "status", "how")
    hers = [("hers@client.example", two.id, "filed", "certain")] if end == "merged" else []
    assert filed == [*hers, ("one@client.example", one.id, "filed", "certain"), (PAT, filed[-1][1], "review", "guess")]
    assert {candidate["client"] for candidate in (await Review.get()).candidates} == {one.id, two.id}
    assert not await LedgerEntry.exclude(outcome__in=["filed", "skipped"]).exists()


async def test_a_client_is_waited_for_whose_question_is_just_being_asked(stage: Stage) -> None:
    """Scenario 73. It is no candidate of it any more, though it was not the guess."""
    eva = await stage.mailbox()
    ids = [(await a_client(stage.firm, "", PAT)).id for _ in range(3)]
    await stage.mail(eva, a_mail(PAT))
    await side_by_side("AFTER INSERT", "review", lambda: stage.push(eva), lambda: clients.remove(stage.firm.id, ids[2], stage.clock.moment))
    assert [candidate["client"] for candidate in (await Review.get()).candidates] == ids[:2]


async def test_what_came_while_a_client_was_archived_is_filed_when_it_is_back(stage: Stage) -> None:
    """Scenarios 70, 73. And what comes while it is archived is nobody's."""
    eva, client = await stage.mailbox(), await a_client(stage.firm, "", PAT)
    await stage.mail(eva, a_mail(PAT, subject="Before"))
    await stage.push(eva)
    await clients.archive(stage.firm.id, client.id, stage.clock.moment)
    await stage.time_passes(60)
    await stage.mail(eva, a_mail(PAT, subject="Meanwhile"))
    await stage.push(eva)
    assert await stage.filed(client) == ["Before"]
    await stage.time_passes(60)
    await clients.restore(stage.firm.id, client.id, stage.clock.moment)
    await until_whole(stage)
    assert await stage.filed(client) == ["Before", "Meanwhile"]
