"""A forged sender: where Google says that DMARC failed, no client is certain, and a person is asked."""

import pytest

from models.activities import Activity, Review
from models.emails import Email
from tests.builders import a_client, a_mail
from tests.pipeline.stage import Stage

EVA, BOB, PAT, LEE = "eva@sample.test", "bob@sample.test", "pat@client.example", "lee@other.example"
SAYS = "mx.google.com; spf=fail smtp.mailfrom=evil.example; dmarc={} (p=NONE dis=NONE) header.from=client.example"


def a_checked_mail(*results: str, sender: str = PAT, to: str = EVA, subject: str = "Pay at once", **headers: str) -> bytes:
    """`results`: Authentication-Results from the top down; the topmost stands where Google puts it, above all that the sender wrote."""
    said = "".join(f"Authentication-Results: {result}\n" for result in results)
    return said.encode() + a_mail(sender, to, subject, **headers).as_bytes()


async def activities() -> list[tuple[object, ...]]:
    return await Activity.all().order_by("client_id").values_list("client_id", "status")


async def candidates() -> list[list[str]]:
    return [sorted(str(candidate["client"]) for candidate in review.candidates) for review in await Review.all()]


@pytest.mark.parametrize(
    ("results", "trust"),
    [
        ([SAYS.format("fail")], "forged"),
        ([SAYS.format("fail"), SAYS.format("pass")], "forged"),
        ([SAYS.format("pass")], "proven"),
        ([SAYS.format("pass"), SAYS.format("fail")], "proven"),
        (["mx.evil.example; dmarc=fail"], "unknown"),
        (["mx.evil.example; dmarc=pass", SAYS.format("fail")], "unknown"),
        ([SAYS.format("none")], "unknown"),
        ([], "unknown"),
    ],
)
async def test_only_google_s_own_topmost_word_makes_a_sender_forged_and_then_a_person_is_asked(stage: Stage, results, trust):
    """Scenario 67."""
    eva, client = await stage.mailbox(EVA), await a_client(stage.firm, "", PAT)
    await stage.mail(eva, a_checked_mail(*results))
    await stage.push(eva)
    assert (await Email.get()).trust == trust
    assert await activities() == [(client.id, "review" if trust == "forged" else "filed")]
    assert await candidates() == ([[str(client.id)]] if trust == "forged" else [])


async def test_all_clients_of_a_forged_mail_are_candidates_of_one_question_and_none_has_it_for_certain(stage: Stage):
    """Scenario 67. Recipients are as the forger wished; where the sender was not forged, the same mail is filed twice."""
    eva = await stage.mailbox(EVA)
    pat, lee = await a_client(stage.firm, "", PAT, "both@both.example"), await a_client(stage.firm, "", LEE, "both@both.example")
    third = await a_client(stage.firm, "", "both@both.example")
    await stage.mail(eva, a_checked_mail(SAYS.format("fail"), to=f"{EVA}, {LEE}, both@both.example"))
    await stage.push(eva)
    assert [status for _, status in await activities()] == ["review"]
    assert await candidates() == [sorted(str(client.id) for client in (pat, lee, third))]
    await stage.mail(eva, a_checked_mail(SAYS.format("pass"), to=f"{EVA}, {LEE}", subject="Figures"))
    await stage.push(eva)
    filed = await Activity.filter(email__subject="Figures").order_by("client_id").values_list("client_id", "status")
    assert filed == [(pat.id, "filed"), (lee.id, "filed")]


async def test_whoever_of_two_colleagues_syncs_first_it_is_one_question(stage: Stage):
    """Scenario 67."""
    eva, bob, client = await stage.mailbox(EVA), await stage.mailbox(BOB), await a_client(stage.firm, "", PAT)
    mail = a_checked_mail(SAYS.format("fail"), to=f"{EVA}, {BOB}")
    for mailbox in (eva, bob):
        await stage.mail(mailbox, mail)
        await stage.push(mailbox)
    assert (await activities(), await candidates()) == ([(client.id, "review")], [[str(client.id)]])


async def test_what_we_sent_ourselves_nobody_forged(stage: Stage):
    """Scenario 67. Though a header in it says so."""
    stage.firm.file_all_sent = True
    await stage.firm.save()
    eva, client = await stage.mailbox(EVA), await a_client(stage.firm, "", PAT)
    await stage.mail(eva, a_checked_mail(SAYS.format("fail"), sender=EVA, to=PAT), labels="SENT")
    await stage.push(eva)
    assert (await activities(), (await Email.get()).trust) == ([(client.id, "filed")], "unknown")


async def test_a_forger_who_copies_all_headers_but_not_the_text_swallows_nothing(stage: Stage):
    """Scenarios 67, 126. Whichever comes first, the real one is filed and the forged one asks."""
    eva, client = await stage.mailbox(EVA), await a_client(stage.firm, "", PAT)
    same = {"Message_ID": "<one@client.example>", "Date": "Mon, 23 Nov 2026 10:00:00 +0000"}
    for subject, order in (("One", ("pass", "fail")), ("Two", ("fail", "pass"))):
        for result in order:
            text = "Pay to the old account." if result == "pass" else "Pay to the new account."
            await stage.mail(eva, a_checked_mail(SAYS.format(result), subject=subject, text=text, **same))
            await stage.push(eva)
    told = await Activity.filter(client=client).order_by("id").values_list("email__subject", "email__trust", "status")
    assert told == [("One", "proven", "filed"), ("One", "forged", "review"), ("Two", "forged", "review"), ("Two", "proven", "filed")]
