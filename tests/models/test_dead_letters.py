"""Dead letters: the operator sees them by their ids, has them tried again, or gives them up. Both are safe to repeat."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from models import leases
from models.database import connection
from models.dead_letters import DeadLetter, dead_letters, discard, retry
from models.gaps import claim_recoveries
from models.leases import writing
from models.ledger import Debt, LedgerEntry, owed, record, record_listed
from models.mailboxes import Mailbox
from models.pruning import prune
from models.sweeps import claim_pending, figures
from tests.builders import a_firm, a_mailbox, a_user, held

Act = Callable[[Sequence[int], datetime], Coroutine[Any, Any, list[int]]]
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
async def mailbox(now: datetime) -> Mailbox:
    """One with nothing owed."""
    return await a_quiet_mailbox()


async def a_quiet_mailbox() -> Mailbox:
    mailbox = await a_mailbox(await a_user(await a_firm()))
    await Mailbox.filter(id=mailbox.id).update(next_attempt_at=None)
    return mailbox


async def a_dead_letter(mailbox: Mailbox, gmail_id: str, now: datetime, **more: Any) -> int:
    told: dict[str, Any] = {
        "outcome": "parked",
        "reason": "http_500",
        "tries": 5,
        "settled_at": now,
        "found_by": "push",
        "found_at": now - HOUR,
    }
    return int((await LedgerEntry.create(mailbox=mailbox, gmail_id=gmail_id, seen_history_id=7, **(told | more))).id)


async def test_they_are_listed_longest_first_with_ids_and_a_word(mailbox: Mailbox, now: datetime) -> None:
    """Scenario 29. Of every firm; what is filed, skipped, owed, or owed again, is none."""
    elsewhere = await a_quiet_mailbox()
    killer = await a_dead_letter(elsewhere, "k", now - MINUTE, reason="kills workers", tries=0, strikes=3)
    broken = await a_dead_letter(mailbox, "b", now)
    others: list[dict[str, Any]] = [{"outcome": "filed"}, {"outcome": "skipped"}, {"outcome": None, "owed_at": now}, {"owed_at": now}]
    for number, other in enumerate(others):
        await a_dead_letter(mailbox, f"other {number}", now, **other)
    assert await dead_letters() == [
        DeadLetter(killer, elsewhere.id, elsewhere.firm_id, "k", "kills workers", 0, 3, now - MINUTE),
        DeadLetter(broken, mailbox.id, mailbox.firm_id, "b", "http_500", 5, 0, now),
    ]
    assert (await figures(MINUTE, now)).parked == 2


async def test_one_that_is_retried_is_owed_a_look_at_once(mailbox: Mailbox, now: datetime) -> None:
    """Scenario 29. As if it had just come: with all its tries before it."""
    letter = await a_dead_letter(mailbox, "b", now - HOUR, strikes=3, missing_at=now - HOUR)
    other = await a_dead_letter(mailbox, "c", now - HOUR)
    assert await retry([letter], now) == [letter]
    entry = await LedgerEntry.get(id=letter)
    assert (entry.outcome, entry.owed_at, entry.tries, entry.strikes, entry.missing_at) == (None, now, 0, 0, None)
    assert [entry.gmail_id for entry in await owed(mailbox.id, now, 10)] == ["b"]
    assert [claimed.mailbox_id for claimed in await claim_pending(MINUTE, 10, now)] == [mailbox.id]
    assert [letter.id for letter in await dead_letters()] == [other]


async def test_one_that_a_gap_had_found_is_owed_to_its_recovery(mailbox: Mailbox, now: datetime) -> None:
    letter = await a_dead_letter(mailbox, "b", now, found_by="gap")
    assert await retry([letter], now) == [letter]
    assert await claim_pending(MINUTE, 10, now) == []
    assert await claim_recoveries(MINUTE, 10, now) == [mailbox.id]
    assert [entry.gmail_id for entry in await owed(mailbox.id, now, 10, of_gaps=True)] == ["b"]


async def test_a_sooner_attempt_is_not_put_off(mailbox: Mailbox, now: datetime) -> None:
    await Mailbox.filter(id=mailbox.id).update(next_attempt_at=now - MINUTE)
    await retry([await a_dead_letter(mailbox, "b", now)], now)
    assert (await Mailbox.get(id=mailbox.id)).next_attempt_at == now - MINUTE


async def test_all_of_them_in_every_mailbox(mailbox: Mailbox, now: datetime) -> None:
    elsewhere = await a_quiet_mailbox()
    letters = [await a_dead_letter(box, gmail_id, now) for box in (mailbox, elsewhere) for gmail_id in "abc"]
    assert await retry(None, now) == letters
    assert {claimed.mailbox_id for claimed in await claim_pending(MINUTE, 10, now)} == {mailbox.id, elsewhere.id}
    assert await retry(None, now) == []


async def test_a_run_that_ends_meanwhile_does_not_forget_it(mailbox: Mailbox, now: datetime) -> None:
    """A sync under way reckons what is owed next when it gives the lease back."""
    letter = await a_dead_letter(mailbox, "b", now)
    run = await held(mailbox, now)
    await retry([letter], now)
    await leases.release(run, HOUR)
    assert [claimed.mailbox_id for claimed in await claim_pending(MINUTE, 10, now)] == [mailbox.id]


async def test_one_that_is_given_up_stays_explained_and_no_listing_finds_it_again(mailbox: Mailbox, now: datetime) -> None:
    """Scenario 29. Only a change in Gmail makes it owed again."""
    letter = await a_dead_letter(mailbox, "b", now, strikes=3)
    assert await discard([letter], now) == [letter]
    entry = await LedgerEntry.get(id=letter)
    assert (entry.outcome, entry.reason, entry.owed_at, entry.settled_at) == ("skipped", "discarded", None, now)
    assert await dead_letters() == []
    assert await claim_pending(MINUTE, 10, now) == []

    run = await held(mailbox, now)
    again = await writing(run, now, lambda conn: record_listed(conn, mailbox.id, ["b"], "audit", now))
    assert (again.new, again.again) == (0, 0)
    await writing(run, now, lambda conn: record(conn, mailbox.id, [Debt("b", 8, "look")], "push", now))
    assert [entry.gmail_id for entry in await owed(mailbox.id, now, 10)] == ["b"]


async def test_whatever_is_no_dead_letter_is_left_as_it_is(mailbox: Mailbox, now: datetime) -> None:
    """Filed meanwhile, owed again meanwhile, given up, or never there."""
    filed = await a_dead_letter(mailbox, "f", now, outcome="filed", reason="client")
    owing = await a_dead_letter(mailbox, "o", now, owed_at=now)
    before = await LedgerEntry.all().order_by("id").values()
    assert await retry([filed, owing, 10**9], now + MINUTE) == []
    assert await discard([filed, owing, 10**9], now + MINUTE) == []
    assert await LedgerEntry.all().order_by("id").values() == before
    assert (await Mailbox.get(id=mailbox.id)).next_attempt_at is None


async def test_both_are_safe_to_repeat_and_only_one_of_two_operators_does_it(mailbox: Mailbox, now: datetime) -> None:
    one, two = [await a_dead_letter(mailbox, gmail_id, now) for gmail_id in "ab"]
    assert sorted(await asyncio.gather(retry([one], now), retry([one], now))) == [[], [one]]
    assert sorted(await asyncio.gather(discard([two], now), retry([two], now))) == [[], [two]]


@pytest.mark.parametrize("act", [retry, discard])
async def test_a_run_and_an_operator_never_wait_for_each_other_in_a_circle(mailbox: Mailbox, now: datetime, act: Act) -> None:
    """Both take the mailbox first, then its letters: while the run has the mailbox, the letters are free."""
    letter = await a_dead_letter(mailbox, "b", now)
    async with asyncio.timeout(5), connection() as run, run.transaction():
        await run.execute("UPDATE mailbox SET failures = failures WHERE id = $1", mailbox.id)
        deciding = asyncio.create_task(act([letter], now))
        while not await run.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.002)
        assert await run.fetchval("SELECT id FROM ledger_entry WHERE id = $1 FOR UPDATE NOWAIT", letter) == letter
    assert await deciding == [letter]


async def test_what_was_given_up_is_forgotten_like_all_that_was_not_filed(mailbox: Mailbox, now: datetime) -> None:
    """Dead letters themselves are kept until somebody decides."""
    kept, given_up = await a_dead_letter(mailbox, "a", now - HOUR), await a_dead_letter(mailbox, "b", now - HOUR)
    await discard([given_up], now - HOUR)
    await prune(MINUTE, now)
    assert [entry.id for entry in await LedgerEntry.all()] == [kept]
