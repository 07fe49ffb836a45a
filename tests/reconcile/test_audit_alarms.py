"""No alarm without a loss: what an audit takes for lost mail, and what not."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from gmail import client as gmail_client
from models.ledger import LedgerEntry
from models.mailboxes import Mailbox
from models.project import ProjectState
from pipeline.recover import recover
from reconcile.audit import SOON
from tests.builders import a_client, a_mail
from tests.pipeline.stage import Stage
from tests.reconcile.desk import Desk, due, found

DAY, HOUR, MINUTE, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


# no loss, no alarm


async def nothing(desk: Desk) -> None:
    pass


async def ordinary_mail(desk: Desk) -> None:
    for sender in ("pat@client.example", "nobody@stranger.example"):
        await desk.stage.mail(desk.eva, a_mail(sender))
    await desk.an_hour_passes()


async def drafts_spam_and_trash(desk: Desk) -> None:
    """Drafts are listed by date, as they are in Gmail."""
    draft = await desk.stage.sandbox.aio.draft(desk.eva.address, a_mail(subject="draft").as_bytes())
    await desk.stage.sandbox.aio.draft(desk.eva.address, a_mail(subject="draft, saved again").as_bytes(), draft["draft"])
    for labels in ("SPAM", "TRASH", "SENT", "CHAT"):
        await desk.stage.mail(desk.eva, a_mail(), labels)
    await desk.an_hour_passes()


async def rescued_from_spam_unseen(desk: Desk) -> None:
    spam = await desk.stage.mail(desk.eva, a_mail(), "SPAM")
    await desk.an_hour_passes()
    await desk.stage.sandbox.aio.fault("history_late", s=86400)
    await desk.stage.sandbox.aio.labels(desk.eva.address, spam, ("INBOX",), ("SPAM",))


async def an_old_mail_is_imported(desk: Desk) -> None:
    a_month_ago = int((desk.stage.clock.moment - timedelta(days=30)).timestamp() * 1000)
    await desk.stage.mail(desk.eva, a_mail(), internal_date=a_month_ago)
    await desk.an_hour_passes()


async def mail_of_the_last_minutes(desk: Desk) -> None:
    """Its record may be on its way still."""
    await desk.stage.sandbox.aio.fault("history_late", s=60)
    await desk.stage.mail(desk.eva, a_mail())


async def something_comes_after_the_listing(desk: Desk) -> None:
    async def comes() -> None:
        await desk.stage.sandbox.aio.fault("history_late", s=60)
        await desk.stage.mail(desk.eva, a_mail())

    desk.stage.wire.after("/messages?", comes)


async def a_mail_is_deleted_after_the_listing(desk: Desk) -> None:
    one, other = [await desk.stage.mail(desk.eva, a_mail(sender)) for sender in ("pat@client.example", "nobody@stranger.example")]
    await desk.an_hour_passes()

    async def goes() -> None:
        await desk.stage.sandbox.aio.delete(desk.eva.address, one)
        await desk.stage.sandbox.aio.delete(desk.eva.address, other)

    desk.stage.wire.after("/messages?", goes)


async def a_mail_is_deleted_that_nobody_looked_at_yet(desk: Desk) -> None:
    mail = await desk.stage.mail(desk.eva, a_mail())
    await desk.stage.time_passes(900)

    async def goes() -> None:
        await desk.stage.sandbox.aio.delete(desk.eva.address, mail)

    desk.stage.wire.after("/messages?", goes)


async def news_that_no_sync_has_seen(desk: Desk) -> None:
    """The audit's own sync does: what it finds then is late, not lost."""
    await desk.stage.mail(desk.eva, a_mail())
    await desk.stage.time_passes(900)


async def a_push_is_worked_off_after_the_listing(desk: Desk) -> None:
    await desk.stage.mail(desk.eva, a_mail())
    await desk.stage.time_passes(900)
    desk.stage.wire.after("/messages?", lambda: desk.stage.push(desk.eva))


async def a_push_comes_while_it_syncs(desk: Desk) -> None:
    async def comes() -> None:
        await desk.stage.mail(desk.eva, a_mail(subject="pushed"))
        await desk.stage.push(desk.eva)

    desk.stage.wire.after("/history", comes)


HARMLESS = (
    nothing,
    ordinary_mail,
    drafts_spam_and_trash,
    rescued_from_spam_unseen,
    an_old_mail_is_imported,
    mail_of_the_last_minutes,
    something_comes_after_the_listing,
    a_mail_is_deleted_after_the_listing,
    a_mail_is_deleted_that_nobody_looked_at_yet,
    news_that_no_sync_has_seen,
    a_push_is_worked_off_after_the_listing,
    a_push_comes_while_it_syncs,
)


@pytest.mark.parametrize("happens", HARMLESS, ids=lambda happens: happens.__name__)
async def test_without_a_loss_there_is_no_alarm(desk: Desk, happens: Callable[[Desk], Awaitable[None]]) -> None:
    """Scenario 83."""
    before = found()
    await happens(desk)
    assert await desk.audited() == "whole"
    assert timedelta(hours=21) < await desk.due_in() <= DAY
    await desk.stage.sandbox.aio.clear_faults()
    await desk.an_hour_passes()
    assert await desk.audited() == "whole"
    assert (found(), desk.alarms) == (before, [])
    assert await LedgerEntry.filter(found_by="audit").count() == 0


async def test_mail_from_before_the_connection_is_no_loss_and_what_came_soon_after_is(stage: Stage) -> None:
    """Scenario 83."""
    client = await a_client(stage.firm, "", "pat@client.example")
    await stage.sandbox.aio.account("eva@sample.test")
    for subject in ("long before", "just before"):
        await stage.sandbox.aio.mail("eva@sample.test", a_mail(subject=subject).as_bytes())
        await stage.time_passes(30)
    desk, before = Desk(stage, await stage.mailbox(), client), found()
    await stage.time_passes(180)
    await desk.lost()
    assert await desk.audited() == "found"
    assert (found(), await desk.filed()) == (before + 1, ["lost"])


async def test_news_of_the_audits_own_sync_is_filed(desk: Desk) -> None:
    """Scenario 83. A push told of it before, whose job was lost."""
    await desk.stage.mail(desk.eva, a_mail(subject="new"))
    await desk.stage.tell(desk.eva)
    assert await desk.audited() == "whole"
    assert await desk.filed() == ["new"]
    assert not await desk.stage.tools.marks.told(desk.eva.id)


async def test_a_push_that_comes_while_the_audit_syncs_is_worked_off_by_it(desk: Desk) -> None:
    """Scenario 19."""
    await a_push_comes_while_it_syncs(desk)
    assert await desk.audited() == "whole"
    assert await desk.filed() == ["pushed"]


async def test_what_was_put_away_and_is_shown_again_is_judged_again_without_an_alarm(desk: Desk) -> None:
    """Scenario 43. Its rescue was not told."""
    await rescued_from_spam_unseen(desk)
    assert await desk.filed() == []
    assert await desk.audited() == "whole"
    assert len(await desk.filed()) == 1
    assert desk.alarms == []


# not proven


async def the_lease_is_held(desk: Desk) -> None:
    await desk.stage.held(desk.eva)


async def google_wants_the_mailbox_left_alone(desk: Desk) -> None:
    await Mailbox.filter(id=desk.eva.id).update(cool_down_until=desk.stage.clock.moment + MINUTE)


async def google_wants_the_project_left_alone(desk: Desk) -> None:
    await ProjectState.create(id=1, bulk_after=desk.stage.clock.moment + MINUTE)


async def history_fails(desk: Desk) -> None:
    await desk.stage.sandbox.aio.fault("status", method="history.list", code=500, reason="backendError")


async def history_is_gone(desk: Desk) -> None:
    await desk.stage.sandbox.aio.fault("history_expired")


@pytest.mark.parametrize(
    "happens",
    [
        the_lease_is_held,
        google_wants_the_mailbox_left_alone,
        google_wants_the_project_left_alone,
        history_fails,
        history_is_gone,
    ],
)
async def test_where_history_was_not_read_to_its_end_nothing_is_proven(desk: Desk, happens: Callable[[Desk], Awaitable[None]]) -> None:
    """Scenario 83. It may be shown yet: no alarm, and another audit soon."""
    await desk.lost()
    before = found()
    desk.stage.wire.after("/messages?", lambda: happens(desk))
    assert await desk.audited() == "not proven"
    assert (found(), desk.alarms) == (before, [])
    assert await LedgerEntry.filter(found_by="audit").count() == 0
    assert await desk.due_in() == SOON

    await desk.stage.sandbox.aio.clear_faults()
    assert await due(desk.stage, SOON - SECOND) == []
    await desk.stage.time_passes(SOON.total_seconds())
    if happens is history_is_gone:
        assert await due(desk.stage) == []
        await recover(desk.eva.id, "trace", desk.stage.tools)
        await desk.stage.time_passes(15 * 60)
    assert await due(desk.stage) == [desk.eva.id]
    assert await desk.audited() == ("whole" if happens is history_is_gone else "found")
    assert await desk.filed() == ["lost"]


async def test_a_run_that_listed_while_the_audit_did_proves_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenario 83. It read history before the last page was shown; and while it works, the audit's own sync must go."""
    monkeypatch.setattr(gmail_client, "LONGEST_PAGE", 1)
    for number in range(2):
        await desk.stage.mail(desk.eva, a_mail(subject=f"mail {number}"))
    await desk.an_hour_passes()

    async def another_run() -> None:
        desk.stage.wait(seconds=1)
        await desk.stage.sweep(desk.eva)
        desk.stage.wait(seconds=1)
        await desk.stage.held(desk.eva)

    desk.stage.wire.after("/messages?", another_run)
    assert await desk.audited() == "not proven"
