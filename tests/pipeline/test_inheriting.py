"""What a person decided about a thread counts for its next mail: if both share somebody who is no staff, and for nobody else's."""

from typing import Any

import pytest

from models.activities import Activity, Review
from models.directory import Client
from models.emails import Email
from models.firms import User
from models.mailboxes import Mailbox
from tests.builders import a_client, a_mail, a_user
from tests.models.emails import decided
from tests.pipeline.stage import Stage

PAT, LEE, STRANGER = "pat@client.example", "lee@other.example", "stranger@elsewhere.example"
EVA, BOB = "eva@sample.test", "bob@sample.test"
ROOT = "<root@client.example>"
SUBJECT = "Quarterly figures"


async def comes(stage: Stage, mailbox: Mailbox, text: str, sender: str = PAT, **headers: Any) -> str:
    """A mail of the thread; the first of them is its root. Its Gmail id."""
    begins = not await Email.all().exists()
    of_thread = {"Message_ID": ROOT} if begins else {"References": ROOT}
    sent = await stage.mail(mailbox, a_mail(sender, headers.pop("to", mailbox.address), SUBJECT, text, **{**of_thread, **headers}))
    await stage.push(mailbox)
    return sent


async def says(stage: Stage, text: str, client: Client, by: str = "robin@sample.test") -> User:
    """A person decides about this mail of the thread, a minute after whatever was decided before."""
    user = await User.get_or_none(email=by) or await a_user(stage.firm, by)
    stage.wait(minutes=1)
    await decided(await Email.get(text=f"{text}\n"), client.id, user.id, stage.clock.moment)
    return user


async def places(text: str) -> list[tuple[Any, ...]]:
    return await Activity.filter(email__text=f"{text}\n").order_by("client_id").values_list("client_id", "status", "how")


async def asked(text: str) -> bool:
    """Whether somebody still has to answer."""
    return await Review.filter(email__text=f"{text}\n", decided_at=None).exists()


async def three(stage: Stage) -> list[Client]:
    """Clients; Pat is a contact of A and B."""
    return [await a_client(stage.firm, "", PAT), await a_client(stage.firm, "", PAT), await a_client(stage.firm, "", LEE)]


async def test_a_reply_that_followed_the_thread_is_withdrawn_like_any_other(stage: Stage) -> None:
    """Scenario 130. Trashed twenty seconds after it came; nobody has said anything about it itself. The other mail stays."""
    _, b, _ = await three(stage)
    eva = await stage.mailbox(EVA)
    await comes(stage, eva, "One")
    await says(stage, "One", b)
    sent = await comes(stage, eva, "Two")
    assert (b.id, "filed", "inherited") in await places("Two")
    await stage.time_passes(20)
    await stage.sandbox.aio.labels(EVA, sent, add=("TRASH",), remove=("INBOX",))
    await stage.push(eva)
    assert [email.text for email in await Email.all()] == ["One\n"]
    assert (await stage.fate(eva, sent), await Review.all().count()) == (("withdrawn", "trash", False), 1)


@pytest.mark.parametrize("chosen", [0, 1, 2])
async def test_the_reply_goes_where_a_person_filed_the_thread_and_says_so(stage: Stage, chosen: int) -> None:
    """Scenario 55. Nobody is asked, in either mailbox; the question is on record as answered by the thread, whatever the choice was."""
    clients, eva, bob = await three(stage), await stage.mailbox(EVA), await stage.mailbox(BOB)
    await comes(stage, eva, "One")
    assert await asked("One")
    await says(stage, "One", clients[chosen])
    for mailbox in (eva, bob):
        await comes(stage, mailbox, "Two", to=f"{EVA}, {BOB}", Message_ID="<two@client.example>", Date="Mon, 02 Nov 2026 09:00:00 +0000")
    away = [(client.id, "dismissed", "inherited") for client in clients[:2] if client is not clients[chosen]]
    assert await places("Two") == sorted([*away, (clients[chosen].id, "filed", "inherited")])
    assert (await Activity.get(email__text="Two\n", status="filed")).reason == "Robin filed this thread here"
    review = await Review.get(email__text="Two\n")
    assert (review.outcome, review.decided_at, review.decided_by_id) == ("inherited", stage.clock.moment, None)  # type: ignore[attr-defined]
    assert review.candidates[0] == {
        "client": clients[chosen].id,
        "reasons": ["Robin filed this thread here"],
        "addresses": [PAT][: chosen < 2],
    }


async def test_what_is_certain_goes_where_the_thread_was_moved(stage: Stage) -> None:
    """Scenario 55. Addresses say A; a person moved the thread's mail from A to B. There was no question, so none is on record."""
    a, b = await a_client(stage.firm, "", PAT), await a_client(stage.firm)
    eva = await stage.mailbox(EVA)
    await comes(stage, eva, "One")
    assert await places("One") == [(a.id, "filed", "certain")]
    await says(stage, "One", b)
    await comes(stage, eva, "Two")
    assert await places("Two") == [(a.id, "dismissed", "inherited"), (b.id, "filed", "inherited")]
    assert await Review.all().count() == 0


async def test_what_a_person_filed_elsewhere_too_moves_nothing(stage: Stage) -> None:
    """Scenarios 55, 60. Only a client that was taken away is replaced, and other clients of the mail keep it."""
    a, b, c = await three(stage)
    await a_client(stage.firm)
    eva = await stage.mailbox(EVA)
    await comes(stage, eva, "One")
    await says(stage, "One", b)
    await comes(stage, eva, "Two", Cc=LEE)
    assert await places("Two") == [(a.id, "dismissed", "inherited"), (b.id, "filed", "inherited"), (c.id, "filed", "certain")]


@pytest.mark.parametrize("sender", [STRANGER, LEE])
async def test_who_only_writes_into_the_thread_inherits_nothing(stage: Stage, sender: str) -> None:
    """Scenario 57. Their References name the root; all that they share with the mail that was decided about is Eva, who is staff."""
    _, b, lees = await three(stage)
    await a_client(stage.firm, "", LEE)
    eva = await stage.mailbox(EVA)
    await comes(stage, eva, "One")
    await says(stage, "One", b)
    await comes(stage, eva, "Two", sender)
    assert await places("Two") == ([(lees.id, "review", "guess")] if sender == LEE else [])


@pytest.mark.parametrize("shares", [True, False])
async def test_certain_mail_moves_only_with_those_who_were_on_the_mail_that_was_moved(stage: Stage, shares: bool) -> None:
    """Scenario 57. Pat and Lee are contacts of one client; it was Pat's mail that was moved."""
    a, b = await a_client(stage.firm, "", PAT, LEE), await a_client(stage.firm)
    eva = await stage.mailbox(EVA)
    await comes(stage, eva, "One")
    await says(stage, "One", b)
    await comes(stage, eva, "Two", LEE, **({"Cc": PAT} if shares else {}))
    moved = [(a.id, "dismissed", "inherited"), (b.id, "filed", "inherited")]
    assert await places("Two") == (moved if shares else [(a.id, "filed", "certain")])


async def test_a_mail_under_gmails_thread_alone_inherits_nothing(stage: Stage) -> None:
    """Scenarios 56, 57. Same people, same subject, no References: it is a thread of its own, whatever Gmail makes of it."""
    _, b, _ = await three(stage)
    eva = await stage.mailbox(EVA)
    await comes(stage, eva, "One")
    await says(stage, "One", b)
    await comes(stage, eva, "Two", References=None)
    assert await asked("Two")


async def test_the_newest_decision_counts(stage: Stage) -> None:
    """Scenario 55. Not that about the newest mail."""
    a, b, _ = await three(stage)
    eva = await stage.mailbox(EVA)
    for text in ("One", "Two"):
        await comes(stage, eva, text)
    await says(stage, "Two", a)
    await says(stage, "One", b, "kim@sample.test")
    await comes(stage, eva, "Three")
    activity = await Activity.get(email__text="Three\n", status="filed")
    assert (activity.client_id, activity.reason) == (b.id, "Kim filed this thread here")


async def test_what_was_inherited_is_no_decision_itself(stage: Stage) -> None:
    """Scenario 57. Lee shares Pat's reply, which inherited, and not the mail that a person decided about."""
    a, b, lees = await three(stage)
    await a_client(stage.firm, "", LEE)
    eva = await stage.mailbox(EVA)
    await comes(stage, eva, "One")
    await says(stage, "One", b)
    await comes(stage, eva, "Two", Cc=LEE)
    assert await places("Two") == [(a.id, "dismissed", "inherited"), (b.id, "filed", "inherited"), *(await others(lees))]
    await comes(stage, eva, "Three", LEE)
    assert await asked("Three")


async def others(lees: Client) -> list[tuple[Any, ...]]:
    """Lee's clients are candidates of the same question, and answered with it."""
    clients = await Client.filter(id__gte=lees.id).order_by("id")
    return [(client.id, "dismissed", "inherited") for client in clients]


@pytest.mark.parametrize("what", ["dismissed", "private", "forged", "archived", "guessed"])
async def test_what_says_nothing_about_the_next_mail_is_not_inherited(stage: Stage, what: str) -> None:
    """Scenarios 55, 67. A dismissal, a private mail, a forger's mail, a client that is archived, and what no person has decided."""
    _, b, _ = await three(stage)
    eva = await stage.mailbox(EVA)
    await comes(stage, eva, "One")
    if what != "guessed":
        await says(stage, "One", b)
    match what:
        case "dismissed":
            await Activity.all().update(status="dismissed")
            await Email.all().update(dismissed_at=stage.clock.moment)
        case "private":
            await Activity.filter(status="filed").update(private=True)
        case "forged":
            await Email.all().update(trust="forged")
        case "archived":
            await Client.filter(id=b.id).update(archived_at=stage.clock.moment)
            await a_client(stage.firm, "", PAT)
    await comes(stage, eva, "Two")
    assert await asked("Two")


async def test_a_forged_reply_inherits_nothing(stage: Stage) -> None:
    """Scenario 67. Neither for its question, nor what would be certain."""
    _, b, _ = await three(stage)
    eva = await stage.mailbox(EVA)
    await comes(stage, eva, "One")
    await says(stage, "One", b)
    reply = a_mail(PAT, EVA, SUBJECT, "Two", References=ROOT, Cc=LEE).as_bytes()
    await stage.mail(eva, b"Authentication-Results: mx.google.com; dmarc=fail (p=NONE) header.from=client.example\n" + reply)
    await stage.push(eva)
    assert await asked("Two")
    assert [status for _, status, _ in await places("Two")] == ["review"]


async def test_moved_away_it_does_not_come_back_with_a_colleagues_copy(stage: Stage) -> None:
    """Scenarios 71, 121. Reassigned from A to B; then the same mail reaches the colleague, Eva's is looked at anew, pushed twice, and the
    contact becomes A's alone."""
    a, b, _ = await three(stage)
    eva, bob = await stage.mailbox(EVA), await stage.mailbox(BOB)
    mail = a_mail(PAT, f"{EVA}, {BOB}", SUBJECT, "One", Date="Mon, 02 Nov 2026 09:00:00 +0000")
    sent = await stage.mail(eva, mail)
    await stage.push(eva)
    assert await places("One") == [(a.id, "review", "guess")]
    await says(stage, "One", b)
    before = await Activity.all().order_by("id").values()
    await b.contacts.all().delete()  # type: ignore[attr-defined]
    await stage.mail(bob, mail)
    await stage.push(bob)
    for change in ({"add": ("TRASH",)}, {"remove": ("TRASH",)}):
        await stage.sandbox.aio.labels(EVA, sent, **change)
        stage.wait(minutes=1)
        await stage.push(eva)
        await stage.push(eva)
    assert await Activity.all().order_by("id").values() == before
    assert [(client, status) for client, status, _ in await places("One")] == [(a.id, "dismissed"), (b.id, "filed")]
    assert not await asked("One")
