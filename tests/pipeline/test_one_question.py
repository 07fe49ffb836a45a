"""One question, however many clients, copies and colleagues: ranked by what the firm knows, with reasons, the same every time."""

import asyncio
from typing import Any

import pytest

from models.activities import Activity, Review
from models.directory import Client
from models.emails import Email, Receipt
from models.firms import User
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from tests.builders import a_client, a_mail
from tests.models.emails import decided
from tests.pipeline.stage import Stage

PAT, LEE, KIM = "pat@client.example", "lee@other.example", "kim@third.example"
ANN, BEN = "ann@sample.test", "ben@sample.test"
TUESDAY = "Tue, 03 Nov 2026 09:00:00 +0000"
WHOSE = "Whose?"


def a_doubtful_mail(to: str = f"{ANN}, {BEN}", subject: str = WHOSE, **more: str) -> Any:
    """Pat's; one and the same for whoever receives it."""
    return a_mail(PAT, to, subject, Message_ID="<whose@client.example>", Date=TUESDAY, **more)


async def asked() -> list[tuple[Any, Any]]:
    """The candidates of the one open question, best first, with their reasons; the best has the one activity that waits."""
    review = await Review.get(decided_at=None)
    told: list[Any] = review.candidates
    places = await Activity.filter(email_id=review.email_id).values_list("client_id", "status", "how", "reason")
    assert places == [(told[0]["client"], "review", "guess", "; ".join(told[0]["reasons"]))]
    return [(candidate["client"], candidate["reasons"]) for candidate in told]


async def forgets(stage: Stage, mailbox: Mailbox, sent: str) -> None:
    """As if the mail in doubt had never been seen; what else the firm knows stays."""
    await Email.filter(message_id="whose@client.example").delete()
    await LedgerEntry.filter(gmail_id=sent, mailbox=mailbox).delete()
    for change in ({"add": ("TRASH",)}, {"remove": ("TRASH",)}):
        await stage.sandbox.aio.labels(mailbox.address, sent, **change)


async def three(stage: Stage) -> list[Client]:
    """Pat is a contact of all of them. Her last mail was, a person said, for the second; Kim was on it, too."""
    clients = [await a_client(stage.firm, name, PAT) for name in ("Harbour Bakery", "Quill Joinery", "Mill Dairy")]
    ann = await stage.mailbox(ANN)
    await stage.mail(ann, a_mail(PAT, ANN, "Before", "Before", Cc=KIM))
    await stage.push(ann)
    by = await User.get(email=ANN)
    await decided(await Email.get(), clients[1].id, by.id, stage.clock.moment)
    return clients


async def test_a_contact_of_three_clients_is_asked_about_once_with_candidates_in_order_each_with_reasons(stage: Stage) -> None:
    """Scenario 59. What a person said of Pat's last mail counts, and so does a client's name in the subject; the same every time."""
    first, second, third = await three(stage)
    ann = await Mailbox.get(address=ANN)
    sent = await stage.mail(ann, a_doubtful_mail(subject="Re: Mill Dairy", Cc=KIM))
    seen: list[Any] = []
    for _ in range(4):
        await stage.push(ann)
        seen.append(await asked())
        await forgets(stage, ann, sent)
    assert {client for client, _ in seen[0]} == {first.id, second.id, third.id}
    assert seen[0][-1][0] == first.id
    reasons = {client: " ".join(reasons) for client, reasons in seen[0]}
    assert all(PAT in reasons[client] for client in reasons)
    assert KIM in reasons[second.id]
    assert "name is in the subject" in reasons[third.id]
    assert seen == [seen[0]] * 4


async def test_a_client_that_other_people_on_the_mail_point_to_comes_first(stage: Stage) -> None:
    """Scenario 59. Without them it would be the lowest id: nothing else speaks for anybody."""
    _, second, _ = await three(stage)
    ann = await Mailbox.get(address=ANN)
    sent = await stage.mail(ann, a_doubtful_mail())
    await stage.push(ann)
    assert (await asked())[0][0] == second.id
    await Activity.filter(email__subject="Before").update(status="dismissed")
    await forgets(stage, ann, sent)
    await stage.push(ann)
    told = await asked()
    assert [client for client, _ in told] == sorted(client for client, _ in told)


async def test_the_order_of_addresses_changes_nothing(stage: Stage) -> None:
    """Scenarios 59, 61. Three addresses that each stand for several clients ask one question together."""
    clients = await three(stage)
    others = [await a_client(stage.firm, "", LEE, KIM), await a_client(stage.firm, "", LEE), await a_client(stage.firm, "", KIM)]
    ann = await Mailbox.get(address=ANN)
    seen = []
    for to in (f"{ANN}, {LEE}, {KIM}", f"{KIM}, {LEE}, {ANN}", f"{LEE}, {ANN}, {KIM}"):
        sent = await stage.mail(ann, a_doubtful_mail(to))
        await stage.push(ann)
        seen.append(await asked())
        await forgets(stage, ann, sent)
        await stage.sandbox.aio.delete(ANN, sent)
    assert seen == [seen[0]] * 3
    assert sorted(client for client, _ in seen[0]) == [client.id for client in clients + others]


@pytest.mark.parametrize("first", ["ann", "ben", "at once"])
async def test_colleagues_who_look_after_different_clients_get_one_activity_and_one_question(stage: Stage, first: str) -> None:
    """Scenario 121. Ann has mail of A's, Ben more of B's: both count, in whatever order their mailboxes are looked at. Together they get
    all mail of either, and nothing speaks for one of the two."""
    a, b = [await a_client(stage.firm, "", PAT, own) for own in (LEE, KIM)]
    ann, ben = await stage.mailbox(ANN), await stage.mailbox(BEN)
    for mailbox, own, many in ((ann, LEE, 1), (ben, KIM, 3)):
        for number in range(many):
            await stage.mail(mailbox, a_mail(own, mailbox.address, f"Own {number}"))
        await stage.push(mailbox)
    for mailbox in (ann, ben):
        await stage.mail(mailbox, a_doubtful_mail())
    if first == "at once":
        await asyncio.gather(stage.push(ann), stage.push(ben))
    else:
        one, other = (ann, ben) if first == "ann" else (ben, ann)
        await stage.push(one)
        assert (await asked())[0][0] == (a if first == "ann" else b).id
        await stage.push(other)
    assert [client for client, _ in await asked()] == [a.id, b.id]
    assert await Receipt.filter(email__subject=WHOSE).count() == 2
    assert await Review.all().count() == 1


@pytest.mark.parametrize("first", ["ann", "ben", "at once"])
async def test_what_one_copy_shows_for_certain_is_not_asked_about_in_the_other(stage: Stage, first: str) -> None:
    """Scenario 121. Ann sent it, with a blind copy to a contact of A alone, whom Ben's copy does not name."""
    a, b = await a_client(stage.firm, "", PAT, LEE), await a_client(stage.firm, "", PAT)
    ann, ben = await stage.mailbox(ANN), await stage.mailbox(BEN)
    said = {"sender": ANN, "to": f"{PAT}, {BEN}", "subject": WHOSE, "Message_ID": "<whose@sample.test>", "Date": TUESDAY}
    await stage.mail(ann, a_mail(**said, Bcc=LEE), "SENT")
    await stage.mail(ben, a_mail(**said))
    for mailboxes in {"ann": [[ann], [ben]], "ben": [[ben], [ann]], "at once": [[ann, ben]]}[first]:
        await asyncio.gather(*map(stage.push, mailboxes))
    assert await Activity.all().values_list("client_id", "status", "how") == [(a.id, "filed", "certain")]
    assert (await Review.all().count(), await Receipt.all().count(), await stage.filed(b)) == (0, 2, [])
