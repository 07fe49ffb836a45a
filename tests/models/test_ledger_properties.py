"""The ledger under every order of events that hypothesis can think of."""

import itertools
from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmail.answers import Change
from models.database import connection
from models.ledger import LedgerEntry, Owed, Postponed, Settled, owed, postpone, record, settle
from pipeline.discover import debts_of
from tests.builders import a_firm, a_mailbox, a_user

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LABELS = st.sampled_from([frozenset({"SPAM"}), frozenset({"TRASH"}), frozenset({"INBOX"}), frozenset({"SENT", "INBOX"})])
TRIES = 5
often = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def histories(draw: st.DrawFn) -> list[Change]:
    """A mailbox's records in order of their ids: messages, some older than the mailbox, come, change labels, and go; some share an id."""
    changes: list[Change] = []
    at, alive = 100, {"old 1", "old 2"}
    for number in range(draw(st.integers(1, 12))):
        at += draw(st.integers(0, 2)) if changes and changes[-1].kind == "added" else draw(st.integers(1, 2))
        kind = draw(st.sampled_from(["added", "labels_added", "labels_removed", "deleted"] if alive else ["added"]))
        message = f"m{number}" if kind == "added" else draw(st.sampled_from(sorted(alive)))
        if any(change.message_id == message and change.history_id == at for change in changes):
            at += 1
        alive.discard(message) if kind == "deleted" else alive.add(message)
        changes.append(Change(message, at, kind, draw(LABELS)))  # type: ignore[arg-type]
    return changes


def chunked(changes: list[Change], cuts: list[int]) -> list[list[Change]]:
    """Pages: the same changes, cut elsewhere."""
    return [changes[start:end] for start, end in pairwise([0, *sorted(cut % (len(changes) + 1) for cut in cuts), len(changes)])]


async def list_them(mailbox_id: int, pages: list[list[Change]]) -> None:
    async with connection() as held:
        for page in pages:
            await record(held, mailbox_id, debts_of(page), "push", NOW)


async def rows(mailbox_id: int, changes: list[Change]) -> set[tuple[str, str | None, int, bool]]:
    """What the ledger says; but whether it knows an old message that was put away or deleted in the end is all one: nothing is lost."""
    last = {debt.gmail_id: debt for debt in debts_of(changes)}
    entries = await LedgerEntry.filter(mailbox_id=mailbox_id)
    known = {(e.gmail_id, e.outcome, int(e.seen_history_id), e.owed_at is not None) for e in entries}
    return {row for row in known if not (row[0].startswith("old") and last[row[0]].kind != "look")}


async def a_fresh_mailbox() -> int:
    return int((await a_mailbox(await a_user(await a_firm()))).id)


CUTS = st.lists(st.integers(0, 20), max_size=4)


@often
@given(histories(), CUTS, CUTS)
async def test_listing_the_same_pages_again_in_any_chunking_changes_nothing(database, changes, cuts, others):
    """Scenarios 13, 22, 114. Nor does it owe a second look where the first has ended."""
    one, other = await a_fresh_mailbox(), await a_fresh_mailbox()
    await list_them(one, chunked(changes, cuts))
    once = await rows(one, changes)
    await list_them(one, chunked(changes, others))
    assert await rows(one, changes) == once
    await list_them(other, chunked(changes, others))
    assert await rows(other, changes) == once

    async with connection() as held:
        await settle(held, [Settled(look, "filed", "client", look.seen) for look in await owed(one, NOW, 25)], NOW)
    ended = await rows(one, changes)
    await list_them(one, chunked(changes, others))
    assert await rows(one, changes) == ended
    assert [look for look in await owed(one, NOW, 25) if look.gmail_id.startswith("m")] == []


@often
@given(histories(), CUTS, st.integers(0, 12))
async def test_a_listing_that_breaks_off_anywhere_and_starts_anew_ends_like_a_whole_one(database, changes, cuts, reached):
    """Scenario 22."""
    whole, broken = await a_fresh_mailbox(), await a_fresh_mailbox()
    await list_them(whole, [changes])
    await list_them(broken, chunked(changes, cuts)[:reached])
    await list_them(broken, chunked(changes, cuts))
    assert await rows(broken, changes) == await rows(whole, changes)


# Numbers are relative: a record's to the highest before it, a view's to what its look was owed for.
TOLD, PICKED = st.tuples(st.just("told"), st.integers(-2, 3)), st.just(("picked", 0))
ENDED = st.tuples(st.sampled_from(["filed", "spam", "gone", "failed", "missing"]), st.integers(-3, 3))
LOOKED = st.tuples(TOLD, PICKED, st.one_of(TOLD, PICKED), ENDED)  # what mostly happens, and something between
STEPS = st.lists(st.one_of(LOOKED, LOOKED, st.tuples(TOLD), st.tuples(PICKED), st.tuples(ENDED)), min_size=1, max_size=6)


@often
@given(STEPS)
async def test_whatever_the_order_of_records_looks_and_endings(database, steps):
    """Scenario 119. A newer record is never forgotten, an older view never wins, and filed stays filed."""
    mailbox_id = await a_fresh_mailbox()
    looks: list[Owed] = []
    highest, seen, newest, outcome = 0, 0, 0, None  # ids: of a record, seen by a look, of the view that counts; and what that view said
    for step, number in itertools.chain.from_iterable(steps):
        if step == "told":
            told = (highest or 10) + number
            highest = max(highest, told)
            await list_them(mailbox_id, [[Change("m", told, "added", frozenset())]])
        elif step == "picked":
            looks += await owed(mailbox_id, NOW, 1)
        elif looks and step in ("failed", "missing"):
            await put_off(Postponed(looks.pop(number % len(looks)), NOW, step, failed=step == "failed"))
        elif looks:
            look = looks.pop(number % len(looks))  # any of those under way may be the next to end
            view = max(look.viewed, look.seen if step == "gone" else look.seen + number)
            await end(Settled(look, {"filed": "filed", "spam": "skipped", "gone": "gone"}[step], step, view))  # type: ignore[arg-type]
            if view >= newest:
                seen, newest = max(seen, view, look.seen), view
                outcome = "filed" if "filed" in (outcome, step) else {"spam": "skipped", "gone": "gone"}[step]
        entry = await LedgerEntry.get_or_none(mailbox_id=mailbox_id)
        if entry is not None and entry.outcome != "parked":
            assert entry.outcome == outcome
            assert entry.owed_at is not None or highest <= seen or (entry.outcome == "filed" and entry.tries >= TRIES)


async def end(verdict: Settled) -> None:
    async with connection() as held:
        await settle(held, [verdict], NOW)


async def put_off(verdict: Postponed) -> None:
    async with connection() as held:
        await postpone(held, [verdict], TRIES, NOW)
