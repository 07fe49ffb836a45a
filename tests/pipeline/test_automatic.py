"""Automatic and mass mail, told by the written policy of pipeline/automatic.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmail.message import Content
from pipeline.automatic import MOST_CLIENTS, foremost, kind_of
from pipeline.match import PLACES, Match, Party, parties
from tests.gmail.google import a_part
from tests.pipeline.headers import some_content, some_headers


def kind(*fields: tuple[str, str], clients: int = 1, **more: object) -> str:
    content = some_content(("From", "pat@client.example"), *fields, **more)  # type: ignore[arg-type]
    return kind_of(content, parties(content.headers), clients)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([], "mail"),
        # automatic
        ([("Auto-Submitted", "auto-replied")], "automatic"),
        ([("auto-submitted", "Auto-Generated; owner-email=x")], "automatic"),
        ([("Auto-Submitted", "no")], "mail"),
        ([("Auto-Submitted", "No (a person)")], "mail"),
        ([("Auto-Submitted", "")], "mail"),
        ([("X-Autoreply", "yes")], "automatic"),
        ([("X-Autorespond", "")], "automatic"),
        ([("X-Auto-Response-Suppress", "All")], "automatic"),
        ([("X-Auto-Response-Suppress", "DR, RN, OOF")], "automatic"),
        ([("X-Auto-Response-Suppress", "None")], "mail"),
        ([("Precedence", "auto_reply")], "automatic"),
        ([("Return-Path", "<>")], "automatic"),
        ([("Return-Path", " <> ")], "automatic"),
        ([("Return-Path", "<pat@client.example>"), ("Return-Path", "<>")], "mail"),
        ([("Content-Type", 'Multipart/Report; report-type=delivery-status; boundary="b"')], "automatic"),
        ([("Content-Type", "multipart/report-like")], "mail"),
        ([("Content-Type", "text/calendar; charset=utf-8; method=REPLY")], "automatic"),
        ([("Content-Type", 'text/calendar;\r\n method="reply"')], "automatic"),
        ([("Content-Type", "text/calendar; method=REQUEST")], "mail"),
        ([("Content-Type", "text/plain; method=REPLY")], "mail"),
        # mass
        ([("List-Id", "Team <team.lists.example>")], "mass"),
        ([("List-Unsubscribe", "<mailto:off@shop.example>")], "mass"),
        ([("Precedence", "bulk")], "mass"),
        ([("Precedence", "List")], "mass"),
        ([("Precedence", "junk")], "mass"),
        ([("Precedence", "first-class")], "mail"),
        ([("List-Post", "<mailto:team@lists.example>")], "mail"),
        # both
        ([("Auto-Submitted", "auto-generated"), ("List-Unsubscribe", "<https://shop.example/off>")], "mass"),
        ([("Auto-Submitted", "auto-replied"), ("Precedence", "bulk")], "automatic"),
    ],
)
def test_headers_tell(fields, expected):
    """Scenario 49."""
    assert kind(*fields) == expected


@pytest.mark.parametrize(
    ("calendar", "expected"),
    [
        ("BEGIN:VCALENDAR\r\nMETHOD:REPLY\r\nEND:VCALENDAR\r\n", "automatic"),
        ("BEGIN:VCALENDAR\nVERSION:2.0\nmethod:reply\nEND:VCALENDAR\n", "automatic"),
        ("BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n", "mail"),
        ("BEGIN:VCALENDAR\r\nDESCRIPTION:the METHOD:REPLY\r\nEND:VCALENDAR\r\n", "mail"),
    ],
)
def test_what_a_calendar_answers_is_told_by_its_part_and_an_invitation_is_a_persons(calendar, expected):
    """Scenario 49."""
    part = a_part("text/calendar", calendar, part_id="1", filename="invite.ics")
    assert kind(payload=a_part("multipart/mixed", None, a_part("text/plain", "Yes", part_id="0"), part)) == expected


@pytest.mark.parametrize(("recipients", "expected"), [(50, "mail"), (51, "mass"), (400, "mass")])
def test_more_than_fifty_recipients_make_mass_mail_in_whichever_header_they_stand(recipients, expected):
    """Scenario 74. Whoever is named twice is one."""
    people = [f"p{number}@elsewhere.example" for number in range(recipients)]
    third = recipients // 3
    assert kind(("To", ", ".join(people))) == expected
    assert kind(*(("To", person) for person in people), ("Cc", ", ".join(people))) == expected
    parts = (people[:third], people[third : third * 2], people[third * 2 :])
    assert kind(*((name, ", ".join(part)) for name, part in zip(("To", "Cc", "Bcc"), parts, strict=True))) == expected


@pytest.mark.parametrize(("clients", "expected"), [(12, "mail"), (13, "mass"), (60, "mass")])
def test_more_than_twelve_clients_make_mass_mail(clients, expected):
    """Scenario 74."""
    assert kind(clients=clients) == expected


def a_match(client: int, where: str) -> Match:
    return Match(client, Party(where, "", f"c{client}@client.example", f"c{client}@client.example"))  # type: ignore[arg-type]


def test_the_foremost_are_the_author_s_then_to_cc_bcc_then_the_lowest():
    """Scenario 74."""
    matches = [
        a_match(client, where) for client, where in [(90, "from"), *((c, "cc") for c in range(1, 9)), *((c, "to") for c in range(20, 26))]
    ]
    matches += [a_match(0, "bcc")]
    assert [match.client_id for match in foremost(matches)] == [1, 2, 3, 4, 5, 20, 21, 22, 23, 24, 25, 90]
    assert [match.client_id for match in foremost(matches[:3])] == [1, 2, 90]


@given(st.dictionaries(st.integers(1, 60), st.sampled_from(PLACES)).flatmap(lambda of: st.tuples(st.just(of), st.permutations(list(of)))))
def test_no_order_changes_who_is_foremost_nor_are_they_ever_more(both):
    """Scenario 74."""
    of, order = both
    first = [match.client_id for match in foremost(a_match(client, of[client]) for client in order)]
    assert first == sorted(first) == [match.client_id for match in foremost(a_match(client, of[client]) for client in sorted(of))]
    assert len(first) == min(len(of), MOST_CLIENTS)
    left_out = of.keys() - set(first)
    assert all((PLACES.index(of[one]), one) < (PLACES.index(of[other]), other) for one in first for other in left_out)


TOLD_BY = "Auto-Submitted X-Autoreply X-Auto-Response-Suppress Precedence Return-Path Content-Type List-Id To"
NAMES = st.sampled_from(TOLD_BY.split())


@given(st.lists(st.tuples(NAMES, st.text(max_size=30)), max_size=4))
def test_whatever_a_sender_writes_is_of_one_kind_or_another(fields):
    """Scenario 62."""
    content: Content = some_content(*fields)
    assert kind_of(content, parties(some_headers(*fields)), 1) in ("mail", "automatic", "mass")
