"""Mail that a list passes on, and mail to very many."""

from typing import Any

import pytest

from models.activities import Activity, Review
from models.decisions import Seen, file_under
from models.emails import Email, Participant
from models.firms import User
from models.never_file import OwnDomain
from pipeline.automatic import MOST_CLIENTS
from pipeline.match import parties
from pipeline.real_author import real_author
from tests.builders import a_client, a_mail, a_user
from tests.pipeline.headers import some_headers
from tests.pipeline.stage import Stage

EVA, BOB, PAT, TEAM = "eva@sample.test", "bob@sample.test", "pat@client.example", "team@lists.example"
PROVEN = "mx.google.com; dkim=pass header.i=@lists.example; dmarc=pass (p=NONE) header.from=lists.example"
VIA = {
    "From": f"Pat via Team <{TEAM}>",
    "To": f"Team <{TEAM}>",
    "List-Id": "<team.lists.example>",
    "X-Original-Sender": PAT,
    "X-Original-From": f"Pat <{PAT}>",
    "Reply-To": f"Pat <{PAT}>",
    "Authentication-Results": PROVEN,
}


def author(**changed: str | None) -> str | None:
    fields = VIA | {name.replace("_", "-"): value for name, value in changed.items()}
    found = real_author(some_headers(*((name, value) for name, value in fields.items() if value is not None)))
    return found.address if found else None


@pytest.mark.parametrize(
    "same",
    [
        {},
        {"X_Original_From": None},
        {"X_Original_From": None, "Reply_To": None},
        {"X_Original_From": None, "X_Original_Sender": None},
        {"X_Original_From": TEAM, "X_Original_Sender": "nonsense"},
        {"Reply_To": "lee@other.example", "X_Original_Sender": "lee@other.example"},  # X-Original-From comes first
        {"Reply_To": f"{PAT}, Pat <PAT@client.example>", "X_Original_From": None, "X_Original_Sender": None},
        {"List_Id": "The team <Team.Lists.Example>"},
        {"List_Id": "team.lists.example"},
        {"List_Id": None, "Mailing_list": f"list {TEAM}; contact team+owners@lists.example", "X_Google_Group_Id": "123"},
        {"X_Original_Authentication_Results": "mx.google.com; dmarc=pass header.from=client.example"},
    ],
)
def test_a_list_s_mail_is_its_author_s_where_the_list_and_google_agree(same):
    """Scenario 68."""
    assert author(**same) == PAT


@pytest.mark.parametrize(
    "other",
    [
        # Google does not say that the mail comes from the list
        {"Authentication_Results": None},
        {"Authentication_Results": PROVEN.replace("dmarc=pass", "dmarc=fail")},
        {"Authentication_Results": PROVEN.replace("dmarc=pass", "dmarc=none")},
        {"Authentication_Results": PROVEN.replace("mx.google.com", "mx.lists.example")},
        # the list's headers do not name the address in From
        {"List_Id": None},
        {"List_Id": "<other.lists.example>"},
        {"List_Id": "team.lists.example <other.lists.example>"},
        {"List_Id": "<team.lists.example.evil.example>"},
        {"List_Id": None, "X_Google_Group_Id": "123"},
        {"List_Id": None, "Mailing_list": f"list other@lists.example; contact {TEAM}"},
        {"From": "Pat via Team <someone@lists.example>"},
        {"From": f"{TEAM}, lee@other.example"},
        {"From": None},
        # nobody, or more than one, is said to have written it
        {"X_Original_From": None, "X_Original_Sender": None, "Reply_To": None},
        {"X_Original_From": None, "X_Original_Sender": None, "Reply_To": TEAM},
        {"X_Original_From": None, "X_Original_Sender": None, "Reply_To": f"{PAT}, lee@other.example"},
        # the list itself says that he was forged
        {"X_Original_Authentication_Results": "mx.google.com; dmarc=fail header.from=client.example"},
    ],
)
def test_and_otherwise_it_is_the_list_s(other):
    """Scenario 68."""
    assert author(**other) is None


def test_the_author_stands_behind_the_list_s_address_as_one_more_in_from():
    """Scenario 68."""
    people = parties(some_headers(*VIA.items()))
    assert [(person.where, person.name, person.address, person.via) for person in people] == [
        ("from", "Pat via Team", TEAM, ""),
        ("from", "Pat", PAT, TEAM),
        ("to", "Team", TEAM, ""),
    ]


def a_list_mail(text: str = "Figures.", **changed: str) -> bytes:
    fields: dict[str, str] = {name.replace("-", "_"): value for name, value in VIA.items() if name not in ("From", "To")}
    fields |= {"Message_ID": "<one@client.example>", "Date": "Mon, 23 Nov 2026 10:00:00 +0000", **changed}
    return a_mail(VIA["From"], VIA["To"], "To the team", text, **fields).as_bytes()


async def shown(client) -> list[tuple[object, ...]]:
    return await Activity.filter(client=client).values_list("email__subject", "email__kind", "email__trust", "status", "reason")


@pytest.mark.parametrize("own", ["its domain", "its address"])
async def test_what_a_client_writes_to_the_firms_own_list_is_filed_under_the_client(stage: Stage, own: str):
    """Scenario 68."""
    eva, client = await stage.mailbox(EVA), await a_client(stage.firm, "", PAT)
    if own == "its domain":
        await OwnDomain.create(firm=stage.firm, domain="lists.example")
    else:
        await a_user(stage.firm, TEAM)
    await stage.mail(eva, a_list_mail())
    await stage.push(eva)
    assert await shown(client) == [
        ("To the team", "mass", "proven", "filed", f"{PAT}, a contact of this client, wrote it to the list {TEAM}")
    ]
    assert sorted([person.key or "" for person in await Participant.filter(header="from")]) == [PAT, TEAM]


@pytest.mark.parametrize("clients", [1, 2])
async def test_of_what_anybody_else_s_list_says_a_person_is_asked(stage: Stage, clients: int):
    """Scenarios 57, 68. Whoever has a list lets it say anything, in any thread: it follows no decision, whichever came first, and is no
    evidence."""
    eva, others = await stage.mailbox(EVA), [await a_client(stage.firm, "", PAT) for _ in range(clients)]
    known = await a_client(stage.firm, "", "lee@other.example")
    await stage.mail(eva, a_list_mail(Cc="lee@other.example", References="<root@client.example>"))
    await stage.mail(eva, a_mail(PAT, EVA, "Pat's own", Message_ID="<root@client.example>"))
    await stage.push(eva)
    asked: Any = await Review.get(email__subject="To the team")
    assert [candidate["client"] for candidate in asked.candidates] == [client.id for client in others]
    reason = f"the list {TEAM} says that {PAT} wrote it, who is a contact of this client{', and of others' * (clients > 1)}"
    assert all(reason in candidate["reasons"] for candidate in asked.candidates)
    assert await shown(known) == [("To the team", "mass", "proven", "filed", "lee@other.example, a contact of this client, is in copy")]

    user, own = await User.get(email=EVA), await Email.get(subject="Pat's own")
    await file_under(user, Seen(own.id, own.version), known.id, stage.clock.moment)
    await stage.mail(eva, a_list_mail(References="<root@client.example>", Message_ID="<two@client.example>"))
    await stage.push(eva)
    assert await Review.filter(decided_at=None).count() == 2
    assert {(person.address, person.key) for person in await Participant.filter(header="from")} == {(TEAM, TEAM), (PAT, None), (PAT, PAT)}


async def test_who_only_says_so_is_not_believed(stage: Stage):
    """Scenario 68."""
    eva, client = await stage.mailbox(EVA), await a_client(stage.firm, "", PAT)
    sent = await stage.mail(eva, a_list_mail(Authentication_Results="mx.google.com; dmarc=none"))
    await stage.push(eva)
    assert (await shown(client), (await stage.fate(eva, sent))[1]) == ([], "no client")


@pytest.mark.parametrize("second", [PROVEN, "mx.google.com; dmarc=temperror"])
async def test_two_colleagues_copies_with_other_footers_are_one_email_whatever_google_made_of_each(stage: Stage, second):
    """Scenario 126."""
    eva, bob = await stage.mailbox(EVA), await stage.mailbox(BOB)
    pat, team = await a_client(stage.firm, "", PAT), await a_client(stage.firm, "", TEAM)
    for mailbox, footer, said in ((eva, "Unsubscribe: eva", PROVEN), (bob, "Unsubscribe: bob", second)):
        await stage.mail(mailbox, a_list_mail(f"Figures.\n-- \n{footer}", Authentication_Results=said))
        await stage.push(mailbox)
    assert (await Email.all().count(), await stage.filed(pat), await stage.filed(team)) == (1, ["To the team"], ["To the team"])
    assert await Email.filter(receipts__mailbox=bob).count() == 1


# Mass mail


async def sixty(stage: Stage):
    return [await a_client(stage.firm, "", f"c{number}@many.example") for number in range(60)]


@pytest.mark.parametrize("backwards", [False, True])
async def test_of_sixty_clients_the_foremost_twelve_get_a_mail_however_they_are_ordered(stage: Stage, backwards):
    """Scenario 74. The author's, then those in To, then in Cc."""
    eva, clients = await stage.mailbox(EVA), await sixty(stage)
    to, cc = [f"c{number}@many.example" for number in range(50, 54)], [f"c{number}@many.example" for number in range(50)]
    for these in (to, cc) if backwards else ():
        these.reverse()
    await stage.mail(eva, a_mail("c59@many.example", ", ".join([*to, EVA]), "To all", Cc=", ".join(cc)))
    await stage.push(eva)
    filed = await Activity.all().order_by("client_id").values_list("client_id", "status", "email__kind")
    expected = [*clients[:7], *clients[50:54], clients[59]]
    assert len(expected) == MOST_CLIENTS
    assert filed == [(client.id, "filed", "mass") for client in expected]


async def test_four_hundred_recipients_make_mass_mail_that_asks_one_question_at_most(stage: Stage):
    """Scenario 74. Twenty of them stand for several clients each."""
    eva = await stage.mailbox(EVA)
    both = [f"both{number}@both.example" for number in range(20)]
    for _ in range(3):
        await a_client(stage.firm, "", *both)
    strangers = [f"p{number}@elsewhere.example" for number in range(380)]
    await stage.mail(eva, a_mail("stranger@elsewhere.example", ", ".join([*strangers, *both]), "To very many"))
    await stage.push(eva)
    assert (await Email.get()).kind == "mass"
    assert [activity.status for activity in await Activity.all()] == ["review"]
    assert await Review.all().count() == 1
    assert await Participant.all().count() == 401


async def test_a_newsletter_from_a_client_s_domain_is_nobody_s_unless_a_contact_has_that_address(stage: Stage):
    """Scenario 66."""
    eva, client = await stage.mailbox(EVA), await a_client(stage.firm, "", PAT)
    letter = {"List_Unsubscribe": "<mailto:off@client.example>", "List_Id": "<news.client.example>", "Precedence": "bulk"}
    skipped = [await stage.mail(eva, a_mail(f"{name}@client.example", EVA, **letter)) for name in ("noreply", "news")]
    await stage.push(eva)
    assert [await stage.fate(eva, each) for each in skipped] == [("skipped", "no client", False)] * 2
    registered = await a_client(stage.firm, "", "noreply@client.example")
    await stage.mail(eva, a_mail("noreply@client.example", EVA, "News", **letter))
    await stage.push(eva)
    assert (await stage.filed(client), await shown(registered)) == (
        [],
        [("News", "mass", "unknown", "filed", "noreply@client.example, a contact of this client, wrote it")],
    )
