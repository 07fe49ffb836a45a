"""What makes two messages one e-mail of a firm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.identity import identity_of
from pipeline.match import parties
from tests.pipeline.headers import some_content

MAIL = {
    "Message-ID": "<one@client.example>",
    "From": "Pat <pat@client.example>",
    "To": "eva@sample.test",
    "Date": "Mon, 23 Nov 2026 10:00:00 +0100",
    "Subject": "Figures",
}


def identity(text: str = "Dear Eva, the figures.", **changed: str | None) -> str:
    fields = {**MAIL, **{name.replace("_", "-"): value for name, value in changed.items()}}
    content = some_content(*((name, value) for name, value in fields.items() if value is not None), text=text)
    return identity_of(content, parties(content.headers))


@pytest.mark.parametrize(
    "same",
    [
        {"Message_ID": "one@client.example"},
        {"Message_ID": " <one@CLIENT.example> "},
        {"Message_ID": "(a comment) <one@client.example>"},
        {"Message_ID": "\r\n <one@client.example>"},
        {"From": "PAT@client.example"},
        {"From": '"Sample, Pat" <pat@client.example>'},
        {"To": "sam@sample.test"},
        {"Subject": "=?utf-8?q?Figures?="},
        {"Date": "Mon, 23 Nov 2026\r\n 10:00:00 +0100"},
        {"Received": "from a by b; Mon, 23 Nov 2026 10:00:05 +0100"},
        {"text": "Dear Eva,\r\n\r\n  the   figures.\n"},
    ],
)
def test_what_mail_servers_change_on_the_way_leaves_it_the_same_email(same):
    """Scenarios 50, 54."""
    assert identity(**same) == identity()


@pytest.mark.parametrize(
    "other",
    [
        {"Message_ID": "<two@client.example>"},
        {"Message_ID": "<ONE@client.example>"},  # only the domain is without case
        {"From": "lee@client.example"},
        {"Date": "Mon, 23 Nov 2026 10:00:01 +0100"},
        {"Date": "Mon, 23 Nov 2026 09:00:00 +0000"},  # the same moment, but not as it was written
        {"Subject": "Figures, corrected"},
        {"text": "Dear Eva, other figures."},
        {"Date": None},
        {"List_Id": "<list.client.example>"},
    ],
)
def test_what_differs_in_author_date_subject_or_text_is_an_email_of_its_own(other):
    """Scenario 53. Whatever its Message-ID says."""
    assert identity(**other) != identity()


def test_without_a_message_id_the_rest_decides():
    """Scenario 52."""
    assert identity(Message_ID=None) == identity(Message_ID=None) != identity()
    assert identity(Message_ID="") == identity(Message_ID=None)
    assert len({identity(Message_ID=None), identity(Message_ID=None, Subject="Other"), identity("Other", Message_ID=None)}) == 3


def test_copies_of_a_list_mail_with_other_footers_are_one_email():
    """Scenario 126."""
    assert identity("Footer 1", List_Id="<list.client.example>") == identity("Footer 2", List_Id="<list.client.example>")
    assert identity("Footer 1") != identity("Footer 2")


@given(st.lists(st.sampled_from(["a", "b", "1:a", ":", "0:"]), min_size=2, max_size=6), st.data())
def test_no_text_can_move_from_one_part_into_the_next(words, data):
    """Scenario 53. Who chooses subject and text cannot make two mails look like one."""
    one, other = data.draw(st.lists(st.integers(0, len(words)), min_size=2, max_size=2, unique=True))
    assert identity(" ".join(words[one:]), Subject=" ".join(words[:one])) != identity(
        " ".join(words[other:]), Subject=" ".join(words[:other])
    )
