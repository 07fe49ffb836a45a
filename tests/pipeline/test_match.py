"""The matching rule: which clients a message concerns, by the addresses that it names."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.match import Concerns, NotAClients, Party, concerns, look_up_keys, parties
from tests.pipeline.headers import some_headers

DIRECTORY = {
    "pat@client.example": frozenset({1}),
    "lee@other.example": frozenset({2}),
    "info@both.example": frozenset({1, 2}),
    "all@many.example": frozenset({3, 4, 5}),
    "pat+tax@client.example": frozenset({6}),
    "patsample@gmail.com": frozenset({7}),
    "o'neil@client.example": frozenset({8}),
    "x@xn--bcher-kva.example": frozenset({9}),
    "p.a.t@dots.example": frozenset({10}),
}


def clients(*fields: tuple[str, str]) -> tuple[list[int], list[int]]:
    """Certain, and in doubt."""
    match concerns(parties(some_headers(*fields)), DIRECTORY):
        case Concerns(certain, in_doubt):
            return [match.client_id for match in certain], sorted(set().union(*(found.clients for found in in_doubt)))
        case NotAClients():
            return [], []


@pytest.mark.parametrize(
    ("fields", "certain", "in_doubt"),
    [
        ([("From", "pat@client.example")], [1], []),
        ([("From", "sam@firm.test"), ("To", "pat@client.example")], [1], []),
        ([("Cc", "pat@client.example")], [1], []),
        ([("Bcc", "pat@client.example")], [1], []),
        ([("Reply-To", "pat@client.example")], [], []),
        ([("From", "pat@client.example"), ("To", "lee@other.example")], [1, 2], []),
        ([("To", "all@many.example")], [], [3, 4, 5]),
        ([("From", "pat@client.example"), ("To", "info@both.example")], [1], []),
        ([("From", "pat@client.example"), ("To", "all@many.example")], [1], [3, 4, 5]),
        ([("To", "info@both.example, all@many.example")], [], [1, 2, 3, 4, 5]),
        ([("From", "somebody@client.example")], [], []),
    ],
)
def test_an_address_with_one_client_is_certain_and_one_with_several_in_doubt(fields, certain, in_doubt):
    """Scenarios 48, 58, 59, 60, 61, 66. In doubt, unless one of its clients is certain anyway; a domain is nobody."""
    assert clients(*fields) == (certain, in_doubt)


@pytest.mark.parametrize(
    ("written", "client"),
    [
        ("PAT@Client.EXAMPLE", 1),
        ('"Pat" <pat@client.example>', 1),
        ('"pat"@client.example', 1),
        ("'pat@client.example'", 1),
        ('"Sample, Pat" <pat@client.example>', 1),
        ("Sample, Pat <pat@client.example>", 1),
        ('"lee@other.example" <pat@client.example>', 1),
        ("=?utf-8?b?bGVlQG90aGVyLmV4YW1wbGU=?= <pat@client.example>", 1),
        ("=?utf-8?q?P=C3=A4t=2C_Sample?= <pat@client.example>", 1),
        ("pat@client.example (lee@other.example)", 1),
        ("undisclosed-recipients:;, pat@client.example", 1),
        ("Team: pat@client.example, nobody@elsewhere.example;", 1),
        ("Pat\r\n <pat@client.example>", 1),
        ("pat+anything@client.example", 1),
        ("pat+tax@client.example", 6),
        ("PAT+TAX@client.example", 6),
        ("Pat.Sample@gmail.com", 7),
        ("p.a.t.sample+news@googlemail.com", 7),
        ("pat@dots.example", None),
        ("P.A.T@dots.example", 10),
        ("O'Neil@client.example", 8),
        ("x@Bücher.example", 9),
        ("x@BÜCHER.example.", 9),
        ("x@xn--BCHER-KVA.example", 9),
        ("undisclosed-recipients:;", None),
        ("pat@", None),
        ("@client.example", None),
        ("pat client.example", None),
        ("<>", None),
        ("", None),
        ("pat@client.example@elsewhere.example", None),
        ("pat@client..example", None),
        (',,;:<("\\@@@', None),
        ("\x00\udcff=?x?b?", None),
    ],
)
def test_however_an_address_is_written_it_is_brought_to_one_form_or_ignored(written, client):
    """Scenario 62."""
    assert clients(("From", written)) == ([client] if client else [], [])


def test_the_exact_address_counts_before_the_one_without_its_tag():
    """Scenario 62."""
    assert look_up_keys(parties(some_headers(("From", "pat+tax@client.example")))) == {"pat+tax@client.example", "pat@client.example"}
    assert clients(("From", "pat+tax@client.example"), ("To", "pat+other@client.example")) == ([1, 6], [])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [([("From", "stranger@elsewhere.example")], "no client"), ([("From", "nonsense")], "no address"), ([], "no address")],
)
def test_why_nobody_is_concerned(fields, reason):
    assert concerns(parties(some_headers(*fields)), DIRECTORY) == NotAClients(reason)


def test_each_client_is_named_by_its_first_match():
    match concerns(parties(some_headers(("To", "pat@client.example"), ("From", "Pat <PAT@client.example>"))), DIRECTORY):
        case Concerns(certain=(only,)):
            assert (only.client_id, only.party.where, only.party.name, only.party.address) == (1, "from", "Pat", "PAT@client.example")
        case other:
            raise AssertionError(other)


ADDRESSES = st.sampled_from([*DIRECTORY, "stranger@elsewhere.example", "pat+x@client.example", "nonsense"])
DIRECTORIES = st.dictionaries(st.sampled_from(list(DIRECTORY)), st.frozensets(st.integers(1, 6), min_size=1))


def a_party(address: str) -> Party:
    return Party("to", "", address, address if "@" in address else None)


@given(st.lists(ADDRESSES, max_size=6).flatmap(lambda them: st.tuples(st.just(them), st.permutations(them))), DIRECTORIES)
def test_the_order_of_addresses_never_changes_which_clients(both, directory):
    """Scenario 59. The same candidates in the same order, every time."""
    one, other = (concerns([a_party(address) for address in addresses], directory) for addresses in both)
    match one, other:
        case Concerns() as left, Concerns() as right:
            assert [match.client_id for match in left.certain] == [match.client_id for match in right.certain]
            assert [(found.party.key, found.clients) for found in left.in_doubt] == [
                (found.party.key, found.clients) for found in right.in_doubt
            ]
        case _:
            assert one == other


@given(st.lists(ADDRESSES, max_size=6), DIRECTORIES)
def test_nobody_is_both_certain_and_in_doubt_and_nobody_comes_from_nowhere(addresses, directory):
    whose = concerns([a_party(address) for address in addresses], directory)
    if isinstance(whose, Concerns):
        certain = {match.client_id for match in whose.certain}
        in_doubt = set().union(*(found.clients for found in whose.in_doubt))
        assert certain | in_doubt
        assert not certain & in_doubt
        assert certain | in_doubt <= set().union(*directory.values())


# who counts


def of(whose: Concerns | NotAClients) -> tuple[list[int], dict[str | None, frozenset[int]]]:
    assert isinstance(whose, Concerns), whose
    return [match.client_id for match in whose.certain], {found.party.key: found.clients for found in whose.in_doubt}


@pytest.mark.parametrize("standing", ["staff", "never file"])
def test_who_is_staff_or_never_filed_is_as_if_no_contact(standing):
    """Scenarios 64, 65."""
    pat, lee = (a_party(address) for address in ("pat@client.example", "lee@other.example"))
    both = a_party("info@both.example")
    assert of(concerns([replace(pat, standing=standing), lee], DIRECTORY)) == ([2], {})
    assert of(concerns([replace(pat, standing=standing), both], DIRECTORY)) == ([], {"info@both.example": frozenset({1, 2})})
    assert concerns([replace(pat, standing=standing)], DIRECTORY) == NotAClients("no client")
    assert look_up_keys([replace(pat, standing=standing), lee]) == {"lee@other.example"}


def test_of_a_forged_mail_nothing_is_certain_and_every_client_of_every_address_is_a_candidate():
    """Scenario 67. Those too that would be left out because another of the address's clients is certain."""
    people = [
        a_party(address) for address in ("pat@client.example", "info@both.example", "lee@other.example", "stranger@elsewhere.example")
    ]
    whose = concerns(people, DIRECTORY, "forged")
    assert of(whose) == ([], {key: DIRECTORY[key] for key in ("pat@client.example", "info@both.example", "lee@other.example")})
    assert isinstance(whose, Concerns)
    assert (whose.trust, whose.matched) == ("forged", 2)
    assert of(concerns(people, DIRECTORY, "proven")) == of(concerns(people, DIRECTORY)) == ([1, 2], {})
    assert concerns(people[3:], DIRECTORY, "forged") == NotAClients("no client")


@pytest.mark.parametrize(
    "address", ["noreply@client.example", "news@client.example", "pat@news.client.example", "pat@gmail.com", "accounts@other.example"]
)
def test_nobody_else_at_a_client_s_domain_or_provider_is_taken_for_the_client(address):
    """Scenarios 63, 66."""
    assert clients(("From", address), ("To", "eva@sample.test")) == ([], [])


@pytest.mark.parametrize("address", ["patsample@gmail.com", "accounts@role.example", "noreply@role.example"])
def test_a_free_mail_role_or_machine_s_address_is_matched_exactly_as_it_is_registered(address):
    """Scenarios 63, 66."""
    directory = {"patsample@gmail.com": frozenset({1}), "accounts@role.example": frozenset({1}), "noreply@role.example": frozenset({1})}
    assert of(concerns(parties(some_headers(("From", address))), directory)) == ([1], {})


FIELDS = st.tuples(st.sampled_from(["From", "To", "Cc", "Bcc"]), ADDRESSES)
STANDINGS = st.sampled_from(["", "", "staff", "never file"])


@given(st.lists(FIELDS, max_size=8).flatmap(lambda them: st.tuples(st.just(them), st.permutations(them))), DIRECTORIES, st.data())
def test_the_order_of_addresses_and_headers_changes_nothing_at_all(both, directory, data):
    """Scenarios 59, 60. The very same answer: clients, the address that names each, candidates."""
    standing = {address: data.draw(STANDINGS) for address in sorted({address for _, address in both[0]})}
    trust = data.draw(st.sampled_from(["unknown", "proven", "forged"]))
    one, other = (
        concerns([replace(person, standing=standing[person.address]) for person in parties(some_headers(*fields))], directory, trust)
        for fields in both
    )
    assert one == other


@given(st.lists(FIELDS, max_size=8), DIRECTORIES)
def test_forging_a_sender_loses_no_client_and_settles_none(fields, directory):
    """Scenario 67."""
    people = parties(some_headers(*fields))
    match concerns(people, directory), concerns(people, directory, "forged"):
        case Concerns() as believed, Concerns() as forged:
            assert forged.certain == ()
            candidates = {client for found in forged.in_doubt for client in found.clients}
            assert candidates >= {match.client_id for match in believed.certain} | {c for d in believed.in_doubt for c in d.clients}
            assert forged.matched == believed.matched == len(believed.certain)
        case believed, forged:
            assert believed == forged


HOSTILE = st.text(max_size=60) | st.lists(
    st.sampled_from([*'<>@,;:()"\\ ', "pat@client.example", "=?utf-8?q?", "?=", "\r\n", "\x00", "\udcff", "é"]), max_size=25
).map("".join)
NAMES = st.sampled_from(["From", "To", "Cc", "Bcc", "Reply-To", "X-Original-From", "List-Id", "Mailing-list", "Authentication-Results"])


@given(st.lists(st.tuples(NAMES, HOSTILE), max_size=6))
def test_no_header_that_a_sender_can_write_stops_a_match(fields):
    """Scenario 62."""
    people = parties(some_headers(*fields, ("Authentication-Results", "mx.google.com; dmarc=pass")))
    assert isinstance(concerns(people, DIRECTORY), Concerns | NotAClients)
    assert all(person.key is None or "@" in person.key for person in people)
