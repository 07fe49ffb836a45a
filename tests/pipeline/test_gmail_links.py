"""What people paste to name a mail."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.gmail_links import BASE64, CONSONANTS, ByMessageId, Conversation, NotUnderstood, OneMessage, named

GMAIL = "https://mail.google.com/mail/u/0/"
THREAD = Conversation("19f82b4e90a11791")


def token(words: str) -> str:
    """As Gmail's pages write it behind the #."""
    digits = base64.b64encode(words.encode()).decode().rstrip("=")
    number = 0
    for digit in digits:
        number = number * 64 + BASE64.index(digit)
    letters = ""
    while number:
        number, letter = divmod(number, 40)
        letters = CONSONANTS[letter] + letters
    return letters


@pytest.mark.parametrize(
    ("pasted", "meant"),
    [
        (f"{GMAIL}#inbox/FMfcgzQhVWwLZMnDwNWCdxPKKSXRLgKp", THREAD),  # a link as it was seen in public
        (f"{GMAIL}#inbox/FMfcgzQfBGfsVHzgNPZvccFHwCmhpvCQ", Conversation(f"{1853622880133816474:x}")),
        (f"  {GMAIL}#inbox/FMfcgzQhVWwLZMnDwNWCdxPKKSXRLgKp\n", THREAD),
        ("mail.google.com/mail/u/3/#all/FMfcgzQhVWwLZMnDwNWCdxPKKSXRLgKp", THREAD),
        (f"{GMAIL}#search/from%3Apat%40client.example+in%3Aanywhere/FMfcgzQhVWwLZMnDwNWCdxPKKSXRLgKp", THREAD),
        (f"{GMAIL}#label/Clients%2FHarbour/FMfcgzQhVWwLZMnDwNWCdxPKKSXRLgKp?projector=1&messagePartId=0.1", THREAD),
        ("FMfcgzQhVWwLZMnDwNWCdxPKKSXRLgKp", THREAD),
        (f"{GMAIL}#inbox/15e2ab12cd34ef56", Conversation("15e2ab12cd34ef56")),
        (f"{GMAIL}?tab=rm#inbox/15E2AB12CD34EF56", Conversation("15e2ab12cd34ef56")),
        ("15e2ab12cd34ef56", Conversation("15e2ab12cd34ef56")),
        (f"{GMAIL}#all/thread-f:1871293261606360977", THREAD),
        (f"{GMAIL}?ik=0f1e&view=om&permmsgid=msg-f:1871293261606360977", OneMessage("19f82b4e90a11791")),
        (f"{GMAIL}?ik=0f1e&view=om&permmsgid=msg-f%3A1871293261606360977", OneMessage("19f82b4e90a11791")),
        (f"{GMAIL}?ik=0f1e&view=pt&search=all&permthid=thread-f:1871293261606360977", THREAD),
        (f"{GMAIL}?view=pt&permthid=thread-f:1871293261606360977&simpl=msg-f:1716000000000000001", OneMessage(f"{1716000000000000001:x}")),
        (f"{GMAIL}?ui=2&view=cv&th=15e2ab12cd34ef56&search=inbox", Conversation("15e2ab12cd34ef56")),
        (f"{GMAIL}?ui=2&view=cv&message_id=15e2ab12cd34ef56", OneMessage("15e2ab12cd34ef56")),
        ("msg-f:1871293261606360977", OneMessage("19f82b4e90a11791")),
        ("<CA+abc.1@mail.client.example>", ByMessageId("CA+abc.1@mail.client.example")),
        ("CA+abc.1@mail.client.example", ByMessageId("CA+abc.1@mail.client.example")),
        ("%3CCA%2Babc.1%40mail.client.example%3E", ByMessageId("CA+abc.1@mail.client.example")),
        ("a%20b@client.example", ByMessageId("a%20b@client.example")),  # its own percent sign
        ("Message-ID: <a@client.example>", ByMessageId("a@client.example")),
        ("rfc822msgid:a@client.example", ByMessageId("a@client.example")),
    ],
)
def test_links_and_ids_lead_to_the_mail(pasted, meant):
    assert named(pasted) == meant


@pytest.mark.parametrize(
    ("pasted", "because"),
    [
        ("", "nothing"),
        ("  ", "nothing"),
        (f"{GMAIL}#inbox", "no mail"),
        (f"{GMAIL}#search/harbour", "no mail"),
        (f"{GMAIL}#settings/filters", "no mail"),
        (GMAIL, "no mail"),
        (f"{GMAIL}?permmsgid=msg-a:r-8054", "begun in gmail"),
        (f"{GMAIL}#inbox/{token('a:r8146509137012345678')}", "begun in gmail"),
        ("https://mail.example.com/mail/u/0/#inbox/FMfcgzQhVWwLZMnDwNWCdxPKKSXRLgKp", "no link"),
        ("https://drive.google.com/file/d/1", "no link"),
        ("the mail of Tuesday", "no link"),
        ("https://mail.google.com:x/[", "no link"),
    ],
)
def test_what_is_no_mail_says_why(pasted, because):
    assert named(pasted) == NotUnderstood(because)


@given(st.integers(1, 2**64 - 1))
def test_every_id_is_had_back_from_its_link(number):
    assert named(f"{GMAIL}#inbox/{token(f'f:{number}')}") in (Conversation(f"{number:x}"), NotUnderstood("no mail"))
    assert named(f"{GMAIL}#inbox/{token(f'f:{number + 10**17}')}") == Conversation(f"{number + 10**17:x}") or number + 10**17 >= 2**64
    assert named(f"{GMAIL}?permmsgid=msg-f:{number}") == OneMessage(f"{number:x}")


@given(st.text(max_size=200) | st.from_regex(rf"https://mail\.google\.com/mail/[^\n]{{0,80}}#[{CONSONANTS}]{{0,60}}", fullmatch=True))
def test_whatever_is_pasted_has_an_answer(pasted):
    assert named(pasted) is not None
