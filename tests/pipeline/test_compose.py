"""A message that concerns clients becomes the e-mail that is filed."""

from datetime import timedelta

from models.filing import ForClient, NewEmail, NewParticipant, Question
from pipeline.compose import compose
from pipeline.match import Concerns, concerns, parties
from tests.gmail.google import a_part
from tests.pipeline.headers import NOON, some_content

DIRECTORY = {"pat@client.example": frozenset({1}), "info@both.example": frozenset({2, 3}), "lee@other.example": frozenset({4})}
LATER = NOON + timedelta(hours=1)


def composed(*fields: tuple[str, str], **more: object) -> NewEmail:
    content = some_content(*fields, **more)  # type: ignore[arg-type]
    people = parties(content.headers)
    whose = concerns(people, DIRECTORY)
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
    reason = "Info@both.example is a contact of this client, and of others"
    assert email.question == Question((ForClient(2, reason), ForClient(3, reason)))


def test_who_took_part_keeps_name_address_and_place():
    email = composed(("To", "eva@sample.test, nonsense"), ("From", "Pat <pat@client.example>"), ("Bcc", "x@elsewhere.example"))
    assert email.participants == (
        NewParticipant("from", "Pat", "pat@client.example"),
        NewParticipant("to", "", "eva@sample.test"),
        NewParticipant("bcc", "", "x@elsewhere.example"),
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
