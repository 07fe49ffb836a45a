"""A message that concerns clients becomes the e-mail that is filed. Pure."""

from datetime import datetime

from gmail.message import Content, Headers, date_of, message_id, thread_root
from models.evidence import Doubt
from models.ledger import Wanted
from models.recording import ForClient, NewAttachment, NewEmail, NewParticipant
from pipeline.automatic import foremost, kind_of
from pipeline.identity import identity_of
from pipeline.match import Concerns, Match, Party
from pipeline.rules import CLOCKS_DIFFER, came_or_went_at, is_outgoing

ROLE = {"from": "wrote it", "to": "is among its recipients", "cc": "is in copy", "bcc": "is in blind copy"}


def compose(content: Content, people: tuple[Party, ...], whose: Concerns, now: datetime, wanted: Wanted | None = None) -> NewEmail:
    """`now` stands in for a time that neither the sender nor Google tells. `wanted`: it is filed by a person's word, and no other."""
    headers = content.headers
    # Whether a list's author is believed may differ from mailbox to mailbox; which e-mail it is may not.
    identity = identity_of(content, tuple(person for person in people if not person.via))
    return NewEmail(
        identity=identity,
        message_id=message_id(headers),
        thread_root=thread_root(headers) or identity,
        outgoing=is_outgoing(headers),
        subject=headers.first("Subject") or "",
        text=content.text,
        html=content.html,
        headers=headers.fields,
        kind=kind_of(content, people, whose.matched),
        trust=whose.trust,
        sent_at=_sent_at(headers, now),
        # Who did not surely write it shares no thread with anybody, and is evidence of nothing.
        participants=tuple(
            NewParticipant(person.where, person.name, person.address, None if person.claimed else person.key) for person in people
        ),
        attachments=tuple(
            NewAttachment(part.part_id, part.filename, part.mime_type, part.size, part.content_id) for part in content.attachments
        ),
        gmail_id=headers.id,
        gmail_thread_id=headers.thread_id,
        received_at=headers.received_at or now,
        certain=tuple(ForClient(match.client_id, _why(match)) for match in foremost(whose.certain)),
        question=_doubt(content, people, whose, now),
        people=_others(people),
        wanted=wanted,
    )


def _sent_at(headers: Headers, now: datetime) -> datetime:
    """What the sender says, where it is sane; of our own mail the moment at which it left."""
    left = came_or_went_at(headers, now + CLOCKS_DIFFER) if is_outgoing(headers) else None
    return left or date_of(headers) or now


def _doubt(content: Content, people: tuple[Party, ...], whose: Concerns, now: datetime) -> Doubt | None:
    if not whose.in_doubt:
        return None
    return Doubt(
        addresses={found.party.key: found.clients for found in whose.in_doubt if found.party.key},
        people=_others(people),
        author=author_of(people),
        subject=content.headers.first("Subject") or "",
        text=content.text,
        filenames=tuple(part.filename for part in content.attachments),
        sent_at=_sent_at(content.headers, now),
        claims={found.party.key: found.party.via for found in whose.in_doubt if found.party.key and found.party.claimed},
    )


def _others(people: tuple[Party, ...]) -> frozenset[str]:
    """Everybody who is no staff, and surely is on it."""
    return frozenset(person.key for person in people if person.key and person.standing != "staff" and not person.claimed)


def author_of(people: tuple[Party, ...]) -> str | None:
    """The real one where a list has put its address before it; of several, one who is no staff, in order of the alphabet."""
    authors = [person for person in people if person.where == "from" and person.key]
    ordered = sorted(authors, key=lambda person: (not person.via, person.standing == "staff", person.key))
    return ordered[0].key if ordered else None


def _why(match: Match) -> str:
    if match.party.via:
        return f"{match.party.address}, a contact of this client, wrote it to the list {match.party.via}"
    return f"{match.party.address}, a contact of this client, {ROLE[match.party.where]}"
