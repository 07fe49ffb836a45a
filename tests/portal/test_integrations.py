"""Settings → Integrations: the provider, everybody's connection in words, and inviting people."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import pytest

from models import connections, people
from models.database import connection
from models.firms import Firm, User
from models.gaps import Gap
from models.mailboxes import Mailbox
from models.notices import Notice
from models.outbox import claim_letter, given_up
from tests.builders import a_firm, a_mailbox, a_user
from tests.portal.browser import Page
from tests.portal.mails import NOW
from tests.portal.site import Site

HERE = "/settings/integrations"
DAY = timedelta(days=1)


def rows(page: Page) -> list[str]:
    """What the table says, a line for each mailbox."""
    return [" ".join(row.get_text(" ").split()) for row in page.dom.select("tbody tr")]


@asynccontextmanager
async def counted_statements() -> "AsyncIterator[list[str]]":
    """What every connection of the pool is asked meanwhile."""
    asked: list[str] = []

    def note(record: object) -> None:
        asked.append(record.query)  # type: ignore[attr-defined]

    async with AsyncExitStack() as all_at_once:
        pooled = [await all_at_once.enter_async_context(connection()) for _ in range(10)]
        for each in pooled:
            each.add_query_logger(note)
    yield asked
    async with AsyncExitStack() as all_at_once:
        pooled = [await all_at_once.enter_async_context(connection()) for _ in range(10)]
        for each in pooled:
            each.remove_query_logger(note)


# the provider


async def test_an_admin_chooses_the_provider(site: Site) -> None:
    firm, other = await a_firm(), await a_firm()
    browser = await site.signed_in(await a_user(firm, role="admin"))
    page = await browser.get(HERE)
    assert page.form("Save the provider").find("input", value="google", checked=True)
    done = await browser.press(page, "Save the provider", provider="none")
    assert (done.status, done.target) == (303, HERE)
    assert (await browser.follow(done)).form("Save the provider").find("input", value="none", checked=True)
    assert (await Firm.get(id=firm.id)).provider == "none"
    assert (await Firm.get(id=other.id)).provider == "google"
    assert (await browser.press(page, "Save the provider", provider="carrier pigeon")).status == 400
    assert (await Firm.get(id=firm.id)).provider == "none"
    await browser.press(page, "Save the provider", provider="google")
    assert (await Firm.get(id=firm.id)).provider == "google"


async def test_what_switching_off_means_is_said_before_and_after(site: Site) -> None:
    admin = await a_user(await a_firm("Sample & Co"), role="admin")
    await a_mailbox(admin)
    browser = await site.signed_in(admin)
    page = await browser.get(HERE)
    assert "Access is kept for 30 days; after that everybody connects anew." in page.text
    assert "After None it goes on where it stopped, without a gap." in page.text
    off = await browser.follow(await browser.press(page, "Save the provider", provider="none"))
    assert "Email sync is switched off for Sample & Co since 5 March 2026." in off.text
    assert "access is kept until 4 April 2026: choose Google before then, and it goes on where it stopped, without a gap." in off.text
    assert "switched off" in rows(off)[0]
    assert "connected" not in rows(off)[0]
    site.clock.now += 31 * DAY
    browser = await site.signed_in(admin)
    assert "access was given back on 4 April 2026: after you choose Google, everybody connects anew." in (await browser.get(HERE)).text


# everybody's connection


async def test_an_admin_sees_how_everybodys_connections_do(site: Site) -> None:
    """Scenario 99. What is wrong, since when, who was told, and what to do about it."""
    firm = await a_firm()
    admin = await a_user(firm, "ann@sample.test", role="admin")
    bob, cas, dan = [await a_user(firm, f"{name}@sample.test") for name in ("bob", "cas", "dan")]
    well, shared = await a_mailbox(bob), await a_mailbox(bob, address="accounts@sample.test")
    lapsed, disabled = await a_mailbox(cas), await a_mailbox(dan)
    filed_at = NOW - DAY
    await Mailbox.filter(id=well.id).update(last_push_at=NOW - timedelta(minutes=2), last_checked_at=NOW, last_filed_at=filed_at)
    await connections.pause(shared.id, firm.id, NOW)
    await connections.lapse(lapsed.id, lapsed.epoch, "admin_policy", NOW - 4 * DAY)
    await Notice.filter(mailbox_id=lapsed.id, day=0).update(sent_at=NOW - 4 * DAY)
    await Notice.filter(mailbox_id=lapsed.id, day=3).update(sent_at=NOW - DAY)
    await connections.lapse(disabled.id, disabled.epoch, "account_disabled", NOW)
    page = await (await site.signed_in(admin)).get(HERE)
    table = rows(page)
    assert len(table) == 5
    assert table[0] == "Ann admin ann@sample.test never connected Connect your Gmail"
    assert table[1] == "Bob bob@sample.test connected 2 min ago just now Wed 10:45"
    assert table[2].startswith("paused accounts@sample.test Since Thursday, 5 March 2026, 10:45 UTC. Nothing is read until they resume")
    for said in (
        "Cas cas@sample.test stopped Since Sunday, 1 March 2026, 10:45 UTC. Your Google administrator's rules do not allow this",
        "Trust Postroom in Google’s admin console, then they reconnect.",
        "A letter went out on Wednesday, 4 March 2026, 10:45 UTC; the next follows on 8 March 2026.",
    ):
        assert said in table[3]
    assert "this account is disabled. If they have left, say so on their page; if not, reactivate the account at Google" in table[4]
    assert "A letter goes out on Thursday, 5 March 2026, 10:47 UTC." in table[4]
    assert f"/settings/people/{cas.id}" in page.links()


async def test_one_sentence_counts_them(site: Site) -> None:
    firm = await a_firm()
    admin = await a_user(firm, "ann@sample.test", role="admin")
    browser = await site.signed_in(admin)

    async def said() -> str:
        section = (await browser.get(HERE)).dom.select_one("h2 + p")
        return section.get_text() if section else ""

    assert await said() == "Nobody is connected; 1 was never connected."
    await a_mailbox(admin)
    assert await said() == "1 person is connected."
    second = await a_mailbox(await a_user(firm))
    assert await said() == "Everybody is connected."
    third, gone, paused = [await a_mailbox(await a_user(firm)) for _ in range(3)]
    await connections.lapse(second.id, second.epoch, "invalid_grant", NOW)
    await connections.lapse(third.id, third.epoch, "no_mail_service", NOW)
    await connections.disconnect(gone.id, firm.id, NOW)
    await connections.pause(paused.id, firm.id, NOW)
    for _ in range(2):
        await a_user(firm)
    await a_user(firm, active=False)
    await a_mailbox(await a_user(await a_firm()))
    assert await said() == (
        "1 of 7 people is connected; 1 needs a new permission; 1 has no working Google account; 1 has paused; 1 is disconnected; "
        "2 were never connected."
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"missed_id": 20, "missed_at": NOW, "pushed_id": 10}, "Google’s notices do not arrive, as noticed on Thursday, 5 March 2026"),
        ({"state": "disconnected", "stopped_at": NOW}, "disconnected Since Thursday, 5 March 2026, 10:45 UTC. What was filed stays."),
        ({"state": "lapsed", "lapsed_at": NOW, "lapse_reason": "invalid_grant"}, "They reconnect under Google Email Sync"),
        ({"state": "lapsed", "lapsed_at": NOW, "lapse_reason": "no_mail_service"}, "if not, give the account a Gmail licence at Google"),
        ({"state": "lapsed", "lapsed_at": NOW, "lapse_reason": "domain_policy"}, "No letter goes out."),
    ],
)
async def test_whatever_is_wrong_is_said(site: Site, change: dict[str, object], said: str) -> None:
    """Scenarios 80, 99, 104."""
    admin = await a_user(await a_firm(), role="admin")
    browser, mailbox = await site.signed_in(admin), await a_mailbox(admin)
    assert said not in rows(await browser.get(HERE))[0]
    await Mailbox.filter(id=mailbox.id).update(**change)
    assert said in rows(await browser.get(HERE))[0]
    assert said in (await browser.get(f"/settings/people/{admin.id}")).text


async def test_older_mail_that_is_fetched_is_said(site: Site) -> None:
    admin = await a_user(await a_firm(), role="admin")
    mailbox = await a_mailbox(admin)
    await Gap.create(mailbox=mailbox, since=NOW - DAY, until=NOW, reason="backfill", opened_at=NOW)
    assert "Catching up on older mail" in rows(await (await site.signed_in(admin)).get(HERE))[0]


async def test_who_left_is_folded_away(site: Site) -> None:
    firm = await a_firm()
    browser, user = await site.signed_in(await a_user(firm, role="admin")), await a_user(firm, "zed@sample.test")
    assert "Left" not in (await browser.get(HERE)).text
    await people.leave(user, NOW)
    page = await browser.get(HERE)
    folded = page.dom.select_one("details.more")
    assert folded
    assert " ".join(folded.get_text(" ").split()) == "Left (1) Zed zed@sample.test · since 5 March 2026"
    assert len(rows(page)) == 1
    assert f"/settings/people/{user.id}" in page.links()


async def test_the_page_asks_the_database_as_much_for_many_people_as_for_few(site: Site) -> None:
    firm = await a_firm()
    browser = await site.signed_in(await a_user(firm, role="admin"))
    counts = []
    for _ in range(2):
        for number in range(12):
            user = await a_user(firm)
            for mailbox in [await a_mailbox(user) for _ in range(number % 3)]:
                if number % 2:
                    await connections.lapse(mailbox.id, mailbox.epoch, "invalid_grant", NOW)
            if number % 4 == 0:
                await people.leave(user, NOW)
        async with counted_statements() as asked:
            assert (await browser.get(HERE)).status == 200
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 5
    assert not [statement for statement in asked if " email e" in statement], "no mails are read"


# inviting


async def test_many_are_invited_at_once_and_each_line_is_answered(site: Site) -> None:
    firm, other = await a_firm(), await a_firm("Theirs Ltd")
    ann = await a_user(firm, "ann@sample.test", role="admin")
    await a_user(other, "zoe@elsewhere.test")
    await a_mailbox(await a_user(firm, "here@sample.test"))
    await people.leave(await a_user(firm, "left@sample.test"), NOW)
    await a_user(firm, "waits@sample.test")
    browser = await site.signed_in(ann)
    written = (
        "Robin Sample <Robin@sample.test>\nrobin@sample.test\nnonsense <b>\nwaits@sample.test\nhere@sample.test\n"
        "left@sample.test\nzoe@elsewhere.test\n"
    )
    done = await browser.press(await browser.get(HERE), "Invite them", people=written)
    assert done.status == 200
    answers = [" ".join(line.get_text(" ").split()) for line in done.dom.select("section:first-of-type .files li")]
    assert answers == [
        "Robin Sample <Robin@sample.test> is invited",
        "robin@sample.test is named above already",
        "nonsense <b> is not an e-mail address",
        "waits@sample.test was here and never connected: invited again",
        "here@sample.test is here already",
        "left@sample.test has left: bring them back on their page, below",
        "zoe@elsewhere.test signs in elsewhere already, and an address signs in to one firm: ask whoever runs Postroom",
    ]
    assert "2 people are invited. Each gets a letter." in done.text
    assert "Theirs" not in done.body
    assert done.dom.select_one("textarea").get_text().strip() == "nonsense <b>", "what is to be mended stays"  # type: ignore[union-attr]
    robin = await User.get(email_key="robin@sample.test")
    assert (robin.name, robin.role, robin.firm_id) == ("Robin Sample", "staff", firm.id)
    written_to = {notice.user.email for notice in await Notice.filter(kind="invitation", by=ann.name).prefetch_related("user")}
    assert written_to == {"Robin@sample.test", "waits@sample.test"}
    repeated = await browser.press(await browser.get(HERE), "Invite them", people=written)
    assert "Nobody is invited." in repeated.text
    assert "was invited within the last day: not written to again" in repeated.text
    assert await Notice.filter(kind="invitation").count() == 2


async def test_too_many_at_once_are_none(site: Site) -> None:
    browser = await site.signed_in(await a_user(await a_firm(), role="admin"))
    crowd = "\n".join(f"p{number}@sample.test" for number in range(201))
    done = await browser.press(await browser.get(HERE), "Invite them", people=crowd)
    assert done.status == 409
    assert "Nobody is invited yet. These are 201 lines; 200 at once are the most." in done.text
    assert "p200@sample.test" in done.text, "what was written stays"
    assert await User.all().count() == 1
    done = await browser.press(await browser.get(HERE), "Invite them", people=crowd.rpartition("\n")[0])
    assert "200 people are invited." in done.text
    assert await Notice.filter(kind="invitation").count() == 200


async def test_all_who_never_connected_are_invited_with_one_button(site: Site) -> None:
    firm = await a_firm()
    ann = await a_user(firm, role="admin")
    await a_mailbox(ann)
    browser = await site.signed_in(ann)
    assert "Invite all" not in (await browser.get(HERE)).text
    waits, lately = await a_user(firm), await a_user(firm)
    await User.filter(id=lately.id).update(invited_at=NOW)
    page = await browser.get(HERE)
    assert "2 people were never connected." in page.text
    done = await browser.press(page, "Invite all who never connected")
    assert "1 person is invited. Each gets a letter. 1 person has a letter of the last day already." in done.text
    assert await Notice.filter(kind="invitation").values_list("user_id", flat=True) == [waits.id]


async def test_one_is_invited_from_the_list_and_sees_what_became_of_the_letter(site: Site) -> None:
    firm = await a_firm()
    ann = await a_user(firm, "ann@sample.test", role="admin")
    await a_mailbox(ann)
    await a_user(firm, "bob@sample.test")
    browser = await site.signed_in(ann)
    page = await browser.get(HERE)
    assert "Not invited yet." in rows(page)[1]
    done = await browser.press(page, "Invite Bob")
    assert (done.status, done.target) == (303, HERE)
    owed = rows(await browser.follow(done))[1]
    assert owed == "Bob bob@sample.test never connected Invited on Thursday, 5 March 2026, 10:45 UTC; the letter is on its way."
    letter = await claim_letter(NOW)
    assert letter
    await given_up(letter, "refused", NOW)
    assert "but the letter could not be delivered: is the address right?" in rows(await browser.get(HERE))[1]
    await Notice.all().update(dropped_at=None, sent_at=NOW)
    assert rows(await browser.get(HERE))[1].endswith("Invited on Thursday, 5 March 2026, 10:45 UTC.")
    site.clock.now += DAY
    assert "Invite Bob" in rows(await browser.get(HERE))[1]
