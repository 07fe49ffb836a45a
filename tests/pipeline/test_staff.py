"""Mail among the firm's own people is not filed, whatever addresses they have and whosever contacts they are."""

import pytest

from models.directory import Contact
from models.emails import Email
from models.firms import User
from models.never_file import add_own_domain
from models.people import allow
from pipeline.match import parties
from pipeline.rules import FirmRules, known_to, left_out_because
from tests.builders import a_client, a_firm, a_mail, a_user
from tests.pipeline.headers import some_headers
from tests.pipeline.stage import Stage

EVA, BOB, PAT = "eva@sample.test", "bob@sample.test", "pat@client.example"
FIRM = FirmRules(
    frozenset({EVA}),
    False,
    staff=frozenset({EVA, BOB, "eva@her-own.example", "second.test"}),
    never=frozenset({"clinic.example", "bob@sample.test"}),
)


def why_not(*fields: tuple[str, str], outgoing: bool = False) -> str | None:
    return left_out_because(known_to(FIRM, parties(some_headers(*fields)), outgoing=outgoing))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([("From", EVA), ("To", BOB)], "internal"),
        ([("From", "EVA+lists@Sample.test"), ("To", f"{BOB}, undisclosed:;, nonsense")], "internal"),
        ([("From", "eva@her-own.example"), ("Cc", "anybody@second.test")], "internal"),
        ([("From", "a@SECOND.test"), ("Bcc", EVA)], "internal"),
        ([("From", EVA)], "internal"),
        ([("From", EVA), ("To", "a@mail.second.test")], None),
        ([("From", EVA), ("To", BOB), ("Cc", PAT)], None),
        ([("From", PAT), ("To", EVA)], None),
        ([("From", "nobody"), ("To", EVA)], None),
        ([("To", EVA)], None),
        ([], None),
        # who is never filed
        ([("From", "doctor@clinic.example"), ("To", f"{EVA}, {PAT}")], "never file"),
        ([("From", f"{PAT}, doctor@clinic.example"), ("To", EVA)], "never file"),
        ([("From", PAT), ("To", f"{EVA}, doctor@clinic.example")], None),
        ([("From", BOB), ("To", PAT)], None),  # staff first, whatever the list says
        ([("From", BOB), ("To", EVA)], "internal"),
    ],
)
def test_who_is_named_in_it_decides_before_any_client_is_looked_for(fields, expected):
    """Scenarios 64, 65."""
    assert why_not(*fields) == expected


def test_what_leaves_the_mailbox_is_staff_s_whatever_alias_it_was_sent_from():
    """Scenario 64."""
    fields = [("From", "eva@alias.example"), ("To", BOB)]
    assert (why_not(*fields), why_not(*fields, outgoing=True)) == (None, "internal")
    assert why_not(("From", "eva@clinic.example"), ("To", PAT), outgoing=True) is None


OURS = {
    "a colleague's login": BOB,
    "a colleague's login, with a tag": "bob+lists@sample.test",
    "a second domain": "bob@second.test",
    "a connected mailbox": "bob@his-own.example",
    "a shared mailbox that is allowed": "accounts@elsewhere.example",
}


async def eva_and_firm(stage: Stage):
    """Everybody of the firm is a contact of a client too, and the firm is one of its clients."""
    bob = await a_user(stage.firm, BOB)
    await stage.mailbox("bob@his-own.example", user=bob)
    await allow(bob, "accounts@elsewhere.example")
    await add_own_domain(stage.firm.id, "second.test", bob.id, stage.clock.moment)
    eva = await stage.mailbox(EVA)
    itself = await a_client(stage.firm, "The firm itself", EVA, *OURS.values())
    return eva, itself, await a_client(stage.firm, "", PAT)


@pytest.mark.parametrize("who", OURS)
async def test_mail_among_staff_is_not_filed_though_they_are_somebody_s_contacts(stage: Stage, who):
    """Scenarios 64, 65. Of it only the headers are looked at."""
    eva, itself, _ = await eva_and_firm(stage)
    written = await stage.mail(eva, a_mail(OURS[who], f"Eva <{EVA}>"))
    copied = await stage.mail(eva, a_mail(EVA, BOB, Cc=OURS[who]), labels="SENT")
    await stage.push(eva)
    assert [await stage.fate(eva, each) for each in (written, copied)] == [("skipped", "internal", False)] * 2
    assert (await stage.filed(itself), await stage.looks(eva, "full"), await Email.all().count()) == ([], [], 0)


@pytest.mark.parametrize("who", OURS)
async def test_staff_on_a_client_s_mail_add_no_client_and_are_asked_about_by_nobody(stage: Stage, who):
    """Scenario 65. Though an address of theirs stands for several clients."""
    eva, itself, client = await eva_and_firm(stage)
    other = await a_client(stage.firm, "", OURS[who])
    await stage.mail(eva, a_mail(PAT, f"{EVA}, {OURS[who]}", "Figures"))
    await stage.push(eva)
    assert (await stage.filed(client), await stage.filed(itself), await stage.filed(other)) == (["Figures"], [], [])


async def test_who_has_left_or_works_for_another_firm_is_a_contact_like_any_other(stage: Stage):
    """Scenario 65."""
    eva, itself, _ = await eva_and_firm(stage)
    await User.filter(email=BOB).update(active=False)
    await a_user(await a_firm(), "lee@other.test")
    other = await a_client(stage.firm, "", "lee@other.test")
    await stage.mail(eva, a_mail(BOB, EVA, "From a leaver"))
    await stage.mail(eva, a_mail("lee@other.test", EVA, "From a colleague elsewhere"))
    await stage.push(eva)
    assert (await stage.filed(itself), await stage.filed(other)) == (["From a leaver"], ["From a colleague elsewhere"])
    assert await Contact.all().count() > 0


# What is forwarded

ORIGINAL = f"---------- Forwarded message ---------\nFrom: Pat <{PAT}>\nTo: Bob <{BOB}>\nSubject: Figures\n\nHere they are.\n"


def a_forward(sender: str, *, attached: bool) -> object:
    forward = a_mail(sender, EVA, "Fwd: Figures", ORIGINAL, X_Forwarded_For=PAT, References="<original@client.example>")
    if attached:
        forward.add_attachment(a_mail(PAT, BOB, "Figures"))
    return forward


@pytest.mark.parametrize("attached", [False, True])
@pytest.mark.parametrize(
    ("sender", "fate"), [(BOB, "internal"), ("stranger@elsewhere.example", "no client"), ("lee@other.example", "client")]
)
async def test_of_a_forwarded_mail_sender_and_recipients_decide_and_no_address_in_its_text(stage: Stage, sender, fate, attached):
    """Scenario 69."""
    eva, _, client = await eva_and_firm(stage)
    lee = await a_client(stage.firm, "", "lee@other.example")
    sent = await stage.mail(eva, a_forward(sender, attached=attached))  # type: ignore[arg-type]
    await stage.push(eva)
    assert (await stage.fate(eva, sent))[1] == fate
    assert (await stage.filed(client), await stage.filed(lee)) == ([], ["Fwd: Figures"] if fate == "client" else [])
