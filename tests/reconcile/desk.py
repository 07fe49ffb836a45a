"""A desk for audits: a mailbox that was connected an hour ago, mail that gets lost, and what audits of it tell."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from structlog.testing import capture_logs

from models.audits import claim_audits
from models.directory import Client
from models.mailboxes import Mailbox
from pipeline.tools import Clock
from reconcile.audit import audit
from telemetry import metrics
from tests.builders import a_mail
from tests.pipeline.stage import Stage

DAY, HOUR, MINUTE, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


class Desk:
    """An hour after Eva connected; and what audits of her mailbox told."""

    def __init__(self, stage: Stage, eva: Mailbox, client: Client) -> None:
        self.stage, self.eva, self.client = stage, eva, client
        self.alarms: list[Any] = []

    async def lost(self, subject: str = "lost") -> str:
        """A mail that history did not show in time: pushes, sweeps and the cursor went by."""
        await self.stage.sandbox.aio.fault("history_late", s=30 * 86400)
        lost = await self.stage.mail(self.eva, a_mail(subject=subject))
        await self.stage.sandbox.aio.clear_faults()
        await self.stage.push(self.eva)
        await self.an_hour_passes()
        return lost

    async def an_hour_passes(self) -> None:
        for _ in range(4):
            await self.stage.time_passes(900)
            await self.stage.sweep(self.eva)

    async def audited(self, clock: Clock | None = None) -> str:
        """What came of an audit a second later, as a word; an alarm must be told as an error."""
        self.stage.wait(seconds=1)
        before = self.counted()
        with capture_logs() as told:
            await audit(self.eva.id, "trace", replace(self.stage.tools, clock=clock or self.stage.clock))
        self.alarms += [line for line in told if line["event"] == "audit found lost mail" and line["log_level"] == "error"]
        (outcome,) = [word for word, count in self.counted().items() if count > before.get(word, 0)]
        return outcome

    @staticmethod
    def counted() -> dict[str, float]:
        (audits,) = metrics.AUDITS.collect()
        return {sample.labels["outcome"]: sample.value for sample in audits.samples if sample.name.endswith("_total")}

    async def row(self) -> Mailbox:
        return await Mailbox.get(id=self.eva.id)

    async def due_in(self) -> timedelta:
        audit_at = (await self.row()).audit_at
        assert audit_at is not None
        return audit_at - self.stage.clock.moment

    async def filed(self) -> list[str]:
        return await self.stage.filed(self.client)

    async def calls(self, method: str) -> int:
        told = await self.stage.sandbox.aio.state(self.eva.address)
        return int(told["calls_by_mailbox"].get(self.eva.address, {}).get(method, 0))


def found() -> float:
    return float(metrics.AUDIT_FOUND._value.get())


async def due(stage: Stage, after: timedelta = timedelta(0)) -> list[int]:
    """The mailboxes that a chore would queue so much later; they are claimed for an hour."""
    return await claim_audits(HOUR, 100, stage.clock.moment + after)
