"""Past mail of new contacts is owed: to which mailboxes, since when, in how many searches, once, and behind nobody's back."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import connections, leases
from models.audits import claim_audits, compare, to_audit
from models.client_file import Entry
from models.connections import disconnect, lapse, pause
from models.directory import Client, ContactAddress
from models.firms import Firm
from models.gaps import DAY, MARGIN, OVERLAP, Gap, claim_recoveries, listed, narrow, next_stretch, start_anew
from models.importing import import_entries
from models.leases import Held
from models.ledger import LedgerEntry
from models.listings import catching_up, person
from models.mailboxes import Mailbox
from models.past_mail import AT_ONCE, LETTERS, searches, spellings
from models.progress import PastMail, progress_of
from tests.builders import a_client, a_firm, a_mailbox, a_user, held

AGAIN, INTERVAL = timedelta(minutes=15), timedelta(minutes=10)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
PAT = "pat@client.example"


@pytest.fixture
async def firm(now: datetime) -> Firm:
    return await a_firm()


async def a_box(firm: Firm, now: datetime, days: int = 200) -> Mailbox:
    """Connected so many days ago."""
    return await a_mailbox(await a_user(firm), at=now - days * DAY)


def a_line(client: str, *, contact: str = "Pat", address: str = PAT) -> Entry:
    return Entry(client, f"Client {client}", "", contact, address, address.lower(), nominated=False)


async def imports(firm: Firm, now: datetime, *entries: Entry) -> list[list[str] | None]:
    """The addresses of each gap that the import owes."""
    known = set(await Gap.all().values_list("id", flat=True))
    await import_entries(firm.id, list(entries), now)
    return [gap.addresses for gap in await Gap.all().order_by("id") if gap.id not in known]


async def first_round(run: Held, now: datetime, *gmail_ids: str) -> int:
    """Everything that is due is listed; how many looks are owed."""
    stretch = await next_stretch(run)
    assert stretch is not None
    return await listed(run, stretch, list(gmail_ids), now, AGAIN)


async def knows(mailbox: Mailbox, gmail_id: str, outcome: str, reason: str, at: datetime, found_by: str = "push") -> None:
    await LedgerEntry.create(
        mailbox=mailbox, gmail_id=gmail_id, outcome=outcome, reason=reason, found_by=found_by, found_at=at, settled_at=at, seen_history_id=7
    )


# owed


async def test_a_new_contact_owes_each_mailbox_of_the_firm_a_search_in_the_days_that_it_chose(firm, now):
    """Scenario 70."""
    boxes = [await a_box(firm, now) for _ in range(2)]
    another_firms = await a_box(await a_firm(), now)
    assert await imports(firm, now, a_line("1")) == [[PAT], [PAT]]
    gaps = await Gap.all().order_by("mailbox_id")
    assert [(gap.mailbox_id, gap.since, gap.until, gap.reason, gap.rounds) for gap in gaps] == [
        (box.id, now - 90 * DAY, now + MARGIN, "contact", 2) for box in boxes
    ]
    assert await claim_recoveries(INTERVAL, 10, now) == [box.id for box in boxes]
    assert (await Mailbox.get(id=another_firms.id)).recover_at is None


async def test_the_mailboxs_start_stays_a_border(firm, now):
    """Scenario 70."""
    await a_box(firm, now, days=10)
    await imports(firm, now, a_line("1"))
    assert (await Gap.get()).since == now - 10 * DAY


async def test_a_firm_that_wants_no_past_mail_gets_none(firm, now):
    """Scenario 70."""
    await a_box(firm, now)
    await Firm.all().update(past_days=0)
    assert await imports(firm, now, a_line("1")) == []
    assert await claim_recoveries(INTERVAL, 10, now) == []


async def test_whoever_is_paused_or_lapsed_misses_nothing_and_who_disconnected_is_left_alone(firm, now):
    """Scenario 70."""
    connected, paused, lapsed, gone = [await a_box(firm, now) for _ in range(4)]
    await pause(paused.id, firm.id, now)
    await lapse(lapsed.id, lapsed.epoch, "invalid_grant", now)
    await disconnect(gone.id, firm.id, now)
    await imports(firm, now, a_line("1"))
    assert set(await Gap.all().values_list("mailbox_id", flat=True)) == {connected.id, paused.id, lapsed.id}
    assert await claim_recoveries(INTERVAL, 10, now) == [connected.id]
    later = now + 30 * DAY
    await connections.resume(paused.id, firm.id, later)
    assert paused.id in await claim_recoveries(INTERVAL, 10, later)


async def test_only_an_address_that_stands_for_a_client_it_did_not_stand_for_is_news(firm, now):
    """Scenario 70."""
    await a_box(firm, now)
    assert await imports(firm, now, a_line("1")) == [[PAT]]
    assert await imports(firm, now, a_line("1")) == []  # repeated
    assert await imports(firm, now, Entry("1", "Renamed", "7", "Pat", PAT, PAT, nominated=True)) == []
    assert await imports(firm, now, Entry("2", "No contact", "", "", "", None, nominated=False)) == []
    assert await imports(firm, now, a_line("1", contact="A namesake")) == []  # another person, the same address and client
    assert await imports(firm, now, a_line("1", address="pat@home.example")) == [["pat@home.example"]]
    # One person of two clients now: all their addresses stand for the second one, too.
    assert await imports(firm, now, a_line("2")) == [sorted([PAT, "pat@home.example"])]


async def test_an_address_of_an_archived_client_is_looked_for_by_nobody(firm, now):
    """Scenarios 70, 73."""
    await a_box(firm, now)
    await imports(firm, now, a_line("1"))
    await Client.all().update(archived_at=now)
    assert await imports(firm, now, a_line("1", address="lee@client.example", contact="Lee")) == []


async def test_what_somebody_else_put_into_the_directory_before_is_no_news(firm, now):
    await a_box(firm, now)
    await a_client(firm, "", PAT)
    assert await imports(firm, now, a_line("9", address="lee@client.example")) == [["lee@client.example"]]


async def test_an_import_that_fails_owes_nothing(firm, now):
    await a_box(firm, now)
    with pytest.raises(Exception, match="too long"):
        await import_entries(firm.id, [a_line("1"), a_line("x" * 200)], now)
    assert await Gap.all().count() == await ContactAddress.all().count() == 0


def test_an_address_is_searched_for_as_it_was_given_and_by_its_key():
    """Scenarios 62, 70."""
    assert spellings(PAT, " Pat@Client.example ") == {PAT}
    assert spellings("patlee@gmail.com", "Pat.Lee@GoogleMail.com") == {"patlee@gmail.com", "pat.lee@gmail.com", "pat.lee@googlemail.com"}
    assert spellings("x@xn--bcher-kva.example", "x@Bücher.example") == {"x@xn--bcher-kva.example", "x@bücher.example"}
    assert spellings(PAT, '"pat"@client.example') == {PAT}


@given(
    st.dictionaries(st.text("abc@.", min_size=1, max_size=40), st.sets(st.text("abc@.", min_size=1, max_size=40), min_size=1, max_size=3))
)
def test_every_address_is_in_one_search_and_no_search_is_too_long(addresses):
    """Scenario 70."""
    found = searches(addresses)
    assert sorted(a for group in found for a in group or ()) == sorted(a for spelt in addresses.values() for a in spelt)
    for group in found:
        assert group
        assert len(group) <= 3 * AT_ONCE
        assert sum(map(len, group)) <= max(LETTERS, 120)


async def test_twenty_addresses_make_one_search_and_more_than_four_hundred_one_look_at_everything(firm, now):
    """Scenario 70."""
    await a_box(firm, now)
    short = [a_line("1", contact=f"{n}", address=f"{n}@c.test") for n in range(1000)]
    assert [len(group or ()) for group in await imports(firm, now, *short[:45])] == [20, 20, 5]
    groups = await imports(firm, now, *short[:445])
    assert (len(groups), sum(len(group or ()) for group in groups)) == (20, 400)
    assert await imports(firm, now, *short[:846]) == [None]
    assert (await Gap.filter(addresses=None).get()).reason == "contact"


# listed


async def test_a_search_is_made_twice_the_second_time_a_quarter_of_an_hour_later(firm, now):
    """Scenario 70."""
    box = await a_box(firm, now)
    await imports(firm, now, a_line("1"))
    run = await held(box, now)
    assert await first_round(run, now, "m1") == 1
    assert await next_stretch(run) is None  # not due yet
    gap = await Gap.get()
    assert (gap.closed_at, gap.due_at, gap.rounds, gap.listed_to) == (None, now + AGAIN, 1, None)
    await LedgerEntry.all().update(owed_at=None, outcome="skipped", reason="no client", settled_at=now + SECOND)
    await leases.release_recovery(run, None)
    assert await claim_recoveries(INTERVAL, 10, now + AGAIN - SECOND) == []
    assert await claim_recoveries(INTERVAL, 10, now + AGAIN) == [box.id]
    run = await held(box, now + AGAIN)
    stretch = await next_stretch(run)
    assert stretch is not None
    assert (stretch.since, stretch.until, stretch.addresses, stretch.is_last) == (now - 90 * DAY, now + MARGIN, (PAT,), True)
    assert await listed(run, stretch, ["m1", "m2"], now + AGAIN, AGAIN) == 1
    gap = await Gap.get()
    assert (gap.closed_at, gap.found) == (now + AGAIN, 2)
    assert await next_stretch(run) is None


async def test_a_second_search_that_waits_is_not_forgotten_by_a_run_that_finds_nothing_to_do(firm, now):
    """Scenarios 70, 115. Nor by one that was killed, or ran for something else."""
    box = await a_box(firm, now)
    await imports(firm, now, a_line("1"))
    run = await held(box, now)
    await first_round(run, now)
    await leases.release_recovery(run, now + SECOND)
    assert await claim_recoveries(INTERVAL, 10, now + SECOND) == [box.id]
    await leases.release_recovery(await held(box, now + SECOND), None)
    assert (await Mailbox.get(id=box.id)).recover_at == now + AGAIN


async def test_what_was_judged_without_the_contact_is_judged_again_once_and_nothing_else_is(firm, now):
    """Scenario 70."""
    box = await a_box(firm, now)
    for outcome, reason in (
        *(("skipped", word) for word in ("no client", "no address", "never file", "internal", "outgoing", "own letter")),
        ("filed", "client"),
        ("parked", "timeout"),
    ):
        await knows(box, reason, outcome, reason, now - HOUR)
    everything = [str(one) for one in await LedgerEntry.all().values_list("gmail_id", flat=True)]
    await imports(firm, now, a_line("1"))
    run = await held(box, now)
    assert await first_round(run, now, *everything) == 3
    owed = await LedgerEntry.exclude(owed_at=None).order_by("gmail_id").values_list("gmail_id", "outcome", "found_by")
    assert owed == [("client", "filed", "gap"), ("no address", "skipped", "gap"), ("no client", "skipped", "gap")]
    assert (await Gap.get()).found == 2  # what is filed is not found
    await LedgerEntry.exclude(owed_at=None).update(owed_at=None, settled_at=now + SECOND)
    await knows(box, "in between", "skipped", "no client", now + SECOND)
    await leases.release_recovery(run, None)
    run = await held(box, now + AGAIN)
    assert await first_round(run, now + AGAIN, *everything, "in between", "late") == 1
    assert (await LedgerEntry.exclude(owed_at=None).get()).gmail_id == "late"


async def test_an_ordinary_listing_judges_nobodys_mail_no_second_time(firm, now):
    """Scenario 115."""
    box = await a_box(firm, now)
    await knows(box, "nobody's", "skipped", "no client", now - HOUR)
    await Gap.create(mailbox=box, since=now - DAY, until=now, reason="history expired", opened_at=now)
    assert await first_round(await held(box, now), now, "nobody's") == 0


async def test_a_search_that_finds_too_much_is_cut_shorter(firm, now):
    """Scenario 70. And what is listed of it is kept by a kill."""
    box = await a_box(firm, now)
    await imports(firm, now, a_line("1"))
    run, seen = await held(box, now), []
    while stretch := await next_stretch(run):
        seen.append((now + MARGIN - stretch.since) / DAY)
        await (narrow(run, stretch, 30 * DAY, now) if len(seen) == 1 else listed(run, stretch, [], now, AGAIN))
    whole = pytest.approx(90 + MARGIN / DAY)
    assert seen == [whole, 30, 60, 90, whole]


# who need not wait for it


async def test_history_that_expires_makes_a_gap_of_its_own_and_never_a_search_longer(firm, now):
    """Scenarios 26, 70."""
    box = await a_box(firm, now)
    await imports(firm, now, a_line("1"))
    run = await held(box, now)
    await start_anew(run, 2000, now + MARGIN, OVERLAP, "history expired", now, distrust=False)
    assert sorted((gap.reason, gap.addresses) for gap in await Gap.all()) == [("contact", [PAT]), ("history expired", None)]
    assert (await Gap.get(reason="contact")).since == now - 90 * DAY


async def test_an_audit_does_not_wait_for_past_mail_and_is_not_owed_by_it(firm, now):
    """Scenarios 70, 83."""
    box = await a_box(firm, now)
    await Mailbox.all().update(audit_at=now, last_checked_at=now)
    await imports(firm, now, a_line("1"))
    assert await claim_audits(HOUR, 10, now) == [box.id]
    assert await compare(box.id, box.epoch, [], now, now + DAY, now) is not None
    run = await held(box, now)
    for _ in range(2):
        await first_round(run, now)
        await Gap.all().update(due_at=now)
    assert await Gap.filter(closed_at=None).count() == 0
    assert (await Mailbox.get()).audit_at == now + DAY
    to = await to_audit(box.id, now)
    assert to is not None
    assert to.recovered_at is None


# shown


async def test_a_search_is_shown_while_it_is_made_and_its_finds_are_read(firm, now):
    """Scenario 70."""
    box = await a_box(firm, now)
    await Mailbox.all().update(last_checked_at=now)
    box = await Mailbox.get(id=box.id)
    assert (await progress_of(box, now)).past_mail is None
    await imports(firm, now, a_line("1"))
    shown = await progress_of(box, now)
    assert (shown.past_mail, shown.recovery, shown.under_way) == (PastMail(0, 0), None, True)
    run = await held(box, now)
    await first_round(run, now, "m1", "m2")
    shown = await progress_of(box, now)
    assert (shown.past_mail, shown.recovery) == (PastMail(2, 2), None)
    await LedgerEntry.all().update(owed_at=None, outcome="filed")
    shown = await progress_of(box, now)
    assert (shown.past_mail, shown.recovery, shown.under_way) == (None, None, False)  # though a second search waits
    shown = await progress_of(box, now + AGAIN)
    assert shown.past_mail == PastMail(2, 0)


async def test_nobody_catches_up_because_a_contact_is_new(firm, now):
    """Scenario 70. And a gap beside it is shown as ever."""
    box = await a_box(firm, now)
    await imports(firm, now, a_line("1"))
    assert await catching_up(box.id) is None
    theirs = await person(firm.id, box.user_id)
    assert theirs is not None
    assert not theirs.mailboxes[0].catching_up
    await Gap.create(mailbox=box, since=now - DAY, until=now, reason="history expired", opened_at=now)
    shown = await progress_of(box, now)
    assert shown.past_mail == PastMail(0, 0)
    assert shown.recovery is not None
    assert shown.recovery.since == now - DAY
