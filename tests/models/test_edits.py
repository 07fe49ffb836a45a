"""Title, note and text of an activity: what people make of them, and what becomes of that when the mail moves, merges or goes."""

import asyncio

import pytest

from models.activities import Activity
from models.audit_log import AuditEntry, Placed, history_of
from models.clients import merge
from models.database import transaction
from models.decisions import Overtaken, also_under, dismiss, file_under, undo
from models.edits import FIELDS, EditedMeanwhile, Field, NotShown, TooLong, edit, kept, own_words
from models.emails import Email
from models.erasing import erase_dismissed
from models.outcomes import outcome
from models.privacy import make_private
from models.withdrawal import withdraw
from tests.builders import a_firm, a_user
from tests.models.office import Office, acts, an_office, seen

ALL: dict[Field, str] = {"title": "Payroll", "note": "Ask Pat.", "text": "Hours as agreed."}


@pytest.fixture
async def office(now) -> Office:
    return await an_office(now)


async def at(email_id: int, client_id: int) -> Activity:
    return await Activity.get(email_id=email_id, client_id=client_id)


async def words(email_id: int, client_id: int) -> tuple[str | None, str | None, str | None]:
    there = await at(email_id, client_id)
    return there.title, there.note, there.text


async def edits(office: Office, email_id: int, client_id: int, **written: str) -> None:
    """Eva does, and saves."""
    there = await at(email_id, client_id)
    await edit(office.eva, there.id, there.edition, {name: written[name] for name in FIELDS if name in written}, office.later())


async def test_an_edit_is_the_activitys_own_and_the_email_stays_as_it_came(office):
    a, b, _ = office.ids
    mail = await office.files("mail", a, b)
    before = await Email.filter(id=mail).values()
    assert await edit(office.bob, (await at(mail, a)).id, 0, ALL, office.now) == ("title", "note", "text")
    assert await words(mail, a) == tuple(ALL.values())
    assert ((await at(mail, a)).edition, (await at(mail, b)).edition) == (1, 0)
    assert await words(mail, b) == (None, None, None)
    assert await Email.filter(id=mail).values() == before


async def test_the_audit_says_that_and_not_what(office):
    a, _, _ = office.ids
    mail = await office.files("mail", a)
    await edits(office, mail, a, title="Payroll", note="Ask Pat.")
    entry = await AuditEntry.get(act="edited")
    assert (entry.user_id, entry.email_id, entry.at) == (office.eva.id, mail, office.now)
    assert (entry.before, entry.after) == ({"version": 0}, {"version": 0, "client": a, "edited": ["title", "note"]})
    (act,) = await history_of(office.firm.id, mail)
    assert (act.who, act.act, act.edited, act.under) == ("Eva", "edited", ("title", "note"), Placed("A", ""))


async def test_fields_that_are_not_written_stay_and_what_is_there_already_is_no_edit(office):
    a, _, _ = office.ids
    mail = await office.files("mail", a)
    await edits(office, mail, a, **ALL)
    await edits(office, mail, a, note="Ask Kim.")
    assert await words(mail, a) == ("Payroll", "Ask Kim.", "Hours as agreed.")
    there = await at(mail, a)
    assert await edit(office.bob, there.id, 0, {"title": "Payroll", "note": "Ask Kim.\r\n"}, office.now) == (), "though on an old page"
    assert (await at(mail, a)).edition == 2
    assert [act for act, _ in await acts(mail)] == ["edited", "edited"]


async def test_what_the_email_says_by_itself_is_not_kept_and_a_blank_brings_it_back(office):
    a, _, _ = office.ids
    mail = await office.files("mail", a)
    await edits(office, mail, a, title="Subject mail", note=" \n", text="Text\r\n")
    assert (await words(mail, a), await acts(mail)) == ((None, None, None), [])
    await edits(office, mail, a, **ALL)
    await edits(office, mail, a, title="  ", note="", text="")
    assert await words(mail, a) == (None, None, None)


@pytest.mark.parametrize(
    ("field", "written", "is_kept"),
    [
        ("title", "  Pay\troll\r\nMarch\x00\x1b ", "Pay roll March"),
        ("note", "one\r\ntwo\rthree \n\n", "one\ntwo\nthree"),
        ("note", "\ta\x0bb\x7f\x85c", "\tabc"),
        ("text", "\x00\x01", None),
        ("text", "\ud800good", "good"),
    ],
)
def test_characters_that_nobody_types_are_left_out(field, written, is_kept):
    """Scenario 107."""
    assert kept(field, written) == is_kept


def test_a_mail_with_odd_characters_is_not_edited_by_being_looked_at():
    assert own_words("text", "one\r\ntwo\u00a0", "", "one\ntwo\x0b\u00a0 \n") is None


async def test_nul_reaches_no_database(office):
    """Scenario 107."""
    a, _, _ = office.ids
    mail = await office.files("mail", a)
    await edits(office, mail, a, title="a\x00b", note="c\x00d", text="e\x00f")
    assert await words(mail, a) == ("ab", "cd", "ef")


@pytest.mark.parametrize(("field", "most"), [("title", 300), ("note", 10_000), ("text", 200_000)])
async def test_there_is_an_end_to_it(office, field, most):
    a, _, _ = office.ids
    mail = await office.files("mail", a)
    with pytest.raises(TooLong) as refused:
        await edits(office, mail, a, **{field: "é" * (most + 1)})
    assert refused.value.fields == {field}
    assert await words(mail, a) == (None, None, None)
    await edits(office, mail, a, **{field: "é" * most + "\n"})
    assert max(len(said or "") for said in await words(mail, a)) == most


async def test_a_subject_that_is_longer_than_a_title_may_be_is_none(office):
    a, _, _ = office.ids
    mail = await office.files("mail", a, subject="S" * 400)
    await edits(office, mail, a, title="S" * 400, note="Read it.")
    assert await words(mail, a) == (None, "Read it.", None)


async def test_of_two_who_edit_at_once_the_second_is_told_who_saved_and_what(office):
    a, _, _ = office.ids
    mail = await office.files("mail", a)
    there = await at(mail, a)
    await edit(office.eva, there.id, there.edition, {"note": "Eva's"}, office.later())
    with pytest.raises(EditedMeanwhile) as meanwhile:
        await edit(office.bob, there.id, there.edition, {"note": "Bob's"}, office.now)
    told = meanwhile.value
    assert (told.by, told.at, told.words.note, told.words.edition) == ("Eva", office.now, "Eva's", 1)
    assert (await words(mail, a))[1] == "Eva's"
    await edit(office.bob, there.id, told.words.edition, {"note": "Both"}, office.now)
    assert (await words(mail, a))[1] == "Both"


async def test_side_by_side_one_saves_and_the_others_are_told(office):
    a, _, _ = office.ids
    mail = await office.files("mail", a)
    there = await at(mail, a)
    tries = [edit(office.eva, there.id, 0, {"note": str(n)}, office.now) for n in range(8)]
    told = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(one).__name__ for one in told) == ["EditedMeanwhile"] * 7 + ["tuple"]
    assert (await at(mail, a)).edition == 1


async def test_nobody_else_edits(office):
    """Scenario 75."""
    a, _, _ = office.ids
    mail = await office.files("mail", a)
    there = await at(mail, a)
    stranger = await a_user(await a_firm(), "una@another.test")
    await make_private(office.eva, await seen(mail), there.id, True, office.now)
    for nobody in (stranger, office.bob):
        with pytest.raises(NotShown):
            await edit(nobody, there.id, 0, ALL, office.now)
    with pytest.raises(NotShown):
        await edit(office.eva, there.id + 999, 0, ALL, office.now)
    await edit(office.eva, there.id, 0, ALL, office.now)
    await dismiss(office.eva, await seen(mail), office.now)
    with pytest.raises(NotShown):
        await edit(office.eva, there.id, 1, {"note": "Too late"}, office.now)


async def test_words_go_along_and_come_back(office):
    """Scenario 71."""
    a, b, _ = office.ids
    mail = await office.files("mail", a)
    await edits(office, mail, a, **ALL)
    await file_under(office.bob, await seen(mail), b, office.later())
    assert await words(mail, b) == tuple(ALL.values())
    await edits(office, mail, b, title="", text="Hours, not as agreed.")
    await undo(office.eva, await seen(mail), office.later())
    assert await words(mail, a) == (None, "Ask Pat.", "Hours, not as agreed."), "what was emptied meanwhile stays so"


async def test_a_page_from_before_a_move_saves_over_nothing_that_came_along(office):
    """Scenario 72."""
    a, b, _ = office.ids
    mail = await office.files("mail", a, b)
    theirs = await at(mail, b)
    await edits(office, mail, a, note="From A")
    await file_under(office.bob, await seen(mail), b, office.later(), instead_of=a)
    assert (await words(mail, b))[1] == "From A"
    with pytest.raises(EditedMeanwhile) as meanwhile:
        await edit(office.bob, theirs.id, theirs.edition, {"note": "Bob's"}, office.now)
    assert (meanwhile.value.by, meanwhile.value.words.note) == ("Eva", "From A")


async def test_a_move_that_brings_nothing_overtakes_nobody(office):
    a, b, _ = office.ids
    mail = await office.files("mail", a, b)
    theirs = await at(mail, b)
    await file_under(office.bob, await seen(mail), b, office.later(), instead_of=a)
    assert await edit(office.eva, theirs.id, theirs.edition, {"note": "Mine"}, office.now) == ("note",)


async def test_of_two_clients_that_lose_a_mail_both_notes_are_not_lost(office):
    a, b, c = office.ids
    mail = await office.files("mail", a, b)
    await edits(office, mail, a, note="From A", title="First")
    await edits(office, mail, b, text="From B")
    await edits(office, mail, b, title="Second")
    await file_under(office.bob, await seen(mail), c, office.later())
    assert await words(mail, c) == ("Second", "From A", "From B"), "of two titles the one that was edited more often"


async def test_a_further_client_gets_no_words(office):
    a, b, _ = office.ids
    mail = await office.files("mail", a)
    await edits(office, mail, a, **ALL)
    await also_under(office.bob, await seen(mail), b, office.later())
    assert await words(mail, b) == (None, None, None)


async def test_an_edit_overtakes_no_decision_and_hides_no_undo(office):
    """Scenarios 71, 72."""
    a, b, _ = office.ids
    mail = await office.asks()
    before = await seen(mail)
    await edits(office, mail, a, note="Looks like B's")
    await file_under(office.bob, before, b, office.later())
    await edits(office, mail, b, title="Payroll")
    with pytest.raises(Overtaken) as overtaken:
        await dismiss(office.eva, before, office.now)
    assert overtaken.value.by == "Bob", "who edited since decided nothing"
    stands = await outcome(office.eva, mail)
    assert stands is not None
    assert (stands.act, stands.by, stands.undoable) == ("reassigned", "Bob", True)
    await undo(office.eva, await seen(mail), office.later())
    assert (await at(mail, a)).status == "review"
    assert await words(mail, a) == ("Payroll", "Looks like B's", None)


async def test_further_copies_and_further_looks_change_no_word(office):
    """Scenarios 50, 71."""
    a, _, _ = office.ids
    mail = await office.asks()
    await edits(office, mail, a, **ALL)
    await office.asks(box=office.bobs)
    await office.files("mail", a, box=office.bobs)
    assert await words(mail, a) == tuple(ALL.values())


async def test_merged_clients_keep_what_was_written_on_either(office):
    """Scenario 73."""
    a, b, _ = office.ids
    mail = await office.files("mail", a, b)
    await edits(office, mail, a, text="From A")
    await edits(office, mail, b, note="From B")
    old = await at(mail, b)
    await merge(office.firm.id, a, b, office.later())
    assert await words(mail, b) == (None, "From B", "From A")
    with pytest.raises(EditedMeanwhile):
        await edit(office.eva, (await at(mail, b)).id, old.edition, {"text": "Mine"}, office.now)


async def test_what_is_erased_is_erased_with_its_edits(office):
    """Scenario 71."""
    a, _, _ = office.ids
    mail = await office.files("mail", a)
    await edits(office, mail, a, **ALL)
    await dismiss(office.eva, await seen(mail), office.now)
    assert await erase_dismissed(office.now - office.now, office.now) == 1
    assert await words(mail, a) == (None, None, None)
    assert "Payroll" not in str(await AuditEntry.all().values())


async def test_whoever_is_just_editing_is_waited_for(office):
    """Scenario 122: an edit locks in filing's order."""
    a, b, _ = office.ids
    mail = await office.files("mail", a)
    there = await at(mail, a)
    tries = (edit(office.eva, there.id, 0, ALL, office.now), file_under(office.bob, await seen(mail), b, office.now))
    said = await asyncio.gather(*tries, return_exceptions=True)
    assert not isinstance(said[1], BaseException)
    if not isinstance(said[0], NotShown):
        assert await words(mail, b) == tuple(ALL.values())


async def test_a_colleagues_copy_of_an_edited_text_is_not_withdrawn(office):
    """Scenario 44."""
    a, _, _ = office.ids
    mail = await office.files("mail", a)
    await edits(office, mail, a, text="Mine")
    assert await transaction(lambda held: withdraw(held, office.evas.id, ["mail"])) == set()
    assert await words(mail, a) == (None, None, "Mine")
