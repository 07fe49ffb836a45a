"""Replaying mail from memory tells the guess what the database would have told it."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from gmail.message import headers_of
from models.address import key_of
from models.decisions import file_under
from models.directory import Client
from models.emails import Email
from models.evidence import Doubt, Evidence, Ranked
from models.firms import User
from models.mailboxes import Mailbox
from pipeline.guess import guess
from pipeline.match import parties
from pipeline.replay import Directory, Entry, Listed, Mail, Step, replay
from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.models.emails import EVA, PAT, an_email, files
from tests.models.office import seen

LEE, KIM = "lee@law.example", "kim@quay.example"
# Who is in copy, thread, subject, whose it truly is: 0 for A, 1 for B.
STREAM = [
    ((), "t1", "Payroll", 0),
    ((LEE,), "t2", "The lease", 1),
    ((), "t1", "Re: Payroll", 0),
    ((KIM,), "t3", "Figures", 1),
    ((LEE,), "t4", "Quay Dental: chairs", 1),
    ((), "t2", "Re: The lease", 1),
    ((), "t5", "Re: Payroll", 0),
    ((LEE, KIM), "t4", "Re: Quay Dental: chairs", 1),
    ((), "t6", "Question", 0),
    ((LEE,), "t1", "Now the lease", 1),
]
Told = dict[str, tuple[Doubt, Evidence, tuple[Ranked, ...]]]


@dataclass
class Firm:
    """Two clients, of both of whom Pat is a contact; Kim is B's alone."""

    eva: User
    mailbox: Mailbox
    a: Client
    b: Client
    now: datetime
    told: Told = field(default_factory=dict)

    @property
    def ids(self) -> tuple[int, int]:
        return self.a.id, self.b.id

    def directory(self) -> Directory:
        a, b = Listed((PAT,)), Listed((KIM,))
        return Directory((Entry(self.a.id, self.a.name, contacts=(a,)), Entry(self.b.id, self.b.name, contacts=(a, b))), frozenset({EVA}))

    def mails(self) -> list[Mail]:
        return [self._mail(number, cc, thread, subject, whose) for number, (cc, thread, subject, whose) in enumerate(STREAM)]

    async def lives(self) -> None:
        """Each mail comes, and Eva says whose it is."""
        for number, (cc, thread, subject, whose) in enumerate(STREAM):
            name, certain = f"mail {number}", (self.b.id,) if KIM in cc else ()
            in_doubt = () if certain else self.ids
            email = an_email(name, self.at(number), *certain, in_doubt=in_doubt, cc=cc, thread=thread, subject=subject)

            def spy(doubt: Doubt, evidence: Evidence, name: str = name) -> tuple[Ranked, ...]:
                self.told[name] = doubt, evidence, (ranked := guess(doubt, evidence))
                return ranked

            await files(self.mailbox, email, now=self.at(number), rank=spy)
            if in_doubt:
                id = (await Email.get(identity=name)).id
                await file_under(self.eva, await seen(id), self.ids[whose], self.at(number))

    def at(self, number: int) -> datetime:
        return self.now + timedelta(hours=number)

    def _mail(self, number: int, cc: tuple[str, ...], thread: str, subject: str, whose: int) -> Mail:
        headers = [{"name": "From", "value": PAT}, {"name": "To", "value": EVA}, {"name": "Cc", "value": ", ".join(cc)}]
        people = parties(headers_of({"payload": {"headers": headers}}))
        truth, boxes = frozenset({self.ids[whose]}), frozenset({key_of(self.mailbox.address) or ""})
        return Mail(f"mail {number}", self.at(number), people, subject, "Text", thread, truth, boxes)


@pytest.fixture
async def firm(database: None, now: datetime) -> Firm:
    firm = await a_firm()
    eva = await a_user(firm)
    a, b = await a_client(firm, "Harbour Bakery", PAT), await a_client(firm, "Quay Dental", PAT, KIM)
    return Firm(eva, await a_mailbox(eva, at=now), a, b, now)


def asked_in(steps: list[Step]) -> dict[str, tuple[Doubt, Evidence]]:
    return {step.mail.id: (step.asked.doubt, step.asked.evidence) for step in steps if step.asked}


async def test_memory_tells_the_guess_what_the_database_tells_it(firm: Firm) -> None:
    """Scenario 59. The same doubts, the same evidence, and so the same ranking with the same reasons."""
    await firm.lives()
    steps = list(replay(firm.directory(), firm.mails()))
    asked = asked_in(steps)
    assert asked.keys() == firm.told.keys()
    assert len(asked) == 8
    for name, (doubt, evidence, ranked) in firm.told.items():
        assert asked[name][1] == evidence, name
        assert guess(*asked[name]) == ranked == guess(doubt, evidence), name
    assert len({ranked[0].client_id for _, _, ranked in firm.told.values()}) == 2, "the guess is now this, now that"


async def test_what_is_certain_is_filed_and_nobody_is_asked(firm: Firm) -> None:
    """Scenario 58."""
    certain = {step.mail.id: step.certain for step in replay(firm.directory(), firm.mails()) if step.certain}
    assert certain == {"mail 3": {firm.b.id}, "mail 7": {firm.b.id}}


async def test_mail_is_replayed_by_date_in_whatever_order_it_is_given(firm: Firm) -> None:
    mails = firm.mails()
    forth, back = (list(replay(firm.directory(), order)) for order in (mails, mails[::-1]))
    assert forth == back
    assert [step.mail for step in forth] == mails


async def test_a_guess_knows_nothing_of_what_comes_later(firm: Firm) -> None:
    mails = firm.mails()
    for number in range(1, len(mails)):
        assert list(replay(firm.directory(), mails[:number])) == list(replay(firm.directory(), mails))[:number]


async def test_mails_of_one_moment_come_as_they_are_given(firm: Firm) -> None:
    mails = [replace(mail, at=firm.now) for mail in firm.mails()]
    assert [step.mail for step in replay(firm.directory(), mails)] == mails
    assert [step.mail for step in replay(firm.directory(), mails[::-1])] == mails[::-1]
