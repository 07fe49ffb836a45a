"""A message that concerns clients becomes the e-mail that is filed."""

from dataclasses import replace
from datetime import timedelta

from models.recording import ForClient, NewEmail, NewParticipant
from pipeline.compose import compose
from pipeline.match import Concerns, concerns, parties
from pipeline.rules import FirmRules, known_to, trust_of
from tests.gmail.google import a_part
from tests.pipeline.headers import NOON, some_content

DIRECTORY = {"pat@client.example": frozenset({1}), "info@both.example": frozenset({2, 3}), "lee@other.example": frozenset({4})}
LATER = NOON + timedelta(hours=1)


RULES = FirmRules(frozenset(), False, staff=frozenset({"eva@sample.test"}), never=frozenset({"doctor@clinic.example"}))


def composed(*fields: tuple[str, str], rules: FirmRules = RULES, **more: object) -> NewEmail:
    content = some_content(*fields, **more)  # type: ignore[arg-type]
    people = known_to(rules, parties(content.headers), outgoing=False)
    whose = concerns(people, DIRECTORY, trust_of(content.headers))
    assert isinstance(whose, Concerns)
    return compose(content, people, whose, LATER)


def test_certain_clients_are_named_with_the_address_and_where_it_stands():
    """Scenarios 58, 60."""
    email = composed(("From", "Pat <Pat@client.example>"), ("Cc", "lee@other.example"))
    assert email.certain == (
        ForClient(1, "Pat@client.example, a contact of this client, wrote it"),
        ForClient(4, "lee@other.example, a contact of this client, is in copy"),
    )
    assert email.question is None


def test_all_doubtful_addresses_together_ask_one_question_with_a_reason_for_each_candidate():
    """Scenario 59."""
    email = composed(("From", "pat@client.example"), ("To", "Info@both.example"))
    assert email.certain[0].client_id == 1
    assert email.question is not None
    assert email.question.addresses == {"info@both.example": frozenset({2, 3})}
    assert email.question.author == "pat@client.example"
    assert email.question.people == frozenset({"pat@client.example", "info@both.example"})


def test_who_took_part_keeps_name_address_and_place():
    email = composed(("To", "eva@sample.test, nonsense"), ("From", "Pat <pat@client.example>"), ("Bcc", "x@elsewhere.example"))
    assert email.participants == (
        NewParticipant("from", "Pat", "pat@client.example", "pat@client.example"),
        NewParticipant("to", "", "eva@sample.test", "eva@sample.test"),
        NewParticipant("bcc", "", "x@elsewhere.example", "x@elsewhere.example"),
    )


def test_the_time_is_the_sender_s_if_sane_else_google_s_else_now():
    """Scenario 108."""
    pat = ("From", "pat@client.example")
    assert composed(pat, ("Date", "Mon, 23 Nov 2026 10:00:00 +0000")).sent_at == NOON - timedelta(hours=2)
    assert composed(pat, ("Date", "gibberish")).sent_at == NOON
    assert composed(pat, ("Date", "Mon, 23 Nov 2099 10:00:00 +0000")).sent_at == NOON
    without = composed(pat, internalDate=None)
    assert (without.sent_at, without.received_at) == (LATER, LATER)


def test_a_thread_is_told_by_its_root_and_a_mail_without_any_is_its_own():
    """Scenario 56."""
    pat = ("From", "pat@client.example")
    reply = composed(pat, ("References", "<root@client.example> <second@client.example>"), ("Message-ID", "<third@client.example>"))
    assert (reply.thread_root, reply.message_id) == ("root@client.example", "third@client.example")
    alone = composed(pat)
    assert (alone.thread_root, alone.message_id) == (alone.identity, None)


def test_attachments_are_listed_and_direction_is_kept():
    text = a_part("text/plain", "See it", part_id="0")
    pdf = a_part("application/pdf", part_id="1", filename="figures.pdf", attachment_id="x", size=7)
    email = composed(("From", "pat@client.example"), payload=a_part("multipart/mixed", None, text, pdf), labelIds=["SENT"])
    (listed,) = email.attachments
    assert (listed.part_id, listed.filename, listed.mime_type, listed.size) == ("1", "figures.pdf", "application/pdf", 7)
    assert (email.text, email.outgoing) == ("See it", True)


def test_staff_are_none_of_the_people_by_whom_a_guess_is_made():
    """Scenario 65. They are on all of the firm's mail; of several authors one who is a stranger counts."""
    question = composed(
        ("From", "eva@sample.test, zoe@elsewhere.example"), ("To", "info@both.example, EVA+x@sample.test, nonsense")
    ).question
    assert question is not None
    assert question.people == {"zoe@elsewhere.example", "info@both.example"}
    assert question.author == "zoe@elsewhere.example"
    own = composed(("From", "eva@sample.test"), ("To", "info@both.example")).question
    assert own is not None
    assert (own.people, own.author) == (frozenset({"info@both.example"}), "eva@sample.test")
    nobody = composed(("To", "info@both.example")).question
    assert nobody is not None
    assert nobody.author is None


def test_of_a_forged_mail_every_client_is_in_question_and_it_says_so():
    """Scenario 67."""
    said = ("Authentication-Results", "mx.google.com; dmarc=fail")
    email = composed(said, ("From", "pat@client.example"), ("To", "info@both.example"), ("Cc", "lee@other.example"))
    assert (email.trust, email.certain) == ("forged", ())
    assert email.question is not None
    assert email.question.addresses == DIRECTORY


VIA = (
    ("Authentication-Results", "mx.google.com; dmarc=pass"),
    ("From", "Info via Team <team@lists.example>"),
    ("X-Original-From", "info@both.example"),
    ("List-Id", "<team.lists.example>"),
)


def test_a_list_s_mail_is_asked_about_as_its_real_author_s():
    """Scenarios 68, 126. Which e-mail it is does not hang on whether its author is believed."""
    email = composed(*VIA)
    assert email.question is not None
    assert (email.question.author, email.trust, email.kind) == ("info@both.example", "proven", "mass")
    assert composed(*VIA[1:], ("To", "pat@client.example")).identity == composed(*VIA, ("To", "pat@client.example")).identity


def test_a_list_s_mail_to_a_client_names_its_author_as_the_list_does():
    """Scenario 68."""
    fields = VIA[0], VIA[1], ("X-Original-From", "pat@client.example"), VIA[3]
    own = composed(*fields, rules=replace(RULES, staff=frozenset({"lists.example"})))
    assert own.certain == (ForClient(1, "pat@client.example, a contact of this client, wrote it to the list team@lists.example"),)
    assert ("pat@client.example" in own.people, own.participants[1].key, own.question) == (True, "pat@client.example", None)


def test_a_foreign_list_s_word_makes_nobody_certain_and_names_nobody():
    """Scenario 68. Below the list's domain is not the list's domain, either."""
    fields = VIA[0], VIA[1], ("X-Original-From", "pat@client.example"), VIA[3]
    for staff in (set(), {"example"}, {"sub.lists.example"}, {"pat@elsewhere.example"}):
        foreign = composed(*fields, rules=replace(RULES, staff=frozenset(staff)))
        assert foreign.question is not None
        assert (foreign.certain, foreign.question.addresses) == ((), {"pat@client.example": frozenset({1})})
        assert foreign.question.claims == {"pat@client.example": "team@lists.example"}
        assert "pat@client.example" not in foreign.people | foreign.question.people
        assert [person.key for person in foreign.participants if person.header == "from"] == ["team@lists.example", None]
        copied = composed(*fields, ("Cc", "pat@client.example"))
        assert copied.certain == (ForClient(1, "pat@client.example, a contact of this client, is in copy"),)


def test_a_machine_s_mail_from_a_contact_is_filed_like_any_other_and_told_apart():
    """Scenario 49."""
    plain, machine = composed(("From", "pat@client.example")), composed(("From", "pat@client.example"), ("Auto-Submitted", "auto-replied"))
    assert (plain.kind, machine.kind, machine.certain) == ("mail", "automatic", plain.certain)
