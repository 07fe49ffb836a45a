"""The guess: each kind of sign by itself, their order, and what must never change a result."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evidence import Doubt, Evidence, Known, Sighting
from pipeline.guess import WEIGHTS, guess
from pipeline.signs import KINDS, signs

NOW = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
PAT, LEE, KIM = "pat@shared.example", "lee@law.example", "kim@shared.example"
HARBOUR, QUAY, MILL = Known(1, "Harbour Bakery Ltd", "1007"), Known(2, "Quay Dental GmbH", "1014"), Known(3, "Mill Dairy", "1021")
KNOWN = (HARBOUR, QUAY, MILL)


def a_doubt(
    *, subject: str = "Question", text: str = "Hello", filenames: tuple[str, ...] = (), people: frozenset[str] = frozenset(), **more: Any
) -> Doubt:
    addresses: Mapping[str, frozenset[int]] = more.pop("addresses", {PAT: frozenset({1, 2, 3})})
    return Doubt(addresses, people | addresses.keys(), PAT, subject, text, filenames, NOW)


def went(client: int, days: float, subject: str = "Payroll", *, by_person: bool = True) -> Sighting:
    return Sighting(client, NOW - timedelta(days=days), subject, by_person)


def first(doubt: Doubt, evidence: Evidence) -> tuple[int, str]:
    """The best candidate, and the strongest reason for it."""
    best = guess(doubt, evidence)[0]
    return best.client_id, best.reasons[0]


def test_without_any_evidence_the_lowest_id_comes_first_and_all_are_kept() -> None:
    """Scenario 59."""
    ranked = guess(a_doubt(), Evidence(KNOWN))
    assert [candidate.client_id for candidate in ranked] == [1, 2, 3]
    assert {candidate.reasons for candidate in ranked} == {(f"{PAT} is a contact of this client, and of others",)}


def test_of_equals_the_lowest_id_comes_first_in_whatever_order_they_are_told() -> None:
    """Scenario 59."""
    assert [candidate.client_id for candidate in guess(a_doubt(), Evidence(KNOWN[::-1]))] == [1, 2, 3]


def test_what_a_person_decided_in_the_thread_comes_before_a_long_history() -> None:
    """Scenario 59."""
    history = tuple(went(1, days, f"Matter {days}") for days in range(20, 30))
    evidence = Evidence(KNOWN, {PAT: history}, thread=(went(2, 1, "Question"),))
    assert first(a_doubt(subject="Re: Question"), evidence) == (2, "this thread went there")


def test_a_thread_that_went_to_two_says_how_often_it_went_to_each() -> None:
    evidence = Evidence(KNOWN, thread=(went(2, 1, "Question"), went(2, 2, "Question"), went(1, 3, "Question")))
    assert first(a_doubt(subject="Re: Question"), evidence) == (2, "two of three mails in this thread went there")


def test_an_answer_under_a_subject_of_before_goes_where_that_went() -> None:
    evidence = Evidence(KNOWN, {PAT: (went(1, 1), went(3, 9, "The lease"))})
    assert first(a_doubt(subject="AW: The lease"), evidence) == (3, "mail with this subject went there before")


def test_the_latest_mails_of_the_sender_count_most() -> None:
    """Scenario 59. Stale history is older history."""
    seen = tuple(went(2, days, f"New {days}") for days in (1, 2, 3)) + tuple(went(1, days, f"Old {days}") for days in range(90, 100))
    assert first(a_doubt(), Evidence(KNOWN, {PAT: seen})) == (2, f"the last three mails with {PAT} went there")


def test_for_whom_a_contact_was_nominated_is_known_before_its_first_mail() -> None:
    evidence = Evidence(KNOWN, nominated={PAT: frozenset({3})})
    assert first(a_doubt(), evidence) == (3, f"the contact {PAT} is nominated for it")


@pytest.mark.parametrize("copied", [LEE, "office@quay.example"])
def test_whoever_else_is_on_the_mail_points_to_the_client_on_whose_mail_they_are(copied: str) -> None:
    """Scenario 59. Somebody seen before, or somebody at a client's own domain."""
    quay = Known(2, "Quay Dental GmbH", "1014", frozenset({"quay.example"}))
    evidence = Evidence((HARBOUR, quay, MILL), {LEE: (went(2, 5),)})
    client, reason = first(a_doubt(people=frozenset({copied})), evidence)
    assert client == 2
    assert reason in (f"{LEE} is on this client's other mail", "office@quay.example, at this client's own domain, is on this mail")


def test_a_client_for_which_more_addresses_in_doubt_stand_is_likelier() -> None:
    """Scenario 61."""
    doubt = a_doubt(addresses={PAT: frozenset({1, 2, 3}), KIM: frozenset({2, 3}), LEE: frozenset({3, 1})})
    assert first(doubt, Evidence(KNOWN)) == (3, "three of the addresses on this mail are contacts of it")


@pytest.mark.parametrize(
    ("mail", "reason"),
    [
        ({"subject": "Lease for Quay Dental"}, "the client's name is in the subject"),
        ({"subject": "Invoice 1014"}, "its number 1014 is in the subject"),
        ({"text": "This is about Quay Dental GmbH."}, "the client's name is in the text"),
        ({"filenames": ("quay_dental-2026.pdf",)}, "the client's name is in the name of an attachment"),
        ({"subject": "The dental chair"}, "“Dental”, from the client's name, is in the subject"),
    ],
)
def test_a_client_that_is_named_is_likelier_than_the_last_ones(mail: dict[str, Any], reason: str) -> None:
    """Scenario 59."""
    evidence = Evidence(KNOWN, {PAT: (went(1, 30),)})
    assert first(a_doubt(**mail), evidence) == (2, reason)


def test_a_name_in_a_quotation_or_a_signature_counts_less_than_one_that_was_written() -> None:
    text = "It is for Mill Dairy.\n\nBest regards\nPat\nQuay Dental GmbH\n\nOn 3 May 2026 Sam wrote:\n> Is this for Harbour Bakery?"
    ranked = guess(a_doubt(text=text), Evidence(KNOWN))
    assert ranked[0].client_id == 3
    assert "the client's name is in the quoted part of the text, or the signature" in ranked[1].reasons


@pytest.mark.parametrize(
    ("subject", "text", "client"),
    [
        ("Blue: accounts", "", 2),
        ("blue vat", "", 2),  # jotted down
        ("Question", "The sky is blue today.", 1),
        ("Question", "the sky was blue when we met at the harbour", 1),
        ("Blueprints", "", 1),  # a word within a word is none
        ("IT accounts", "", 3),  # two letters name somebody only as capitals
        ("Is it due?", "I think it is.", 1),
        ("Papers (was: Blue)", "", 1),  # what it was about before
    ],
)
def test_names_that_are_ordinary_words_count_where_they_are_meant_as_names(subject: str, text: str, client: int) -> None:
    """Scenario 59."""
    known = (Known(1, "Harbour Ltd"), Known(2, "Blue GmbH"), Known(3, "IT Ltd"))
    assert first(a_doubt(subject=subject, text=text), Evidence(known, {PAT: (went(1, 30), went(1, 40, "VAT"))}))[0] == client


@pytest.mark.parametrize(
    ("subject", "client"),
    [
        ("Year 2026", 1),  # a client's number only where it is called one
        ("12 invoices", 1),
        ("Client no. 12", 2),
        ("Ref 2026: papers", 3),
        ("Invoice 2026-12", 1),
    ],
)
def test_a_number_that_may_be_a_year_or_a_count_is_a_clients_only_where_it_is_called_so(subject: str, client: int) -> None:
    """Scenario 59."""
    known = (HARBOUR, Known(2, "Quay", "12"), Known(3, "Mill", "2026"))
    assert first(a_doubt(subject=subject), Evidence(known))[0] == client


def test_the_subject_of_a_thread_that_is_decided_says_nothing_more_but_another_subject_does() -> None:
    """Scenario 59. Who decided has read it."""
    evidence = Evidence(KNOWN, thread=(went(1, 1, "Quay Dental"),))
    assert first(a_doubt(subject="Re: Quay Dental", text="For Quay Dental."), evidence)[0] == 1
    assert first(a_doubt(subject="Mill Dairy: payroll"), evidence)[0] == 3


@pytest.mark.parametrize(
    ("subject", "client"),
    [
        ("Smith Holdings: accounts", 2),  # the longer name, and not the one within it
        ("Smith: accounts", 1),
        ("Amount 10140 paid", 1),  # a number within a number is none
        ("SMITH HOLDINGS", 2),
        ("Ltd", 1),  # a legal form names nobody
    ],
)
def test_names_within_names_and_numbers_within_numbers_are_told_apart(subject: str, client: int) -> None:
    """Scenario 59."""
    known = (Known(1, "Smith Ltd", "1007"), Known(2, "Smith Holdings Ltd", "1014"))
    ranked = guess(a_doubt(subject=subject, addresses={PAT: frozenset({1, 2})}), Evidence(known))
    assert ranked[0].client_id == client


def test_the_client_whose_mail_these_colleagues_get_is_likelier() -> None:
    """Scenario 59."""
    client, reason = first(a_doubt(), Evidence(KNOWN, own={1: (0, 40), 3: (19, 20)}))
    assert (client, reason) == (3, "19 of this client's last 20 mails went to whoever received this one")


def test_every_kind_of_sign_is_weighed_and_none_speaks_against_a_client() -> None:
    assert set(WEIGHTS) == set(KINDS)
    assert all(weight > 0 for weight in WEIGHTS.values())


CLIENTS = st.integers(1, 3)
SIGHTINGS = st.lists(st.builds(went, CLIENTS, st.integers(1, 99), st.sampled_from(("Payroll", "VAT", "Question"))), max_size=6)
TEXTS = st.sampled_from(("", "Question", "Re: Payroll", "Quay Dental", "mill dairy and Harbour", "1007 or 1021", "> Quay Dental"))
ADDRESSES = st.dictionaries(st.sampled_from((PAT, LEE, KIM)), st.frozensets(CLIENTS, min_size=1), min_size=1)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Doubt, Evidence]:
    addresses = draw(ADDRESSES)
    doubt = a_doubt(
        addresses=addresses, subject=draw(TEXTS), text=draw(TEXTS), people=frozenset(draw(st.sets(st.sampled_from((LEE, KIM)))))
    )
    ids = frozenset[int]().union(*addresses.values())
    seen = {key: tuple(sorted(draw(SIGHTINGS), key=lambda each: each.at, reverse=True)) for key in (PAT, LEE, KIM)}
    of_candidates = {key: tuple(one for one in sightings if one.client_id in ids) for key, sightings in seen.items()}
    own = draw(st.dictionaries(st.sampled_from(sorted(ids)), st.tuples(st.integers(0, 5), st.integers(5, 9))))
    known = tuple(each for each in KNOWN if each.client_id in ids)
    return doubt, Evidence(known, of_candidates, draw(st.sampled_from(((), of_candidates[PAT]))), own=own)


def shuffled(doubt: Doubt, evidence: Evidence, random: Random) -> tuple[Doubt, Evidence]:
    """The same, told in another order."""

    def mixed(mapping: Mapping[Any, Any]) -> dict[Any, Any]:
        return dict(random.sample(list(mapping.items()), len(mapping)))

    known = tuple(random.sample(evidence.known, len(evidence.known)))
    told = Doubt(mixed(doubt.addresses), doubt.people, doubt.author, doubt.subject, doubt.text, doubt.filenames, doubt.sent_at)
    sightings = {key: tuple(random.sample(seen, len(seen))) for key, seen in mixed(evidence.sightings).items()}
    thread = tuple(random.sample(evidence.thread, len(evidence.thread)))
    return told, Evidence(known, sightings, thread, mixed(evidence.nominated), mixed(evidence.own))


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_in_which_anything_is_told_changes_nothing(case: tuple[Doubt, Evidence], random: Random) -> None:
    """Scenario 59. Addresses, candidates, sightings, arrivals."""
    assert guess(*shuffled(*case, random)) == guess(*case)


@given(cases())
def test_every_candidate_is_kept_once_with_reasons_for_itself_alone(case: tuple[Doubt, Evidence]) -> None:
    """Scenario 59."""
    ranked = guess(*case)
    assert sorted(candidate.client_id for candidate in ranked) == [known.client_id for known in case[1].known]
    assert all(candidate.reasons for candidate in ranked)
    said = {client: {sign.reason for sign in signs(*case) if sign.client_id == client} for client in (1, 2, 3)}
    for candidate in ranked:
        assert all(reason in said[candidate.client_id] or "is a contact of this client" in reason for reason in candidate.reasons)


@given(cases())
def test_no_sign_is_stronger_than_one_or_weaker_than_nothing(case: tuple[Doubt, Evidence]) -> None:
    assert all(0 <= sign.strength <= 1 for sign in signs(*case))
    kinds = [(sign.kind, sign.client_id) for sign in signs(*case)]
    assert len(kinds) == len(set(kinds)), "one of a kind for a candidate"


@given(cases(), st.integers(1, 3))
def test_one_more_conversation_never_makes_its_client_less_likely(case: tuple[Doubt, Evidence], client: int) -> None:
    doubt, evidence = case
    if client not in {known.client_id for known in evidence.known} or PAT not in doubt.addresses:
        return
    newest = Sighting(client, NOW, "A matter of its own", by_person=True)
    more = Evidence(evidence.known, {**evidence.sightings, PAT: (newest, *evidence.sightings[PAT])}, evidence.thread, {}, evidence.own)

    def place(ranked: Any) -> int:
        return [candidate.client_id for candidate in ranked].index(client)

    assert place(guess(doubt, more)) <= place(guess(doubt, evidence))
