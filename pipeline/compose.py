"""A message that concerns clients becomes the e-mail that is filed. Pure."""

from datetime import datetime

from gmail.message import Content, Headers, date_of, message_id, thread_root
from models.filing import ForClient, NewAttachment, NewEmail, NewParticipant, Question
from pipeline.guess import guess
from pipeline.identity import identity_of
from pipeline.match import Concerns, Match, Party
from pipeline.rules import CLOCKS_DIFFER, came_or_went_at, is_outgoing

ROLE = {"from": "wrote it", "to": "is among its recipients", "cc": "is in copy", "bcc": "is in blind copy"}


def compose(content: Content, people: tuple[Party, ...], whose: Concerns, now: datetime) -> NewEmail:
    """`now` stands in for a time that neither the sender nor Google tells."""
    headers = content.headers
    identity = identity_of(content, people)
    return NewEmail(
        identity=identity,
        message_id=message_id(headers),
        thread_root=thread_root(headers) or identity,
        outgoing=is_outgoing(headers),
        subject=headers.first("Subject") or "",
        text=content.text,
        html=content.html,
        headers=headers.fields,
        sent_at=_sent_at(headers, now),
        participants=tuple(NewParticipant(person.where, person.name, person.address) for person in people),
        attachments=tuple(
            NewAttachment(part.part_id, part.filename, part.mime_type, part.size, part.content_id) for part in content.attachments
        ),
        gmail_id=headers.id,
        gmail_thread_id=headers.thread_id,
        received_at=headers.received_at or now,
        certain=tuple(ForClient(match.client_id, _why(match)) for match in whose.certain),
        question=_question(whose),
    )


def _sent_at(headers: Headers, now: datetime) -> datetime:
    """What the sender says, where it is sane; of our own mail the moment at which it left."""
    left = came_or_went_at(headers, now + CLOCKS_DIFFER) if is_outgoing(headers) else None
    return left or date_of(headers) or now


def _question(whose: Concerns) -> Question | None:
    if not whose.in_doubt:
        return None
    return Question(tuple(ForClient(candidate.client_id, "; ".join(candidate.reasons)) for candidate in guess(whose.in_doubt)))


def _why(match: Match) -> str:
    return f"{match.party.address}, a contact of this client, {ROLE[match.party.where]}"
