"""A firm with two colleagues, their mailboxes and three clients, for tests of what people decide."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import REGISTRY
from tortoise.queryset import QuerySet

from models.activities import Activity, Review
from models.audit_log import AuditEntry
from models.directory import Client
from models.emails import Email
from models.firms import Firm, User
from models.mailboxes import Mailbox
from models.verdicts import Seen
from pipeline.guess import guess
from tests.builders import a_client, a_firm, a_mailbox, a_user
from tests.models.emails import an_email, files


@dataclass
class Office:
    firm: Firm
    eva: User
    bob: User
    evas: Mailbox
    bobs: Mailbox
    clients: list[Client]
    now: datetime

    @property
    def ids(self) -> tuple[int, int, int]:
        a, b, c = (client.id for client in self.clients)
        return a, b, c

    async def files(self, name: str, *certain: int, box: Mailbox | None = None, **more: Any) -> int:
        """An e-mail comes, or a further copy of it; its id."""
        await files(box or self.evas, an_email(name, self.now, *certain, **more), now=self.now, rank=guess)
        return int((await Email.get(firm=self.firm, identity=name)).id)

    async def asks(self, name: str = "mail", **more: Any) -> int:
        """An e-mail whose sender may be A's or B's; A is the guess."""
        a, b, _ = self.ids
        return await self.files(name, in_doubt=(a, b), **more)

    def later(self, **span: float) -> datetime:
        self.now += timedelta(**(span or {"minutes": 1}))
        return self.now


async def an_office(now: datetime, tag: str = "") -> Office:
    """`tag`: of their addresses, where a test has more than one office."""
    firm = await a_firm()
    eva, bob = await a_user(firm, f"eva{tag}@sample.test"), await a_user(firm, f"bob{tag}@sample.test")
    evas, bobs = [await a_mailbox(user, at=now - timedelta(days=200)) for user in (eva, bob)]
    return Office(firm, eva, bob, evas, bobs, [await a_client(firm, name) for name in ("A", "B", "C")], now)


async def seen(email_id: int) -> Seen:
    """As it stands now."""
    return Seen(email_id, (await Email.get(id=email_id)).version)


async def places(email_id: int) -> dict[int, tuple[str, str]]:
    """Client to status, and who or what put it there."""
    rows = await Activity.filter(email_id=email_id).order_by("client_id").values_list("client_id", "status", "how")
    return {client: (status, how) for client, status, how in rows}


async def ids_of(mails: QuerySet[Email]) -> list[int]:
    return [mail.id for mail in await mails.order_by("id")]


async def shown(email_id: int) -> set[int]:
    return set(await Activity.filter(email_id=email_id, status__in=("filed", "review")).values_list("client_id", flat=True))  # type: ignore[arg-type]


async def outcome(email_id: int) -> tuple[str | None, int | None, datetime | None]:
    """How the question ended, by whom and when."""
    review = await Review.get(email_id=email_id)
    return review.outcome, review.decided_by_id, review.decided_at  # type: ignore[attr-defined]


async def acts(email_id: int) -> list[tuple[str, int | None]]:
    """What was done, and by whom, the first act first."""
    return [(entry.act, entry.user_id) for entry in await AuditEntry.filter(email_id=email_id).order_by("id")]


async def rows(email_id: int) -> tuple[Any, ...]:
    """All that is known of the e-mail's places and its question."""
    activities = await Activity.filter(email_id=email_id).order_by("client_id").values()
    return activities, await Review.filter(email_id=email_id).values()


def answered(how: str) -> float:
    """How many questions were, by this process."""
    return REGISTRY.get_sample_value("postroom_answers_total", {"outcome": how}) or 0.0
